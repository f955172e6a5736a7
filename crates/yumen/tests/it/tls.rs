//! TLS ended at a listener, judged by curl and openssl.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::authority::Authority;
use crate::ends::{Client, Gate, Manner, Origin};
use crate::gateway::{text, until};
use crate::site::Site;

/// A TLS listener `web` with three certificates: `one.test` (the default), `two.test`, `*.wild.test`.
fn site(origin: &Origin, tls: &str) -> (Site, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("one", "one", &["one.test"]);
    authority.issue("two", "two", &["two.test", "deep.wild.test"]);
    authority.issue("wild", "wild", &["*.wild.test"]);
    (Site::start_in(folder, &config(origin, tls, "")), authority)
}

fn config(origin: &Origin, tls: &str, listener: &str) -> String {
    format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: [{{ cert: one.pem, key: one.key }}, \
         {{ cert: two.pem, key: two.key }}, {{ cert: wild.pem, key: wild.key }}]{tls} }}{listener} }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n",
        origin.addr
    )
}

/// curl, which verifies that the certificate is for the name.
fn curl(site: &Site, name: &str, more: &[&str]) -> Output {
    let addr = site.addr("web");
    Command::new("curl")
        .args(["-s", "-S", "-v", "--max-time", "10", "--cacert"])
        .arg(site.folder().join("ca.pem"))
        .args(["--resolve", &format!("{name}:{}:127.0.0.1", addr.port())])
        .args(more)
        .arg(format!("https://{name}:{}/", addr.port()))
        .output()
        .unwrap()
}

/// openssl as a client that sends one request and reads to the end.
fn s_client(site: &Site, arguments: &[&str]) -> String {
    let mut client = start_s_client(site.addr("web"), site.folder(), arguments);
    let request = b"GET / HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n";
    // One that was refused reads nothing; what it prints tells why.
    client.stdin.take().unwrap().write_all(request).ok();
    text(&client.wait_with_output().unwrap())
}

fn start_s_client(addr: SocketAddr, folder: &Path, arguments: &[&str]) -> Child {
    Command::new("openssl")
        .args(["s_client", "-ign_eof", "-connect", &addr.to_string(), "-CAfile"])
        .arg(folder.join("ca.pem"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The common name of the certificate that a name meets.
fn subject(site: &Site, name: Option<&str>) -> String {
    let shown = match name {
        Some(name) => s_client(site, &["-servername", name]),
        None => s_client(site, &["-noservername"]),
    };
    let line = shown.lines().find(|l| l.trim().starts_with("subject=")).unwrap_or_else(|| panic!("{shown}"));
    line.rsplit(['=', ' ']).next().unwrap().to_owned()
}

#[test]
fn certificate_is_chosen_by_server_name() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "");
    for name in ["one.test", "two.test", "a.wild.test", "deep.wild.test"] {
        let answer = curl(&site, name, &[]);
        assert_eq!(String::from_utf8_lossy(&answer.stdout), "hello", "{name}: {}", text(&answer));
    }
    let cases = [("a.wild.test", "wild"), ("DEEP.wild.test", "two"), ("a.b.wild.test", "one"), ("wild.test", "one")];
    for (name, expected) in cases {
        assert_eq!(subject(&site, Some(name)), expected, "{name}");
    }
    assert_eq!(subject(&site, Some("unknown.test")), "one");
    assert_eq!(subject(&site, None), "one");
    // The client is the one who refuses a certificate for another name.
    assert!(!curl(&site, "unknown.test", &[]).status.success());
    let line = site.wait_access(|line| line["sni"] == "a.wild.test");
    assert_eq!((line["tls"].as_str(), line["status"].as_u64()), (Some("TLSv1.3"), Some(200)));
}

#[test]
fn both_versions_are_spoken_and_http_is_agreed_upon() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "");
    for (flag, version) in [("--tls-max", "1.2"), ("--tls-max", "1.3")] {
        let answer = curl(&site, "one.test", &[flag, version]);
        assert!(answer.status.success(), "{}", text(&answer));
        assert!(text(&answer).contains(&format!("TLSv{version}")), "{}", text(&answer));
        assert!(text(&answer).contains("ALPN: server accepted h2"), "{}", text(&answer));
        let older = curl(&site, "one.test", &[flag, version, "--http1.1"]);
        assert!(text(&older).contains("ALPN: server accepted http/1.1"), "{}", text(&older));
    }
    // What is not spoken here must not be agreed upon.
    let none = s_client(&site, &["-alpn", "h3"]);
    assert!(none.contains("no application protocol") || none.contains("alert"), "{none}");
    let silent = s_client(&site, &[]);
    assert!(silent.contains("No ALPN negotiated") && silent.contains("hello"), "{silent}");
}

