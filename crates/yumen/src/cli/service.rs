//! `yumen service`: the gateway as a service, with the same words on every system.
//!
//! `status` exits with 0 it runs, 1 it does not, 3 it runs but refused the last configuration, 4 it is not installed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use yumen_config::config::{AdminListen, LogOutput};

use super::{Format, Target, status};
use crate::boot::{self, Start};
use crate::compose::{self, Wish};
use crate::service::{self, Instance, Needs, Outcome, Plan, Scope, State};

/// How long the outcome of a reload is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// Ports below this one need a right on some systems.
const FREE_PORTS: u16 = 1024;

/// Install and manage the gateway as a service of this system.
#[derive(Args)]
pub(super) struct Service {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Register the service, so that it starts with the system; once more to change it
    Install(Install),
    /// Stop the service and remove it; its configuration, state and logs stay
    Uninstall(Uninstall),
    /// Start the service and wait until it serves
    Start(Which),
    /// Stop the service and wait until its connections have finished
    Stop(Which),
    /// Stop the service, then start it
    Restart(Which),
    /// Have the service read its configuration again
    Reload(Which),
    /// Show whether it runs, and what the gateway does
    Status(Status),
    /// Show its log
    Logs(Logs),
    /// Be the service; only the system's service manager calls this
    #[command(hide = true)]
    Run(Run),
}

/// Which service is meant.
#[derive(Args)]
struct Which {
    /// The service, when there are several
    #[arg(long, default_value_t, value_name = "NAME")]
    name: Instance,
    /// The configuration, when the service does not tell it
    #[arg(short, long, value_name = "FILE", value_parser = super::local_path())]
    config: Option<PathBuf>,
}

