//! The notify protocol of systemd, heard by a real datagram socket.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::ends::{Client, Gate, Manner, Origin};
use crate::gateway::{PROGRAM, free, until};

/// A service manager: it starts the program and keeps what it is told.
struct Manager {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
    child: Child,
    listen: std::net::SocketAddr,
}

impl Manager {
    fn start(origin: &Origin, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let child = Command::new("true").spawn().unwrap();
        let mut manager = Self { folder, socket, child, listen: free() };
        manager.write(&format!("upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n", origin.addr));
        let mut program = Command::new(PROGRAM);
        program.args(["run", "-c"]).arg(manager.file()).env("NOTIFY_SOCKET", path).envs(environment.iter().copied());
        manager.child.wait().unwrap();
        manager.child = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        manager
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("yumen.yaml")
    }

    fn write(&self, rest: &str) {
        let text = format!(
            "listeners: {{ web: {{ bind: \"{}\" }} }}\nroutes: {{ all: {{ upstream: up }} }}\n\
             admin: {{ listen: \"unix:{{folder}}/admin.sock\" }}\nstate_dir: \"{{folder}}/state\"\n\
             log: {{ access: {{ output: off }} }}\n{rest}",
            self.listen
        );
        let text = text.replace("{folder}", &self.folder.path().to_string_lossy());
        let fresh = self.folder.path().join("new");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.file()).unwrap();
    }

    /// The next message that is no sign of life.
    fn hear(&self) -> String {
        loop {
            let message = self.hear_any();
            if message != "WATCHDOG=1\n" {
                return message;
            }
        }
    }

    fn hear_any(&self) -> String {
        let mut buf = [0; 4096];
        let n = self.socket.recv(&mut buf).unwrap();
        String::from_utf8_lossy(&buf[..n]).into_owned()
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The value of a line of a message.
fn value<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("{name} in {message:?}"))
}

/// `CLOCK_MONOTONIC` in microseconds, as the kernel tells it to scripts.
fn uptime() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap();
    let seconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
    (seconds * 1e6) as u64
}

#[test]
fn manager_hears_ready_when_clients_are_served() {
    let origin = Origin::named("one");
    let manager = Manager::start(&origin, &[]);
    let message = manager.hear();
    assert_eq!(value(&message, "READY"), "1");
    let text = value(&message, "STATUS");
    assert!(text.contains("generation 1") && text.contains(&manager.listen.to_string()), "{text}");
    assert_eq!(Client::connect(manager.listen).get("/").status, 200);
}

#[test]
fn manager_hears_a_reload_begin_and_end() {
    let origin = Origin::named("one");
    let manager = Manager::start(&origin, &[]);
    assert!(manager.hear().starts_with("READY=1\n"));
    manager.signal("-HUP");
    let message = manager.hear();
    assert_eq!(value(&message, "RELOADING"), "1");
    let time: u64 = value(&message, "MONOTONIC_USEC").parse().unwrap();
    // The clock of the machine may have slept less than the uptime says, never more.
    assert!(time > 0 && time <= uptime() + 1_000_000, "{time}");
    let message = manager.hear();
    assert_eq!(value(&message, "READY"), "1");
    assert!(value(&message, "STATUS").contains("generation 2"), "{message}");
}

#[test]
fn status_says_what_is_wrong_with_a_refused_configuration_until_it_is_mended() {
    let origin = Origin::named("one");
    let manager = Manager::start(&origin, &[]);
    assert!(manager.hear().starts_with("READY=1\n"));
    manager.write(&format!("upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\nupstrems: {{}}\n", origin.addr));
    manager.signal("-HUP");
    // The change of the file may have been seen as well.
    let refused = until("the refusal", || Some(manager.hear()).filter(|m| m.contains("REFUSED")));
    assert_eq!(value(&refused, "READY"), "1");
    let text = value(&refused, "STATUS");
    assert!(
        text.contains("yumen.yaml:7") && text.contains("upstrems") && text.contains("still generation 1"),
        "{text}"
    );
    manager.write(&format!("upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n", origin.addr));
    let mended =
        until("the mended file", || Some(manager.hear()).filter(|m| m.contains("READY=1") && !m.contains("REFUSED")));
    assert!(value(&mended, "STATUS").contains("generation 2"), "{mended}");
}

#[test]
fn manager_hears_stopping_with_the_time_it_may_take() {
    let origin = Origin::named("one");
    let mut manager = Manager::start(&origin, &[]);
    assert!(manager.hear().starts_with("READY=1\n"));
    let gate = Gate::default();
    origin.set(Manner::Waits("late".into(), gate.clone()));
    let mut client = Client::connect(manager.listen);
    client.ask("GET", "/slow", "");
    until("the request", || (!origin.requests().is_empty()).then_some(()));
    manager.signal("-TERM");
    let message = manager.hear();
    assert_eq!(value(&message, "STOPPING"), "1");
    assert!(value(&message, "EXTEND_TIMEOUT_USEC").parse::<u64>().unwrap() > 10_000_000, "{message}");
    gate.open();
    assert_eq!(client.answer().status, 200);
    assert_eq!(until("the end", || manager.child.try_wait().unwrap()).code(), Some(0));
}

#[test]
fn signs_of_life_come_while_the_workers_answer() {
    let origin = Origin::named("one");
    let manager = Manager::start(&origin, &[("WATCHDOG_USEC", "300000")]);
    let heard: Vec<String> = (0..4).map(|_| manager.hear_any()).collect();
    assert!(heard.iter().filter(|m| *m == "WATCHDOG=1\n").count() >= 3, "{heard:?}");
}

#[test]
fn manager_hears_which_process_has_taken_over_and_gets_its_signs_of_life_from_it() {
    let origin = Origin::named("one");
    let watchdog = [("WATCHDOG_USEC", "600000")];
    let mut manager = Manager::start(&origin, &watchdog);
    assert!(manager.hear().starts_with("READY=1\n"));
    let done = Command::new(PROGRAM).args(["upgrade", "-c"]).arg(manager.file()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    // The new one says that it is ready as well, which the manager does not believe yet.
    let told = until("the main process", || Some(manager.hear()).filter(|m| m.starts_with("MAINPID=")));
    assert_eq!(value(&told, "READY"), "1");
    let process = value(&told, "MAINPID").to_owned();
    assert_ne!(process, manager.child.id().to_string());
    assert_eq!(until("the end of the first", || manager.child.try_wait().unwrap()).code(), Some(0));
    // What was said before the end of the first is read away first.
    manager.socket.set_nonblocking(true).unwrap();
    while manager.socket.recv(&mut [0; 4096]).is_ok() {}
    manager.socket.set_nonblocking(false).unwrap();
    assert_eq!(manager.hear_any(), "WATCHDOG=1\n");
    assert_eq!(Client::connect(manager.listen).get("/").status, 200);
    assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
}
