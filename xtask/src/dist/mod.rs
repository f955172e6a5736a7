//! `cargo xtask dist`: everything that is offered for download, from one program.
//!
//! Linux: tar.gz, deb, rpm and a container file. Windows: zip and MSI, signed when there is a certificate, and with
//! `--url` the manifests of winget and Scoop. For both an SBOM in CycloneDX, and at last SHA256SUMS over everything.
//!
//! Two runs over the same program give the same bytes: entries are sorted, owned by root and dated by
//! `SOURCE_DATE_EPOCH`, else by the last commit. A signed file is the exception; a signature has a time of its own.

mod archive;
mod deb;
mod manifest;
mod msi;
mod option;
mod payload;
mod rpm;
mod sbom;
mod sign;
mod sums;
mod tool;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use option::Options;
use payload::Payload;

/// Makes the packages; `words` are the arguments of the command.
pub(crate) fn run(words: &[String]) -> Result<()> {
    if words == ["--check"] {
        return check();
    }
    match Options::parse(words)? {
        None => print!("{}", option::USAGE),
        Some(options) => make(&options)?,
    }
    Ok(())
}

/// The step of `cargo xtask ci`: the program of this host, as it was built for the tests, in every package for it; then
/// everything is looked at with the tools that will install it.
pub(crate) fn check() -> Result<()> {
    let root = crate::root()?;
    let out = root.join("target/dist-check");
    let words = |target: &str, binary: &Path| {
        ["--target", target, "--binary", &binary.to_string_lossy(), "--out", &out.to_string_lossy(), "--verify"]
            .map(str::to_owned)
            .to_vec()
    };
    if out.exists() {
        // What an earlier run left would get a sum of its own.
        fs::remove_dir_all(&out).with_context(|| format!("cannot clear {}", out.display()))?;
    }
    tool::cargo(&["build", "--package", "yumen"])?;
    run(&words(option::HOST, &root.join("target/debug/yumen")))?;
    let windows = root.join("target").join(option::WINDOWS).join("debug/yumen.exe");
    if !windows.exists() {
        println!("dist: no Windows packages, because {} is not built", windows.display());
        return Ok(());
    }
    let more = ["--sign-test", "--url", "https://example.org/yumen/{version}"].map(str::to_owned);
    let words = [words(option::WINDOWS, &windows), more.to_vec()].concat();
    run(&words)?;
    cycle(&root, &out, &words)
}

/// Installs, upgrades and uninstalls under Wine, where that was fetched.
fn cycle(root: &Path, out: &Path, words: &[String]) -> Result<()> {
    /// Higher than any that is released; Wine takes one above 127 for negative.
    const LATER: &str = "100.0.0";
    let wine = std::env::var_os("WIN_DIR").map_or_else(|| root.join("target/windows"), PathBuf::from);
    if !root.join("ci/windows/env.sh").exists() || !wine.join("prefix.tmpl").exists() {
        println!("dist: the MSI was not installed: there is no Wine in {}", wine.display());
        return Ok(());
    }
    let later = tempfile::tempdir()?;
    let more = ["--version", LATER, "--out", &later.path().to_string_lossy()].map(str::to_owned);
    run(&[words, &more].concat())?;
    let installer = |folder: &Path, version: &str| {
        folder.join(format!("yumen-{version}-{}.msi", option::WINDOWS)).to_string_lossy().into_owned()
    };
    let (old, new) = (installer(out, &tool::workspace_version()?), installer(later.path(), LATER));
    let script = root.join("packaging/windows/cycle.sh");
    print!("{}", tool::run(&script.to_string_lossy(), &[&old, &new])?);
    Ok(())
}

/// What every format needs to know.
pub(super) struct Release {
    /// Of the program, as in `yumen version`.
    version: String,
    target: String,
    /// The time of every entry, in seconds since 1970.
    time: u32,
    out: PathBuf,
}

impl Release {
    /// The name that archives and their folder share.
    fn name(&self) -> String {
        format!("yumen-{}-{}", self.version, self.target)
    }

    fn is_windows(&self) -> bool {
        self.target.contains("windows")
    }

    /// The processor, as the first word of the target says it.
    fn processor(&self) -> &str {
        self.target.split('-').next().unwrap_or_default()
    }
}

fn make(options: &Options) -> Result<()> {
    let release = Release {
        version: options.version.clone(),
        target: options.target.clone(),
        time: tool::source_date()?,
        out: options.out.clone(),
    };
    fs::create_dir_all(&release.out).with_context(|| format!("cannot make {}", release.out.display()))?;
    let work = tempfile::tempdir().context("cannot make a folder to work in")?;
    let program = program(options, &release, work.path())?;
    let payload = Payload::gather(options, &release, program, work.path())?;
    let mut made = Vec::new();
    let name = release.name();
    if release.is_windows() {
        let zip = archive::zip(&payload.folder(&release)?)?;
        made.push(write(&release, &format!("{name}.zip"), &zip)?);
        let (installer, product) = msi::make(&release, &payload, work.path())?;
        if let Some(signer) = &options.signer {
            signer.sign(&installer, "Yumen", work.path())?;
        }
        made.push(write(&release, &format!("{name}.msi"), &fs::read(&installer)?)?);
        if let Some(url) = &options.url {
            made.extend(manifest::write(&release, url, &product)?);
        } else {
            println!("dist: no manifests for winget and Scoop: they need --url");
        }
    } else {
        let tar = archive::tar_gz(&payload.folder(&release)?, release.time)?;
        made.push(write(&release, &format!("{name}.tar.gz"), &tar)?);
        made.push(write(&release, &deb::file_name(&release)?, &deb::make(&release, &payload)?)?);
        made.push(write(&release, &rpm::file_name(&release), &rpm::make(&release, &payload)?)?);
        made.push(write(&release, "Containerfile", payload.container(&release)?.as_bytes())?);
    }
    made.push(write(&release, &format!("{name}.cdx.json"), sbom::make(&release)?.as_bytes())?);
    made.push(sums::write(&release.out)?);
    for path in &made {
        println!("{:>10}  {}", fs::metadata(path)?.len(), path.display());
    }
    if options.verify {
        verify::run(&release, &payload, options)?;
    }
    Ok(())
}

/// The program that is packed: built or given, without what only a debugger needs, and signed.
fn program(options: &Options, release: &Release, work: &Path) -> Result<Vec<u8>> {
    let built = match &options.binary {
        Some(path) => path.clone(),
        None => tool::build(&options.target, &options.profile)?,
    };
    let packed = work.join(if release.is_windows() { "yumen.exe" } else { "yumen" });
    // The names of functions stay: a backtrace from the field without them is of no use.
    tool::run("strip", &["--strip-debug", "-o", &packed.to_string_lossy(), &built.to_string_lossy()])?;
    if let (true, Some(signer)) = (release.is_windows(), &options.signer) {
        signer.sign(&packed, "Yumen", work)?;
    }
    fs::read(&packed).with_context(|| format!("cannot read {}", packed.display()))
}

fn write(release: &Release, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = release.out.join(name);
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
