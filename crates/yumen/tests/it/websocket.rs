//! WebSockets through the gateway, over HTTP/1.1 and HTTP/2 on either side. The server is the `websockets` library of
//! Python, the endpoint that speaks HTTP/2 is nghttpx in front of it; what they answer without the gateway is the measure.

mod deflate;
mod frames;
mod limits;
mod sockets;
mod utf8;

use std::env::consts::EXE_SUFFIX;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use frames::{cases, closing};
use sockets::Wish;
use tempfile::TempDir;

use crate::ends::Origin;
use crate::gateway::{slashed, until};
use crate::site::Site;
pub(crate) use frames::message;
pub(crate) use sockets::{Plain, Socket, Stream};

/// A process that is ended with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A server that sends back what it gets.
pub(crate) struct Echo {
    pub(crate) addr: SocketAddr,
    _process: Ended,
    _folder: TempDir,
}

impl Echo {
    /// Messages, by the library. On `/deflate/…` it compresses, see `echo.py`.
    pub(crate) fn start() -> Self {
        Self::of("echo.py")
    }

    /// Bytes, whatever they are: what comes back is what reached it.
    fn mirror() -> Self {
        Self::of("mirror.py")
    }

    fn of(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("port");
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = python(script);
        command.arg(slashed(&file)).stdout(Stdio::null()).stderr(log);
        let process = Ended(command.spawn().unwrap());
        let port = until("the echo server (Debian's python3-websockets)", || {
            std::fs::read_to_string(&file).ok()?.parse::<u16>().ok()
        });
        Self { addr: SocketAddr::from(([127, 0, 0, 1], port)), _process: process, _folder: folder }
    }
}

