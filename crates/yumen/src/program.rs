//! The program as it was started: what an upgrade starts again, and who waits for it when it is the one that was started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use yumen_net::os::{Parcel, Predecessor, Successor};

/// The program as it was started: the file of that name may be another one by now, which is the point of an upgrade.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// As this process was started. Once, before the working directory or the file can have changed.
    pub(crate) fn of_process() -> io::Result<Self> {
        let mut words = std::env::args_os();
        let first = words.next().map(PathBuf::from).unwrap_or_default();
        // As it was called, if by a path: the file itself would be the old one behind a symbolic link to the newest.
        let called = (first.components().count() > 1).then(|| std::path::absolute(first)).transpose()?;
        let path = match called.filter(|path| path.is_file()) {
            Some(path) => path,
            None => std::env::current_exe()?,
        };
        Ok(Self { path, arguments: words.collect() })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Starts it once more, with sockets of this process.
    pub(crate) fn start(&self, parcels: &[Parcel]) -> io::Result<Successor> {
        Successor::start(&self.path, &self.arguments, parcels)
    }
}

/// What a predecessor waits for: it is told how the start went, whatever way it ends.
pub(crate) struct Confirmation(Option<Predecessor>);

impl Confirmation {
    pub(crate) fn new(predecessor: Option<Predecessor>) -> Self {
        Self(predecessor)
    }

    /// Whether somebody waits. A start that would have to make do with less than was asked for is a failed one then: what
    /// runs is better.
    pub(crate) fn is_awaited(&self) -> bool {
        self.0.is_some()
    }

    /// All is well.
    pub(crate) fn confirm(&mut self) {
        if let Some(predecessor) = self.0.take() {
            predecessor.confirm(env!("CARGO_PKG_VERSION"));
        }
    }

    /// The start failed.
    pub(crate) fn give_up(&mut self, why: &dyn fmt::Display) {
        if let Some(predecessor) = self.0.take() {
            predecessor.give_up(&format!("{why:#}"));
        }
    }
}
