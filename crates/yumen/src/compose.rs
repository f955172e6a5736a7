//! Where a configuration comes from, and what its words mean to the rooms that must not know each other.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
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
    /// Every file it was read from, the main one first, with its text.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) texts: Vec<String>,
    /// Patterns of file names that it includes, each with the names that were there.
    pub(crate) patterns: BTreeMap<PathBuf, BTreeSet<OsString>>,
    /// It is the last good copy, not the file itself.
    pub(crate) is_copy: bool,
    /// SHA-256 of its text.
    pub(crate) digest: String,
    /// Its name for people.
    pub(crate) name: String,
}

impl Source {
    /// Reads it and looks at the files it names. Blocks.
    pub(crate) fn load(&self) -> Result<Wish, Refused> {
        match self {
            Self::File(path) => refusing(path, read(path)),
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
            texts: Vec::new(),
            patterns: BTreeMap::new(),
            is_copy: false,
            digest: loaded.digest,
            name: name.to_owned(),
        })))
    }
}

/// A configuration that is not taken.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// Why.
    pub(crate) found: Vec<Diagnostic>,
    /// Files whose change may mend it.
    pub(crate) files: BTreeSet<PathBuf>,
}

/// Reads a configuration file with everything it includes. Blocks.
pub(crate) fn load_file(path: &Path) -> Result<Wish, Vec<Diagnostic>> {
    read(path).map(|loaded| Wish::of(loaded, path))
}

/// As [`load_file`], and looks at the files that the configuration names. Blocks.
pub(crate) fn load_for_use(path: &Path) -> Result<Wish, Vec<Diagnostic>> {
    read(path).and_then(|loaded| usable(loaded, path).map_err(|refused| refused.found))
}

/// Like [`Source::load`], of texts that were kept. Blocks.
pub(crate) fn load_kept(path: &Path, kept: &[(PathBuf, String)]) -> Result<Wish, Refused> {
    refusing(path, yumen_config::load_kept(path, kept, &environment))
}

/// Reads a configuration file, with the environment of this process. Blocks.
pub(crate) fn read(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    yumen_config::load(path, &environment)
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn refusing(path: &Path, read: Result<Loaded, Vec<Diagnostic>>) -> Result<Wish, Refused> {
    let loaded = read.map_err(|found| {
        let files = found.iter().map(|d| PathBuf::from(&*d.span.file)).filter(|f| !f.as_os_str().is_empty());
        Refused { files: files.collect(), found }
    })?;
    usable(loaded, path)
}

fn usable(mut loaded: Loaded, path: &Path) -> Result<Wish, Refused> {
    loaded.warnings.extend(files::check(&loaded).into_iter().filter(|d| d.code != files::TOLD_AT_USE));
    let wish = Wish::of(loaded, path);
    if wish.warnings.iter().any(Diagnostic::is_error) {
        return Err(Refused { files: wish.watched(), found: wish.warnings });
    }
    Ok(wish)
}

impl Wish {
    fn of(loaded: Loaded, path: &Path) -> Self {
        let patterns = loaded.includes.iter().filter(|path| is_pattern(path));
        Self {
            patterns: patterns.map(|p| (p.clone(), names_like(p))).collect(),
            config: Arc::new(loaded.config),
            warnings: loaded.warnings,
            files: loaded.files,
            texts: loaded.texts,
            is_copy: false,
            digest: loaded.digest,
            name: path.display().to_string(),
        }
    }

    /// Whether its files say something else by now. A pipe can be read only once, and says nothing later. Blocks for a
    /// moment.
    pub(crate) fn is_stale(&self) -> bool {
        let is_same = |(path, text): (&PathBuf, &String)| match std::fs::metadata(path) {
            Ok(meta) if !meta.is_file() => true,
            _ => std::fs::read(path).is_ok_and(|now| now == text.as_bytes()),
        };
        let same_names = |(pattern, names): (&PathBuf, &BTreeSet<OsString>)| names_like(pattern) == *names;
        !(self.files.iter().zip(&self.texts).all(is_same) && self.patterns.iter().all(same_names))
    }

    /// Every file whose change matters: those it was read from, certificates and passwords; of what it includes by a
    /// pattern, the pattern.
    pub(crate) fn watched(&self) -> BTreeSet<PathBuf> {
        let mut files: BTreeSet<PathBuf> = self.files.iter().chain(self.patterns.keys()).cloned().collect();
        let mut pair = |c: &config::Certificate| files.extend([c.cert.clone(), c.key.clone()]);
        for tls in self.config.listeners_and_templates().filter_map(|l| l.tls.as_ref()) {
            tls.certificates.iter().filter_map(config::Served::files).for_each(&mut pair);
        }
        for upstream in self.config.upstreams.values() {
            upstream.tls.client.iter().for_each(&mut pair);
        }
        files.extend(self.config.upstreams.values().filter_map(|u| u.tls.ca.clone()));
        files.extend(self.config.cloud.authorities.values().filter_map(|authority| authority.roots.clone()));
        let tls = self.config.listeners_and_templates().filter_map(|l| l.tls.as_ref());
        for policy in tls.filter_map(|tls| tls.clients.as_ref()).flat_map(config::ClientAuth::policies) {
            files.extend(policy.ca.iter().chain(&policy.crl).cloned());
        }
        let inline = self.config.routes.iter().flat_map(|r| &r.middlewares);
        for middleware in self.config.middlewares.values().chain(inline) {
            if let config::MiddlewareKind::BasicAuth { file, users, .. } = &middleware.kind {
                files.extend(file.clone());
                files.extend(users.iter().filter_map(|u| match u {
                    config::Secret::File(path) => Some(path.clone()),
                    config::Secret::Literal(_) | config::Secret::Kms(_) => None,
                }));
            }
        }
        files
    }
}

/// Whether a path stands for any number of files.
pub(crate) fn is_pattern(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains(['*', '?']))
}

