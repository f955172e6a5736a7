//! All of it together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use yumen_identity::challenge::{Http01, TlsAlpn01};
use yumen_identity::dns::{Dns01, Propagation, Provider, Resolver, Rfc2136, Tsig, TsigAlgorithm, Wait};
use yumen_identity::{Acme, Authority, KeyKind, Label, Store, Way, Wish};

use crate::answer;
use yumen_test::{Knot, Pebble, PebbleSetup};

pub(crate) struct Stage {
    pub(crate) pebble: Pebble,
    pub(crate) knot: Knot,
    pub(crate) http: Http01,
    pub(crate) tls: TlsAlpn01,
    folder: TempDir,
}

impl Stage {
    pub(crate) async fn set(change: impl FnOnce(&mut PebbleSetup)) -> Self {
        let (http, tls, knot) = (Http01::default(), TlsAlpn01::default(), Knot::start());
        let mut setup = PebbleSetup {
            dns: knot.address().to_string(),
            http: answer::http(http.clone()).await,
            tls: answer::tls(tls.clone()).await,
            ..PebbleSetup::default()
        };
        change(&mut setup);
        Self { pebble: Pebble::start(setup), knot, http, tls, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.folder()).unwrap()
    }

    /// Where the store is.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn authority(&self) -> Authority {
        let mut authority = Authority::new(self.pebble.directory());
        authority.contact = vec!["mailto:hostmaster@example.test".into()];
        authority.roots = Some(self.pebble.roots());
        authority.patience.pause = Duration::from_millis(20);
        authority.patience.order = Duration::from_secs(40);
        authority
    }

    pub(crate) fn acme(&self, ways: Vec<Way>) -> Acme {
        Acme::new(self.authority(), self.store(), ways).unwrap()
    }

    pub(crate) fn http_way(&self) -> Way {
        Way::for_all(Arc::new(self.http.clone()))
    }

    pub(crate) fn dns_way(&self, provider: Arc<dyn Provider>) -> Way {
        Way::for_all(Arc::new(self.dns01(provider)))
    }

    pub(crate) fn dns01(&self, provider: Arc<dyn Provider>) -> Dns01 {
        let server = vec![self.knot.address()];
        let propagation = Propagation::new(Resolver::new(server.clone()), Wait::Servers(server))
            .with_limits(Duration::from_secs(30), Duration::ZERO);
        Dns01::new(self.store(), vec![(String::new(), provider)], propagation)
    }

    pub(crate) fn rfc2136(&self) -> Arc<dyn Provider> {
        Arc::new(Rfc2136::new("knot", self.knot.address(), None, Some(knot_key())).unwrap())
    }
}

pub(crate) fn wish(label: &str, names: &[&str]) -> Wish {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Wish::new(Label::parse(label).unwrap(), &names, KeyKind::P256).unwrap()
}

/// The key that may change its zones.
fn knot_key() -> Tsig {
    let (name, secret) = Knot::key();
    Tsig::parse(name, TsigAlgorithm::HmacSha256, secret).unwrap()
}
