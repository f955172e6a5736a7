//! Streams: TLS handed on by server name without being decrypted, and plain TCP.

use std::net::{Shutdown, SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};

use crate::authority::Authority;
use crate::ends::{Client, End, accept, listen};
use crate::gateway::{text, until};
use crate::site::Site;

/// A ClientHello of TLS 1.3 in one record; `name` is the server name it asks for.
fn hello(name: Option<&str>) -> Vec<u8> {
    let vec16 = |content: &[u8]| [&(content.len() as u16).to_be_bytes()[..], content].concat();
    let server_name = name.map(|name| {
        let entry = [&[0u8][..], &vec16(name.as_bytes())].concat();
        [&[0, 0][..], &vec16(&vec16(&entry))].concat()
    });
    // supported_versions: TLS 1.3 only.
    let extensions = [server_name.unwrap_or_default(), vec![0, 43, 0, 3, 2, 3, 4]].concat();
    let body = [&[3u8, 3][..], &[7; 32], &[0], &vec16(&[0x13, 1]), &[1, 0], &vec16(&extensions)].concat();
    let message = [&[1u8, 0][..], &vec16(&body)].concat();
    [&[22u8, 3, 1][..], &vec16(&message)].concat()
}

/// A pass-through listener: `exact.test` and `*.wild.test` go to the first two origins, what else there is to `rest`.
fn passthrough(exact: SocketAddr, wild: SocketAddr, rest: Option<SocketAddr>) -> Site {
    let (default, third) = match rest {
        Some(rest) => ("upstream: rest, ", format!("  rest: {{ endpoints: [\"{rest}\"] }}\n")),
        None => ("", String::new()),
    };
    Site::start(&format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\", protocol: tls_passthrough, {default}\
         timeouts: {{ handshake: 1s }}, sni: {{ exact.test: exact, '*.wild.test': wild }} }} }}\n\
         upstreams:\n  exact: {{ endpoints: [\"{exact}\"] }}\n  wild: {{ endpoints: [\"{wild}\"] }}\n{third}"
    ))
}

/// A TCP listener with an idle timeout over some endpoints.
fn relay(endpoints: &[SocketAddr], idle: &str) -> Site {
    let all: Vec<String> = endpoints.iter().map(|e| format!("\"{e}\"")).collect();
    Site::start(&format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\", protocol: tcp, upstream: up, timeouts: {{ idle: {idle} }} }} }}\n\
         upstreams: {{ up: {{ endpoints: [{}], timeouts: {{ connect: 1s }} }} }}\n",
        all.join(", ")
    ))
}

/// An address nobody listens on.
fn nobody() -> SocketAddr {
    listen().1
}

#[test]
fn hello_is_handed_on_unchanged_to_the_upstream_of_its_name() {
    let (exact, wild, rest) = (listen(), listen(), listen());
    let site = passthrough(exact.1, wild.1, Some(rest.1));
    let addr = site.addr("web");
    let cases: [(Option<&str>, &TcpListener, &str); 6] = [
        (Some("exact.test"), &exact.0, "exact"),
        (Some("EXACT.test"), &exact.0, "exact"),
        (Some("a.wild.test"), &wild.0, "wild"),
        (Some("a.b.wild.test"), &wild.0, "wild"),
        (Some("wild.test"), &rest.0, "rest"),
        (None, &rest.0, "rest"),
    ];
    for (name, origin, upstream) in cases {
        let sent = hello(name);
        let mut client = Client::connect(addr);
        client.send(&sent);
        let mut far = accept(origin);
        assert_eq!(far.exactly(sent.len()), sent, "{name:?}");
        far.send(b"from the origin");
        assert_eq!(client.exactly(15), b"from the origin");
        drop((client, far));
        let name = name.map(str::to_ascii_lowercase);
        let line = site.wait_access(|line| line["sni"].as_str() == name.as_deref() && line["upstream"] == upstream);
        assert_eq!(line["protocol"], "tcp");
    }
}

