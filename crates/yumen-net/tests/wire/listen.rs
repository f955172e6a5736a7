use std::net::SocketAddr;

use tokio::net::TcpStream;
use yumen_net::dial::{self, DialErrorKind, DialOptions};
use yumen_net::listen::{ListenOptions, ListenSet, Listener};

fn local(port: u16) -> ListenOptions {
    ListenOptions::new(SocketAddr::from(([127, 0, 0, 1], port)))
}

#[tokio::test]
async fn port_0_is_one_port_for_all_workers() {
    let set = ListenSet::open(&local(0), 3).unwrap();
    let addr = set.local_addr();
    assert_ne!(addr.port(), 0);
    for bound in set.into_listeners() {
        assert_eq!(Listener::start(bound).unwrap().local_addr().unwrap(), addr);
    }
}

#[tokio::test]
async fn a_taken_port_names_address_cause_and_remedy() {
    let held = ListenSet::open(&local(0), 1).unwrap();
    let text = ListenSet::open(&local(held.local_addr().port()), 2).unwrap_err().to_string();
    assert!(text.starts_with(&format!("cannot listen on {}: ", held.local_addr())), "{text}");
    assert!(text.contains("another process holds port"), "{text}");
}

#[tokio::test]
async fn a_foreign_address_is_said_to_be_one() {
    let text = ListenSet::open(&ListenOptions::new("192.0.2.1:0".parse().unwrap()), 1).unwrap_err().to_string();
    assert!(text.contains("no interface of this machine has the address 192.0.2.1"), "{text}");
}

#[tokio::test]
async fn what_waits_in_the_queue_can_be_taken_before_closing() {
    let set = ListenSet::open(&local(0), 1).unwrap();
    let addr = set.local_addr();
    let listener = Listener::start(set.into_listeners().pop().unwrap()).unwrap();
    assert!(listener.drain_accept(10).is_empty());
    let client = TcpStream::connect(addr).await.unwrap();
    let taken = listener.drain_accept(10);
    assert_eq!(taken.iter().map(|(_, peer)| *peer).collect::<Vec<_>>(), [client.local_addr().unwrap()]);
    assert!(taken[0].0.nodelay().unwrap());
}

#[tokio::test]
async fn nobody_listening_is_a_refusal() {
    let addr = ListenSet::open(&local(0), 1).unwrap().local_addr();
    let error = dial::connect(addr, &DialOptions::default()).await.unwrap_err();
    assert_eq!(error.kind, DialErrorKind::Refused);
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
}
