//! What has to outlive the process: the account key, the certificates with their keys, orders under way, and the DNS
//! records that are still to be removed.
//!
//! A folder that only its owner may open, with one file for each of these. A file is written beside its place and then
//! moved there, so a reader sees the old content or the new one and never half of either. Files that others may read are
//! refused, because the keys in them are no longer secret. Who writes holds the [`Lock`] of what he writes; readers need
//! none. All calls block for as long as the disk takes, so they belong on a thread that may.

mod label;
mod lock;
mod record;

pub use label::Label;
pub use lock::Lock;
pub use record::StoredRecord;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use yumen_net::os;

use crate::certificate::Certificate;
use crate::error::Error;

const ACCOUNT: &str = "account";
const CERTIFICATE: &str = "certificate";
const LOCK: &str = "lock";
const ORDER: &str = "order";
const RECORD: &str = "record";

/// The folder. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    root: Arc<Path>,
}

/// A certificate on the disk, or why it cannot be used.
pub type Found = Result<Certificate, String>;

/// An account at a CA.
#[derive(Serialize, Deserialize)]
pub struct StoredAccount {
    /// The contacts the CA was told.
    pub contact: Vec<String>,
    /// The key and the URL of the account, as the ACME library writes them.
    pub credentials: serde_json::Value,
}

/// What a certificate on the disk was ordered as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredOrigin {
    /// The directory of the CA.
    pub directory: String,
    /// The kind of its key: `p256`, `p384` or `rsa2048`.
    pub key: String,
}

/// An order that is under way.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredOrder {
    /// The directory of the CA.
    pub directory: String,
    /// Where the order is found.
    pub url: String,
    /// The names, sorted.
    pub names: Vec<String>,
    /// The key of the certificate, in PEM.
    pub key: String,
}

impl Store {
    /// Opens the folder and makes what is missing in it.
    ///
    /// # Errors
    /// It cannot be made, or others may change what is in it.
    pub fn open(root: &Path) -> Result<Self, Error> {
        os::private_folder(root).map_err(Error::disk("make the folder", root))?;
        if let Some(who) = os::intrusion(root).map_err(Error::disk("judge the rights of", root))? {
            return Err(Error::stored(root, format!("must belong to this program alone: {who}")));
        }
        for part in [ACCOUNT, CERTIFICATE, LOCK, ORDER, RECORD] {
            let folder = root.join(part);
            os::private_folder(&folder).map_err(Error::disk("make the folder", &folder))?;
        }
        Ok(Self { root: root.into() })
    }

    /// The certificate of this name, when there is one.
    ///
    /// # Errors
    /// The file cannot be read, others may read it, or it holds no certificate with its key.
    pub fn certificate(&self, label: &Label) -> Result<Option<Certificate>, Error> {
        let path = self.path(CERTIFICATE, label.as_str(), "pem");
        let Some(text) = read(&path)? else { return Ok(None) };
        Certificate::from_pem(&text).map(Some).map_err(|reason| Error::stored(&path, reason))
    }

    /// The file of a certificate: its chain, and behind it its key.
    #[must_use]
    pub fn certificate_file(&self, label: &Label) -> PathBuf {
        self.path(CERTIFICATE, label.as_str(), "pem")
    }

