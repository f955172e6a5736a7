//! Clients and servers that nobody here wrote: curl, nghttp, h2load and nghttpd.

use std::net::SocketAddr;
use std::process::Stdio;

use crate::authority::Authority;
use crate::ends::{Gate, Manner, Origin};
use crate::gateway::until;
use crate::peers::tool::{Server, command, said};
use crate::site::Site;
use yumen_test::{Frame, Http2, block, frame};

/// nghttpd without TLS, with further arguments.
fn nghttpd(folder: tempfile::TempDir, arguments: &[&str]) -> Server {
    Server::start(folder, |folder, addr| {
        let mut program = command("nghttpd", "nghttp2-server");
        program.args(["-a", "127.0.0.1", "-d"]).arg(folder).args(arguments).arg(addr.port().to_string());
        if arguments.contains(&"--no-tls") {
            return program;
        }
        program.args(["one.key", "one.pem"].map(|name| folder.join(name)));
        program
    })
}

fn config(origin: SocketAddr, upstream: &str) -> String {
    format!(
        "listeners:\n  web: {{ bind: \"127.0.0.1:0\", http2: {{ cleartext: true }} }}\n  \
         safe: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: [{{ cert: one.pem, key: one.key }}] }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{origin}\"]{upstream} }} }}\n"
    )
}

fn site(config: &str) -> Site {
    let folder = tempfile::tempdir().unwrap();
    Authority::new(folder.path()).issue("one", "one", &["one.test"]);
    Site::start_in(folder, config)
}

