//! The clients of HTTP/1.1 and of relays: `wrk` and `openssl s_time` for rates, and small ones of our own for what those
//! cannot do: a relayed stream, a steady load that sorts its failures.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::process::{output, words};
use super::proxies::Site;

const PATIENCE: Duration = Duration::from_secs(10);

/// What a client of requests measured.
pub(crate) struct Rate {
    pub(crate) requests: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) errors: f64,
}

/// Runs `wrk` with `kind` as bench/load.lua knows it ("get", "post 10240", "close").
pub(crate) fn wrk(site: &Site, url: &str, kind: &str, connections: usize, seconds: u64) -> Result<Rate> {
    let script = crate::root()?.join("bench/load.lua").display().to_string();
    let (connections, duration) = (format!("-c{connections}"), format!("-d{seconds}s"));
    let mut command =
        words(["taskset", "-c", &site.load_cores, "wrk", "-t1", &connections, &duration, "--timeout", "5s"]);
    command.extend(words(["-s", &script, url, "--"]));
    command.extend(kind.split(' ').map(str::to_owned));
    let text = output(&command, Duration::from_secs(seconds + 15))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("RESULT "))
        .with_context(|| format!("wrk printed no result: {text}"))?;
    let value: serde_json::Value = serde_json::from_str(line)?;
    let number = |name: &str| value[name].as_f64().unwrap_or(0.0);
    let (requests, micros) = (number("requests"), number("duration"));
    ensure!(requests > 0.0 && micros > 0.0, "no request to {url} was answered");
    Ok(Rate {
        requests,
        per_second: requests * 1e6 / micros,
        p50_ms: number("p50") / 1e3,
        p99_ms: number("p99") / 1e3,
        errors: number("errors"),
    })
}

/// Full TLS handshakes, one after the other in each of two clients: how many, and how many per second.
pub(crate) fn handshakes(site: &Site, port: u16, seconds: u64) -> Result<(f64, f64)> {
    let address = format!("127.0.0.1:{port}");
    let time = seconds.to_string();
    let command =
        words(["taskset", "-c", &site.load_cores, "openssl", "s_time", "-new", "-connect", &address, "-time", &time]);
    let start = Instant::now();
    let results = std::thread::scope(|scope| {
        let clients = [0, 1].map(|_| scope.spawn(|| output(&command, Duration::from_secs(seconds + 10))));
        clients.map(|client| client.join())
    });
    let elapsed = start.elapsed().as_secs_f64();
    let mut count = 0.0;
    for result in results {
        let text = result.map_err(|_| anyhow::anyhow!("a handshake client panicked"))??;
        // "12345 connections in 1.02s; 12103.9 connections/user sec, bytes read 0"
        let number = text.lines().find_map(|line| line.split_once(" connections in ")?.0.trim().parse::<f64>().ok());
        count += number.with_context(|| format!("openssl s_time printed no count: {text}"))?;
    }
    ensure!(count > 0.0, "no handshake with port {port} succeeded");
    Ok((count, count / elapsed))
}

pub(crate) fn connect(port: u16) -> Result<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port)).with_context(|| format!("cannot connect to port {port}"))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Why a request has no good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection was refused or reset before anything could be sent.
    Connect,
    /// The connection closed before the first byte of an answer.
    Unanswered,
    /// The answer broke off.
    Broken,
    /// The answer was an error.
    Status,
    /// Nothing came for ten seconds.
    Silence,
}

impl Failure {
    pub(crate) const ALL: [Self; 5] = [Self::Connect, Self::Unanswered, Self::Broken, Self::Status, Self::Silence];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Connect => "connect failed",
            Self::Unanswered => "closed without an answer",
            Self::Broken => "answer broke off",
            Self::Status => "error status",
            Self::Silence => "no answer in time",
        }
    }
}

/// One answer: its body, and whether the server will close the connection.
pub(crate) struct Answer {
    body: Vec<u8>,
    closes: bool,
}

/// Sends one GET and reads its answer to the end.
pub(crate) fn exchange(stream: &mut (impl Read + Write), path: &str) -> Result<Answer, Failure> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).and_then(|()| stream.flush()).map_err(|_| Failure::Unanswered)?;
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(answer) = parse(&text)? {
            return Ok(answer);
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Err(if text.is_empty() { Failure::Unanswered } else { Failure::Broken }),
            Ok(count) => text.extend_from_slice(&chunk[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(Failure::Silence);
            }
            Err(_) => return Err(if text.is_empty() { Failure::Unanswered } else { Failure::Broken }),
        }
    }
}

/// The answer in `bytes` once it is complete. All products relay the origin's Content-Length.
fn parse(bytes: &[u8]) -> Result<Option<Answer>, Failure> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    if !head.starts_with("http/1.1 200") {
        return Err(Failure::Status);
    }
    let field =
        |name: &str| head.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()));
    let length: usize = field("content-length").and_then(|value| value.parse().ok()).ok_or(Failure::Broken)?;
    let body = &bytes[end + 4..];
    let closes = field("connection").is_some_and(|value| value == "close");
    Ok((body.len() >= length).then(|| Answer { body: body.to_vec(), closes }))
}

