//! Start and stop, in order: configuration, logs, metrics, workers, first snapshot, admin API; then signals until the end.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::sync::{Notify, mpsc, watch};
use yumen_config::Diagnostic;
use yumen_config::config::Config;
use yumen_net::dial::Resolver;
use yumen_net::listen::Inherited;
use yumen_net::os::{Parcel, Predecessor};
use yumen_net::rt;
use yumen_net::tls::Staples;
use yumen_proxy::{Ports, Proxy};
use yumen_telemetry::access_log::{Format, Output, Rotation};
use yumen_telemetry::log::{self, ProcessLog};
use yumen_telemetry::{AccessLog, Registry};

use crate::certificates::Certificates;
use crate::cloud::Cloud;
use crate::cloud::accelerators::Putting;
use crate::cloud::ocsp::Stapling;
use crate::compose::{self, Refused, Source, Wish};
use crate::process::Process;
use crate::program::{Confirmation, Program};
use crate::reload::{self, Gateway};
use crate::service::{Cause, Failure, Signal, Signals, Supervisor, Surroundings};
use crate::watch::Watch;
use crate::{demo, last_good};

/// Where the demo listens.
const DEMO: &str = "127.0.0.1:8080";
/// Threads of everything that is not the data path.
const CONTROL_THREADS: usize = 2;
/// How long tasks of the control runtime may block its end.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// The cause of a stop that makes room for a new process.
const UPGRADE: &str = "upgrade";

/// How long a second signal is the echo of the first: some who stop a program tell the process and then its group.
const ECHO: Duration = Duration::from_millis(500);

/// What to start with.
pub(crate) enum Start {
    /// A configuration file.
    File(PathBuf),
    /// A listener over endpoints, from the command line.
    Quick { from: String, to: Vec<String> },
    /// The embedded demo.
    Demo,
}

/// Runs the gateway until it is told to stop.
pub(crate) fn run(start: Start, around: Surroundings) -> Result<ExitCode, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    let mut inherited = Inherited::take(environment);
    let predecessor =
        Predecessor::meet(environment).context("cannot take over the sockets of the process before this one");
    let (predecessor, parcels) = predecessor.map_err(Cause::System.of())?.unzip();
    let parcels = inherited.add_handed(parcels.unwrap_or_default());
    let mut confirmation = Confirmation::new(predecessor);
    let program = Program::of_process().context("cannot tell which program this is");
    let legacy = Legacy { inherited, parcels, program: program.map_err(Cause::System.of())? };
    let control = rt::Control::start(CONTROL_THREADS).context("cannot start the control threads");
    let control = control.map_err(Cause::System.of())?;
    let outcome = control.block_on(serve(start, around, legacy, &mut confirmation));
    if let Err(failure) = &outcome {
        confirmation.give_up(failure);
    }
    control.stop(STOP_GRACE);
    outcome.map(|()| ExitCode::SUCCESS)
}

/// What was there before this process, and how it was called.
struct Legacy {
    inherited: Inherited,
    /// Sockets that are not for listeners.
    parcels: Vec<Parcel>,
    program: Program,
}

