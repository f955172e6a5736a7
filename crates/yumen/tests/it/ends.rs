//! Both ends of a gateway: a client that speaks raw HTTP, and origins that do as they are told.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::gateway::until;

const PATIENCE: Duration = Duration::from_secs(20);

/// A client connection.
pub(crate) struct Client(BufReader<TcpStream>);

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and fields.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
}

impl Answer {
    /// The values of a field, joined with commas.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        field(&self.head, name)
    }

    pub(crate) fn closes(&self) -> bool {
        self.field("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"))
    }
}

/// The values of a field in a head, joined with commas.
pub(crate) fn field(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let values: Vec<&str> = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).unwrap())
    }

    /// A client over a connection.
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Whether a GET is answered; a connection that ends before is not.
    pub(crate) fn is_answered(&mut self, path: &str) -> bool {
        let request = format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n");
        let sent = self.0.get_mut().write_all(request.as_bytes()).is_ok();
        sent && read_head(&mut self.0).is_some_and(|head| {
            self.content(&head);
            head.starts_with("HTTP/1.1 200")
        })
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends a request without content.
    pub(crate) fn ask(&mut self, method: &str, path: &str, fields: &str) {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: example.com\r\n{fields}\r\n"));
    }

    /// A GET and its answer.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "");
        self.answer()
    }

    /// Reads one answer.
    pub(crate) fn answer(&mut self) -> Answer {
        let head = read_head(&mut self.0).expect("an answer");
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect(&head);
        let body = self.content(&head);
        Answer { status, head, body }
    }

    /// Reads the head of an answer only.
    pub(crate) fn head(&mut self) -> String {
        read_head(&mut self.0).expect("a head")
    }

    /// Reads the content that belongs to a head.
    pub(crate) fn content(&mut self, head: &str) -> String {
        let mut body = Vec::new();
        if let Some(length) = field(head, "content-length") {
            body.resize(length.parse().unwrap(), 0);
            self.0.read_exact(&mut body).unwrap();
        } else if field(head, "transfer-encoding").is_some() {
            loop {
                let size = read_line(&mut self.0).expect("a chunk");
                let mut chunk = vec![0; usize::from_str_radix(size.trim(), 16).unwrap() + 2];
                self.0.read_exact(&mut chunk).unwrap();
                chunk.truncate(chunk.len() - 2);
                if chunk.is_empty() {
                    break;
                }
                body.extend(chunk);
            }
        }
        String::from_utf8_lossy(&body).into_owned()
    }

    /// Reads exactly so many bytes.
    pub(crate) fn exactly(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// What still comes until the connection ends, and how it ended.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, End) {
        let mut all = Vec::new();
        match self.0.read_to_end(&mut all) {
            Ok(_) => (all, End::Closed),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => (all, End::Reset),
            Err(e) => panic!("the connection did not end: {e}"),
        }
    }
}

/// A GET on a connection of its own.
pub(crate) fn get(addr: SocketAddr, path: &str) -> Answer {
    let mut client = Client::connect(addr);
    client.ask("GET", path, "Connection: close\r\n");
    client.answer()
}

fn read_line(from: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let read = from.read_line(&mut line).ok()?;
    (read > 0).then_some(line)
}

/// Reads to the empty line; `None` when the stream ends before it.
fn read_head(from: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    loop {
        let line = read_line(from)?;
        if line == "\r\n" {
            return Some(head);
        }
        head.push_str(&line);
    }
}

/// Something one thread waits for and another one does.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_timeout_while(open, PATIENCE, |open| !*open).unwrap());
    }
}

/// What an origin does with each request.
#[derive(Clone)]
pub(crate) enum Manner {
    /// Answers with this status and text.
    Says(u16, String),
    /// Sends the first half of `Says(200, _)` and waits for the gate.
    Halts(String, Gate),
    /// Waits for the gate, then does as `Says(200, _)`.
    Waits(String, Gate),
}

/// An origin over HTTP; it reads requests with their content and keeps their heads.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) addr: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    manner: Manner,
    requests: Vec<(String, String)>,
    connections: usize,
}

impl Origin {
    pub(crate) fn start(manner: Manner) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), manner)
    }

    /// One on a listener of the test.
    pub(crate) fn on(listener: TcpListener, manner: Manner) -> Self {
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared { manner, requests: Vec::new(), connections: 0 }));
        let origin = Self { addr, shared };
        let own = origin.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, own) = (stream.unwrap(), own.clone());
                own.shared.lock().unwrap().connections += 1;
                std::thread::spawn(move || own.serve(stream));
            }
        });
        origin
    }

    /// One that answers every request with its name.
    pub(crate) fn named(name: &str) -> Self {
        Self::start(Manner::Says(200, name.to_owned()))
    }

    /// Behaves otherwise from the next request on.
    pub(crate) fn set(&self, manner: Manner) {
        self.shared.lock().unwrap().manner = manner;
    }

    /// Heads and contents of the requests so far, health checks apart.
    pub(crate) fn requests(&self) -> Vec<(String, String)> {
        let all = &self.shared.lock().unwrap().requests;
        all.iter().filter(|(head, _)| !head.contains("yumen-health")).cloned().collect()
    }

    /// How many health checks came.
    pub(crate) fn checks(&self) -> usize {
        let all = &self.shared.lock().unwrap().requests;
        all.iter().filter(|(head, _)| head.contains("yumen-health")).count()
    }

    /// The head of the last health check.
    pub(crate) fn last_check(&self) -> Option<String> {
        let all = &self.shared.lock().unwrap().requests;
        all.iter().rev().find(|(head, _)| head.contains("yumen-health")).map(|(head, _)| head.clone())
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().unwrap().connections
    }

    /// The head of the last request.
    pub(crate) fn last(&self) -> String {
        self.requests().last().expect("a request").0.clone()
    }

    fn serve(&self, stream: TcpStream) {
        let mut client = Client(BufReader::new(stream));
        while let Some(head) = read_head(&mut client.0) {
            let body = if head.contains("100-continue") { String::new() } else { client.content(&head) };
            let manner = {
                let mut shared = self.shared.lock().unwrap();
                shared.requests.push((head, body));
                shared.manner.clone()
            };
            if answer(client.0.get_mut(), &manner).is_err() {
                return;
            }
        }
    }
}

fn answer(to: &mut TcpStream, manner: &Manner) -> std::io::Result<()> {
    let (status, text) = match manner {
        Manner::Says(status, text) => (*status, text),
        Manner::Halts(text, _) => (200, text),
        Manner::Waits(text, gate) => {
            gate.wait();
            (200, text)
        }
    };
    let whole = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nX-Origin: yes\r\n\r\n{text}", text.len());
    if let Manner::Halts(_, gate) = manner {
        let (first, second) = whole.split_at(whole.len() - text.len() / 2);
        to.write_all(first.as_bytes())?;
        gate.wait();
        return to.write_all(second.as_bytes());
    }
    to.write_all(whole.as_bytes())
}

/// The next connection to a listener of the test.
pub(crate) fn accept(listener: &TcpListener) -> Client {
    listener.set_nonblocking(true).unwrap();
    let (stream, _) = until("a connection to the origin", || listener.accept().ok());
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    Client(BufReader::new(stream))
}

/// A listener of the test and its address.
pub(crate) fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}
