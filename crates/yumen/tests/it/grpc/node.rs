//! Node's implementation of gRPC as server and as client; `peer.js` tells what they do.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use super::peer::{self, config, run, script};
use crate::peers::packages;
use crate::peers::tool::{command, said};
use crate::site::Site;

/// The cases of `peer.js`.
const CASES: usize = 12;
/// Those of `peer.py` that need no more than `peer.js` serves.
const BASIC: [&str; 9] = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "unimplemented_method",
    "concurrent",
];

fn node() -> Command {
    let folder = packages::node(&["@grpc/grpc-js@1.14.7"]);
    let mut node = command("node", "nodejs");
    node.env("NODE_PATH", folder.join("node_modules")).arg(script("peer.js"));
    node
}

/// A server; it is killed when it is dropped.
struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    fn start() -> Self {
        let mut child = node().arg("server").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, addr: SocketAddr::from(([127, 0, 0, 1], line.trim().parse().expect("a port"))) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn cases_of(site: &Site) {
    let told = said(node().args(["client", &site.addr("web").to_string()]).output().unwrap());
    assert_eq!(told.lines().count(), CASES, "{told}");
}

#[test]
fn client_of_node_is_served_by_a_server_of_python() {
    let server = peer::Server::start();
    cases_of(&Site::start(&config(server.addr)));
}

#[test]
fn client_of_node_is_served_by_a_server_of_node() {
    let server = Server::start();
    cases_of(&Site::start(&config(server.addr)));
}

#[test]
fn client_of_python_is_served_by_a_server_of_node() {
    let server = Server::start();
    run(Site::start(&config(server.addr)).addr("web"), "-", &BASIC);
}
