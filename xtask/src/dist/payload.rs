//! What goes into the packages: one list of files for archives, one for the trees of Linux systems.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::archive::{Entry, gzip};
use super::option::{HOST, Options};
use super::{Release, tool};

/// Shell -> the name of its script in an archive, and its places in the trees of Debian and of Fedora.
const COMPLETIONS: [(&str, &str, [&str; 2]); 3] = [
    ("bash", "yumen.bash", ["usr/share/bash-completion/completions/yumen"; 2]),
    ("zsh", "_yumen", ["usr/share/zsh/vendor-completions/_yumen", "usr/share/zsh/site-functions/_yumen"]),
    ("fish", "yumen.fish", ["usr/share/fish/vendor_completions.d/yumen.fish"; 2]),
];

/// Whose conventions a tree follows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tree {
    Debian,
    Fedora,
}

/// Everything that is packed.
pub(super) struct Payload {
    /// The program as it is shipped.
    pub(super) program: Vec<u8>,
    /// Name and text of each manual page.
    pages: Vec<(String, Vec<u8>)>,
    /// The script of each shell, in the order of [`COMPLETIONS`], then that of PowerShell.
    completions: Vec<String>,
    schema: String,
    /// The unit for a program in `/usr/bin` and its configuration in `/etc/yumen`; none for Windows.
    unit: String,
    packaging: PathBuf,
    root: PathBuf,
}

