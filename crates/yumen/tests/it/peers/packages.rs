//! Packages of Node that no Debian package has: fetched once by npm into the build's folder, in the versions that tests
//! name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A folder whose `node_modules` has these packages, such as `left-pad@1.3.0`.
///
/// Panics when npm is missing or cannot fetch them.
pub(crate) fn node(packages: &[&str]) -> PathBuf {
    let name: String = packages.concat().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (place, fresh) = (target.join(&name), target.join(format!("{name}.{}", std::process::id())));
    if !place.exists() {
        // Nothing of a package runs at its installation.
        let mut npm = super::tool::command("npm", "npm");
        npm.args(["install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]);
        npm.arg("--prefix").arg(&fresh).args(packages);
        let output = npm.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "this test needs {} and a registry of Node: {said}", packages.join(" "));
        // Whoever comes second has done it in vain.
        if fs::rename(&fresh, &place).is_err() {
            fs::remove_dir_all(&fresh).unwrap();
        }
    }
    place
}
