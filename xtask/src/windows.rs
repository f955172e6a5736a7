//! `cargo xtask windows STEP`: builds the workspace for Windows on a Debian machine and runs its tests under Wine.
//!
//! The steps are scripts in `ci/windows/`; nothing is installed, all they fetch and make lies in `target/windows`. This
//! front knows which tests Wine cannot run (`ci/windows/exceptions.txt`) and runs the peers that tests start.

mod exception;
mod peer;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use exception::Exception;

const USAGE: &str = "\
usage: cargo xtask windows [STEP]

  all        every step below, in this order; what CI does
  toolchain  mingw-w64 and the standard library for Windows
  wine       Wine and a clean set of its files
  check      clippy for the GNU toolchain; warnings are errors
  msvc       type check for the MSVC toolchain, which cannot link here
  build      programs and tests
  test       the tests under Wine; further arguments go to the test runner
  smoke      the program under Wine as an operator meets it: console, service, reload under load, crash
";

/// Runs one step, or all.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (name, rest) = arguments.split_first().map_or(("all", [].as_slice()), |(name, rest)| (name.as_str(), rest));
    match name {
        "all" => all(),
        "test" => test(rest),
        "toolchain" => script("toolchain.sh", &[]),
        "wine" => script("wine.sh", &[]),
        "check" => script("build.sh", &["check"]),
        "msvc" => script("build.sh", &["msvc"]),
        "build" => script("build.sh", &["debug"]),
        "smoke" => script("smoke.sh", &[]),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("there is no step `{other}`\n\n{USAGE}"),
    }
}

fn all() -> Result<()> {
    for name in ["toolchain", "wine", "check", "msvc", "build", "test", "smoke"] {
        let start = Instant::now();
        run(&[name.to_owned()]).with_context(|| format!("step `windows {name}` failed"))?;
        println!("windows: {name} ok in {:.1} s", start.elapsed().as_secs_f64());
    }
    Ok(())
}

fn command(name: &str) -> Result<Command> {
    let root = crate::root()?;
    ensure!(
        Path::new("/usr/bin/apt-get").exists(),
        "building for Windows needs a Debian machine with apt-get: it takes mingw-w64, the library's source and Wine from there"
    );
    let mut command = Command::new("bash");
    command.arg(root.join("ci/windows").join(name)).current_dir(root);
    // Of the cargo that runs this program: a cargo below it must not take them for its own.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    Ok(command)
}

fn script(name: &str, arguments: &[&str]) -> Result<()> {
    let status = command(name)?.args(arguments).status().with_context(|| format!("cannot run {name}"))?;
    ensure!(status.success(), "ci/windows/{name} {} failed ({status})", arguments.join(" "));
    Ok(())
}

/// Runs the tests but those that Wine cannot run, which are listed.
fn test(arguments: &[String]) -> Result<()> {
    let root = crate::root()?;
    let work = root.join("target/windows");
    let exceptions = Exception::read(&root.join("ci/windows/exceptions.txt"))?;
    for exception in &exceptions {
        println!("windows: not run under Wine: {exception}");
    }
    let door = peer::Door::open(&work.join("prefix"))?;
    let mut command = command("test.sh")?;
    command.env("WIN_PEER_PORT", door.port.to_string()).env("WIN_PEER_TOKEN", &door.token);
    command.args(exception::arguments(&exceptions, arguments, crate::test::has_nextest()));
    let status = command.status().context("cannot run test.sh")?;
    ensure!(status.success(), "tests failed under Wine ({status})");
    exception::find_stale(&exceptions, &work.join("tests.json"))
}
