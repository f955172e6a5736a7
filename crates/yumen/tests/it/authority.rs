//! An authority that issues certificates into a folder.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::gateway::until;

/// An authority and the folder of what it issues; its own certificate is `ca.pem`.
pub(crate) struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(folder: &Path) -> Self {
        Self::called(folder, "ca")
    }

    /// An authority whose certificate is `NAME.pem`.
    pub(crate) fn called(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("authority {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(folder.join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder: folder.to_owned(), issuer: Issuer::new(params, key) }
    }

    /// Writes `FILE.pem` and `FILE.key`; the common name is `subject`.
    pub(crate) fn issue(&self, file: &str, subject: &str, names: &[&str]) {
        let mut params = CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2100, 1, 1);
        let key = KeyPair::generate().unwrap();
        self.replace(&format!("{file}.key"), &key.serialize_pem());
        self.replace(&format!("{file}.pem"), &params.signed_by(&key, &self.issuer).unwrap().pem());
    }

    /// Puts a file in place in one step, readable by its owner only.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        let fresh = self.folder.join(format!("{name}.new"));
        yumen_net::os::create_private(&fresh, text.as_bytes()).unwrap();
        // On Windows nobody can replace it in the moment in which the gateway reads it.
        until("the file to be free", || fs::rename(&fresh, self.folder.join(name)).ok());
    }
}
