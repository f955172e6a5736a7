//! The Windows installer, made by wixl from `packaging/windows/yumen.wxs`.
//!
//! wixl ignores `NeverOverwrite` and `Permanent`, without which an upgrade would eat the configuration that an operator
//! wrote, and once a sequence has actions of ours it moves the removal of the old version behind the installation of the new
//! one, where a file without a version may be left as it was. Both are set afterwards, in the tables themselves.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::payload::Payload;
use super::{Release, sums, tool};

/// Of the component of the configuration: 16 stays at an uninstall, 128 is never overwritten, 256 is 64-bit.
pub(super) const KEPT: u32 = 16 + 128 + 256;

/// When the old version goes: behind `InstallValidate`, at 1400, and before anything is installed.
pub(super) const REMOVAL: u32 = 1401;

/// Makes the installer; with it comes its product code, which winget asks for.
pub(super) fn make(release: &Release, payload: &Payload, work: &Path) -> Result<(PathBuf, String)> {
    let stage = work.join("msi");
    fs::create_dir_all(&stage)?;
    let product = product_code(release);
    let numbers = release.version.split('-').next().unwrap_or_default();
    let source =
        payload.read("windows/yumen.wxs")?.replace("@PRODUCT_CODE@", &product).replace("@MSI_VERSION@", numbers);
    let lines = |text: &str| text.replace('\n', "\r\n").into_bytes();
    let files = [
        ("yumen.wxs", source.into_bytes()),
        ("yumen.exe", payload.program.clone()),
        ("LICENSE.txt", lines(&payload.license()?)),
        ("yumen.yaml", lines(&payload.read("yumen.yaml")?)),
        ("yumen.schema.json", payload.schema().into()),
        ("yumen.ps1", payload.powershell().into()),
    ];
    for (name, bytes) in files {
        fs::write(stage.join(name), bytes).with_context(|| format!("cannot write {name}"))?;
    }
    let installer = stage.join("yumen.msi");
    tool::run_in("wixl", &["--arch", "x64", "--output", "yumen.msi", "yumen.wxs"], &stage)?;
    for query in [
        format!("UPDATE `Component` SET `Attributes` = {KEPT} WHERE `Component` = 'Configuration'"),
        format!("UPDATE `InstallExecuteSequence` SET `Sequence` = {REMOVAL} WHERE `Action` = 'RemoveExistingProducts'"),
    ] {
        tool::run("msibuild", &[&installer.to_string_lossy(), "-q", &query])?;
    }
    Ok((installer, product))
}

/// Another one for every version, as a major upgrade needs it, and the same one for the same version.
fn product_code(release: &Release) -> String {
    braced(&sums::sha256(format!("yumen msi product {} {}", release.version, release.target).as_bytes()))
}

/// The first 128 bits of a digest as a UUID of version 8, which is free for such uses.
pub(super) fn uuid(digest: &str) -> String {
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

fn braced(digest: &str) -> String {
    format!("{{{}}}", uuid(digest).to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(version: &str) -> String {
        let target = "x86_64-pc-windows-gnu".to_owned();
        product_code(&Release { version: version.to_owned(), target, time: 0, out: PathBuf::new() })
    }

    #[test]
    fn every_version_is_another_product_and_always_the_same_one() {
        assert_eq!(code("1.0.0"), code("1.0.0"));
        assert_ne!(code("1.0.0"), code("1.0.1"));
        let shape: Vec<usize> = code("1.0.0").trim_matches(['{', '}']).split('-').map(str::len).collect();
        assert_eq!(shape, [8, 4, 4, 4, 12]);
    }
}
