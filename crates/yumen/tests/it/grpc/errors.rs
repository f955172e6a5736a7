//! What the gateway itself says to a client of gRPC, and how a call ends that breaks.

use std::net::TcpListener;
use std::process::Command;

use super::peer::{Client, Server, config, run};
use crate::gateway::{free, origin};
use crate::site::Site;

/// How a unary call fails on a configuration.
fn failure(config: &str) -> (Site, String) {
    let site = Site::start(config);
    let said = run(site.addr("web"), "-", &["fails"]);
    (site, said)
}

#[test]
fn errors_of_the_gateway_have_a_status_of_grpc() {
    let server = Server::start();
    let plain = config(server.addr);
    let with = |middleware: &str| {
        plain.replace("upstream: up }", &format!("upstream: up, middlewares: [{{ {middleware} }}] }}"))
    };
    let user = "$2y$05$tvvwnr/somtqMFcNdpspPeDb6n5z9CAWnbIIaJwduc3wDQylqfIKC".replace('$', "$$");
    for (config, expected) in [
        (plain.replace("upstream: up }", "upstream: up, match: { path: /other } }"), "UNIMPLEMENTED reason: no_route"),
        (plain.replace(&server.addr.to_string(), &free().to_string()), "UNAVAILABLE reason: connect_refused"),
        (with("ip: { deny: [\"127.0.0.0/8\"] }"), "PERMISSION_DENIED reason: ip_denied"),
        (with(&format!("basic_auth: {{ users: [\"me:{user}\"] }}")), "UNAUTHENTICATED reason: auth_required"),
        (with("body_limit: 3"), "RESOURCE_EXHAUSTED reason: body_too_large"),
        (with("respond: { status: 404 }").replace("upstream: up, ", ""), "UNIMPLEMENTED Not Found"),
        (with("redirect: { to: /x }").replace("upstream: up, ", ""), "UNKNOWN Permanent Redirect"),
    ] {
        let config = if config.contains("upstream: up") {
            config
        } else {
            config.split("upstreams:").next().unwrap().to_owned()
        };
        let (site, said) = failure(&config);
        assert_eq!(said, expected);
        let line = site.wait_access(|line| line["path"] == "/t.Test/Unary");
        assert!(line["status"] == 200 && line["grpc_status"] != 0, "{line}");
    }
}

#[test]
fn endpoint_of_http_1_1_is_named_as_what_is_wrong() {
    let site = Site::start(&config(origin("plain")));
    let said = run(site.addr("web"), "-", &["fails"]);
    assert_eq!(said, "UNAVAILABLE reason: grpc_needs_http2");
    site.wait_access(|line| {
        line["reason"] == "grpc_needs_http2" && line["detail"].as_str().unwrap().contains("127.0.0.1")
    });
    site.change(&config(origin("plain")).replace("] }", "], protocol: http1 }"));
    let said = run(site.addr("web"), "-", &["fails"]);
    assert_eq!(said, "UNAVAILABLE reason: grpc_needs_http2");
    let line = site.wait_access(|line| line["detail"].as_str().is_some_and(|d| d.contains("upstream up")));
    assert_eq!(line["detail"], "upstream up has `protocol: http1`");
}

#[test]
fn call_that_lasts_longer_than_the_route_allows_ends_with_deadline_exceeded() {
    let server = Server::start();
    let site =
        Site::start(&config(server.addr).replace("upstream: up }", "upstream: up, grpc: { max_timeout: 400ms } }"));
    // It has begun to answer, so that the status comes in trailers: ours, or the endpoint's, which was told the time.
    let said = run(site.addr("web"), "-", &["endless"]);
    assert!(said.starts_with("DEADLINE_EXCEEDED "), "{said}");
    site.wait_access(|line| line["path"] == "/t.Test/Hang" && line["grpc_status"] == 4);
    assert_eq!(run(server.addr, "-", &["server_heard"]), "yes", "the endpoint was told");
    // An endpoint that takes connections and says nothing.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let bounded =
        config(deaf.local_addr().unwrap()).replace("upstream: up }", "upstream: up, grpc: { max_timeout: 300ms } }");
    site.change(&bounded);
    assert_eq!(run(site.addr("web"), "-", &["fails"]), "DEADLINE_EXCEEDED reason: grpc_deadline_exceeded");
    site.change(&bounded.replace("grpc: { max_timeout: 300ms }", "timeouts: { request: 300ms }"));
    assert_eq!(run(site.addr("web"), "-", &["fails"]), "DEADLINE_EXCEEDED reason: request_timeout");
}

#[test]
fn answer_that_breaks_in_the_middle_is_no_success() {
    let mut server = Server::start();
    let site = Site::start(&config(server.addr));
    let mut client = Client::start(site.addr("web"), "breaks");
    client.wait_held();
    server.kill();
    let said = client.line();
    assert!(said.starts_with("INTERNAL ") && said.contains("RST_STREAM"), "{said}");
    let line = site.wait_access(|line| line["path"] == "/t.Test/Hang");
    assert_eq!((&line["grpc_status"], &line["side"]), (&13.into(), &"upstream".into()), "{line}");
}

#[test]
fn call_that_a_stop_cuts_off_is_no_success() {
    let server = Server::start();
    let mut site = Site::start(&config(server.addr).replace("drain_timeout: 60s", "drain_timeout: 300ms"));
    let mut client = Client::start(site.addr("web"), "breaks");
    client.wait_held();
    site.signal("-TERM");
    let said = client.line();
    assert!(said.starts_with("INTERNAL "), "{said}");
    assert!(site.end().success());
    let line = site.wait_access(|line| line["path"] == "/t.Test/Hang");
    assert_eq!((&line["grpc_status"], &line["reason"]), (&13.into(), &"draining".into()));
}

#[test]
fn timeout_that_is_none_is_refused() {
    let server = Server::start();
    let site = Site::start(&config(server.addr));
    let url = format!("http://{}/t.Test/Unary", site.addr("web"));
    for timeout in ["5", "5x", "123456789S", "-1S", "1.5S"] {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-i", "--max-time", "10", "--http2-prior-knowledge", "-H", "Content-Type: application/grpc"]);
        let output = curl.args(["-H", &format!("grpc-timeout: {timeout}"), "-d", "x", &url]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with("HTTP/2 200"), "{timeout}: {said}");
        assert!(said.contains("grpc-status: 13\r\n"), "{timeout}: {said}");
        assert!(said.contains("grpc-message: reason: invalid_grpc_timeout\r\n"), "{timeout}: {said}");
        assert!(said.contains("content-type: application/grpc\r\n") && !said.contains("content-length"), "{said}");
    }
}
