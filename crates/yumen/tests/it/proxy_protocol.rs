//! The PROXY protocol on both sides, judged by HAProxy, nginx and curl.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use crate::authority::Authority;
use crate::ends::{Client, Origin, accept, listen};
use crate::gateway::{text, until};
use crate::haproxy::Haproxy;
use crate::nginx::Nginx;
use crate::site::Site;

/// A gateway that takes headers from this host.
fn behind(origin: SocketAddr, listener: &str) -> String {
    format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\", proxy_protocol: {{ from: 127.0.0.0/8, timeout: 2s }}{listener} }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\nupstreams: {{ up: {{ endpoints: [\"{origin}\"] }} }}\n"
    )
}

/// A gateway that sends headers; `upstream` is the rest of the upstream's section.
fn before(endpoint: &str, upstream: &str) -> String {
    format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\nroutes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{endpoint}\"], {upstream} }} }}\n"
    )
}

/// A GET by curl from an address of this host.
fn curl(from: &str, url: &str, more: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "20", "--interface", from]).args(more).arg(url);
    let output = curl.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn url(addr: SocketAddr) -> String {
    format!("http://{addr}/")
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// A version 2 header over IPv4 from 203.0.113.9:4660 to 198.51.100.1:443, with these fields.
fn binary(fields: &[u8]) -> Vec<u8> {
    let mut out = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    out.extend(u16::try_from(12 + fields.len()).unwrap().to_be_bytes());
    out.extend([203, 0, 113, 9, 198, 51, 100, 1, 0x12, 0x34, 0x01, 0xbb]);
    out.extend(fields);
    out
}

/// The end of a connection that sends these bytes: what came back.
fn refused(site: &Site, bytes: &[u8]) -> Vec<u8> {
    let mut client = Client::connect(site.addr("web"));
    client.send(bytes);
    client.rest().0
}

fn wait_reason(site: &Site, reason: &str) -> serde_json::Value {
    site.wait_access(|line| line["reason"] == reason)
}

#[test]
fn client_that_haproxy_names_is_the_client_everywhere() {
    let origin = Origin::named("hello");
    let site = Site::start(&behind(origin.addr, ""));
    for send in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"] {
        let proxy = Haproxy::start(
            site.folder(),
            &format!(
                "frontend f\n  mode tcp\n  bind {{addr}}\n  unique-id-format from-haproxy\n  default_backend b\n\
                 backend b\n  mode tcp\n  server s {} {send}",
                site.addr("web")
            ),
        );
        assert_eq!(curl("127.0.0.5", &url(proxy.addr), &[]), "hello", "{send}");
        assert!(origin.last().contains("X-Forwarded-For: 127.0.0.5\r\n"), "{send}: {}", origin.last());
        let line = site.wait_access(|line| line["client"] == "127.0.0.5");
        assert_eq!((&line["proxy"], &line["status"]), (&"127.0.0.1".into(), &200.into()), "{send}");
        assert_eq!(send.contains("unique"), line["proxy_id"] == "from-haproxy", "{send}: {line}");
        std::fs::write(site.folder().join("access.log"), "").unwrap();
    }
}

#[test]
fn tls_that_haproxy_ended_and_the_certificate_it_found_good_are_logged() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("front", "front", &["front.test"]);
    authority.issue("ann", "ann", &[]);
    for name in ["front", "ann"] {
        let read = |end: &str| std::fs::read_to_string(folder.path().join(format!("{name}.{end}"))).unwrap();
        authority.replace(&format!("{name}-both.pem"), &(read("pem") + &read("key")));
    }
    let origin = Origin::named("hello");
    let site = Site::start_in(folder, &behind(origin.addr, ""));
    let proxy = Haproxy::start(
        site.folder(),
        &format!(
            "frontend f\n  mode tcp\n  bind {{addr}} ssl crt front-both.pem ca-file ca.pem verify optional alpn http/1.1\n  default_backend b\n\
             backend b\n  mode tcp\n  server s {} send-proxy-v2-ssl-cn proxy-v2-options authority",
            site.addr("web")
        ),
    );
    let ask = |more: &[&str]| {
        let ca = site.folder().join("ca.pem");
        let resolve = format!("front.test:{}:127.0.0.1", proxy.addr.port());
        let usual = ["--cacert", ca.to_str().unwrap(), "--resolve", &resolve];
        let output = Command::new("curl")
            .args(["-sS", "--max-time", "20"])
            .args(usual)
            .args(more)
            .arg(format!("https://front.test:{}/", proxy.addr.port()))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello", "{}", text(&output));
    };
    ask(&[]);
    let line = site.wait_access(|line| line["status"] == 200);
    assert_eq!((&line["proxy_tls"], &line["proxy_authority"]), (&"TLSv1.3".into(), &"front.test".into()), "{line}");
    assert!(line["proxy_cn"].is_null() && line["tls"].is_null(), "{line}");
    let both = site.folder().join("ann-both.pem");
    ask(&["--cert", both.to_str().unwrap()]);
    site.wait_access(|line| line["proxy_cn"] == "ann");
}

