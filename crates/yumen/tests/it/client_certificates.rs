//! Certificates of clients, judged by curl and openssl.

use std::io::{Read, Write};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use rcgen::{ExtendedKeyUsagePurpose, SanType, SerialNumber};

use crate::authority::Authority;
use crate::ends::Origin;
use crate::gateway::{text, until};
use crate::site::Site;

/// A folder with the certificate of the server (`one.test`, `two.test`, `*.deep.test`), and of the clients `ann` (serial 0x1001) and
/// `bob` (0x1002) of the authority `clients`, `eve` of the authority `others`.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    Authority::new(folder.path()).issue("server", "server", &["one.test", "two.test", "*.deep.test"]);
    let clients = Authority::called(folder.path(), "clients");
    let serial = |n: u64| move |p: &mut rcgen::CertificateParams| p.serial_number = Some(SerialNumber::from(n));
    clients.issue_with("ann", "ann", &["ann.test"], |params| {
        serial(0x1001)(params);
        let names = [
            SanType::URI("spiffe://test/ann".try_into().unwrap()),
            SanType::Rfc822Name("ann@test".try_into().unwrap()),
            SanType::IpAddress([192, 0, 2, 1].into()),
        ];
        params.subject_alt_names.extend(names);
    });
    clients.issue_with("bob", "bob", &["bob.test"], serial(0x1002));
    clients.issue_with("late", "late", &["late.test"], |p| p.not_after = rcgen::date_time_ymd(2001, 1, 1));
    clients.issue_with("server-only", "server-only", &["s.test"], |p| {
        p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    clients.revoke("crl", &[], 2100);
    Authority::called(folder.path(), "others").issue("eve", "eve", &["eve.test"]);
    std::fs::copy(folder.path().join("clients.pem"), folder.path().join("trusted.pem")).unwrap();
    folder
}

/// A TLS listener over an origin; `auth` is the section `client_auth`, `routes` the routes.
fn config(origin: &Origin, auth: &str, routes: &str) -> String {
    format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: {{ cert: server.pem, key: server.key }}, \
         client_auth: {{ {auth} }} }} }} }}\n\
         routes: {{ {routes} }}\nupstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n",
        origin.addr
    )
}

pub(crate) const ALL: &str = "all: { upstream: up }";

/// curl for a name, with the certificate of a client.
fn curl(site: &Site, name: &str, client: Option<&str>, more: &[&str]) -> Output {
    let addr = site.addr("web");
    let mut curl = Command::new("curl");
    curl.args(["-s", "-S", "--max-time", "10", "--cacert"]).arg(site.folder().join("ca.pem"));
    curl.args(["--resolve", &format!("{name}:{}:127.0.0.1", addr.port())]).args(more);
    if let Some(client) = client {
        curl.arg("--cert").arg(site.folder().join(format!("{client}.pem")));
        curl.arg("--key").arg(site.folder().join(format!("{client}.key")));
    }
    curl.arg(format!("https://{name}:{}/", addr.port())).output().unwrap()
}

fn served(site: &Site, name: &str, client: Option<&str>) {
    let answer = curl(site, name, client, &[]);
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "hello", "{name} {client:?}: {}", text(&answer));
}

/// That a client is refused in the handshake, told so by an alert, and logged with a reason.
fn refused(site: &Site, name: &str, client: Option<&str>, (alert, reason): (&str, &str)) {
    for version in ["-tls1_2", "-tls1_3"] {
        std::fs::write(site.folder().join("access.log"), "").unwrap();
        let said = s_client(site, name, client, &[version]);
        assert!(said.contains(alert) && !said.contains("hello"), "{version} {client:?}: {said}");
        let line = site.wait_access(|line| line["reason"] == reason);
        assert_eq!(
            (&line["protocol"], &line["sni"], &line["stage"]),
            (&"tls".into(), &name.into(), &"handshake".into())
        );
        assert_eq!((&line["client"], &line["side"]), (&"127.0.0.1".into(), &"client".into()));
    }
}