#[test]
fn split_hello_is_waited_for() {
    let (exact, wild) = (listen(), listen());
    let site = passthrough(exact.1, wild.1, None);
    let mut client = Client::connect(site.addr("web"));
    let sent = hello(Some("exact.test"));
    for byte in &sent {
        client.send([*byte]);
    }
    assert_eq!(accept(&exact.0).exactly(sent.len()), sent);
}

#[test]
fn who_names_no_known_server_is_refused_with_a_reason() {
    let (exact, wild) = (listen(), listen());
    let site = passthrough(exact.1, wild.1, None);
    let addr = site.addr("web");
    let refused = |bytes: &[u8], reason: &str| {
        let mut client = Client::connect(addr);
        client.send(bytes);
        assert_eq!(client.rest().0, b"", "{reason}");
        let line = site.wait_access(|line| line["reason"] == reason);
        assert_eq!((&line["side"], line["upstream"].is_null()), (&"client".into(), true), "{line}");
    };
    refused(&hello(Some("unknown.test")), "sni_unknown");
    refused(&hello(None), "sni_missing");
    refused(b"GET / HTTP/1.1\r\nHost: exact.test\r\n\r\n", "not_tls");
    // A hello that is never finished meets the handshake timeout.
    refused(&hello(Some("exact.test"))[..40], "handshake_timeout");
    for (origin, _) in [exact, wild] {
        origin.set_nonblocking(true).unwrap();
        assert!(origin.accept().is_err(), "nobody was let through");
    }
}

