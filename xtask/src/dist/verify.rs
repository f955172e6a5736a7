//! A look at what was made, with the tools that will read it: what is promised has to be in it, and has to work.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::archive::Entry;
use super::option::{HOST, Options};
use super::payload::{Payload, Tree};
use super::{Release, deb, msi, rpm, sbom, tool};

/// The file that operators edit.
const CONFIG: &str = "etc/yumen/yumen.yaml";

pub(super) fn run(release: &Release, payload: &Payload, options: &Options) -> Result<()> {
    let out = &release.out;
    tool::run_in("sha256sum", &["--check", "--strict", "--quiet", "SHA256SUMS"], out)?;
    let bill = fs::read_to_string(out.join(format!("{}.cdx.json", release.name())))?;
    sbom::check(&serde_json::from_str(&bill).context("the SBOM is not JSON")?)?;
    if release.is_windows() {
        zip(release, payload)?;
        installer(release, options)?;
    } else {
        tar(release, payload)?;
        debian(release, payload)?;
        red_hat(release, payload)?;
    }
    println!("dist: everything promised is in the packages for {}", release.target);
    Ok(())
}

fn path(release: &Release, name: &str) -> String {
    release.out.join(name).to_string_lossy().into_owned()
}

/// That a listing names exactly what was promised.
fn same(what: &str, shown: BTreeSet<String>, promised: &[Entry]) -> Result<()> {
    let promised: BTreeSet<String> = promised.iter().map(|entry| entry.path.clone()).collect();
    let missing: Vec<_> = promised.difference(&shown).collect();
    let more: Vec<_> = shown.difference(&promised).collect();
    ensure!(missing.is_empty() && more.is_empty(), "{what}: missing {missing:?}, not promised {more:?}");
    Ok(())
}

fn tar(release: &Release, payload: &Payload) -> Result<()> {
    let archive = path(release, &format!("{}.tar.gz", release.name()));
    let shown = tool::run("tar", &["--list", "--gzip", "--file", &archive])?;
    let files = shown.lines().filter(|line| !line.ends_with('/')).map(str::to_owned).collect();
    same("tar.gz", files, &payload.folder(release)?)?;
    let owners = tool::run("tar", &["--list", "--verbose", "--numeric-owner", "--gzip", "--file", &archive])?;
    ensure!(owners.lines().all(|line| line.contains(" 0/0 ")), "the tar.gz has entries that are not owned by root");
    Ok(())
}

fn zip(release: &Release, payload: &Payload) -> Result<()> {
    let archive = path(release, &format!("{}.zip", release.name()));
    tool::run("python3", &["-m", "zipfile", "--test", &archive])?;
    let names = "import sys, zipfile; print(*zipfile.ZipFile(sys.argv[1]).namelist(), sep='\\n')";
    let shown = tool::run("python3", &["-c", names, &archive])?;
    same("zip", shown.lines().map(str::to_owned).collect(), &payload.folder(release)?)
}

fn debian(release: &Release, payload: &Payload) -> Result<()> {
    let package = path(release, &deb::file_name(release)?);
    let shown = tool::run("dpkg-deb", &["--contents", &package])?;
    let mut files = BTreeSet::new();
    for line in shown.lines() {
        ensure!(line.contains(" root/root "), "the deb has an entry that is not owned by root: {line}");
        let name = line.split_whitespace().nth(5).unwrap_or_default();
        if !name.ends_with('/') {
            files.insert(name.trim_start_matches("./").to_owned());
        }
    }
    same("deb", files, &payload.tree(Tree::Debian)?)?;
    let conffiles = tool::run("dpkg-deb", &["--info", &package, "conffiles"])?;
    ensure!(
        conffiles.trim() == format!("/{CONFIG}"),
        "the deb has other conffiles than the configuration: {conffiles}"
    );
    let root = tempfile::tempdir()?;
    let folder = root.path().to_string_lossy();
    tool::run("dpkg-deb", &["--extract", &package, &folder])?;
    unit(root.path())?;
    if release.target == HOST {
        let program = root.path().join("usr/bin/yumen");
        let config = root.path().join(CONFIG);
        tool::run(&program.to_string_lossy(), &["check", "--config", &config.to_string_lossy()])?;
        life_of_debian(&package)?;
    }
    Ok(())
}

/// That systemd finds nothing to complain about in the unit of an unpacked package.
fn unit(root: &Path) -> Result<()> {
    // `verify --root` would look for the units of the base system there too. A unit apart has to name a program that is
    // there, so it names the unpacked one.
    let text = fs::read_to_string(root.join("usr/lib/systemd/system/yumen.service"))?;
    let program = root.join("usr/bin/yumen");
    ensure!(text.contains("ExecStart=/usr/bin/yumen "), "the unit starts another program than the package brings");
    let file = root.join("yumen.service");
    fs::write(&file, text.replace("/usr/bin/yumen", &program.to_string_lossy()))?;
    let words = ["verify", "--man=no", "--recursive-errors=no", &file.to_string_lossy()].map(str::to_owned);
    let output = Command::new("systemd-analyze").args(words).output().context("cannot run systemd-analyze")?;
    // A key it does not know is a warning to systemd, and would be a hole in the sandbox.
    let told = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> = told.lines().filter(|line| line.contains("yumen.service")).collect();
    ensure!(output.status.success() && complaints.is_empty(), "systemd complains about the unit: {told}");
    Ok(())
}

