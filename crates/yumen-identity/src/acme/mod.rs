//! Certificates by ACME (RFC 8555): the account, orders, and the moment of renewal.
//!
//! [`Acme::ensure`] is what a caller needs: it gives the certificate on the disk when that one is good, and orders one
//! otherwise. Whatever was begun is written down first, so an order that broke off is taken up again by whoever asks next,
//! in this process or another. `badNonce`, faults of the CA and of the network are tried again within a call; what the CA
//! wants tried later is an error that says when.

mod account;
mod chain;
mod order;
mod patience;
mod wire;

pub use account::External;
pub use patience::Patience;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use instant_acme::{Account, CertificateIdentifier};
use rustls::pki_types::Der;
use tokio::sync::Mutex;

use crate::certificate::{Certificate, Facts};
use crate::challenge::Responder;
use crate::error::Error;
use crate::renewal::{Renewal, Window};
use crate::store::{Label, Store, StoredOrigin};
use wire::Wire;

/// A CA, and who we are there.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The URL of its directory.
    pub directory: String,
    /// Whom it may write to, as URLs: `mailto:hostmaster@example.com`. May be empty.
    pub contact: Vec<String>,
    /// The account that is known to the CA already, where it wants one (RFC 8555 section 7.3.4).
    pub external: Option<External>,
    /// The authorities in PEM that its own server is trusted by; without them those of the operating system.
    pub roots: Option<Vec<u8>>,
    /// The common name of an authority that the chain should lead to, when the CA offers several chains.
    pub chain: Option<String>,
    /// The profile of certificates, for CAs that offer some.
    pub profile: Option<String>,
    /// How long to wait for what.
    pub patience: Patience,
}

impl Authority {
    /// A CA without any of the optional things.
    pub fn new(directory: impl Into<String>) -> Self {
        Self {
            directory: directory.into(),
            contact: Vec::new(),
            external: None,
            roots: None,
            chain: None,
            profile: None,
            patience: Patience::default(),
        }
    }
}

/// The kinds of keys for certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on the curve P-256; every client of today takes it.
    #[default]
    P256,
    /// ECDSA on the curve P-384.
    P384,
    /// RSA with 2048 bits, for old clients.
    Rsa2048,
}

impl KeyKind {
    /// As in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Rsa2048 => "rsa2048",
        }
    }
}

/// A certificate that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Under which name it is stored.
    pub label: Label,
    names: Vec<String>,
    /// The kind of its key.
    pub key: KeyKind,
}

impl Wish {
    /// A certificate for these names. Unicode is taken, and `*.` in front of a name.
    ///
    /// # Errors
    /// There is no name, or one that is no host name.
    pub fn new(label: Label, names: &[String], key: KeyKind) -> Result<Self, Error> {
        let mut all = names.iter().map(|name| canonical(name)).collect::<Result<Vec<_>, _>>()?;
        all.sort();
        all.dedup();
        if all.is_empty() {
            return Err(Error::Wish(format!("the certificate `{label}` has no names")));
        }
        Ok(Self { label, names: all, key })
    }

    /// The names as the CA is told them: sorted, in small letters, in the ASCII form.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

fn canonical(name: &str) -> Result<String, Error> {
    let (star, bare) = name.strip_prefix("*.").map_or(("", name), |bare| ("*.", bare));
    let parsed = hickory_proto::rr::Name::from_utf8(bare.trim_end_matches('.'));
    let ascii = parsed.map(|parsed| parsed.to_ascii().trim_end_matches('.').to_ascii_lowercase()).unwrap_or_default();
    let is_label = |label: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(is_allowed) && !label.starts_with('-')
    };
    let is_address = bare.parse::<std::net::IpAddr>().is_ok();
    if is_address || ascii.len() > 253 || !ascii.contains('.') || !ascii.split('.').all(is_label) {
        return Err(Error::Wish(format!(
            "`{name}` is no name that a certificate can be ordered for: take a full host name, with `*.` before it for a wildcard"
        )));
    }
    Ok(format!("{star}{ascii}"))
}

