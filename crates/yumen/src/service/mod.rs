//! The operating system around the gateway: what it asks for, what it is told, and the service it runs it as.
//!
//! The only place of this crate that knows which system it runs on. [`Signals`] are taken once, before anything is
//! started, so that a signal during the start is not lost. A [`Supervisor`] hears how the gateway is: systemd through its
//! notify socket, the Service Control Manager of Windows through its status, a terminal through nothing at all.

#[cfg(target_os = "linux")]
#[path = "systemd.rs"]
mod manage;
#[cfg(windows)]
mod windows;
#[cfg(not(any(target_os = "linux", windows)))]
#[path = "other.rs"]
mod manage;

mod facts;
mod failure;
#[cfg(target_os = "linux")]
mod notify;
#[cfg(target_os = "linux")]
mod unit;
mod plan;
mod instance;

use std::io;
use std::path::{Path, PathBuf};
#[cfg(not(windows))]
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use yumen_telemetry::log;

pub(crate) use facts::{Facts, State};
pub(crate) use failure::{Cause, Failure};
pub(crate) use instance::Instance;
pub(crate) use manage::{facts, install, logs, reload, start, stop, uninstall};
pub(crate) use plan::{Needs, Outcome, Plan, Scope};
#[cfg(windows)]
pub(crate) use windows::run;
#[cfg(windows)]
use windows::{folder, manage};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Finish what is in flight and end. The word is the signal's name.
    Stop(&'static str),
    /// Read the configuration again. The word is the signal's name.
    Reload(&'static str),
}

/// Who started this process and wants to know how it is doing.
pub(crate) trait Supervisor: Send + Sync {
    /// The gateway serves. The text says what.
    fn ready(&self, text: &str);
    /// The configuration is being read again; [`Supervisor::reloaded`] follows.
    fn reloading(&self);
    /// The reload is over: what is in force now, or `Err` with what was refused.
    fn reloaded(&self, outcome: Result<&str, &str>);
    /// The end has begun; connections may take so long to finish.
    fn stopping(&self, drain: Duration);
    /// How often it wants a sign of life, if it does.
    fn watchdog(&self) -> Option<Duration> {
        None
    }
    /// The sign of life.
    fn alive(&self) {}
    /// Another process serves in the place of this one, which leaves.
    fn succeeded_by(&self, _process: u32) {}
    /// Where its requests come from when they are no signals of the process.
    fn requests(&self) -> Option<Requests> {
        None
    }
}

/// Requests of a supervisor.
pub(crate) type Requests = tokio::sync::mpsc::UnboundedReceiver<Signal>;

/// A terminal, or a supervisor that wants to know nothing.
struct Nobody;

impl Supervisor for Nobody {
    fn ready(&self, _: &str) {}
    fn reloading(&self) {}
    fn reloaded(&self, _: Result<&str, &str>) {}
    fn stopping(&self, _: Duration) {}
}

/// Whoever the environment speaks of.
pub(crate) fn supervisor() -> Arc<dyn Supervisor> {
    #[cfg(target_os = "linux")]
    match notify::Notify::open(|name| std::env::var_os(name)) {
        Ok(Some(notify)) => return Arc::new(notify),
        Ok(None) => {}
        Err(error) => eprintln!("warning: {error:#}"),
    }
    Arc::new(Nobody)
}

#[cfg(unix)]
mod system {
    use std::io;

    use tokio::signal::unix::{self, SignalKind};

    use super::Signal;

    /// The signals of a Unix system: SIGTERM and SIGINT stop, SIGHUP reloads.
    pub(crate) struct Signals {
        term: unix::Signal,
        int: unix::Signal,
        hup: unix::Signal,
    }

    impl Signals {
        pub(super) fn take() -> io::Result<Self> {
            Ok(Self {
                term: unix::signal(SignalKind::terminate())?,
                int: unix::signal(SignalKind::interrupt())?,
                hup: unix::signal(SignalKind::hangup())?,
            })
        }

        pub(super) async fn next(&mut self) -> Signal {
            tokio::select! {
                _ = self.term.recv() => Signal::Stop("SIGTERM"),
                _ = self.int.recv() => Signal::Stop("SIGINT"),
                _ = self.hup.recv() => Signal::Reload("SIGHUP"),
            }
        }
    }
}

#[cfg(windows)]
mod system {
    use std::io;

    use tokio::signal::windows::{self, CtrlBreak, CtrlC, CtrlClose, CtrlShutdown};

    use super::Signal;

    /// The events of a Windows console; there is none for a reload.
    pub(crate) struct Signals {
        c: CtrlC,
        brk: CtrlBreak,
        close: CtrlClose,
        shutdown: CtrlShutdown,
    }

    impl Signals {
        pub(super) fn take() -> io::Result<Self> {
            Ok(Self {
                c: windows::ctrl_c()?,
                brk: windows::ctrl_break()?,
                close: windows::ctrl_close()?,
                shutdown: windows::ctrl_shutdown()?,
            })
        }

        pub(super) async fn next(&mut self) -> Signal {
            tokio::select! {
                _ = self.c.recv() => Signal::Stop("Ctrl-C"),
                _ = self.brk.recv() => Signal::Stop("Ctrl-Break"),
                _ = self.close.recv() => Signal::Stop("the closing console"),
                _ = self.shutdown.recv() => Signal::Stop("the shutdown of the system"),
            }
        }
    }
}

/// What the process is asked to do, by its supervisor or by the system.
pub(crate) struct Signals {
    system: system::Signals,
    requests: Option<Requests>,
}

impl Signals {
    /// Takes signals from the system's default action. Needs the control runtime under it.
    pub(crate) fn take(supervisor: &dyn Supervisor) -> io::Result<Self> {
        Ok(Self { system: system::Signals::take()?, requests: supervisor.requests() })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Signal {
        let Self { system, requests } = self;
        let request = async {
            match requests {
                Some(requests) => requests.recv().await,
                None => None,
            }
        };
        tokio::select! {
            Some(signal) = request => signal,
            signal = system.next() => signal,
        }
    }
}

/// Around the gateway: who hears how it is, and where the process log goes.
pub(crate) struct Surroundings {
    /// Who hears how it is.
    pub(crate) supervisor: Arc<dyn Supervisor>,
    /// Where the process log goes.
    pub(crate) log: log::Output,
}

impl Surroundings {
    /// As the environment of the process says; the log goes to standard error.
    pub(crate) fn of_environment() -> Self {
        Self { supervisor: supervisor(), log: log::Output::Stderr }
    }
}

/// Where the state of this process is kept, when it runs as a service. Written once, before anything is started: the
/// environment, where other systems say it, cannot be changed safely.
static HOME: OnceLock<PathBuf> = OnceLock::new();

/// Where services of this system keep their state when nobody says otherwise.
pub(crate) fn state_home() -> PathBuf {
    HOME.get().cloned().unwrap_or_else(|| folder(&Instance::default()))
}

#[cfg(not(windows))]
fn folder(instance: &Instance) -> PathBuf {
    // What systemd made for it counts; this is the same place by its usual name.
    let given = std::env::var_os("STATE_DIRECTORY").and_then(|v| std::env::split_paths(&v).next());
    given.filter(|dir| dir.is_absolute()).unwrap_or_else(|| Path::new("/var/lib").join(instance.id()))
}

/// Runs a gateway as the service it is: failures end as the exit codes of [`Cause`] and are kept for `service status`.
#[cfg(not(windows))]
pub(crate) fn run<W>(instance: &Instance, work: W) -> anyhow::Result<ExitCode>
where
    W: FnOnce(Surroundings) -> Result<ExitCode, Failure> + Send + 'static,
{
    let home = HOME.get_or_init(|| folder(instance));
    forget_story(home);
    Ok(work(Surroundings::of_environment()).unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        keep_story(home, &failure);
        ExitCode::from(failure.cause.code())
    }))
}

/// The file that says why the last start failed.
const STORY: &str = "last-failure.txt";

/// Why the last start of the service that keeps its state there failed.
fn story(home: &Path) -> Option<String> {
    std::fs::read_to_string(home.join(STORY)).ok()
}

fn keep_story(home: &Path, failure: &Failure) {
    forget_story(home);
    // Without it the log still says it.
    if let Err(error) = yumen_net::os::create_private(&home.join(STORY), failure.to_string().as_bytes()) {
        tracing::debug!(%error, "the failure is not kept");
    }
}

fn forget_story(home: &Path) {
    // It is seldom there.
    std::fs::remove_file(home.join(STORY)).unwrap_or_default();
}
