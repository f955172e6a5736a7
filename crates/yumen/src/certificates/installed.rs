//! The one place through which every certificate goes that stands.

use std::path::Path;

use yumen_config::config::Obtained;
use yumen_identity::Certificate;
use yumen_net::tls;

use super::Tools;

/// How a certificate came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was on the disk when it was looked for first.
    Found,
    /// It was obtained, by this process or another one that shares the store.
    New,
}

impl Tools {
    /// A certificate stands: from now on it is served. Called on the control side, for each once, with its section; what
    /// follows from it and takes time belongs into a task of its own.
    pub(super) fn installed(&self, section: &Obtained, certificate: &Certificate, standing: Standing) {
        let name = section.name.as_str();
        // The key was judged before; only the words of an error name a place.
        match tls::Certificate::from_pem(certificate.chain(), certificate.key(), Path::new(name)) {
            Ok(usable) => self.keyring.cell(name).set(Some(usable)),
            Err(error) => return tracing::error!(certificate = name, %error, "this certificate cannot be served"),
        }
        let names = certificate.facts().names.join(", ");
        match standing {
            Standing::Found => tracing::info!(certificate = name, names, "serving the certificate on the disk"),
            Standing::New => tracing::info!(certificate = name, names, "serving a new certificate"),
        }
    }
}