async fn serve(
    start: Start,
    around: Surroundings,
    legacy: Legacy,
    confirmation: &mut Confirmation,
) -> Result<(), Failure> {
    let Surroundings { supervisor, log } = around;
    let signals = Signals::take(&*supervisor).context("cannot listen for signals");
    let mut signals = signals.map_err(Cause::System.of())?;
    let is_demo = matches!(start, Start::Demo);
    let source = source(start).await?;
    let first = match First::load(&source, confirmation.is_awaited()) {
        Ok(first) => first,
        Err(error) => return Err(Cause::Refused.of()(open_log_of_refusal(&log, error))),
    };
    let log = log::init(compose::level(&first.wish.config), log_format(&log), &log);
    let log = log.map_err(|e| Cause::System.of()(e.into()))?;
    let (gateway, inbox) = assemble(source, &first.wish, log, legacy, supervisor)?;
    enter(&gateway, first, confirmation.is_awaited()).await.map_err(Cause::NotApplied.of())?;
    for addr in gateway.proxy.close_unused() {
        tracing::info!(%addr, "the process before this one listened there; this configuration does not");
    }
    let orders = rt::spawn(Arc::clone(&gateway).serve(inbox));
    let watching = rt::spawn(watch_files(Arc::clone(&gateway)));
    let living = rt::spawn(prove_life(Arc::clone(&gateway)));
    let stapling = rt::spawn(staple(Arc::clone(&gateway)));
    announce(&gateway, is_demo);
    confirmation.confirm();
    let cause = loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            () = gateway.succeeded.notified() => {
                // Who asks for the gateway from now on means the new process, which has the same socket.
                gateway.process.stop().await;
                Signal::Stop(UPGRADE)
            }
        };
        match signal {
            Signal::Reload(name) => gateway.order(name, None),
            Signal::Stop(name) => {
                tracing::info!(signal = name, "stopping: connections may finish");
                break name;
            }
        }
    };
    watching.abort();
    leave(&gateway, &mut signals, cause).await;
    stop(&gateway, &mut signals).await;
    living.abort();
    stapling.abort();
    orders.abort();
    gateway.process.stop().await;
    Ok(())
}

/// Who runs a service looks into its log file first; a terminal is told anyway. Whoever started us writes the refusal.
fn open_log_of_refusal(output: &log::Output, refusal: anyhow::Error) -> anyhow::Error {
    let opened = match output {
        log::Output::Stderr => Ok(()),
        file => log::init(log::Level::default(), log_format(file), file).map(drop),
    };
    match opened {
        Ok(()) => refusal,
        Err(error) => refusal.context(error),
    }
}

async fn source(start: Start) -> anyhow::Result<Source> {
    let quick = |name: &str, from: &str, to: &[String]| Source::quick(name, from, to).map_err(|e| refused(&e));
    match start {
        Start::File(path) => Ok(Source::File(path)),
        Start::Quick { from, to } => quick("command line", &from, &to),
        Start::Demo => {
            let endpoints = demo::start().await.context("cannot start the demo endpoints")?;
            quick("built-in demo", DEMO, &endpoints.map(|e| format!("http://{e}")))
        }
    }
}

fn refused(found: &[Diagnostic]) -> anyhow::Error {
    anyhow!("the configuration is refused\n{}", yumen_config::render(found).trim_end())
}

/// The log is for people on a terminal and for machines elsewhere.
fn log_format(output: &log::Output) -> log::Format {
    use std::io::IsTerminal;
    if *output == log::Output::Stderr && std::io::stderr().is_terminal() {
        log::Format::Text
    } else {
        log::Format::Json
    }
}

/// The configuration to start with, and what was wrong with the file if this is the last good copy.
struct First {
    wish: Wish,
    refused: Option<Refused>,
}

impl First {
    /// `strictly`: a last good copy does not stand in.
    fn load(source: &Source, strictly: bool) -> anyhow::Result<Self> {
        let broken = match source.load() {
            Ok(wish) => return Ok(Self { wish, refused: None }),
            Err(broken) => broken,
        };
        let path = source.path().filter(|_| !strictly).ok_or_else(|| refused(&broken.found))?;
        match last_good::load(path, &compose::state_dirs_of(path)) {
            Some(Ok(wish)) => {
                eprint!("{}", yumen_config::render(&broken.found));
                Ok(Self { wish, refused: Some(broken) })
            }
            Some(Err(copy)) => Err(refused(&broken.found).context(format!(
                "the last good copy cannot be used either:\n{}",
                yumen_config::render(&copy.found).trim_end()
            ))),
            None => {
                let why = yumen_config::render(&broken.found);
                Err(anyhow!("the configuration is refused, and no last good copy of it is kept\n{}", why.trim_end()))
            }
        }
    }
}

