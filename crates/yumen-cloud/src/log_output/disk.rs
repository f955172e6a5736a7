//! Batches on the disk, in order, while nobody takes them.
//!
//! One file for each, private, named by its number, and written beside its place first: a crash leaves whole files, and at
//! most one that is not in place. What is damaged all the same is noticed and put away.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use yumen_net::os;

use super::spool::Batch;

/// How a file begins: its form, the number of lines, the length of the content and its checksum.
const FORM: &[u8; 8] = b"yumenlg1";
const HEAD: usize = 32;
const ENDING: &str = "logs";

/// A folder with batches.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    max: u64,
    /// The size of each, by its number.
    files: BTreeMap<u64, u64>,
}

impl Disk {
    /// Looks at what a folder holds, and makes it when it is not there.
    pub(super) fn open(folder: PathBuf, max: u64) -> Result<Self, String> {
        let failed = |error: io::Error| format!("{} cannot be used: {error}", folder.display());
        os::private_folder(&folder).map_err(failed)?;
        if let Some(words) = os::intrusion(&folder).map_err(failed)? {
            return Err(words);
        }
        let files = scan(&folder).map_err(failed)?;
        Ok(Self { folder, max, files })
    }

    /// How many bytes wait.
    pub(super) fn size(&self) -> u64 {
        self.files.values().sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The number after the last one.
    pub(super) fn next(&self) -> u64 {
        self.files.keys().next_back().map_or(0, |last| last + 1)
    }

    /// Adds a batch; the oldest make room. Tells how many lines were lost for it.
    ///
    /// # Errors
    /// The disk, which may be full even without all that is older. The batch is lost then.
    pub(super) fn append(&mut self, batch: &Batch) -> (u64, io::Result<()>) {
        let size = (HEAD + batch.body.len()) as u64;
        if size > self.max {
            return (batch.lines, Err(io::Error::other("it is larger than the whole spill may be")));
        }
        let mut lost = 0;
        while self.size() + size > self.max && self.has_older(batch) {
            lost += self.drop_oldest();
        }
        if self.size() + size > self.max {
            // What is there is newer.
            return (lost + batch.lines, Ok(()));
        }
        let mut written = self.write(batch);
        while written.as_ref().is_err_and(is_full) && self.has_older(batch) {
            // What another program took can be had only from what is ours.
            lost += self.drop_oldest();
            written = self.write(batch);
        }
        match written {
            Ok(number) => {
                self.files.insert(number, size);
                (lost, Ok(()))
            }
            Err(error) => (lost + batch.lines, Err(error)),
        }
    }

    fn has_older(&self, batch: &Batch) -> bool {
        self.files.keys().next().is_some_and(|first| *first < batch.number)
    }

    fn write(&self, batch: &Batch) -> io::Result<u64> {
        let mut bytes = Vec::with_capacity(HEAD + batch.body.len());
        bytes.extend_from_slice(FORM);
        for number in [batch.lines, batch.body.len() as u64, checksum(&batch.body)] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&batch.body);
        let mut number = batch.number;
        // A task that is about to end may still write into the same folder.
        while self.path(number).exists() {
            number += 1;
        }
        let (path, beside) = (self.path(number), self.path(number).with_extension("new"));
        if let Err(error) = std::fs::remove_file(&beside)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        os::create_private(&beside, &bytes)?;
        os::replace(&beside, &path).inspect_err(|_| std::fs::remove_file(&beside).unwrap_or_default())?;
        Ok(number)
    }

    /// The oldest batch. One that is damaged is put away, and its lines, as far as they are told, are counted as lost.
    pub(super) fn oldest(&mut self) -> (u64, Option<Batch>) {
        let mut lost = 0;
        if self.is_empty() {
            // What another task left here since.
            self.files = scan(&self.folder).unwrap_or_default();
        }
        while let Some(number) = self.files.keys().next().copied() {
            match read(&self.path(number), number) {
                Ok(batch) => return (lost, Some(batch)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => drop(self.files.remove(&number)),
                Err(error) => {
                    let path = self.path(number);
                    tracing::warn!("{} is damaged and was put away: {error}", path.display());
                    lost += self.drop_oldest();
                }
            }
        }
        (lost, None)
    }

    /// Deletes a batch that was taken.
    pub(super) fn remove(&mut self, number: u64) {
        self.files.remove(&number);
        if let Err(error) = std::fs::remove_file(self.path(number))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("{} was sent but cannot be deleted: {error}", self.path(number).display());
        }
    }

