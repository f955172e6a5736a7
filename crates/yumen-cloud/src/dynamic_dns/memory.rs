//! Which records are ours, remembered over restarts.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use yumen_net::os;

const FOLDER: &str = "dynamic-dns";

/// The ids of the records that a section made or took over. Without a place it forgets them with the process.
#[derive(Debug)]
pub(super) struct Memory {
    path: Option<PathBuf>,
    ids: BTreeSet<String>,
    is_saved: bool,
}

impl Memory {
    /// What is remembered of a section in a folder. A file that cannot be read is told once and begun anew: what it said is
    /// learned again wherever the records say what they shall.
    pub(super) fn open(folder: Option<&Path>, name: &str) -> Self {
        // Names are those of a configuration, not of files.
        let file = format!("{}.json", yumen_alibaba::encode::percent(name));
        let path = folder.map(|folder| folder.join(FOLDER).join(file));
        let ids = match path.as_deref().map(read) {
            None => BTreeSet::new(),
            Some(Ok(ids)) => ids,
            Some(Err(error)) => {
                tracing::warn!(name, "it is not known which records are ours: {error}");
                BTreeSet::new()
            }
        };
        Self { path, ids, is_saved: true }
    }

    pub(super) fn ids(&self) -> &BTreeSet<String> {
        &self.ids
    }

    pub(super) fn add(&mut self, id: &str) {
        self.is_saved &= !self.ids.insert(id.to_owned());
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.is_saved &= !self.ids.remove(id);
    }

    /// Writes what is not written yet.
    pub(super) fn save(&mut self) -> Result<(), String> {
        let Some(path) = self.path.as_deref().filter(|_| !self.is_saved) else { return Ok(()) };
        let text = serde_json::json!({"records": self.ids}).to_string();
        write(path, text.as_bytes()).map_err(|error| {
            format!("{} cannot be written, so that a restart forgets which records are ours: {error}", path.display())
        })?;
        self.is_saved = true;
        Ok(())
    }
}

fn read(path: &Path) -> Result<BTreeSet<String>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
    };
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("{} is damaged: {error}", path.display()))?;
    let ids = value["records"].as_array().into_iter().flatten();
    Ok(ids.filter_map(|id| id.as_str().map(str::to_owned)).collect())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        os::private_folder(folder)?;
    }
    let beside = path.with_extension("new");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    os::create_private(&beside, bytes)?;
    os::replace(&beside, path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn records_are_remembered_over_a_restart_and_a_damaged_file_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = Memory::open(Some(folder.path()), "a/b");
        memory.add("1");
        memory.add("2");
        memory.remove("1");
        memory.save().unwrap();
        let again = Memory::open(Some(folder.path()), "a/b");
        assert_eq!(again.ids().iter().collect::<Vec<_>>(), ["2"]);
        let path = again.path.unwrap();
        std::fs::write(&path, "{\"records\": [\"1\"").unwrap();
        let mut damaged = Memory::open(Some(folder.path()), "a/b");
        assert!(damaged.ids().is_empty());
        damaged.add("3");
        damaged.save().unwrap();
        assert_eq!(Memory::open(Some(folder.path()), "a/b").ids().len(), 1);
    }
}
