//! Tests that Wine cannot run, each with its reason.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A line of the list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exception {
    binary: String,
    /// A test, or the beginning of many: `module::`.
    test: String,
    is_module: bool,
    reason: String,
}

impl Exception {
    pub(super) fn read(path: &Path) -> Result<Vec<Self>> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|line| Self::parse(line).with_context(|| format!("`{line}` has no binary, test and reason")))
            .collect()
    }

    fn parse(line: &str) -> Option<Self> {
        let (binary, rest) = line.split_once(char::is_whitespace)?;
        let (test, reason) = rest.trim_start().split_once(char::is_whitespace)?;
        let module = test.strip_suffix('*');
        Some(Self {
            binary: binary.to_owned(),
            test: module.unwrap_or(test).to_owned(),
            is_module: module.is_some(),
            reason: reason.trim().to_owned(),
        })
    }

    fn fits(&self, binary: &str, test: &str) -> bool {
        binary == self.binary && if self.is_module { test.starts_with(&self.test) } else { test == self.test }
    }

    /// In the language of cargo-nextest.
    fn expression(&self) -> String {
        let test = if self.is_module { format!("/^{}/", self.test) } else { format!("={}", self.test) };
        format!("(binary_id(={}) & test({test}))", self.binary)
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = if self.is_module { "*" } else { "" };
        write!(f, "{} {}{all}: {}", self.binary, self.test, self.reason)
    }
}

/// Arguments for the test runner: those that were given, and that it leaves the exceptions out.
pub(super) fn arguments(exceptions: &[Exception], given: &[String], nextest: bool) -> Vec<String> {
    let mut arguments = given.to_vec();
    if !nextest {
        // It knows no binaries, and a part of a name is enough for it.
        arguments.extend(exceptions.iter().flat_map(|e| ["--skip".to_owned(), e.test.clone()]));
    } else if !exceptions.is_empty() {
        let all: Vec<String> = exceptions.iter().map(Exception::expression).collect();
        let rest = format!("not ({})", all.join(" | "));
        // Two expressions would mean either of them.
        match arguments.iter().position(|word| word == "-E").and_then(|at| arguments.get_mut(at + 1)) {
            Some(given) => *given = format!("({given}) & {rest}"),
            None => arguments.extend(["-E".to_owned(), rest]),
        }
    }
    arguments
}

/// Complains about exceptions that fit no test of the list that cargo-nextest wrote, if it did.
pub(super) fn find_stale(exceptions: &[Exception], list: &Path) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(list) else { return Ok(()) };
    let list: Value = serde_json::from_str(&text).with_context(|| format!("{} is no list of tests", list.display()))?;
    let tests = tests(&list);
    let stale: Vec<String> = exceptions
        .iter()
        .filter(|e| !tests.iter().any(|(binary, test)| e.fits(binary, test)))
        .map(ToString::to_string)
        .collect();
    ensure!(stale.is_empty(), "exceptions that fit no test, remove them from the list:\n{}", stale.join("\n"));
    let left_out = tests.iter().filter(|(binary, test)| exceptions.iter().any(|e| e.fits(binary, test))).count();
    println!("windows: {} tests, of which {left_out} are not run under Wine", tests.len());
    Ok(())
}

fn tests(list: &Value) -> BTreeSet<(&str, &str)> {
    let suites = list["rust-suites"].as_object().into_iter().flatten();
    suites
        .flat_map(|(binary, suite)| {
            let cases = suite["testcases"].as_object().into_iter().flatten();
            cases.map(move |(name, _)| (binary.as_str(), name.as_str()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn exception_leaves_out_one_test_or_a_module() {
        let one = Exception::parse("yumen::it run::a  has no signal").unwrap();
        let all = Exception::parse("yumen::it dns::* starts dnsmasq").unwrap();
        assert!(one.fits("yumen::it", "run::a") && !one.fits("yumen::it", "run::ab") && !one.fits("yumen", "run::a"));
        assert!(all.fits("yumen::it", "dns::a") && !all.fits("yumen::it", "dnsx::a"));
        assert_eq!(all.to_string(), "yumen::it dns::*: starts dnsmasq");
        let (both, wish) = ([one, all], ["-E".to_owned(), "test(a)".to_owned()]);
        let rest = "not ((binary_id(=yumen::it) & test(=run::a)) | (binary_id(=yumen::it) & test(/^dns::/)))";
        assert_eq!(arguments(&both, &[], true), ["-E", rest]);
        assert_eq!(arguments(&both, &wish, true), ["-E", &format!("(test(a)) & {rest}")]);
        assert_eq!(arguments(&both, &[], false), ["--skip", "run::a", "--skip", "dns::"]);
        assert_eq!(Exception::parse("yumen::it run::a"), None, "a reason is needed");
    }
}
