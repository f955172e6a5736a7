//! The gateway as a service of Windows: states and events out, controls in.

pub(super) mod manage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::sync::mpsc;
use yumen_net::os::private_folder;
use yumen_net::os::windows_service::{self, Control, Reporter};
use yumen_net::os::windows_system::{EventSource, Weight, program_data};
use yumen_telemetry::access_log::Rotation;
use yumen_telemetry::log;

use super::{Cause, Failure, HOME, Instance, Requests, Signal, Supervisor, Surroundings, forget_story, keep_story};

/// How often a start or an end that takes its time is told to be alive.
const TURN: Duration = Duration::from_secs(1);
/// Within which the next word comes, with room for a busy machine.
const HINT: Duration = Duration::from_secs(10);
/// The process log of a service, which has no standard error.
const LOG: Rotation = Rotation { size: 10 << 20, age: Duration::from_secs(7 * 86_400), keep: 8 };
/// `ERROR_FAILED_SERVICE_CONTROLLER_CONNECT`.
const NOT_FROM_MANAGER: i32 = 1063;

/// Numbers of events; `docs/guide/service.md` explains them. The table of messages has 1 to 1000.
#[derive(Clone, Copy)]
enum Event {
    Running = 1,
    Reloaded = 2,
    Refused = 3,
    Stopping = 4,
    Stopped = 5,
    Failed = 6,
}

/// Where a service keeps its state and its logs.
pub(super) fn folder(instance: &Instance) -> PathBuf {
    let base = program_data().unwrap_or_else(|_| r"C:\ProgramData".into());
    base.join("Yumen").join(instance.to_string())
}

/// The process log of a service.
pub(super) fn log_file(instance: &Instance) -> PathBuf {
    folder(instance).join("logs").join("yumen.log")
}

/// Runs a gateway as the service it is: failures end as service-specific exit codes, are told in the event log and are kept
/// for `service status`.
pub(crate) fn run<W>(instance: &Instance, work: W) -> anyhow::Result<ExitCode>
where
    W: FnOnce(Surroundings) -> Result<ExitCode, Failure> + Send + 'static,
{
    HOME.get_or_init(|| folder(instance));
    let (ask, requests) = mpsc::unbounded_channel();
    let on_control = move |control| {
        // Nobody listens any more only when all is over.
        ask.send(match control {
            Control::Stop(why) => Signal::Stop(why),
            Control::Reload(why) => Signal::Reload(why),
        })
        .unwrap_or_default();
    };
    let of = instance.clone();
    let life = move |reporter| live(&of, work, reporter, requests);
    match windows_service::dispatch(&instance.id(), Box::new(on_control), Box::new(life)) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.raw_os_error() == Some(NOT_FROM_MANAGER) => Err(anyhow!(
            "only the service manager can do this: use `yumen service start --name {instance}`, or `yumen run`"
        )),
        Err(error) => Err(error).context("the service manager does not take this process as a service"),
    }
}

fn live<W>(instance: &Instance, work: W, reporter: Reporter, requests: Requests)
where
    W: FnOnce(Surroundings) -> Result<ExitCode, Failure>,
{
    let home = folder(instance);
    let service = Arc::new(Service {
        reporter,
        phase: AtomicU8::new(Phase::Starting as u8),
        events: EventSource::open(&instance.id()).ok(),
        requests: Mutex::new(Some(requests)),
    });
    let pulse = Arc::clone(&service);
    let ticking = std::thread::Builder::new().name("yumen-service".to_owned()).spawn(move || pulse.tick());
    forget_story(&home);
    let log = log_file(instance);
    let ready = private_folder(&home).and_then(|()| log.parent().map_or(Ok(()), std::fs::create_dir_all));
    let ready = ready.context("no folder for the log can be made");
    let outcome = ready
        .map_err(Cause::System.of())
        .and_then(|()| work(Surroundings { supervisor: Arc::clone(&service) as _, log: log::Output::File(log, LOG) }));
    service.enter(Phase::Over);
    if let Ok(thread) = ticking {
        thread.thread().unpark();
        // It does nothing that could panic.
        thread.join().unwrap_or_default();
    }
    // All is said before the last state, after which the system may end the process.
    match outcome {
        Ok(_) => {
            service.say(Weight::Information, Event::Stopped, "stopped, as it was asked to");
            service.reporter.stopped(0);
        }
        Err(failure) => {
            tracing::error!("{failure}");
            keep_story(&home, &failure);
            service.say(Weight::Error, Event::Failed, &format!("{}\n{failure}", failure.cause.meaning()));
            service.reporter.stopped(failure.cause.code().into());
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Running,
    Stopping,
    Over,
}

/// What the manager and the event log are told.
struct Service {
    reporter: Reporter,
    phase: AtomicU8,
    events: Option<EventSource>,
    requests: Mutex<Option<Requests>>,
}

impl Service {
    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }

    fn is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::SeqCst) == phase as u8
    }

    /// Tells of life while it starts and while it stops.
    fn tick(&self) {
        while !self.is(Phase::Over) {
            std::thread::park_timeout(TURN);
            if self.is(Phase::Starting) {
                self.reporter.starting(HINT);
            } else if self.is(Phase::Stopping) {
                self.reporter.stopping(HINT);
            }
        }
    }

    fn say(&self, weight: Weight, event: Event, text: &str) {
        let Some(events) = &self.events else { return };
        if let Err(error) = events.report(weight, event as u32, text) {
            tracing::warn!(%error, "the event log could not be told: {}", text.escape_debug());
        }
    }
}

impl Supervisor for Service {
    fn ready(&self, text: &str) {
        self.enter(Phase::Running);
        self.reporter.running();
        self.say(Weight::Information, Event::Running, &format!("running: {text}"));
    }

    fn reloading(&self) {}

    fn reloaded(&self, outcome: Result<&str, &str>) {
        // The first one is the start, with the last good configuration when the file was refused.
        if self.is(Phase::Starting) {
            self.ready(outcome.unwrap_or("the last good configuration"));
            if outcome.is_ok() {
                return;
            }
        }
        match outcome {
            Ok(text) => self.say(Weight::Information, Event::Reloaded, &format!("configuration put in force: {text}")),
            Err(text) => self.say(Weight::Warning, Event::Refused, &format!("configuration refused: {text}")),
        }
    }

    fn stopping(&self, drain: Duration) {
        self.enter(Phase::Stopping);
        self.reporter.stopping(HINT);
        let text = format!("stopping: connections may finish within {} s", drain.as_secs());
        self.say(Weight::Information, Event::Stopping, &text);
    }

    fn requests(&self) -> Option<Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
