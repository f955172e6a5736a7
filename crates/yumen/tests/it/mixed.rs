//! Clients of every protocol at the same time, while the configuration changes and another process takes over: nobody is
//! refused, and nothing that was begun is cut off.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use crate::authority::Authority;
use crate::ends::{Client, Origin};
use crate::gateway::until;
use crate::grpc;
use crate::http3;
use crate::site::Site;
use crate::websocket::{self, Echo, Socket};

/// What runs for all clients.
struct Ends {
    page: Origin,
    other: Origin,
    calls: grpc::Server,
    chat: Echo,
    datagrams: SocketAddr,
    bytes: SocketAddr,
}

impl Ends {
    fn start() -> Self {
        Self {
            page: Origin::named("page"),
            other: Origin::named("page"),
            calls: grpc::Server::start(),
            chat: Echo::start(),
            datagrams: echo_of_datagrams(),
            bytes: echo_of_bytes(),
        }
    }

    /// A configuration; each `turn` is another one.
    fn config(&self, turn: usize) -> String {
        let (page, balance) = match turn % 3 {
            0 => (self.page.addr, "round_robin"),
            1 => (self.other.addr, "least_connections"),
            _ => (self.page.addr, "p2c_ewma"),
        };
        let certificate = ["one", "two"][turn % 2];
        format!(
            "runtime: {{ workers: 2, drain_timeout: 60s }}\n\
             listeners:\n  plain: {{ bind: \"127.0.0.1:0\", http2: {{ cleartext: true }} }}\n  \
             web: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: {{ cert: {certificate}.pem, key: {certificate}.key }} }}, \
             http3: true }}\n  \
             bytes: {{ bind: \"127.0.0.1:0\", protocol: tcp, upstream: bytes }}\n  \
             datagrams: {{ bind: \"127.0.0.1:0\", protocol: udp, upstream: datagrams }}\n\
             routes:\n  chat: {{ match: {{ path: /chat }}, upstream: chat }}\n  \
             calls: {{ match: {{ path: {{ prefix: /t.Test }} }}, upstream: calls }}\n  \
             turn{turn}: {{ upstream: page }}\n\
             upstreams:\n  page: {{ endpoints: [\"{page}\"], balance: {balance} }}\n  \
             calls: {{ endpoints: [\"{}\"], protocol: h2c, balance: {balance} }}\n  \
             chat: {{ endpoints: [\"{}\"], balance: {balance} }}\n  \
             bytes: {{ endpoints: [\"{}\"], balance: {balance} }}\n  \
             datagrams: {{ endpoints: [\"{}\"], balance: {balance} }}\n",
            self.calls.addr, self.chat.addr, self.bytes, self.datagrams
        )
    }
}

fn echo_of_datagrams() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    spawn(move || {
        let mut buf = [0; 64];
        while let Ok((n, from)) = socket.recv_from(&mut buf) {
            socket.send_to(&buf[..n], from).unwrap();
        }
    });
    addr
}

fn echo_of_bytes() -> SocketAddr {
    let (listener, addr) = crate::ends::listen();
    spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
    addr
}

/// One kind of client: it goes on until it is over, and panics at the first failure.
struct Kind {
    name: &'static str,
    over: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    client: JoinHandle<()>,
}

impl Kind {
    fn end(self, site: &Site) {
        self.over.store(true, Relaxed);
        assert!(self.client.join().is_ok(), "{} failed: {}", self.name, site.log());
    }
}

struct Crowd(Vec<Kind>);

/// How a client tells that something was done, and learns whether it is over.
struct Tally {
    over: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
}

impl Tally {
    fn goes_on(&self) -> bool {
        self.done.fetch_add(1, Relaxed);
        // No kind takes the machine from the others.
        std::thread::park_timeout(Duration::from_millis(2));
        !self.over.load(Relaxed)
    }
}

