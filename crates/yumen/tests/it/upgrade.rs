//! `yumen upgrade`: another process takes over every socket while clients come, stay and wait.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::{JoinHandle, spawn};

use crate::ends::{Client, Gate, Manner, Origin, accept, get, listen};
use crate::gateway::{PROGRAM, text, until};
use crate::site::Site;

fn config(origin: &Origin, raw: SocketAddr, more: &str) -> String {
    format!(
        "listeners:\n  web: {{ bind: \"127.0.0.1:0\" }}\n  \
         raw: {{ bind: \"127.0.0.1:0\", protocol: tcp, upstream: raw }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams:\n  up: {{ endpoints: [\"{}\"] }}\n  raw: {{ endpoints: [\"{raw}\"] }}\n{more}",
        origin.addr
    )
}

/// Processes that took over; they are killed when the test ends.
#[derive(Default)]
pub(crate) struct Successors(Vec<u32>);

impl Successors {
    /// Upgrades, and answers with the process that took over.
    pub(crate) fn upgrade(&mut self, site: &Site) -> u32 {
        let said = text(&site.command("upgrade"));
        let mut words = said.split("as process ").nth(1).unwrap_or_else(|| panic!("{said}\n{}", site.log())).split(';');
        let process = words.next().unwrap().parse().unwrap();
        self.0.push(process);
        process
    }
}

impl Drop for Successors {
    fn drop(&mut self) {
        for process in &self.0 {
            // Most have ended by themselves.
            Command::new("kill").args(["-KILL", &process.to_string()]).stderr(Stdio::null()).status().ok();
        }
    }
}

/// Clients that ask again and again, on new connections and on kept ones, until told to stop. None may fail.
struct Crowd {
    over: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn start(addr: SocketAddr) -> Self {
        let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |keeps: bool| {
            let (over, asked) = (Arc::clone(&over), Arc::clone(&asked));
            spawn(move || {
                while !over.load(Relaxed) {
                    let mut client = Client::connect(addr);
                    loop {
                        let answer = client.get("/");
                        assert_eq!(answer.status, 200, "{}", answer.head);
                        asked.fetch_add(1, Relaxed);
                        if answer.closes() || !keeps || over.load(Relaxed) {
                            break;
                        }
                    }
                }
            })
        };
        let clients = [true, true, false, false].map(client).into_iter().collect();
        Self { over, asked, clients }
    }

    /// Waits until many more have been answered.
    fn goes_on(&self) {
        let before = self.asked.load(Relaxed);
        until("more answers", || (self.asked.load(Relaxed) > before + 200).then_some(()));
    }

    fn end(self) -> usize {
        self.over.store(true, Relaxed);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        self.asked.load(Relaxed)
    }
}

#[test]
fn another_process_takes_over_and_nobody_is_refused_or_cut_off() {
    let origin = Origin::named("quick");
    let (raw, at) = listen();
    let mut site = Site::start(&config(&origin, at, ""));
    let mut successors = Successors::default();
    let (addr, first) = (site.addr("web"), site.pid());
    // An answer on its way, and a relay.
    let gate = Gate::default();
    origin.set(Manner::Halts("0123456789".into(), gate.clone()));
    let mut slow = Client::connect(addr);
    slow.ask("GET", "/slow", "");
    slow.head();
    assert_eq!(slow.exactly(5), b"01234");
    origin.set(Manner::Says(200, "quick".into()));
    let mut near = Client::connect(site.addr("raw"));
    near.send(b"up");
    let mut far = accept(&raw);
    assert_eq!(far.exactly(2), b"up");

    let crowd = Crowd::start(addr);
    crowd.goes_on();
    let second = successors.upgrade(&site);
    assert_ne!(second, first);
    crowd.goes_on();
    // The ports are those of the first process, though the system chose them.
    assert_eq!(site.addr("web"), addr);
    let third = successors.upgrade(&site);
    assert_ne!(third, second);
    crowd.goes_on();
    assert!(crowd.end() > 600);
    // What was begun with the first ends well, and with it the first.
    assert!(site.ended().is_none());
    far.send(b"down");
    assert_eq!(near.exactly(4), b"down");
    gate.open();
    assert_eq!(slow.exactly(5), b"56789");
    drop((near, far));
    assert_eq!(site.end().code(), Some(0), "{}", site.log());
    assert_eq!(get(addr, "/").status, 200);
}

