//! The store of certificates, from which other products take theirs.

use serde::Deserialize;

use crate::Secret;
use crate::client::{Call, Client, Page, Parameters, Repeat};
use crate::error::Error;
use crate::flexible::{flag, number, text};
use crate::product::CAS;

/// An uploaded certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Certificate {
    /// Its number.
    #[serde(deserialize_with = "number")]
    pub certificate_id: i64,
    /// Its name, which no other one has.
    pub name: String,
    /// The name it is for.
    pub common_name: String,
    /// All names it is for, parted by commas.
    pub sans: String,
    /// The SHA-1 of it.
    pub fingerprint: String,
    /// The day on which it ends.
    #[serde(deserialize_with = "text")]
    pub end_date: String,
    /// Whether that is past.
    #[serde(deserialize_with = "flag")]
    pub expired: bool,
    /// Whether it was uploaded.
    #[serde(deserialize_with = "flag")]
    pub upload: bool,
}

impl Certificate {
    /// What other products call it.
    #[must_use]
    pub fn identifier(&self) -> String {
        identifier(self.certificate_id)
    }
}

/// What other products call a certificate.
#[must_use]
pub fn identifier(id: i64) -> String {
    format!("{id}-cn-hangzhou")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Uploaded {
    #[serde(deserialize_with = "number")]
    cert_id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Orders {
    certificate_order_list: Vec<Certificate>,
    #[serde(deserialize_with = "number")]
    total_count: i64,
}

impl Page for Orders {
    type Item = Certificate;

    fn content(self) -> (Vec<Certificate>, Option<usize>, String) {
        (self.certificate_order_list, usize::try_from(self.total_count).ok(), String::new())
    }
}

/// Uploads a certificate with its chain and its key, all in PEM, under a name of at most 63 characters that no other one
/// has; returns its number. The key goes in the body, never in the URL.
///
/// # Errors
/// Each of [`Error`]; the code `NameRepeat` says that the name is taken.
pub async fn upload(client: &Client, name: &str, chain: &str, key: &Secret) -> Result<i64, Error> {
    if name.is_empty() || name.chars().count() > 63 {
        let text = "the name of a certificate has 1 to 63 characters".to_owned();
        return Err(Error::Invalid { product: CAS.name, action: "UploadUserCertificate".to_owned(), text });
    }
    let parameters = Parameters::default().with("Name", name).with("Cert", chain).with("Key", key.reveal());
    let call = Call::write(&CAS, "UploadUserCertificate", parameters, Repeat::ByToken);
    Ok(client.call::<Uploaded>(&call).await?.cert_id)
}

/// Deletes an uploaded certificate; one that is not there is deleted.
///
/// # Errors
/// Each of [`Error`].
pub async fn delete(client: &Client, id: i64) -> Result<(), Error> {
    let parameters = Parameters::default().with("CertId", id.to_string());
    match client.call::<serde_json::Value>(&Call::write(&CAS, "DeleteUserCertificate", parameters, Repeat::Safe)).await
    {
        Err(error) if error.is(&["NotFound"]) => Ok(()),
        other => other.map(drop),
    }
}

/// The uploaded certificates.
///
/// # Errors
/// Each of [`Error`].
pub async fn uploaded(client: &Client) -> Result<Vec<Certificate>, Error> {
    let call = Call::read(&CAS, "ListUserCertificateOrder", Parameters::default().with("OrderType", "UPLOAD"));
    client.numbered::<Orders>(&call, ("CurrentPage", "ShowSize", 50)).await
}
