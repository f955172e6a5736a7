//! What a service is to be, before any system has heard of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Instance;

/// A service to be installed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Which one.
    pub(crate) instance: Instance,
    /// This program, by its whole path.
    pub(crate) program: PathBuf,
    /// The configuration, by its whole path.
    pub(crate) config: PathBuf,
    /// Who it is to run as; `None`: an account of its own that the system makes.
    pub(crate) account: Option<String>,
    /// What the configuration asks of the system.
    pub(crate) needs: Needs,
}

/// What a configuration asks of the system.
#[derive(Clone, Debug, Default)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "other systems ask for less"))]
pub(crate) struct Needs {
    /// A listener has a port below 1024.
    pub(crate) low_port: bool,
    /// The admin API is there, so a reload can be asked for and answered.
    pub(crate) admin: bool,
    /// How long connections may take to finish at the end.
    pub(crate) drain: Duration,
    /// Files that must be readable: certificates, keys, includes.
    pub(crate) reads: Vec<PathBuf>,
    /// Folders that must be writable besides those that the system makes for it.
    pub(crate) writes: Vec<PathBuf>,
}

/// Where and how far to go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// Another root of the file system, as for an image that is being built: nothing is started or stopped there.
    pub(crate) root: Option<PathBuf>,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
}

impl Scope {
    /// Where a path of the system is in this scope.
    pub(crate) fn place(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Steps, for people.
    pub(crate) done: Vec<String>,
    /// What the operator should know or do.
    pub(crate) warnings: Vec<String>,
}
