#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::*;
use crate::rt;

fn listener(addr: impl Into<SocketAddr>) -> UdpListener {
    let set = UdpSet::open(&ListenOptions::new(addr.into()), 1).unwrap();
    UdpListener::start(set.into_sockets().pop().unwrap()).unwrap()
}

/// The next `count` datagrams.
async fn receive(listener: &UdpListener, count: usize) -> Vec<(Flow, Vec<u8>)> {
    let (mut batch, mut all) = (Batch::new(), Vec::new());
    while all.len() < count {
        rt::timeout(Duration::from_secs(20), listener.recv(&mut batch)).await.unwrap().unwrap();
        all.extend(batch.datagrams().map(|(flow, bytes)| (flow, bytes.to_vec())));
    }
    all
}

#[tokio::test]
async fn datagrams_of_every_size_come_whole_and_apart() {
    let listener = listener(([127, 0, 0, 1], 0));
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let sent: Vec<Vec<u8>> = [1, 0, 1472, 9000, 65_507].iter().map(|n| vec![*n as u8; *n]).collect();
    for one in &sent {
        client.send_to(one, listener.local_addr()).unwrap();
    }
    let got = receive(&listener, sent.len()).await;
    assert!(got.iter().all(|(flow, _)| flow.client() == client.local_addr().unwrap()));
    assert_eq!(got.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>(), sent);
}

#[tokio::test]
async fn answer_comes_from_the_address_that_was_asked() {
    let listener = listener((Ipv6Addr::UNSPECIFIED, 0));
    let port = listener.local_addr().port();
    let asked = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]), Ipv6Addr::LOCALHOST.into()];
    for to in asked {
        let own = if to.is_ipv4() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { Ipv6Addr::LOCALHOST.into() };
        // A machine without IPv6 has nothing to show.
        let Ok(client) = std::net::UdpSocket::bind((own, 0)) else { continue };
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.send_to(b"ask", (to, port)).unwrap();
        let (flow, bytes) = receive(&listener, 1).await.pop().unwrap();
        assert_eq!((bytes.as_slice(), flow.client()), (&b"ask"[..], client.local_addr().unwrap()));
        assert_eq!(flow.local(listener.local_addr()), SocketAddr::new(to, port));
        listener.try_send(flow, b"answer", None).unwrap();
        let mut buf = [0; 16];
        assert_eq!(client.recv_from(&mut buf).unwrap(), (6, SocketAddr::new(to, port)));
    }
}

#[tokio::test]
async fn joined_datagrams_arrive_apart() {
    let listener = listener(([127, 0, 0, 1], 0));
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.send_to(b"ask", listener.local_addr()).unwrap();
    let (flow, _) = receive(&listener, 1).await.pop().unwrap();
    let all: Vec<u8> = (0..2500u32).map(|n| n as u8).collect();
    listener.try_send(flow, &all, Some(1000)).unwrap();
    let mut buf = [0; 2000];
    for part in all.chunks(1000) {
        let n = client.recv(&mut buf).unwrap();
        assert_eq!(&buf[..n], part);
    }
}

#[tokio::test]
async fn socket_without_options_carries_datagrams_plainly() {
    let listener = UdpListener { state: SocketState::Plain, ..listener(([127, 0, 0, 1], 0)) };
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let sent: Vec<Vec<u8>> = [0, 1, 1472, 65_507].iter().map(|n| vec![*n as u8; *n]).collect();
    for one in &sent {
        client.send_to(one, listener.local_addr()).unwrap();
    }
    let got = receive(&listener, sent.len()).await;
    assert!(got.iter().zip(&sent).all(|((_, got), sent)| got == sent));
    let (flow, _) = got[0];
    assert_eq!(
        (flow.client(), flow.local(listener.local_addr())),
        (client.local_addr().unwrap(), listener.local_addr())
    );
    assert_eq!(listener.try_send(flow, &[7; 2500], Some(1000)).unwrap(), 2500);
    let mut buf = [0; 2000];
    for length in [1000, 1000, 500] {
        assert_eq!(client.recv(&mut buf).unwrap(), length);
    }
}

#[tokio::test]
async fn endpoint_where_nobody_listens_is_told_as_refused() {
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let link = UdpLink::connect(closed).unwrap();
    link.try_send(b"ask").unwrap();
    let mut buf = vec![0; LARGEST];
    let refused = loop {
        rt::timeout(Duration::from_secs(20), link.readable()).await.unwrap().unwrap();
        match link.try_recv(&mut buf) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => break e,
            Ok(n) => panic!("{n} bytes"),
        }
    };
    assert_eq!(DialError::new(closed, refused).kind, crate::dial::DialErrorKind::Refused);
}

#[tokio::test]
async fn client_that_is_gone_does_not_stop_the_listener() {
    let listener = listener(([127, 0, 0, 1], 0));
    let gone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    gone.send_to(b"ask", listener.local_addr()).unwrap();
    let (flow, _) = receive(&listener, 1).await.pop().unwrap();
    drop(gone);
    for _ in 0..3 {
        listener.try_send(flow, b"answer", None).unwrap();
    }
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"next", listener.local_addr()).unwrap();
    assert_eq!(receive(&listener, 1).await[0].1, b"next");
}

#[tokio::test]
async fn port_that_another_one_has_is_refused_with_a_remedy() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = UdpSet::open(&ListenOptions::new(taken.local_addr().unwrap()), 2).unwrap_err();
    assert!(error.to_string().contains("stop it or choose another port"), "{error}");
    let own = UdpSet::open(&ListenOptions::new(SocketAddr::from(([127, 0, 0, 1], 0))), 2).unwrap();
    assert!(UdpSet::open(&ListenOptions::new(own.local_addr()), 2).is_err(), "a second copy would take half");
    assert!(!os::SHARES_PORT || UdpSet::open_beside(&ListenOptions::new(own.local_addr()), 2).is_ok());
}
