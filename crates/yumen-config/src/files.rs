//! The files that a configuration names: whether they are there and hold what they should. Apart from `load`, so that a
//! configuration can be judged on a machine that has none of them.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::config::{
    Certificate, ClientAuth, Config, HostPattern, Listener, MiddlewareKind, Secret, Served, is_htpasswd_hash,
};
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::load::Loaded;

/// How many hosts without a certificate are named; there can be as many as there are routes.
const HOSTS: usize = 5;

/// Looks at every file that `loaded` names: certificates, keys, authorities, secrets and password files, and whether the
/// hosts of the routes of a TLS listener are in one of its certificates. Whether a key belongs to its certificate is for
/// whoever has the cryptography. Blocks.
pub fn check_files(loaded: &Loaded) -> Vec<Diagnostic> {
    let mut check = Check { loaded, found: Vec::new() };
    let config = &loaded.config;
    for listener in config.listeners_and_templates() {
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
    let mut seen = HashSet::new();
    for middleware in config.middlewares.values().chain(inline).filter(|m| seen.insert(Arc::as_ptr(m))) {
        if let MiddlewareKind::BasicAuth { file, users, .. } = &middleware.kind {
            let secrets = users.iter().filter_map(|user| match user {
                Secret::File(path) => Some(path),
                Secret::Literal(_) | Secret::Kms(_) => None,
            });
            file.iter().chain(secrets).for_each(|path| check.passwords(path));
        }
    }
    check.found
}

impl Loaded {
    /// A complaint about a file that the configuration names, with the place where it does.
    pub fn complaint(
        &self,
        severity: Severity,
        code: &'static str,
        file: &Path,
        message: String,
        help: &str,
    ) -> Diagnostic {
        let span = self.places.get(file).cloned();
        let span = span.unwrap_or_else(|| Span::of_file(file.display().to_string().into()));
        Diagnostic { severity, code, message, span, help: Some(help.to_owned()), related: Vec::new() }
    }
}

struct Check<'a> {
    loaded: &'a Loaded,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    fn listener(&mut self, config: &Config, listener: &Listener) {
        let Some(tls) = &listener.tls else { return };
        for policy in tls.clients.iter().flat_map(ClientAuth::policies) {
            policy.ca.iter().for_each(|ca| drop(self.certificates(ca)));
            policy.crl.iter().for_each(|crl| drop(self.read(crl)));
        }
        let pairs: Vec<_> = tls.certificates.iter().filter_map(Served::files).collect();
        let chains: Vec<_> = pairs.iter().filter_map(|pair| self.pair(pair)).collect();
        // With one unreadable, it cannot be known which hosts are missing.
        let Some(first) = pairs.first().filter(|_| chains.len() == pairs.len()) else { return };
        let ends: Vec<_> =
            chains.iter().filter_map(|chain| webpki::EndEntityCert::try_from(chain.first()?).ok()).collect();
        let routes = config.routes.iter().filter(|r| listener.is_among(&r.listeners));
        let hosts: BTreeSet<_> = routes.flat_map(|r| &r.hosts).collect();
        let kept = |served: &Served| match served {
            Served::Files(_) => None,
            Served::Obtained(name) => config.cloud.certificates.get(name),
        };
        let kept: Vec<_> = tls.certificates.iter().filter_map(kept).collect();
        let is_covered = |host: &HostPattern| {
            ends.iter().any(|end| covers(end, host)) || kept.iter().any(|certificate| certificate.covers(host))
        };
        let bare: Vec<_> = hosts.into_iter().filter(|host| !is_covered(host)).collect();
        if bare.is_empty() {
            return;
        }
        let named: Vec<String> = bare.iter().take(HOSTS).map(|host| format!("`{host}`")).collect();
        let more = match bare.len().saturating_sub(HOSTS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!("no certificate of listener `{}` is good for {}{more}", listener.name, named.join(", "));
        let help = "add a certificate for it, or take the host from the routes of this listener";
        self.complain(Severity::Warning, "host_without_certificate", &first.cert, message, help);
    }

    /// The chain of a certificate with a key that can be read.
    fn pair(&mut self, pair: &Certificate) -> Option<Vec<CertificateDer<'static>>> {
        if let Some(key) = self.read(&pair.key)
            && PrivateKeyDer::from_pem_slice(&key).is_err()
        {
            let message = format!("{} has no private key in PEM", pair.key.display());
            let help = "it begins with `-----BEGIN PRIVATE KEY-----` and has no passphrase";
            self.error("not_pem", &pair.key, message, help);
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

    /// A file of lines `name:hash`. A complaint names the line and never what stands there.
    fn passwords(&mut self, path: &Path) {
        let Some(text) = self.read(path) else { return };
        let Ok(text) = std::str::from_utf8(&text) else {
            let message = format!("{} is not text in UTF-8", path.display());
            return self.error("not_a_hash", path, message, "it has lines `name:hash`, as `htpasswd -B` makes them");
        };
        let lines = text.lines().map(str::trim).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let mut users = 0;
        let wrong: Vec<String> = lines
            .inspect(|_| users += 1)
            .filter(|(_, line)| !is_htpasswd_hash(line))
            .map(|(at, _)| (at + 1).to_string())
            .collect();
        let shown = path.display();
        if let Some(first) = wrong.first() {
            let more = match wrong.len() {
                1 => String::new(),
                n => format!(" (and {} more)", n - 1),
            };
            let message = format!("line {first} of {shown}{more} is not `name:hash` with a bcrypt or argon2 hash");
            let help = "make it with `htpasswd -nB NAME`; other kinds of hash are not supported";
            self.error("not_a_hash", path, message, help);
        } else if users == 0 {
            let message = format!("{shown} has no users, so basic_auth lets nobody in by it");
            self.complain(Severity::Warning, "no_effect", path, message, "add one with `htpasswd -B FILE NAME`");
        }
    }

    fn read(&mut self, path: &Path) -> Option<Vec<u8>> {
        match std::fs::read(path) {
            Ok(text) => Some(text),
            Err(error) => {
                let unread = crate::disk::unread(path, &error);
                self.error("cannot_read", path, unread.message, unread.help);
                None
            }
        }
    }

    fn error(&mut self, code: &'static str, path: &Path, message: String, help: &str) {
        self.complain(Severity::Error, code, path, message, help);
    }

    fn complain(&mut self, severity: Severity, code: &'static str, path: &Path, message: String, help: &str) {
        let diagnostic = self.loaded.complaint(severity, code, path, message, help);
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }
}

/// Whether a certificate is good for every host of a pattern.
fn covers(certificate: &webpki::EndEntityCert<'_>, host: &HostPattern) -> bool {
    let name = match host {
        HostPattern::Exact(host) => host.trim_matches(['[', ']']).to_owned(),
        // Any one label: a wildcard in a certificate stands for exactly one (RFC 6125 section 6.4.3).
        HostPattern::Below(host) => format!("any.{host}"),
        HostPattern::Any => return true,
    };
    ServerName::try_from(name).is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
}
