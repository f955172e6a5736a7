//! Certificates of clients over HTTP/3: the same policies as over TCP.

use rcgen::SerialNumber;

use super::{Client, config};
use crate::authority::Authority;
use crate::client_certificates::{ALL, HOSTS, folder};
use crate::ends::{Origin, field};
use crate::gateway::until;
use crate::site::Site;

fn with(origin: &Origin, auth: &str) -> String {
    let text = config(origin, "true", "");
    let text = text.replace(
        "cert: one.pem, key: one.key }",
        &format!("cert: server.pem, key: server.key }}, client_auth: {{ {auth} }}"),
    );
    assert!(text.contains("client_auth") && text.contains(ALL), "{text}");
    text
}

fn site(origin: &Origin, auth: &str) -> Site {
    Site::start_in(folder(), &with(origin, auth))
}

/// A client that was let in has had an answer.
fn is_served(site: &Site, name: &str, shown: Option<&str>) -> Result<u16, String> {
    let mut client = Client::try_connect(site, name, shown)?;
    Ok(client.ask_for(name, "GET", "/", (&[], b""))?.status)
}

#[test]
fn name_whose_certificate_is_not_there_yet_is_refused_over_http_3() {
    let origin = Origin::named("hello");
    let text = config(&origin, "true", "").replace("cert: one.pem, key: one.key", "name: www");
    let site = Site::start_in(
        folder(),
        &format!(
            "{text}certificates: {{ www: {{ names: one.example.test }} }}\n\
             authorities: {{ ca: {{ directory: \"https://127.0.0.1:1/dir\" }} }}\n"
        ),
    );
    let refused = Client::try_connect(&site, "one.example.test", None).err().unwrap();
    assert!(refused.contains("112"), "{refused}");
    let line = site.wait_access(|line| line["reason"] == "no_certificate");
    let (sni, side) = (&line["sni"], &line["side"]);
    assert_eq!((&line["protocol"], sni, side), (&"quic".into(), &"one.example.test".into(), &"us".into()), "{line}");
}

#[test]
fn client_is_let_in_by_its_certificate_or_told_why_not() {
    let origin = Origin::named("hello");
    let site = site(&origin, "ca: trusted.pem, crl: crl.pem");
    assert_eq!(is_served(&site, "one.test", Some("ann")), Ok(200));
    let line = site.wait_access(|line| line["protocol"] == "HTTP/3");
    assert_eq!((&line["cert_subject"], &line["cert_serial"]), (&"CN=ann".into(), &"1001".into()), "{line}");
    for (n, (shown, reason)) in [
        (None, "client_cert_missing"),
        (Some("eve"), "client_cert_untrusted"),
        (Some("late"), "client_cert_expired"),
        (Some("server-only"), "client_cert_refused"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(is_served(&site, "one.test", shown).is_err(), "{shown:?}");
        let line = site.wait_access(|line| line["reason"] == reason);
        assert_eq!(
            (&line["protocol"], &line["sni"], &line["side"]),
            (&"quic".into(), &"one.test".into(), &"client".into()),
            "{line}"
        );
        let series = "yumen_listener_client_certificate_failures_total{listener=\"web\"}";
        assert_eq!(site.metric(series), (n + 1) as f64);
    }
    assert_eq!(origin.requests().len(), 1, "none of them reached the endpoint");
}

#[test]
fn session_of_a_client_that_was_revoked_since_is_not_resumed_over_http_3() {
    let origin = Origin::named("hello");
    let folder = folder();
    let clients = Authority::called(folder.path(), "fresh");
    clients.issue_with("ann", "ann", &[], |p| p.serial_number = Some(SerialNumber::from(1_u64)));
    clients.revoke("crl", &[], 2100);
    let site = Site::start_in(folder, &with(&origin, "ca: fresh.pem, crl: crl.pem"));
    let mut client = Client::try_connect(&site, "one.test", Some("ann")).unwrap();
    assert_eq!(client.get("/").status, 200);
    let kept = client.requests.clone();
    client.reconnect(&site, "one.test").unwrap();
    assert_eq!(client.get("/again").status, 200);
    assert_eq!(site.wait_access(|line| line["path"] == "/again")["cert_subject"], "CN=ann");
    clients.revoke("crl", &[1], 2100);
    until("the new list", || {
        let again = client.reconnect(&site, "one.test").and_then(|()| client.ask("GET", "/refused", &[], b""));
        again.is_err().then_some(())
    });
    let line = site.wait_access(|line| line["reason"] == "client_cert_revoked");
    assert!(line["detail"].as_str().unwrap().contains("was revoked"), "{line}");
    // Who is in stays in.
    client.requests = kept;
    assert_eq!(client.get("/kept").status, 200);
}

#[test]
fn policies_hold_for_requests_over_http_3() {
    let origin = Origin::named("hello");
    let site = site(&origin, HOSTS);
    let mut client = Client::try_connect(&site, "two.test", None).unwrap();
    let mut asked = |host: &str| client.ask_for(host, "GET", "/", (&[], b"")).unwrap().status;
    assert_eq!(asked("two.test"), 200);
    for host in ["one.test", "x.deep.test", "ONE.test:443"] {
        assert_eq!(asked(host), 421, "{host}");
    }
    let line = site.wait_access(|line| line["status"] == 421);
    assert_eq!((&line["protocol"], &line["reason"]), (&"HTTP/3".into(), &"misdirected_request".into()), "{line}");
    assert_eq!(is_served(&site, "one.test", Some("ann")), Ok(200));
    assert!(is_served(&site, "one.test", None).is_err());
    // A session of a name that asks for nothing is none of one that does, whatever the client thinks of it.
    assert!(client.reconnect(&site, "one.test").and_then(|()| client.ask("GET", "/", &[], b"")).is_err());
}

#[test]
fn endpoint_is_told_the_certificate_over_http_3() {
    let origin = Origin::named("hello");
    let site = site(&origin, "mode: optional, ca: trusted.pem, forward: true");
    let lie = [("client-cert", ":bGll:")];
    for (shown, is_told) in [(None, false), (Some("ann"), true)] {
        let mut client = Client::try_connect(&site, "one.test", shown).unwrap();
        assert_eq!(client.ask("GET", "/", &lie, b"").unwrap().status, 200);
        let told = field(&origin.last(), "client-cert");
        assert_eq!(told.is_some(), is_told, "{told:?}");
        assert!(!origin.last().contains("bGll"), "{}", origin.last());
    }
}
