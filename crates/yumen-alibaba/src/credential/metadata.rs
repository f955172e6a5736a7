//! The metadata service of an ECS instance.

use std::sync::{Mutex, PoisonError};

use super::{CredentialError, NEAR, Surroundings};
use crate::transport::Answer;
use crate::{Draft, Secret, Timestamp};

const NAME: &str = "the metadata service";
const TOKEN_PATH: &str = "/latest/api/token";
const ITEMS: &str = "/latest/meta-data/";
/// How long a session of the metadata service lasts, in seconds: the longest that it grants.
const SESSION: u64 = 21_600;

/// The metadata service gave no item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MetadataError(String);

/// Asks the metadata service. A session (version 2) is opened and kept; where that fails the plain form (version 1) is
/// tried, unless it is forbidden.
#[derive(Debug)]
pub struct Metadata {
    /// Whether version 1 is forbidden.
    pub is_v1_disabled: bool,
    /// What is needed to ask.
    pub surroundings: Surroundings,
    session: Mutex<Option<(Secret, Timestamp)>>,
}

impl Metadata {
    /// The service of these surroundings; nothing is asked.
    #[must_use]
    pub fn new(surroundings: Surroundings) -> Self {
        let is_v1_disabled = surroundings.environment.is_true("ALIBABA_CLOUD_IMDSV1_DISABLED");
        Self { is_v1_disabled, surroundings, session: Mutex::default() }
    }

    /// What the service says of an item such as `instance-id`; `None` when it does not know the item, as `eipv4` of an
    /// instance without one.
    ///
    /// # Errors
    /// When the service cannot be asked or refuses.
    pub async fn item(&self, item: &str) -> Result<Option<String>, MetadataError> {
        let failed = |error: CredentialError| MetadataError(error.text);
        let answer = self.answer(NAME, &format!("{ITEMS}{item}")).await.map_err(failed)?;
        if answer.status == 404 {
            return Ok(None);
        }
        expect_success(NAME, &answer).map_err(failed)?;
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// Reads an item: with the session that is there, with a new one, and plainly where that is allowed.
    pub(super) async fn answer(&self, name: &str, path: &str) -> Result<Answer, CredentialError> {
        let mut failure = None;
        let known = self.known_session();
        let had_session = known.is_some();
        if let Some(token) = known {
            match self.get(name, path, Some(&token)).await {
                Ok(answer) if is_final(&answer) => return Ok(answer),
                other => failure = Some(other),
            }
        }
        match self.open_session(name).await {
            Ok(token) => match self.get(name, path, Some(&token)).await {
                Ok(answer) if is_final(&answer) => return Ok(answer),
                other => failure = Some(other),
            },
            Err(error) => failure = failure.filter(|_| had_session).or(Some(Err(error))),
        }
        if self.is_v1_disabled {
            return failure
                .unwrap_or_else(|| Err(CredentialError::failed(name, "the metadata service gave no answer")));
        }
        self.get(name, path, None).await
    }

    fn known_session(&self) -> Option<Secret> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.surroundings.clock.now();
        session.as_ref().filter(|(_, end)| now < *end).map(|(token, _)| token.clone())
    }

    async fn open_session(&self, name: &str) -> Result<Secret, CredentialError> {
        let mut draft = Draft::new("PUT", "", TOKEN_PATH);
        draft.headers.set("x-aliyun-ecs-metadata-token-ttl-seconds", SESSION.to_string());
        let answer = self.surroundings.ask(name, &self.surroundings.metadata, draft, NEAR).await?;
        expect_success(name, &answer)?;
        let token = Secret::new(String::from_utf8_lossy(&answer.body).trim());
        if token.is_empty() {
            return Err(CredentialError::failed(name, "the metadata service opened no session"));
        }
        // Given up a minute early, so that no request arrives with one that has just ended.
        let end = self.surroundings.clock.now().plus(std::time::Duration::from_secs(SESSION - 60));
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.clone(), end));
        Ok(token)
    }

    async fn get(&self, name: &str, path: &str, token: Option<&Secret>) -> Result<Answer, CredentialError> {
        let mut draft = Draft::new("GET", "", path);
        if let Some(token) = token {
            draft.headers.set("x-aliyun-ecs-metadata-token", token.reveal());
        }
        self.surroundings.ask(name, &self.surroundings.metadata, draft, NEAR).await
    }
}

/// Whether another way of asking would not change the answer.
fn is_final(answer: &Answer) -> bool {
    matches!(answer.status, 200 | 404)
}

pub(super) fn expect_success(name: &str, answer: &Answer) -> Result<(), CredentialError> {
    if answer.status == 200 {
        return Ok(());
    }
    let text = format!("the metadata service answered {}", answer.status);
    Err(CredentialError::failed(name, text))
}
