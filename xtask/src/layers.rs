//! Who may import whom.
//!
//! Between crates: the directions of `ARCHITECTURE.md`. Inside a crate: a module uses only modules that its `lib.rs` or
//! `main.rs` lists below it. Operating-system words and `unsafe` stand only in the rooms made for them. Cargo forbids
//! rings between crates already; this forbids the rest. Test modules and `tests/` folders are left alone.
//!
//! `// layers: allow x -> y: reason`, in the using file or in the crate's root file, permits one exception; an
//! allowance that permits nothing is itself a complaint.

mod crates;
mod modules;
mod words;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::source;

/// One complaint: where, what, and what to do.
struct Complaint {
    file: PathBuf,
    line: usize,
    text: String,
}

/// Checks the whole workspace; prints every complaint and fails when there is one.
pub(crate) fn run() -> Result<()> {
    let root = crate::root()?;
    let mut complaints = crates::check(&root)?;
    let mut folders: Vec<_> =
        std::fs::read_dir(root.join("crates"))?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    let mut files = 0;
    for folder in &folders {
        files += check_crate(&root, folder, &mut complaints)?;
    }
    if complaints.is_empty() {
        println!("layers: {} crates, {files} files, every import points downwards", folders.len());
        return Ok(());
    }
    for complaint in &complaints {
        let file = complaint.file.strip_prefix(&root).unwrap_or(&complaint.file);
        eprintln!("{}:{}: {}", file.display(), complaint.line, complaint.text);
    }
    bail!("{} imports or words stand in the wrong place", complaints.len())
}

/// Checks the modules and words of one crate; returns how many files it read.
fn check_crate(root: &Path, folder: &Path, complaints: &mut Vec<Complaint>) -> Result<usize> {
    let paths = source::rust_files(&folder.join("src"))?;
    for path in &paths {
        if !source::is_test_file(path.strip_prefix(root).unwrap_or(path)) {
            words::check(root, path, complaints)?;
        }
    }
    for name in ["lib.rs", "main.rs"] {
        let file = folder.join("src").join(name);
        if file.is_file() {
            modules::check(&file, &paths, complaints)?;
        }
    }
    Ok(paths.len())
}
