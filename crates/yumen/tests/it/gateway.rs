//! One running `yumen`, its file and its folder.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_yumen");

/// A running gateway; it is killed when the test ends.
pub(crate) struct Gateway {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) child: Child,
}

/// What every configuration of these tests has.
const OWN: &str = "admin: { listen: {admin} }\nstate_dir: {folder}/state\nlog: { access: { output: off } }\n";

/// An address that nobody else has: the program says where it listens only through the admin API, which needs an address
/// itself. All of 127.0.0.0/8 is this host, so that each process of tests has an address of its own, and a port below those
/// that systems give to clients.
pub(crate) fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(15_000);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if let Ok(listener) = TcpListener::bind(SocketAddr::from(([127, 64 | high, middle, low], port))) {
            return listener.local_addr().unwrap();
        }
    }
}

pub(crate) use yumen_test::until;

pub(crate) fn yumen(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// A path as a double-quoted text of YAML can hold it: a backslash would begin an escape there.
pub(crate) fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// An origin that answers every request with its name.
pub(crate) fn origin(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while let Some(Ok(line)) = lines.next() {
                    if line.is_empty() {
                        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    addr
}

impl Gateway {
    /// Starts on a configuration; `{listen}` in it is filled in, and the admin part is added.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_beside(config, &[])
    }

    /// Like [`Gateway::start`], with other files in its folder.
    pub(crate) fn start_beside(config: &str, others: &[(&str, &str)]) -> Self {
        Self::start_whole(&format!("{OWN}{config}"), others)
    }

    /// Starts on a configuration that says everything itself; `{listen}`, `{admin}` and `{folder}` in it, and in other
    /// files given by name, are filled in.
    pub(crate) fn start_whole(config: &str, others: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (listen, admin) = (free(), free());
        // One that has ended, until `run` starts the real one.
        let child = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).spawn().unwrap();
        let mut gateway = Self { folder, listen, admin, child };
        for (name, text) in others {
            gateway.write_file(name, text);
        }
        gateway.write_file("yumen.yaml", config);
        gateway.run();
        gateway
    }

    /// Runs the program on the file as it is now, once more if it has ended.
    pub(crate) fn run(&mut self) {
        self.run_with("UNUSED", "");
    }

    /// Like [`Gateway::run`], with a variable in the environment.
    pub(crate) fn run_with(&mut self, name: &str, value: &str) {
        self.child.wait().unwrap();
        let log = std::fs::File::create(self.folder.path().join("stderr")).unwrap();
        let mut program = Command::new(PROGRAM);
        program.args(["run", "-c"]).arg(self.file()).env(name, value).stdout(Stdio::null()).stderr(log);
        self.child = program.spawn().unwrap();
        until("the listener", || TcpStream::connect(self.listen).ok());
        until("the admin API", || TcpStream::connect(self.admin).ok());
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        until("the end", || self.child.try_wait().unwrap()).code()
    }

    /// Writes a file beside the configuration.
    pub(crate) fn write_file(&self, name: &str, text: &str) {
        let text = text.replace("{listen}", &self.listen.to_string()).replace("{admin}", &self.admin.to_string());
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text.replace("{folder}", &slashed(self.folder.path()))).unwrap();
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("yumen.yaml")
    }

    pub(crate) fn write(&self, config: &str) {
        self.write_file("yumen.yaml", &format!("{OWN}{config}"));
    }

    pub(crate) fn curl(&self, arguments: &[&str], path: &str) -> String {
        let output = Command::new("curl")
            .args(["-s", "-i", "--max-time", "10"])
            .args(arguments)
            .arg(format!("http://{}{path}", self.listen))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn command(&self, name: &str) -> Output {
        let file = self.file();
        yumen(&[name, "-c", &file.to_string_lossy()])
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
