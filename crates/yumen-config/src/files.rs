//! The files that a configuration names: whether they are there and hold what they should. Apart from `load`, so that a
//! configuration can be judged on a machine that has none of them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::config::{Certificate, Config, HostPattern, Listener, MiddlewareKind, Secret};
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::load::Loaded;

/// Looks at every file that `loaded` names: certificates, keys, authorities, secrets and password files, and whether the
/// hosts of the routes of a TLS listener are in one of its certificates. Whether a key belongs to its certificate is seen
/// when TLS is set up.
pub fn check_files(loaded: &Loaded) -> Vec<Diagnostic> {
    let mut check = Check { loaded, found: Vec::new() };
    let config = &loaded.config;
    for listener in config.listeners.values() {
        check.listener(config, listener);
    }
    for upstream in config.upstreams.values() {
        if let Some(ca) = &upstream.tls.ca {
            check.certificates(ca);
        }
        if let Some(client) = &upstream.tls.client {
            check.pair(client);
        }
    }
    let inline = config.routes.iter().flat_map(|r| &r.middlewares);
    let mut seen = BTreeSet::new();
    for middleware in config.middlewares.values().chain(inline).filter(|m| seen.insert(Arc::as_ptr(m))) {
        if let MiddlewareKind::BasicAuth { file, users, .. } = &middleware.kind {
            let secrets = users.iter().filter_map(|user| match user {
                Secret::File(path) => Some(path),
                Secret::Literal(_) => None,
            });
            file.iter().chain(secrets).for_each(|path| drop(check.read(path)));
        }
    }
    check.found
}

struct Check<'a> {
    loaded: &'a Loaded,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    fn listener(&mut self, config: &Config, listener: &Listener) {
        let Some(tls) = &listener.tls else { return };
        let chains: Vec<_> = tls.certificates.iter().filter_map(|pair| self.pair(pair)).collect();
        // With one unreadable, it cannot be known which hosts are missing.
        if chains.len() < tls.certificates.len() {
            return;
        }
        let routes = config.routes.iter().filter(|r| r.listeners.contains(&listener.name));
        let hosts: BTreeSet<_> = routes.flat_map(|r| &r.hosts).collect();
        for host in hosts.into_iter().filter(|host| !chains.iter().any(|chain| covers(chain, host))) {
            let Some(first) = tls.certificates.first() else { return };
            let message = format!("no certificate of listener `{}` is good for the host `{host}`", listener.name);
            let help = "add a certificate for it, or take the host from the routes of this listener";
            self.complain(Severity::Warning, "host_without_certificate", &first.cert, message, help);
        }
    }

    /// The chain of a certificate with a key that can be read.
    fn pair(&mut self, pair: &Certificate) -> Option<Vec<CertificateDer<'static>>> {
        if let Some(key) = self.read(&pair.key)
            && PrivateKeyDer::from_pem_slice(&key).is_err()
        {
            let message = format!("{} has no private key in PEM", pair.key.display());
            self.error(
                "not_pem",
                &pair.key,
                message,
                "it begins with `-----BEGIN PRIVATE KEY-----` and has no passphrase",
            );
        }
        self.certificates(&pair.cert)
    }

    fn certificates(&mut self, path: &Path) -> Option<Vec<CertificateDer<'static>>> {
        let text = self.read(path)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain = chain
            .ok()
            .filter(|chain| !chain.is_empty() && chain.iter().all(|der| webpki::EndEntityCert::try_from(der).is_ok()));
        if chain.is_none() {
            let message = format!("{} has no certificate in PEM", path.display());
            self.error("not_pem", path, message, "it begins with `-----BEGIN CERTIFICATE-----`");
        }
        chain
    }

    fn read(&mut self, path: &Path) -> Option<Vec<u8>> {
        match std::fs::read(path) {
            Ok(text) => Some(text),
            Err(error) => {
                let message = format!("cannot read {}: {error}", path.display());
                self.error("cannot_read", path, message, "paths are relative to the file they stand in");
                None
            }
        }
    }

    fn error(&mut self, code: &'static str, path: &Path, message: String, help: &str) {
        self.complain(Severity::Error, code, path, message, help);
    }

    fn complain(&mut self, severity: Severity, code: &'static str, path: &Path, message: String, help: &str) {
        let nowhere = || Span { file: "".into(), line: 0, column: 0, end_column: 0, text: Box::default() };
        let span = self.loaded.places.get(path).cloned().unwrap_or_else(nowhere);
        let help = Some(help.to_owned());
        let diagnostic = Diagnostic { severity, code, message, span, help, related: Vec::new() };
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }
}

/// Whether a chain's certificate is good for every host of a pattern.
fn covers(chain: &[CertificateDer<'_>], host: &HostPattern) -> bool {
    let name = match host {
        HostPattern::Exact(host) => host.trim_matches(['[', ']']).to_owned(),
        // Any one label: a wildcard in a certificate stands for exactly one (RFC 6125 section 6.4.3).
        HostPattern::Below(host) => format!("any.{host}"),
        HostPattern::Any => return true,
    };
    let Some(der) = chain.first() else { return false };
    let (Ok(certificate), Ok(name)) = (webpki::EndEntityCert::try_from(der), ServerName::try_from(name)) else {
        return false;
    };
    certificate.verify_is_valid_for_subject_name(&name).is_ok()
}
