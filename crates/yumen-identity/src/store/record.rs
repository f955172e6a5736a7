//! The DNS records that this program made and has to remove again, written down before they are made.

use serde::{Deserialize, Serialize};

use super::{Label, RECORD, Store, digest, read_json, remove, write_json};
use crate::error::Error;

/// A TXT record that was made for a challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRecord {
    /// The certificate for which it was made.
    pub certificate: String,
    /// Who made it: the label of a provider.
    pub provider: String,
    /// Its full name, aliases followed, without a dot at the end.
    pub name: String,
    /// What it says.
    pub value: String,
    /// The id that the provider gave it; missing when none was given, or when the process ended before it was told.
    pub id: Option<String>,
}

impl StoredRecord {
    fn key(&self) -> String {
        digest(&[&self.certificate, &self.provider, &self.name, &self.value])
    }
}

impl Store {
    /// All records that were made for a certificate and not removed yet. Damaged entries are told to the log and left out.
    ///
    /// # Errors
    /// What the disk says.
    pub fn records(&self, certificate: &Label) -> Result<Vec<StoredRecord>, Error> {
        let folder = self.folder(RECORD);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(Error::disk("list", &folder))? {
            let path = entry.map_err(Error::disk("list", &folder))?.path();
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            match read_json::<StoredRecord>(&path) {
                Ok(Some(record)) if record.certificate == certificate.as_str() => found.push(record),
                Ok(_) => {}
                Err(error) => tracing::warn!("a DNS record may stay behind, because its note cannot be used: {error}"),
            }
        }
        Ok(found)
    }

    /// Notes a record, or what became known of it since.
    ///
    /// # Errors
    /// What the disk says.
    pub fn keep_record(&self, record: &StoredRecord) -> Result<(), Error> {
        write_json(&self.path(RECORD, &record.key(), "json"), record)
    }

    /// Forgets a record.
    ///
    /// # Errors
    /// What the disk says.
    pub fn forget_record(&self, record: &StoredRecord) -> Result<(), Error> {
        remove(&self.path(RECORD, &record.key(), "json"))
    }
}