/// openssl as a server behind the gateway.
#[test]
fn real_handshake_passes_through_to_a_real_server() {
    let folder = tempfile::tempdir().unwrap();
    Authority::new(folder.path()).issue("one", "one", &["exact.test"]);
    let nginx = crate::nginx::Nginx::start(
        folder.path(),
        "server { listen {addr} ssl; ssl_certificate one.pem; ssl_certificate_key one.key; return 200 \"hello\"; }",
    );
    let site = passthrough(nginx.addr, nobody(), None);
    let addr = site.addr("web");
    let answer: Output = Command::new("curl")
        .args(["-s", "-S", "--max-time", "10", "--cacert"])
        .arg(folder.path().join("ca.pem"))
        .args(["--resolve", &format!("exact.test:{}:127.0.0.1", addr.port())])
        .arg(format!("https://exact.test:{}/", addr.port()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "hello", "{}", text(&answer));
    let line = site.wait_access(|line| line["sni"] == "exact.test");
    assert!(line["bytes_in"].as_u64() > Some(200) && line["bytes_out"].as_u64() > Some(500), "{line}");
}

#[test]
fn bytes_of_a_stream_are_counted() {
    let (origin, at) = listen();
    let site = relay(&[at], "1h");
    let mut client = Client::connect(site.addr("web"));
    client.send(vec![b'u'; 100_000]);
    let mut far = accept(&origin);
    assert_eq!(far.exactly(100_000).len(), 100_000);
    far.send(b"down");
    assert_eq!(client.exactly(4), b"down");
    drop((client, far));
    let line = site.wait_access(|line| line["bytes_in"] == 100_000);
    assert_eq!((&line["bytes_out"], &line["listener"]), (&4.into(), &"web".into()), "{line}");
    assert!(line["endpoint"] == at.to_string() && line["attempts"] == 1 && line["reason"].is_null(), "{line}");
    assert_eq!(site.metric("yumen_listener_received_bytes_total{listener=\"web\"}"), 100_000.0);
    assert_eq!(site.metric("yumen_listener_sent_bytes_total{listener=\"web\"}"), 4.0);
}

#[test]
fn half_close_is_carried_over_both_ways() {
    let (origin, at) = listen();
    let site = relay(&[at], "1h");
    for client_first in [true, false] {
        let mut client = Client::connect(site.addr("web"));
        client.send(b"x");
        let mut far = accept(&origin);
        assert_eq!(far.exactly(1), b"x");
        let (first, second) = if client_first { (&mut client, &mut far) } else { (&mut far, &mut client) };
        first.send(b"last words");
        first.stream().shutdown(Shutdown::Write).unwrap();
        assert_eq!(second.rest(), (b"last words".to_vec(), End::Closed));
        // The other direction goes on for as long as it likes.
        second.send(b"still here");
        assert_eq!(first.exactly(10), b"still here");
        second.stream().shutdown(Shutdown::Write).unwrap();
        assert_eq!(first.rest(), (Vec::new(), End::Closed));
    }
    until("two lines", || (site.access().iter().filter(|l| l["reason"].is_null()).count() == 2).then_some(()));
}

/// Makes dropping a connection a reset.
fn reset(client: Client) {
    socket2::SockRef::from(client.stream()).set_linger(Some(std::time::Duration::ZERO)).unwrap();
}

#[test]
fn reset_is_carried_over_both_ways() {
    let (origin, at) = listen();
    let site = relay(&[at], "1h");
    for (client_first, reason) in [(true, "client_reset"), (false, "endpoint_reset")] {
        let mut client = Client::connect(site.addr("web"));
        client.send(b"x");
        let mut far = accept(&origin);
        assert_eq!(far.exactly(1), b"x");
        let (first, mut second) = if client_first { (client, far) } else { (far, client) };
        reset(first);
        assert_eq!(second.rest().1, End::Reset, "{reason}");
        site.wait_access(|line| line["reason"] == reason);
    }
}

#[test]
fn silent_stream_is_ended_after_its_idle_time_and_a_talking_one_is_not() {
    let (origin, at) = listen();
    let site = relay(&[at], "1500ms");
    let addr = site.addr("web");
    let mut silent = Client::connect(addr);
    silent.send(b"x");
    let mut far = accept(&origin);
    assert_eq!(far.exactly(1), b"x");
    let mut busy = Client::connect(addr);
    busy.send(b"y");
    let mut echo = accept(&origin);
    assert_eq!(echo.exactly(1), b"y");
    let ended = std::thread::spawn(move || (silent.rest(), far.rest()));
    let mut turns = 0;
    while !ended.is_finished() || turns < 100 {
        busy.send(b"ping");
        assert_eq!(echo.exactly(4), b"ping");
        echo.send(b"pong");
        assert_eq!(busy.exactly(4), b"pong");
        turns += 1;
    }
    // Neither side may take what it has for the whole.
    let (near, far) = ended.join().unwrap();
    assert_eq!((near.1, far.1), (End::Reset, End::Reset));
    let line = site.wait_access(|line| line["reason"] == "tunnel_idle_timeout");
    assert!(line["duration_ms"].as_f64() > Some(1400.0), "{line}");
    busy.send(b"more");
    assert_eq!(echo.exactly(4), b"more");
}

#[test]
fn endpoint_that_refuses_is_passed_over() {
    let (origin, at) = listen();
    let site = relay(&[nobody(), at, nobody()], "1h");
    for _ in 0..6 {
        let mut client = Client::connect(site.addr("web"));
        client.send(b"x");
        assert_eq!(accept(&origin).exactly(1), b"x");
    }
    let tried = || site.access().iter().filter_map(|l| l["attempts"].as_u64()).max();
    until("a second attempt", || (tried() > Some(1)).then_some(()));
    assert!(site.access().iter().all(|l| l["endpoint"] == at.to_string()), "{:?}", site.access());
}

#[test]
fn client_is_reset_when_no_endpoint_takes_it() {
    let site = relay(&[nobody(), nobody()], "1h");
    let mut client = Client::connect(site.addr("web"));
    assert_eq!(client.rest(), (Vec::new(), End::Reset));
    let line = site.wait_access(|line| line["reason"] == "connect_refused");
    assert!(line["attempts"].as_u64() > Some(1), "{line}");
}
