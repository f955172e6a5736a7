//! `cargo xtask test`: every test, with the runner that is there, and one line at the end that says what ran.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Runs all tests of the workspace; `arguments` go to the runner (a test name, say).
///
/// With `cargo-nextest` installed the tests run in it and documentation examples after it; otherwise `cargo test` does both.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut summaries = Vec::new();
    if has_nextest() {
        summaries.push(cargo(&["nextest", "run", "--workspace", "--no-tests=pass", "--no-fail-fast"], arguments)?);
        summaries.push(cargo(&["test", "--doc", "--workspace"], &[])?);
    } else {
        summaries.push(cargo(&["test", "--workspace", "--no-fail-fast"], arguments)?);
    }
    println!("\n{}", summaries.join("\n"));
    Ok(())
}

pub(crate) fn has_nextest() -> bool {
    let probe =
        Command::new(env!("CARGO")).args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    probe.is_ok_and(|status| status.success())
}

/// Runs cargo, passes its output on while it comes, and returns the runner's own summary.
fn cargo(words: &[&str], arguments: &[String]) -> Result<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(words).args(arguments).current_dir(crate::root()?);
    // nextest speaks on the error stream, `cargo test` on the output stream; the other one goes straight through.
    let on_error = words.first() == Some(&"nextest");
    if on_error {
        command.stderr(Stdio::piped())
    } else {
        command.stdout(Stdio::piped())
    };
    let mut child = command.spawn().with_context(|| format!("cannot run cargo {}", words.join(" ")))?;
    let stream: Option<Box<dyn std::io::Read>> = match (child.stderr.take(), child.stdout.take()) {
        (Some(stream), _) => Some(Box::new(stream)),
        (None, Some(stream)) => Some(Box::new(stream)),
        (None, None) => None,
    };
    let mut results = Vec::new();
    for line in BufReader::new(stream.context("the output of cargo is not there")?).split(b'\n') {
        let bytes = line.context("cannot read the output of cargo")?;
        let line = String::from_utf8_lossy(&bytes);
        if on_error {
            eprintln!("{line}")
        } else {
            println!("{line}")
        }
        if line.contains("Summary [") || line.starts_with("test result:") {
            results.push(line.trim().to_owned());
        }
    }
    let status = child.wait().context("cannot wait for cargo")?;
    let summary = summary(&results);
    ensure!(status.success(), "cargo {} failed: {summary}", words.join(" "));
    Ok(summary)
}

/// `cargo test` prints one result per binary; here they become one, in the same words.
fn summary(results: &[String]) -> String {
    if results.is_empty() {
        return "no tests ran".to_owned();
    }
    if let Some(line) = results.iter().find(|line| line.contains("Summary [")) {
        return line.clone();
    }
    let sum = |word: &str| results.iter().filter_map(|line| count_before(line, word)).sum::<u64>();
    let (passed, failed, ignored) = (sum("passed"), sum("failed"), sum("ignored"));
    let verdict = if results.iter().all(|line| line.contains("result: ok")) { "ok" } else { "FAILED" };
    format!(
        "test result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored; {} test binaries",
        results.len()
    )
}

/// The number in front of `word` in `test result: ok. 3 passed; 0 failed; …`.
fn count_before(line: &str, word: &str) -> Option<u64> {
    let words: Vec<&str> = line.split([' ', ';']).filter(|part| !part.is_empty()).collect();
    let at = words.iter().position(|part| *part == word)?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_many_binaries_become_one() {
        let lines = [
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s".to_owned(),
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s"
                .to_owned(),
        ];
        assert_eq!(summary(&lines), "test result: FAILED. 7 passed; 2 failed; 1 ignored; 2 test binaries");
    }
}