fn assemble(
    source: Source,
    wish: &Wish,
    log: ProcessLog,
    legacy: Legacy,
    supervisor: Arc<dyn Supervisor>,
) -> anyhow::Result<(Arc<Gateway>, mpsc::UnboundedReceiver<reload::Order>)> {
    let workers = compose::workers(&wish.config);
    // More workers may come with a later configuration; beyond the CPUs they share their counters.
    let registry = Arc::new(Registry::new(workers.max(compose::workers(&Config::default()))));
    registry.set_process_source(Box::new(compose::process_facts));
    let access = AccessLog::start(Output::Off, Format::Json, Rotation { size: 0, age: Duration::ZERO, keep: 0 })?;
    registry.set_access_log(&access);
    let taps = access.taps();
    let proxy = Proxy::start(workers, Arc::clone(&registry), access).context("cannot start the workers")?;
    let proxy = proxy.with_inherited(legacy.inherited);
    let (orders, inbox) = mpsc::unbounded_channel();
    let (vault, staples) = (Arc::default(), Staples::default());
    let stapling = Stapling::new(Arc::clone(&registry), staples.clone());
    let cloud = Cloud::new(Arc::clone(&registry), Arc::clone(&vault), putting(&orders), taps);
    let certificates = Certificates::new(Arc::clone(&registry), cloud.accounts());
    let ports = Ports {
        registry,
        resolver: Arc::new(Resolver::start()),
        vault,
        discovery: Arc::new(()),
        keyring: certificates.keyring(),
        challenges: Some(certificates.challenges()),
        staples,
    };
    let gateway = Gateway {
        source,
        proxy,
        cloud,
        certificates,
        stapling,
        ports,
        process: Process::new(log).with_handed(legacy.parcels),
        supervisor,
        orders,
        wish: watch::channel(None).0,
        seen: Mutex::default(),
        mending: watch::channel(BTreeSet::new()).0,
        refused: Mutex::new(None),
        draining: AtomicBool::new(false),
        reloads: AtomicU64::new(0),
        program: legacy.program,
        succeeded: Notify::new(),
    };
    Ok((Arc::new(gateway), inbox))
}

/// How what follows accelerators gives its states to the gateway.
fn putting(orders: &mpsc::UnboundedSender<reload::Order>) -> Putting {
    let orders = orders.clone();
    // The inbox is gone only when the process ends.
    Arc::new(move |put| drop(orders.send(reload::Order::Overlay(put))))
}

/// Puts the first configuration in force; when that fails, the last good one.
async fn enter(gateway: &Arc<Gateway>, first: First, strictly: bool) -> anyhow::Result<()> {
    let (digest, problem) = (first.wish.digest.clone(), gateway.put_in_force(first.wish).await);
    let found = match (problem, first.refused) {
        (Ok(_), None) => return Ok(()),
        (Ok(_), Some(broken)) => gateway.mend(broken),
        (Err(problem), Some(_)) => return Err(anyhow!("the last good configuration does not work either: {problem}")),
        (Err(problem), None) => {
            let path = gateway.source.path().filter(|_| !strictly).ok_or_else(|| anyhow!("{problem}"))?;
            // The same again would fail the same way.
            let good = last_good::load(path, &compose::state_dirs_of(path)).and_then(Result::ok);
            let good = good.filter(|good| good.digest != digest).ok_or_else(|| anyhow!("{problem}"))?;
            let again = gateway.put_in_force(good).await;
            again.map_err(|e| anyhow!("{problem}; the last good configuration does not work either: {e}"))?;
            reload::complaint(&problem)
        }
    };
    gateway.refuse("start", &found);
    tracing::error!("RUNNING THE LAST GOOD CONFIGURATION: the file was refused; correct it, and it is taken at once");
    Ok(())
}

async fn watch_files(gateway: Arc<Gateway>) {
    let mut watch = match Watch::start() {
        Ok(watch) => watch,
        Err(error) => {
            tracing::warn!(%error, "changes of files are not seen; use `yumen reload`");
            return;
        }
    };
    let (mut wishes, mut mending) = (gateway.wish.subscribe(), gateway.mending.subscribe());
    wishes.mark_changed();
    let mut judged = None;
    loop {
        tokio::select! {
            changed = async { tokio::select! { c = wishes.changed() => c, c = mending.changed() => c } } => {
                if changed.is_err() {
                    return;
                }
                let wish = wishes.borrow_and_update().clone();
                let files = wish.as_ref().map(Wish::watched).unwrap_or_default();
                let broken = mending.borrow_and_update().clone();
                let own = gateway.source.path().map(Path::to_owned);
                let seen = gateway.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
                watch.set(&files.into_iter().chain(broken).chain(own).collect(), &seen);
                // What changed after it was read and before its look was taken.
                let is_new = |wish: &Wish| judged.as_ref() != Some(&wish.digest);
                if let Some(wish) = wish.filter(is_new) {
                    judged = Some(wish.digest.clone());
                    if wish.is_stale() {
                        gateway.order("file change", None);
                    }
                }
            }
            () = watch.changed() => gateway.order("file change", None),
        }
    }
}

