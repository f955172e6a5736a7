//! A log file that puts itself aside by size and age.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::Rotation;
use crate::civil;

/// After a rotation that failed, the next attempt waits this long; the present file grows meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// A virus scanner or a viewer may hold a file for some milliseconds, on Windows that forbids renaming it. Between
/// attempts, in milliseconds: a fifth of a second in all.
const HELD: [u64; 6] = [5, 10, 20, 40, 50, 75];

/// A file that is appended to. It is never truncated: a reader that holds it keeps what it was reading.
pub(crate) struct RotatingFile {
    path: PathBuf,
    file: File,
    rotation: Rotation,
    is_regular: bool,
    size: u64,
    since: SystemTime,
    not_before: Option<Instant>,
}

impl RotatingFile {
    pub(crate) fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let facts = file.metadata()?;
        let since = facts.created().or_else(|_| facts.modified()).unwrap_or_else(|_| civil::today());
        let (is_regular, size) = (facts.is_file(), facts.len());
        Ok(Self { path: path.to_owned(), file, rotation, is_regular, size, since, not_before: None })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.size += n as u64;
        Ok(n)
    }

    /// Puts the file aside when `more` bytes would be too many or it is too old. When that fails, the present file goes
    /// on. The result is what went wrong, for the log: this file may be the log itself.
    pub(crate) fn rotate_if_due(&mut self, more: u64) -> Vec<String> {
        if !self.is_due(more) || self.not_before.is_some_and(|t| civil::now() < t) {
            return Vec::new();
        }
        match self.rotate() {
            Ok(()) => self.remove_oldest(),
            Err(error) => {
                self.not_before = Some(civil::now() + PATIENCE);
                let path = self.path.display();
                vec![format!(
                    "cannot rotate log {path}: {error}; it goes on in the present file and is tried again in {PATIENCE:?}"
                )]
            }
        }
    }

    fn is_due(&self, more: u64) -> bool {
        let Rotation { size, age, .. } = self.rotation;
        let too_big = size != 0 && self.size.saturating_add(more) > size;
        let too_old = || !age.is_zero() && self.since.elapsed().is_ok_and(|elapsed| elapsed >= age);
        self.is_regular && self.size > 0 && (too_big || too_old())
    }

    fn rotate(&mut self) -> io::Result<()> {
        match rename_patiently(&self.path, &self.free_name()?) {
            // Somebody moved it away: what remains is to begin a new one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        let mut next = Self::open(&self.path, self.rotation)?;
        next.since = civil::today();
        *self = next;
        Ok(())
    }

    /// `access.log` becomes `access-2026-01-31T12-00-00.0001.log`.
    fn free_name(&self) -> io::Result<PathBuf> {
        let (stem, extension) = self.name_parts();
        let mut stamp = civil::stamp(civil::since_epoch().as_secs());
        (stamp[13], stamp[16]) = (b'-', b'-');
        let stamp = String::from_utf8_lossy(&stamp);
        let names = (1..10_000).map(|n| self.path.with_file_name(format!("{stem}-{stamp}.{n:04}{extension}")));
        names
            .into_iter()
            .find(|name| name.symlink_metadata().is_err())
            .ok_or_else(|| io::Error::other("10,000 files were put aside in one second"))
    }

    /// The name before and from its last dot on.
    fn name_parts(&self) -> (String, String) {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let extension = self.path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
        (stem, extension)
    }

    fn remove_oldest(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.rotation.keep == 0 {
            return problems;
        }
        let mut aside = self.put_aside();
        // The names sort by time.
        aside.sort_unstable();
        let surplus = aside.len().saturating_sub(self.rotation.keep);
        for path in aside.into_iter().take(surplus) {
            if let Err(error) = fs::remove_file(&path) {
                problems.push(format!("cannot remove old log {}: {error}", path.display()));
            }
        }
        problems
    }

    /// The files this log has put aside; nothing that merely begins alike.
    fn put_aside(&self) -> Vec<PathBuf> {
        let (stem, extension) = self.name_parts();
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let middle = name.strip_prefix(&*stem).and_then(|n| n.strip_suffix(&*extension));
            middle.is_some_and(is_rotation_mark)
        };
        entries.flatten().map(|e| e.path()).filter(is_ours).collect()
    }
}

/// Whether a text reads like `-2026-01-31T12-00-00.0001`.
fn is_rotation_mark(text: &str) -> bool {
    let pattern = b"-dddd-dd-ddTdd-dd-dd.dddd";
    let fits = |(byte, wanted): (u8, &u8)| if *wanted == b'd' { byte.is_ascii_digit() } else { byte == *wanted };
    text.len() == pattern.len() && text.bytes().zip(pattern).all(fits)
}

fn rename_patiently(from: &Path, to: &Path) -> io::Result<()> {
    for pause in HELD {
        match fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                std::thread::park_timeout(Duration::from_millis(pause));
            }
            done => return done,
        }
    }
    fs::rename(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_making_are_recognised() {
        for (text, ours) in [
            ("-2026-01-31T12-00-00.0001", true),
            ("-2026-01-31T12-00-00.001", false),
            ("-2026-01-31T12-00-00.0001.gz", false),
            ("-backup", false),
            ("", false),
        ] {
            assert_eq!(is_rotation_mark(text), ours, "{text}");
        }
    }
}
