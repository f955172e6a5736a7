//! The built gateway as a process.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::wait::until;

/// A running gateway with a folder of its own. It is killed when it is dropped; when the test failed, its logs are shown.
pub struct Program {
    folder: TempDir,
    child: Child,
    admin: SocketAddr,
}

impl Program {
    /// Starts `yumen run` on a configuration and waits until it is ready.
    ///
    /// In the configuration `{folder}` is the folder; the admin section (a port of the system's choice) and the state
    /// directory are added and must not be in it. Listeners should bind port 0: [`Program::listener`] tells what they
    /// got. The access log goes to a file as JSON.
    ///
    /// # Panics
    /// When it does not start; its log is shown.
    #[must_use]
    pub fn start(binary: impl AsRef<Path>, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("yumen.yaml");
        std::fs::write(&file, whole(config, folder.path())).unwrap();
        let log = |name: &str| Stdio::from(std::fs::File::create(folder.path().join(name)).unwrap());
        let child = Command::new(binary.as_ref())
            .args(["run", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log(ACCESS))
            .stderr(log(PROCESS))
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {}: {e}", binary.as_ref().display()));
        let mut program = Self { folder, child, admin: SocketAddr::from(([127, 0, 0, 1], 0)) };
        program.admin = until("the admin API", || {
            let ended = program.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended at once, {}:\n{}", ended.unwrap(), program.process_log());
            announced(&program.process_log())
        });
        until("readiness", || program.admin_page("/readyz").starts_with("HTTP/1.1 200").then_some(()));
        program
    }

    /// The address of a listener by name.
    ///
    /// # Panics
    /// When no such listener is open.
    #[must_use]
    pub fn listener(&self, name: &str) -> SocketAddr {
        let status = self.status();
        let listener = status["listeners"].as_array().into_iter().flatten().find(|l| l["name"] == name);
        let addr = listener.and_then(|l| l["addr"].as_str()).and_then(|addr| addr.parse().ok());
        addr.unwrap_or_else(|| panic!("no listener {name} in {status}"))
    }

    /// What the admin API says under `/status`.
    ///
    /// # Panics
    /// When the answer is no JSON.
    #[must_use]
    pub fn status(&self) -> Value {
        let page = self.admin_page("/status");
        let (_, body) = page.split_once("\r\n\r\n").unwrap_or_default();
        serde_json::from_str(body).unwrap_or_else(|e| panic!("{e} in {page}"))
    }

    /// Where the admin API listens.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// A page of the admin API with its head; empty when nobody answers.
    #[must_use]
    pub fn admin_page(&self, path: &str) -> String {
        let ask = || {
            let mut stream = TcpStream::connect(self.admin)?;
            let host = self.admin;
            write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
            let mut page = String::new();
            stream.read_to_string(&mut page)?;
            Ok::<_, std::io::Error>(page)
        };
        ask().unwrap_or_default()
    }

    /// The lines of the access log so far; a line appears up to half a second after its exchange.
    #[must_use]
    pub fn access_log(&self) -> Vec<Value> {
        let text = self.read(ACCESS);
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"))).collect()
    }

    /// What it said on its error stream so far.
    #[must_use]
    pub fn process_log(&self) -> String {
        self.read(PROCESS)
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its configuration file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("yumen.yaml")
    }

    /// Writes another configuration into its file, completed as in [`Program::start`].
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write(&self, config: &str) {
        std::fs::write(self.file(), whole(config, self.folder.path())).unwrap();
    }

    /// The process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- process log\n{}--- access log\n{}---", self.read(PROCESS), self.read(ACCESS));
        }
    }
}

const ACCESS: &str = "access.log";
const PROCESS: &str = "process.log";

fn whole(config: &str, folder: &Path) -> String {
    let own = "admin: { listen: \"127.0.0.1:0\" }\nstate_dir: \"{folder}/state\"\n";
    // A Windows path in a double-quoted YAML text would be full of escapes.
    let folder = folder.to_string_lossy().replace('\\', "/");
    format!("{own}{config}").replace("{folder}", &folder)
}

/// The address of the admin API in what the program says once it runs.
fn announced(log: &str) -> Option<SocketAddr> {
    let (lines, _) = log.rsplit_once('\n')?;
    let line = lines.lines().find_map(|line| line.trim_start().strip_prefix("admin "))?;
    line.trim().strip_prefix("http://")?.parse().ok()
}
