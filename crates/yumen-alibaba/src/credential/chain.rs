//! The order in which the vendor's libraries look for a key.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{
    CliProfile, CredentialError, EcsRole, EnvironmentKey, Fetching, IniProfile, Oidc, Provider, Surroundings, Uri,
};
use crate::{AccessKey, Secret};

const UNKNOWN: usize = usize::MAX;

/// Several sources. The first that gives a key is remembered, and asked alone from then on: what a program may do must not
/// change because a source is away for a moment.
#[derive(Debug)]
pub struct Chain {
    providers: Vec<Box<dyn Provider>>,
    chosen: AtomicUsize,
}

impl Chain {
    /// Asks these in their order.
    #[must_use]
    pub fn new(providers: Vec<Box<dyn Provider>>) -> Self {
        Self { providers, chosen: AtomicUsize::new(UNKNOWN) }
    }

    /// The names of the sources, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|provider| provider.name())
    }

    async fn ask(&self) -> Result<AccessKey, CredentialError> {
        if let Some(provider) = self.providers.get(self.chosen.load(Ordering::Relaxed)) {
            return provider.fetch().await;
        }
        let mut complaints = Vec::new();
        for (at, provider) in self.providers.iter().enumerate() {
            match provider.fetch().await {
                Ok(key) => {
                    self.chosen.store(at, Ordering::Relaxed);
                    return Ok(key);
                }
                Err(error) => complaints.push(format!("{}: {}", error.source_name, error.text)),
            }
        }
        Err(CredentialError::failed("any source", complaints.join("; ")))
    }
}

impl Provider for Chain {
    fn name(&self) -> &str {
        match self.providers.get(self.chosen.load(Ordering::Relaxed)) {
            Some(provider) => provider.name(),
            None => "default chain",
        }
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.ask())
    }
}

/// The default chain: environment, OIDC when its three variables are set, the file of the command line, the credentials
/// file, the role of the ECS instance, the credentials URI.
#[must_use]
pub fn chain(surroundings: &Surroundings) -> Chain {
    let environment = &surroundings.environment;
    let mut providers: Vec<Box<dyn Provider>> = vec![Box::new(EnvironmentKey { environment: environment.clone() })];
    if let Some(oidc) = Oidc::of_environment(surroundings) {
        providers.push(Box::new(oidc));
    }
    if !environment.is_true("ALIBABA_CLOUD_CLI_PROFILE_DISABLED") {
        providers.push(Box::new(CliProfile { profile: None, path: None, surroundings: surroundings.clone() }));
    }
    providers.push(Box::new(IniProfile { profile: None, path: None, surroundings: surroundings.clone() }));
    if !environment.is_true("ALIBABA_CLOUD_ECS_METADATA_DISABLED") {
        let role = environment.first(&["ALIBABA_CLOUD_ECS_METADATA", "ALICLOUD_ECS_ROLE_NAME"]).map(str::to_owned);
        providers.push(Box::new(EcsRole::new(surroundings.clone(), role)));
    }
    if let Some(url) = environment.value("ALIBABA_CLOUD_CREDENTIALS_URI") {
        providers.push(Box::new(Uri { url: Secret::new(url), surroundings: surroundings.clone() }));
    }
    Chain::new(providers)
}
