//! Early data: answered before the handshake is complete, by what may be, and never twice.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h3_quinn::OpenStreams;
use yumen_test::PATIENCE;

use super::{Answer, Client, answer, config, send, site, speak};
use crate::ends::{Manner, Origin, field};
use crate::gateway::until;
use crate::site::Site;

/// A way to the gateway that holds the end of the handshake back until it is told to let it through.
struct Way {
    addr: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    out: UdpSocket,
}

#[derive(Default)]
struct Shared {
    is_open: bool,
    held: Vec<Vec<u8>>,
    /// What began a connection.
    first: Vec<Vec<u8>>,
}

impl Way {
    fn to(site: &Site) -> Self {
        let near = UdpSocket::bind("127.0.0.1:0").unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        far.connect(site.addr("web")).unwrap();
        let (addr, shared) = (near.local_addr().unwrap(), Arc::new(Mutex::new(Shared::default())));
        let client = Arc::new(Mutex::new(None));
        let (own, known, to, out) =
            (Arc::clone(&shared), Arc::clone(&client), far.try_clone().unwrap(), far.try_clone().unwrap());
        let from = near.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((n, peer)) = from.recv_from(&mut buffer) {
                *known.lock().unwrap() = Some(peer);
                let mut shared = own.lock().unwrap();
                let begins = begins(&buffer[..n]);
                if begins {
                    shared.first.push(buffer[..n].to_vec());
                }
                if shared.is_open || begins {
                    to.send(&buffer[..n]).unwrap_or_default();
                } else {
                    shared.held.push(buffer[..n].to_vec());
                }
            }
        });
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok(n) = far.recv(&mut buffer) {
                if let Some(peer) = *client.lock().unwrap() {
                    near.send_to(&buffer[..n], peer).unwrap_or_default();
                }
            }
        });
        Self { addr, shared, out }
    }

    fn open(&self) {
        let mut shared = self.shared.lock().unwrap();
        shared.is_open = true;
        for datagram in shared.held.drain(..) {
            self.out.send(&datagram).unwrap();
        }
    }

    fn first(&self) -> Vec<Vec<u8>> {
        self.shared.lock().unwrap().first.clone()
    }
}

/// Whether all packets of a datagram are of the beginning: Initial or 0-RTT (RFC 9000 section 17.2).
fn begins(mut datagram: &[u8]) -> bool {
    while let [first, ..] = datagram {
        let kind = (first & 0x30) >> 4;
        if first & 0x80 == 0 || kind > 1 {
            return false;
        }
        let mut at = 5;
        at += 1 + usize::from(datagram[at]);
        at += 1 + usize::from(datagram[at]);
        if kind == 0 {
            let (token, used) = number(&datagram[at..]);
            at += used + token;
        }
        let (length, used) = number(&datagram[at..]);
        datagram = &datagram[(at + used + length).min(datagram.len())..];
    }
    true
}

/// A variable-length integer and how long it is (RFC 9000 section 16).
fn number(bytes: &[u8]) -> (usize, usize) {
    let used = 1 << (bytes[0] >> 6);
    let value = bytes[1..used].iter().fold(usize::from(bytes[0] & 0x3f), |n, b| n << 8 | usize::from(*b));
    (value, used)
}

/// With proven addresses: else the gateway may not send more than three times what it got, and while the client's
/// acknowledgements are held back it would soon have to wait.
const ON: &str = "{ early_data: true, retry: always }";

/// Another connection of a client, begun with early data.
struct Again {
    connection: quinn::Connection,
    accepted: quinn::ZeroRttAccepted,
    requests: h3::client::SendRequest<OpenStreams, Bytes>,
}

/// Connects again and asks at once.
fn again(client: &Client, to: SocketAddr) -> Again {
    client.runtime.block_on(async {
        let connecting = client.endpoint.connect(to, "one.test").unwrap();
        let Ok((connection, accepted)) = connecting.into_0rtt() else { panic!("no ticket for early data") };
        let requests = speak(&connection).await.unwrap();
        Again { connection, accepted, requests }
    })
}

impl Again {
    fn ask(&mut self, client: &Client, method: &str, fields: &[(&str, &str)]) -> Answer {
        let asked = async {
            let mut stream = send(&mut self.requests, (method, "https://one.test/early"), fields, b"").await.unwrap();
            answer(&mut stream).await.unwrap()
        };
        client.runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await.expect("an answer in time") })
    }
}

/// A client with a ticket.
fn known(site: &Site) -> Client {
    let mut client = Client::connect(site);
    assert_eq!(client.get("/first").status, 200);
    client
}

#[test]
fn safe_request_is_answered_before_the_handshake_is_complete() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, ON);
    let client = known(&site);
    let way = Way::to(&site);
    let mut again = again(&client, way.addr);
    // What the client says of it is one field among ours.
    let got = again.ask(&client, "GET", &[("early-data", "1"), ("early-data", "0")]);
    assert_eq!((got.status, got.body.as_slice()), (200, &b"hello"[..]));
    assert!(!way.shared.lock().unwrap().is_open, "the handshake is not complete");
    let asked = origin.last();
    assert_eq!(field(&asked, "early-data").as_deref(), Some("1"), "{asked}");
    assert_eq!(asked.to_ascii_lowercase().matches("early-data").count(), 1, "{asked}");
    let line = site.wait_access(|line| line["path"] == "/early");
    assert_eq!((&line["early_data"], &line["status"]), (&true.into(), &200.into()), "{line}");
    assert_eq!(site.metric("yumen_listener_early_data_requests_total{listener=\"web\"}"), 1.0);
    way.open();
    assert!(client.runtime.block_on(async { tokio::time::timeout(PATIENCE, &mut again.accepted).await.unwrap() }));
    until("the end of the handshake", || {
        again.ask(&client, "GET", &[]);
        field(&origin.last(), "early-data").is_none().then_some(())
    });
    assert!(again.connection.close_reason().is_none());
    assert_eq!(site.metric("yumen_listener_handshake_failures_total{listener=\"web\"}"), 0.0);
}

