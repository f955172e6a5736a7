//! Who one is.

use serde::Deserialize;

use crate::client::{Call, Client, Parameters};
use crate::error::Error;
use crate::product::STS;

/// The identity behind a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Identity {
    /// `Account`, `RAMUser` or `AssumedRoleUser`.
    pub identity_type: String,
    /// The account.
    pub account_id: String,
    /// Who exactly.
    pub principal_id: String,
    /// The user, if it is one.
    pub user_id: String,
    /// The role, if it is one.
    pub role_id: String,
    /// The same as a name of resources.
    pub arn: String,
}

/// Asks who one is; no policy is needed for it.
///
/// # Errors
/// Each of [`Error`].
pub async fn caller(client: &Client) -> Result<Identity, Error> {
    client.call(&Call::read(&STS, "GetCallerIdentity", Parameters::default())).await
}
