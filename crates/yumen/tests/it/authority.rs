//! An authority that issues certificates into a folder.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    RevokedCertParams,
};

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
        self.issue_with(file, subject, names, |_| ());
    }

    /// As [`issue`](Self::issue), with changes of what is usual.
    pub(crate) fn issue_with(
        &self,
        file: &str,
        subject: &str,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) {
        let mut params = CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2100, 1, 1);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        self.replace(&format!("{file}.key"), &key.serialize_pem());
        self.replace(&format!("{file}.pem"), &params.signed_by(&key, &self.issuer).unwrap().pem());
    }

    /// Writes `FILE.pem`, a list of revocation with these serial numbers that is overdue from the first day of a year on.
    pub(crate) fn revoke(&self, file: &str, serials: &[u64], overdue: i32) {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: (*serial).into(),
            revocation_time: rcgen::date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(overdue, 1, 1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        self.replace(&format!("{file}.pem"), &list.signed_by(&self.issuer).unwrap().pem().unwrap());
    }

    /// Puts a file in place in one step, readable by its owner only.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        let fresh = self.folder.join(format!("{name}.new"));
        yumen_net::os::create_private(&fresh, text.as_bytes()).unwrap();
        // On Windows nobody can replace it in the moment in which the gateway reads it.
        until("the file to be free", || fs::rename(&fresh, self.folder.join(name)).ok());
    }
}