impl Payload {
    pub(super) fn gather(options: &Options, release: &Release, program: Vec<u8>, work: &Path) -> Result<Self> {
        let host = host(options, work)?;
        let host = host.to_string_lossy();
        let told = tool::run(&host, &["version"])?;
        let is_payload = release.target == HOST && options.host_binary.is_none();
        ensure!(
            !is_payload || told.trim() == format!("yumen {}", release.version) || options.binary.is_some(),
            "the program says it is {}, the packages would say {}: set the version in Cargo.toml",
            told.trim(),
            release.version
        );
        let folder = work.join("man");
        tool::run(&host, &["man", &folder.to_string_lossy()])?;
        let mut pages = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            pages.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), fs::read(&path)?));
        }
        pages.sort();
        let shells = COMPLETIONS.iter().map(|(shell, ..)| *shell).chain(["powershell"]);
        let completions = shells.map(|shell| tool::run(&host, &["completions", shell])).collect::<Result<_>>()?;
        let root = crate::root()?;
        let unit = if release.is_windows() { String::new() } else { unit(&host, work)? };
        let schema = tool::run(&host, &["schema"])?;
        Ok(Self { program, pages, completions, schema, unit, packaging: root.join("packaging"), root })
    }

    /// A file under `packaging/`.
    pub(super) fn read(&self, name: &str) -> Result<String> {
        let path = self.packaging.join(name);
        // A clone on Windows may have other line ends than a script or a unit may have.
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.replace("\r\n", "\n"))
    }

    /// The licence.
    pub(super) fn license(&self) -> Result<String> {
        fs::read_to_string(self.root.join("LICENSE")).context("cannot read LICENSE")
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// The completions of PowerShell.
    pub(super) fn powershell(&self) -> &str {
        self.completions.last().map_or("", String::as_str)
    }

    /// What an archive unfolds to: one folder, named as the archive.
    pub(super) fn folder(&self, release: &Release) -> Result<Vec<Entry>> {
        let windows = release.is_windows();
        let base = release.name();
        let at = |name: &str| format!("{base}/{name}");
        let mut entries = vec![
            Entry::new(at("README.md"), fs::read(self.root.join("README.md"))?),
            Entry::new(at("CHANGELOG.md"), fs::read(self.root.join("CHANGELOG.md"))?),
            Entry::new(at(if windows { "LICENSE.txt" } else { "LICENSE" }), self.license()?),
            Entry::new(at(if windows { "yumen.exe" } else { "yumen" }), self.program.clone()).runs(),
            Entry::new(at("yumen.yaml"), self.read("yumen.yaml")?),
            Entry::new(at("yumen.schema.json"), self.schema.clone()),
            Entry::new(at("completions/yumen.ps1"), self.powershell()),
        ];
        let scripts = COMPLETIONS.iter().zip(&self.completions);
        entries.extend(
            scripts.map(|((_, name, _), script)| Entry::new(at(&format!("completions/{name}")), script.clone())),
        );
        if !windows {
            entries.push(Entry::new(at("yumen.service"), self.unit.clone()));
            let pages = self.pages.iter().map(|(name, text)| Entry::new(at(&format!("man/{name}")), text.clone()));
            entries.extend(pages);
        }
        Ok(entries)
    }

    /// What a package puts into the root of a Linux system.
    pub(super) fn tree(&self, tree: Tree) -> Result<Vec<Entry>> {
        let mut entries = vec![
            Entry::new("usr/bin/yumen", self.program.clone()).runs(),
            Entry::new("etc/yumen/yumen.yaml", self.read("yumen.yaml")?).config(),
            Entry::new("usr/lib/systemd/system/yumen.service", self.unit.clone()),
            Entry::new("usr/share/yumen/yumen.schema.json", self.schema.clone()),
            match tree {
                Tree::Debian => Entry::new("usr/share/doc/yumen/copyright", self.license()?),
                Tree::Fedora => Entry::new("usr/share/licenses/yumen/LICENSE", self.license()?),
            },
        ];
        for ((_, _, places), script) in COMPLETIONS.iter().zip(&self.completions) {
            let [debian, fedora] = places;
            entries.push(Entry::new(if tree == Tree::Debian { *debian } else { *fedora }, script.clone()));
        }
        for (name, text) in &self.pages {
            entries.push(Entry::new(format!("usr/share/man/man1/{name}.gz"), gzip(text)?));
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// The container file, for the archive beside it.
    pub(super) fn container(&self, release: &Release) -> Result<String> {
        let name = release.name();
        Ok(self
            .read("container/Containerfile")?
            .replace("@ARCHIVE@", &format!("{name}.tar.gz"))
            .replace("@FOLDER@", &name)
            .replace("@VERSION@", &release.version))
    }

    /// The newest symbols of the C library that the program asks for, as in `2.34`.
    pub(super) fn glibc(&self) -> Result<String> {
        newest_glibc(&self.program).context("the program names no version of glibc: is it linked with another library?")
    }
}

/// A yumen that runs here.
fn host(options: &Options, work: &Path) -> Result<PathBuf> {
    if let Some(path) = &options.host_binary {
        return std::path::absolute(path).context("--host-binary is not a path");
    }
    if options.target == HOST {
        return Ok(work.join("yumen"));
    }
    tool::cargo(&["build", "--package", "yumen", "--locked"])?;
    Ok(crate::root()?.join("target/debug/yumen"))
}

/// The unit as `yumen service install` writes it, for where packages put the program.
fn unit(host: &str, work: &Path) -> Result<String> {
    let image = work.join("image");
    let config = image.join("etc/yumen/yumen.yaml");
    fs::create_dir_all(config.parent().unwrap_or(&image))?;
    // With a low port, so that the unit of a package lets an operator open one by a change of the configuration alone.
    let open = "listeners: { web: { bind: \":80\" } }\nroutes: { all: { upstream: app } }\n\
                upstreams: { app: { endpoints: [\"127.0.0.1:3000\"] } }\n";
    fs::write(&config, open)?;
    let image_path = image.to_string_lossy();
    tool::run(host, &["service", "install", "--root", &image_path, "--config", "/etc/yumen/yumen.yaml"])?;
    let text = fs::read_to_string(image.join("etc/systemd/system/yumen.service")).context("no unit was written")?;
    let (first, rest) = text.split_once('\n').context("the unit has one line only")?;
    ensure!(first.starts_with('#'), "the unit begins with `{first}`, where a comment is expected");
    let program = format!("\"{host}\"");
    ensure!(rest.contains(&program), "the unit does not name the program that wrote it, {host}");
    Ok(format!("# Settings of your own: `systemctl edit yumen`.\n{}", rest.replace(&program, "/usr/bin/yumen")))
}

fn newest_glibc(program: &[u8]) -> Option<String> {
    let mark = b"GLIBC_2.";
    let starts = program.windows(mark.len()).enumerate().filter(|(_, window)| window == mark);
    let minors = starts.filter_map(|(at, _)| {
        let digits = program.get(at + mark.len()..)?.iter().take_while(|byte| byte.is_ascii_digit());
        let text: String = digits.take(3).map(|byte| char::from(*byte)).collect();
        text.parse::<u32>().ok()
    });
    minors.max().map(|minor| format!("2.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_glibc_is_found_by_number_and_not_by_letter() {
        assert_eq!(newest_glibc(b"\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.5\0").as_deref(), Some("2.34"));
        assert_eq!(newest_glibc(b"\0GLIBC_PRIVATE\0"), None);
    }
}