/// A script beside this file, with the `websockets` library.
fn python(script: &str) -> Command {
    // That of the system, which has the packages of Debian.
    let mut python = Command::new(if EXE_SUFFIX.is_empty() { "/usr/bin/python3" } else { "python3" });
    python.arg(slashed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/websocket").join(script)));
    python
}

/// nghttpx in front of a server, for clients that begin with HTTP/2.
fn nghttpx(to: SocketAddr) -> (SocketAddr, Ended) {
    started("nghttpx", |port| {
        let ends = [format!("--frontend=127.0.0.1,{port};no-tls"), format!("--backend=127.0.0.1,{}", to.port())];
        ends.into_iter().chain(["--workers=1", "--no-ocsp", "--conf=/dev/null"].map(str::to_owned)).collect()
    })
}

/// nghttpd, which serves files by HTTP/2 and nothing else.
fn nghttpd() -> (SocketAddr, Ended) {
    started("nghttpd", |port| vec!["--no-tls".to_owned(), "--address=127.0.0.1".to_owned(), port.to_string()])
}

/// A program that has to be told its port: one that was free a moment ago is tried until one still is.
fn started(name: &str, arguments: impl Fn(u16) -> Vec<String>) -> (SocketAddr, Ended) {
    until(name, || {
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(name);
        command.args(arguments(addr.port()));
        let mut process = Ended(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let is_up = until(name, || match process.0.try_wait().unwrap() {
            Some(_) => Some(false),
            None => TcpStream::connect(addr).ok().map(|_| true),
        });
        is_up.then_some((addr, process))
    })
}

/// A gateway whose listener takes both versions.
fn site(upstream: &str, more: &str) -> Site {
    Site::start(&format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\", http2: {{ cleartext: true }} }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\nupstreams: {{ up: {{ {upstream} }} }}\n{more}"
    ))
}

fn played(mut socket: impl Socket, frames: &[u8]) -> Vec<u8> {
    socket.send(frames);
    socket.rest()
}

/// Judges a gateway by what the server says without one.
fn judge(server: &Echo, site: &Site) {
    let addr = site.addr("web");
    for (name, frames) in cases() {
        let direct = played(Plain::open(server.addr), &frames);
        assert!(!direct.is_empty(), "{name}");
        let shown = |bytes: &[u8]| format!("{} bytes, {:02x?}", bytes.len(), bytes.iter().take(40).collect::<Vec<_>>());
        let plain = played(Plain::open(addr), &frames);
        assert!(plain == direct, "{name} over HTTP/1.1: {} instead of {}", shown(&plain), shown(&direct));
        let stream = played(Stream::open(addr), &frames);
        assert!(stream == direct, "{name} over HTTP/2: {} instead of {}", shown(&stream), shown(&direct));
    }
}

#[test]
fn frames_pass_as_they_are_to_an_endpoint_of_http_1_1() {
    let server = Echo::start();
    judge(&server, &site(&format!("endpoints: [\"{}\"]", server.addr), ""));
}

#[test]
fn frames_pass_as_they_are_to_an_endpoint_of_http_2() {
    let server = Echo::start();
    let (addr, _nghttpx) = nghttpx(server.addr);
    judge(&server, &site(&format!("endpoints: [\"{addr}\"], protocol: h2c"), ""));
}

#[test]
fn client_of_a_library_hears_back_what_it_says() {
    let server = Echo::start();
    let (over_http2, _nghttpx) = nghttpx(server.addr);
    for upstream in
        [format!("endpoints: [\"{}\"]", server.addr), format!("endpoints: [\"{over_http2}\"], protocol: h2c")]
    {
        let site = site(&upstream, "");
        let output = python("client.py").arg(format!("ws://{}/chat", site.addr("web"))).output().unwrap();
        assert!(output.status.success(), "{upstream}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn open_sockets_survive_a_reload_and_are_told_in_the_log() {
    let server = Echo::start();
    let upstream = format!("endpoints: [\"{}\"]", server.addr);
    let site = site(&upstream, "");
    let addr = site.addr("web");
    let sockets: [Box<dyn Socket>; 2] = [Box::new(Plain::open(addr)), Box::new(Stream::open(addr))];
    let config = std::fs::read_to_string(site.file()).unwrap();
    site.change(&config.replace("all:", "other:"));
    for mut socket in sockets {
        socket.send(&message(b"still here"));
        assert_eq!(socket.exactly(12), b"\x81\x0astill here");
        socket.send(&closing(1000));
        assert_eq!(socket.rest(), b"\x88\x02\x03\xe8");
    }
    let line = site.wait_access(|line| line["status"] == 200);
    assert_eq!((line["protocol"].as_str(), line["bytes_out"].as_u64()), (Some("HTTP/2"), Some(16)), "{line}");
    site.wait_access(|line| line["status"] == 101 && line["bytes_out"] == 16);
}

#[test]
fn silent_socket_is_ended_after_the_time_of_its_own() {
    let server = Echo::start();
    let upstream = format!("endpoints: [\"{}\"], timeouts: {{ tunnel_idle: 400ms }}", server.addr);
    let site = site(&upstream, "");
    let addr = site.addr("web");
    let sockets: [Box<dyn Socket>; 2] = [Box::new(Plain::open(addr)), Box::new(Stream::open(addr))];
    for mut socket in sockets {
        assert_eq!(socket.rest(), b"");
    }
    until("both lines", || {
        (site.access().iter().filter(|line| line["reason"] == "tunnel_idle_timeout").count() == 2).then_some(())
    });
}

#[test]
fn endpoint_that_does_not_change_the_protocol_is_no_tunnel() {
    let origin = Origin::named("no socket here");
    let site = site(&format!("endpoints: [\"{}\"]", origin.addr), "");
    let addr = site.addr("web");
    // To a CONNECT a 200 would mean that the tunnel stands.
    assert_eq!(Stream::ask(addr, "websocket", &Wish::CHAT).0, 502);
    site.wait_access(|line| line["reason"] == "upgrade_failed");
    assert!(Plain::ask(addr, &Wish::CHAT).0.starts_with("HTTP/1.1 200 "));
    assert_eq!(Stream::ask(addr, "connect-udp", &Wish::CHAT).0, 501);
    site.wait_access(|line| line["reason"] == "unknown_protocol");
}

#[test]
fn endpoint_of_http_2_that_takes_no_extended_connect_is_told() {
    let server = Echo::start();
    let inner = Site::start(&format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\", http2: {{ cleartext: true }} }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\nupstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n",
        server.addr
    ));
    // Ours takes one: two of us one behind the other are as one.
    let outer = site(&format!("endpoints: [\"{}\"], protocol: h2c", inner.addr("web")), "");
    let mut socket = Stream::open(outer.addr("web"));
    socket.send(&message(b"hello"));
    assert_eq!(socket.exactly(7), b"\x81\x05hello");
    let (none, _nghttpd) = nghttpd();
    let site = site(&format!("endpoints: [\"{none}\"], protocol: h2c"), "");
    let (head, _) = Plain::ask(site.addr("web"), &Wish::CHAT);
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    let line = site.wait_access(|line| line["reason"] == "upgrade_failed");
    assert!(line.to_string().contains("RFC 8441"), "{line}");
}
