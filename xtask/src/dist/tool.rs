//! Programs that are run, and what they are asked.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Program -> the Debian package that has it, for the remedy.
const PACKAGES: &[(&str, &str)] = &[
    ("strip", "binutils"),
    ("wixl", "wixl"),
    ("msibuild", "msitools"),
    ("msiinfo", "msitools"),
    ("osslsigncode", "osslsigncode"),
    ("openssl", "openssl"),
    ("rpm", "rpm"),
    ("systemd-analyze", "systemd"),
    ("unzip", "unzip"),
];

/// Runs a program that has to succeed, and returns what it printed.
pub(super) fn run(program: &str, words: &[&str]) -> Result<String> {
    run_in(program, words, Path::new("."))
}

/// The same, in a folder.
pub(super) fn run_in(program: &str, words: &[&str], folder: &Path) -> Result<String> {
    let output = Command::new(program).args(words).current_dir(folder).output().with_context(|| {
        let package = PACKAGES.iter().find(|(name, _)| *name == program).map_or(program, |(_, package)| package);
        format!("cannot run {program}: on Debian, `apt-get install {package}`")
    })?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{program} {} failed ({})\n{printed}{}",
        words.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(printed)
}

/// Runs cargo at the root of the workspace.
pub(super) fn cargo(words: &[&str]) -> Result<String> {
    run_in(env!("CARGO"), words, &crate::root()?)
}

/// What cargo knows of the workspace and its dependencies on a target.
pub(super) fn metadata(target: &str) -> Result<Value> {
    let text = cargo(&["metadata", "--format-version", "1", "--locked", "--filter-platform", target])?;
    serde_json::from_str(&text).context("cargo metadata is not JSON")
}

/// The version that stands in the root `Cargo.toml`.
pub(super) fn workspace_version() -> Result<String> {
    let text = cargo(&["metadata", "--format-version", "1", "--no-deps"])?;
    let value: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    let packages = value["packages"].as_array().context("cargo metadata has no packages")?;
    let yumen = packages.iter().find(|package| package["name"] == "yumen").context("there is no package `yumen`")?;
    Ok(yumen["version"].as_str().context("the package `yumen` has no version")?.to_owned())
}

/// Builds the program and says where it is.
pub(super) fn build(target: &str, profile: &str) -> Result<PathBuf> {
    cargo(&["build", "--package", "yumen", "--locked", "--target", target, "--profile", profile])?;
    let base = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| crate::root().map(|r| r.join("target")), |d| Ok(d.into()))?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(base.join(target).join(folder).join(if target.contains("windows") { "yumen.exe" } else { "yumen" }))
}

/// The time that everything is dated by: `SOURCE_DATE_EPOCH`, else that of the last commit.
pub(super) fn source_date() -> Result<u32> {
    let text = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text,
        Err(_) => run_in("git", &["log", "-1", "--format=%ct"], &crate::root()?)
            .context("without git history, SOURCE_DATE_EPOCH has to say the time of the release")?,
    };
    text.trim().parse().with_context(|| format!("SOURCE_DATE_EPOCH: `{}` is not a number of seconds", text.trim()))
}