#[test]
fn listener_that_wants_1_3_refuses_1_2() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, ", min_version: \"1.3\"");
    assert!(curl(&site, "one.test", &["--tlsv1.3"]).status.success());
    let refused = curl(&site, "one.test", &["--tls-max", "1.2"]);
    assert!(!refused.status.success());
    assert!(text(&refused).contains("protocol version"), "{}", text(&refused));
    let failures = || site.metric("yumen_listener_handshake_failures_total{listener=\"web\"}");
    until("the count", || (failures() >= 1.0).then_some(()));
    site.wait_log("handshake failed");
}

#[test]
fn sessions_are_resumed_in_both_versions() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "");
    let session = site.folder().join("session");
    let session = session.to_str().unwrap();
    for version in ["-tls1_2", "-tls1_3"] {
        let first = s_client(&site, &[version, "-servername", "one.test", "-sess_out", session]);
        assert!(first.contains("\nNew, "), "{first}");
        let second = s_client(&site, &[version, "-servername", "one.test", "-sess_in", session]);
        assert!(second.contains("\nReused, ") && second.contains("hello"), "{version}: {second}");
        // Ticket keys stay across a reload that leaves the section alone, and across new certificates.
        site.change(&config(&origin, "", ", default_status: 410"));
        let third = s_client(&site, &[version, "-servername", "one.test", "-sess_in", session]);
        assert!(third.contains("\nReused, "), "{version}: {third}");
    }
}

#[test]
fn stalled_handshake_delays_nobody_and_ends() {
    let origin = Origin::named("hello");
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    for name in ["one", "two", "wild"] {
        authority.issue(name, name, &[&format!("{name}.test")]);
    }
    let site = Site::start_in(folder, &config(&origin, "", ", timeouts: { handshake: 2s }"));
    let addr = site.addr("web");
    // One says nothing, one stops in the middle of its hello.
    let mut stalled: Vec<Client> = (0..20).map(|_| Client::connect(addr)).collect();
    for half in stalled.iter_mut().step_by(2) {
        half.send([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
    }
    let begun = yumen_net::rt::now();
    assert!(curl(&site, "one.test", &[]).status.success());
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "it waited behind those who stall");
    for client in &mut stalled {
        assert_eq!(client.rest().0, b"", "nothing is said to who says nothing");
    }
    site.wait_log("handshake took too long");
}

#[test]
fn look_at_the_port_is_no_failure_and_a_cut_handshake_is_one() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "");
    for reset in [false, true, false] {
        let look = Client::connect(site.addr("web"));
        if reset {
            socket2::SockRef::from(look.stream()).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        }
    }
    let accepted = || site.metric("yumen_listener_connections_total{listener=\"web\"}");
    let open = || site.metric("yumen_listener_active_connections{listener=\"web\"}");
    until("the looks to be over", || (accepted() >= 3.0 && open() == 0.0).then_some(()));
    let mut half = Client::connect(site.addr("web"));
    half.send([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
    half.stream().shutdown(std::net::Shutdown::Write).unwrap();
    half.rest();
    let line = site.wait_access(|line| line["reason"] == "client_gone");
    assert_eq!((&line["protocol"], &line["stage"]), (&"tls".into(), &"handshake".into()), "{line}");
    assert_eq!(site.metric("yumen_listener_handshake_failures_total{listener=\"web\"}"), 1.0);
    assert_eq!(site.access().len(), 1, "{:?}", site.access());
}

#[test]
fn plain_http_on_a_tls_port_is_refused() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "");
    let mut client = Client::connect(site.addr("web"));
    client.ask("GET", "/", "");
    let (said, _) = client.rest();
    // A TLS alert and nothing else: 21 is the type of alerts.
    assert!(said.is_empty() || said[0] == 21, "{said:?}");
    assert_eq!(origin.requests().len(), 0);
    site.wait_log("handshake failed");
    assert!(curl(&site, "one.test", &[]).status.success());
}

