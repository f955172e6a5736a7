//! Where a configuration comes from, and what its words mean to the rooms that must not know each other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use yumen_admin::Listen;
use yumen_config::config::{self, AdminListen, Config, LogFormat, LogOutput};
use yumen_config::{Diagnostic, Loaded};
use yumen_telemetry::ProcessFacts;
use yumen_telemetry::access_log::{Format, Output, Rotation};
use yumen_telemetry::log::Level;

use crate::files;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A file, read again at every reload.
    File(PathBuf),
    /// A configuration made of the command line; a reload puts the same in force again.
    Fixed(Box<Wish>),
}

/// A configuration that was read and is valid.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// The configuration.
    pub(crate) config: Arc<Config>,
    /// What is probably not meant.
    pub(crate) warnings: Vec<Diagnostic>,
    /// Every file it was read from.
    pub(crate) files: Vec<PathBuf>,
    /// SHA-256 of its text.
    pub(crate) digest: String,
    /// Its name for people.
    pub(crate) name: String,
}

impl Source {
    /// Reads it. Blocks.
    pub(crate) fn load(&self) -> Result<Wish, Vec<Diagnostic>> {
        match self {
            Self::File(path) => load_for_use(path),
            Self::Fixed(wish) => Ok(Wish::clone(wish)),
        }
    }

    /// The file, if there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        if let Self::File(path) = self { Some(path) } else { None }
    }

    /// A configuration without a file: one listener over some endpoints.
    pub(crate) fn quick(name: &str, from: &str, to: &[String]) -> Result<Self, Vec<Diagnostic>> {
        let loaded = yumen_config::quick(from, to)?;
        Ok(Self::Fixed(Box::new(Wish {
            config: Arc::new(loaded.config),
            warnings: loaded.warnings,
            files: Vec::new(),
            digest: loaded.digest,
            name: name.to_owned(),
        })))
    }
}

/// Reads a configuration file with everything it includes. Blocks.
pub(crate) fn load_file(path: &Path) -> Result<Wish, Vec<Diagnostic>> {
    read(path).map(|loaded| Wish::of(loaded, path))
}

/// As [`load_file`], and looks at the files that the configuration names. Blocks.
pub(crate) fn load_for_use(path: &Path) -> Result<Wish, Vec<Diagnostic>> {
    let mut loaded = read(path)?;
    loaded.warnings.extend(files::check(&loaded).into_iter().filter(|d| d.code != files::TOLD_AT_USE));
    if loaded.warnings.iter().any(Diagnostic::is_error) {
        return Err(loaded.warnings);
    }
    Ok(Wish::of(loaded, path))
}

/// Reads a configuration file, with the environment of this process. Blocks.
pub(crate) fn read(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    yumen_config::load(path, &|name| std::env::var(name).ok())
}

impl Wish {
    fn of(loaded: Loaded, path: &Path) -> Self {
        Self {
            config: Arc::new(loaded.config),
            warnings: loaded.warnings,
            files: loaded.files,
            digest: loaded.digest,
            name: path.display().to_string(),
        }
    }

    /// Every file whose change matters: those it was read from, and certificates.
    pub(crate) fn watched(&self) -> BTreeSet<PathBuf> {
        let mut files: BTreeSet<PathBuf> = self.files.iter().cloned().collect();
        let mut pair = |c: &config::Certificate| files.extend([c.cert.clone(), c.key.clone()]);
        for tls in self.config.listeners.values().filter_map(|l| l.tls.as_ref()) {
            tls.certificates.iter().for_each(&mut pair);
        }
        for upstream in self.config.upstreams.values() {
            upstream.tls.client.iter().for_each(&mut pair);
        }
        files.extend(self.config.upstreams.values().filter_map(|u| u.tls.ca.clone()));
        files
    }
}

/// Worker threads: as asked for, or one for each CPU this process may use.
pub(crate) fn workers(config: &Config) -> usize {
    config.runtime.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1)
}

/// The level of the process log; the configuration has checked the word.
pub(crate) fn level(config: &Config) -> Level {
    config.log.level.parse().unwrap_or_default()
}