/// Asks about the status of certificates, whichever are served.
async fn staple(gateway: Arc<Gateway>) {
    let mut changes = gateway.stapling.changes();
    loop {
        gateway.stapling.commit(&gateway.proxy.snapshot(), gateway.process.state_dir().as_deref());
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Gives the supervisor signs of life, as long as every worker answers. Without them it starts the gateway anew.
async fn prove_life(gateway: Arc<Gateway>) {
    let Some(longest) = gateway.supervisor.watchdog() else { return };
    let turn = longest / 3;
    loop {
        match rt::timeout(turn, gateway.proxy.answered()).await {
            Ok(()) => gateway.supervisor.alive(),
            Err(_) => tracing::error!("a worker does not answer; the service manager gets no sign of life"),
        }
        rt::sleep(turn).await;
    }
}

/// Says in a few lines what runs and what to try; to the supervisor in one.
fn announce(gateway: &Gateway, is_demo: bool) {
    for complaint in gateway.proxy.complaints_of_inherited() {
        tracing::warn!("{complaint}");
    }
    gateway.supervisor.reloaded(gateway.tell().as_deref().map_err(String::as_str));
    let snapshot = gateway.proxy.snapshot();
    let addresses: Vec<String> = gateway.proxy.open_addresses().iter().map(|a| a.to_string()).collect();
    eprintln!("yumen {} runs: {} on {}", env!("CARGO_PKG_VERSION"), snapshot.origin.source, addresses.join(", "));
    let admin = gateway.process.admin();
    if let Some(admin) = &admin {
        eprintln!("  admin   {admin}");
    }
    if is_demo {
        eprintln!("  try     curl http://{DEMO}/           (again and again: two endpoints take turns)");
        if let Some(admin) = &admin {
            eprintln!("          curl {admin}/status");
        }
        eprintln!("  your own: yumen proxy --from :8080 --to http://127.0.0.1:3000");
    }
}

/// Leaves load balancers while everything is still served, so that none of their connections meets a closed door. A second
/// signal skips the rest of it. Whoever makes room for a new process is not to leave: that one has the same place.
async fn leave(gateway: &Gateway, signals: &mut Signals, cause: &str) {
    gateway.draining.store(true, Ordering::Relaxed);
    if cause == UPGRADE {
        return gateway.cloud.hand_over();
    }
    let drain = gateway.proxy.snapshot().config.runtime.drain_timeout;
    let limit = gateway.cloud.leave_limit(drain);
    if limit.is_zero() {
        return;
    }
    gateway.supervisor.stopping(limit.saturating_add(drain));
    tokio::select! {
        () = gateway.cloud.leave(drain) => {}
        () = second_stop(signals) => {
            tracing::warn!("load balancers may still send connections here: leaving them was skipped by a second signal");
        }
    }
}

/// Lets connections finish until the deadline, or a second signal.
async fn stop(gateway: &Gateway, signals: &mut Signals) {
    gateway.draining.store(true, Ordering::Relaxed);
    let timeout = gateway.proxy.snapshot().config.runtime.drain_timeout;
    gateway.supervisor.stopping(timeout);
    tokio::select! {
        left = gateway.proxy.drain(timeout) => match left {
            0 => tracing::info!("all connections have ended"),
            left => tracing::warn!(left, "the drain timeout passed; these connections were cut off"),
        },
        () = second_stop(signals) => tracing::warn!("stopping at once, as was asked for a second time"),
    }
    gateway.proxy.stop();
}

async fn second_stop(signals: &mut Signals) {
    let begun = rt::now();
    while matches!(signals.next().await, Signal::Reload(_)) || rt::now().saturating_duration_since(begun) < ECHO {}
}
