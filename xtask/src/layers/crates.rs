//! Directions between crates, read from each manifest's `[dependencies]`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Complaint;

const VOCABULARY: &[&str] = &["yumen-core", "yumen-http1", "yumen-http2", "yumen-grpc", "yumen-alibaba"];
const GROUND: &[&str] = &["yumen-config", "yumen-net", "yumen-telemetry"];
const FRONT_DOOR: &str = "yumen";
const STAGE: &str = "yumen-test";

/// Asks cargo for the declared dependencies of every member and judges those between our own crates.
pub(super) fn check(root: &Path) -> Result<Vec<Complaint>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let mut complaints = unexplained(root)?;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let text = std::fs::read_to_string(manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let target = dependency["name"].as_str().unwrap_or_default();
            let is_dev = dependency["kind"] == "dev";
            if let Some(remedy) = refusal(name, target, is_dev) {
                let line = line_of(&text, target, is_dev);
                let text = format!("{name} must not depend on {target}: {remedy}");
                complaints.push(Complaint { file: manifest.to_path_buf(), line, text });
            }
        }
    }
    Ok(complaints)
}

/// Why `from` may not depend on `to`, and what to do instead; `None` when it may.
fn refusal(from: &str, to: &str, is_dev: bool) -> Option<&'static str> {
    if from == "xtask" || !is_ours(to) {
        return (to == "xtask").then_some("xtask is automation, not part of the product");
    }
    if is_dev {
        return None;
    }
    if to == STAGE {
        return Some("it is for tests: move it to [dev-dependencies]");
    }
    if from == FRONT_DOOR || from == STAGE {
        return None;
    }
    if VOCABULARY.contains(&from) {
        return Some("it knows nobody of us: describe what you need as a trait or a value here");
    }
    if GROUND.contains(&from) {
        return (to != "yumen-core").then_some("this layer may use yumen-core only");
    }
    let below = VOCABULARY.contains(&to) || GROUND.contains(&to);
    (!below)
        .then_some("siblings never import each other: let them meet in the yumen crate through a trait of yumen-core")
}

/// Shared dependencies without a reason in docs/dependencies.md.
fn unexplained(root: &Path) -> Result<Vec<Complaint>> {
    let (manifest, reasons) = (root.join("Cargo.toml"), root.join("docs/dependencies.md"));
    let text = std::fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let reasons = std::fs::read_to_string(&reasons).with_context(|| format!("cannot read {}", reasons.display()))?;
    let explained: Vec<&str> =
        reasons.lines().filter_map(|line| line.strip_prefix("- ")?.split_once(": ")).map(|(names, _)| names).collect();
    let mut in_section = false;
    let mut complaints = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            in_section = line == "[workspace.dependencies]";
        }
        let Some((key, _)) = line.split_once('=').filter(|_| in_section && !line.starts_with('#')) else { continue };
        let name = key.trim();
        // A renamed crate may be explained under the name it is published with.
        let is_meant = |entry: &str| entry == name || line.contains(&format!("package = \"{entry}\""));
        if !is_ours(name) && !explained.iter().any(|names| names.split(", ").any(is_meant)) {
            let text = format!("{name} has no reason: add a line `- {name}: why` to docs/dependencies.md");
            complaints.push(Complaint { file: manifest.clone(), line: index + 1, text });
        }
    }
    Ok(complaints)
}

fn is_ours(name: &str) -> bool {
    name == FRONT_DOOR || name.starts_with("yumen-")
}

/// The line of `name` in its section of the manifest; 1 when it cannot be found (an inherited table, say).
fn line_of(manifest: &str, name: &str, is_dev: bool) -> usize {
    let mut in_section = false;
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            in_section = line.contains("dependencies") && line.contains("dev-") == is_dev;
        }
        let is_key = line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
        if (in_section && is_key) || line.trim_end().ends_with(&format!("dependencies.{name}]")) {
            return index + 1;
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_those_of_the_house() {
        for (from, to) in [
            ("yumen-config", "yumen-core"),
            ("yumen-proxy", "yumen-http1"),
            ("yumen-admin", "yumen-telemetry"),
            ("yumen", "yumen-proxy"),
            ("yumen-core", "bytes"),
        ] {
            assert_eq!(refusal(from, to, false), None, "{from} -> {to}");
        }
        for (from, to) in [
            ("yumen-core", "yumen-http1"),
            ("yumen-http1", "yumen-core"),
            ("yumen-net", "yumen-config"),
            ("yumen-proxy", "yumen-admin"),
            ("yumen-proxy", "yumen"),
            ("yumen-net", "yumen-test"),
        ] {
            assert!(refusal(from, to, false).is_some(), "{from} -> {to}");
        }
        assert_eq!(refusal("yumen-proxy", "yumen-test", true), None);
    }

    #[test]
    fn the_line_is_that_of_the_right_section() {
        let manifest = "[dev-dependencies]\nyumen-net = { }\n[dependencies]\nyumen-net.workspace = true\n";
        assert_eq!(line_of(manifest, "yumen-net", false), 4);
        assert_eq!(line_of(manifest, "yumen-net", true), 2);
    }
}
