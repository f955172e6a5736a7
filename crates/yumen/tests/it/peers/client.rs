//! curl and openssl in front of the gateway, scripted origins behind it.

use std::io::Write;
use std::process::Stdio;

use yumen_test::{Origin, Play, Program};

use super::tool::{command, gateway, said};

fn play(text: &str) -> Play {
    Play::Send(text.as_bytes().to_vec())
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Runs curl; the paths are asked for one after the other.
fn curl(gateway: &Program, arguments: &[&str], paths: &[&str]) -> String {
    let base = format!("http://{}", gateway.listener("web"));
    let mut curl = command("curl", "curl");
    curl.args(["-sS", "--max-time", "20"]).args(arguments).args(paths.iter().map(|path| format!("{base}{path}")));
    said(curl.output().unwrap())
}

#[test]
fn curl_gets_an_answer_with_its_fields() {
    let origin = Origin::answers("HTTP/1.1 200 OK\r\nX-Odd-Case: yes\r\nContent-Length: 2\r\n\r\nok");
    let gateway = gateway(origin.addr(), "");
    let answer = curl(&gateway, &["-i"], &["/a?b=c"]);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\nX-Odd-Case: yes\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
    let seen = origin.received_through(0, "\r\n\r\n");
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n") && seen.contains("X-Forwarded-For: 127.0.0.1\r\n"), "{seen}");
}

#[test]
fn curl_posts_after_it_was_told_to_continue() {
    let origin = Origin::each([vec![
        Play::ReadHead,
        play("HTTP/1.1 100 Continue\r\n\r\n"),
        Play::ReadThrough(b"the end".to_vec()),
        play(OK),
        Play::AwaitEnd,
    ]]);
    let gateway = gateway(origin.addr(), "");
    let body = format!("{}the end", "x".repeat(100_000));
    let file = gateway.folder().join("body");
    std::fs::write(&file, &body).unwrap();
    // Longer than the test may last: without the 100 it would fail instead of going on by itself.
    let wait = ["-v", "--stderr", "-", "-H", "Expect: 100-continue", "--expect100-timeout", "30", "--data-binary"];
    let data = format!("@{}", file.display());
    let answer = curl(&gateway, &[&wait[..], &[&data]].concat(), &["/"]);
    assert!(answer.contains("< HTTP/1.1 100 Continue") && answer.contains("< HTTP/1.1 200 OK"), "{answer}");
    let seen = origin.received_through(0, "the end");
    assert!(seen.contains("Expect: 100-continue\r\n") && seen.ends_with(&body), "{} bytes", seen.len());
}

#[test]
fn curl_is_not_kept_waiting_when_the_origin_refuses_what_it_would_send() {
    let origin = Origin::each([vec![
        Play::ReadHead,
        play("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
        Play::AwaitEnd,
    ]]);
    let gateway = gateway(origin.addr(), "");
    let arguments = ["-i", "-H", "Expect: 100-continue", "--expect100-timeout", "30", "-d", "secret"];
    let answer = curl(&gateway, &arguments, &["/"]);
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n") && answer.contains("Connection: close"), "{answer}");
    assert!(!origin.received_through(0, "\r\n\r\n").contains("secret"));
}

#[test]
fn curl_asks_for_the_head_alone() {
    let origin = Origin::answers("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    let gateway = gateway(origin.addr(), "");
    let answer = curl(&gateway, &["-I"], &["/1", "/2"]);
    assert_eq!(answer.matches("Content-Length: 1000\r\n").count(), 2, "{answer}");
    assert_eq!(origin.connections(), 1, "the connection to the origin is used again");
}

#[test]
fn curl_uploads_in_chunks() {
    let script = vec![Play::ReadThrough(b"\r\n0\r\n\r\n".to_vec()), play(OK), Play::AwaitEnd];
    let origin = Origin::each([script]);
    let gateway = gateway(origin.addr(), "");
    let url = format!("http://{}/up", gateway.listener("web"));
    let mut curl = command("curl", "curl");
    curl.args(["-sS", "--max-time", "20", "-H", "Expect:", "-T", "-", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = curl.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for _ in 0..50 {
        input.write_all(&[b'x'; 4000]).unwrap();
    }
    drop(input);
    assert_eq!(said(child.wait_with_output().unwrap()), "ok");
    let seen = origin.received_through(0, "0\r\n\r\n");
    assert!(seen.starts_with("PUT /up HTTP/1.1\r\n") && seen.contains("Transfer-Encoding: chunked\r\n"), "{seen}");
    assert_eq!(seen.matches('x').count(), 200_000);
}

#[test]
fn curl_speaks_http_1_0() {
    let origin = Origin::answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    let gateway = gateway(origin.addr(), "");
    let answer = curl(&gateway, &["-i", "--http1.0"], &["/"]);
    assert!(answer.contains("Connection: close\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");
    assert!(!answer.contains("chunked"), "{answer}");
}

#[test]
fn curl_uses_its_connection_again() {
    let origin = Origin::says("ok");
    let gateway = gateway(origin.addr(), "");
    let counts = curl(&gateway, &["--http1.1", "-o", "/dev/null", "-w", "%{num_connects}"], &["/1"]);
    assert_eq!(counts, "1");
    let both = curl(&gateway, &["--http1.1", "-w", " %{num_connects}\n"], &["/1", "/2", "/3"]);
    assert_eq!(both, "ok 1\nok 0\nok 0\n");
    assert!(origin.connections() <= 2, "each worker keeps one connection");
}

#[test]
fn curl_is_told_when_an_answer_breaks_off() {
    for origin in [Origin::closes_mid_body(), Origin::resets_mid_body()] {
        let gateway = gateway(origin.addr(), "");
        let url = format!("http://{}/", gateway.listener("web"));
        let output = command("curl", "curl").args(["-sS", "--max-time", "20", &url]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // 18: not all came; 56: the connection failed.
        assert!(matches!(output.status.code(), Some(18 | 56)), "{}: {said}", output.status);
    }
}

#[test]
fn openssl_shakes_hands_and_speaks_http_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let mut request = command("openssl", "openssl");
    request.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    request.args(["-subj", "/CN=h", "-addext", "subjectAltName=DNS:h", "-keyout"]).arg(&key).arg("-out").arg(&cert);
    said(request.output().unwrap());
    let origin = Origin::says("ok");
    let tls = format!(", tls: {{ certificates: [{{ cert: {}, key: {} }}] }}", cert.display(), key.display());
    let gateway = gateway(origin.addr(), &tls);
    let connect = gateway.listener("web").to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let mut client = command("openssl", "openssl");
        client.args([
            "s_client",
            "-connect",
            &connect,
            "-servername",
            "h",
            "-verify_return_error",
            version,
            "-ign_eof",
        ]);
        client.args(["-alpn", "http/1.1", "-CAfile"]).arg(&cert);
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = client.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        let answer = said(child.wait_with_output().unwrap());
        drop(input);
        assert!(
            answer.contains("Verify return code: 0 (ok)") && answer.contains("ALPN protocol: http/1.1"),
            "{answer}"
        );
        assert!(answer.contains("HTTP/1.1 200 OK\r\n") && answer.contains("\r\n\r\nok"), "{answer}");
    }
    let mut old = command("openssl", "openssl");
    old.args(["s_client", "-connect", &connect, "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"]).stdin(Stdio::null());
    assert!(!old.output().unwrap().status.success(), "TLS 1.1 is refused");
}
