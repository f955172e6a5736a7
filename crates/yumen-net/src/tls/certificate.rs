//! Certificates and keys from PEM files, judged before they are used.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{provider, validity};
use crate::{os, rt};

/// Warn when a certificate has less than this left.
const RENEW_WITHIN: Duration = Duration::from_secs(14 * 86_400);

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// PEM: the certificate first, then the intermediates.
    pub chain: PathBuf,
    /// PEM: its private key (PKCS#8, PKCS#1 or SEC1), not encrypted.
    pub key: PathBuf,
}

/// A certificate with its key, ready for use. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    names: Arc<[Box<str>]>,
    not_after: Option<SystemTime>,
}

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}; {remedy}", file = file.display())]
pub struct CertificateError {
    /// The file at fault.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: &'static str,
}

/// Something about a certificate that works but should be mended; its text is for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateWarning {
    /// Clients will refuse it.
    Expired {
        /// The certificate's file.
        file: PathBuf,
        /// The day it expired, UTC.
        on: String,
    },
    /// Less than 14 days are left.
    ExpiresSoon {
        /// The certificate's file.
        file: PathBuf,
        /// The day it expires, UTC.
        on: String,
    },
    /// Clients will refuse it until its time comes.
    NotYetValid {
        /// The certificate's file.
        file: PathBuf,
        /// The first day, UTC.
        from: String,
    },
    /// It has no DNS name, so no server name selects it.
    NoNames {
        /// The certificate's file.
        file: PathBuf,
    },
    /// Others than the owner can reach the key; the text says how and what to do.
    KeyExposed(String),
}

impl fmt::Display for CertificateWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { file, on } => write!(f, "{}: the certificate expired on {on}; renew it", file.display()),
            Self::ExpiresSoon { file, on } => {
                write!(f, "{}: the certificate expires on {on}; renew it", file.display())
            }
            Self::NotYetValid { file, from } => {
                write!(f, "{}: the certificate is valid only from {from}; check this machine's clock", file.display())
            }
            Self::NoNames { file } => {
                write!(f, "{}: the certificate has no DNS name, so it is used as default only", file.display())
            }
            Self::KeyExposed(text) => f.write_str(text),
        }
    }
}

impl Certificate {
    /// Reads and checks both files. Blocking: belongs to the control side.
    ///
    /// # Errors
    /// [`CertificateError`] when a file cannot be read, has nothing usable in it, or the key is of another certificate.
    pub fn load(files: &CertificateFiles) -> Result<(Self, Vec<CertificateWarning>), CertificateError> {
        let chain = read_chain(&files.chain)?;
        let key = read_key(&files.key)?;
        let (certificate, mut warnings) = Self::from_der(chain, key, files)?;
        match os::exposure(&files.key) {
            Ok(exposed) => warnings.extend(exposed.map(CertificateWarning::KeyExposed)),
            Err(e) => return Err(unreadable(&files.key, &e)),
        }
        Ok((certificate, warnings))
    }

    /// Takes a chain, leaf first, and its key from texts in PEM; `file` is where they are kept, for the errors.
    ///
    /// # Errors
    /// As [`Certificate::load`].
    pub fn from_pem(chain: &str, key: &str, file: &Path) -> Result<Self, CertificateError> {
        let files = CertificateFiles { chain: file.to_owned(), key: file.to_owned() };
        let chain = chain_of(chain.as_bytes(), file)?;
        let key = key_of(key.as_bytes(), file)?;
        Self::from_der(chain, key, &files).map(|(certificate, _)| certificate)
    }

    fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        files: &CertificateFiles,
    ) -> Result<(Self, Vec<CertificateWarning>), CertificateError> {
        let leaf = chain.first().cloned().unwrap_or_else(|| CertificateDer::from(Vec::new()));
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|e| match e {
            rustls::Error::InconsistentKeys(_) => CertificateError {
                file: files.key.clone(),
                problem: format!("this key does not belong to the certificate in {}", files.chain.display()),
                remedy: "name the key the certificate was issued for, and put that certificate first in its file",
            },
            rustls::Error::InvalidCertificate(e) => CertificateError {
                file: files.chain.clone(),
                problem: format!("the first certificate is malformed ({e:?})"),
                remedy: "issue it anew as X.509 version 3",
            },
            e => CertificateError {
                file: files.key.clone(),
                problem: format!("the private key cannot be used ({e})"),
                remedy: "use an RSA key of 2048 to 8192 bits, ECDSA P-256, P-384 or P-521, or Ed25519",
            },
        })?;
        let names: Arc<[Box<str>]> = Self::names_of(&leaf).into();
        let times = validity::validity(&leaf);
        let mut warnings = Vec::new();
        if names.is_empty() {
            warnings.push(CertificateWarning::NoNames { file: files.chain.clone() });
        }
        warnings.extend(times.and_then(|t| time_warning(t, &files.chain)));
        let not_after = times.and_then(|(_, end)| u64::try_from(end).ok()).map(since_epoch);
        Ok((Self { key: Arc::new(key), names, not_after }, warnings))
    }

    /// Whether it is the first one of a chain in PEM.
    pub fn is_of(&self, chain: &str) -> bool {
        let first = CertificateDer::pem_slice_iter(chain.as_bytes()).next();
        first.and_then(Result::ok).is_some_and(|first| self.key.cert.first() == Some(&first))
    }

    /// The DNS names that a certificate is good for, in lower case; `*.` for wildcards.
    pub fn names_of(leaf: &CertificateDer<'_>) -> Vec<Box<str>> {
        webpki::EndEntityCert::try_from(leaf)
            .map(|cert| cert.valid_dns_names().map(|n| n.to_ascii_lowercase().into()).collect())
            .unwrap_or_default()
    }

    /// The DNS names it is good for, in lower case; `*.` for wildcards.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// When it expires.
    pub fn not_after(&self) -> Option<SystemTime> {
        self.not_after
    }
}

/// The certificates and nothing else; byte for byte, since a key is tied to its certificate.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }
}

fn since_epoch(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn time_warning((start, end): (i64, i64), file: &Path) -> Option<CertificateWarning> {
    let file = file.to_owned();
    let now = rt::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let day = |t: i64| validity::date(t.max(0).unsigned_abs());
    if end < now {
        Some(CertificateWarning::Expired { file, on: day(end) })
    } else if start > now {
        Some(CertificateWarning::NotYetValid { file, from: day(start) })
    } else if end - now < RENEW_WITHIN.as_secs().cast_signed() {
        Some(CertificateWarning::ExpiresSoon { file, on: day(end) })
    } else {
        None
    }
}

fn unreadable(file: &Path, e: &io::Error) -> CertificateError {
    CertificateError {
        file: file.to_owned(),
        problem: format!("cannot be read: {e}"),
        remedy: "check the path and that the user this process runs as may read it",
    }
}

/// All certificates of a PEM file, at least one.
pub(super) fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    chain_of(&fs::read(file).map_err(|e| unreadable(file, &e))?, file)
}

fn chain_of(text: &[u8], file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let wrong = |problem| CertificateError {
        file: file.to_owned(),
        problem,
        remedy: "it must be PEM text with `-----BEGIN CERTIFICATE-----`, the server's certificate first",
    };
    match chain {
        Ok(chain) if chain.is_empty() => Err(wrong("no certificate in it".to_owned())),
        Ok(chain) => Ok(chain),
        Err(e) => Err(wrong(format!("malformed PEM ({e})"))),
    }
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    key_of(&fs::read(file).map_err(|e| unreadable(file, &e))?, file)
}

fn key_of(text: &[u8], file: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|e| {
        let encrypted = text.windows(9).any(|w| w == b"ENCRYPTED");
        let problem = match e {
            _ if encrypted => "the private key is encrypted".to_owned(),
            pem::Error::NoItemsFound => "no private key in it".to_owned(),
            e => format!("malformed PEM ({e})"),
        };
        let remedy = if encrypted {
            "store it without a pass phrase, readable by its owner only: `openssl pkey -in KEY -out PLAIN`"
        } else {
            "it must be PEM text with `-----BEGIN PRIVATE KEY-----`"
        };
        CertificateError { file: file.to_owned(), problem, remedy }
    })
}