#[test]
fn new_process_that_does_not_come_up_changes_nothing() {
    let origin = Origin::named("quick");
    let (_raw, at) = listen();
    let good = config(&origin, at, "");
    let mut site = Site::start(&good);
    let mut successors = Successors::default();
    let addr = site.addr("web");
    let crowd = Crowd::start(addr);
    // By it the command finds the gateway when the file itself cannot be read.
    until("the last good copy", || site.folder().join("state/last-good.json").exists().then_some(()));
    site.write(&good.replace("routes:", "rotes:"));
    let refused = site.command("upgrade");
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("rotes") && said.contains("what ran goes on running"), "{said}");
    crowd.goes_on();
    assert!(site.ended().is_none());
    site.change(&good);
    successors.upgrade(&site);
    crowd.goes_on();
    crowd.end();
    assert_eq!(site.end().code(), Some(0), "{}", site.log());
}

#[test]
fn fewer_and_more_workers_leave_no_connection_in_a_queue() {
    let origin = Origin::named("quick");
    let (_raw, at) = listen();
    let with = |workers: usize| config(&origin, at, &format!("runtime: {{ workers: {workers} }}\n"));
    let site = Site::start(&with(4));
    let mut successors = Successors::default();
    let addr = site.addr("web");
    let crowd = Crowd::start(addr);
    for workers in [1, 3] {
        // The new process reads the file for itself; the old one may have read it meanwhile or not.
        site.write(&with(workers));
        successors.upgrade(&site);
        crowd.goes_on();
        for _ in 0..40 {
            assert_eq!(get(addr, "/").status, 200);
        }
    }
    crowd.end();
}

#[test]
fn admin_socket_in_the_file_system_goes_along() {
    let origin = Origin::named("quick");
    let folder = tempfile::tempdir().unwrap();
    let (admin, file) = (folder.path().join("a;b=c.sock"), folder.path().join("yumen.yaml"));
    let state = folder.path().join("state");
    let text_of_it = format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\nroutes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\nlog: {{ access: {{ output: off }} }}\n\
         admin: {{ listen: \"unix:{}\" }}\nstate_dir: \"{}\"\n",
        origin.addr,
        admin.display(),
        state.display()
    );
    fs::write(&file, text_of_it).unwrap();
    let run = |name: &str| Command::new(PROGRAM).args([name, "-c"]).arg(&file).output().unwrap();
    let mut first = Command::new(PROGRAM).args(["run", "-c"]).arg(&file).stderr(Stdio::null()).spawn().unwrap();
    until("the start", || run("status").status.success().then_some(()));
    let said = text(&run("upgrade"));
    assert!(said.contains("has taken over as process"), "{said}");
    assert_eq!(until("the end", || first.try_wait().unwrap()).code(), Some(0));
    // The file is there as before, and a stop of the second takes it along.
    let status = run("status");
    assert!(status.status.success(), "{}", text(&status));
    let second = said.split("as process ").nth(1).unwrap().split(';').next().unwrap();
    assert!(Command::new("kill").args(["-TERM", second]).status().unwrap().success());
    until("the end of the second", || fs::symlink_metadata(&admin).is_err().then_some(()));
}

#[test]
fn no_datagram_is_lost_while_another_process_takes_over() {
    let echo = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = echo.local_addr().unwrap();
    spawn(move || {
        let mut buf = [0; 64];
        while let Ok((n, from)) = echo.recv_from(&mut buf) {
            echo.send_to(&buf[..n], from).unwrap();
        }
    });
    let mut site = Site::start(&format!(
        "runtime: {{ workers: 2 }}\nlisteners: {{ l: {{ bind: \"127.0.0.1:0\", protocol: udp, upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{at}\"] }} }}\n"
    ));
    let addr = site.addr("l");
    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let client = |fresh: bool| {
        let (over, asked) = (Arc::clone(&over), Arc::clone(&asked));
        let open = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(yumen_test::PATIENCE)).unwrap();
            socket
        };
        spawn(move || {
            let mut socket = open();
            let mut buf = [0; 64];
            while !over.load(Relaxed) {
                let text = asked.fetch_add(1, Relaxed).to_string();
                socket.send_to(text.as_bytes(), addr).unwrap();
                let n = socket.recv(&mut buf).unwrap();
                assert_eq!(&buf[..n], text.as_bytes());
                if fresh {
                    socket = open();
                }
            }
        })
    };
    let clients = [false, false, true].map(client);
    let goes_on = || {
        let before = asked.load(Relaxed);
        until("more answers", || (asked.load(Relaxed) > before + 200).then_some(()));
    };
    let mut successors = Successors::default();
    goes_on();
    successors.upgrade(&site);
    goes_on();
    assert_eq!(site.addr("l"), addr);
    // The sessions of the first process fall silent, for the second has them now.
    assert_eq!(site.end().code(), Some(0), "{}", site.log());
    goes_on();
    over.store(true, Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
}