fn curl(site: &Site, listener: &str, arguments: &[&str], path: &str) -> Vec<u8> {
    let addr = site.addr(listener);
    let mut curl = command("curl", "curl");
    curl.args(["-sS", "--max-time", "20", "--cacert"]).arg(site.folder().join("ca.pem"));
    curl.args(["--resolve", &format!("one.test:{}:127.0.0.1", addr.port())]).args(arguments);
    let scheme = if listener == "safe" { "https" } else { "http" };
    let output = curl.arg(format!("{scheme}://one.test:{}{path}", addr.port())).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn noise(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

const CLEAR: &str = "--http2-prior-knowledge";

#[test]
fn curl_chooses_http_2_where_it_is_offered() {
    let origin = Origin::named("hello");
    let site = site(&config(origin.addr, ""));
    let version = ["-o", "/dev/null", "-w", "%{http_version}"];
    assert_eq!(curl(&site, "safe", &version, "/"), b"2");
    assert_eq!(curl(&site, "safe", &[&version[..], &["--http1.1"]].concat(), "/"), b"1.1");
    assert_eq!(curl(&site, "web", &version, "/"), b"1.1");
    assert_eq!(curl(&site, "web", &[&version[..], &[CLEAR]].concat(), "/"), b"2");
    let answer = curl(&site, "safe", &["-i"], "/a?b");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/2 200 \r\n") && answer.contains("\r\nx-origin: yes\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-length: 5\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    let seen = origin.last();
    assert!(seen.starts_with("GET /a?b HTTP/1.1\r\nHost: one.test:") && seen.contains("Via: 2.0 yumen\r\n"), "{seen}");
    assert!(seen.contains("X-Forwarded-Proto: https\r\n"), "{seen}");
    let line = site.wait_access(|line| line["path"] == "/a" && line["protocol"] == "HTTP/2");
    assert_eq!(line["status"], 200);
    assert!(site.metric("yumen_listener_requests_total{listener=\"safe\",version=\"2\"}") >= 2.0);
}

#[test]
fn files_come_whole_in_every_combination_of_versions() {
    let folder = tempfile::tempdir().unwrap();
    let content = noise(3_000_000);
    std::fs::write(folder.path().join("large"), &content).unwrap();
    std::fs::write(folder.path().join("small"), "few").unwrap();
    let server = nghttpd(folder, &["--no-tls"]);
    let site = site(&config(server.addr, ", protocol: h2c"));
    for (listener, version) in [("web", "--http1.1"), ("web", CLEAR), ("safe", "--http1.1"), ("safe", "--http2")] {
        assert!(curl(&site, listener, &[version], "/large") == content, "{listener} {version} changed it");
        assert_eq!(curl(&site, listener, &[version], "/small"), b"few");
        let head = curl(&site, listener, &[version, "-I"], "/large");
        assert!(String::from_utf8_lossy(&head).to_ascii_lowercase().contains("content-length: 3000000\r\n"));
        let missing = curl(&site, listener, &[version, "-o", "/dev/null", "-w", "%{http_code}"], "/none");
        assert_eq!(missing, b"404");
    }
}

#[test]
fn uploads_come_back_whole_in_every_combination_of_versions() {
    let server = nghttpd(tempfile::tempdir().unwrap(), &["--no-tls", "--echo-upload"]);
    let site = site(&config(server.addr, ", protocol: h2c"));
    let content = noise(2_000_000);
    let file = site.folder().join("upload");
    std::fs::write(&file, &content).unwrap();
    let data = format!("@{}", file.display());
    for (listener, version) in [("web", "--http1.1"), ("web", CLEAR), ("safe", "--http2")] {
        let sent = ["-H", "Expect:", "-X", "POST", "--data-binary", &data, version];
        assert!(curl(&site, listener, &sent, "/up") == content, "{listener} {version} changed it");
    }
}

#[test]
fn endpoint_with_tls_is_spoken_to_in_what_it_chooses() {
    let folder = tempfile::tempdir().unwrap();
    Authority::new(folder.path()).issue("one", "one", &["one.test"]);
    std::fs::write(folder.path().join("page"), "over TLS").unwrap();
    let server = nghttpd(folder, &[]);
    let addr: SocketAddr = server.addr;
    let over = |more: &str| {
        let text = config(addr, &format!(", tls: {{ verify: false }}{more}"));
        text.replace(&format!("\"{addr}\""), &format!("\"https://{addr}\""))
    };
    let site = site(&over(""));
    assert_eq!(curl(&site, "web", &[], "/page"), b"over TLS");
    assert_eq!(site.metric("yumen_upstream_version_requests_total{upstream=\"up\",version=\"2\"}"), 1.0);
    // nghttpd speaks nothing else.
    site.change(&over(", protocol: http1"));
    let status = ["-o", "/dev/null", "-w", "%{http_code}"];
    assert_eq!(curl(&site, "web", &status, "/page"), b"502");
    site.change(&over(", protocol: http2"));
    assert_eq!(curl(&site, "web", &[], "/page"), b"over TLS");
}

#[test]
fn endpoint_with_tls_that_speaks_http_1_1_alone_is_left_with_it() {
    let folder = tempfile::tempdir().unwrap();
    Authority::new(folder.path()).issue("one", "one", &["one.test"]);
    let nginx = crate::nginx::Nginx::start(
        folder.path(),
        "server { listen {addr} ssl; ssl_certificate one.pem; ssl_certificate_key one.key; \
         location / { return 200 $server_protocol; } }\n",
    );
    let over = |more: &str| {
        let text = config(nginx.addr, &format!(", tls: {{ verify: false }}{more}"));
        text.replace(&format!("\"{}\"", nginx.addr), &format!("\"https://{}\"", nginx.addr))
    };
    let site = Site::start_in(folder, &over(""));
    for _ in 0..3 {
        assert_eq!(curl(&site, "web", &[CLEAR], "/"), b"HTTP/1.1");
    }
    assert_eq!(site.metric("yumen_upstream_version_requests_total{upstream=\"up\",version=\"2\"}"), 0.0);
    site.change(&over(", protocol: http2"));
    let answer = curl(&site, "web", &["-i", CLEAR], "/");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/2 502 ") && answer.contains("tls_to_endpoint_failed"), "{answer}");
    site.wait_access(|line| line["detail"].as_str().is_some_and(|detail| detail.contains("ALPN")));
}

#[test]
fn nghttp_asks_for_many_things_at_once_and_sees_trailers() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..50 {
        std::fs::write(folder.path().join(n.to_string()), noise(10_000 + n)).unwrap();
    }
    let server = nghttpd(folder, &["--no-tls", "--trailer", "x-sum: 7"]);
    let site = site(&config(server.addr, ", protocol: h2c"));
    let base = format!("http://{}", site.addr("web"));
    let mut nghttp = command("nghttp", "nghttp2-client");
    nghttp.args(["-n", "-v"]).args((0..50).map(|n| format!("{base}/{n}")));
    let told = said(nghttp.output().unwrap());
    assert_eq!((told.matches(":status: 200").count(), told.matches("x-sum: 7").count()), (50, 50), "{told}");
}

#[test]
fn endpoint_that_allows_few_streams_serves_many_clients() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("page"), "few at a time").unwrap();
    let server = nghttpd(folder, &["--no-tls", "-m", "3"]);
    let site = site(&config(server.addr, ", protocol: h2c"));
    let told = h2load(&site, "/page", &["-n", "3000", "-c", "4", "-m", "25"]);
    assert!(told.contains("3000 succeeded, 0 failed, 0 errored"), "{told}");
}

