//! KMS: secrets that are kept and rotated there.

mod follow;

pub use follow::FollowedSecret;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::Secret;
use crate::client::{Call, Client, Parameters};
use crate::error::Error;
use crate::flexible::nested;
use crate::product::KMS;

/// The stage of the version in force.
pub const CURRENT: &str = "ACSCurrent";
/// The stage of the version that was in force before.
pub const PREVIOUS: &str = "ACSPrevious";

/// A version of a secret. `Debug` does not show what it says.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue {
    /// What it says, as the service tells it.
    pub data: Secret,
    /// Whether that is Base64 of bytes.
    pub is_binary: bool,
    /// Its version.
    pub version: String,
    /// The stages that the version has.
    pub stages: Vec<String>,
    /// `Generic`, `Rds`, `Redis`, `RAMCredentials`, `ECS` or `PolarDB`.
    pub kind: String,
    /// When it is rotated next; empty when it is not.
    pub next_rotation: String,
}

impl SecretValue {
    /// The bytes of a binary secret, those of the text of another one.
    ///
    /// # Errors
    /// When a binary secret is no Base64.
    pub fn bytes(&self) -> Result<Vec<u8>, base64::DecodeError> {
        if self.is_binary { STANDARD.decode(self.data.reveal()) } else { Ok(self.data.reveal().as_bytes().to_vec()) }
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretValue")
            .field("version", &self.version)
            .field("stages", &self.stages)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    secret_data: String,
    #[serde(default)]
    secret_data_type: String,
    #[serde(default)]
    secret_type: String,
    #[serde(default)]
    version_id: String,
    #[serde(default, deserialize_with = "nested")]
    version_stages: Vec<String>,
    #[serde(default)]
    next_rotation_date: String,
}

/// Reads a secret; `stage` is [`CURRENT`] or [`PREVIOUS`]. Read it again when the server that it is for refuses it, not for
/// every use.
///
/// # Errors
/// Each of [`Error`]; the code `Forbidden.ResourceNotFound` says that there is no such secret.
pub async fn secret(client: &Client, name: &str, stage: &str) -> Result<SecretValue, Error> {
    let parameters = Parameters::default().with("SecretName", name).with("VersionStage", stage);
    let told: Told = client.call(&Call::read(&KMS, "GetSecretValue", parameters)).await?;
    Ok(SecretValue {
        data: Secret::new(told.secret_data),
        is_binary: told.secret_data_type == "binary",
        version: told.version_id,
        stages: told.version_stages,
        kind: told.secret_type,
        next_rotation: told.next_rotation_date,
    })
}
