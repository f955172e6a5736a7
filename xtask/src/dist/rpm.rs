//! The RPM, written by a library, so that no rpmbuild is needed.

use ::rpm::{BuildConfig, CompressionType, Dependency, FileOptions, PackageBuilder};
use anyhow::{Context, Result};

use super::Release;
use super::deb;
use super::payload::{Payload, Tree};

/// The `release` of the package: rises only when the same version is packed again.
const RELEASE: &str = "1";

pub(super) fn file_name(release: &Release) -> String {
    // RPM sorts `~` as Debian does.
    format!("yumen-{}-{RELEASE}.{}.rpm", deb::version(release), release.processor())
}

pub(super) fn make(release: &Release, payload: &Payload) -> Result<Vec<u8>> {
    let version = deb::version(release);
    let mut builder = PackageBuilder::new("yumen", &version, "Apache-2.0", release.processor(), "Network gateway");
    builder
        .using_config(BuildConfig::v4().compression(CompressionType::Gzip).source_date(release.time))
        .release(RELEASE)
        // Without a fixed one the name of this machine would stand in it.
        .build_host("localhost")
        .description(
            "A reverse proxy for HTTP/1.1 and TCP, with TLS, routing, load balancing, health checks and reload without loss.",
        )
        .requires(Dependency::any(format!("libc.so.6(GLIBC_{})(64bit)", payload.glibc()?)))
        .requires(Dependency::any("libgcc_s.so.1()(64bit)"))
        .recommends(Dependency::any("ca-certificates"))
        .post_install_script(payload.read("linux/installed.sh")?)
        .pre_uninstall_script(payload.read("linux/removing.sh")?)
        .post_uninstall_script(payload.read("linux/removed.sh")?);
    builder.with_dir_entry(FileOptions::dir("/etc/yumen").permissions(0o755))?;
    for entry in payload.tree(Tree::Fedora)? {
        let mode = u16::try_from(entry.mode).context("a mode has 16 bits")?;
        let mut options = FileOptions::new(format!("/{}", entry.path)).permissions(mode).user("root").group("root");
        if entry.is_config {
            options = options.config().noreplace();
        } else if entry.path.ends_with("/LICENSE") {
            options = options.license();
        }
        builder.with_file_contents(entry.bytes, options)?;
    }
    let mut bytes = Vec::new();
    builder.build().and_then(|package| package.write(&mut bytes)).context("cannot make the RPM")?;
    Ok(bytes)
}