#[derive(Args)]
struct Place {
    /// Another root of the file system, as for an image
    #[arg(long, value_name = "FOLDER", value_parser = super::local_path())]
    root: Option<PathBuf>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

impl Place {
    fn scope(self) -> Scope {
        Scope { root: self.root, dry_run: self.dry_run }
    }
}

#[derive(Args)]
struct Install {
    /// The name of the service, when there are to be several
    #[arg(long, default_value_t, value_name = "NAME")]
    name: Instance,
    /// The configuration
    #[arg(short, long, value_name = "FILE", value_parser = super::local_path())]
    config: PathBuf,
    /// Who it runs as; without it the system makes an account for it
    #[arg(long, value_name = "USER")]
    account: Option<String>,
    /// Start it at once
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
struct Uninstall {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
struct Status {
    #[command(flatten)]
    which: Which,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Another root of the file system
    #[arg(long, value_name = "FOLDER", value_parser = super::local_path())]
    root: Option<PathBuf>,
}

#[derive(Args)]
struct Logs {
    #[command(flatten)]
    which: Which,
    /// How many lines
    #[arg(short = 'n', long, default_value_t = 50)]
    lines: usize,
    /// Go on as lines come
    #[arg(short, long)]
    follow: bool,
}

#[derive(Args)]
struct Run {
    /// The name of the service
    #[arg(long, default_value_t, value_name = "NAME")]
    name: Instance,
    /// The configuration
    #[arg(short, long, value_name = "FILE", value_parser = super::local_path())]
    config: PathBuf,
}

impl Service {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::Install(install) => install.execute(),
            Verb::Uninstall(Uninstall { which, place }) => tell(&service::uninstall(&which.name, &place.scope())?),
            Verb::Start(which) => start(&which.name),
            Verb::Stop(which) => {
                service::stop(&which.name)?;
                super::print(&format!("{} has stopped\n", which.name.id()))
            }
            Verb::Restart(which) => {
                service::stop(&which.name)?;
                start(&which.name)
            }
            Verb::Reload(which) => reload(&which),
            Verb::Status(status) => status.execute(),
            Verb::Logs(logs) => {
                service::logs(&logs.which.name, logs.lines, logs.follow)?;
                Ok(ExitCode::SUCCESS)
            }
            Verb::Run(Run { name, config }) => {
                service::run(&name, move |around| boot::run(Start::File(config), around))
            }
        }
    }
}

fn tell(outcome: &Outcome) -> anyhow::Result<ExitCode> {
    for warning in &outcome.warnings {
        eprintln!("warning: {warning}");
    }
    super::print(&outcome.done.iter().map(|step| format!("{step}\n")).collect::<String>())
}

/// Starts it; when that fails, says why it ended.
fn start(name: &Instance) -> anyhow::Result<ExitCode> {
    if let Err(error) = service::start(name) {
        eprintln!("error: {error:#}");
        eprint!("{}", service::facts(name, &Scope::default())?.readable(name));
        return Ok(ExitCode::FAILURE);
    }
    super::print(&format!("{} runs\n", name.id()))
}

impl Install {
    fn execute(self) -> anyhow::Result<ExitCode> {
        let scope = self.place.scope();
        let config = std::path::absolute(&self.config)
            .with_context(|| format!("{} has no whole path", self.config.display()))?;
        let wish = compose::load_for_use(&scope.place(&config)).map_err(|found| super::refusal(&found))?;
        crate::reload::tell_warnings(&wish.warnings);
        let plan = Plan {
            instance: self.name,
            program: std::env::current_exe().context("this program does not know where it is")?,
            config,
            account: self.account,
            needs: needs(&wish, &scope),
        };
        let outcome = service::install(&plan, &scope)?;
        let code = tell(&outcome)?;
        if !self.now || scope.dry_run || scope.root.is_some() {
            return Ok(code);
        }
        start(&plan.instance)
    }
}

/// What a configuration asks of the system.
fn needs(wish: &Wish, scope: &Scope) -> Needs {
    let config = &wish.config;
    // As the service will see them.
    let inside = |path: &Path| match &scope.root {
        Some(root) => path.strip_prefix(root).map_or_else(|_| path.to_owned(), |rest| Path::new("/").join(rest)),
        None => path.to_owned(),
    };
    let mut writes: Vec<PathBuf> = config.state_dir.iter().map(|dir| inside(dir)).collect();
    let parent = |path: &PathBuf| path.parent().map(&inside);
    if let LogOutput::File(path) = &config.log.access.output {
        writes.extend(parent(path));
    }
    if let Some(AdminListen::Unix(path)) = config.admin.as_ref().map(|admin| &admin.listen) {
        writes.extend(parent(path));
    }
    let mut ports = config.listeners.values().flat_map(|l| &l.bind).map(std::net::SocketAddr::port);
    Needs {
        low_port: ports.any(|port| port != 0 && port < FREE_PORTS),
        admin: config.admin.is_some(),
        drain: config.runtime.drain_timeout,
        reads: wish.watched().iter().filter(|path| !compose::is_pattern(path)).map(|path| inside(path)).collect(),
        writes,
    }
}

/// What the gateway of a service says of itself.
fn gateway(config: &Path) -> anyhow::Result<Value> {
    let target = Target { config: Some(config.to_owned()), admin: None, token_file: None };
    let client = target.client(false)?;
    super::block_on(async { Ok(client.status().await?) })
}

/// The status after the reload that followed this count; the last one there is when it takes too long.
fn ended(before: &Value, ask: impl Fn() -> Option<Value>) -> Option<Value> {
    let begun = yumen_net::rt::now();
    loop {
        let status = ask();
        let is_over = status.as_ref().is_none_or(|status| status["reloads"] != *before);
        if is_over || yumen_net::rt::now().saturating_duration_since(begun) > PATIENCE {
            return status;
        }
        std::thread::park_timeout(PAUSE);
    }
}

/// Reloads it, and says what came of it.
fn reload(which: &Which) -> anyhow::Result<ExitCode> {
    let file = match &which.config {
        Some(file) => Some(file.clone()),
        None => service::facts(&which.name, &Scope::default())?.config,
    };
    let ask = || file.as_deref().and_then(|file| gateway(file).ok());
    let before = ask();
    let asked = service::reload(&which.name);
    let after = match (&asked, &before) {
        // Where the manager does not wait for the outcome, the gateway counts.
        (Ok(()), Some(before)) => ended(&before["reloads"], ask),
        _ => ask(),
    };
    let refused = after.as_ref().map_or(&Value::Null, |status| &status["last_refused"]);
    if !refused.is_null() {
        eprintln!("error: the configuration was refused; what ran before runs on");
        eprint!("{}", super::print_refused(&refused["diagnostics"]));
        return Ok(ExitCode::FAILURE);
    }
    asked?;
    match after {
        Some(status) => super::print(&format!("generation {} is in force\n", status["generation"])),
        None => super::print("asked for a reload; its outcome is in `yumen service logs`\n"),
    }
}

impl Status {
    fn execute(self) -> anyhow::Result<ExitCode> {
        let Which { name, config } = self.which;
        let facts = service::facts(&name, &Scope { root: self.root, dry_run: false })?;
        let file = config.or_else(|| facts.config.clone()).filter(|_| facts.state.is_up());
        let gateway = file.map(|file| gateway(&file).map_err(|error| format!("{error:#}")));
        match self.format {
            Format::Json => {
                let of_gateway = match &gateway {
                    Some(Ok(status)) => status.clone(),
                    Some(Err(error)) => json!({"error": error}),
                    None => Value::Null,
                };
                super::print_json(&json!({"service": facts.to_json(&name), "gateway": of_gateway}))?
            }
            Format::Text => {
                let of_gateway = match &gateway {
                    Some(Ok(status)) => format!("\n{}", status::readable(status)),
                    Some(Err(error)) => format!("\nthe gateway does not answer: {error}\n"),
                    None => String::new(),
                };
                super::print(&(facts.readable(&name) + &of_gateway))?
            }
        };
        let refused = matches!(&gateway, Some(Ok(status)) if !status["last_refused"].is_null());
        Ok(match facts.state {
            State::Missing => ExitCode::from(4),
            _ if refused => ExitCode::from(3),
            state if state.is_up() => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }
}
