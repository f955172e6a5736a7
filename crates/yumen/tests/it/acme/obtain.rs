//! Certificates are obtained, by each of the challenges, and served.

use std::sync::Arc;

use yumen_test::Knot;

use super::stage::{Stage, ask};
use crate::ends::Client;
use crate::gateway::until;

#[test]
fn certificate_is_obtained_by_http_01_while_traffic_goes_on() {
    let stage = Stage::start(
        &["www"],
        "certificates: {www: {names: [a.example.test, b.example.test], challenges: http-01}}\n",
        |_| {},
    );
    let (web, tls) = (stage.site.addr("web"), stage.site.addr("tls"));
    // The CA is away: other listeners do not notice, and the status says what is wrong and since when.
    let failing = until("the failure", || Some(stage.duty("www")).filter(|duty| duty["state"] == "failing"));
    let text = failing["text"].as_str().unwrap();
    assert!(text.contains("127.0.0.1:1") && text.contains("no certificate stands"), "{failing}");
    assert!(failing["since"].is_u64(), "{failing}");
    assert_eq!(Client::connect(web).get("/").status, 200);
    let refused = ask(tls, "a.example.test", &stage.client()).unwrap_err();
    assert!(refused.to_string().contains("UnrecognisedName"), "{refused}");
    let line = stage.site.wait_access(|line| line["reason"] == "no_certificate");
    assert_eq!(line["sni"], "a.example.test");

    stage.go();
    let well = stage.wait_well("www");
    assert_eq!(well["facts"]["names"], serde_json::json!(["a.example.test", "b.example.test"]));
    let mut certificates = Vec::new();
    for name in ["a.example.test", "b.example.test"] {
        let (shown, answer) = ask(tls, name, &stage.client()).unwrap();
        assert!(answer.ends_with("hello"), "{answer}");
        certificates.push(shown);
    }
    assert_eq!(certificates[0], certificates[1]);
    assert_eq!(stage.pebble.orders(), 1);
    // No order waits for it any more, so it is a path like any other.
    let answer = Client::connect(web).get("/.well-known/acme-challenge/token");
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
}

#[test]
fn certificate_is_obtained_by_tls_alpn_01_through_a_listener_that_has_none() {
    let sections = "certificates: {www: {names: a.example.test, challenges: tls-alpn-01, key: p384}}\n";
    let stage = Stage::start(&["www"], sections, |_| {});
    stage.go();
    stage.wait_well("www");
    let tls = stage.site.addr("tls");
    assert!(ask(tls, "a.example.test", &stage.client()).unwrap().1.ends_with("hello"));
    // Nobody waits for the protocol of a CA any more, and clients of HTTP do not speak it.
    let mut client = rustls::ClientConfig::clone(&stage.client());
    client.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let refused = ask(tls, "a.example.test", &Arc::new(client)).unwrap_err();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
}

#[test]
fn wildcard_and_two_names_are_obtained_at_once_by_a_name_server_that_takes_updates() {
    let (name, secret) = Knot::key();
    let sections = format!(
        "certificates:\n  \
           wild: {{names: [\"*.example.test\", example.test], dns_provider: knot}}\n  \
           www: {{names: [www.sub.example.test], challenges: [http-01]}}\n\
         dns_providers:\n  \
           knot: {{rfc2136: {{server: \"{{dns}}\", key: {{name: {name}, secret: \"{secret}\"}}}}, names: [example.test],\n    \
                 propagation: {{resolvers: \"{{dns}}\", servers: \"{{dns}}\", settle: off}}}}\n"
    );
    let stage = Stage::start(&["wild", "www"], &sections, |_| {});
    stage.go();
    stage.wait_well("wild");
    stage.wait_well("www");
    let (tls, client) = (stage.site.addr("tls"), stage.client());
    for name in ["example.test", "any.example.test", "www.sub.example.test"] {
        assert!(ask(tls, name, &client).unwrap().1.ends_with("hello"), "{name}");
    }
    assert!(stage.knot.texts("_acme-challenge.example.test").is_empty());
    assert_eq!(stage.pebble.orders(), 2);
}
