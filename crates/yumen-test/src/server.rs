//! Servers of others, as processes that end with the test.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::wait::until;

/// A process; it is killed when it is dropped, and its log is shown when the test failed.
pub struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it and waits until its log has one of the texts `ready`. `None` when it ended before.
    /// # Panics
    /// When it cannot be started at all.
    pub fn start(command: &mut Command, log: PathBuf, ready: &str) -> Option<Self> {
        let file = File::create(&log).unwrap();
        let command = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut process = Self { child, log };
        let is_ready = until("a server to be ready", || {
            let has_ended = process.child.try_wait().unwrap().is_some();
            if has_ended { Some(false) } else { process.log().contains(ready).then_some(true) }
        });
        is_ready.then_some(process)
    }

    /// What it said so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        if std::thread::panicking() {
            println!("{}:\n{}", self.log.display(), self.log());
        }
    }
}

/// A port that is free for TCP and UDP now. Somebody else may take it before it is used, so who uses it tries again.
#[must_use]
pub fn free_port() -> u16 {
    until("a free port", || {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        UdpSocket::bind(("127.0.0.1", port)).is_ok().then_some(port)
    })
}

/// Tries with other ports until a server starts.
pub fn on_free_port<T>(what: &str, mut start: impl FnMut(u16) -> Option<T>) -> T {
    (0..10).find_map(|_| start(free_port())).unwrap_or_else(|| panic!("{what} does not start"))
}

/// Writes a file and gives its path.
///
/// # Panics
/// When it cannot be written.
pub fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
