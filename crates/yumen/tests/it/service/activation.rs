//! Sockets that were open before the program started, as systemd passes them.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use crate::ends::{Client, Origin};
use crate::gateway::{PROGRAM, until};

struct Activated {
    folder: tempfile::TempDir,
    child: Child,
}

impl Activated {
    /// Starts the program with one open socket as descriptor 3.
    fn start(bind: SocketAddr, origin: &Origin, listener: &TcpListener) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_string_lossy().into_owned();
        std::fs::write(folder.path().join("yumen.yaml"), config(&at, bind, origin.addr, "up")).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        // The shell's process number is that of the program it becomes.
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ exec \"$0\" run -c \"$1\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", script, PROGRAM]).arg(folder.path().join("yumen.yaml"));
        shell.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "front");
        shell.stdin(OwnedFd::from(listener.try_clone().unwrap())).stdout(Stdio::null()).stderr(log);
        Self { child: shell.spawn().unwrap(), folder }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn reload(&self) {
        let file = self.folder.path().join("yumen.yaml");
        let done = Command::new(PROGRAM).args(["reload", "-c"]).arg(file).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn config(folder: &str, bind: SocketAddr, origin: SocketAddr, upstream: &str) -> String {
    format!(
        "runtime: {{ workers: 2 }}\nlisteners: {{ web: {{ bind: \"{bind}\" }} }}\n\
         routes: {{ all: {{ upstream: {upstream} }} }}\nupstreams: {{ {upstream}: {{ endpoints: [\"{origin}\"] }} }}\n\
         admin: {{ listen: \"unix:{folder}/admin.sock\" }}\nstate_dir: \"{folder}/state\"\n\
         log: {{ access: {{ output: off }} }}\n"
    )
}

#[test]
fn socket_of_the_manager_is_used_for_the_listener_with_its_address() {
    let origin = Origin::named("one");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    // A client that came before the program waits in the queue and is served.
    let mut early = Client::connect(addr);
    early.ask("GET", "/early", "");
    let gateway = Activated::start(addr, &origin, &listener);
    assert_eq!(early.answer().status, 200);
    for _ in 0..20 {
        assert_eq!(Client::connect(addr).get("/").status, 200);
    }
    assert!(!gateway.said().contains("in vain"), "{}", gateway.said());
}

#[test]
fn listener_that_leaves_and_comes_back_gets_its_inherited_socket_again() {
    let origin = Origin::named("one");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let gateway = Activated::start(addr, &origin, &listener);
    let file = gateway.folder.path().join("yumen.yaml");
    until("the start", || gateway.folder.path().join("admin.sock").exists().then_some(()));
    assert_eq!(Client::connect(addr).get("/").status, 200);
    let at = gateway.folder.path().to_string_lossy().into_owned();
    std::fs::write(&file, config(&at, "127.0.0.1:0".parse().unwrap(), origin.addr, "up")).unwrap();
    gateway.reload();
    let mut waiting = Client::connect(addr);
    waiting.ask("GET", "/", "");
    std::fs::write(&file, config(&at, addr, origin.addr, "up")).unwrap();
    gateway.reload();
    assert_eq!(waiting.answer().status, 200);
}

#[test]
fn socket_without_a_listener_is_told_with_its_name() {
    let origin = Origin::named("one");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Activated::start("127.0.0.1:0".parse().unwrap(), &origin, &listener);
    let addr = listener.local_addr().unwrap().to_string();
    until("the complaint", || gateway.said().contains("in vain").then_some(()));
    let said = gateway.said();
    assert!(said.contains(&addr) && said.contains("front"), "{said}");
}
