//! Keys of people who logged in with the vendor's command line: modes `CloudSSO` and `OAuth`.
//!
//! Both trade the token that the login left in the file for a key. When the token has ended a person has to log in again:
//! this crate never writes into the file of the command line.

use serde::Deserialize;

use super::{CredentialError, Fetching, Handed, Provider, Surroundings, read_json};
use crate::transport::{Answer, Endpoint, Timeouts};
use crate::{AccessKey, Draft, Secret, Timestamp};

const SSO: &str = "CloudSSO";
const OAUTH: &str = "OAuth";

/// A login at CloudSSO.
#[derive(Clone, Debug)]
pub struct CloudSso {
    /// Where the login was.
    pub sign_in: String,
    /// The account.
    pub account: String,
    /// The access configuration.
    pub access: String,
    /// The token of the login.
    pub token: Secret,
    /// When the login ends.
    pub end: Timestamp,
    /// What is needed to ask.
    pub surroundings: Surroundings,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Granted {
    cloud_credential: Handed,
}

impl CloudSso {
    async fn ask(&self) -> Result<AccessKey, CredentialError> {
        expect_login(SSO, &self.token, self.end, &self.surroundings)?;
        // The login page has a path; keys come from the root of its host.
        let (scheme, rest) = self.sign_in.split_once("://").unwrap_or(("https", &self.sign_in));
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let endpoint = Endpoint::parse(&format!("{scheme}://{host}"))
            .map_err(|text| CredentialError::failed(SSO, format!("cloud_sso_sign_in_url: {text}")))?;
        let mut draft = Draft::new("POST", "", "/cloud-credentials");
        let body = serde_json::json!({"AccountId": self.account, "AccessConfigurationId": self.access});
        draft.body = body.to_string().into();
        let answer = trade(SSO, &self.surroundings, &endpoint, draft, &self.token).await?;
        let granted: Granted = read_json(SSO, &answer.body)?;
        granted.cloud_credential.key(SSO)
    }
}

/// A login through the browser.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// The server that knows the login.
    pub endpoint: Endpoint,
    /// The token of the login.
    pub token: Secret,
    /// When the login ends.
    pub end: Timestamp,
    /// The key that the command line got for it last.
    pub last: Option<AccessKey>,
    /// What is needed to ask.
    pub surroundings: Surroundings,
}

impl OAuth {
    async fn ask(&self) -> Result<AccessKey, CredentialError> {
        let now = self.surroundings.clock.now();
        if let Some(key) = self.last.as_ref().filter(|key| key.expires.is_some() && key.is_valid_at(now)) {
            return Ok(key.clone());
        }
        expect_login(OAUTH, &self.token, self.end, &self.surroundings)?;
        let draft = Draft::new("POST", "", "/v1/exchange");
        let answer = trade(OAUTH, &self.surroundings, &self.endpoint, draft, &self.token).await?;
        let handed: Handed = read_json(OAUTH, &answer.body)?;
        handed.key(OAUTH)
    }
}

fn expect_login(
    name: &str,
    token: &Secret,
    end: Timestamp,
    surroundings: &Surroundings,
) -> Result<(), CredentialError> {
    if token.is_empty() || end <= surroundings.clock.now() {
        return Err(CredentialError::failed(name, "the login has ended: log in again with `aliyun configure`"));
    }
    Ok(())
}

async fn trade(
    name: &str,
    surroundings: &Surroundings,
    endpoint: &Endpoint,
    mut draft: Draft,
    token: &Secret,
) -> Result<Answer, CredentialError> {
    draft.headers.set("accept", "application/json");
    draft.headers.set("content-type", "application/json");
    draft.headers.set("authorization", format!("Bearer {}", token.reveal()));
    let answer = surroundings.ask(name, endpoint, draft, Timeouts::default()).await?;
    if answer.status != 200 {
        return Err(CredentialError::failed(name, format!("{endpoint} answered {}", answer.status)));
    }
    Ok(answer)
}

impl Provider for CloudSso {
    fn name(&self) -> &'static str {
        SSO
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.ask())
    }
}

impl Provider for OAuth {
    fn name(&self) -> &'static str {
        OAUTH
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.ask())
    }
}
