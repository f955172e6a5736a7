//! The Debian package: an `ar` of three members (deb(5)), written here because that is all there is to it.

use anyhow::{Context, Result, bail};

use super::Release;
use super::archive::{Entry, tar_gz};
use super::payload::{Payload, Tree};

/// Debian sorts `1.0.0~rc.1` before `1.0.0`, and everything behind a hyphen as a revision of the package.
pub(super) fn version(release: &Release) -> String {
    release.version.replace('-', "~")
}

pub(super) fn file_name(release: &Release) -> Result<String> {
    Ok(format!("yumen_{}-1_{}.deb", version(release), architecture(release)?))
}

fn architecture(release: &Release) -> Result<&'static str> {
    match release.processor() {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("no Debian name is known for the processor {other}"),
    }
}

pub(super) fn make(release: &Release, payload: &Payload) -> Result<Vec<u8>> {
    let tree = payload.tree(Tree::Debian)?;
    let dotted = |mut entry: Entry| {
        entry.path.insert_str(0, "./");
        entry
    };
    let conffiles: String =
        tree.iter().filter(|entry| entry.is_config).map(|entry| format!("/{}\n", entry.path)).collect();
    let control = vec![
        Entry::new("./control", control(release, payload, &tree)?),
        Entry::new("./conffiles", conffiles),
        Entry::new("./postinst", payload.read("linux/installed.sh")?).runs(),
        Entry::new("./prerm", payload.read("linux/removing.sh")?).runs(),
        Entry::new("./postrm", payload.read("linux/removed.sh")?).runs(),
    ];
    let data: Vec<Entry> = tree.into_iter().map(dotted).collect();
    let mut ar = b"!<arch>\n".to_vec();
    member(&mut ar, release, "debian-binary", b"2.0\n");
    member(&mut ar, release, "control.tar.gz", &tar_gz(&control, release.time)?);
    member(&mut ar, release, "data.tar.gz", &tar_gz(&data, release.time)?);
    Ok(ar)
}

fn control(release: &Release, payload: &Payload, tree: &[Entry]) -> Result<String> {
    let size = tree.iter().map(|entry| entry.bytes.len().div_ceil(1024)).sum::<usize>();
    let glibc = payload.glibc().context("the Debian package cannot tell what it depends on")?;
    Ok(format!(
        "Package: yumen\n\
         Version: {}-1\n\
         Architecture: {}\n\
         Maintainer: The Yumen authors <maintainers@yumen.invalid>\n\
         Installed-Size: {size}\n\
         Depends: libc6 (>= {glibc}), libgcc-s1\n\
         Recommends: ca-certificates\n\
         Section: net\n\
         Priority: optional\n\
         Description: network gateway\n \
         A reverse proxy for HTTP/1.1 and TCP, with TLS, routing, load balancing,\n \
         health checks and reload without loss.\n",
        version(release),
        architecture(release)?
    ))
}

/// One member of an `ar`: a head of 60 letters, the bytes, and a line end if they are odd in number.
fn member(ar: &mut Vec<u8>, release: &Release, name: &str, bytes: &[u8]) {
    let head = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", release.time, 0, 0, "100644", bytes.len());
    ar.extend(head.as_bytes());
    ar.extend(bytes);
    if bytes.len() % 2 == 1 {
        ar.push(b'\n');
    }
}