/// The names beside a pattern that have its ending. Hidden ones are never included, and editors make many.
pub(crate) fn names_like(pattern: &Path) -> BTreeSet<OsString> {
    let folder = pattern.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeSet::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    let fits = |name: &OsString| {
        Path::new(name).extension() == pattern.extension() && !name.to_string_lossy().starts_with('.')
    };
    names.filter(fits).collect()
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

/// Where the state of a main file may be kept that cannot be read as a whole: the line that names the directory often
/// can.
pub(crate) fn state_dirs_of(main: &Path) -> Vec<PathBuf> {
    let text = std::fs::read(main).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("state_dir:")).unwrap_or_default();
    // The line in a configuration that is valid otherwise.
    let rest = "listeners: {l: {bind: \":1\", protocol: tcp, upstream: u}}\nupstreams: {u: {endpoints: \"h:1\"}}\n";
    let whole = std::path::absolute(main).unwrap_or_default();
    let said = yumen_config::load_kept(main, &[(whole, format!("{line}\n{rest}"))], &environment);
    let mut dirs: Vec<PathBuf> = said.into_iter().filter_map(|loaded| loaded.config.state_dir).collect();
    dirs.extend(state_dirs(&Config::default()));
    dirs
}

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
    dirs.retain(|dir| yumen_config::leads_away(dir).is_none());
    dirs
}

/// Chooses the state directory and makes it: the first that can be written to.
pub(crate) fn open_state_dir(config: &Config) -> anyhow::Result<PathBuf> {
    let mut problems = Vec::new();
    let probe = format!(".probe-{}", std::process::id());
    for dir in state_dirs(config) {
        let tried = yumen_net::os::private_folder(&dir)
            .and_then(|()| yumen_net::os::create_private(&dir.join(&probe), b""))
            .and_then(|()| std::fs::remove_file(dir.join(&probe)));
        match tried {
            Ok(()) => {
                // What they put there would be taken for ours: a token, a last good configuration.
                if let Ok(Some(open)) = yumen_net::os::intrusion(&dir) {
                    tracing::warn!("the state directory is open to others: {open}");
                }
                return Ok(dir);
            }
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
