//! What is known of a service, in the same words on every system.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Cause, Instance};

/// Whether it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is no such service.
    Missing,
    /// It is installed and does not run.
    Stopped,
    /// It ended badly, or waits to be started again after that.
    Failed,
    /// It is on its way to run.
    Starting,
    /// It runs.
    Running,
    /// It runs and reads its configuration.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "other systems have no such state"))]
    Reloading,
    /// It is on its way to end.
    Stopping,
    /// The system does not say.
    Unknown,
}

impl State {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "not installed",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Reloading => "reloading",
            Self::Stopping => "stopping",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a process of it is there.
    pub(crate) fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Reloading | Self::Stopping)
    }
}

/// What is known of a service.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Whether it runs.
    pub(crate) state: State,
    /// The process.
    pub(crate) pid: Option<u32>,
    /// When it is started by the system.
    pub(crate) starts: String,
    /// Who it runs as.
    pub(crate) account: String,
    /// Its configuration file.
    pub(crate) config: Option<PathBuf>,
    /// How the last process ended, when it ended badly: the code of the process or of the service.
    pub(crate) exit: Option<u32>,
    /// Where its log is.
    pub(crate) log: String,
    /// What it says of itself, in a line; or why nothing is known.
    pub(crate) says: String,
    /// Why the last start failed, as the gateway told it.
    pub(crate) story: Option<String>,
}

impl Facts {
    /// Nothing but a state.
    pub(crate) fn only(state: State) -> Self {
        let (starts, account, log) = ("-".to_owned(), "-".to_owned(), "-".to_owned());
        Self { state, pid: None, starts, account, config: None, exit: None, log, says: String::new(), story: None }
    }

    /// What the exit code means.
    fn meaning(&self) -> Option<String> {
        let code = self.exit?;
        let meaning = Cause::of_code(code).map_or("see the log", Cause::meaning);
        Some(format!("exit code {code}: {meaning}"))
    }

    /// For machines.
    pub(crate) fn to_json(&self, instance: &Instance) -> Value {
        json!({
            "service": instance.id(),
            "state": self.state.as_str(),
            "pid": self.pid,
            "starts": self.starts,
            "account": self.account,
            "config": self.config.as_ref().map(|p| p.display().to_string()),
            "exit": self.exit,
            "failure": self.meaning(),
            "story": self.story,
            "log": self.log,
            "says": self.says,
        })
    }

    /// For people. Writing to a `String` cannot fail, so the results of `write!` carry nothing.
    pub(crate) fn readable(&self, instance: &Instance) -> String {
        let mut out = String::new();
        let pid = self.pid.map_or_else(String::new, |pid| format!(", process {pid}"));
        _ = writeln!(out, "service        {}: {}{pid}", instance.id(), self.state.as_str());
        if self.state == State::Missing {
            return out;
        }
        _ = writeln!(out, "starts         {}", self.starts);
        _ = writeln!(out, "account        {}", self.account);
        let config = self.config.as_ref().map_or_else(|| "-".to_owned(), |p| p.display().to_string());
        _ = writeln!(out, "file           {config}");
        _ = writeln!(out, "log            {}", self.log);
        if !self.says.is_empty() {
            _ = writeln!(out, "says           {}", self.says);
        }
        if let Some(meaning) = self.meaning().filter(|_| !self.state.is_up()) {
            _ = writeln!(out, "failed         {meaning}");
        }
        if let Some(story) = self.story.as_ref().filter(|_| !self.state.is_up()) {
            for line in story.lines() {
                _ = writeln!(out, "               {line}");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_is_told_with_its_meaning_and_its_story_until_it_runs_again() {
        let story = Some("error: there is no upstream `up`\n --> a.yaml:1".to_owned());
        let mut facts = Facts { exit: Some(10), story, ..Facts::only(State::Failed) };
        let text = facts.readable(&Instance::default());
        assert!(text.starts_with("service        yumen: failed\n"), "{text}");
        assert!(text.contains("exit code 10: the configuration was refused") && text.contains("a.yaml:1"), "{text}");
        facts.state = State::Running;
        assert!(!facts.readable(&Instance::default()).contains("refused"));
    }
}
