//! One running `yumen` as an operator has it: listeners on port 0, whose real ports the status tells, and both logs in
//! files.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use serde_json::Value;

use crate::gateway::{PROGRAM, free, slashed, text, until};

/// A running gateway; it is killed when the test ends.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    admin: SocketAddr,
    child: Child,
}

/// Sections that a test does not care about.
const USUAL: [(&str, &str); 3] = [
    ("admin:", "admin: { listen: \"{admin}\" }\n"),
    ("state_dir:", "state_dir: \"{folder}/state\"\n"),
    ("log:", "log: { level: debug, access: { output: \"{folder}/access.log\", format: json } }\n"),
];

impl Site {
    /// Starts on a configuration in a folder that holds what the test needs; `{folder}` in the text is filled in.
    pub(crate) fn start_in(folder: tempfile::TempDir, config: &str) -> Self {
        let admin = free();
        fs::write(folder.path().join("yumen.yaml"), whole(config, folder.path(), admin)).unwrap();
        let mut site = Self { child: spawn(folder.path()), folder, admin };
        site.wait_ready();
        site
    }

    /// Kills it and starts it again on another file.
    pub(crate) fn restart(&mut self, config: &str) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        fs::write(self.file(), whole(config, self.folder(), self.admin)).unwrap();
        self.child = spawn(self.folder.path());
        self.wait_ready();
    }

    fn wait_ready(&mut self) {
        until("the start", || {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended at once: {}", self.log());
            self.ask("GET /readyz").filter(|answer| answer.starts_with("HTTP/1.1 200"))
        });
    }

    pub(crate) fn start(config: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("yumen.yaml")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Replaces the configuration file, as an editor does: in one step.
    pub(crate) fn write(&self, config: &str) {
        let fresh = self.folder.path().join("yumen.yaml.new");
        fs::write(&fresh, whole(config, self.folder(), self.admin)).unwrap();
        // On Windows nobody can replace it in the moment in which the gateway reads it.
        until("the file to be free", || fs::rename(&fresh, self.file()).ok());
    }

    /// Replaces the configuration and waits until it is in force.
    pub(crate) fn change(&self, config: &str) {
        self.write(config);
        let reload = self.command("reload");
        assert!(reload.status.success(), "{}\n{}", text(&reload), self.log());
    }

    /// Runs a command of the program against this gateway.
    pub(crate) fn command(&self, name: &str) -> Output {
        Command::new(PROGRAM).args([name, "-c"]).arg(self.file()).output().unwrap()
    }

    /// Asks the admin API; `None` while it does not answer.
    pub(crate) fn ask(&self, line: &str) -> Option<String> {
        let mut socket = TcpStream::connect(self.admin).ok()?;
        write!(socket, "{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin).ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    pub(crate) fn status(&self) -> Value {
        let answer = self.ask("GET /status").unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Where a listener is bound.
    pub(crate) fn addr(&self, listener: &str) -> SocketAddr {
        let status = self.status();
        let mut all = status["listeners"].as_array().unwrap().iter();
        let found = all.find(|l| l["name"] == listener).unwrap_or_else(|| panic!("{listener} in {status}"));
        found["addr"].as_str().unwrap().parse().unwrap()
    }

    /// The value of a metric; `series` is its name with labels as they are printed.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let page = self.ask("GET /metrics").unwrap();
        let mut values = page.lines().filter_map(|l| l.strip_prefix(series)?.strip_prefix(' '));
        values.next().unwrap_or_else(|| panic!("{series} in {page}")).parse().unwrap()
    }

    /// The process log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("process.log")).unwrap()
    }

    /// Waits until the process log has a text.
    pub(crate) fn wait_log(&self, part: &str) {
        until(part, || self.log().contains(part).then_some(()));
    }

    /// The lines of the access log so far.
    pub(crate) fn access(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        // The last line may be half written.
        text.split_inclusive('\n').filter(|l| l.ends_with('\n')).map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    /// Waits for a line of the access log.
    pub(crate) fn wait_access(&self, fits: impl Fn(&Value) -> bool) -> Value {
        until("the access log", || self.access().into_iter().find(|line| fits(line)))
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(self.try_signal(name));
    }

    /// As [`Self::signal`], of a program that may have ended.
    pub(crate) fn try_signal(&self, name: &str) -> bool {
        Command::new("kill").args([name, &self.pid().to_string()]).status().unwrap().success()
    }

    /// The end of the program, if it has come.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for the end of the program.
    pub(crate) fn end(&mut self) -> ExitStatus {
        until("the end", || self.child.try_wait().unwrap())
    }
}

fn spawn(folder: &Path) -> Child {
    let log = File::create(folder.join("process.log")).unwrap();
    let mut program = Command::new(PROGRAM);
    program.args(["run", "-c"]).arg(folder.join("yumen.yaml")).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

fn whole(config: &str, folder: &Path, admin: SocketAddr) -> String {
    let missing = USUAL.iter().filter(|(key, _)| !config.lines().any(|line| line.starts_with(key)));
    let head: String = missing.map(|(_, text)| *text).collect();
    (head + config).replace("{folder}", &slashed(folder)).replace("{admin}", &admin.to_string())
}

impl Drop for Site {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
