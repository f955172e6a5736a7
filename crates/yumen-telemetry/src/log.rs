//! The process log: what the gateway says about itself, on standard error, through `tracing`.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, reload};

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

/// Sends what is said through `tracing` to standard error. Once per process; fails when it was done before.
pub fn init(level: Level, format: Format) -> Result<ProcessLog, LogError> {
    let (filter, handle) = reload::Layer::new(level.targets());
    let colours = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let layer = match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
    tracing::subscriber::set_global_default(subscriber).map_err(|e| LogError(e.to_string()))?;
    Ok(ProcessLog { filter: handle })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_names_are_those_of_the_configuration() {
        assert_eq!("debug".parse(), Ok(Level::Debug));
        assert!("loud".parse::<Level>().is_err_and(|e| e.contains("use error, warn")));
    }

    #[test]
    fn debug_is_for_our_own_rooms_only() {
        let targets = Level::Debug.targets();
        assert!(targets.would_enable("yumen_proxy::http", &tracing::Level::DEBUG));
        assert!(!targets.would_enable("rustls::conn", &tracing::Level::INFO));
        assert!(targets.would_enable("rustls::conn", &tracing::Level::WARN));
    }
}
