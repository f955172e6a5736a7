//! STS: keys of roles, for a key that one has or for a token of an identity provider.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::{CredentialError, Fetching, Handed, Provider, Surroundings, file, read_json, shown};
use crate::clock::Stamp;
use crate::transport::{Answer, Endpoint, Timeouts};
use crate::{AccessKey, Draft, Operation, sign};

const VERSION: &str = "2015-04-01";
const SHORTEST: Duration = Duration::from_secs(900);

/// A role to take on, and how.
#[derive(Clone, Debug)]
pub struct Role {
    /// `acs:ram::<account>:role/<name>`.
    pub arn: String,
    /// What the session is called in logs of the cloud: 2 to 64 of `A-Z a-z 0-9 . @ _ -`.
    pub session: String,
    /// How long a key lasts: 15 minutes to what the role allows; default one hour.
    pub duration: Duration,
    /// A policy that narrows what the key may do, at most 2048 characters.
    pub policy: Option<String>,
    /// A secret that the owner of the role demands of strangers.
    pub external_id: Option<String>,
    /// The region whose STS is asked; default the central one.
    pub region: Option<String>,
    /// Whether STS is asked through the private network of the region.
    pub private: bool,
}

impl Role {
    /// A role with a session called `yumen`, for an hour.
    pub fn new(arn: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            session: "yumen".to_owned(),
            duration: Duration::from_secs(3600),
            policy: None,
            external_id: None,
            region: None,
            private: false,
        }
    }

    /// What STS would refuse, said before it is asked.
    fn check(&self, name: &str) -> Result<(), CredentialError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".@_-".contains(&byte);
        if !(2..=64).contains(&self.session.len()) || !self.session.bytes().all(is_allowed) {
            let text = "the name of the role session has to be 2 to 64 letters, digits and . @ _ -";
            return Err(CredentialError::failed(name, text));
        }
        if self.duration < SHORTEST {
            return Err(CredentialError::failed(name, "the key of a role lasts 15 minutes at least"));
        }
        if self.policy.as_ref().is_some_and(|policy| policy.chars().count() > 2048) {
            return Err(CredentialError::failed(name, "the policy of the session is longer than 2048 characters"));
        }
        Ok(())
    }

    fn endpoint(&self, surroundings: &Surroundings) -> Endpoint {
        if let Some(endpoint) = &surroundings.sts {
            return endpoint.clone();
        }
        let environment = &surroundings.environment;
        let private = self.private || environment.is_true("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED");
        match self.region.as_deref().or_else(|| environment.value("ALIBABA_CLOUD_STS_REGION")) {
            Some(region) => Endpoint::https(format!("sts{}.{region}.aliyuncs.com", if private { "-vpc" } else { "" })),
            None => Endpoint::https("sts.aliyuncs.com"),
        }
    }

    fn parameters(&self) -> Vec<(String, String)> {
        let mut list = Vec::new();
        let mut add = |name: &str, value: String| list.push((name.to_owned(), value));
        add("RoleArn", self.arn.clone());
        add("RoleSessionName", self.session.clone());
        add("DurationSeconds", self.duration.as_secs().to_string());
        if let Some(policy) = self.policy.as_ref().filter(|policy| !policy.is_empty()) {
            add("Policy", policy.clone());
        }
        list
    }
}

/// Takes on a role with another key, which may itself be that of a role.
#[derive(Clone, Debug)]
pub struct AssumeRole {
    /// Where the key comes from that may take on the role.
    pub source: Arc<dyn Provider>,
    /// The role.
    pub role: Role,
    /// What is needed to ask.
    pub surroundings: Surroundings,
}

const ROLE: &str = "AssumeRole";

impl AssumeRole {
    async fn ask(&self) -> Result<AccessKey, CredentialError> {
        self.role.check(ROLE)?;
        let key = self.source.fetch().await?;
        let surroundings = &self.surroundings;
        let mut parameters = self.role.parameters();
        if let Some(id) = self.role.external_id.as_ref().filter(|id| !id.is_empty()) {
            parameters.push(("ExternalId".to_owned(), id.clone()));
        }
        let endpoint = self.role.endpoint(surroundings);
        let operation = Operation { version: VERSION, action: "AssumeRole" };
        let attempt = async |stamp: Stamp| {
            let mut draft = Draft::new("POST", endpoint.authority.clone(), "/");
            draft.form(&parameters);
            sign::acs3::sign(&mut draft, &key, &operation, &stamp);
            surroundings.ask(ROLE, &endpoint, draft, Timeouts::default()).await
        };
        let mut answer = attempt(surroundings.clock.stamp()).await?;
        let date = answer.headers.value("date").unwrap_or_default();
        // A clock that is wrong is no reason to give up: the answer tells the right time.
        if answer.status != 200 && code(&answer).starts_with("InvalidTimeStamp") && surroundings.clock.correct(date) {
            answer = attempt(surroundings.clock.stamp()).await?;
        }
        handed(ROLE, &answer)
    }
}