#[test]
fn renewed_certificate_is_used_at_once_and_a_broken_one_is_not() {
    let gate = Gate::default();
    let origin = Origin::start(Manner::Halts("0123456789".into(), gate.clone()));
    let (site, authority) = site(&origin, "");
    let mut old = start_s_client(site.addr("web"), site.folder(), &["-quiet", "-servername", "one.test"]);
    old.stdin.as_mut().unwrap().write_all(b"GET / HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n").unwrap();
    let mut seen = String::new();
    let mut stdout = old.stdout.take().unwrap();
    while !seen.ends_with("01234") {
        let mut byte = [0];
        assert_eq!(stdout.read(&mut byte).unwrap(), 1, "{seen}");
        seen.push(char::from(byte[0]));
    }
    origin.set(Manner::Says(200, "hello".into()));
    authority.issue("one", "renewed", &["one.test"]);
    until("the new certificate", || (subject(&site, Some("one.test")) == "renewed").then_some(()));

    std::fs::write(site.folder().join("one.pem"), "-----BEGIN CERTIFICATE-----\nbroken\n").unwrap();
    until("the refusal", || site.status()["last_refused"].to_string().contains("one.pem").then_some(()));
    assert!(site.log().contains("configuration refused"), "{}", site.log());
    assert_eq!(subject(&site, Some("one.test")), "renewed");
    // A key of another certificate is no better.
    authority.issue("one", "again", &["one.test"]);
    until("the good one", || (subject(&site, Some("one.test")) == "again").then_some(()));
    assert!(site.status()["last_refused"].is_null());
    std::fs::copy(site.folder().join("two.key"), site.folder().join("one.key")).unwrap();
    until("the refusal", || site.status()["last_refused"].to_string().contains("one.").then_some(()));
    assert_eq!(subject(&site, Some("one.test")), "again");
    assert_eq!(subject(&site, Some("two.test")), "two");

    gate.open();
    stdout.read_to_string(&mut seen).unwrap();
    assert!(seen.ends_with("0123456789"), "{seen}");
    old.wait().unwrap();
}

#[test]
fn reload_brings_other_certificates_to_the_same_socket() {
    let origin = Origin::named("hello");
    let (site, authority) = site(&origin, "");
    let addr = site.addr("web");
    authority.issue("three", "three", &["three.test"]);
    site.change(&config(&origin, "", "").replace("two.pem", "three.pem").replace("two.key", "three.key"));
    assert_eq!(site.addr("web"), addr);
    assert_eq!(subject(&site, Some("three.test")), "three");
    assert_eq!(subject(&site, Some("two.test")), "one");
    let broken = config(&origin, "", "").replace("two.pem", "missing.pem");
    site.write(&broken);
    let reload = site.command("reload");
    assert_eq!((reload.status.code(), text(&reload).contains("missing.pem")), (Some(1), true), "{}", text(&reload));
    assert_eq!(subject(&site, Some("three.test")), "three");
}
