//! Tests of listening.
#![allow(clippy::unwrap_used, reason = "tests")]

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

fn loopback() -> ListenOptions {
    ListenOptions::new("127.0.0.1:0".parse().unwrap())
}

#[tokio::test]
async fn port_0_gives_all_workers_the_same_port() {
    let set = ListenSet::open(&loopback(), 3).unwrap();
    let addr = set.local_addr();
    assert_ne!(addr.port(), 0);
    if os::SHARES_PORT {
        assert!(!set.is_shared());
        let listeners: Vec<_> = set.into_listeners().into_iter().map(|l| Listener::start(l).unwrap()).collect();
        assert_eq!(listeners.len(), 3);
        assert!(listeners.iter().all(|l| l.local_addr().unwrap() == addr));
    } else {
        assert!(set.is_shared());
        assert_eq!(set.into_listeners().len(), 1);
    }
}

#[tokio::test]
async fn accepted_connection_does_not_delay_small_writes() {
    let set = ListenSet::open(&loopback(), 1).unwrap();
    let addr = set.local_addr();
    let listener = Listener::start(set.into_listeners().remove(0)).unwrap();
    let client = TcpStream::connect(addr).await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    assert!(stream.nodelay().unwrap());
    assert_eq!(peer, client.local_addr().unwrap());
}

#[test]
fn taken_port_is_refused_with_a_remedy_even_by_another_copy_of_us() {
    let set = ListenSet::open(&loopback(), 2).unwrap();
    let mut options = loopback();
    options.addr = set.local_addr();
    let text = ListenSet::open(&options, 2).unwrap_err().to_string();
    assert!(
        text.starts_with(&format!("cannot listen on {}: ", options.addr))
            && text.contains("another process holds port"),
        "{text}"
    );
    if os::SHARES_PORT {
        options.backlog = 16;
        assert_eq!(ListenSet::open_beside(&options, 2).unwrap().local_addr(), options.addr);
    }
}

#[test]
fn foreign_address_is_refused_with_a_remedy() {
    let options = ListenOptions::new("192.0.2.1:0".parse().unwrap());
    let text = ListenSet::open(&options, 1).unwrap_err().to_string();
    assert!(text.contains("no interface of this machine has the address 192.0.2.1"), "{text}");
}

#[test]
fn low_port_without_the_right_is_explained() {
    let error = ListenError::new("0.0.0.0:80".parse().unwrap(), io::ErrorKind::PermissionDenied.into());
    let text = error.to_string();
    assert!(text.contains("CAP_NET_BIND_SERVICE") || text.contains("excludedportrange"), "{text}");
}

#[tokio::test]
async fn wildcard_takes_both_families_and_shows_ipv4_as_it_is() {
    let Ok(set) = ListenSet::open(&ListenOptions::new("[::]:0".parse().unwrap()), 1) else {
        return; // no IPv6 on this machine
    };
    let port = set.local_addr().port();
    let listener = Listener::start(set.into_listeners().remove(0)).unwrap();
    let client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (_, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
}

#[tokio::test]
async fn connections_in_the_queue_are_served_before_the_listener_goes() {
    let set = ListenSet::open(&loopback(), 1).unwrap();
    let addr = set.local_addr();
    let listener = Listener::start(set.into_listeners().remove(0)).unwrap();
    assert!(listener.drain_accept(10).is_empty());
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(TcpStream::connect(addr).await.unwrap());
    }
    assert_eq!(listener.drain_accept(2).len(), 2);
    let mut taken = listener.drain_accept(100);
    assert_eq!(taken.len(), 3);
    drop(listener);
    let (stream, peer) = taken.last_mut().unwrap();
    assert!(stream.nodelay().unwrap());
    stream.write_all(b"x").await.unwrap();
    let client = clients.iter_mut().find(|c| c.local_addr().unwrap() == *peer).unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
}

#[test]
fn connection_moves_to_another_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (packed, mut client) = runtime.block_on(async {
        let set = ListenSet::open(&loopback(), 1).unwrap();
        let addr = set.local_addr();
        let listener = Listener::start(set.into_listeners().remove(0)).unwrap();
        let client = std::net::TcpStream::connect(addr).unwrap();
        (HandedOver::pack(listener.accept().await.unwrap().0).unwrap(), client)
    });
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { packed.unpack().unwrap().write_all(b"moved").await.unwrap() });
    })
    .join()
    .unwrap();
    let mut text = String::new();
    io::Read::read_to_string(&mut client, &mut text).unwrap();
    assert_eq!(text, "moved");
}

#[tokio::test]
async fn port_that_is_closed_a_moment_later_is_waited_for_where_that_can_happen() {
    let set = ListenSet::open(&loopback(), 1).unwrap();
    let mut options = loopback();
    options.addr = set.local_addr();
    let (mut set, mut attempts) = (Some(set), 0);
    let opened = patiently(|| {
        attempts += 1;
        if attempts == 3 {
            set.take();
        }
        ListenSet::open(&options, 1)
    })
    .await;
    let expected = if os::PORT_PATIENCE.is_zero() { (true, 1) } else { (false, 3) };
    assert_eq!((opened.is_err(), attempts), expected);
}

#[tokio::test]
async fn mistaken_address_is_not_waited_for() {
    let mut attempts = 0;
    let foreign = ListenOptions::new("192.0.2.1:0".parse().unwrap());
    let opened = patiently(|| {
        attempts += 1;
        ListenSet::open(&foreign, 1)
    });
    assert!(opened.await.is_err());
    assert_eq!(attempts, 1);
}