/// Which names a responder is for.
#[derive(Clone)]
pub struct Way {
    /// The names, each with all below it; none means all names.
    pub names: Vec<String>,
    /// Who answers for them.
    pub responder: Arc<dyn Responder>,
}

impl Way {
    /// A responder for all names.
    #[must_use]
    pub fn for_all(responder: Arc<dyn Responder>) -> Self {
        Self { names: Vec::new(), responder }
    }

    fn is_for(&self, name: &str) -> bool {
        let is_below = |suffix: &String| {
            let suffix = suffix.trim_start_matches("*.").to_ascii_lowercase();
            name == suffix || name.strip_suffix(&suffix).is_some_and(|rest| rest.ends_with('.'))
        };
        self.names.is_empty() || self.names.iter().any(is_below)
    }
}

/// When to order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// When there is no certificate for the names, or it is due.
    Due,
    /// In any case.
    Now,
}

/// A certificate that [`Acme::ensure`] gives.
#[derive(Clone, Debug)]
pub struct Ensured {
    /// The certificate.
    pub certificate: Certificate,
    /// Whether it was ordered by this call; else it was on the disk.
    pub is_new: bool,
    /// When to renew it.
    pub renewal: Renewal,
}

/// One CA, with the means to prove names to it. Meant to be shared.
pub struct Acme {
    authority: Authority,
    store: Store,
    ways: Vec<Way>,
    wire: Wire,
    account: Mutex<Option<Account>>,
}

impl Acme {
    /// The first of the `ways` that is for a name, and that the CA offers, is taken. Asks nobody anything yet.
    ///
    /// # Errors
    /// The roots cannot be used, or the directory is not asked by TLS.
    pub fn new(authority: Authority, store: Store, ways: Vec<Way>) -> Result<Self, Error> {
        if !authority.directory.starts_with("https://") {
            // RFC 8555 section 6.1.
            return Err(Error::Wish(format!(
                "`{}` is no directory of a CA: it begins with https://",
                authority.directory
            )));
        }
        let wire = Wire::new(&authority)?;
        Ok(Self { authority, store, ways, wire, account: Mutex::default() })
    }

    /// Gives a certificate for the wish, and orders one when there is none or it is due. Waits while another process
    /// orders the same one, and takes that one then. A file that is damaged or that others may read counts as none.
    ///
    /// # Errors
    /// Each of [`Error`]. The certificate on the disk, if any, stays and can be used; [`renewal::pause`] says how long to
    /// wait before the next try.
    ///
    /// [`renewal::pause`]: crate::renewal::pause
    pub async fn ensure(&self, wish: &Wish, when: When) -> Result<Ensured, Error> {
        let _lock = self.store.lock(&wish.label, self.authority.patience.lock).await?;
        let present = usable(self.store.certificate(&wish.label))?;
        if when == When::Due
            && let Some(certificate) = present.clone().filter(|certificate| certificate.is_for(wish.names()))
            && self.is_of_wish(wish)?
        {
            let renewal = self.renewal(&certificate).await;
            if !renewal.is_due(now()) {
                // What an order left that ended with its process is removed now, not when the next one is due.
                for way in &self.ways {
                    way.responder.hide(&wish.label).await;
                }
                return Ok(Ensured { certificate, is_new: false, renewal });
            }
        }
        let certificate = self.order(wish, present.as_ref()).await?;
        self.store.keep_certificate(&wish.label, &certificate)?;
        // In this order: a process that ends in between orders once too often, and never goes on with the wrong one.
        self.store.keep_origin(&wish.label, &self.origin(wish))?;
        self.store.forget_order(&wish.label)?;
        let renewal = self.renewal(&certificate).await;
        Ok(Ensured { certificate, is_new: true, renewal })
    }

    fn origin(&self, wish: &Wish) -> StoredOrigin {
        StoredOrigin { directory: self.authority.directory.clone(), key: wish.key.as_str().to_owned() }
    }

