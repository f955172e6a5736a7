//! What `yumen explain` says, in files: a configuration, `----`, then questions that begin with `$` and their answers.
//! `UPDATE=1` rewrites the answers.

use std::path::Path;
use std::process::Command;

use crate::gateway::{PROGRAM, text};

#[test]
fn explanations_are_those_of_the_golden_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 8, "golden files are missing");
    for file in files {
        let all = std::fs::read_to_string(&file).unwrap().replace("\r\n", "\n");
        let (config, questions) = all.split_once("----\n").unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("yumen.yaml");
        std::fs::write(&path, config).unwrap();
        let mut now = format!("{config}----\n");
        for question in questions.lines().filter_map(|line| line.strip_prefix("$ ")) {
            now += &format!("$ {question}\n{}\n", answer(question, &path.to_string_lossy()));
        }
        assert!(!now.contains("hunter2"), "{} shows a secret: {now}", file.display());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &now).unwrap();
            continue;
        }
        assert!(now == all, "{} is out of date; run the test with UPDATE=1\n{now}", file.display());
    }
}

/// Words are parted by spaces; one with spaces in it stands in quotes.
fn answer(question: &str, config: &str) -> String {
    let quoted = question.split('\'').enumerate();
    let words = quoted.flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    let words: Vec<String> = words.collect();
    let arguments: Vec<&str> = ["explain", "-c", config].into_iter().chain(words.iter().map(String::as_str)).collect();
    // A variable that must not be seen.
    let output = Command::new(PROGRAM).args(&arguments).env("KEY", "hunter2").output().unwrap();
    text(&output)
}
