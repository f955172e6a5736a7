//! Words that only some rooms may speak: operating systems and `unsafe`.

use std::path::Path;

use anyhow::Result;
use proc_macro2::TokenTree;

use super::Complaint;
use crate::source;

/// Rooms in which code may name an operating system.
const OS_ROOMS: &[&str] = &[
    "crates/yumen-net/src/os/",
    "crates/yumen-net/src/os.rs",
    "crates/yumen/src/service/",
    "crates/yumen/src/service.rs",
    // Stands for itself, so it cannot ask yumen-net.
    "crates/yumen-alibaba/src/os.rs",
];
/// Rooms in which code may be `unsafe`.
const UNSAFE_ROOMS: &[&str] = &["crates/yumen-net/src/os/", "crates/yumen-net/src/os.rs"];

const OS_CRATES: &[&str] = &["libc", "windows_sys", "nix", "rustix"];
const OS_CONDITIONS: &[&str] = &["windows", "unix", "target_os", "target_family", "target_vendor"];
/// Paths of std and tokio that exist on one system only.
const OS_PATHS: &[(&str, &[&str])] = &[
    ("os", &["unix", "linux", "windows", "fd"]),
    ("signal", &["unix", "windows"]),
    ("net", &["UnixStream", "UnixListener", "UnixDatagram"]),
];

/// Looks through one file for words that do not belong into its room.
pub(super) fn check(root: &Path, path: &Path, complaints: &mut Vec<Complaint>) -> Result<()> {
    let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    let may = |rooms: &[&str]| rooms.iter().any(|room| name.starts_with(room));
    let mut search = Search { os: !may(OS_ROOMS), unsafety: !may(UNSAFE_ROOMS), found: Vec::new() };
    if search.os || search.unsafety {
        search.walk(source::tokens(path)?);
    }
    for (line, text) in search.found {
        complaints.push(Complaint { file: path.to_path_buf(), line, text });
    }
    Ok(())
}

struct Search {
    os: bool,
    unsafety: bool,
    found: Vec<(usize, String)>,
}

impl Search {
    fn walk(&mut self, stream: proc_macro2::TokenStream) {
        let tokens = source::without_tests(stream);
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(ident) => {
                    let line = ident.span().start().line;
                    self.word(&ident.to_string(), line, &tokens[at + 1..]);
                }
                TokenTree::Group(group) => self.walk(group.stream()),
                _ => {}
            }
        }
    }

    fn word(&mut self, word: &str, line: usize, rest: &[TokenTree]) {
        if self.unsafety && word == "unsafe" {
            self.found.push((line, "`unsafe` stands in yumen-net/src/os/ only: put a safe function there".to_owned()));
        }
        if !self.os {
            return;
        }
        let found = match word {
            "cfg" | "cfg_attr" => condition(rest),
            name if OS_CRATES.contains(&name) && is_path(rest) => Some(name.to_owned()),
            name => one_sided_path(name, rest),
        };
        if let Some(found) = found {
            self.found.push((
                line,
                format!("`{found}` names an operating system: only yumen-net/src/os/ and yumen/src/service/ may; give it a neutral function there"),
            ));
        }
    }
}

/// The first word of an OS in the condition of `cfg(…)`, `cfg!(…)` or `cfg_attr(…)`.
fn condition(rest: &[TokenTree]) -> Option<String> {
    let group = rest.iter().take(2).find_map(|token| match token {
        TokenTree::Group(group) => Some(group),
        _ => None,
    })?;
    first_condition(group.stream())
}

fn first_condition(stream: proc_macro2::TokenStream) -> Option<String> {
    stream.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) => {
            let word = ident.to_string();
            OS_CONDITIONS.contains(&word.as_str()).then_some(word)
        }
        TokenTree::Group(group) => first_condition(group.stream()),
        _ => None,
    })
}

fn is_path(rest: &[TokenTree]) -> bool {
    matches!(rest, [TokenTree::Punct(a), TokenTree::Punct(b), ..] if a.as_char() == ':' && b.as_char() == ':')
}

fn one_sided_path(first: &str, rest: &[TokenTree]) -> Option<String> {
    let (_, seconds) = OS_PATHS.iter().find(|(name, _)| *name == first)?;
    if !is_path(rest) {
        return None;
    }
    let named = |word: &str| seconds.contains(&word).then(|| format!("{first}::{word}"));
    match rest.get(2)? {
        TokenTree::Ident(ident) => named(&ident.to_string()),
        TokenTree::Group(group) => group.stream().into_iter().find_map(|token| match token {
            TokenTree::Ident(ident) => named(&ident.to_string()),
            _ => None,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let mut search = Search { os: true, unsafety: true, found: Vec::new() };
        search.walk(text.parse().unwrap());
        search.found.into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn words_of_an_operating_system_are_found() {
        assert_eq!(lines("#[cfg(unix)]\nfn f() {}\nfn g() { if cfg!(target_os = \"linux\") {} }"), [1, 3]);
        assert_eq!(lines("#[cfg(all(not(windows), feature = \"x\"))]\nuse a;"), [1]);
        assert_eq!(
            lines("use libc::c_int;\nuse std::os::fd::AsRawFd;\nuse tokio::net::{TcpStream, UnixStream};"),
            [1, 2, 3]
        );
    }

    #[test]
    fn ordinary_words_are_not() {
        assert!(
            lines("use tokio::net::TcpStream; struct Windows { unix: u8 } #[cfg(feature = \"unix\")] fn f() {}")
                .is_empty()
        );
        assert!(
            lines("#[expect(unsafe_code)] fn f() { let windows = 1; } #[cfg(test)] mod tests { unsafe fn x() {} }")
                .is_empty()
        );
    }

    #[test]
    fn unsafe_is_found_with_its_line() {
        assert_eq!(lines("fn f() {\n    unsafe { g() }\n}"), [2]);
    }
}
