//! Tests of dialling.
#![allow(clippy::unwrap_used, reason = "tests")]

use tokio::net::TcpListener;

use super::*;

#[tokio::test]
async fn connection_has_the_asked_options_and_source() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = DialOptions {
        source: Some("127.0.0.1".parse().unwrap()),
        keepalive: Some(Duration::from_secs(30)),
        ..DialOptions::default()
    };
    let stream = connect(listener.local_addr().unwrap(), &options).await.unwrap();
    assert!(stream.nodelay().unwrap());
    assert!(SockRef::from(&stream).keepalive().unwrap());
}

#[tokio::test]
async fn closed_port_is_refused() {
    let addr = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = connect(addr, &DialOptions::default()).await.unwrap_err();
    assert_eq!(error.kind, DialErrorKind::Refused);
    assert!(error.to_string().starts_with(&format!("cannot connect to {addr}: ")), "{error}");
}

#[tokio::test]
async fn full_queue_is_a_timeout() {
    // A socket that never listens long enough: one place in the queue, nobody accepts.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let options = DialOptions { timeout: Duration::from_millis(50), ..DialOptions::default() };
    let mut held = Vec::new();
    let error = loop {
        match connect(addr, &options).await {
            Ok(stream) => held.push(stream),
            Err(e) => break e,
        }
        assert!(held.len() < 10, "the queue never fills");
    };
    // Windows refuses when the queue is full.
    let expected = if os::SHARES_PORT { DialErrorKind::TimedOut } else { DialErrorKind::Refused };
    assert_eq!(error.kind, expected);
}

#[tokio::test]
async fn foreign_source_is_explained() {
    let options = DialOptions { source: Some("192.0.2.7".parse().unwrap()), ..DialOptions::default() };
    let text = connect("127.0.0.1:9".parse().unwrap(), &options).await.unwrap_err().to_string();
    assert!(text.contains("cannot come from 192.0.2.7"), "{text}");
    let options = DialOptions { source: Some("::1".parse().unwrap()), ..DialOptions::default() };
    assert!(connect("127.0.0.1:9".parse().unwrap(), &options).await.is_err());
}

#[test]
fn used_up_ports_are_told_apart() {
    let error = DialError::new("192.0.2.1:1".parse().unwrap(), io::ErrorKind::AddrNotAvailable.into());
    assert_eq!(error.kind, DialErrorKind::OutOfPorts);
}

#[tokio::test]
async fn addresses_resolve_to_themselves_and_localhost_by_the_hosts_file() {
    let resolver = Resolver::start();
    assert_eq!(resolver.resolve("192.0.2.1", 80).await.unwrap().addrs, ["192.0.2.1:80".parse().unwrap()]);
    assert_eq!(resolver.resolve("[::1]", 80).await.unwrap().addrs, ["[::1]:80".parse().unwrap()]);
    let local = resolver.resolve("localhost", 8080).await.unwrap();
    assert!(local.addrs.iter().all(|a| a.ip().is_loopback() && a.port() == 8080), "{local:?}");
    assert!(local.ttl >= Duration::from_secs(1));
}
