//! gRPC-Web: a client of its own on Python's HTTP/1.1, curl for HTTP/2 and for what browsers ask beforehand.

use std::process::{Command, Stdio};

use super::peer::{Server, config, python, script};
use crate::site::Site;

fn translated(server: &Server, cors: &str) -> String {
    config(server.addr)
        .replace("upstream: up }", &format!("upstream: up, middlewares: [{{ grpc_web: {{{cors}}} }}] }}"))
}

const CORS: &str =
    "cors: { origins: [\"https://app.example\"], credentials: true, expose: [X-Request-ID], max_age: 10m }";

#[test]
fn calls_of_both_forms_pass_over_http_1_1() {
    let server = Server::start();
    let site = Site::start(&translated(&server, ""));
    for kind in ["web", "web-text"] {
        let mut client = python();
        client.arg(script("web.py"));
        let output = client.args([&site.addr("web").to_string(), kind]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let line = site.wait_access(|line| line["grpc_status"] == 5);
    assert_eq!((&line["protocol"], &line["status"]), (&"HTTP/1.1".into(), &200.into()));
    site.wait_access(|line| line["reason"] == "invalid_grpc_web" && line["grpc_status"] == 13);
    site.wait_access(|line| line["path"] == "/t.Test/Hang" && line["grpc_status"] == 4);
}

/// What curl gets over HTTP/2, head and content.
fn curl(site: &Site, arguments: &[&str], path: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-i", "--max-time", "10", "--http2-prior-knowledge"]).args(arguments);
    let output = curl.arg(format!("http://{}{path}", site.addr("web"))).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const CALL: [&str; 4] = ["-H", "Content-Type: application/grpc-web-text", "-H", "Origin: https://app.example"];

#[test]
fn call_passes_over_http2_and_its_page_may_read_it() {
    let server = Server::start();
    let site = Site::start(&translated(&server, CORS));
    // A frame with the message `hi`.
    let said = curl(&site, &[&CALL[..], &["-d", "AAAAAAJoaQ=="]].concat(), "/t.Test/Unary");
    assert!(said.starts_with("HTTP/2 200") && said.contains("content-type: application/grpc-web-text\r\n"), "{said}");
    assert!(said.contains("access-control-allow-origin: https://app.example\r\n"), "{said}");
    assert!(said.contains("access-control-allow-credentials: true\r\n") && said.contains("vary: Origin\r\n"), "{said}");
    let exposed = "access-control-expose-headers: grpc-status, grpc-message, grpc-status-details-bin, X-Request-ID\r\n";
    assert!(said.contains(exposed), "{said}");
    let content = said.split("\r\n\r\n").nth(1).unwrap();
    assert!(content.starts_with("AAAAAAJoaQ==gAAAA"), "{content}");
}

#[test]
fn error_of_the_gateway_is_one_that_the_page_may_read() {
    let mut server = Server::start();
    let site = Site::start(&translated(&server, CORS));
    server.kill();
    let said = curl(&site, &[&CALL[..], &["-d", "AAAAAAJoaQ=="]].concat(), "/t.Test/Unary");
    assert!(said.starts_with("HTTP/2 200") && said.contains("grpc-status: 14\r\n"), "{said}");
    assert!(said.contains("grpc-message: reason: connect_refused\r\n"), "{said}");
    assert!(said.contains("content-type: application/grpc-web-text\r\n"), "{said}");
    assert!(said.contains("access-control-allow-origin: https://app.example\r\n"), "{said}");
}

#[test]
fn preflight_is_answered_for_listed_origins_only() {
    let server = Server::start();
    let site = Site::start(&translated(&server, CORS));
    let ask = |origin: &str| {
        let origin = format!("Origin: {origin}");
        let method = "Access-Control-Request-Method: POST";
        let fields = "Access-Control-Request-Headers: content-type,x-grpc-web,x-user";
        curl(&site, &["-X", "OPTIONS", "-H", &origin, "-H", method, "-H", fields], "/t.Test/Unary")
    };
    let said = ask("https://app.example");
    assert!(said.starts_with("HTTP/2 204"), "{said}");
    for line in [
        "access-control-allow-origin: https://app.example",
        "access-control-allow-credentials: true",
        "access-control-allow-methods: POST",
        "access-control-allow-headers: content-type,x-grpc-web,x-user",
        "access-control-max-age: 600",
        "vary: Origin, Access-Control-Request-Headers",
    ] {
        assert!(said.contains(&format!("{line}\r\n")), "{line} in {said}");
    }
    let said = ask("https://evil.example");
    assert!(said.starts_with("HTTP/2 403") && !said.contains("access-control"), "{said}");
    site.wait_access(|line| line["reason"] == "origin_denied");
    site.change(&translated(&server, "cors: { origins: \"*\" }"));
    assert!(ask("https://any.example").contains("access-control-allow-origin: *\r\n"));
}
