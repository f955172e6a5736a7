//! The process log: what the gateway says about itself, on standard error or in a file, through `tracing`.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Mutex;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::access_log::{RotatingFile, Rotation};

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Only what must be looked at.
    Error,
    /// Also what may become a problem.
    Warn,
    /// Also what changes: start, reload, health. The default.
    #[default]
    Info,
    /// Also what is decided about single connections.
    Debug,
    /// Everything, and `debug` of the libraries.
    Trace,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "error" => Self::Error,
            "warn" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            other => return Err(format!("no log level is named {other}: use error, warn, info, debug or trace")),
        })
    }
}

impl Level {
    /// Ours as asked for; of the libraries only warnings, because their news is not the operator's.
    fn targets(self) -> Targets {
        let (ours, others) = match self {
            Self::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
            Self::Warn => (LevelFilter::WARN, LevelFilter::WARN),
            Self::Info => (LevelFilter::INFO, LevelFilter::WARN),
            Self::Debug => (LevelFilter::DEBUG, LevelFilter::WARN),
            Self::Trace => (LevelFilter::TRACE, LevelFilter::DEBUG),
        };
        Targets::new().with_target("yumen", ours).with_default(others)
    }
}

/// How an entry looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One line for people; coloured on a terminal unless `NO_COLOR` is set.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Where entries go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Standard error, where a terminal or a service manager reads it. The default.
    #[default]
    Stderr,
    /// A file that puts itself aside; for systems whose services have no standard error.
    File(PathBuf, Rotation),
}

/// The process log could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the process log: {0}")]
pub struct LogError(String);

/// Changes the process log while it runs.
pub struct ProcessLog {
    filter: reload::Handle<Targets, Registry>,
}

impl ProcessLog {
    /// Says more or less from now on.
    pub fn set_level(&self, level: Level) -> Result<(), LogError> {
        self.filter.reload(level.targets()).map_err(|e| LogError(e.to_string()))
    }
}

/// Sends what is said through `tracing` to where it belongs. Once per process; fails when it was done before or the file
/// cannot be opened.
pub fn init(level: Level, format: Format, output: &Output) -> Result<ProcessLog, LogError> {
    let (filter, handle) = reload::Layer::new(level.targets());
    let lines = tracing_subscriber::fmt::layer();
    let layer = match output {
        Output::Stderr => {
            let colours = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && io::stderr().is_terminal();
            let lines = lines.with_writer(io::stderr).with_ansi(colours);
            match format {
                Format::Text => lines.boxed(),
                Format::Json => lines.json().flatten_event(true).boxed(),
            }
        }
        Output::File(path, rotation) => {
            let lines = lines.with_writer(Mutex::new(LogFile::open(path, *rotation)?)).with_ansi(false);
            match format {
                Format::Text => lines.boxed(),
                Format::Json => lines.json().flatten_event(true).boxed(),
            }
        }
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
    tracing::subscriber::set_global_default(subscriber).map_err(|e| LogError(e.to_string()))?;
    Ok(ProcessLog { filter: handle })
}

/// The file of a process log. Each write is one entry.
struct LogFile(RotatingFile);

impl LogFile {
    fn open(path: &Path, rotation: Rotation) -> Result<Self, LogError> {
        RotatingFile::open(path, rotation).map(Self).map_err(|e| LogError(format!("{}: {e}", path.display())))
    }
}

impl Write for LogFile {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        // The log is locked now, so what went wrong cannot take the way of other entries.
        for problem in self.0.rotate_if_due(entry.len() as u64) {
            self.0.write(format!("{problem}\n").as_bytes())?;
        }
        self.0.write(entry)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn level_names_are_those_of_the_configuration() {
        assert_eq!("debug".parse(), Ok(Level::Debug));
        assert!("loud".parse::<Level>().is_err_and(|e| e.contains("use error, warn")));
    }

    #[test]
    fn log_file_is_put_aside_between_entries() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("yumen.log");
        let rotation = Rotation { size: 10, age: std::time::Duration::ZERO, keep: 1 };
        let mut file = LogFile::open(&path, rotation).unwrap();
        for entry in ["first 1\n", "second\n", "third\n"] {
            file.write_all(entry.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "third\n");
        let aside = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).find(|p| *p != path).unwrap();
        assert_eq!(std::fs::read_to_string(aside).unwrap(), "second\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn debug_is_for_our_own_rooms_only() {
        let targets = Level::Debug.targets();
        assert!(targets.would_enable("yumen_proxy::http", &tracing::Level::DEBUG));
        assert!(!targets.would_enable("rustls::conn", &tracing::Level::INFO));
        assert!(targets.would_enable("rustls::conn", &tracing::Level::WARN));
    }
}
