//! Where access keys come from, and how they are kept fresh.
//!
//! A [`Provider`] knows one source. [`Credentials`] stands before it: one fetch at a time, a key is renewed in the background
//! at half of its life, and the old one is served until it really ends. [`chain`] is the order in which the vendor's
//! libraries look for keys.
//!
//! No error, log line or `Debug` output of this module holds a secret or a token.

mod chain;
mod cli;
mod environment;
mod external;
mod file;
mod imds;
mod ini;
mod login;
mod metadata;
mod renew;
mod sts;
mod uri;

pub use chain::{Chain, chain};
pub use cli::CliProfile;
pub use environment::{Environment, EnvironmentKey};
pub use external::External;
pub use imds::EcsRole;
pub use ini::IniProfile;
pub use login::{CloudSso, OAuth};
pub use metadata::{Metadata, MetadataError};
pub use renew::{CredentialStatus, Credentials};
pub use sts::{AssumeRole, Oidc, Role};
pub use uri::Uri;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::clock::Clock;
use crate::transport::{Answer, Endpoint, Outgoing, Timeouts, Transport};
use crate::{AccessKey, Draft, Timestamp};

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key from {source_name}: {text}")]
pub struct CredentialError {
    /// The source that was asked.
    pub source_name: String,
    /// Whether this source is not set up at all, so that another one may be.
    pub is_absent: bool,
    /// What went wrong and what to do.
    pub text: String,
}

impl CredentialError {
    pub(crate) fn absent(source_name: &str, text: impl Into<String>) -> Self {
        Self { source_name: source_name.to_owned(), is_absent: true, text: text.into() }
    }

    pub(crate) fn failed(source_name: &str, text: impl Into<String>) -> Self {
        Self { source_name: source_name.to_owned(), is_absent: false, text: text.into() }
    }
}

/// A key on its way.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<AccessKey, CredentialError>> + Send + 'a>>;

/// A source of keys.
pub trait Provider: Send + Sync + fmt::Debug {
    /// What an operator calls it: `environment`, `ECS role`.
    fn name(&self) -> &str;
    /// Asks the source, each time anew.
    fn fetch(&self) -> Fetching<'_>;
}

impl Provider for AccessKey {
    fn name(&self) -> &'static str {
        "configuration"
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(async { Ok(self.clone()) })
    }
}

/// What providers need of the world; all of it can be replaced.
#[derive(Clone)]
pub struct Surroundings {
    /// Sends their requests.
    pub transport: Arc<dyn Transport>,
    /// Tells the time.
    pub clock: Clock,
    /// Variables and home folder.
    pub environment: Environment,
    /// STS elsewhere than its region says.
    pub sts: Option<Endpoint>,
    /// The metadata service of ECS.
    pub metadata: Endpoint,
}

impl Surroundings {
    /// The process environment and the usual endpoints.
    pub fn new(transport: Arc<dyn Transport>, clock: Clock) -> Self {
        Self {
            transport,
            clock,
            environment: Environment::of_process(),
            sts: None,
            metadata: Endpoint { tls: false, authority: "100.100.100.200".to_owned() },
        }
    }

    /// Sends one request; a failure without an answer is an error of `name`.
    async fn ask(
        &self,
        name: &str,
        endpoint: &Endpoint,
        mut draft: Draft,
        timeouts: Timeouts,
    ) -> Result<Answer, CredentialError> {
        draft.host.clone_from(&endpoint.authority);
        let outgoing = Outgoing { endpoint: endpoint.clone(), draft, timeouts };
        let answer = self.transport.send(outgoing).await.map_err(|error| CredentialError::failed(name, error.text))?;
        // A clock that is ahead takes every key for ended, so no service would ever be asked that could put it right.
        if answer.status == 200 {
            self.clock.correct_large(answer.headers.value("date").unwrap_or_default());
        }
        Ok(answer)
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("environment", &self.environment)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

/// IMDS: one second to connect and one for the answer.
const NEAR: Timeouts = Timeouts { connect: Duration::from_secs(1), answer: Duration::from_secs(1) };

/// The four fields in which services hand out keys; never shown. Most services spell them so, OAuth does not.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Handed {
    #[serde(default)]
    code: Option<String>,
    #[serde(default, alias = "accessKeyId")]
    access_key_id: String,
    #[serde(default, alias = "accessKeySecret")]
    access_key_secret: String,
    #[serde(default, alias = "securityToken")]
    security_token: String,
    #[serde(default, alias = "expiration")]
    expiration: Option<String>,
}

impl Handed {
    /// The key; all but the end has to be there, and the end has to be a date when it is.
    fn key(self, name: &str) -> Result<AccessKey, CredentialError> {
        if let Some(code) = self.code.filter(|code| code != "Success") {
            return Err(CredentialError::failed(name, format!("the answer says {}", shown(&code))));
        }
        if self.access_key_id.is_empty() || self.access_key_secret.is_empty() || self.security_token.is_empty() {
            return Err(CredentialError::failed(name, "the answer holds no complete key"));
        }
        let end = match self.expiration.as_deref() {
            None | Some("") => None,
            Some(text) => Some(Timestamp::parse_iso(text).ok_or_else(|| {
                CredentialError::failed(name, "the answer says with no valid date how long the key lasts")
            })?),
        };
        Ok(AccessKey::new(self.access_key_id, self.access_key_secret).with_token(self.security_token).with_end(end))
    }
}

/// Reads JSON that holds keys: the complaint shows neither the text nor parts of it.
fn read_json<'a, T: Deserialize<'a>>(name: &str, text: &'a [u8]) -> Result<T, CredentialError> {
    serde_json::from_slice(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        CredentialError::failed(name, format!("what came is no JSON of the expected form ({place})"))
    })
}

/// A short text of a server, fit for a log: one line, no control characters.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