    /// Whether the certificate on the disk is of this CA and has the kind of key that is wanted. One of which nothing is
    /// known is taken.
    fn is_of_wish(&self, wish: &Wish) -> Result<bool, Error> {
        Ok(usable(self.store.origin(&wish.label))?.is_none_or(|origin| origin == self.origin(wish)))
    }

    /// When a certificate of this CA is to be renewed: in the window that the CA suggests (RFC 9773), or without one at
    /// two thirds of its life.
    pub async fn renewal(&self, certificate: &Certificate) -> Renewal {
        Renewal::plan(certificate.facts(), self.window(certificate.facts()).await)
    }

    /// The window that the CA suggests. That it tells none is no failure: the certificate is renewed in any case.
    async fn window(&self, facts: &Facts) -> Option<(Window, Duration)> {
        let id = certificate_id(facts)?;
        let asked = async {
            let account = self.account().await?;
            account.renewal_info(&id).await.map_err(|error| self.refused("the renewal window", error))
        };
        match asked.await {
            Ok((info, ask_again)) => {
                let window = info.suggested_window;
                Some((Window { start: window.start.into(), end: window.end.into() }, ask_again))
            }
            Err(error) => {
                tracing::debug!("no renewal window: {error}");
                None
            }
        }
    }
}

/// What is on the disk, or nothing when it cannot be used: ordering a certificate anew is better than having none.
fn usable<T>(found: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
    match found {
        Err(error @ Error::Stored { .. }) => {
            tracing::warn!("{error}; it is made anew");
            Ok(None)
        }
        found => found,
    }
}

/// The name of a certificate in RFC 9773 section 4.1.
fn certificate_id(facts: &Facts) -> Option<CertificateIdentifier<'static>> {
    let authority = facts.authority_key.as_deref()?;
    Some(CertificateIdentifier::new(Der::from_slice(authority), Der::from_slice(&facts.serial)))
}

#[expect(clippy::disallowed_methods, reason = "validity is told in dates; the only place here that reads one")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::certificate::tests::self_signed;
    use crate::challenge::Http01;

    fn names(names: &[&str]) -> Result<Vec<String>, Error> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Wish::new(Label::parse("x").unwrap(), &names, KeyKind::P256).map(|wish| wish.names)
    }

    #[test]
    fn names_are_brought_into_one_form() {
        let all = names(&["WWW.Example.com.", "*.example.com", "例子.com", "www.example.com"]).unwrap();
        assert_eq!(all, ["*.example.com", "www.example.com", "xn--fsqu00a.com"]);
        for bad in ["", "localhost", "a..b", "*.*.a.b", "a.*.b", "10.0.0.1", "::1", "a b.c", "-a.b", "a_b.c", "*"] {
            assert!(names(&[bad]).is_err(), "{bad}");
        }
        assert!(names(&[]).is_err());
    }

    #[test]
    fn a_way_is_for_its_names_and_those_below() {
        let mut way = Way::for_all(Arc::new(Http01::default()));
        assert!(way.is_for("a.test"));
        way.names = vec!["A.test".into(), "*.b.test".into()];
        for (name, is_for) in [("a.test", true), ("x.a.test", true), ("xa.test", false), ("y.b.test", true)] {
            assert_eq!(way.is_for(name), is_for, "{name}");
        }
    }

    #[test]
    fn the_id_of_a_certificate_is_that_of_rfc_9773() {
        let certificate = self_signed(&["a.test"], 1);
        let mut facts = certificate.facts().clone();
        facts.serial = vec![0x00, 0x87, 0x65, 0x43, 0x21];
        assert!(facts.authority_key.is_some() || certificate_id(&facts).is_none());
        // The example of section 4.1.
        let key = 0x8746_4041_e1b3_7b84_7ba0_ae2c_de01_c8d4_u128.to_be_bytes();
        facts.authority_key = Some([&[0x69, 0x88, 0x5b, 0x6b], &key[..]].concat());
        assert_eq!(certificate_id(&facts).unwrap().to_string(), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    }
}
