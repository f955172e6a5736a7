//! Files as they lie on the disk: their text, and which of them a pattern names.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Why a file could not be read, and what to do.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) message: String,
    pub(crate) help: &'static str,
}

/// What to do about a path that leads away from the files of this machine.
pub(crate) const COME_HOME: &str = "copy the file to a disk of this machine, or give the share a drive letter";

/// Why a path is not opened: on Windows it leads to another machine, which would be dialled and told who we are, or to a
/// device. `None` for a path to a file. Judged alike on every system, so that a configuration for Windows can be checked
/// elsewhere; only two slashes at the beginning mean a share where a slash is what a backslash is.
pub fn leads_away(path: &Path) -> Option<String> {
    let text = path.to_string_lossy();
    let is_separator = |byte: u8| byte == b'\\' || byte == b'/';
    let (start, rest) = text.as_bytes().split_at_checked(2)?;
    let rest = match start {
        // `\??\` is another way to write `\\?\`.
        [first, b'?'] if is_separator(*first) && rest.first() == Some(&b'?') => rest,
        [b'/', b'/'] if !std::path::is_separator('\\') => return None,
        [first, second] if is_separator(*first) && is_separator(*second) => rest,
        _ => return None,
    };
    let is_disk = |tail: &[u8]| match tail {
        [letter, b':', ..] => letter.is_ascii_alphabetic(),
        _ => tail.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"Volume{")),
    };
    let what = match rest {
        [b'?', separator, tail @ ..] if is_separator(*separator) && is_disk(tail) => return None,
        [b'?' | b'.', separator, tail @ ..] if is_separator(*separator) => match tail.get(..4) {
            Some([unc @ .., last]) if unc.eq_ignore_ascii_case(b"UNC") && is_separator(*last) => "on another machine",
            _ => "a device, not a file",
        },
        _ => "on another machine",
    };
    let why = if what.starts_with("on") { ", which would be dialled and told who we are" } else { "" };
    Some(format!("{text} is {what}{why}"))
}

/// The text of a file of at most `limit` bytes. A pipe is read too, so that `-c <(…)` works.
pub(crate) fn read(path: &Path, limit: u64) -> Result<String, Unread> {
    let shown = path.display();
    let failed = |e: std::io::Error| unread(path, &e);
    let file = File::open(path).map_err(failed)?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(failed(ErrorKind::IsADirectory.into()));
    }
    let mut bytes = Vec::new();
    // Not by the size that the system tells: a device has none, and a file may grow.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        let message = format!("cannot read {shown}: more than 64 MiB of configuration");
        return Err(Unread { message, help: "is it the right file?" });
    }
    String::from_utf8(bytes).map_err(|e| {
        let (good, bytes) = (e.utf8_error().valid_up_to(), e.as_bytes());
        let before = bytes.get(..good).unwrap_or_default();
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let column = before.get(start..).and_then(|l| std::str::from_utf8(l).ok()).map_or(1, |l| l.chars().count() + 1);
        let help = if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            "it is written in UTF-16: save it as UTF-8"
        } else {
            "save it as UTF-8; is it a text file?"
        };
        Unread { message: format!("cannot read {shown}: it is not UTF-8 at line {line}, column {column}"), help }
    })
}

/// What to say when the system would not let a file be read.
pub(crate) fn unread(path: &Path, error: &std::io::Error) -> Unread {
    let help = match error.kind() {
        ErrorKind::NotFound => {
            "check the path: in a file it is relative to that file, on a command line to the current folder"
        }
        ErrorKind::PermissionDenied => "let the user that runs the program read it",
        ErrorKind::IsADirectory => "name a file; `include: DIRECTORY/*.yaml` takes all of a directory",
        _ => "the system could not read it",
    };
    Unread { message: format!("cannot read {}: {}", path.display(), plain(error)), help }
}

/// What the system said, without the number that only programmers know.
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text.get(..end).unwrap_or(&text).to_owned()
}

/// The one name of a file, whatever way leads to it.
pub(crate) fn same(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The files of a pattern with `*` and `?` in its last part, sorted; the file itself without them.
pub(crate) fn matching(pattern: &Path) -> std::io::Result<Vec<PathBuf>> {
    let Some(last) = pattern.file_name().and_then(|n| n.to_str()).filter(|n| n.contains(['*', '?'])) else {
        return Ok(vec![pattern.to_owned()]);
    };
    let folder = pattern.parent().unwrap_or(Path::new(""));
    let folder_or_here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder_or_here)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(name) = name.to_str()
            && fits(last.as_bytes(), name.as_bytes())
            && !name.starts_with('.')
            && entry.path().is_file()
        {
            found.push(folder.join(name));
        }
    }
    found.sort();
    Ok(found)
}

/// Like [`matching`], among files given by their whole paths.
pub(crate) fn matching_among<'p>(
    pattern: &Path,
    paths: impl Iterator<Item = &'p Path>,
) -> std::io::Result<Vec<PathBuf>> {
    let Some(last) = pattern.file_name().and_then(|n| n.to_str()).filter(|n| n.contains(['*', '?'])) else {
        return Ok(vec![pattern.to_owned()]);
    };
    let folder = pattern.parent().unwrap_or(Path::new(""));
    let whole = std::path::absolute(pattern)?;
    let beside = paths.filter(|path| path.parent() == whole.parent()).filter_map(|path| path.file_name()?.to_str());
    let mut found: Vec<PathBuf> =
        beside.filter(|name| fits(last.as_bytes(), name.as_bytes())).map(|name| folder.join(name)).collect();
    found.sort();
    Ok(found)
}

/// Whether a name fits a pattern; linear in both, by going back to the last `*` only.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == byte => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|b| *b == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_other_machines_and_devices_lead_away_and_files_do_not() {
        for away in [
            r"\\server\share\key.pem",
            r"\/server/share/key.pem",
            r"/\server\share",
            r"\\?\UNC\server\share\x",
            r"\\?\unc/server/share",
            r"\\.\UNC\server\share",
            r"\??\UNC\server\share",
            r"\\.\pipe\x",
            r"\\.\C:\x",
            r"\\?\GLOBALROOT\Device\Mup\server\share",
            r"\\?\",
            r"\\",
        ] {
            assert!(leads_away(Path::new(away)).is_some(), "{away}");
        }
        for file in [
            r"C:\Yumen\key.pem",
            r"\\?\C:\Yumen\key.pem",
            r"\??\C:\Yumen\key.pem",
            r"\\?\Volume{b75e2c83-0000-0000-0000-602f00000000}\x",
            r"\key.pem",
            r"certs\key.pem",
            "certs/key.pem",
            "/etc/key.pem",
            "D:key.pem",
            "?",
            "",
        ] {
            assert_eq!(leads_away(Path::new(file)), None, "{file}");
        }
        // The same as two backslashes where a slash is what a backslash is.
        assert_eq!(leads_away(Path::new("//server/share/x")).is_some(), std::path::is_separator('\\'));
    }
}