fn h2load(site: &Site, path: &str, arguments: &[&str]) -> String {
    let url = format!("http://{}{path}", site.addr("web"));
    said(command("h2load", "nghttp2-client").args(arguments).arg(url).output().unwrap())
}

#[test]
fn reloads_under_load_fail_no_request() {
    let origin = Origin::named("one");
    let other = Origin::named("two");
    let site = site(&config(origin.addr, ""));
    let url = format!("http://{}/page", site.addr("web"));
    let mut load = command("h2load", "nghttp2-client");
    load.args(["-D", "4", "-c", "8", "-m", "10"]).arg(url).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut load = load.spawn().unwrap();
    until("requests", || (!origin.requests().is_empty()).then_some(()));
    let mut changes = 0;
    while load.try_wait().unwrap().is_none() {
        changes += 1;
        let (addr, more) = match changes % 3 {
            0 => (origin.addr, ""),
            1 => (other.addr, ""),
            _ => (other.addr, ", balance: least_connections"),
        };
        site.change(&config(addr, more));
    }
    let told = said(load.wait_with_output().unwrap());
    assert!(told.contains(" 0 failed, 0 errored, 0 timeout") && changes > 1, "{changes} changes: {told}");
    assert!(!other.requests().is_empty());
}

#[test]
fn drain_says_goaway_in_two_steps_and_lets_streams_finish() {
    let gate = Gate::default();
    let origin = Origin::start(Manner::Waits("late".into(), gate.clone()));
    let mut site = site(&format!("runtime: {{ drain_timeout: 60s }}\n{}", config(origin.addr, "")));
    let get = block(&[(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/")]);
    let mut client = Http2::open(site.addr("web"));
    client.send(&frame(1, 5, 1, &get));
    until("the request", || (!origin.requests().is_empty()).then_some(()));
    site.signal("-TERM");
    let first = client.until("GOAWAY", |f| f.kind == 7);
    assert_eq!(first.last().map(|f| f.payload.clone()), Some(vec![0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
    // What was on its way when it was said is still served.
    client.send(&frame(1, 5, 3, &get));
    let ping = client.until("the ping", |f| f.kind == 6);
    client.send(&frame(6, 1, 0, &ping.last().unwrap().payload));
    let last = client.until("the second GOAWAY", |f| f.kind == 7);
    assert_eq!(last.last().map(|f| f.payload.clone()), Some(vec![0, 0, 0, 3, 0, 0, 0, 0]));
    gate.open();
    let mut ended = Vec::new();
    while ended.len() < 2 {
        let seen = client.until("the end of a stream", |f| f.kind == 0 && f.flags & 1 == 1);
        ended.extend(seen.last().map(|f| f.stream));
    }
    assert!(ended.contains(&1) && ended.contains(&3), "{ended:?}");
    assert_eq!(site.end().code(), Some(0));
}

#[test]
fn drain_that_takes_too_long_answers_503() {
    let gate = Gate::default();
    let origin = Origin::start(Manner::Waits("late".into(), gate.clone()));
    let mut site = site(&format!("runtime: {{ drain_timeout: 300ms }}\n{}", config(origin.addr, "")));
    let get = block(&[(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/")]);
    let mut client = Http2::open(site.addr("web"));
    client.send(&frame(1, 5, 1, &get));
    until("the request", || (!origin.requests().is_empty()).then_some(()));
    site.signal("-TERM");
    let ping = client.until("the ping", |f: &Frame| f.kind == 6);
    client.send(&frame(6, 1, 0, &ping.last().unwrap().payload));
    let (status, body) = client.answer(1);
    assert_eq!((status, String::from_utf8_lossy(&body).contains("draining")), (503, true));
    assert_eq!(site.end().code(), Some(0));
    gate.open();
}
