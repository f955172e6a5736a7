//! Start and stop, in order: configuration, logs, metrics, workers, first snapshot, admin API; then signals until the end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use yumen_admin::{AdminServer, Token};
use yumen_config::Diagnostic;
use yumen_net::dial::Resolver;
use yumen_net::rt;
use yumen_proxy::{Ports, Proxy};
use yumen_telemetry::log::{self, ProcessLog};
use yumen_telemetry::{AccessLog, Registry};

use crate::compose::{self, Source, Wish};
use crate::reload::{self, Gateway};
use crate::service::{Signal, Signals};
use crate::watch::Watch;
use crate::{demo, report};

/// Where the demo listens.
const DEMO: &str = "127.0.0.1:8080";
/// Threads of everything that is not the data path.
const CONTROL_THREADS: usize = 2;
/// How long tasks of the control runtime may block its end.
const STOP_GRACE: Duration = Duration::from_secs(2);

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
pub(crate) fn run(start: Start) -> anyhow::Result<ExitCode> {
    let control = rt::Control::start(CONTROL_THREADS).context("cannot start the control threads")?;
    let outcome = control.block_on(serve(start));
    control.stop(STOP_GRACE);
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn serve(start: Start) -> anyhow::Result<()> {
    let mut signals = Signals::take().context("cannot listen for signals")?;
    let is_demo = matches!(start, Start::Demo);
    let source = source(start).await?;
    let first = First::load(&source)?;
    let log = log::init(compose::level(&first.wish.config), log_format())?;
    let (gateway, inbox) = assemble(source, &first.wish, log)?;
    let wish = enter(&gateway, first).await?;
    let orders = rt::spawn(Arc::clone(&gateway).serve(inbox));
    let admin = open_admin(&gateway, &wish).await?;
    let watching = rt::spawn(watch_files(Arc::clone(&gateway)));
    announce(&gateway, admin.as_ref(), is_demo);
    loop {
        match signals.next().await {
            Signal::Reload => gateway.order("SIGHUP", None),
            Signal::Stop(name) => {
                tracing::info!(signal = name, "stopping: connections may finish");
                break;
            }
        }
    }
    watching.abort();
    stop(&gateway, &mut signals).await;
    orders.abort();
    if let Some(admin) = admin {
        admin.stop().await;
    }
    Ok(())
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
fn log_format() -> log::Format {
    use std::io::IsTerminal;
    if std::io::stderr().is_terminal() { log::Format::Text } else { log::Format::Json }
}

/// The configuration to start with, and what was wrong with the file if this is the last good copy.
struct First {
    wish: Wish,
    refused: Option<Value>,
}

impl First {
    fn load(source: &Source) -> anyhow::Result<Self> {
        let found = match source.load() {
            Ok(wish) => return Ok(Self { wish, refused: None }),
            Err(found) => found,
        };
        let path = source.path().ok_or_else(|| refused(&found))?;
        let wish = load_last_good(path, None).ok_or_else(|| refused(&found))?;
        eprint!("{}", yumen_config::render(&found));
        Ok(Self { wish, refused: Some(yumen_config::to_json(&found)) })
    }
}

/// The last good copy of a file, if there is one that is valid.
fn load_last_good(path: &Path, dir: Option<&Path>) -> Option<Wish> {
    let dirs = match dir {
        Some(dir) => vec![dir.to_owned()],
        // A broken file cannot tell its state directory.
        None => compose::state_dirs(&yumen_config::config::Config::default()),
    };
    let copy = dirs
        .iter()
        .map(|d| reload::last_good(d))
        .find(|copy| std::fs::read(copy).is_ok_and(|text| text.starts_with(reload::mark(path).as_bytes())))?;
    compose::load_file(&copy).ok()
}

fn assemble(
    source: Source,
    wish: &Wish,
    log: ProcessLog,
) -> anyhow::Result<(Arc<Gateway>, mpsc::UnboundedReceiver<reload::Order>)> {
    let config = &wish.config;
    let workers = compose::workers(config);
    let registry = Arc::new(Registry::new(workers));
    registry.set_process_source(Box::new(compose::process_facts));
    let (output, format, rotation) = compose::access_log(config);
    let access = AccessLog::start(output, format, rotation)?;
    registry.set_access_log(&access);
    let state_dir = compose::open_state_dir(config)
        .inspect_err(|error| tracing::warn!("{error:#}; the last good configuration is not kept"))
        .ok();
    let proxy = Proxy::start(workers, Arc::clone(&registry), access).context("cannot start the workers")?;
    let (orders, inbox) = mpsc::unbounded_channel();
    let gateway = Gateway {
        source,
        proxy,
        ports: Ports { registry, resolver: Arc::new(Resolver::start()) },
        log,
        state_dir,
        orders,
        wish: watch::channel(None).0,
        refused: Mutex::new(None),
        draining: AtomicBool::new(false),
    };
    Ok((Arc::new(gateway), inbox))
}

/// Puts the first configuration in force; when that fails, the last good one.
async fn enter(gateway: &Gateway, first: First) -> anyhow::Result<Wish> {
    let wish = first.wish;
    let (wish, found) = match (gateway.put_in_force(wish.clone()).await, first.refused) {
        (Ok(_), None) => return Ok(wish),
        (Ok(_), Some(found)) => (wish, found),
        (Err(problem), Some(_)) => return Err(anyhow!("the last good configuration does not work either: {problem}")),
        (Err(problem), None) => {
            let path = gateway.source.path().ok_or_else(|| anyhow!("{problem}"))?;
            let good = load_last_good(path, gateway.state_dir.as_deref()).ok_or_else(|| anyhow!("{problem}"))?;
            let again = gateway.put_in_force(good.clone()).await;
            again.map_err(|e| anyhow!("{problem}; the last good configuration does not work either: {e}"))?;
            (good, reload::complaint(&problem))
        }
    };
    gateway.refuse("start", &found);
    tracing::error!(
        copy = wish.name,
        "RUNNING THE LAST GOOD CONFIGURATION: the file was refused; correct it and reload"
    );
    Ok(wish)
}

async fn open_admin(gateway: &Arc<Gateway>, wish: &Wish) -> anyhow::Result<Option<AdminServer>> {
    let Some(admin) = &wish.config.admin else { return Ok(None) };
    let dir = match &gateway.state_dir {
        Some(dir) => dir.clone(),
        None => private_dir()?,
    };
    let token = Token::open(&compose::token_file(&wish.config, &dir))?;
    let control: Arc<dyn yumen_core::Control> = Arc::clone(gateway) as _;
    let server = AdminServer::start(&compose::admin_listen(&admin.listen), token, control).await?;
    Ok(Some(server))
}

/// A new directory for a process that has no other. Making it fails when there is one, so nobody can have laid it out
/// for us.
fn private_dir() -> anyhow::Result<PathBuf> {
    let name = format!("yumen-{}-{}", std::process::id(), report::seconds(rt::wall()));
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir(&dir).with_context(|| format!("cannot make {}; set `state_dir`", dir.display()))?;
    Ok(dir)
}

async fn watch_files(gateway: Arc<Gateway>) {
    let mut watch = match Watch::start() {
        Ok(watch) => watch,
        Err(error) => {
            tracing::warn!(%error, "changes of files are not seen; use `yumen reload`");
            return;
        }
    };
    let mut wishes = gateway.wish.subscribe();
    wishes.mark_changed();
    loop {
        tokio::select! {
            changed = wishes.changed() => {
                if changed.is_err() {
                    return;
                }
                let files = wishes.borrow_and_update().as_ref().map(Wish::watched).unwrap_or_default();
                let own = gateway.source.path().map(Path::to_owned);
                watch.set(&files.into_iter().chain(own).collect());
            }
            () = watch.changed() => gateway.order("file change", None),
        }
    }
}

/// Says in a few lines what runs and what to try.
fn announce(gateway: &Gateway, admin: Option<&AdminServer>, is_demo: bool) {
    let snapshot = gateway.proxy.snapshot();
    let mut open = gateway.proxy.open_addresses();
    open.sort();
    let addresses: Vec<String> = open.iter().map(|(_, _, local, _)| local.to_string()).collect();
    eprintln!("yumen {} runs: {} on {}", env!("CARGO_PKG_VERSION"), snapshot.origin.source, addresses.join(", "));
    if let Some(admin) = admin {
        eprintln!("  admin   {}", admin.listen());
    }
    if is_demo {
        eprintln!("  try     curl http://{DEMO}/           (again and again: two endpoints take turns)");
        if let Some(admin) = admin {
            eprintln!("          curl {}/status", admin.listen());
        }
        eprintln!("  your own: yumen proxy --from :8080 --to http://127.0.0.1:3000");
    }
}

/// Lets connections finish until the deadline, or a second signal.
async fn stop(gateway: &Gateway, signals: &mut Signals) {
    gateway.draining.store(true, Ordering::Relaxed);
    let timeout = gateway.proxy.snapshot().config.runtime.drain_timeout;
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
    while signals.next().await == Signal::Reload {}
}
