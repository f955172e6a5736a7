//! What Pebble and fate do to orders.

use std::sync::Arc;

use tokio::sync::Notify;
use yumen_identity::challenge::{Doing, Hiding, Kind, Proof, Responder};
use yumen_identity::dns::Dns01;
use yumen_identity::{Error, Label, Way, When};

use crate::stage::{Stage, wish};

#[tokio::test]
async fn an_order_survives_a_ca_that_refuses_every_second_nonce() {
    let stage = Stage::set(|setup| setup.refused_nonces = 50).await;
    let acme = stage.acme(vec![stage.http_way()]);
    let wish = wish("www", &["a.example.test", "b.example.test", "c.example.test"]);
    acme.ensure(&wish, When::Due).await.unwrap();
}

/// Shows nothing.
struct Silent;

impl Responder for Silent {
    fn kind(&self) -> Kind {
        Kind::Http01
    }

    fn show<'a>(&'a self, _: &'a Label, _: &'a [Proof]) -> Doing<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn hide<'a>(&'a self, _: &'a Label) -> Hiding<'a> {
        Box::pin(async {})
    }
}

#[tokio::test]
async fn a_rejection_names_the_name_and_the_words_of_the_ca_and_the_next_order_is_a_new_one() {
    let stage = Stage::set(|_| {}).await;
    let wish = wish("www", &["good.example.test", "bad.example.test"]);
    let mut silent = Way::for_all(Arc::new(Silent));
    silent.names = vec!["bad.example.test".into()];
    let acme = stage.acme(vec![silent, stage.http_way()]);
    let error = acme.ensure(&wish, When::Due).await.unwrap_err();
    let Error::Refused { refusal, .. } = &error else { panic!("{error}") };
    let names: Vec<&str> = refusal.parts.iter().map(|part| part.identifier.as_str()).collect();
    assert_eq!(names, ["bad.example.test"], "{error}");
    assert!(error.to_string().contains("404"), "{error}");
    stage.acme(vec![stage.http_way()]).ensure(&wish, When::Due).await.unwrap();
    assert_eq!(stage.pebble.orders(), 2);
}

/// Tells when the records are there, and then never comes back.
struct Stalls {
    inner: Dns01,
    shown: Arc<Notify>,
}

impl Responder for Stalls {
    fn kind(&self) -> Kind {
        self.inner.kind()
    }

    fn show<'a>(&'a self, certificate: &'a Label, proofs: &'a [Proof]) -> Doing<'a, ()> {
        Box::pin(async move {
            self.inner.show(certificate, proofs).await?;
            self.shown.notify_one();
            std::future::pending().await
        })
    }

    fn hide<'a>(&'a self, certificate: &'a Label) -> Hiding<'a> {
        self.inner.hide(certificate)
    }
}

#[tokio::test]
async fn an_order_that_broke_off_is_taken_up_again_and_leaves_no_records() {
    let stage = Stage::set(|_| {}).await;
    let wish = wish("wild", &["*.example.test", "example.test"]);
    let shown = Arc::new(Notify::new());
    let stalls = Stalls { inner: stage.dns01(stage.rfc2136()), shown: shown.clone() };
    let first = stage.acme(vec![Way::for_all(Arc::new(stalls))]);
    let ordering = tokio::spawn({
        let wish = wish.clone();
        async move { first.ensure(&wish, When::Due).await }
    });
    shown.notified().await;
    ordering.abort();
    assert!(ordering.await.unwrap_err().is_cancelled());
    assert_eq!(stage.knot.texts("_acme-challenge.example.test").len(), 2);
    let begun = stage.store().order(&wish.label).unwrap().unwrap();

    let second = stage.acme(vec![stage.dns_way(stage.rfc2136())]);
    let ensured = second.ensure(&wish, When::Due).await.unwrap();
    assert!(ensured.is_new);
    assert_eq!(ensured.certificate.key(), begun.key);
    assert_eq!(stage.pebble.orders(), 1);
    assert!(stage.knot.texts("_acme-challenge.example.test").is_empty());
}

#[tokio::test]
async fn two_nodes_that_want_the_same_certificate_order_it_once() {
    let stage = Stage::set(|_| {}).await;
    let wish = wish("www", &["a.example.test"]);
    let (one, other) = (stage.acme(vec![stage.http_way()]), stage.acme(vec![stage.http_way()]));
    let (one, other) = tokio::join!(one.ensure(&wish, When::Due), other.ensure(&wish, When::Due));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!((one.is_new != other.is_new, one.certificate == other.certificate), (true, true));
    assert_eq!(stage.pebble.orders(), 1);
}

#[tokio::test]
async fn a_ca_that_forgot_the_account_gets_a_new_one() {
    let mut stage = Stage::set(|_| {}).await;
    let wish = wish("www", &["a.example.test"]);
    let acme = stage.acme(vec![stage.http_way()]);
    let first = acme.ensure(&wish, When::Due).await.unwrap();
    let key = stage.pebble.key();
    stage.pebble = stage.pebble.forget(&key);
    let second = acme.ensure(&wish, When::Now).await.unwrap();
    assert_ne!(first.certificate.facts().issuers, second.certificate.facts().issuers);
    // It is the new account that is on the disk.
    assert!(stage.acme(vec![stage.http_way()]).ensure(&wish, When::Now).await.unwrap().is_new);
}

#[tokio::test]
async fn a_ca_that_is_away_is_told_and_changes_nothing() {
    let stage = Stage::set(|_| {}).await;
    let wish = wish("www", &["a.example.test"]);
    let mut authority = stage.authority();
    authority.roots = Some(stranger());
    let distrustful = yumen_identity::Acme::new(authority, stage.store(), vec![stage.http_way()]).unwrap();
    let error = distrustful.ensure(&wish, When::Due).await.unwrap_err().to_string();
    assert!(error.contains("cannot be used for a new account") && error.contains("TLS"), "{error}");
    assert!(stage.acme(vec![stage.http_way()]).ensure(&wish, When::Due).await.unwrap().is_new);
}

/// An authority that signed nothing here.
fn stranger() -> Vec<u8> {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["other.test".to_owned()]).unwrap();
    params.self_signed(&key).unwrap().pem().into_bytes()
}

#[tokio::test]
async fn leftovers_go_while_the_certificate_is_good_and_a_damaged_one_is_ordered_anew() {
    let stage = Stage::set(|_| {}).await;
    let wish = wish("www", &["a.example.test"]);
    let acme = stage.acme(vec![stage.dns_way(stage.rfc2136())]);
    let first = acme.ensure(&wish, When::Due).await.unwrap();
    let proof = Proof {
        name: "a.example.test".into(),
        token: String::new(),
        authorization: String::new(),
        digest: [0; 32],
        text: "left".into(),
    };
    stage.dns01(stage.rfc2136()).show(&wish.label, &[proof]).await.unwrap();
    assert_eq!(stage.knot.texts("_acme-challenge.a.example.test"), ["left"]);
    assert!(!acme.ensure(&wish, When::Due).await.unwrap().is_new);
    assert!(stage.knot.texts("_acme-challenge.a.example.test").is_empty());

    let file = stage.folder().join("certificate/www.pem");
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, whole.replace("BEGIN CERTIFICATE", "BEGIN")).unwrap();
    let second = acme.ensure(&wish, When::Due).await.unwrap();
    assert!(second.is_new && second.certificate != first.certificate);
}
