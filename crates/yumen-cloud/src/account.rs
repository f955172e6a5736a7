//! A client for an account of the configuration.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use yumen_alibaba::credential::{
    self, AssumeRole, CliProfile, Credentials, EcsRole, Metadata, Oidc, Provider, Role, Surroundings,
};
use yumen_alibaba::transport::{Endpoint, Transport};
use yumen_alibaba::{AccessKey, Client, Clock, Scheme, Setup};
use yumen_config::config::{Account, AssumedRole, CloudKeys, Secret, Signature};

/// The metadata service of the instance, where the account says that it is; nothing is sent.
///
/// # Errors
/// The endpoint is none.
pub fn metadata(account: &Account, transport: Arc<dyn Transport>) -> io::Result<Metadata> {
    let mut surroundings = Surroundings::new(transport, Clock::default());
    if let Some(url) = account.endpoints.get("metadata") {
        surroundings.metadata = Endpoint::parse(url)
            .map_err(|why| io::Error::other(format!("account {}: the endpoint of metadata: {why}", account.name)))?;
    }
    Ok(Metadata::new(surroundings))
}

/// Makes a client; nothing is sent. Reads the files of secrets, so it blocks for as long as the disk takes.
///
/// # Errors
/// A file of a secret cannot be read, or an endpoint is none; the error names it.
pub fn client(account: &Account, transport: Arc<dyn Transport>) -> io::Result<Client> {
    let clock = Clock::default();
    let mut endpoints = HashMap::new();
    for (product, url) in &account.endpoints {
        let endpoint = Endpoint::parse(url)
            .map_err(|why| io::Error::other(format!("account {}: the endpoint of {product}: {why}", account.name)))?;
        endpoints.insert(product.clone(), endpoint);
    }
    let mut surroundings = Surroundings::new(Arc::clone(&transport), clock.clone());
    surroundings.sts = endpoints.get("sts").cloned();
    if let Some(metadata) = endpoints.remove("metadata") {
        surroundings.metadata = metadata;
    }
    let mut provider = provider(account, &surroundings)?;
    for role in &account.roles {
        let role = taken_on(account, role)?;
        provider = Arc::new(AssumeRole { source: provider, role, surroundings: surroundings.clone() });
    }
    let credentials = Credentials::of(provider, clock.clone());
    let mut setup = Setup::new(account.region.clone(), transport, credentials, clock);
    setup.endpoints = endpoints;
    setup.network = account.private.then(|| "vpc".to_owned());
    setup.scheme = match account.signature {
        Signature::V3 => Scheme::Acs3,
        Signature::V1 => Scheme::V1,
    };
    Ok(Client::new(setup))
}

fn provider(account: &Account, surroundings: &Surroundings) -> io::Result<Arc<dyn Provider>> {
    let surroundings = surroundings.clone();
    let text = |secret: &Secret| secret.resolve();
    Ok(match &account.keys {
        CloudKeys::Chain => Arc::new(credential::chain(&surroundings)),
        CloudKeys::Key { id, secret, token } => {
            let key = AccessKey::new(text(id)?, text(secret)?);
            Arc::new(match token {
                Some(token) => key.with_token(text(token)?),
                None => key,
            })
        }
        CloudKeys::EcsRole { role } => Arc::new(EcsRole::new(surroundings, role.clone())),
        CloudKeys::Profile { profile, file } => {
            Arc::new(CliProfile { profile: profile.clone(), path: file.clone(), surroundings })
        }
        CloudKeys::Oidc { provider, role, token_file } => {
            let role = placed(account, Role::new(role.clone()));
            let (provider_arn, token_file) = (provider.clone(), token_file.clone());
            Arc::new(Oidc { role, provider_arn, token_file, surroundings })
        }
    })
}

fn taken_on(account: &Account, wanted: &AssumedRole) -> io::Result<Role> {
    let mut role = placed(account, Role::new(wanted.arn.clone()));
    role.session.clone_from(&wanted.session);
    role.duration = wanted.duration;
    role.external_id = wanted.external_id.as_ref().map(Secret::resolve).transpose()?;
    Ok(role)
}

/// A role that is asked for in the region of the account.
fn placed(account: &Account, mut role: Role) -> Role {
    role.region = Some(account.region.clone());
    role.private = account.private;
    role
}