/// Where the access log goes and how.
pub(crate) fn access_log(config: &Config) -> (Output, Format, Rotation) {
    use std::io::IsTerminal;
    let access = &config.log.access;
    let output = match &access.output {
        LogOutput::Stdout => Output::Stdout,
        LogOutput::Off => Output::Off,
        LogOutput::File(path) => Output::File(path.clone()),
    };
    let format = match access.format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
        LogFormat::Auto if output == Output::Stdout && std::io::stdout().is_terminal() => Format::Text,
        LogFormat::Auto => Format::Json,
    };
    let rotate = &access.rotate;
    (output, format, Rotation { size: rotate.size, age: rotate.age, keep: rotate.keep })
}

/// Where the admin API listens.
pub(crate) fn admin_listen(listen: &AdminListen) -> Listen {
    match listen {
        AdminListen::Tcp(addr) => Listen::Tcp(*addr),
        AdminListen::Unix(path) => Listen::Unix(path.clone()),
        AdminListen::Pipe(name) => Listen::Pipe(format!(r"\\.\pipe\{name}")),
    }
}

/// What the system tells about the process and its host; what it does not tell is left out.
pub(crate) fn process_facts() -> ProcessFacts {
    let (process, host) = (yumen_net::os::process_stats(), yumen_net::os::host_stats());
    let known = |n: u64| Some(n).filter(|n| *n > 0);
    let has_host = !host.cpu_total.is_zero();
    ProcessFacts {
        rss: known(process.rss),
        cpu_seconds_user: known(process.rss).map(|_| process.cpu_user.as_secs_f64()),
        cpu_seconds_system: known(process.rss).map(|_| process.cpu_system.as_secs_f64()),
        fds: known(process.fds),
        threads: known(process.threads),
        host_cpu_seconds_busy: has_host.then_some(host.cpu_busy.as_secs_f64()),
        host_cpu_seconds_idle: has_host.then(|| host.cpu_total.saturating_sub(host.cpu_busy).as_secs_f64()),
        host_memory_total: known(host.memory_total),
        host_memory_available: known(host.memory_available),
        ..ProcessFacts::default()
    }
}

/// The file of the admin token beneath the state directory.
const TOKEN_FILE: &str = "admin-token";

/// Where the state may be kept, the best first.
pub(crate) fn state_dirs(config: &Config) -> Vec<PathBuf> {
    if let Some(dir) = &config.state_dir {
        return vec![dir.clone()];
    }
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    // The service manager lists several directories with colons between; the first is ours.
    let given = std::env::var_os("STATE_DIRECTORY").and_then(|v| std::env::split_paths(&v).next());
    let mut dirs: Vec<PathBuf> = given.into_iter().filter(|d| d.is_absolute()).collect();
    dirs.push(crate::service::state_home());
    dirs.extend(var("XDG_STATE_HOME").filter(|d| d.is_absolute()).map(|d| d.join("yumen")));
    dirs.extend(var("HOME").map(|d| d.join(".local/state/yumen")));
    dirs.extend(var("LOCALAPPDATA").map(|d| d.join("Yumen")));
    dirs
}

/// Chooses the state directory and makes it: the first that can be written to.
pub(crate) fn open_state_dir(config: &Config) -> anyhow::Result<PathBuf> {
    let mut problems = Vec::new();
    let probe = format!(".probe-{}", std::process::id());
    for dir in state_dirs(config) {
        let tried = std::fs::create_dir_all(&dir)
            .and_then(|()| yumen_net::os::create_private(&dir.join(&probe), b""))
            .and_then(|()| std::fs::remove_file(dir.join(&probe)));
        match tried {
            Ok(()) => return Ok(dir),
            Err(error) => problems.push(format!("{}: {error}", dir.display())),
        }
    }
    anyhow::bail!(
        "no directory can keep the state ({}); set `state_dir` to one that can be written to",
        problems.join("; ")
    )
}

/// The token file of a gateway that keeps its state in `dir`.
pub(crate) fn token_file(config: &Config, dir: &Path) -> PathBuf {
    let chosen = config.admin.as_ref().and_then(|a| a.token_file.clone());
    chosen.unwrap_or_else(|| dir.join(TOKEN_FILE))
}

/// The token file of a gateway that runs already.
pub(crate) fn find_token_file(config: &Config) -> anyhow::Result<PathBuf> {
    let places: Vec<PathBuf> = state_dirs(config).iter().map(|dir| token_file(config, dir)).collect();
    let found = places.iter().find(|p| p.exists()).or_else(|| places.first());
    found.cloned().context("there is no place where the admin token could be; name it with --token-file")
}
