//! Services of Linux: a unit file, and systemctl for everything that lives.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, bail, ensure};

use super::plan::{Outcome, Plan, Scope};
use super::{Facts, Instance, State, unit};

/// Where an administrator's units are.
const UNITS: &str = "/etc/systemd/system";
/// Where those of packages are; an administrator's unit of the same name goes before.
const PACKAGED: &str = "/usr/lib/systemd/system";
/// Folders that the unit hides from the gateway.
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

/// Writes the unit and has it started at boot.
pub(crate) fn install(plan: &Plan, scope: &Scope) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome { warnings: judge(plan, scope)?, ..Outcome::default() };
    let (text, path) = (unit::text(plan), path(&plan.instance, scope));
    if let Ok(present) = fs::read_to_string(&path) {
        ensure!(
            unit::is_ours(&present),
            "{} was not written by `yumen service install`; choose another --name or move it away",
            path.display()
        );
    }
    if scope.dry_run {
        outcome.done.push(format!("would write {}:\n{text}", path.display()));
        outcome.done.push(format!("would run systemctl daemon-reload and systemctl enable {}", plan.instance.id()));
        return Ok(outcome);
    }
    write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    outcome.done.push(format!("wrote {}", path.display()));
    if scope.root.is_none() {
        systemctl(scope, &["daemon-reload"])?;
    }
    systemctl(scope, &["enable", "--quiet", &unit::file_name(&plan.instance)])?;
    outcome.done.push(format!("{} starts at boot", plan.instance.id()));
    Ok(outcome)
}

/// Stops it and removes the unit. State and logs stay.
pub(crate) fn uninstall(instance: &Instance, scope: &Scope) -> anyhow::Result<Outcome> {
    let path = path(instance, scope);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!("no service {} is installed", instance.id()),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    ensure!(unit::is_ours(&text), "{} was not written by `yumen service install`; it stays", path.display());
    let mut outcome = Outcome::default();
    if scope.dry_run {
        outcome.done.push(format!("would stop and disable {} and remove {}", instance.id(), path.display()));
        return Ok(outcome);
    }
    let file = unit::file_name(instance);
    if scope.root.is_none() {
        systemctl(scope, &["disable", "--quiet", "--now", &file])?;
    } else {
        systemctl(scope, &["disable", "--quiet", &file])?;
    }
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    if scope.root.is_none() {
        systemctl(scope, &["daemon-reload"])?;
    }
    let id = instance.id();
    outcome.done.push(format!("removed {}; /var/lib/{id} and /var/log/{id} stay", path.display()));
    Ok(outcome)
}

/// Starts it and waits until it serves.
pub(crate) fn start(instance: &Instance) -> anyhow::Result<()> {
    order(instance, "start")
}

/// Ends it and waits until its connections have finished.
pub(crate) fn stop(instance: &Instance) -> anyhow::Result<()> {
    order(instance, "stop")
}

/// Has it read its configuration again and waits for the outcome.
pub(crate) fn reload(instance: &Instance) -> anyhow::Result<()> {
    order(instance, "reload")
}

fn order(instance: &Instance, verb: &str) -> anyhow::Result<()> {
    systemctl(&Scope::default(), &[verb, &unit::file_name(instance)]).map(drop)
}

/// What is known of it.
pub(crate) fn facts(instance: &Instance, scope: &Scope) -> anyhow::Result<Facts> {
    let packaged = scope.place(Path::new(PACKAGED)).join(unit::file_name(instance));
    let places = [path(instance, scope), packaged];
    let Some(path) = places.iter().find(|path| path.exists()) else {
        return Ok(Facts::only(State::Missing));
    };
    let unit = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let id = instance.id();
    let mut facts = Facts {
        config: unit::config_of(&unit).map(PathBuf::from),
        log: format!("journalctl -u {id}"),
        story: super::story(&scope.place(Path::new("/var/lib")).join(&id)),
        ..Facts::only(State::Unknown)
    };
    if scope.root.is_some() {
        facts.says = "of another root only the unit is known".to_owned();
        return Ok(facts);
    }
    let names = "ActiveState,MainPID,ExecMainStatus,UnitFileState,StatusText,User,DynamicUser";
    match systemctl(scope, &["show", "--property", names, &unit::file_name(instance)]) {
        Ok(shown) => {
            let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
            fill(&mut facts, |name| {
                shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or("")
            });
        }
        Err(error) => facts.says = format!("{error:#}"),
    }
    Ok(facts)
}

