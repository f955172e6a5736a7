//! `cargo xtask ci`: what has to be true before a change is good, cheapest complaint first.
//!
//! Not run here: `cargo deny check advisories`, because it needs a database from the network; run it by hand or on a
//! schedule.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::{dist, layers, sizes, test, windows};

/// Program that tests or checks start -> the Debian package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("nginx", "nginx"),
    ("haproxy", "haproxy"),
    ("caddy", "caddy"),
    ("curl", "curl"),
    ("wrk", "wrk"),
    ("openssl", "openssl"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("nghttp", "nghttp2-client"),
    ("nghttpd", "nghttp2-server"),
    ("nghttpx", "nghttp2-proxy"),
    ("setpriv", "util-linux"),
    ("dnsmasq", "dnsmasq-base"),
    ("dig", "bind9-dnsutils"),
    ("pebble", "pebble"),
    ("knotd", "knot"),
    ("prometheus", "prometheus"),
    ("strip", "binutils"),
    ("rpm", "rpm"),
    ("systemd-analyze", "systemd"),
    ("wixl", "wixl"),
    ("msibuild", "msitools"),
    ("osslsigncode", "osslsigncode"),
];

/// Runs every step; stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    step("programs", install_programs)?;
    step("fmt", || cargo(&["fmt", "--all", "--check"], &[]))?;
    step("layers", layers::run)?;
    step("sizes", sizes::run)?;
    step("clippy", || cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[]))?;
    let strict = [("RUSTDOCFLAGS", "-D warnings")];
    step("docs", || cargo(&["doc", "--no-deps", "--workspace", "--quiet"], &strict))?;
    step("test", || test::run(&[]))?;
    step("windows", || windows::run(&[]))?;
    step("dist", dist::check)?;
    step("cargo-deny", install_deny)?;
    step("licences", || cargo(&["deny", "--log-level", "error", "check", "licenses", "bans", "sources"], &[]))?;
    println!("ci: all steps passed in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Runs one step and prints its name and how long it took.
fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("ci: {name} ...");
    let start = Instant::now();
    let outcome = work();
    let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!("ci: {name} {verdict} in {:.1} s", start.elapsed().as_secs_f64());
    outcome.with_context(|| format!("step `{name}` failed"))
}

fn cargo(words: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.args(words).envs(environment.iter().copied()).current_dir(crate::root()?);
    let status = command.status().with_context(|| format!("cannot run cargo {}", words.join(" ")))?;
    ensure!(status.success(), "cargo {} failed ({status})", words.join(" "));
    Ok(())
}

/// Installs what is missing with apt; does nothing, and needs no rights, when all is there.
fn install_programs() -> Result<()> {
    let mut packages: Vec<&str> =
        PROGRAMS.iter().filter(|(name, _)| !is_installed(name)).map(|(_, package)| *package).collect();
    // Modules of python, not programs.
    for (module, package) in [("grpc", "python3-grpcio"), ("websockets", "python3-websockets")] {
        if !Path::new("/usr/lib/python3/dist-packages").join(module).exists() {
            packages.push(package);
        }
    }
    // What a virtual environment of python begins with, for peers that no package has.
    let has_venv = Command::new("python3").args(["-c", "import ensurepip"]).output().is_ok_and(|o| o.status.success());
    if !has_venv {
        packages.push("python3-venv");
    }
    if is_installed("nginx") || packages.contains(&"nginx") {
        let stream = Path::new("/usr/lib/nginx/modules/ngx_stream_module.so");
        if !stream.exists() {
            packages.push("libnginx-mod-stream");
        }
    }
    if packages.is_empty() {
        return Ok(());
    }
    println!("installing {}", packages.join(" "));
    let script = format!(
        "export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; apt-get -qq update && apt-get -qq install -y --no-install-recommends {} >/dev/null",
        packages.join(" ")
    );
    let shell = ["sh", "-c", &script];
    let command: Vec<&str> = if is_root() { shell.to_vec() } else { ["sudo", "-n"].into_iter().chain(shell).collect() };
    let outcome = command.split_first().map(|(program, words)| Command::new(program).args(words).status());
    let succeeded = outcome.is_some_and(|result| result.is_ok_and(|status| status.success()));
    ensure!(
        succeeded,
        "cannot install {}: install them by hand (`apt-get install {}`)",
        packages.join(", "),
        packages.join(" ")
    );
    Ok(())
}

/// Whether `name` stands in the search path or among the system programs, where servers live.
pub(crate) fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain([Path::new("/usr/sbin").into()]).any(|folder| folder.join(name).is_file())
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Building cargo-deny takes minutes, so it happens once, into `~/.cargo/bin`.
fn install_deny() -> Result<()> {
    let probe = Command::new(env!("CARGO")).args(["deny", "--version"]).output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    println!("cargo-deny is missing: building it once, this takes some minutes");
    cargo(&["install", "--locked", "--quiet", "cargo-deny"], &[])
}
