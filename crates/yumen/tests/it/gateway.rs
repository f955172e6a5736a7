//! One running `yumen`, its file and its folder.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_yumen");

/// A running gateway; it is killed when the test ends.
pub(crate) struct Gateway {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) child: Child,
}

/// An address that was free a moment ago. The program says where it listens only through the admin API, which needs an
/// address itself.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub(crate) use yumen_test::until;

pub(crate) fn yumen(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
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
        let folder = tempfile::tempdir().unwrap();
        let (listen, admin) = (free(), free());
        let file = folder.path().join("yumen.yaml");
        let own = gateway_file(config, listen, admin);
        std::fs::write(&file, own.replace("{folder}", &folder.path().to_string_lossy())).unwrap();
        let mut program = Command::new(PROGRAM);
        program.args(["run", "-c"]).arg(file).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Self { folder, listen, admin, child: program.spawn().unwrap() };
        until("the listener", || TcpStream::connect(listen).ok());
        until("the admin API", || TcpStream::connect(admin).ok());
        started
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("yumen.yaml")
    }

    pub(crate) fn write(&self, config: &str) {
        let text = gateway_file(config, self.listen, self.admin);
        std::fs::write(self.file(), text.replace("{folder}", &self.folder.path().to_string_lossy())).unwrap();
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

fn gateway_file(config: &str, listen: SocketAddr, admin: SocketAddr) -> String {
    let own =
        format!("admin: {{ listen: {admin} }}\nstate_dir: {{folder}}/state\nlog: {{ access: {{ output: off }} }}\n");
    own + &config.replace("{listen}", &listen.to_string())
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
