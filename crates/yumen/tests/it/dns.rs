//! Endpoints by name, with dnsmasq as the name server.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::ends::{Client, Manner, Origin, get};
use crate::gateway::until;
use crate::site::Site;

/// A running dnsmasq whose answers hold for a second; it is stopped when the test ends.
pub(crate) struct NameServer {
    pub(crate) addr: SocketAddr,
    hosts: PathBuf,
    child: Child,
}

impl NameServer {
    pub(crate) fn start(folder: &Path, names: &str) -> Self {
        let hosts = folder.join("names");
        fs::write(&hosts, names).unwrap();
        // It cannot tell which port it was given, so one that was free a moment ago is tried until one still is.
        until("a port for dnsmasq", || {
            let addr = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let child = Self::spawn(&hosts, addr)?;
            Some(Self { addr, hosts: hosts.clone(), child })
        })
    }

    /// `None` when the port is taken.
    fn spawn(hosts: &Path, addr: SocketAddr) -> Option<Child> {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let mut child = Command::new("dnsmasq")
            .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--local-ttl=1", "--pid-file="])
            .args(["--bind-interfaces", "--listen-address=127.0.0.1", "--neg-ttl=1"])
            .arg(format!("--user={}", String::from_utf8(user).unwrap().trim()))
            .arg(format!("--port={}", addr.port()))
            .arg(format!("--addn-hosts={}", hosts.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It answers by TCP too, where one sees that it listens.
        until("dnsmasq", || match child.try_wait().unwrap() {
            Some(_) => Some(false),
            None => std::net::TcpStream::connect(addr).ok().map(|_| true),
        })
        .then_some(child)
    }

    fn say(&self, names: &str) {
        fs::write(&self.hosts, names).unwrap();
        self.signal("-HUP");
    }

    /// Stopped it keeps its port and answers nobody.
    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Origins on 127.0.0.2 and 127.0.0.3 with the same port.
fn origins() -> [Origin; 2] {
    until("a port on two addresses", || {
        let one = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap();
        let two = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 3), one.local_addr().unwrap().port())).ok()?;
        Some(
            [(one, "two"), (two, "three")].map(|(listener, name)| Origin::on(listener, Manner::Says(200, name.into()))),
        )
    })
}

fn config(server: &NameServer, port: u16) -> String {
    format!(
        "runtime: {{ workers: 1 }}\n\
         listeners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"app.test:{port}\"], dns: {{ servers: [\"{}\"], max: 2s }} }} }}\n",
        server.addr
    )
}

#[test]
fn name_is_resolved_again_when_its_answer_has_aged_and_the_last_good_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let server = NameServer::start(folder.path(), "127.0.0.2 app.test\n");
    let (_origins, site) = named(&server);
    let addr = site.addr("web");
    let body = || get(addr, "/").body;
    assert_eq!(body(), "two");
    server.say("127.0.0.3 app.test\n");
    until("the new address", || (body() == "three").then_some(()));
    site.wait_log("addresses changed");
    // Nobody answers: what was known stays.
    server.signal("-STOP");
    site.wait_log("the last good addresses stay");
    assert_eq!(body(), "three");
    // A name that is gone is no better than a server that is gone.
    let failures = || site.log().matches("the last good addresses stay").count();
    server.signal("-CONT");
    server.say("127.0.0.9 other.test\n");
    let before = failures();
    until("another failure", || (failures() > before + 1).then_some(()));
    assert_eq!(body(), "three");
    server.say("127.0.0.2 app.test\n");
    until("the first address again", || (body() == "two").then_some(()));
}

/// Two origins and a gateway over the name that stands for one of them.
fn named(server: &NameServer) -> ([Origin; 2], Site) {
    let both = origins();
    let site = Site::start(&config(server, both[0].addr.port()));
    (both, site)
}

#[test]
fn every_address_of_a_name_is_an_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let server = NameServer::start(folder.path(), "127.0.0.2 app.test\n127.0.0.3 app.test\n");
    let (_origins, site) = named(&server);
    let mut client = Client::connect(site.addr("web"));
    let mut bodies: Vec<String> = (0..4).map(|_| client.get("/").body).collect();
    bodies.sort();
    assert_eq!(bodies, ["three", "three", "two", "two"]);
    let line = site.wait_access(|line| line["endpoint"].as_str().is_some_and(|e| e.contains("(127.0.0.3)")));
    assert!(line["endpoint"].as_str().unwrap().starts_with("app.test:"), "{line}");
}

#[test]
fn unknown_name_is_said_and_works_once_it_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let server = NameServer::start(folder.path(), "127.0.0.9 other.test\n");
    let (_origins, site) = named(&server);
    let addr = site.addr("web");
    let refused = get(addr, "/");
    assert_eq!((refused.status, refused.body.contains("resolve_failed")), (502, true), "{refused:?}");
    assert!(site.log().contains("cannot resolve app.test"), "{}", site.log());
    server.say("127.0.0.2 app.test\n");
    until("the address", || (get(addr, "/").body == "two").then_some(()));
}

#[test]
fn name_that_leads_to_the_metadata_service_of_a_cloud_is_not_followed_there() {
    let folder = tempfile::tempdir().unwrap();
    let names = "169.254.169.254 app.test\n::ffff:100.100.100.200 app.test\n";
    let server = NameServer::start(folder.path(), names);
    let (_origins, site) = named(&server);
    let addr = site.addr("web");
    let refused = get(addr, "/");
    assert_eq!((refused.status, refused.body.contains("resolve_failed")), (502, true), "{refused:?}");
    assert!(site.log().contains("the name leads to the metadata service"), "{}", site.log());
    // Another address of the name is used.
    server.say(&format!("{names}127.0.0.2 app.test\n"));
    until("the address", || (get(addr, "/").body == "two").then_some(()));
    for _ in 0..4 {
        assert_eq!(get(addr, "/").body, "two");
    }
}
