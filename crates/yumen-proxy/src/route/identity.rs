//! Conditions on the certificate of a client.

use yumen_config::config::{CertificateMatch, Text};
use yumen_core::ClientCertificate;

/// Whether a certificate, or none, is what a route wants.
pub(super) fn fits(wanted: &CertificateMatch, shown: Option<&ClientCertificate>) -> bool {
    let Some(shown) = shown else { return !wanted.present };
    wanted.present && tests(wanted, shown).iter().all(|(_, fits)| *fits)
}

/// Why not, in words for `explain`.
pub(super) fn complaint(wanted: &CertificateMatch, shown: Option<&ClientCertificate>) -> Option<String> {
    match shown {
        Some(_) if !wanted.present => Some("the client shows a certificate, and none is wanted".to_owned()),
        None if wanted.present => Some("the client shows no certificate".to_owned()),
        None => None,
        Some(shown) => {
            let (noun, _) = tests(wanted, shown).into_iter().find(|(_, fits)| !fits)?;
            Some(format!("the {noun} of the client's certificate is not one that is wanted"))
        }
    }
}

/// Each kind of condition, and whether it holds; one that is not there does.
fn tests(wanted: &CertificateMatch, shown: &ClientCertificate) -> [(&'static str, bool); 5] {
    let is_text = |all: &[Text], value: &str| all.is_empty() || all.iter().any(|one| **one == *value);
    let is_one = |all: &[String], value: &str| all.is_empty() || all.iter().any(|one| one == value);
    let has_name = |text: &Text| shown.names.iter().any(|name| name.is(text));
    [
        ("subject", is_text(&wanted.subject, &shown.subject)),
        ("issuer", is_text(&wanted.issuer, &shown.issuer)),
        ("alternative name", wanted.san.is_empty() || wanted.san.iter().any(has_name)),
        ("fingerprint", is_one(&wanted.fingerprint, &shown.fingerprint)),
        ("serial number", is_one(&wanted.serial, &shown.serial)),
    ]
}