impl Provider for AssumeRole {
    fn name(&self) -> &'static str {
        ROLE
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.ask())
    }
}

/// Takes on a role with a token of an identity provider: RRSA of ACK. Nothing is signed, and the token goes in the body.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// The role.
    pub role: Role,
    /// `acs:ram::<account>:oidc-provider/<name>`.
    pub provider_arn: String,
    /// The file with the token; it is read anew each time, because it is replaced before it ends.
    pub token_file: PathBuf,
    /// What is needed to ask.
    pub surroundings: Surroundings,
}

const OIDC: &str = "OIDC";

impl Oidc {
    /// The provider that the environment describes; `None` unless all three variables are set.
    #[must_use]
    pub fn of_environment(surroundings: &Surroundings) -> Option<Self> {
        let value = |name: &str| surroundings.environment.value(name);
        let mut role = Role::new(value("ALIBABA_CLOUD_ROLE_ARN")?);
        if let Some(session) = value("ALIBABA_CLOUD_ROLE_SESSION_NAME") {
            session.clone_into(&mut role.session);
        }
        Some(Self {
            role,
            provider_arn: value("ALIBABA_CLOUD_OIDC_PROVIDER_ARN")?.to_owned(),
            token_file: value("ALIBABA_CLOUD_OIDC_TOKEN_FILE")?.into(),
            surroundings: surroundings.clone(),
        })
    }

    async fn ask(&self) -> Result<AccessKey, CredentialError> {
        self.role.check(OIDC)?;
        let token = file::read(OIDC, &self.token_file).await?;
        let mut parameters = self.role.parameters();
        let stamp = self.surroundings.clock.stamp();
        for (name, value) in [
            ("Action", "AssumeRoleWithOIDC"),
            ("Version", VERSION),
            ("Format", "JSON"),
            ("Timestamp", &stamp.time.iso()),
            ("SignatureNonce", &stamp.nonce),
            ("OIDCProviderArn", &self.provider_arn),
            ("OIDCToken", token.trim()),
        ] {
            parameters.push((name.to_owned(), value.to_owned()));
        }
        let endpoint = self.role.endpoint(&self.surroundings);
        let mut draft = Draft::new("POST", endpoint.authority.clone(), "/");
        draft.form(&parameters);
        let answer = self.surroundings.ask(OIDC, &endpoint, draft, Timeouts::default()).await?;
        handed(OIDC, &answer)
    }
}

impl Provider for Oidc {
    fn name(&self) -> &'static str {
        OIDC
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.ask())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Granted {
    credentials: Handed,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Refusal {
    code: String,
    message: String,
    request_id: String,
}

fn refusal(answer: &Answer) -> Refusal {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn code(answer: &Answer) -> String {
    refusal(answer).code
}

fn handed(name: &str, answer: &Answer) -> Result<AccessKey, CredentialError> {
    if answer.status == 200 {
        let granted: Granted = read_json(name, &answer.body)?;
        let key = granted.credentials.key(name)?;
        // Without an end it would be served for ever.
        return if key.expires.is_some() {
            Ok(key)
        } else {
            Err(CredentialError::failed(name, "STS does not say how long the key lasts"))
        };
    }
    let Refusal { code, message, request_id } = refusal(answer);
    // A refused signature is explained with what was signed, which holds the session token.
    let message = if code.starts_with("Signature") { String::new() } else { format!(": {}", shown(&message)) };
    let code = if code.is_empty() { "no code" } else { &code };
    let mut text =
        format!("STS refused: {} (status {}, request {}){message}", shown(code), answer.status, shown(&request_id));
    if code == "NoPermission" || code.starts_with("Forbidden") {
        text.push_str("; grant sts:AssumeRole, and let the trust policy of the role name this identity");
    }
    Err(CredentialError::failed(name, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sts_would_refuse_is_refused_before() {
        let role = Role::new("acs:ram::1:role/r");
        assert!(role.check("x").is_ok());
        for session in ["a", "with space", &"x".repeat(65)] {
            assert!(Role { session: session.to_owned(), ..role.clone() }.check("x").is_err(), "{session}");
        }
        assert!(Role { duration: Duration::from_secs(899), ..role.clone() }.check("x").is_err());
        assert!(Role { policy: Some("x".repeat(2049)), ..role }.check("x").is_err());
    }
}