    /// All certificates in the order of their names, with those that cannot be used and why.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn certificates(&self) -> Result<Vec<(Label, Found)>, Error> {
        let folder = self.folder(CERTIFICATE);
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(Error::disk("read the folder", &folder))? {
            let path = entry.map_err(Error::disk("read the folder", &folder))?.path();
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .filter(|_| path.extension().is_some_and(|e| e == "pem"));
            let Some(label) = stem.and_then(|stem| Label::parse(stem).ok()) else { continue };
            match self.certificate(&label) {
                Ok(None) => {}
                Ok(Some(certificate)) => all.push((label, Ok(certificate))),
                Err(error) => all.push((label, Err(error.to_string()))),
            }
        }
        all.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        Ok(all)
    }

    /// Puts a certificate with its key in the place of the one before. The caller holds the lock of the name.
    ///
    /// # Errors
    /// What the disk says; the one before stays then.
    pub fn keep_certificate(&self, label: &Label, certificate: &Certificate) -> Result<(), Error> {
        write(&self.path(CERTIFICATE, label.as_str(), "pem"), certificate.to_pem().as_bytes())
    }

    /// What the certificate of this name was ordered as, when that is known.
    ///
    /// # Errors
    /// The file cannot be read, others may read it, or it is damaged.
    pub fn origin(&self, label: &Label) -> Result<Option<StoredOrigin>, Error> {
        read_json(&self.path(CERTIFICATE, label.as_str(), "json"))
    }

    /// Remembers what a certificate was ordered as, after it was kept. The caller holds the lock of the name.
    ///
    /// # Errors
    /// What the disk says.
    pub fn keep_origin(&self, label: &Label, origin: &StoredOrigin) -> Result<(), Error> {
        write_json(&self.path(CERTIFICATE, label.as_str(), "json"), origin)
    }

    /// The account at a CA, when there is one.
    ///
    /// # Errors
    /// The file cannot be read, others may read it, or it is damaged.
    pub fn account(&self, directory: &str) -> Result<Option<StoredAccount>, Error> {
        read_json(&self.path(ACCOUNT, &digest(&[directory]), "json"))
    }

    /// Remembers an account. The caller holds the lock of [`account_label`](Self::account_label).
    ///
    /// # Errors
    /// What the disk says.
    pub fn keep_account(&self, directory: &str, account: &StoredAccount) -> Result<(), Error> {
        write_json(&self.path(ACCOUNT, &digest(&[directory]), "json"), account)
    }

    /// What to lock for the account at a CA.
    #[must_use]
    pub fn account_label(directory: &str) -> Label {
        Label::of_digest("account", &digest(&[directory]))
    }

    /// The order under way for this name, when there is one.
    ///
    /// # Errors
    /// The file cannot be read, others may read it, or it is damaged.
    pub fn order(&self, label: &Label) -> Result<Option<StoredOrder>, Error> {
        read_json(&self.path(ORDER, label.as_str(), "json"))
    }

    /// Remembers an order. The caller holds the lock of the name.
    ///
    /// # Errors
    /// What the disk says.
    pub fn keep_order(&self, label: &Label, order: &StoredOrder) -> Result<(), Error> {
        write_json(&self.path(ORDER, label.as_str(), "json"), order)
    }

    /// Forgets the order of this name, if there is one.
    ///
    /// # Errors
    /// What the disk says.
    pub fn forget_order(&self, label: &Label) -> Result<(), Error> {
        remove(&self.path(ORDER, label.as_str(), "json"))
    }

    fn folder(&self, part: &str) -> PathBuf {
        self.root.join(part)
    }

    fn path(&self, part: &str, name: &str, ending: &str) -> PathBuf {
        self.folder(part).join(format!("{name}.{ending}"))
    }
}

/// A short name for something long.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::disk("read", path)(error)),
    };
    match os::exposure(path).map_err(Error::disk("judge the rights of", path))? {
        Some(who) => Err(Error::stored(path, format!("is not used, because its keys are no longer secret: {who}"))),
        None => Ok(Some(text)),
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let Some(text) = read(path)? else { return Ok(None) };
    // The message of the parser may quote what it read, and that may be a key.
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| Error::stored(path, format!("is damaged at line {} column {}", error.line(), error.column())))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::disk("write", path)(error.into()))?;
    write(path, &bytes)
}

/// Writes beside the place and moves it there. One writer at a time, so the name beside is always the same.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // What a process left that died while it wrote.
    remove(&beside)?;
    os::create_private(&beside, bytes).map_err(Error::disk("write", &beside))?;
    os::replace(&beside, path).map_err(Error::disk("replace", path))
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::disk("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
