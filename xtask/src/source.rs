//! Reading Rust source the way the checks need it: the files of a crate, and its tokens with tests taken out.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Every `.rs` file under `folder`, sorted; nothing when the folder does not exist.
pub(crate) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A file that holds only tests: `x/tests.rs`, or anything under a `tests` folder.
pub(crate) fn is_test_file(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests") || path.components().any(|part| part.as_os_str() == "tests")
}

/// The text of `path` as tokens.
pub(crate) fn tokens(path: &Path) -> Result<TokenStream> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().map_err(|error| anyhow::anyhow!("{} is not Rust: {error}", path.display()))
}

/// `tokens` without the items that stand under `#[cfg(test)]`.
pub(crate) fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let all: Vec<TokenTree> = tokens.into_iter().collect();
    let mut kept = Vec::with_capacity(all.len());
    let mut at = 0;
    while at < all.len() {
        if is_cfg_test(&all, at) {
            at = end_of_item(&all, at + 2);
        } else {
            kept.push(all[at].clone());
            at += 1;
        }
    }
    kept
}

/// Whether `#[cfg(test)]` starts at `at`.
fn is_cfg_test(tokens: &[TokenTree], at: usize) -> bool {
    let (Some(TokenTree::Punct(hash)), Some(TokenTree::Group(group))) = (tokens.get(at), tokens.get(at + 1)) else {
        return false;
    };
    hash.as_char() == '#' && {
        let text: String = group.stream().to_string().split_whitespace().collect();
        text == "cfg(test)" || text.starts_with("cfg(all(test,")
    }
}

/// The index after the item that `at` is inside of: its first `;` or its first `{…}`.
fn end_of_item(tokens: &[TokenTree], at: usize) -> usize {
    let last = tokens.iter().enumerate().skip(at).find(|(_, token)| match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    });
    last.map_or(tokens.len(), |(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn test_modules_are_taken_out() {
        let text = "use a; #[cfg(test)] mod tests { fn x() { unsafe {} } } fn b() {} #[cfg(test)] mod more; fn c() {}";
        let kept: TokenStream = without_tests(text.parse().unwrap()).into_iter().collect();
        assert_eq!(kept.to_string(), "use a ; fn b () { } fn c () { }");
    }
}