#[test]
fn header_stands_before_the_tls_handshake_and_takes_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("one", "one", &["one.test"]);
    let origin = Origin::named("hello");
    let site = Site::start_in(folder, &behind(origin.addr, ", tls: { certificates: { cert: one.pem, key: one.key } }"));
    let proxy = Haproxy::start(
        site.folder(),
        &format!(
            "frontend f\n  mode tcp\n  bind {{addr}}\n  default_backend b\nbackend b\n  mode tcp\n  server s {} send-proxy-v2",
            site.addr("web")
        ),
    );
    let ca = site.folder().join("ca.pem");
    let ask = |port: u16, more: &[&str]| {
        let resolve = format!("one.test:{port}:127.0.0.1");
        let usual = [&["--cacert", ca.to_str().unwrap(), "--resolve", &resolve][..], more].concat();
        curl("127.0.0.6", &format!("https://one.test:{port}/"), &usual)
    };
    assert_eq!(ask(proxy.addr.port(), &[]), "hello");
    let line = site.wait_access(|line| line["client"] == "127.0.0.6");
    assert_eq!((&line["sni"], &line["proxy"]), (&"one.test".into(), &"127.0.0.1".into()));
    // curl writes such a header itself, and names its own address.
    assert_eq!(ask(site.addr("web").port(), &["--haproxy-protocol"]), "hello");
    site.wait_access(|line| line["proxy"] == "127.0.0.6" && line["client"] == "127.0.0.6");
}

#[test]
fn client_that_nginx_names_reaches_a_tcp_upstream() {
    let origin = Origin::named("hello");
    let config = behind(origin.addr, ", protocol: tcp, upstream: up").replace("routes: { all: { upstream: up } }", "");
    let site = Site::start(&config);
    let nginx = Nginx::streaming(
        site.folder(),
        &format!("server {{ listen {{addr}}; proxy_pass {}; proxy_protocol on; }}", site.addr("web")),
    );
    assert_eq!(curl("127.0.0.7", &url(nginx.addr), &[]), "hello");
    let line = site.wait_access(|line| line["client"] == "127.0.0.7");
    assert_eq!((&line["protocol"], &line["proxy"]), (&"tcp".into(), &"127.0.0.1".into()));
}

