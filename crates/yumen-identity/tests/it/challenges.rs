//! Each challenge against Pebble.

use std::sync::Arc;

use yumen_identity::acme::External;
use yumen_identity::{Acme, Facts, KeyKind, Label, Way, When, Wish};

use crate::stage::{Stage, wish};

#[tokio::test]
async fn http_01_proves_two_names_and_the_certificate_stays_until_it_is_due() {
    let stage = Stage::set(|_| {}).await;
    let acme = stage.acme(vec![stage.http_way()]);
    let wish = wish("www", &["a.example.test", "b.example.test"]);
    let first = acme.ensure(&wish, When::Due).await.unwrap();
    assert!(first.is_new && first.certificate.is_for(wish.names()));
    assert!(first.renewal.at > first.certificate.facts().not_before);
    let second = acme.ensure(&wish, When::Due).await.unwrap();
    assert!(!second.is_new && second.certificate == first.certificate);
    let third = acme.ensure(&wish, When::Now).await.unwrap();
    assert!(third.is_new && third.certificate.facts().serial != first.certificate.facts().serial);
    assert_eq!((stage.pebble.orders(), stage.store().order(&wish.label).unwrap().is_none()), (2, true));
}

#[tokio::test]
async fn tls_alpn_01_proves_a_name_with_a_key_of_each_kind() {
    let stage = Stage::set(|_| {}).await;
    let acme = stage.acme(vec![Way::for_all(Arc::new(stage.tls.clone()))]);
    for (label, key) in [("p256", KeyKind::P256), ("p384", KeyKind::P384), ("rsa", KeyKind::Rsa2048)] {
        let wish = Wish::new(Label::parse(label).unwrap(), &["c.example.test".to_owned()], key).unwrap();
        let ensured = acme.ensure(&wish, When::Due).await.unwrap();
        assert_eq!(ensured.certificate.facts().names, ["c.example.test"]);
        assert!(stage.tls.answer_name("c.example.test").is_none());
    }
}

#[tokio::test]
async fn another_kind_of_key_or_another_ca_is_another_certificate() {
    let stage = Stage::set(|_| {}).await;
    let acme = stage.acme(vec![stage.http_way()]);
    let mut wish = wish("www", &["a.example.test"]);
    assert!(acme.ensure(&wish, When::Due).await.unwrap().is_new);
    wish.key = KeyKind::P384;
    assert!(acme.ensure(&wish, When::Due).await.unwrap().is_new);
    assert!(!acme.ensure(&wish, When::Due).await.unwrap().is_new);
    let mut authority = stage.authority();
    authority.directory = authority.directory.replace("127.0.0.1", "localhost");
    let other = Acme::new(authority, stage.store(), vec![stage.http_way()]).unwrap();
    assert!(other.ensure(&wish, When::Due).await.unwrap().is_new);
}

#[tokio::test]
async fn a_wildcard_and_its_apex_are_proved_side_by_side_and_a_third_name_by_http() {
    let stage = Stage::set(|_| {}).await;
    let mut http = stage.http_way();
    http.names = vec!["w.example.test".into()];
    let acme = stage.acme(vec![http, stage.dns_way(stage.rfc2136())]);
    let wish = wish("wild", &["*.example.test", "example.test", "w.example.test"]);
    let ensured = acme.ensure(&wish, When::Due).await.unwrap();
    assert_eq!(ensured.certificate.facts().names, ["*.example.test", "example.test", "w.example.test"]);
    assert!(stage.knot.texts("_acme-challenge.example.test").is_empty());
    assert!(stage.store().records(&wish.label).unwrap().is_empty());
}

#[tokio::test]
async fn a_wildcard_without_dns_is_refused_before_the_ca_looks() {
    let stage = Stage::set(|_| {}).await;
    let acme = stage.acme(vec![stage.http_way()]);
    let error = acme.ensure(&wish("wild", &["*.example.test"]), When::Due).await.unwrap_err().to_string();
    assert!(error.contains("`*.example.test` cannot be proved"), "{error}");
    assert!(error.contains("offers dns-01 for it, and here is http-01"), "{error}");
}

#[tokio::test]
async fn an_external_account_is_bound_and_a_wrong_one_refused() {
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let stage = Stage::set(|setup| setup.external = Some(("kid-1".into(), key.into()))).await;
    let wish = wish("www", &["a.example.test"]);
    for (id, succeeds) in [(None, false), (Some("kid-2"), false), (Some("kid-1"), true)] {
        let mut authority = stage.authority();
        authority.external = id.map(|id| External::parse(id, key).unwrap());
        let acme = Acme::new(authority, stage.store(), vec![stage.http_way()]).unwrap();
        let ensured = acme.ensure(&wish, When::Due).await;
        assert_eq!(ensured.is_ok(), succeeds, "{id:?}: {ensured:?}");
    }
}

#[tokio::test]
async fn the_chain_that_leads_to_the_wanted_root_is_taken() {
    let stage = Stage::set(|setup| setup.other_roots = 2).await;
    for number in [0, 1, 2] {
        let root = Facts::of_chain(&stage.pebble.root(number)).unwrap().issuers.pop().unwrap();
        let mut authority = stage.authority();
        authority.chain = Some(root.clone());
        let acme = Acme::new(authority, stage.store(), vec![stage.http_way()]).unwrap();
        let ensured = acme.ensure(&wish("www", &["a.example.test"]), When::Now).await.unwrap();
        assert_eq!(ensured.certificate.facts().issuers.last(), Some(&root));
    }
}
