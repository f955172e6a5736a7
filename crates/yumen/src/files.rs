//! The files that a configuration names, judged before it is put in force, so that what is wrong with one is told at the
//! place that names it.

use std::collections::HashSet;
use std::path::Path;

use yumen_config::config::{Certificate, Config, Served};
use yumen_config::{Diagnostic, Loaded, Severity};
use yumen_net::tls::{Certificate as Usable, CertificateFiles, CertificateWarning, Trusts};

/// The code of what is told again when a certificate is taken into use.
pub(crate) const TOLD_AT_USE: &str = "certificate";

/// Everything that is wrong with the files. Blocks.
pub(crate) fn check(loaded: &Loaded) -> Vec<Diagnostic> {
    let mut found = yumen_config::check_files(loaded);
    let wrong = |path: &Path, found: &[Diagnostic]| {
        let place = loaded.places.get(path);
        found.iter().any(|d| d.is_error() && Some(&d.span) == place)
    };
    for pair in pairs(&loaded.config) {
        // What has no certificate or no key in it was complained about.
        if wrong(&pair.cert, &found) || wrong(&pair.key, &found) {
            continue;
        }
        let files = CertificateFiles { chain: pair.cert.clone(), key: pair.key.clone() };
        match Usable::load(&files) {
            Err(e) => {
                let message = format!("{}: {}", e.file.display(), e.problem);
                found.push(loaded.complaint(Severity::Error, "bad_certificate", &e.file, message, e.remedy));
            }
            Ok((_, warnings)) => found.extend(warnings.iter().map(|warning| {
                let file = match warning {
                    CertificateWarning::KeyExposed(_) => &pair.key,
                    _ => &pair.cert,
                };
                let help = "it works, but should be mended";
                loaded.complaint(Severity::Warning, TOLD_AT_USE, file, warning.to_string(), help)
            })),
        }
    }
    for clients in loaded.config.listeners_and_templates().filter_map(|l| l.tls.as_ref()?.clients.as_ref()) {
        let mut files = clients.policies().flat_map(|p| p.ca.iter().chain(&p.crl));
        if files.any(|file| wrong(file, &found)) {
            continue;
        }
        if let Err(e) = Trusts::load(&yumen_proxy::client_auth(clients)) {
            let message = format!("{}: {}", e.file.display(), e.problem);
            found.push(loaded.complaint(Severity::Error, "bad_certificate", &e.file, message, e.remedy));
        }
    }
    found.sort_by_key(|d| d.severity);
    found
}

/// Every certificate with its key, once.
fn pairs(config: &Config) -> Vec<&Certificate> {
    let mut seen = HashSet::new();
    let served = config.listeners_and_templates().filter_map(|l| l.tls.as_ref()).flat_map(|tls| &tls.certificates);
    let served = served.filter_map(Served::files);
    let shown = config.upstreams.values().filter_map(|u| u.tls.client.as_ref());
    served.chain(shown).filter(|pair| seen.insert((&pair.cert, &pair.key))).collect()
}