/// Asks for `/generation` on a new connection.
pub(crate) fn generation(port: u16) -> Result<String, Failure> {
    let mut socket = connect(port).map_err(|_| Failure::Connect)?;
    exchange(&mut socket, "/generation").map(|answer| String::from_utf8_lossy(&answer.body).into_owned())
}

/// A steady load from a few threads, half of them on kept connections and half on new ones.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
pub(crate) struct Counts {
    answered: AtomicU64,
    failed: [AtomicU64; Failure::ALL.len()],
}

impl Counts {
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// "3 closed without an answer, 1 error status"
    pub(crate) fn describe(&self) -> String {
        let parts = Failure::ALL.iter().zip(&self.failed).filter_map(|(failure, count)| {
            let count = count.load(Ordering::Relaxed);
            (count > 0).then(|| format!("{count} {}", failure.text()))
        });
        parts.collect::<Vec<_>>().join(", ")
    }

    fn note(&self, outcome: Result<(), Failure>) {
        match outcome {
            Ok(()) => self.answered.fetch_add(1, Ordering::Relaxed),
            Err(failure) => self.failed[failure as usize].fetch_add(1, Ordering::Relaxed),
        };
    }
}

impl Load {
    pub(crate) fn start(port: u16, threads: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Counts::default());
        let threads = (0..threads).map(|index| {
            let (stop, counts) = (Arc::clone(&stop), Arc::clone(&counts));
            std::thread::spawn(move || client(port, index % 2 == 0, &stop, &counts))
        });
        Self { threads: threads.collect(), stop, counts }
    }

    pub(crate) fn finish(mut self) -> Arc<Counts> {
        self.halt();
        Arc::clone(&self.counts)
    }

    fn halt(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A client that panicked counted nothing; the counts of the others stand.
            drop(thread.join());
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.halt();
    }
}

fn client(port: u16, keeps: bool, stop: &AtomicBool, counts: &Counts) {
    let mut kept: Option<TcpStream> = None;
    while !stop.load(Ordering::Relaxed) {
        let socket = match kept.take() {
            Some(socket) => Ok(socket),
            None => connect(port).map_err(|_| Failure::Connect),
        };
        let outcome = socket.and_then(|mut socket| {
            let answer = exchange(&mut socket, "/small")?;
            if keeps && !answer.closes {
                kept = Some(socket);
            }
            Ok(())
        });
        counts.note(outcome);
    }
}

/// The server behind the relays. A client says `U` or `D` and a length; then that many bytes go up or down, and one
/// byte from the server ends it.
pub(crate) fn start_raw_server() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot bind a loopback port")?;
    let port = listener.local_addr()?.port();
    // Lives as long as the program: it holds nothing that needs closing.
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // A stream that breaks shows as a failure at its client.
            std::thread::spawn(move || drop(serve_raw(socket)));
        }
    });
    Ok(port)
}

const CHUNK: usize = 256 << 10;

fn serve_raw(mut socket: TcpStream) -> std::io::Result<()> {
    let mut order = [0; 9];
    socket.read_exact(&mut order)?;
    let length = order[1..].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    if order[0] == b'U' {
        receive(&mut socket, length)?
    } else {
        send(&mut socket, length)?
    }
    socket.write_all(b".")
}

fn receive(socket: &mut TcpStream, length: u64) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut left = length;
    while left > 0 {
        let wanted = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
        match socket.read(&mut chunk[..wanted])? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => left -= count as u64,
        }
    }
    Ok(())
}

fn send(socket: &mut TcpStream, length: u64) -> std::io::Result<()> {
    let chunk = vec![b'x'; CHUNK];
    let mut left = length;
    while left > 0 {
        let count = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
        socket.write_all(&chunk[..count])?;
        left -= count as u64;
    }
    Ok(())
}

/// Moves `length` bytes through the relay on `port`; returns the seconds it took.
pub(crate) fn relay(port: u16, upload: bool, length: u64) -> Result<f64> {
    let mut socket = connect(port)?;
    let start = Instant::now();
    let mut order = vec![if upload { b'U' } else { b'D' }];
    order.extend(length.to_be_bytes());
    socket.write_all(&order)?;
    if upload {
        send(&mut socket, length)?
    } else {
        receive(&mut socket, length)?
    }
    let mut end = [0];
    socket.read_exact(&mut end).context("the relayed stream broke off")?;
    if end != *b"." {
        bail!("the relayed stream ended with {end:?}");
    }
    Ok(start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
        assert!(parse(&text[..text.len() - 1]).unwrap().is_none());
        let answer = parse(text).unwrap().unwrap();
        assert_eq!((answer.body.as_slice(), answer.closes), (b"abc".as_slice(), true));
        assert_eq!(parse(b"HTTP/1.1 502 Bad\r\n\r\n").err(), Some(Failure::Status));
    }

    #[test]
    fn the_raw_server_takes_and_gives() {
        let port = start_raw_server().unwrap();
        relay(port, true, 300_000).unwrap();
        relay(port, false, 300_000).unwrap();
    }
}