    /// Deletes the oldest and tells how many lines it had.
    fn drop_oldest(&mut self) -> u64 {
        let Some(number) = self.files.keys().next().copied() else { return 0 };
        let lines = lines_of(&self.path(number)).unwrap_or(0);
        self.remove(number);
        lines
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.{ENDING}"))
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The files of a folder; what was never put in its place is removed.
fn scan(folder: &Path) -> io::Result<BTreeMap<u64, u64>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        match (ending, number) {
            (ENDING, Some(number)) => drop(files.insert(number, entry.metadata()?.len())),
            ("new", Some(_)) => std::fs::remove_file(&path).unwrap_or_default(),
            _ => {}
        }
    }
    Ok(files)
}

fn lines_of(path: &Path) -> io::Result<u64> {
    let mut head = [0; 16];
    std::fs::File::open(path)?.read_exact(&mut head)?;
    Ok(if head.starts_with(FORM) { number_at(&head, 8) } else { 0 })
}

fn read(path: &Path, number: u64) -> io::Result<Batch> {
    let bytes = std::fs::read(path)?;
    let torn = || io::Error::other("it is not whole");
    let (head, body) = bytes.split_at_checked(HEAD).ok_or_else(torn)?;
    let is_whole =
        head.starts_with(FORM) && number_at(head, 16) == body.len() as u64 && number_at(head, 24) == checksum(body);
    if !is_whole {
        return Err(torn());
    }
    Ok(Batch { number, lines: number_at(head, 8), body: body.to_vec() })
}

fn number_at(head: &[u8], at: usize) -> u64 {
    let bytes = head.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_le_bytes)
}

/// FNV-1a of 64 bits: it has to notice accidents, not forgery.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn batch(number: u64, size: usize) -> Batch {
        Batch { number, lines: number + 1, body: vec![b'x'; size] }
    }

    fn open(folder: &Path, max: u64) -> Disk {
        Disk::open(folder.join("spill"), max).unwrap()
    }

    #[test]
    fn batches_survive_in_order_and_the_oldest_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = open(folder.path(), 3 * 132);
        for number in 0..4 {
            let (lost, written) = disk.append(&batch(number, 100));
            written.unwrap();
            assert_eq!(lost, u64::from(number == 3), "the oldest had one line");
        }
        drop(disk);
        let mut disk = open(folder.path(), 1000);
        assert_eq!((disk.size(), disk.next()), (3 * 132, 4));
        for number in 1..4 {
            let (_, oldest) = disk.oldest();
            assert_eq!(oldest, Some(batch(number, 100)));
            disk.remove(number);
        }
        assert_eq!(disk.oldest(), (0, None));
        assert_eq!(disk.append(&batch(9, 1000)).0, 10, "it is too large by itself");
    }

    #[test]
    fn files_that_a_crash_tore_are_put_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = open(folder.path(), 10_000);
        for number in 0..4 {
            disk.append(&batch(number, 100)).1.unwrap();
        }
        let path = |number| disk.path(number);
        let whole = std::fs::read(path(0)).unwrap();
        std::fs::write(path(0), &whole[..50]).unwrap();
        std::fs::write(path(1), "").unwrap();
        let mut flipped = whole;
        *flipped.last_mut().unwrap() ^= 1;
        std::fs::write(path(2), flipped).unwrap();
        std::fs::write(path(7).with_extension("new"), "half").unwrap();
        let mut disk = open(folder.path(), 10_000);
        // One line of the first and one of the third, whose heads can be read; the second tells nothing.
        assert_eq!(disk.oldest(), (2, Some(batch(3, 100))));
        assert_eq!(std::fs::read_dir(folder.path().join("spill")).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_what_waits() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mut disk = open(folder.path(), 10_000);
        disk.append(&batch(0, 10)).1.unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&disk.path(0)), mode(&disk.folder)), (0o600, 0o700));
    }
}