fn fill<'a>(facts: &mut Facts, value: impl Fn(&str) -> &'a str) {
    let number = |name: &str| value(name).parse::<u32>().ok().filter(|n| *n != 0);
    facts.pid = number("MainPID");
    facts.exit = number("ExecMainStatus");
    facts.state = match value("ActiveState") {
        "active" => State::Running,
        "reloading" => State::Reloading,
        // Between two attempts it waits in the same state as before the first.
        "activating" if facts.pid.is_none() && facts.exit.is_some() => State::Failed,
        "activating" => State::Starting,
        "deactivating" => State::Stopping,
        "failed" => State::Failed,
        "inactive" => State::Stopped,
        _ => State::Unknown,
    };
    facts.starts = match value("UnitFileState") {
        "enabled" => "at boot".to_owned(),
        "disabled" => "by hand".to_owned(),
        other => other.to_owned(),
    };
    facts.account = match (value("DynamicUser"), value("User")) {
        ("yes", _) => "one of its own (DynamicUser)".to_owned(),
        (_, "") => "root".to_owned(),
        (_, user) => user.to_owned(),
    };
    facts.says = value("StatusText").to_owned();
}

/// Shows its journal on this terminal.
pub(crate) fn logs(instance: &Instance, lines: usize, follow: bool) -> anyhow::Result<()> {
    let mut journal = Command::new("journalctl");
    journal.args(["--unit", &unit::file_name(instance), "--lines", &lines.to_string(), "--no-pager"]);
    if follow {
        journal.arg("--follow");
    }
    let status = journal.status().context("cannot run journalctl; is systemd installed?")?;
    ensure!(status.success(), "journalctl failed ({status})");
    Ok(())
}

fn path(instance: &Instance, scope: &Scope) -> PathBuf {
    scope.place(Path::new(UNITS)).join(unit::file_name(instance))
}

/// What the operator should know before it is installed.
///
/// # Errors
/// It could not start.
fn judge(plan: &Plan, scope: &Scope) -> anyhow::Result<Vec<String>> {
    for (what, path) in [("configuration", &plan.config), ("program", &plan.program)] {
        // Programs are executed by the manager before the folders are hidden from it, but `reload` is not.
        if let Some(folder) = HIDDEN.iter().find(|folder| path.starts_with(folder)).filter(|_| scope.root.is_none()) {
            bail!(
                "the {what} {} lies below {folder}, which services do not see; move it, for example to /etc/yumen or /usr/local/bin",
                path.display()
            );
        }
    }
    if plan.account.is_some() {
        return Ok(Vec::new());
    }
    let id = plan.instance.id();
    let is_closed = |path: &&PathBuf| fs::metadata(scope.place(path)).is_ok_and(|meta| meta.mode() & 0o004 == 0);
    let reads = plan.needs.reads.iter().filter(is_closed).map(|path| {
        format!(
            "{} is closed to the service's own account: use `--account USER` with a user who can read it",
            path.display()
        )
    });
    let given = [format!("/var/lib/{id}"), format!("/var/log/{id}"), format!("/run/{id}")];
    let is_given = |path: &&PathBuf| given.iter().any(|folder| path.starts_with(folder));
    let writes = plan.needs.writes.iter().filter(|path| !is_given(path)).map(|path| {
        format!(
            "{} cannot be written by the service: use a path below {}, or `--account USER`",
            path.display(),
            given.join(" or ")
        )
    });
    Ok(reads.chain(writes).collect())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&fresh, text)?;
    fs::rename(&fresh, path).inspect_err(|_| {
        // The first error is the one to tell.
        fs::remove_file(&fresh).unwrap_or_default();
    })
}

/// The one place from which systemctl is run.
fn systemctl(scope: &Scope, words: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new("systemctl");
    command.arg("--no-ask-password");
    if let Some(root) = &scope.root {
        command.arg("--root").arg(root);
    }
    let shown = format!("systemctl {}", words.join(" "));
    let output = match command.args(words).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("cannot run `{shown}`: systemctl is not there; this system is not run by systemd")
        }
        ran => ran.with_context(|| format!("cannot run `{shown}`"))?,
    };
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    ensure!(output.status.success(), "`{shown}` failed ({}): {said}", output.status);
    Ok(output)
}
