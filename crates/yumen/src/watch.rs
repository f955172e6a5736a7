//! Sees files change. It watches their directories, because editors and orchestrators replace files rather than write
//! into them, and compares what the files look like, because other files of a directory change too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use yumen_net::rt;

/// How long a burst of changes may take: an editor writes, renames and sets modes in one go.
const DEBOUNCE: Duration = Duration::from_millis(20);

/// What a file looked like: where its name leads, its size and when it was written.
type Look = BTreeMap<PathBuf, Option<(PathBuf, u64, Option<SystemTime>)>>;

/// Watches files.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    events: mpsc::UnboundedReceiver<()>,
    directories: BTreeSet<PathBuf>,
    look: Look,
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
        Ok(Self { watcher, events, directories: BTreeSet::new(), look: Look::new() })
    }

    /// Watches these files from now on, and no others. Files that cannot be watched are told in the log.
    pub(crate) fn set(&mut self, files: &BTreeSet<PathBuf>) {
        let directories: BTreeSet<PathBuf> = files.iter().map(|f| directory(f)).collect();
        for gone in self.directories.difference(&directories) {
            // A directory that was removed is no longer watched anyway.
            drop(self.watcher.unwatch(gone));
        }
        for new in directories.difference(&self.directories) {
            if let Err(error) = self.watcher.watch(new, RecursiveMode::NonRecursive) {
                tracing::warn!(directory = %new.display(), %error, "changes here are not seen; use `yumen reload`");
            }
        }
        self.directories = directories;
        let old = std::mem::take(&mut self.look);
        // What was known before keeps its old look, so a change during a reload is not lost.
        self.look = files.iter().map(|f| (f.clone(), old.get(f).cloned().unwrap_or_else(|| look(f)))).collect();
    }

    /// Waits until a watched file has changed.
    pub(crate) async fn changed(&mut self) {
        loop {
            if self.events.recv().await.is_none() {
                return std::future::pending().await;
            }
            rt::sleep(DEBOUNCE).await;
            while self.events.try_recv().is_ok() {}
            let now: Look = self.look.keys().map(|f| (f.clone(), look(f))).collect();
            if now != self.look {
                self.look = now;
                return;
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

fn look(file: &Path) -> Option<(PathBuf, u64, Option<SystemTime>)> {
    let meta = std::fs::metadata(file).ok()?;
    Some((std::fs::canonicalize(file).ok()?, meta.len(), meta.modified().ok()))
}
