//! What winget and Scoop read to find a release: made from the files that were just written, so that no sum is copied by hand.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;

use super::{Release, sums};

/// The version of the winget schema these follow.
const SCHEMA: &str = "1.6.0";
const IDENTIFIER: &str = "Yumen.Yumen";

/// Writes the three files of winget and the one of Scoop. `url` is the folder of the release, with `{version}` in it or not.
pub(super) fn write(release: &Release, url: &str, product: &str) -> Result<Vec<PathBuf>> {
    let name = release.name();
    let folder = url.replace("{version}", &release.version);
    let sum = |extension: &str| -> Result<String> {
        let path = release.out.join(format!("{name}.{extension}"));
        Ok(sums::sha256(&fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?))
    };
    let installer = format!("{folder}/{name}.msi");
    let mut made = Vec::new();
    for (part, text) in winget(&release.version, &installer, &sum("msi")?.to_uppercase(), product) {
        made.push(super::write(release, &format!("{IDENTIFIER}{part}.yaml"), text.as_bytes())?);
    }
    let scoop = scoop(&release.version, &format!("{folder}/{name}.zip"), &sum("zip")?, &name);
    made.push(super::write(release, "yumen.json", scoop.as_bytes())?);
    Ok(made)
}

fn winget(version: &str, url: &str, sum: &str, product: &str) -> [(&'static str, String); 3] {
    let text = |kind: &str, body: &str| {
        format!(
            "# yaml-language-server: $schema=https://aka.ms/winget-manifest.{kind}.{SCHEMA}.schema.json\n\
             PackageIdentifier: {IDENTIFIER}\nPackageVersion: {version}\n{body}\
             ManifestType: {kind}\nManifestVersion: {SCHEMA}\n"
        )
    };
    let installer = format!(
        "InstallerType: wix\nScope: machine\nUpgradeBehavior: install\nInstallers:\n- Architecture: x64\n  \
         InstallerUrl: {url}\n  InstallerSha256: {sum}\n  ProductCode: '{product}'\n"
    );
    let locale = "PackageLocale: en-US\nPublisher: The Yumen authors\nPackageName: Yumen\nLicense: Apache-2.0\n\
                  ShortDescription: \"Network gateway: reverse proxy for HTTP and TCP\"\nMoniker: yumen\n";
    [
        ("", text("version", "DefaultLocale: en-US\n")),
        (".installer", text("installer", &installer)),
        (".locale.en-US", text("defaultLocale", locale)),
    ]
}

fn scoop(version: &str, url: &str, sum: &str, folder: &str) -> String {
    let value = json!({
        "version": version,
        "description": "Network gateway: reverse proxy for HTTP and TCP",
        "license": "Apache-2.0",
        "architecture": {"64bit": {"url": url, "hash": sum, "extract_dir": folder}},
        "bin": "yumen.exe",
        "persist": "yumen.yaml",
    });
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn winget_is_told_where_the_installer_is_and_what_it_must_be() {
        let [version, installer, locale] = winget("1.2.3", "https://example.org/y.msi", "AB12", "{P}");
        for (_, text) in [&version, &installer, &locale] {
            assert!(text.contains("\nPackageVersion: 1.2.3\n") && text.ends_with("ManifestVersion: 1.6.0\n"), "{text}");
        }
        for line in ["  InstallerUrl: https://example.org/y.msi", "  InstallerSha256: AB12", "  ProductCode: '{P}'"] {
            assert!(installer.1.lines().any(|l| l == line), "{line} in {}", installer.1);
        }
    }
}