fn start(site: &Site, name: &str, client: Option<&str>, arguments: &[&str]) -> Child {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-ign_eof", "-servername", name, "-connect", &site.addr("web").to_string(), "-CAfile"]);
    openssl.arg(site.folder().join("ca.pem")).args(arguments);
    if let Some(client) = client {
        openssl.arg("-cert").arg(site.folder().join(format!("{client}.pem")));
        openssl.arg("-key").arg(site.folder().join(format!("{client}.key")));
    }
    openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// openssl as a client that asks the host it named in TLS, and reads to the end.
fn s_client(site: &Site, name: &str, client: Option<&str>, arguments: &[&str]) -> String {
    let mut child = start(site, name, client, arguments);
    let request = format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    // One that was refused reads nothing; what it prints tells why.
    child.stdin.take().unwrap().write_all(request.as_bytes()).ok();
    text(&child.wait_with_output().unwrap())
}

/// A connection of openssl on which one request follows the other.
struct Talk {
    child: Child,
    stdout: ChildStdout,
}

impl Talk {
    fn start(site: &Site, name: &str, client: Option<&str>) -> Self {
        let mut child = start(site, name, client, &["-quiet"]);
        let stdout = child.stdout.take().unwrap();
        Self { child, stdout }
    }

    /// The answer to a request for a host: what it says up to the text that ends it.
    fn ask(&mut self, host: &str, end: &str) -> String {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.child.stdin.as_mut().unwrap().write_all(request.as_bytes()).unwrap();
        let mut seen = String::new();
        while !seen.ends_with(end) {
            let mut byte = [0];
            assert_eq!(self.stdout.read(&mut byte).unwrap(), 1, "{seen}");
            seen.push(char::from(byte[0]));
        }
        seen
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn client_with_a_good_certificate_is_served_and_known() {
    let origin = Origin::named("hello");
    let site = Site::start_in(folder(), &config(&origin, "ca: trusted.pem", ALL));
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let answer = curl(&site, "one.test", Some("ann"), version);
        assert_eq!(String::from_utf8_lossy(&answer.stdout), "hello", "{}", text(&answer));
    }
    let line = site.wait_access(|line| line["tls"] == "TLSv1.3");
    let names = serde_json::json!(["ann.test", "spiffe://test/ann", "ann@test", "192.0.2.1"]);
    assert_eq!((&line["cert_subject"], &line["cert_san"]), (&"CN=ann".into(), &names), "{line}");
    assert_eq!((&line["cert_issuer"], &line["cert_serial"]), (&"CN=authority clients".into(), &"1001".into()));
    let told = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(site.folder().join("ann.pem"))
        .output()
        .unwrap();
    let told = text(&told).trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
    assert_eq!(line["cert_fingerprint"], told.as_str());
}

#[test]
fn client_without_a_good_certificate_is_refused_with_the_right_alert_and_reason() {
    let origin = Origin::named("hello");
    let site = Site::start_in(folder(), &config(&origin, "ca: trusted.pem, crl: crl.pem", ALL));
    served(&site, "one.test", Some("ann"));
    // TLS 1.2 has no alert of its own for a missing one.
    refused(&site, "one.test", None, ("alert", "client_cert_missing"));
    refused(&site, "one.test", Some("eve"), ("unknown ca", "client_cert_untrusted"));
    refused(&site, "one.test", Some("late"), ("certificate expired", "client_cert_expired"));
    refused(&site, "one.test", Some("server-only"), ("alert", "client_cert_refused"));
    let clients = Authority::called(site.folder(), "clients");
    clients.issue_with("bob", "bob", &[], |p| p.serial_number = Some(SerialNumber::from(7_u64)));
    clients.issue("ann", "ann", &[]);
    clients.revoke("crl", &[7], 2100);
    std::fs::copy(site.folder().join("clients.pem"), site.folder().join("trusted.pem")).unwrap();
    until("the new authority", || curl(&site, "one.test", Some("ann"), &[]).status.success().then_some(()));
    refused(&site, "one.test", Some("bob"), ("certificate revoked", "client_cert_revoked"));
    let count = |name: &str| site.metric(&format!("yumen_listener_{name}_total{{listener=\"web\"}}"));
    until("the counts", || (count("client_certificate_failures") >= 10.0).then_some(()));
    assert!(count("handshake_failures") >= count("client_certificate_failures"));
}

#[test]
fn optional_certificate_may_be_missing_but_not_bad() {
    let origin = Origin::named("hello");
    let site = Site::start_in(folder(), &config(&origin, "mode: optional, ca: trusted.pem", ALL));
    served(&site, "one.test", None);
    served(&site, "one.test", Some("ann"));
    refused(&site, "one.test", Some("eve"), ("unknown ca", "client_cert_untrusted"));
}

#[test]
fn authority_that_is_replaced_counts_at_once_and_connections_stay() {
    let origin = Origin::named("hello");
    let site = Site::start_in(folder(), &config(&origin, "ca: trusted.pem", ALL));
    let addr = site.addr("web");
    let mut kept = Talk::start(&site, "one.test", Some("ann"));
    assert!(kept.ask("one.test", "hello").contains("200"));
    std::fs::copy(site.folder().join("others.pem"), site.folder().join("trusted.pem")).unwrap();
    until("the new authority", || curl(&site, "one.test", Some("eve"), &[]).status.success().then_some(()));
    assert!(!curl(&site, "one.test", Some("ann"), &[]).status.success());
    assert!(kept.ask("one.test", "hello").contains("200"));
    assert_eq!(site.addr("web"), addr);
    // A broken file changes nothing.
    std::fs::write(site.folder().join("trusted.pem"), "nothing").unwrap();
    until("the refusal", || site.status()["last_refused"].to_string().contains("trusted.pem").then_some(()));
    served(&site, "one.test", Some("eve"));
}

#[test]
fn session_of_a_client_that_was_revoked_since_is_not_resumed() {
    let origin = Origin::named("hello");
    let folder = folder();
    let clients = Authority::called(folder.path(), "fresh");
    for (name, serial) in [("ann", 1_u64), ("bob", 2)] {
        clients.issue_with(name, name, &[], |p| p.serial_number = Some(SerialNumber::from(serial)));
    }
    clients.revoke("crl", &[], 2100);
    let site = Site::start_in(folder, &config(&origin, "ca: fresh.pem, crl: crl.pem", ALL));
    let session = |name: &str| site.folder().join(name).to_string_lossy().into_owned();
    for version in ["-tls1_2", "-tls1_3"] {
        let first = s_client(&site, "one.test", Some("ann"), &[version, "-sess_out", &session(version)]);
        assert!(first.contains("hello"), "{first}");
        std::fs::write(site.folder().join("access.log"), "").unwrap();
        // The certificate is in the ticket, so the client need not show it again.
        let second = s_client(&site, "one.test", None, &[version, "-sess_in", &session(version)]);
        assert!(second.contains("\nReused, ") && second.contains("hello"), "{version}: {second}");
        assert_eq!(site.wait_access(|line| line["status"] == 200)["cert_subject"], "CN=ann");
    }
    clients.revoke("crl", &[1], 2100);
    until("the new list", || (!curl(&site, "one.test", Some("ann"), &[]).status.success()).then_some(()));
    for version in ["-tls1_2", "-tls1_3"] {
        let third = s_client(&site, "one.test", Some("ann"), &[version, "-sess_in", &session(version)]);
        assert!(!third.contains("\nReused, ") && third.contains("certificate revoked"), "{version}: {third}");
        assert!(!third.contains("hello"), "{version}: {third}");
    }
    served(&site, "one.test", Some("bob"));
}

#[test]
fn session_does_not_outlive_the_certificate_it_began_with() {
    let origin = Origin::named("hello");
    let folder = folder();
    let clients = Authority::called(folder.path(), "fresh");
    let site = Site::start_in(folder, &config(&origin, "ca: fresh.pem", ALL));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let soon = rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(now + 4);
    clients.issue_with("brief", "brief", &[], |p| p.not_after = soon);
    let file = site.folder().join("session").to_string_lossy().into_owned();
    let first = s_client(&site, "one.test", Some("brief"), &["-sess_out", &file]);
    assert!(first.contains("hello"), "{first}");
    until("the end of the certificate", || {
        let again = s_client(&site, "one.test", None, &["-sess_in", &file]);
        assert!(again.contains("\nReused, "), "{again}");
        (!again.contains("hello")).then_some(())
    });
    let line = site.wait_access(|line| line["reason"] == "client_cert_expired");
    assert!(line["detail"].as_str().unwrap().contains("since its session began"), "{line}");
}

#[test]
fn list_that_is_overdue_lets_nobody_in_unless_it_may() {
    let origin = Origin::named("hello");
    let folder = folder();
    let clients = Authority::called(folder.path(), "fresh");
    clients.issue("ann", "ann", &[]);
    clients.revoke("crl", &[], 2021);
    let site = Site::start_in(folder, &config(&origin, "ca: fresh.pem, crl: crl.pem", ALL));
    refused(&site, "one.test", Some("ann"), ("alert", "client_cert_revoked"));
    assert!(site.access().iter().any(|line| line["detail"].as_str().is_some_and(|d| d.contains("overdue"))));
    site.change(&config(&origin, "ca: fresh.pem, crl: crl.pem, expired_crl: accept", ALL));
    served(&site, "one.test", Some("ann"));
}

/// `one.test` takes clients of one authority, names below `deep.test` of the other, all else anybody.
pub(crate) const HOSTS: &str = "hosts: { one.test: { ca: trusted.pem }, \"*.deep.test\": { ca: others.pem } }";

#[test]
fn policy_goes_by_server_name_and_a_request_for_another_host_is_misdirected() {
    let origin = Origin::named("hello");
    let site = Site::start_in(folder(), &config(&origin, HOSTS, ALL));
    served(&site, "two.test", None);
    served(&site, "one.test", Some("ann"));
    served(&site, "a.deep.test", Some("eve"));
    refused(&site, "one.test", None, ("alert", "client_cert_missing"));
    refused(&site, "one.test", Some("eve"), ("unknown ca", "client_cert_untrusted"));
    refused(&site, "a.deep.test", Some("ann"), ("unknown ca", "client_cert_untrusted"));
    let asked = origin.requests().len();
    for (name, client, host) in [
        ("two.test", None, "one.test"),
        ("two.test", None, "ONE.test."),
        ("two.test", None, "one.test:443"),
        ("two.test", None, "x.deep.test"),
        ("one.test", Some("ann"), "x.deep.test"),
        ("one.test", Some("ann"), "two.test"),
    ] {
        let answer = Talk::start(&site, name, client).ask(host, "misdirected_request\n");
        assert!(answer.starts_with("HTTP/1.1 421 "), "{name} {host}: {answer}");
    }
    assert_eq!(origin.requests().len(), asked, "none of them reached the origin");
    assert_eq!(site.wait_access(|line| line["status"] == 421)["reason"], "misdirected_request");
    // The connection serves on for its own name, and for one of the same policy.
    let mut kept = Talk::start(&site, "a.deep.test", Some("eve"));
    assert!(kept.ask("one.test", "misdirected_request\n").contains("421"));
    assert!(kept.ask("b.deep.test", "hello").contains("200"));
}

#[test]
fn session_of_one_policy_is_none_of_another() {
    let origin = Origin::named("hello");
    let site = Site::start_in(folder(), &config(&origin, HOSTS, ALL));
    for version in ["-tls1_2", "-tls1_3"] {
        let file = site.folder().join(format!("session{version}")).to_string_lossy().into_owned();
        let first = s_client(&site, "two.test", None, &[version, "-sess_out", &file]);
        assert!(first.contains("hello"), "{first}");
        let again = s_client(&site, "two.test", None, &[version, "-sess_in", &file]);
        assert!(again.contains("\nReused, "), "{version}: {again}");
        // With the session of a host that asks for nothing, into one that wants a certificate.
        let other = s_client(&site, "one.test", None, &[version, "-sess_in", &file]);
        assert!(!other.contains("\nReused, ") && !other.contains("hello"), "{version}: {other}");
    }
}

#[test]
fn policy_that_changes_is_met_anew_by_sessions_and_connections() {
    let origin = Origin::named("hello");
    let site = Site::start_in(folder(), &config(&origin, "mode: optional, ca: trusted.pem", ALL));
    let file = site.folder().join("session").to_string_lossy().into_owned();
    let first = s_client(&site, "one.test", None, &["-sess_out", &file]);
    assert!(first.contains("hello"), "{first}");
    let mut kept = Talk::start(&site, "one.test", None);
    assert!(kept.ask("one.test", "hello").contains("200"));
    site.change(&config(&origin, "mode: required, ca: trusted.pem", ALL));
    assert!(kept.ask("one.test", "misdirected_request\n").contains("421"));
    let second = s_client(&site, "one.test", None, &["-sess_in", &file]);
    assert!(!second.contains("\nReused, ") && !second.contains("hello"), "{second}");
    served(&site, "one.test", Some("ann"));
    // What a policy does not say may change without it.
    let mut kept = Talk::start(&site, "one.test", Some("ann"));
    assert!(kept.ask("one.test", "hello").contains("200"));
    site.change(&config(&origin, "mode: required, ca: trusted.pem, forward: true", ALL));
    assert!(kept.ask("one.test", "hello").contains("200"));
    assert!(origin.last().contains("Client-Cert: :"), "{}", origin.last());
}

#[test]
fn routes_ask_about_the_certificate() {
    let origin = Origin::named("hello");
    let folder = folder();
    let digest = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(folder.path().join("bob.pem"))
        .output()
        .unwrap();
    let digest = text(&digest).trim().rsplit('=').next().unwrap().to_owned();
    let site = Site::start_in(
        folder,
        &config(
            &origin,
            "mode: optional, ca: trusted.pem",
            "all: { upstream: up, match: { client_cert: { present: true } } }",
        ),
    );
    let status = |client: Option<&str>| {
        let answer = curl(&site, "one.test", client, &["-o", "/dev/null", "-w", "%{http_code}"]);
        String::from_utf8_lossy(&answer.stdout).into_owned()
    };
    let asked = |wanted: &str| {
        let routes = format!("all: {{ upstream: up, match: {{ client_cert: {{ {wanted} }} }} }}");
        site.change(&config(&origin, "mode: optional, ca: trusted.pem", &routes));
        [None, Some("ann"), Some("bob")].map(status)
    };
    assert_eq!(asked("present: true"), ["404", "200", "200"]);
    assert_eq!(asked("present: false"), ["200", "404", "404"]);
    assert_eq!(asked("subject: CN=ann"), ["404", "200", "404"]);
    assert_eq!(asked("issuer: CN=authority clients, subject: [CN=eve, CN=bob]"), ["404", "404", "200"]);
    for name in ["ANN.test", "spiffe://test/ann", "ann@test", "192.0.2.1"] {
        assert_eq!(asked(&format!("san: [nobody.test, \"{name}\"]")), ["404", "200", "404"], "{name}");
    }
    assert_eq!(asked(&format!("fingerprint: \"{digest}\"")), ["404", "404", "200"]);
    assert_eq!(asked("serial: \"10:02\""), ["404", "404", "200"]);
    let file = site.file();
    let port = site.addr("web").port();
    let explained = text(&crate::gateway::yumen(&[
        "explain",
        "GET",
        &format!("https://one.test:{port}/"),
        "-c",
        file.to_str().unwrap(),
    ]));
    assert!(explained.contains("the client shows no certificate"), "{explained}");
    assert!(explained.contains("may show a certificate"), "{explained}");
    // Of a file, and of what runs; the route of the last question wants bob.
    let url = format!("https://one.test:{port}/");
    for (name, part) in [("bob", "route     all"), ("ann", "serial number of the client's certificate is not one")] {
        let shown = site.folder().join(format!("{name}.pem"));
        for live in [&[][..], &["--live"]] {
            let usual =
                ["explain", "GET", &url, "--client-cert", shown.to_str().unwrap(), "-c", file.to_str().unwrap()];
            let said = text(&crate::gateway::yumen(&[&usual[..], live].concat()));
            assert!(said.contains(part) && said.contains(&format!("certificate of CN={name}")), "{said}");
        }
    }
}

#[test]
fn policies_hold_for_requests_over_http_2() {
    let origin = Origin::named("hello");
    let site = Site::start_in(folder(), &config(&origin, HOSTS, ALL));
    // curl puts the field into `:authority` and leaves the name of the handshake as it is.
    let asked = |host: &str| {
        let field = format!("Host: {host}");
        let answer = curl(&site, "two.test", None, &["--http2", "-H", &field, "-w", " %{http_version} %{http_code}"]);
        String::from_utf8_lossy(&answer.stdout).into_owned()
    };
    assert_eq!(asked("two.test"), "hello 2 200");
    for host in ["one.test", "x.deep.test", "ONE.test:443"] {
        assert!(asked(host).ends_with(" 2 421"), "{host}");
    }
    let line = site.wait_access(|line| line["status"] == 421);
    assert_eq!((&line["protocol"], &line["reason"]), (&"HTTP/2".into(), &"misdirected_request".into()), "{line}");
    let answer = curl(&site, "one.test", Some("ann"), &["--http2", "-w", " %{http_version}"]);
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "hello 2", "{}", text(&answer));
    site.wait_access(|line| line["protocol"] == "HTTP/2" && line["cert_subject"] == "CN=ann");
}

#[test]
fn endpoint_is_told_the_certificate_and_no_invention_of_the_client() {
    let origin = Origin::named("hello");
    let folder = folder();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let pem = |text: &str| text.lines().filter(|line| !line.starts_with("---")).collect::<String>();
    let (ann, authority) = (pem(&read("ann.pem")), pem(&read("clients.pem")));
    std::fs::write(folder.path().join("whole.pem"), read("ann.pem") + &read("clients.pem")).unwrap();
    std::fs::copy(folder.path().join("ann.key"), folder.path().join("whole.key")).unwrap();
    let site = Site::start_in(folder, &config(&origin, "mode: optional, ca: trusted.pem, forward: true", ALL));
    let lies = ["-H", "Client-Cert: :bGll:", "-H", "Client_Cert: :bGll:", "-H", "Client-Cert-Chain: :bGll:"];
    let told = |client: Option<&str>| {
        let answer = curl(&site, "one.test", client, &lies);
        assert!(answer.status.success(), "{}", text(&answer));
        assert!(!origin.last().contains(":bGll:"), "{}", origin.last());
        let field = |name: &str| crate::ends::field(&origin.last(), name);
        (field("client-cert"), field("client-cert-chain"))
    };
    assert_eq!(told(None), (None, None));
    assert_eq!(told(Some("ann")), (Some(format!(":{ann}:")), None));
    assert_eq!(told(Some("whole")), (Some(format!(":{ann}:")), Some(format!(":{authority}:"))));
    site.change(&config(&origin, "mode: optional, ca: trusted.pem", ALL));
    assert_eq!(told(Some("ann")), (None, None));
}

#[test]
fn fields_are_filled_with_what_the_certificate_says() {
    let origin = Origin::named("hello");
    let edits = "request: { set: { X-Who: \"{client_cert.common_name} at {client_ip}\", \
                 X-Names: \"{client_cert.san}\", X-Fixed: \"{}\" }, add: { X-Serial: \"{client_cert.serial}\" } }, \
                 response: { set: { X-Subject: \"{client_cert.subject}\" } }";
    let route = format!("all: {{ upstream: up, middlewares: [{{ headers: {{ {edits} }} }}] }}");
    let site = Site::start_in(folder(), &config(&origin, "mode: optional, ca: trusted.pem", &route));
    let asked = |client: Option<&str>| {
        let answer = curl(&site, "one.test", client, &["-i", "-H", "X-Who: root", "-H", "X-Names: root"]);
        assert!(answer.status.success(), "{}", text(&answer));
        let field = |name: &str| crate::ends::field(&origin.last(), name);
        let subject = crate::ends::field(&text(&answer), "x-subject");
        assert_eq!(field("x-fixed").as_deref(), Some("{}"));
        [field("x-who"), field("x-names"), field("x-serial"), subject]
    };
    let expected = ["ann at 127.0.0.1", "ann.test,spiffe://test/ann,ann@test,192.0.2.1", "1001", "CN=ann"];
    assert_eq!(asked(Some("ann")), expected.map(|text| Some(text.to_owned())));
    // What a client without a certificate says of itself gets nowhere.
    assert_eq!(asked(None), [None, None, None, None]);
}

#[test]
fn file_that_is_no_authority_or_no_list_is_told_with_its_place() {
    let origin = Origin::named("hello");
    let folder = folder();
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    let site = Site::start_in(folder, &config(&origin, "ca: trusted.pem", ALL));
    for (auth, part) in [
        ("ca: empty.pem", "empty.pem has no certificate in PEM"),
        ("ca: missing.pem", "missing.pem"),
        ("ca: trusted.pem, crl: empty.pem", "no list of revocation in it"),
        ("ca: trusted.pem, crl: clients.pem", "no list of revocation in it"),
    ] {
        site.write(&config(&origin, auth, ALL));
        let said = text(&site.command("check"));
        assert!(said.contains(part) && said.contains("yumen.yaml:"), "{auth}: {said}");
    }
}
