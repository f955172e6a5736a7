//! Archives with the same bytes for the same content, whoever makes them and when.

use std::io::{Cursor, Write};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

/// A file of an archive or of a package.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Without a slash in front.
    pub(super) path: String,
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
    /// Whether an operator edits it, so that an upgrade has to leave it alone.
    pub(super) is_config: bool,
}

impl Entry {
    pub(super) fn new(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), bytes: bytes.into(), mode: 0o644, is_config: false }
    }

    /// A program.
    pub(super) fn runs(mut self) -> Self {
        self.mode = 0o755;
        self
    }

    /// What an operator edits.
    pub(super) fn config(mut self) -> Self {
        self.is_config = true;
        self
    }
}

/// Compressed as `gzip -n`: without a name and a time.
pub(super) fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish().context("cannot compress")
}

/// A tar in gzip, with the folders on the way to every entry; everything belongs to root.
pub(super) fn tar_gz(entries: &[Entry], time: u32) -> Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut paths: Vec<(String, Option<&Entry>)> =
        entries.iter().map(|entry| (entry.path.clone(), Some(entry))).collect();
    paths.extend(folders(entries).into_iter().map(|folder| (folder, None)));
    paths.sort_by(|a, b| a.0.cmp(&b.0));
    for (path, entry) in paths {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(time.into());
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root")?;
        header.set_groupname("root")?;
        let bytes = if let Some(entry) = entry {
            header.set_mode(entry.mode);
            entry.bytes.as_slice()
        } else {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            &[]
        };
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, &path, bytes).with_context(|| format!("cannot pack {path}"))?;
    }
    gzip(&builder.into_inner()?)
}

/// Every folder above the entries, each once, with the slash at its end that marks it as one.
fn folders(entries: &[Entry]) -> Vec<String> {
    let above = |entry: &Entry| {
        let ends = entry.path.match_indices('/').map(|(at, _)| at);
        ends.filter_map(|at| entry.path.get(..=at).map(str::to_owned)).filter(|f| f != "./").collect::<Vec<_>>()
    };
    let mut found: Vec<String> = entries.iter().flat_map(above).collect();
    found.sort();
    found.dedup();
    found
}

/// A zip. Its clock starts in 1980 and knows no zone, so the time is fixed and not that of the release.
pub(super) fn zip(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut entries: Vec<&Entry> = entries.iter().collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    for entry in entries {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(entry.mode);
        writer.start_file(&entry.path, options).with_context(|| format!("cannot pack {}", entry.path))?;
        writer.write_all(&entry.bytes)?;
    }
    Ok(writer.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn some() -> Vec<Entry> {
        vec![Entry::new("b/c/late", "1"), Entry::new("b/early", "2").runs(), Entry::new("a", "3")]
    }

    #[test]
    fn order_of_gathering_changes_no_byte_of_an_archive() {
        let backwards: Vec<Entry> = some().into_iter().rev().collect();
        assert_eq!(tar_gz(&some(), 7).unwrap(), tar_gz(&backwards, 7).unwrap());
        assert_eq!(zip(&some()).unwrap(), zip(&backwards).unwrap());
        assert_ne!(tar_gz(&some(), 7).unwrap(), tar_gz(&some(), 8).unwrap());
    }

    #[test]
    fn archive_names_every_folder_before_what_is_in_it() {
        let packed = tar_gz(&some(), 7).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
        let shown: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!((header.uid().unwrap(), header.mtime().unwrap()), (0, 7));
                format!("{:o} {}", header.mode().unwrap(), entry.path().unwrap().display())
            })
            .collect();
        assert_eq!(shown, ["644 a", "755 b/", "755 b/c/", "644 b/c/late", "755 b/early"]);
    }
}
