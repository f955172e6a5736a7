//! Which clients a listener lets in by their certificates.
//!
//! A policy is what the configuration says; [`Trust`] is what its files hold at one moment. Files change while the policy
//! stays, so the two are apart.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::certificate::{CertificateError, read_chain};
use super::provider;

/// Whom a listener lets in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientPolicy {
    /// Whether a client without a certificate is refused.
    pub required: bool,
    /// PEM files with the authorities that may have issued a client's certificate.
    pub ca: Vec<PathBuf>,
    /// PEM files with lists of revoked certificates. With one list, every authority of a chain below the root needs one:
    /// a certificate whose state nobody tells is refused.
    pub crl: Vec<PathBuf>,
    /// Whether a list whose next update is overdue still counts. By default it does not: then nobody it is about gets in.
    pub expired_crl: bool,
}

impl ClientPolicy {
    /// A number that is the same for equal policies only, and never 0.
    fn id(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish().max(1)
    }
}

/// The policies of a listener: one for most names, others by server name. `None`: no certificate is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientAuth {
    /// For names that are not listed, and for clients that send none.
    pub default: Option<ClientPolicy>,
    /// By name in lower case, or by `*.` and what all names below it end in.
    pub hosts: Vec<(Box<str>, Option<ClientPolicy>)>,
}

impl ClientAuth {
    /// The policy for a server name in lower case: the exact name first, then the longest `*.`, then the default.
    pub fn choose(&self, name: Option<&str>) -> Option<&ClientPolicy> {
        let weight = |pattern: &str| -> Option<usize> {
            let name = name?;
            match pattern.strip_prefix("*.") {
                Some(below) => {
                    let rest = name.strip_suffix(below)?;
                    (rest.len() > 1 && rest.ends_with('.')).then_some(below.len())
                }
                None => (pattern == name).then_some(usize::MAX),
            }
        };
        let fitting = self.hosts.iter().filter_map(|(pattern, policy)| Some((weight(pattern)?, policy)));
        fitting.max_by_key(|(weight, _)| *weight).map_or(self.default.as_ref(), |(_, policy)| policy.as_ref())
    }

    /// All policies by their numbers.
    pub(super) fn policies(&self) -> impl Iterator<Item = (u64, &ClientPolicy)> {
        self.default.iter().chain(self.hosts.iter().filter_map(|(_, p)| p.as_ref())).map(|p| (p.id(), p))
    }
}

/// The numbers of policies by server name, made once: they are asked for with each request.
#[derive(Debug)]
pub(super) struct Numbers {
    default: u64,
    exact: HashMap<Box<str>, u64>,
    /// By what follows `*.`.
    below: HashMap<Box<str>, u64>,
}

impl Numbers {
    pub(super) fn build(auth: &ClientAuth) -> Self {
        let id = |policy: &Option<ClientPolicy>| policy.as_ref().map_or(0, ClientPolicy::id);
        let mut numbers = Self { default: id(&auth.default), exact: HashMap::new(), below: HashMap::new() };
        for (pattern, policy) in &auth.hosts {
            match pattern.strip_prefix("*.") {
                Some(below) => numbers.below.insert(below.into(), id(policy)),
                None => numbers.exact.insert(pattern.clone(), id(policy)),
            };
        }
        numbers
    }

    /// The number of the policy for a name in lower case; 0 where no certificate is asked for.
    pub(super) fn find(&self, name: Option<&str>) -> u64 {
        let Some(name) = name.filter(|_| !(self.exact.is_empty() && self.below.is_empty())) else {
            return self.default;
        };
        let parents = std::iter::successors(name.split_once('.'), |(_, rest)| rest.split_once('.'));
        // The first one found from the left is the longest. Nothing is below a name that begins with a dot.
        let mut below = parents.filter(|(label, _)| !label.is_empty()).filter_map(|(_, rest)| self.below.get(rest));
        *self.exact.get(name).or_else(|| below.next()).unwrap_or(&self.default)
    }
}

/// What the files of a listener's policies hold. Cheap to clone.
#[derive(Clone, Default)]
pub struct Trusts(pub(super) HashMap<u64, Trust>);