/// Installs into a root of its own, edits the configuration, installs once more, removes, purges.
fn life_of_debian(package: &str) -> Result<()> {
    let root = tempfile::tempdir()?;
    let config = root.path().join(CONFIG);
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        fs::create_dir_all(root.path().join(folder))?;
    }
    for file in ["status", "available"] {
        fs::write(root.path().join("var/lib/dpkg").join(file), "")?;
    }
    let at = format!("--root={}", root.path().display());
    let log = format!("--log={}", root.path().join("dpkg.log").display());
    let dpkg = |words: &[&str]| {
        let base = [&at, &log, "--force-depends", "--force-script-chrootless", "--force-not-root", "--force-confold"];
        tool::run("dpkg", &[&base[..], words].concat())
    };
    dpkg(&["--install", package])?;
    ensure!(config.exists() && root.path().join("usr/bin/yumen").exists(), "dpkg installed nothing");
    let mut edited = fs::read_to_string(&config)?;
    edited.push_str("# edited\n");
    fs::write(&config, &edited)?;
    dpkg(&["--install", package])?;
    ensure!(fs::read_to_string(&config)? == edited, "an upgrade changed the edited configuration");
    dpkg(&["--remove", "yumen"])?;
    ensure!(fs::read_to_string(&config)? == edited, "the removal took the edited configuration");
    ensure!(!root.path().join("usr/bin/yumen").exists(), "the removal left the program");
    dpkg(&["--purge", "yumen"])?;
    ensure!(!root.path().join("etc/yumen").exists(), "the purge left the configuration");
    Ok(())
}

fn red_hat(release: &Release, payload: &Payload) -> Result<()> {
    let package = path(release, &rpm::file_name(release));
    let query = |words: &[&str]| tool::run("rpm", &[&["--query", "--package"], words, &[&package]].concat());
    let files = query(&["--queryformat", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\\n]"])?;
    let mut shown = BTreeSet::new();
    for line in files.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        ensure!(words.get(1) == Some(&"root"), "the rpm has an entry that is not owned by root: {line}");
        if !line.starts_with('d') {
            shown.extend(words.get(2).map(|name| name.trim_start_matches('/').to_owned()));
        }
    }
    same("rpm", shown, &payload.tree(Tree::Fedora)?)?;
    // %config(noreplace) is flag 1 and flag 16.
    let flags = query(&["--queryformat", "[%{FILEFLAGS} %{FILENAMES}\\n]"])?;
    ensure!(
        flags.lines().any(|line| line == format!("17 /{CONFIG}")),
        "the rpm may replace the configuration\n{flags}"
    );
    tool::run("rpm", &["--checksig", "--nosignature", &package]).map(drop)
}

fn installer(release: &Release, options: &Options) -> Result<()> {
    let package = path(release, &format!("{}.msi", release.name()));
    let table = |name: &str| tool::run("msiinfo", &["export", &package, name]);
    let row = |name: &str, parts: &[&str]| -> Result<()> {
        let text = table(name)?;
        let fits = |line: &str| parts.iter().all(|part| line.split(['\t', '|', '\r']).any(|cell| cell == *part));
        ensure!(text.lines().any(fits), "the table {name} of the MSI has no row with {parts:?}\n{text}");
        Ok(())
    };
    for name in ["yumen.exe", "yumen.yaml", "yumen.schema.json", "yumen.ps1", "LICENSE.txt"] {
        row("File", &[name])?;
    }
    row("Component", &["Configuration", "DATADIR", &msi::KEPT.to_string()])?;
    let start = "service run --name yumen --config \"[DATADIR]yumen.yaml\"";
    row("ServiceInstall", &["yumen", start, r"NT AUTHORITY\LocalService"])?;
    // Stop before and after, delete at the removal: 2 + 32 + 128.
    row("ServiceControl", &["ServiceStop", "yumen", "162"])?;
    // A program of the package, deferred, as the system, its failure ignored: 18 + 1024 + 2048 + 64.
    for action in ["ConfigureService", "StartService"] {
        row("CustomAction", &[action, "3154", "ProgramFile"])?;
        row("InstallExecuteSequence", &[action, "NOT REMOVE"])?;
    }
    row("InstallExecuteSequence", &["RemoveExistingProducts", &msi::REMOVAL.to_string()])?;
    row("InstallExecuteSequence", &["InstallValidate", "1400"])?;
    row("Registry", &["EventFile", "EventMessageFile"])?;
    row("Upgrade", &["{2D9F2E0B-6C53-4A5E-9C41-7B0C5F0E6A11}"])?;
    row("Property", &["ALLUSERS", "1"])?;
    if options.signer.is_some() {
        // Whether it is good was asked when it was made; here, whether it went with the file.
        let folder = tempfile::tempdir()?;
        let signature = folder.path().join("signature");
        tool::run("osslsigncode", &["extract-signature", "-in", &package, "-out", &signature.to_string_lossy()])
            .context("the MSI carries no signature")?;
    }
    Ok(())
}
