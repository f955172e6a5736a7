//! Calls of all four kinds.

use std::net::TcpListener;

use yumen_test::Peer;

use super::peer::{Client, Server, config, run};
use crate::authority::Authority;
use crate::site::Site;

/// How many cases `peer.py` knows as interoperability tests.
const CASES: usize = 19;

#[test]
fn interoperability_cases_pass_in_clear_and_their_status_is_counted_and_logged() {
    let server = Server::start();
    let site = Site::start(&config(server.addr));
    let said = run(site.addr("web"), "-", &["interop"]);
    assert_eq!(said.lines().count(), CASES, "{said}");
    for code in ["OK", "CANCELLED", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "UNAUTHENTICATED"] {
        assert!(
            site.metric(&format!("yumen_route_grpc_calls_total{{route=\"all\",code=\"{code}\"}}")) >= 1.0,
            "{code}"
        );
        assert!(site.metric(&format!("yumen_upstream_grpc_calls_total{{upstream=\"up\",code=\"{code}\"}}")) >= 1.0);
    }
    assert!(site.metric("yumen_upstream_version_requests_total{upstream=\"up\",version=\"2\"}") >= 800.0);
    let told = site.wait_access(|line| line["grpc_status"] == 16);
    assert_eq!(
        (&told["status"], &told["grpc_message"], &told["protocol"]),
        (&200.into(), &"x".into(), &"HTTP/2".into())
    );
    let odd = site.wait_access(|line| line["grpc_message"].as_str().is_some_and(|m| m.contains('\u{1f608}')));
    assert_eq!(odd["grpc_status"], 2);
}

#[test]
fn interoperability_cases_pass_with_tls_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("web", "web", &["grpc.example"]);
    authority.issue("app", "app", &["app.example"]);
    let server = Server::secure(folder.path(), "app");
    let ca = folder.path().join("ca.pem").to_string_lossy().into_owned();
    let port = server.addr.port();
    let site = Site::start_in(
        folder,
        &format!(
            "listeners:\n  web: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: [{{ cert: web.pem, key: web.key }}] }} }}\n\
             routes: {{ all: {{ upstream: up }} }}\n\
             upstreams:\n  up: {{ endpoints: [\"https://127.0.0.1:{port}\"], tls: {{ ca: ca.pem, sni: app.example }} }}\n"
        ),
    );
    let said = run(site.addr("web"), &ca, &["interop"]);
    assert_eq!(said.lines().count(), CASES, "{said}");
    assert!(site.metric("yumen_upstream_version_requests_total{upstream=\"up\",version=\"2\"}") >= 800.0);
}

#[test]
fn reload_of_everything_on_the_way_cuts_no_stream() {
    let server = Server::start();
    let before = config(server.addr);
    let site = Site::start(&before);
    let mut held = Client::start(site.addr("web"), "held");
    let mut silent = Client::start(site.addr("web"), "silent");
    held.wait_held();
    silent.wait_held();
    let route = "all: { upstream: up, timeouts: { connect: 3s }, middlewares: [{ timeout: 50s }] }";
    let upstream = format!("endpoints: [\"{}\"], balance: p2c_ewma", server.addr);
    let after = before
        .replace("all: { upstream: up }", route)
        .replace(&format!("endpoints: [\"{}\"]", server.addr), &upstream)
        .replace("cleartext: true", "cleartext: true, max_concurrent_streams: 50");
    assert!(after.contains(route) && after.contains(&upstream) && after.contains("50 }"));
    site.change(&after);
    run(site.addr("web"), "-", &["ping_pong", "soak"]);
    held.finish();
    silent.finish();
    let calls = || site.access().into_iter().filter(|line| line["path"] == "/t.Test/Both");
    site.wait_access(|line| line["path"] == "/t.Test/Both" && line["generation"] == 1);
    assert!(calls().all(|line| line["grpc_status"] == 0), "{:?}", calls().collect::<Vec<_>>());
}

#[test]
fn call_whose_client_says_nothing_for_long_goes_on() {
    let server = Server::start();
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("\n  other: {{ endpoints: [\"{}\"] }}\n", deaf.local_addr().unwrap());
    let text = config(server.addr)
        .replace("cleartext: true }", "cleartext: true }, timeouts: { body_idle: 300ms }")
        .replace("all: {", "other: { match: { path: /other }, upstream: other }, all: {")
        .replace("upstreams: { up: ", "upstreams:\n  up: ")
        .replace("\"] } }\n", &format!("\"] }}{silent}"));
    let site = Site::start(&text);
    let mut held = Client::start(site.addr("web"), "held");
    held.wait_held();
    // A request that is no call shows that the time has passed.
    let mut stalls = Peer::connect(site.addr("web"));
    stalls.send(b"POST /other HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab").unwrap();
    let (said, end) = stalls.read_through(b"\r\n\r\n");
    assert!(said.starts_with(b"HTTP/1.1 408 "), "{end:?}");
    held.finish();
}

#[test]
fn deadline_that_is_forwarded_is_the_time_that_is_left_and_no_more_than_the_route_allows() {
    let server = Server::start();
    let bounded = config(server.addr).replace("upstream: up }", "upstream: up, grpc: { max_timeout: 5s } }");
    let site = Site::start(&bounded);
    let said = run(site.addr("web"), "-", &["time_left"]);
    let left: Vec<f64> = said.split(' ').map(|text| text.parse().unwrap()).collect();
    assert_eq!(left.len(), 2, "{said}");
    assert!(left.iter().all(|left| (1.0..=5.2).contains(left)), "{left:?}");
    site.change(&config(server.addr));
    let said = run(site.addr("web"), "-", &["time_left"]);
    let (asked, none) = said.split_once(' ').unwrap();
    assert!((10.0..=20.2).contains(&asked.parse::<f64>().unwrap()) && none == "none", "{said}");
}
