//! The key of the role of an ECS instance, from its metadata service.

use std::sync::{Mutex, PoisonError};

use super::{CredentialError, Fetching, Handed, NEAR, Provider, Surroundings, read_json, shown};
use crate::transport::Answer;
use crate::{AccessKey, Draft, Secret, Timestamp};

const NAME: &str = "ECS role";
const TOKEN_PATH: &str = "/latest/api/token";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
/// How long a session of the metadata service lasts, in seconds: the longest that it grants.
const SESSION: u64 = 21_600;

/// Asks the metadata service. A session (version 2) is opened and kept; where that fails the plain form (version 1) is
/// tried, unless it is forbidden.
#[derive(Debug)]
pub struct EcsRole {
    /// The role; without it the service is asked for its name.
    pub role: Option<String>,
    /// Whether version 1 is forbidden.
    pub is_v1_disabled: bool,
    /// What is needed to ask.
    pub surroundings: Surroundings,
    session: Mutex<Option<(Secret, Timestamp)>>,
}

impl EcsRole {
    /// Asks for a role, or for the one that is attached.
    #[must_use]
    pub fn new(surroundings: Surroundings, role: Option<String>) -> Self {
        let is_v1_disabled = surroundings.environment.is_true("ALIBABA_CLOUD_IMDSV1_DISABLED");
        Self { role: role.filter(|role| !role.is_empty()), is_v1_disabled, surroundings, session: Mutex::default() }
    }

    async fn ask(&self) -> Result<AccessKey, CredentialError> {
        let role = match &self.role {
            Some(role) => role.clone(),
            None => self.attached().await?,
        };
        let path = format!("{ROLES}{}", crate::encode::percent(&role));
        let answer = self.item(&path).await?;
        if answer.status == 404 {
            let text = format!("the role {} is not attached to this instance", shown(&role));
            return Err(CredentialError::failed(NAME, text));
        }
        expect_success(&answer)?;
        let handed: Handed = read_json(NAME, &answer.body)?;
        if handed.code.is_none() {
            return Err(CredentialError::failed(NAME, "the answer has no code"));
        }
        handed.key(NAME)
    }

    async fn attached(&self) -> Result<String, CredentialError> {
        let answer = self.item(ROLES).await?;
        if answer.status == 404 {
            return Err(CredentialError::absent(
                NAME,
                "no role is attached to this instance: attach one in the ECS console",
            ));
        }
        expect_success(&answer)?;
        let text = String::from_utf8_lossy(&answer.body);
        let name = text.lines().next().unwrap_or_default().trim();
        if name.is_empty() {
            return Err(CredentialError::absent(NAME, "the metadata service names no role"));
        }
        Ok(name.to_owned())
    }

    /// Reads an item: with the session that is there, with a new one, and plainly where that is allowed.
    async fn item(&self, path: &str) -> Result<Answer, CredentialError> {
        let mut failure = None;
        let known = self.known_session();
        let had_session = known.is_some();
        if let Some(token) = known {
            match self.get(path, Some(&token)).await {
                Ok(answer) if is_final(&answer) => return Ok(answer),
                other => failure = Some(other),
            }
        }
        match self.open_session().await {
            Ok(token) => match self.get(path, Some(&token)).await {
                Ok(answer) if is_final(&answer) => return Ok(answer),
                other => failure = Some(other),
            },
            Err(error) => failure = failure.filter(|_| had_session).or(Some(Err(error))),
        }
        if self.is_v1_disabled {
            return failure
                .unwrap_or_else(|| Err(CredentialError::failed(NAME, "the metadata service gave no answer")));
        }
        self.get(path, None).await
    }

    fn known_session(&self) -> Option<Secret> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.surroundings.clock.now();
        session.as_ref().filter(|(_, end)| now < *end).map(|(token, _)| token.clone())
    }

    async fn open_session(&self) -> Result<Secret, CredentialError> {
        let mut draft = Draft::new("PUT", "", TOKEN_PATH);
        draft.headers.set("x-aliyun-ecs-metadata-token-ttl-seconds", SESSION.to_string());
        let answer = self.surroundings.ask(NAME, &self.surroundings.metadata, draft, NEAR).await?;
        expect_success(&answer)?;
        let token = Secret::new(String::from_utf8_lossy(&answer.body).trim());
        if token.is_empty() {
            return Err(CredentialError::failed(NAME, "the metadata service opened no session"));
        }
        // Given up a minute early, so that no request arrives with one that has just ended.
        let end = self.surroundings.clock.now().plus(std::time::Duration::from_secs(SESSION - 60));
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.clone(), end));
        Ok(token)
    }

    async fn get(&self, path: &str, token: Option<&Secret>) -> Result<Answer, CredentialError> {
        let mut draft = Draft::new("GET", "", path);
        if let Some(token) = token {
            draft.headers.set("x-aliyun-ecs-metadata-token", token.reveal());
        }
        self.surroundings.ask(NAME, &self.surroundings.metadata, draft, NEAR).await
    }
}

/// Whether another way of asking would not change the answer.
fn is_final(answer: &Answer) -> bool {
    matches!(answer.status, 200 | 404)
}

fn expect_success(answer: &Answer) -> Result<(), CredentialError> {
    if answer.status == 200 {
        return Ok(());
    }
    let text = format!("the metadata service answered {}", answer.status);
    Err(CredentialError::failed(NAME, text))
}

impl Provider for EcsRole {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.ask())
    }
}
