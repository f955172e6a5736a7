//! Debian's python3-grpcio as server and as client; `peer.py` tells what they do.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::gateway::slashed;

/// A python that has grpcio.
///
/// Panics when there is none, and names the Debian package.
pub(super) fn python() -> Command {
    // Another python may stand before that of the system.
    let has = |name: &&str| {
        let asked = Command::new(name).args(["-c", "import grpc"]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    let name = ["python3", "/usr/bin/python3"].into_iter().find(has);
    Command::new(name.expect("this test needs grpcio: install the Debian package python3-grpcio"))
}

/// A script beside this file.
pub(super) fn script(name: &str) -> String {
    slashed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/grpc").join(name))
}

fn start(arguments: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut program = python();
    program.arg(script("peer.py")).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = program.spawn().unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    (child, said)
}

fn line(said: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// A server; it is killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&["server", "0"])
    }

    /// One with TLS, with a certificate of that name in a folder.
    pub(super) fn secure(folder: &Path, name: &str) -> Self {
        let file = |ending: &str| folder.join(format!("{name}.{ending}")).to_string_lossy().into_owned();
        Self::start_with(&["server", "0", &file("pem"), &file("key")])
    }

    fn start_with(arguments: &[&str]) -> Self {
        let (child, mut said) = start(arguments);
        let port: u16 = line(&mut said).parse().expect("a port");
        Self { child, addr: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// Ends it in the middle of everything.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A client in the middle of a case.
pub(crate) struct Client {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Client {
    /// Runs a case against a target in clear.
    pub(crate) fn start(target: SocketAddr, case: &str) -> Self {
        let (child, said) = start(&["client", &target.to_string(), "-", "-", case]);
        Self { child, said }
    }

    /// The next line it says.
    pub(crate) fn line(&mut self) -> String {
        line(&mut self.said)
    }

    /// Waits until it holds a stream.
    pub(super) fn wait_held(&mut self) {
        assert_eq!(self.line(), "held");
    }

    /// Lets it go on, and waits for its end, which must be a good one.
    pub(crate) fn finish(mut self) {
        writeln!(self.child.stdin.take().unwrap()).unwrap();
        assert!(self.child.wait().unwrap().success(), "the case failed; what it said stands above");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs cases to their end, which must be a good one, and gives what they said.
pub(super) fn run(target: SocketAddr, ca: &str, cases: &[&str]) -> String {
    run_as("grpc.example", target, ca, cases)
}

/// As [`run`], with a server whose certificate has this name.
pub(super) fn run_as(name: &str, target: SocketAddr, ca: &str, cases: &[&str]) -> String {
    let mut program = python();
    program.arg(script("peer.py")).args(["client", &target.to_string(), ca, name]).args(cases);
    let output = program.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said.trim_end().to_owned()
}

/// The gateway in front of a server: a listener that takes HTTP/2 in clear.
pub(super) fn config(endpoint: SocketAddr) -> String {
    format!(
        "runtime: {{ workers: 2, drain_timeout: 60s }}\n\
         listeners: {{ web: {{ bind: \"127.0.0.1:0\", http2: {{ cleartext: true }} }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{endpoint}\"] }} }}\n"
    )
}
