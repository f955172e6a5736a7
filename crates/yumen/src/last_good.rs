//! The last configuration that was put in force, kept for a start with a broken file.
//!
//! Kept are the texts as they were read, the main file and every include, and not what they mean: a secret that comes
//! from the environment or from a file is kept as the reference that was written. One file holds them all, replaced in
//! one step, and only its owner may read it.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::compose::{self, Refused, Wish};

/// The file beneath the state directory.
const FILE: &str = "last-good.json";

/// The form of the file.
const FORMAT: u64 = 1;

/// Keeps what was put in force.
pub(crate) fn keep(wish: &Wish, main: &Path, dir: &Path) -> io::Result<()> {
    let files: io::Result<Vec<Value>> = wish
        .files
        .iter()
        .zip(&wish.texts)
        .map(|(path, text)| Ok(json!({"path": written(&std::path::absolute(path)?)?, "text": text})))
        .collect();
    let kept = json!({"format": FORMAT, "of": written(&std::path::absolute(main)?)?, "files": files?});
    let fresh = dir.join(format!("{FILE}.{}.new", std::process::id()));
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    yumen_net::os::create_private(&fresh, kept.to_string().as_bytes())?;
    yumen_net::os::replace(&fresh, &dir.join(FILE)).inspect_err(|_| {
        // The first error is the one to tell.
        std::fs::remove_file(&fresh).unwrap_or_default();
    })
}

fn written(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its path is not UTF-8"))
}

/// The last good configuration of a main file: `None` when none was kept in these directories.
pub(crate) fn load(main: &Path, dirs: &[PathBuf]) -> Option<Result<Wish, Refused>> {
    let whole = std::path::absolute(main).ok()?;
    let kept = dirs.iter().find_map(|dir| read(&dir.join(FILE)).filter(|kept| kept.main == whole))?;
    Some(compose::load_kept(main, &kept.files).map(|wish| Wish {
        name: format!("the last good copy of {}", main.display()),
        is_copy: true,
        ..wish
    }))
}

fn read(file: &Path) -> Option<Kept> {
    let document: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let files = document["files"].as_array()?.iter().map(|one| {
        let (path, text) = (one["path"].as_str()?, one["text"].as_str()?);
        Some((PathBuf::from(path), text.to_owned()))
    });
    let kept = Kept { main: document["of"].as_str()?.into(), files: files.collect::<Option<_>>()? };
    (document["format"] == FORMAT).then_some(kept)
}

/// The texts that were kept, by whole path.
struct Kept {
    main: PathBuf,
    files: Vec<(PathBuf, String)>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const MAIN: &str =
        "include: conf.d/*.yaml\nlisteners: {web: {bind: \"127.0.0.1:1\"}}\nroutes: {r: {upstream: u}}\n";

    #[test]
    fn main_file_and_includes_come_back_when_both_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (main, conf, state) =
            (folder.path().join("y.yaml"), folder.path().join("conf.d"), folder.path().join("state"));
        std::fs::create_dir(&conf).unwrap();
        std::fs::create_dir(&state).unwrap();
        std::fs::write(&main, MAIN).unwrap();
        std::fs::write(conf.join("u.yaml"), "upstreams: {u: {endpoints: [\"h:1\"]}}\n").unwrap();
        let wish = compose::load_file(&main).unwrap();
        keep(&wish, &main, &state).unwrap();
        assert_eq!(yumen_net::os::exposure(&state.join(FILE)).unwrap(), None);
        std::fs::remove_file(&main).unwrap();
        std::fs::remove_dir_all(&conf).unwrap();
        let again = load(&main, &[folder.path().to_owned(), state.clone()]).unwrap().map_err(|r| r.found).unwrap();
        assert_eq!((&again.config, &again.digest, &again.files), (&wish.config, &wish.digest, &wish.files));
        assert!(again.is_copy && again.name.contains("last good"));
        // It stands in for no other file.
        assert!(load(&folder.path().join("other.yaml"), &[state]).is_none());
    }
}
