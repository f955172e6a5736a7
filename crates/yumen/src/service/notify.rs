//! The notify protocol of systemd (sd_notify(3)): datagrams of `NAME=value` lines to the socket in `NOTIFY_SOCKET`.
//!
//! Spoken without a library, because it is one datagram at a time. Every message carries a STATUS, which
//! `systemctl status` shows.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use anyhow::{Context, bail};

use super::Supervisor;

/// A manager that does not read must not stop the gateway.
const PATIENCE: Duration = Duration::from_secs(1);
/// What the end takes beside the connections.
const MARGIN: Duration = Duration::from_secs(10);
/// systemd cuts longer texts; nobody reads them in one line.
const LONGEST: usize = 400;

/// The service manager's socket.
pub(super) struct Notify {
    socket: UnixDatagram,
    manager: SocketAddr,
    watchdog: Option<Duration>,
}

impl Notify {
    /// The socket that the environment names, if it names one.
    ///
    /// # Errors
    /// The name is neither an absolute path nor an abstract one, or there are no sockets.
    pub(super) fn open(environment: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<Option<Self>> {
        let Some(name) = environment("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Ok(None) };
        let manager = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            [b'/', ..] => SocketAddr::from_pathname(&name),
            _ => bail!(
                "NOTIFY_SOCKET={} is neither a path nor an abstract name; the service manager is told nothing",
                name.display()
            ),
        };
        let manager = manager.with_context(|| format!("NOTIFY_SOCKET={} cannot be used", name.display()))?;
        let socket = UnixDatagram::unbound().context("no socket for the service manager")?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let number = |name: &str| environment(name)?.to_str()?.parse::<u64>().ok();
        let is_for_us =
            environment("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(std::process::id().into());
        let watchdog = number("WATCHDOG_USEC").filter(|micros| *micros > 0 && is_for_us).map(Duration::from_micros);
        Ok(Some(Self { socket, manager, watchdog }))
    }

    fn send(&self, message: &str) {
        if let Err(error) = self.socket.send_to_addr(message.as_bytes(), &self.manager) {
            tracing::warn!(%error, "the service manager could not be told: {}", message.escape_debug());
        }
    }
}

impl Supervisor for Notify {
    fn ready(&self, text: &str) {
        self.send(&format!("READY=1\n{}", status(text)));
    }

    fn reloading(&self) {
        // The time lets the manager tell this message from one that was under way when it asked for the reload.
        let time = yumen_net::os::monotonic_micros().map_or_else(String::new, |t| format!("MONOTONIC_USEC={t}\n"));
        self.send(&format!("RELOADING=1\n{time}{}", status("reading the configuration")));
    }

    fn reloaded(&self, outcome: Result<&str, &str>) {
        match outcome {
            Ok(text) => self.ready(text),
            Err(text) => self.ready(&format!("the configuration offered last was REFUSED: {text}")),
        }
    }

    fn stopping(&self, drain: Duration) {
        let longest = drain.saturating_add(MARGIN).as_micros();
        let text = format!("stopping: connections may finish within {} s", drain.as_secs());
        self.send(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={longest}\n{}", status(&text)));
    }

    fn succeeded_by(&self, process: u32) {
        // From now on the manager listens to that process, and asks it for signs of life.
        self.send(&format!("MAINPID={process}\nREADY=1\n{}", status(&format!("process {process} has taken over"))));
    }

    fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    fn alive(&self) {
        self.send("WATCHDOG=1\n");
    }
}

/// One line, whatever stands in the text.
fn status(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    format!("STATUS={line}\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn open(pairs: &[(&str, &str)]) -> anyhow::Result<Option<Notify>> {
        Notify::open(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value)))
    }

    fn receive(socket: &UnixDatagram) -> String {
        let mut buf = [0; 4096];
        let n = socket.recv(&mut buf).unwrap();
        String::from_utf8(buf.iter().take(n).copied().collect()).unwrap()
    }

    #[test]
    fn abstract_sockets_are_spoken_to_and_a_status_stays_one_line() {
        let name = format!("yumen-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notify = open(&[("NOTIFY_SOCKET", &format!("@{name}"))]).unwrap().unwrap();
        notify.ready("a\nREADY=0");
        assert_eq!(receive(&socket), "READY=1\nSTATUS=a READY=0\n");
        notify.stopping(Duration::from_secs(5));
        assert!(receive(&socket).starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\nSTATUS=stopping"));
    }

    #[test]
    fn watchdog_of_another_process_is_not_ours() {
        let watchdog = |pid: Option<&str>| {
            let mut all = vec![("NOTIFY_SOCKET", "/x"), ("WATCHDOG_USEC", "2000000")];
            all.extend(pid.map(|pid| ("WATCHDOG_PID", pid)));
            open(&all).unwrap().unwrap().watchdog()
        };
        assert_eq!(watchdog(None), Some(Duration::from_secs(2)));
        assert_eq!(watchdog(Some(&std::process::id().to_string())), Some(Duration::from_secs(2)));
        assert_eq!(watchdog(Some("1")), None);
    }

    #[test]
    fn no_socket_is_no_supervisor_and_a_strange_one_is_told() {
        assert!(open(&[]).unwrap().is_none());
        assert!(open(&[("NOTIFY_SOCKET", "")]).unwrap().is_none());
        assert!(open(&[("NOTIFY_SOCKET", "vsock:2:1234")]).err().unwrap().to_string().contains("vsock:2:1234"));
    }
}
