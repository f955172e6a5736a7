//! The key of the role of an ECS instance, from its metadata service.

use super::metadata::{Metadata, expect_success};
use super::{CredentialError, Fetching, Handed, Provider, Surroundings, read_json, shown};
use crate::AccessKey;

const NAME: &str = "ECS role";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";

/// Asks the metadata service for the key of the role of the instance.
#[derive(Debug)]
pub struct EcsRole {
    /// The role; without it the service is asked for its name.
    pub role: Option<String>,
    /// The service.
    pub metadata: Metadata,
}

impl EcsRole {
    /// Asks for a role, or for the one that is attached.
    #[must_use]
    pub fn new(surroundings: Surroundings, role: Option<String>) -> Self {
        Self { role: role.filter(|role| !role.is_empty()), metadata: Metadata::new(surroundings) }
    }

    async fn ask(&self) -> Result<AccessKey, CredentialError> {
        let role = match &self.role {
            Some(role) => role.clone(),
            None => self.attached().await?,
        };
        let path = format!("{ROLES}{}", crate::encode::percent(&role));
        let answer = self.metadata.answer(NAME, &path).await?;
        if answer.status == 404 {
            let text = format!("the role {} is not attached to this instance", shown(&role));
            return Err(CredentialError::failed(NAME, text));
        }
        expect_success(NAME, &answer)?;
        let handed: Handed = read_json(NAME, &answer.body)?;
        if handed.code.is_none() {
            return Err(CredentialError::failed(NAME, "the answer has no code"));
        }
        handed.key(NAME)
    }

    async fn attached(&self) -> Result<String, CredentialError> {
        let answer = self.metadata.answer(NAME, ROLES).await?;
        if answer.status == 404 {
            return Err(CredentialError::absent(
                NAME,
                "no role is attached to this instance: attach one in the ECS console",
            ));
        }
        expect_success(NAME, &answer)?;
        let text = String::from_utf8_lossy(&answer.body);
        let name = text.lines().next().unwrap_or_default().trim();
        if name.is_empty() {
            return Err(CredentialError::absent(NAME, "the metadata service names no role"));
        }
        Ok(name.to_owned())
    }
}

impl Provider for EcsRole {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.ask())
    }
}
