//! What concerns the process as a whole: workers, admin endpoint, logs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Workers and draining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Worker threads; `None`: one for each CPU this process may use.
    pub workers: Option<usize>,
    /// How long connections may take to finish when the process stops; default 30 s.
    pub drain_timeout: Duration,
}

impl Default for Runtime {
    fn default() -> Self {
        Self { workers: None, drain_timeout: Duration::from_secs(30) }
    }
}

/// The admin endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens; default 127.0.0.1:9900.
    pub listen: AdminListen,
    /// The file with the token that writes need; `None`: the process chooses a place.
    pub token_file: Option<PathBuf>,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: AdminListen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 9900))), token_file: None }
    }
}

/// Where the admin endpoint listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminListen {
    /// A TCP address, which must be a loopback one.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// The name of a Windows named pipe, without `\\.\pipe\`.
    Pipe(String),
}

/// The process log and the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`; default `info`.
    pub level: String,
    /// The access log.
    pub access: AccessLog,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), access: AccessLog::default() }
    }
}

/// The access log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessLog {
    /// Where the lines go; default stdout.
    pub output: LogOutput,
    /// How a line looks; default `auto`.
    pub format: LogFormat,
    /// When a file is rotated and how many are kept.
    pub rotate: Rotate,
}

/// Where the access log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogOutput {
    /// The standard output.
    #[default]
    Stdout,
    /// Nowhere.
    Off,
    /// A file, rotated by [`Rotate`].
    File(PathBuf),
}

/// The form of a line of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// Rotation of a log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotate {
    /// Bytes after which a new file is begun; default 100 MiB.
    pub size: u64,
    /// Age after which a new file is begun; default 24 h.
    pub age: Duration,
    /// Old files that are kept; default 7.
    pub keep: usize,
}

impl Default for Rotate {
    fn default() -> Self {
        Self { size: 100 << 20, age: Duration::from_secs(24 * 3600), keep: 7 }
    }
}
