//! A certificate with its chain and its key, and what is to be known of it.

use std::fmt;
use std::time::SystemTime;

use rcgen::{KeyPair, PublicKeyData as _};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectAltName};
use x509_cert::name::Name;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// A certificate, the chain to its authority, and its private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    chain: String,
    key: String,
    facts: Facts,
}

/// What stands in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The names it is for, sorted.
    pub names: Vec<String>,
    /// From when it is valid.
    pub not_before: SystemTime,
    /// Until when it is valid.
    pub not_after: SystemTime,
    /// The serial number, as the content of its DER form.
    pub serial: Vec<u8>,
    /// The id of the key that signed it, where it is told.
    pub authority_key: Option<Vec<u8>>,
    /// The common names of those who signed it and the certificates above it, upwards.
    pub issuers: Vec<String>,
}

impl Certificate {
    /// Joins a chain, leaf first, with its key, both in PEM.
    ///
    /// # Errors
    /// There is no certificate, it cannot be read, or the key is not its own.
    pub fn new(chain: &str, key: &str) -> Result<Self, String> {
        let facts = Facts::of_chain(chain)?;
        let pair = KeyPair::from_pem(key).map_err(|error| format!("has no key that can be used: {error}"))?;
        let leaf = leaf(chain)?;
        let public = leaf.tbs_certificate.subject_public_key_info.to_der().map_err(|error| error.to_string())?;
        if public != pair.subject_public_key_info() {
            return Err("has a key that belongs to another certificate".to_owned());
        }
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), facts })
    }

    /// Reads what [`to_pem`](Self::to_pem) writes: the key, then the chain.
    pub(crate) fn from_pem(text: &str) -> Result<Self, String> {
        const START: &str = "-----BEGIN CERTIFICATE-----";
        let at = text.find(START).ok_or("holds no certificate")?;
        let (key, chain) = text.split_at(at);
        Self::new(chain, key)
    }

    /// The key and the chain, in PEM, in one text.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let gap = if self.key.ends_with('\n') { "" } else { "\n" };
        format!("{}{gap}{}", self.key, self.chain)
    }

    /// The chain in PEM, leaf first.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// The private key in PEM.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What stands in it.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether it is for all of these names, and for no other.
    #[must_use]
    pub fn is_for(&self, names: &[String]) -> bool {
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        self.facts.names == names
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Facts {
    /// Reads a chain in PEM, leaf first.
    ///
    /// # Errors
    /// There is no certificate, or one cannot be read.
    pub fn of_chain(chain: &str) -> Result<Self, String> {
        let leaf = leaf(chain)?.tbs_certificate;
        let mut names = Vec::new();
        if let Some((_, SubjectAltName(all))) = leaf.get::<SubjectAltName>().map_err(unreadable)? {
            names.extend(all.iter().filter_map(|name| match name {
                GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
                _ => None,
            }));
        }
        names.sort();
        names.dedup();
        let authority = leaf.get::<AuthorityKeyIdentifier>().map_err(unreadable)?;
        let authority_key = authority.and_then(|(_, authority)| authority.key_identifier);
        let issuers = parsed(chain)?.iter().filter_map(|link| common_name(&link.tbs_certificate.issuer)).collect();
        Ok(Self {
            names,
            not_before: leaf.validity.not_before.to_system_time(),
            not_after: leaf.validity.not_after.to_system_time(),
            serial: positive(leaf.serial_number.as_bytes()),
            authority_key: authority_key.map(|key| key.as_bytes().to_vec()),
            issuers,
        })
    }
}

/// A positive number in DER starts with a zero when its first bit is set.
fn positive(bytes: &[u8]) -> Vec<u8> {
    let gap = bytes.first().is_some_and(|first| first & 0x80 != 0);
    std::iter::repeat_n(0, usize::from(gap)).chain(bytes.iter().copied()).collect()
}

fn unreadable(error: impl fmt::Display) -> String {
    format!("holds a certificate that cannot be read: {error}")
}

fn parsed(chain: &str) -> Result<Vec<x509_cert::Certificate>, String> {
    CertificateDer::pem_slice_iter(chain.as_bytes())
        .map(|link| {
            let link = link.map_err(|error| unreadable(format!("{error:?}")))?;
            x509_cert::Certificate::from_der(&link).map_err(unreadable)
        })
        .collect()
}

fn leaf(chain: &str) -> Result<x509_cert::Certificate, String> {
    parsed(chain)?.into_iter().next().ok_or_else(|| "holds no certificate".to_owned())
}

fn common_name(name: &Name) -> Option<String> {
    let value = name.0.iter().flat_map(|part| part.0.iter()).find(|part| part.oid == COMMON_NAME)?;
    let value = &value.value;
    Utf8StringRef::try_from(value)
        .map(|text| text.as_str().to_owned())
        .or_else(|_| PrintableStringRef::try_from(value).map(|text| text.as_str().to_owned()))
        .or_else(|_| Ia5StringRef::try_from(value).map(|text| text.as_str().to_owned()))
        .or_else(|_| TeletexStringRef::try_from(value).map(|text| text.as_str().to_owned()))
        .ok()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use rcgen::{CertificateParams, DnType};

    use super::*;

    /// A certificate that its own key signed, valid from 2026-01-01 for some days.
    pub(crate) fn self_signed(names: &[&str], days: u32) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "self");
        params.serial_number = Some(vec![0x80, 1].into());
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = params.not_before + Duration::from_secs(u64::from(days) * 86_400);
        let signed = params.self_signed(&key).unwrap();
        Certificate::new(&signed.pem(), &key.serialize_pem()).unwrap()
    }

    #[test]
    fn facts_are_those_of_the_leaf() {
        let certificate = self_signed(&["b.test", "*.A.test", "a.test"], 90);
        let facts = certificate.facts();
        assert_eq!(facts.names, ["*.a.test", "a.test", "b.test"]);
        assert_eq!(facts.not_after.duration_since(facts.not_before).unwrap().as_secs(), 90 * 86_400);
        assert_eq!((facts.serial.as_slice(), facts.issuers.as_slice()), (&[0, 0x80, 1][..], &["self".to_owned()][..]));
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(certificate.is_for(&names(&["a.test", "b.test", "*.a.test", "a.test"])));
        assert!(!certificate.is_for(&names(&["a.test", "b.test"])));
        assert_eq!(Certificate::from_pem(&certificate.to_pem()).unwrap(), certificate);
        assert!(!format!("{certificate:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (self_signed(&["a.test"], 1), self_signed(&["a.test"], 1));
        let error = Certificate::new(one.chain(), other.key()).unwrap_err();
        assert_eq!(error, "has a key that belongs to another certificate");
        assert!(Certificate::from_pem("").is_err());
    }
}