#[test]
fn request_that_is_not_safe_waits_for_the_handshake() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, ON);
    let client = known(&site);
    let way = Way::to(&site);
    let mut again = again(&client, way.addr);
    let mut waiting = Vec::new();
    for (method, body) in [("POST", &b"text"[..]), ("DELETE", b""), ("GET", b"text")] {
        let sent = send(&mut again.requests, (method, "https://one.test/late"), &[], body);
        waiting.push(client.runtime.block_on(sent).unwrap());
    }
    assert_eq!(again.ask(&client, "HEAD", &[]).status, 200);
    let asked =
        || origin.requests().iter().map(|(head, _)| head.lines().next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(asked(), ["GET /first HTTP/1.1", "HEAD /early HTTP/1.1"]);
    way.open();
    for mut stream in waiting {
        let got = client.runtime.block_on(async { tokio::time::timeout(PATIENCE, answer(&mut stream)).await.unwrap() });
        assert_eq!(got.unwrap().status, 200);
    }
    let late = origin.requests().split_off(2);
    assert_eq!(late.len(), 3);
    assert!(late.iter().all(|(head, _)| field(head, "early-data").is_none()), "{late:?}");
}

#[test]
fn endpoint_that_wants_no_early_data_says_so_to_the_client() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, ON);
    let client = known(&site);
    origin.set(Manner::Says(425, "later".into()));
    let way = Way::to(&site);
    let mut again = again(&client, way.addr);
    assert_eq!(again.ask(&client, "GET", &[]).status, 425);
    origin.set(Manner::Says(200, "now".into()));
    way.open();
    assert_eq!(again.ask(&client, "GET", &[]).body, b"now");
}

#[test]
fn copy_of_early_data_is_not_asked_again() {
    let origin = Origin::named("hello");
    // A copy cannot prove its address, so nobody has to.
    let (site, _authority) = site(&origin, "{ early_data: true }");
    let mut client = known(&site);
    let way = Way::to(&site);
    way.open();
    let mut again = again(&client, way.addr);
    assert_eq!(again.ask(&client, "GET", &[]).status, 200);
    let flight = way.first();
    assert!(client.runtime.block_on(async { tokio::time::timeout(PATIENCE, &mut again.accepted).await.unwrap() }));
    again.connection.close(0x100u32.into(), b"");
    until("the end of the connection", || {
        let open = site.metric("yumen_listener_active_connections{listener=\"web\"}");
        (open <= 1.0).then_some(())
    });
    let before = site.metric("yumen_listener_connections_total{listener=\"web\"}");
    let thief = UdpSocket::bind("127.0.0.1:0").unwrap();
    thief.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    // An endpoint keeps the ids of a connection for a while; what comes for them begins no other one.
    until("an answer to the copy", || {
        for datagram in &flight {
            thief.send_to(datagram, site.addr("web")).unwrap();
        }
        thief.recv(&mut [0; 2048]).unwrap_or_default();
        (site.metric("yumen_listener_connections_total{listener=\"web\"}") > before).then_some(())
    });
    assert_eq!(client.get("/last").status, 200);
    let asked: Vec<String> = origin.requests().into_iter().map(|(head, _)| head).collect();
    assert_eq!(asked.iter().filter(|head| head.starts_with("GET /early ")).count(), 1, "{asked:?}");
}

#[test]
fn early_data_that_is_taken_away_is_refused_to_old_tickets() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, ON);
    let mut client = known(&site);
    site.change(&config(&origin, "true", ""));
    let to = site.addr("web");
    let connected = client.runtime.block_on(async {
        let connecting = client.endpoint.connect(to, "one.test").unwrap();
        let Ok((connection, accepted)) = connecting.into_0rtt() else { panic!("no ticket for early data") };
        assert!(!accepted.await, "a ticket of before");
        // The connection itself stands.
        let requests = speak(&connection).await.unwrap();
        (connection, requests)
    });
    (client.connection, client.requests) = connected;
    assert!(client.ask("POST", "/", &[], b"text").is_ok());
}

#[test]
fn client_that_never_completes_its_handshake_is_given_up() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, ON);
    site.change(&config(&origin, ON, ", timeouts: { handshake: 3s }"));
    let client = known(&site);
    let way = Way::to(&site);
    let mut again = again(&client, way.addr);
    assert_eq!(again.ask(&client, "GET", &[]).status, 200);
    let line = site.wait_access(|line| line["reason"] == "handshake_timeout");
    assert_eq!((&line["protocol"], &line["sni"]), (&"quic".into(), &"one.test".into()), "{line}");
    assert_eq!(site.metric("yumen_listener_handshake_failures_total{listener=\"web\"}"), 1.0);
    until("its end", || (site.metric("yumen_listener_active_connections{listener=\"web\"}") <= 1.0).then_some(()));
}