#[test]
fn connection_without_a_good_header_is_refused_and_logged() {
    let origin = Origin::named("hello");
    let site = Site::start(&behind(origin.addr, ""));
    // Who only looks whether the port is open has no line.
    drop(Client::connect(site.addr("web")));
    assert_eq!(refused(&site, REQUEST.as_bytes()), b"");
    let line = wait_reason(&site, "proxy_header_missing");
    assert_eq!((&line["side"], &line["stage"], &line["protocol"]), (&"client".into(), &"accept".into(), &"tcp".into()));
    assert_eq!(refused(&site, b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n"), b"");
    wait_reason(&site, "proxy_header_invalid");
    assert_eq!(site.access().len(), 2, "{:?}", site.access());
    // A slow one ends with its time, whatever it sends meanwhile.
    let mut slow = Client::connect(site.addr("web"));
    slow.send("PROXY TCP4 1.2.3.4 5.6");
    assert_eq!(slow.rest().0, b"");
    assert!(wait_reason(&site, "proxy_header_timeout")["detail"].as_str().unwrap().contains("2s"));
    let failures = || site.metric("yumen_listener_proxy_header_failures_total{listener=\"web\"}");
    until("the count", || (failures() >= 3.0).then_some(()));
    site.change(&behind(origin.addr, "").replace("timeout: 2s", "versions: v2"));
    assert_eq!(refused(&site, b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), b"");
    site.wait_access(|line| line["detail"].as_str().is_some_and(|d| d.contains("version 1")));
    site.change(&behind(origin.addr, "").replace("127.0.0.0/8", "192.0.2.0/24"));
    assert_eq!(refused(&site, format!("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n{REQUEST}").as_bytes()), b"");
    assert_eq!(wait_reason(&site, "proxy_source_denied")["client"], "127.0.0.1");
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn header_and_request_in_one_piece_are_two_things() {
    let origin = Origin::named("hello");
    let site = Site::start(&behind(origin.addr, ""));
    let mut client = Client::connect(site.addr("web"));
    let alibaba = b"\xe1\x00\x06\x01vpc-7\xe1\x00\x05\x02ep-7\x05\x00\x02\x00\x01";
    client.send([&binary(alibaba)[..], REQUEST.as_bytes(), REQUEST.as_bytes()].concat());
    assert_eq!((client.answer().body, client.answer().body), ("hello".into(), "hello".into()));
    assert!(origin.last().contains("X-Forwarded-For: 203.0.113.9\r\n"), "{}", origin.last());
    let line = site.wait_access(|line| line["client"] == "203.0.113.9");
    assert_eq!((&line["proxy_vpc"], &line["proxy_endpoint"]), (&"vpc-7".into(), &"ep-7".into()), "{line}");
    assert_eq!(line["proxy_id"], "0001");
}

#[test]
fn rules_by_address_go_by_the_client_of_the_header() {
    let origin = Origin::named("hello");
    let config = behind(origin.addr, ", access: { deny: 198.51.100.0/24 }")
        .replace("upstream: up }", "upstream: up, match: { source: 203.0.113.0/24 } }");
    let site = Site::start(&config);
    let ask = |head: &str| {
        let mut client = Client::connect(site.addr("web"));
        client.send(format!("{head}{REQUEST}"));
        client.answer().status
    };
    assert_eq!(ask("PROXY TCP4 203.0.113.9 5.6.7.8 1 2\r\n"), 200);
    assert_eq!(ask("PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n"), 200);
    assert_eq!(ask("PROXY TCP4 192.0.2.1 5.6.7.8 1 2\r\n"), 404);
    // Nobody is named, so the address is that of the proxy.
    assert_eq!(ask("PROXY UNKNOWN\r\n"), 404);
    site.wait_access(|line| line["client"] == "127.0.0.1" && line["proxy"].is_null());
    assert_eq!(refused(&site, format!("PROXY TCP4 198.51.100.1 5.6.7.8 1 2\r\n{REQUEST}").as_bytes()), b"");
    let refusals = || site.metric("yumen_listener_refused_connections_total{listener=\"web\"}");
    until("the refusal", || (refusals() >= 1.0).then_some(()));
    let file = site.file();
    let explained = text(&crate::gateway::yumen(&["explain", "GET", "http://h/", "-c", file.to_str().unwrap()]));
    assert!(explained.contains("only 127.0.0.0/8 may connect"), "{explained}");
}

#[test]
fn check_of_a_proxy_keeps_the_address_of_the_proxy() {
    let origin = Origin::named("hello");
    let site = Site::start(&behind(origin.addr, ""));
    let mut client = Client::connect(site.addr("web"));
    client.send([b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00", REQUEST.as_bytes()].concat());
    assert_eq!(client.answer().status, 200);
    site.wait_access(|line| line["client"] == "127.0.0.1" && line["proxy"].is_null());
}

/// HAProxy that answers every request with what a header said.
const TELLS: &str = "frontend f\n  bind {addr} accept-proxy\n  \
    http-request return status 200 content-type text/plain lf-string \"%[src] %[dst_port] %[fc_pp_authority] %[fc_pp_unique_id]\"";

#[test]
fn haproxy_learns_the_client_from_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Haproxy::start(folder.path(), TELLS);
    let site = Site::start_in(folder, &before(&proxy.addr.to_string(), "proxy_protocol: v1"));
    let port = site.addr("web").port();
    assert_eq!(curl("127.0.0.8", &url(site.addr("web")), &[]).trim(), format!("127.0.0.8 {port}"));
    site.change(&before(&proxy.addr.to_string(), "proxy_protocol: v2"));
    let said = curl("127.0.0.9", &url(site.addr("web")), &[]);
    let words: Vec<&str> = said.split_whitespace().collect();
    // The id is the number of the connection in our log.
    let line = site.wait_access(|line| line["client"] == "127.0.0.9");
    assert_eq!(words, ["127.0.0.9", &port.to_string(), &line["conn"].to_string()], "{said}");
}

#[test]
fn connection_that_names_a_client_serves_no_other_and_one_without_a_header_is_not_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Haproxy::start(folder.path(), TELLS);
    let plain = Haproxy::start(folder.path(), &TELLS.replace(" accept-proxy", ""));
    let config = |endpoint: SocketAddr, upstream: &str| {
        format!("runtime: {{ workers: 1 }}\n{}", before(&endpoint.to_string(), upstream))
    };
    let site = Site::start_in(folder, &config(plain.addr, "pool: { idle: 8 }"));
    for client in ["127.0.0.10", "127.0.0.11", "127.0.0.10"] {
        curl(client, &url(site.addr("web")), &[]);
    }
    // HAProxy would refuse the request of a connection that was made before the change.
    site.change(&config(proxy.addr, "proxy_protocol: v2"));
    for client in ["127.0.0.10", "127.0.0.11", "127.0.0.10"] {
        let said = curl(client, &url(site.addr("web")), &[]);
        assert!(said.starts_with(&format!("{client} ")), "{said}");
    }
    assert_eq!(site.metric("yumen_upstream_idle_connections{upstream=\"up\"}"), 0.0);
}

#[test]
fn nginx_learns_the_client_before_and_beneath_tls() {
    let folder = tempfile::tempdir().unwrap();
    Authority::new(folder.path()).issue("one", "one", &["one.test"]);
    let tell = "location / { return 200 \"$proxy_protocol_addr $proxy_protocol_server_port $scheme\"; }";
    let plain = Nginx::start(folder.path(), &format!("server {{ listen {{addr}} proxy_protocol; {tell} }}"));
    let other = tempfile::tempdir().unwrap();
    for name in ["one.pem", "one.key"] {
        std::fs::copy(folder.path().join(name), other.path().join(name)).unwrap();
    }
    let secret = Nginx::start(
        other.path(),
        &format!(
            "server {{ listen {{addr}} ssl proxy_protocol; ssl_certificate one.pem; ssl_certificate_key one.key; {tell} }}"
        ),
    );
    let site = Site::start_in(folder, &before(&plain.addr.to_string(), "proxy_protocol: v1"));
    for version in ["v1", "v2"] {
        let port = site.addr("web").port();
        site.change(&before(&plain.addr.to_string(), &format!("proxy_protocol: {version}")));
        assert_eq!(curl("127.0.0.12", &url(site.addr("web")), &[]), format!("127.0.0.12 {port} http"), "{version}");
        let tls = format!("proxy_protocol: {version}, tls: {{ sni: one.test, ca: ca.pem }}");
        site.change(&before(&format!("https://{}", secret.addr), &tls));
        assert_eq!(curl("127.0.0.12", &url(site.addr("web")), &[]), format!("127.0.0.12 {port} https"), "{version}");
    }
}

#[test]
fn name_of_a_handshake_that_is_passed_through_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("one", "one", &["one.test"]);
    let read = |end: &str| std::fs::read_to_string(folder.path().join(format!("one.{end}"))).unwrap();
    authority.replace("both.pem", &(read("pem") + &read("key")));
    let proxy = Haproxy::start(folder.path(), &TELLS.replace("accept-proxy", "accept-proxy ssl crt both.pem"));
    let site = Site::start_in(
        folder,
        &format!(
            "listeners: {{ web: {{ bind: \"127.0.0.1:0\", protocol: tls_passthrough, upstream: up }} }}\n\
             upstreams: {{ up: {{ endpoints: [\"{}\"], proxy_protocol: v2 }} }}\n",
            proxy.addr
        ),
    );
    let port = site.addr("web").port();
    let ca = site.folder().join("ca.pem");
    let resolve = format!("one.test:{port}:127.0.0.1");
    let said = curl(
        "127.0.0.13",
        &format!("https://one.test:{port}/"),
        &["--cacert", ca.to_str().unwrap(), "--resolve", &resolve],
    );
    assert!(said.starts_with(&format!("127.0.0.13 {port} one.test ")), "{said}");
}

#[test]
fn client_of_a_header_that_came_in_is_the_one_of_the_header_that_goes_out() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Haproxy::start(folder.path(), TELLS);
    let config = behind(proxy.addr, "").replace("\"] }", "\"], proxy_protocol: v2 }");
    let site = Site::start_in(folder, &config);
    let mut client = Client::connect(site.addr("web"));
    client.send([&binary(b"\x02\x00\x06a.test\x05\x00\x04id-7")[..], REQUEST.as_bytes()].concat());
    assert_eq!(client.answer().body, "203.0.113.9 443 a.test id-7");
}

#[test]
fn endpoint_of_tcp_is_told_tls_and_the_certificate_of_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("one", "one", &["one.test"]);
    authority.issue("ann", "ann of test", &[]);
    let (listener, endpoint) = listen();
    let site = Site::start_in(
        folder,
        &format!(
            "listeners: {{ web: {{ bind: \"127.0.0.1:0\", protocol: tcp, upstream: up, \
             tls: {{ certificates: {{ cert: one.pem, key: one.key }}, client_auth: {{ ca: ca.pem }} }} }} }}\n\
             upstreams: {{ up: {{ endpoints: [\"{endpoint}\"], proxy_protocol: v2 }} }}\n"
        ),
    );
    let file = |name: &str| site.folder().join(name).to_string_lossy().into_owned();
    let mut openssl = Command::new("openssl")
        .args(["s_client", "-quiet", "-servername", "one.test", "-connect", &site.addr("web").to_string()])
        .args(["-CAfile", &file("ca.pem"), "-cert", &file("ann.pem"), "-key", &file("ann.key")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut near = accept(&listener);
    let head = near.exactly(16);
    let rest = near.exactly(usize::from(u16::from_be_bytes([head[14], head[15]])));
    let has = |part: &[u8]| rest.windows(part.len()).any(|w| w == part);
    // Type and length stand before each text; the verdict 0 says that the certificate is good.
    assert!(has(b"\x22\x00\x0bann of test") && has(b"\x21\x00\x07TLSv1.3"), "{}", rest.escape_ascii());
    assert!(has(b"\x02\x00\x08one.test") && has(b"\x07\x00\x00\x00\x00\x21"), "{}", rest.escape_ascii());
    openssl.kill().unwrap();
    openssl.wait().unwrap();
}

#[test]
fn checks_of_health_are_the_gateways_own_connections() {
    for version in ["v1", "v2"] {
        let folder = tempfile::tempdir().unwrap();
        let proxy = Haproxy::start(folder.path(), TELLS);
        let health =
            "health: { http: { path: / }, interval: 100ms, timeout: 90ms, rise: 1, fall: 1 }, panic_threshold: 0%";
        let site =
            Site::start_in(folder, &before(&proxy.addr.to_string(), &format!("proxy_protocol: {version}, {health}")));
        let series = format!("yumen_endpoint_healthy{{upstream=\"up\",endpoint=\"{}\"}}", proxy.addr);
        until("a good check", || (site.metric(&series) == 1.0).then_some(()));
        // Without the header HAProxy would close: then it would have to become ill.
        site.change(&before(&proxy.addr.to_string(), health));
        until("a bad check", || (site.metric(&series) == 0.0).then_some(()));
        site.change(&before(&proxy.addr.to_string(), &format!("proxy_protocol: {version}, {health}")));
        until("a good check again", || (site.metric(&series) == 1.0).then_some(()));
        assert!(curl("127.0.0.1", &url(site.addr("web")), &[]).starts_with("127.0.0.1 "));
    }
}