impl Crowd {
    fn add(&mut self, name: &'static str, run: impl FnOnce(Tally) + Send + 'static) {
        let (over, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let tally = Tally { over: Arc::clone(&over), done: Arc::clone(&done) };
        self.0.push(Kind { name, over, done, client: spawn(move || run(tally)) });
    }

    /// Waits until each kind has done more.
    fn go_on(&self, site: &Site) {
        for kind in &self.0 {
            let before = kind.done.load(Relaxed);
            until(kind.name, || {
                assert!(!kind.client.is_finished(), "{} failed: {}", kind.name, site.log());
                (kind.done.load(Relaxed) > before + 3).then_some(())
            });
        }
    }

    /// Ends all.
    fn end(self, site: &Site) {
        self.0.into_iter().for_each(|kind| kind.end(site));
    }

    /// Clients of every protocol.
    fn start(site: &Arc<Site>) -> Self {
        let mut crowd = Self(Vec::new());
        let [plain, safe, bytes, datagrams] = ["plain", "web", "bytes", "datagrams"].map(|name| site.addr(name));
        crowd.add("HTTP/1.1 on kept connections", move |tally| {
            while tally.goes_on() {
                let mut client = Client::connect(plain);
                loop {
                    let answer = client.get("/");
                    assert_eq!(answer.status, 200, "{}", answer.head);
                    if answer.closes() || !tally.goes_on() {
                        break;
                    }
                }
            }
        });
        crowd.add("HTTP/1.1 on new connections", move |tally| {
            while tally.goes_on() {
                assert_eq!(crate::ends::get(plain, "/").status, 200);
            }
        });
        let ca = site.folder().join("ca.pem");
        for (name, version) in [("HTTP/1.1 and TLS", "--http1.1"), ("HTTP/2 and TLS", "--http2")] {
            let ca = ca.clone();
            crowd.add(name, move |tally| {
                while tally.goes_on() {
                    let mut curl = Command::new("curl");
                    curl.args(["-sS", "--fail", "--max-time", "60", version, "--cacert"]).arg(&ca);
                    curl.args(["--resolve", &format!("one.test:{}:127.0.0.1", safe.port())]);
                    let output = curl.arg(format!("https://one.test:{}/[1-20]", safe.port())).output().unwrap();
                    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                    assert_eq!(output.stdout.len(), 20 * "page".len());
                }
            });
        }
        crowd.add("gRPC", move |tally| {
            let mut calls = grpc::Client::start(plain, "busy");
            while calls.line() == "done" {
                if !tally.goes_on() {
                    return calls.finish();
                }
            }
            panic!("a call failed");
        });
        crowd.add("WebSocket over HTTP/1.1", move |tally| chats(websocket::Plain::open(plain), &tally));
        crowd.add("WebSocket over HTTP/2", move |tally| chats(websocket::Stream::open(plain), &tally));
        crowd.add("TCP", move |tally| {
            let mut client = Client::connect(bytes);
            while tally.goes_on() {
                client.send(b"there and back");
                assert_eq!(client.exactly(14), b"there and back");
            }
        });
        crowd.add("UDP", move |tally| {
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.set_read_timeout(Some(yumen_test::PATIENCE)).unwrap();
            let mut buf = [0; 64];
            while tally.goes_on() {
                client.send_to(b"there and back", datagrams).unwrap();
                assert_eq!(client.recv(&mut buf).unwrap(), 14);
            }
        });
        let site = Arc::clone(site);
        crowd.add("HTTP/3", move |tally| {
            let mut client = http3::Client::connect(&site);
            while tally.goes_on() {
                match client.ask("GET", "/", &[], b"") {
                    Ok(answer) => assert_eq!(answer.status, 200),
                    // It was told that the server goes away, and asks nothing more on that connection.
                    Err(error) if error.contains("Remote is closing") => client = http3::Client::connect(&site),
                    Err(error) => panic!("{error}"),
                }
            }
        });
        crowd
    }
}

/// Says something on a WebSocket again and again, and hears it back.
fn chats(mut socket: impl Socket, tally: &Tally) {
    while tally.goes_on() {
        socket.send(&websocket::message(b"there and back"));
        assert_eq!(socket.exactly(16)[2..], *b"there and back");
    }
}

fn site(ends: &Ends) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("one", "one", &["one.test"]);
    authority.issue("two", "two", &["one.test"]);
    Site::start_in(folder, &ends.config(0))
}

#[test]
fn reloads_fail_and_cut_off_nobody_of_any_protocol() {
    let ends = Ends::start();
    let site = Arc::new(site(&ends));
    let crowd = Crowd::start(&site);
    crowd.go_on(&site);
    for turn in 1..7 {
        site.change(&ends.config(turn));
        crowd.go_on(&site);
    }
    crowd.end(&site);
    let mut site = Arc::into_inner(site).unwrap();
    site.signal("-TERM");
    assert_eq!(site.end().code(), Some(0), "{}", site.log());
}

#[cfg(target_os = "linux")]
#[test]
fn upgrades_between_reloads_fail_and_cut_off_nobody_of_any_protocol() {
    let ends = Ends::start();
    let site = Arc::new(site(&ends));
    let crowd = Crowd::start(&site);
    let mut successors = crate::upgrade::Successors::default();
    for turn in 1..3 {
        crowd.go_on(&site);
        successors.upgrade(&site);
        crowd.go_on(&site);
        site.change(&ends.config(turn));
    }
    crowd.go_on(&site);
    crowd.end(&site);
    let mut site = Arc::into_inner(site).unwrap();
    assert_eq!(site.end().code(), Some(0), "{}", site.log());
}
