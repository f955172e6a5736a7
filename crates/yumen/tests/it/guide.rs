//! Every configuration that the guide, the README and the examples show is one that the program takes.

use std::path::{Path, PathBuf};

use crate::gateway::{text, yumen};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The pages of the guide, and the README.
fn pages() -> Vec<PathBuf> {
    let folders = ["docs/guide", "docs/guide/alibaba"].into_iter();
    let entries = folders.flat_map(|folder| std::fs::read_dir(root().join(folder)).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    pages.push(root().join("README.md"));
    pages
}

/// The blocks of a language in a page, each with its line.
fn blocks(page: &str, language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line.trim_end() == format!("```{language}") {
            let block = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim_end() != "```");
            found.push((at + 1, block.flat_map(|line| [line, "\n"]).collect()));
        }
    }
    found
}

/// Names of files that are not there are no mistake of the text.
fn check(file: &Path) -> String {
    let output = yumen(&["check", "--text-only", "-c", &file.to_string_lossy()]);
    let said = text(&output);
    // A warning is no example either.
    if output.status.success() && !said.contains("warning") { String::new() } else { said }
}

#[test]
fn configurations_of_the_guide_and_the_readme_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    std::fs::write(folder.path().join("conf.d/none.yaml"), "").unwrap();
    let mut checked = 0;
    let mut wrong = String::new();
    for page in pages() {
        for (line, block) in blocks(&std::fs::read_to_string(&page).unwrap(), "yaml") {
            let file = folder.path().join("yumen.yaml");
            std::fs::write(&file, block).unwrap();
            let said = check(&file);
            if !said.is_empty() {
                wrong += &format!("{}:{line}\n{said}\n", page.display());
            }
            checked += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(checked >= 10, "only {checked} blocks were found");
}

#[test]
fn links_of_the_guide_and_the_readme_lead_somewhere() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for (_, rest) in text.match_indices("](").map(|(at, _)| text.split_at(at + 2)) {
            let link = rest.split([')', '#']).next().unwrap();
            let is_there = link.is_empty() || link.contains("://") || page.parent().unwrap().join(link).exists();
            assert!(is_there, "{} leads to {link}, which is not there", page.display());
        }
    }
}