/// What the files of one policy hold.
#[derive(Clone)]
pub(super) struct Trust {
    /// The files as they were read.
    texts: Arc<[Vec<u8>]>,
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Trusts {
    /// Reads and checks the files of all policies. Blocking: belongs to the control side.
    ///
    /// # Errors
    /// [`CertificateError`] when a file cannot be read or has nothing usable in it.
    pub fn load(auth: &ClientAuth) -> Result<Self, CertificateError> {
        let mut all = HashMap::new();
        for (id, policy) in auth.policies() {
            if let Entry::Vacant(free) = all.entry(id) {
                free.insert(Trust::load(policy)?);
            }
        }
        Ok(Self(all))
    }
}

impl Trust {
    fn load(policy: &ClientPolicy) -> Result<Self, CertificateError> {
        let mut texts = Vec::new();
        let mut roots = RootCertStore::empty();
        for file in &policy.ca {
            for der in read_chain(file)? {
                texts.push(der.as_ref().to_vec());
                add(&mut roots, file, der)?;
            }
        }
        let mut lists = Vec::new();
        for file in &policy.crl {
            for der in read_lists(file)? {
                texts.push(der.as_ref().to_vec());
                lists.push(der);
            }
        }
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).with_crls(lists);
        if !policy.required {
            builder = builder.allow_unauthenticated();
        }
        if !policy.expired_crl {
            builder = builder.enforce_revocation_expiration();
        }
        let first = policy.crl.first().or(policy.ca.first()).cloned().unwrap_or_default();
        let verifier = builder.build().map_err(|e| CertificateError {
            file: first,
            problem: format!("clients cannot be verified by it ({e})"),
            remedy: "name authorities in `ca`, and lists of revocation of theirs, version 2, in `crl`",
        })?;
        Ok(Self { texts: texts.into(), verifier })
    }
}

fn add(roots: &mut RootCertStore, file: &Path, der: CertificateDer<'static>) -> Result<(), CertificateError> {
    roots.add(der).map_err(|e| CertificateError {
        file: file.to_owned(),
        problem: format!("a certificate in it cannot be an authority ({e})"),
        remedy: "issue it anew as X.509 version 3",
    })
}

/// All lists of a PEM file, at least one.
fn read_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, CertificateError> {
    let wrong = |problem: String, remedy: &'static str| CertificateError { file: file.to_owned(), problem, remedy };
    let text = fs::read(file).map_err(|e| {
        wrong(format!("cannot be read: {e}"), "check the path and that the user this process runs as may read it")
    })?;
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&text).collect();
    match lists {
        Ok(lists) if lists.is_empty() => {
            Err(wrong("no list of revocation in it".to_owned(), "it must be PEM text with `-----BEGIN X509 CRL-----`"))
        }
        Ok(lists) => Ok(lists),
        Err(e) => Err(wrong(format!("malformed PEM ({e})"), "write it anew with `openssl crl -in FILE -out FILE`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(ca: &str) -> ClientPolicy {
        ClientPolicy { required: true, ca: vec![ca.into()], crl: Vec::new(), expired_crl: false }
    }

    #[test]
    fn exact_name_comes_before_the_longest_ending_before_the_default() {
        let auth = ClientAuth {
            default: Some(policy("default")),
            hosts: vec![
                ("*.a.test".into(), Some(policy("below"))),
                ("*.b.a.test".into(), Some(policy("deeper"))),
                ("c.a.test".into(), None),
            ],
        };
        let numbers = Numbers::build(&auth);
        for (name, ca) in [
            (None, Some("default")),
            (Some("a.test"), Some("default")),
            (Some("x.a.test"), Some("below")),
            (Some("x.y.a.test"), Some("below")),
            (Some("b.a.test"), Some("below")),
            (Some("x.b.a.test"), Some("deeper")),
            (Some("c.a.test"), None),
            (Some("x.c.a.test"), Some("below")),
            (Some("xa.test"), Some("default")),
            (Some(".a.test"), Some("default")),
            (Some(""), Some("default")),
        ] {
            let wanted = ca.map(policy);
            assert_eq!(auth.choose(name), wanted.as_ref(), "{name:?}");
            assert_eq!(numbers.find(name), wanted.map_or(0, |p| p.id()), "{name:?}");
        }
    }

    #[test]
    fn number_is_that_of_equal_policies_only() {
        let other = ClientPolicy { required: false, ..policy("a") };
        assert_eq!(policy("a").id(), policy("a").id());
        assert!(policy("a").id() != policy("b").id() && policy("a").id() != other.id());
    }
}
