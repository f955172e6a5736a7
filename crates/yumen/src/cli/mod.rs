//! The command line: one file per command. Results go to standard output, complaints to standard error.
//!
//! Exit codes: 0 done; 1 refused or failed; 2 the command line was wrong; 3 (`status`) it runs, but the configuration
//! offered last was refused; 4 (`service status`) there is no such service. A service
//! itself ends with the codes of `docs/guide/service.md`.

mod alibaba;
mod cert;
mod check;
mod completions;
mod diff;
mod explain;
mod man;
mod proxy;
mod reload;
mod run;
mod schema;
mod service;
mod status;
mod sync;
mod upgrade;

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::Value;
use yumen_admin::{AdminClient, Listen, Token};
use yumen_config::Diagnostic;
use yumen_config::config::{Admin, Config};

use crate::{compose, last_good};

/// A network gateway: HTTP and TCP reverse proxy with health checks and reload without loss.
#[derive(Parser)]
#[command(name = "yumen", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway; without a file, a demo on 127.0.0.1:8080
    Run(run::Run),
    /// Run a reverse proxy without any file
    Proxy(proxy::Proxy),
    /// Say everything that is wrong with a configuration
    Check(check::Check),
    /// Print the JSON Schema of the configuration
    Schema(schema::Schema),
    /// Say what a reload from one configuration to another would change
    Diff(diff::Diff),
    /// Say which listener, route and upstream a request would meet, and why
    Explain(explain::Explain),
    /// Tell the running gateway to read its configuration again
    Reload(reload::Reload),
    /// Start the program anew in the place of the running one, without closing a socket
    Upgrade(upgrade::Upgrade),
    /// Show what the running gateway does
    Status(status::Status),
    /// Speak with Alibaba Cloud as the gateway does
    Alibaba(alibaba::Alibaba),
    /// Obtain certificates by ACME, and show them
    Cert(cert::Cert),
    /// Print the completions of a shell
    Completions(completions::Completions),
    /// Write the manual pages into a directory
    Man(man::Man),
    /// Install and manage the gateway as a service of this system
    Service(service::Service),
    /// Print the version
    Version,
}

impl Cli {
    /// Does what was asked for.
    pub(crate) fn execute(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Run(command) => command.execute(),
            Command::Proxy(command) => command.execute(),
            Command::Check(command) => command.execute(),
            Command::Schema(command) => command.execute(),
            Command::Diff(command) => command.execute(),
            Command::Explain(command) => command.execute(),
            Command::Reload(command) => command.execute(),
            Command::Upgrade(command) => command.execute(),
            Command::Status(command) => command.execute(),
            Command::Alibaba(command) => command.execute(),
            Command::Cert(command) => command.execute(),
            Command::Completions(command) => command.execute(),
            Command::Man(command) => command.execute(),
            Command::Service(command) => command.execute(),
            Command::Version => print(&format!("yumen {}\n", env!("CARGO_PKG_VERSION"))),
        }
    }
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For machines
    Json,
}

/// A path of the command line; one that leads to another machine or a device is refused before anybody opens it.
fn local_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match yumen_config::leads_away(&path) {
        Some(why) => Err(format!("{why}; name a file of this machine")),
        None => Ok(path),
    })
}

/// Which running gateway is meant.
#[derive(Args)]
struct Target {
    /// The configuration file of the running gateway, to find its admin API
    #[arg(short, long, value_name = "FILE", value_parser = local_path())]
    config: Option<PathBuf>,
    /// The admin API: ADDRESS:PORT, unix:PATH or pipe:NAME
    #[arg(long, value_name = "WHERE")]
    admin: Option<String>,
    /// The file with the admin token
    #[arg(long, value_name = "FILE", value_parser = local_path())]
    token_file: Option<PathBuf>,
}

impl Target {
    /// A client for it; `writes` says whether the token is needed.
    fn client(&self, writes: bool) -> anyhow::Result<AdminClient> {
        let config = match &self.config {
            Some(path) => match compose::load_file(path) {
                Ok(wish) => wish.config,
                // The gateway runs on what the file said when it was good.
                Err(broken) => match last_good::load(path, &compose::state_dirs_of(path)) {
                    Some(Ok(wish)) => wish.config,
                    _ if self.admin.is_some() => std::sync::Arc::new(default_config()),
                    _ => return Err(refusal(&broken)),
                },
            },
            None => std::sync::Arc::new(default_config()),
        };
        let listen = match &self.admin {
            Some(text) => parse_listen(text)?,
            None => {
                let admin = config.admin.as_ref().context("the admin API is off in this configuration")?;
                compose::admin_listen(&admin.listen)
            }
        };
        let token = if writes {
            let path = self.token_file.clone().map_or_else(|| compose::find_token_file(&config), Ok)?;
            Some(Token::read(&path).context("the admin token of the running gateway cannot be read")?)
        } else {
            None
        };
        Ok(AdminClient::new(listen, token))
    }
}

fn default_config() -> Config {
    Config { admin: Some(Admin::default()), ..Config::default() }
}

fn parse_listen(text: &str) -> anyhow::Result<Listen> {
    if let Some(path) = text.strip_prefix("unix:") {
        if let Some(why) = yumen_config::leads_away(Path::new(path)) {
            anyhow::bail!(why);
        }
        return Ok(Listen::Unix(path.into()));
    }
    if let Some(name) = text.strip_prefix("pipe:") {
        return Ok(Listen::Pipe(format!(r"\\.\pipe\{name}")));
    }
    let addr = text.parse().with_context(|| format!("{text} is not ADDRESS:PORT, unix:PATH or pipe:NAME"))?;
    Ok(Listen::Tcp(addr))
}

/// Reads a configuration; what is wrong with it becomes the error.
fn load(path: &Path) -> anyhow::Result<compose::Wish> {
    compose::load_file(path).map_err(|found| refusal(&found))
}

fn refusal(found: &[Diagnostic]) -> anyhow::Error {
    anyhow::anyhow!("the configuration is refused\n{}", yumen_config::render(found).trim_end())
}

/// Runs a future on a small runtime of its own.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    yumen_net::rt::Control::start(1).context("cannot start the runtime")?.block_on(future)
}

/// Prints to standard output. A reader that left (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Prints a JSON document.
fn print_json(value: &Value) -> anyhow::Result<ExitCode> {
    print(&format!("{value:#}\n"))
}

/// Prints complaints that came as JSON, one or more lines each.
fn print_refused(diagnostics: &Value) -> String {
    let mut out = String::new();
    for one in diagnostics.as_array().into_iter().flatten() {
        let text = |key: &str| one[key].as_str().unwrap_or_default();
        let place = match (text("file"), one["line"].as_u64().unwrap_or(0)) {
            ("", _) => String::new(),
            (file, 0) => format!("{file}: "),
            (file, line) => format!("{file}:{line}:{}: ", one["column"]),
        };
        let line = format!("  {place}{}: {}\n", text("severity"), text("message"));
        out.extend(line.chars().map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }));
        if !text("help").is_empty() {
            out.push_str(&format!("    help: {}\n", text("help")));
        }
    }
    out
}
