//! Sees files change. It watches their directories, because editors and orchestrators replace files rather than write
//! into them, and compares what the files look like, because other files of a directory change too.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use yumen_net::rt;

use crate::compose;

/// How long nothing must happen before a burst of changes is over: an editor writes, renames and sets modes in one go.
const QUIET: Duration = Duration::from_millis(10);
/// A burst that does not end is looked at after so many times [`QUIET`].
const LONGEST: u32 = 20;
/// How often files are looked at without any event: shares of a network tell nothing, and a flood of events can be lost.
const POLL: Duration = Duration::from_secs(30);

/// Up to this size a file is read to see whether it changed: the clock of a file system ticks every few milliseconds, and
/// two versions of the same size may be written within one tick.
const READ: u64 = 1 << 20;

/// What a file looked like: where its name leads, its size, when it was written, and a digest of what it holds; of a
/// pattern, the names there are.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Look {
    Missing,
    File { real: PathBuf, size: u64, written: Option<SystemTime>, holds: u64 },
    Names(BTreeSet<OsString>),
}

/// What files look like now. Who takes this before he reads them can tell later whether they have changed since. Blocks.
pub(crate) fn looks(files: &BTreeSet<PathBuf>) -> Looks {
    files.iter().map(|file| (file.clone(), look(file))).collect()
}

/// Files with what they looked like.
pub(crate) type Looks = BTreeMap<PathBuf, Look>;

/// Watches files.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    events: mpsc::UnboundedReceiver<()>,
    directories: BTreeSet<PathBuf>,
    look: Looks,
}

impl Watch {
    /// Starts with no files.
    pub(crate) fn start() -> notify::Result<Self> {
        let (sender, events) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error may mean that events were lost, so it counts as a change; reading does not.
            if event.map_or(true, |e| !e.kind.is_access()) {
                // The receiver is gone only when the process ends.
                sender.send(()).unwrap_or_default();
            }
        })?;
        Ok(Self { watcher, events, directories: BTreeSet::new(), look: BTreeMap::new() })
    }

    /// Watches these files from now on, and no others; `seen` is what they looked like before they were read. Files that
    /// cannot be watched are told in the log.
    pub(crate) fn set(&mut self, files: &BTreeSet<PathBuf>, seen: &Looks) {
        // Where a name leads, too: a file that is written in place tells only its own directory.
        let real = files.iter().filter_map(|f| std::fs::canonicalize(f).ok());
        let directories: BTreeSet<PathBuf> = files.iter().cloned().chain(real).map(|f| directory(&f)).collect();
        for gone in self.directories.difference(&directories) {
            // A directory that was removed is no longer watched anyway.
            drop(self.watcher.unwatch(gone));
        }
        for directory in &directories {
            // Again for those watched already: one that was removed and made anew is another one.
            let outcome = self.watcher.watch(directory, RecursiveMode::NonRecursive);
            if let Err(error) = outcome
                && !self.directories.contains(directory)
            {
                tracing::warn!(directory = %directory.display(), %error, "changes here are seen late; use `yumen reload`");
            }
        }
        self.directories = directories;
        let old = std::mem::take(&mut self.look);
        // What was known before keeps its old look, so a change during a reload is not lost.
        let known = |f: &PathBuf| old.get(f).or_else(|| seen.get(f)).cloned();
        self.look = files.iter().map(|f| (f.clone(), known(f).unwrap_or_else(|| look(f)))).collect();
    }

    /// Waits until a watched file has changed.
    pub(crate) async fn changed(&mut self) {
        loop {
            // First, because a wait that was given up may have taken the event with it.
            let now: Looks = self.look.keys().map(|f| (f.clone(), look(f))).collect();
            if now != self.look {
                self.look = now;
                return;
            }
            if let Ok(None) = rt::timeout(POLL, self.events.recv()).await {
                return std::future::pending().await;
            }
            for _ in 0..LONGEST {
                rt::sleep(QUIET).await;
                if self.events.try_recv().is_err() {
                    break;
                }
                while self.events.try_recv().is_ok() {}
            }
        }
    }
}

fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn look(file: &Path) -> Look {
    if compose::is_pattern(file) {
        return Look::Names(compose::names_like(file));
    }
    match (std::fs::metadata(file), std::fs::canonicalize(file)) {
        (Ok(meta), Ok(real)) => {
            // A pipe can be read only once.
            let text =
                if meta.is_file() && meta.len() <= READ { std::fs::read(file).unwrap_or_default() } else { Vec::new() };
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            Look::File { real, size: meta.len(), written: meta.modified().ok(), holds: hasher.finish() }
        }
        _ => Look::Missing,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn file_that_changed_between_its_reading_and_its_watching_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "one").unwrap();
        let files = BTreeSet::from([file.clone()]);
        let seen = looks(&files);
        std::fs::write(&file, "two").unwrap();
        rt::Control::start(1).unwrap().block_on(async {
            let mut watch = Watch::start().unwrap();
            watch.set(&files, &seen);
            // The next look would be half a minute away, and no event comes.
            rt::timeout(Duration::from_secs(20), watch.changed()).await.unwrap();
            // It is told once.
            assert!(watch.look == looks(&files));
        });
    }
}
