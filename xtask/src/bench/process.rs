//! Child processes: pinned to cores, measured as a whole tree, gone when their guard is dropped.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Clock ticks per second in `/proc/PID/stat`: USER_HZ, a constant of the Linux ABI on the machines we run on.
const TICKS: f64 = 100.0;
const POLL: Duration = Duration::from_millis(5);

/// A running server. Dropping it ends the whole tree, politely at first.
///
/// `setpriv --pdeathsig` covers the exits on which nothing is dropped: the kernel then sends the signal.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `words` on `cores` (a `taskset` list); what it prints goes to `log`.
    pub(crate) fn start(words: &[String], environment: &[(&str, &str)], cores: &str, log: &Path) -> Result<Self> {
        let file = std::fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "taskset", "-c", cores]).args(words);
        command.envs(environment.iter().copied()).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().context("cannot run setpriv and taskset (package util-linux)")?;
        Ok(Self { child, log: log.to_path_buf() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `port` accepts connections; an early exit is reported with the last lines of the log.
    pub(crate) fn wait_ready(&mut self, port: u16, limit: Duration) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}: {}", self.last_lines());
            }
            if start.elapsed() > limit {
                bail!("it does not listen on port {port} after {limit:?}: {}", self.last_lines());
            }
            pause(Duration::from_millis(1));
        }
        Ok(())
    }

    fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join(" | ")
    }

    /// CPU seconds, user and system, of the tree since it started, children that ended included.
    pub(crate) fn cpu(&self) -> f64 {
        let ticks: u64 = tree(self.pid()).into_iter().filter_map(Stat::read).map(|stat| stat.ticks).sum();
        ticks as f64 / TICKS
    }

    /// Resident KiB of the tree, pages shared by several processes counted once (the kernel's PSS).
    pub(crate) fn resident(&self) -> f64 {
        let sizes = tree(self.pid()).into_iter().filter_map(|pid| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            text.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse::<f64>().ok())
        });
        sizes.sum()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(name, &[self.pid()]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pids: Vec<u32> = tree(self.pid()).into_iter().collect();
        self.signal("TERM");
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < Duration::from_secs(2) {
            pause(POLL);
        }
        let left: Vec<u32> =
            pids.into_iter().filter(|pid| Stat::read(*pid).is_some_and(|stat| !stat.is_dead)).collect();
        if !left.is_empty() {
            signal("KILL", &left);
        }
        // The tree is gone or was killed just now; a failed wait leaves nothing to do.
        drop(self.child.wait());
    }
}

fn signal(name: &str, pids: &[u32]) {
    let words = pids.iter().map(u32::to_string);
    // A process that ended meanwhile is what we want, so the exit code does not matter.
    drop(Command::new("kill").arg(format!("-{name}")).args(words).stderr(Stdio::null()).status());
}

/// Lets time pass while something outside happens that can only be polled.
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// What `/proc/PID/stat` says of one process.
struct Stat {
    parent: u32,
    ticks: u64,
    is_dead: bool,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The program name stands in brackets and may hold spaces and brackets itself: fields count from the last one.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // utime, stime, and both of children that were waited for: fields 14 to 17 of proc(5).
        let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
        Some(Self { parent: fields.get(1)?.parse().ok()?, ticks, is_dead: fields.first() == Some(&"Z") })
    }
}

/// `root` and all its descendants.
fn tree(root: u32) -> BTreeSet<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        if let Some((pid, stat)) = pid.and_then(|pid| Some((pid, Stat::read(pid)?))) {
            parents.push((pid, stat.parent));
        }
    }
    let mut found = BTreeSet::from([root]);
    loop {
        let before = found.len();
        found.extend(
            parents.iter().filter(|(_, parent)| found.contains(parent)).map(|(pid, _)| *pid).collect::<Vec<_>>(),
        );
        if found.len() == before {
            return found;
        }
    }
}

/// Ports nobody listens on just now. Another process may take one before we do; the caller then fails loudly.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot bind a loopback port")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Runs a command that must end within `limit`; returns what it printed on both streams.
pub(crate) fn output(words: &[String], limit: Duration) -> Result<String> {
    let (program, arguments) = words.split_first().context("an empty command")?;
    let seconds = limit.as_secs_f64().to_string();
    let mut command = Command::new("timeout");
    command.args(["--kill-after=2", &seconds, program]).args(arguments).stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot run {program}"))?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{program} ended with {}: {}", output.status, text.trim());
    }
    Ok(text)
}

/// Turns words of any string kind into a command line.
pub(crate) fn words<const N: usize>(list: [&str; N]) -> Vec<String> {
    list.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_program_name_with_brackets_does_not_shift_the_fields() {
        let text = "7 (a) b (c)) S 3 7 7 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 1 0 9 1000 50";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.parent, stat.ticks, stat.is_dead), (3, 100, false));
    }
}
