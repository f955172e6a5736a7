//! From a source to what runs: load, build, apply, report. One at a time; of a burst only the last one counts.
//!
//! A failure changes nothing: it is logged, kept for the status and returned to who asked.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use yumen_config::Diagnostic;
use yumen_core::{Control, ExplainRequest, Pending};
use yumen_net::rt;
use yumen_proxy::{Applied, Ports, Proxy, Snapshot};
use yumen_telemetry::ELSEWHERE;

use crate::certificates::Certificates;
use crate::cloud::Cloud;
use crate::cloud::accelerators::Put;
use crate::cloud::ocsp::Stapling;
use crate::compose::{self, Refused, Source, Wish};
use crate::process::Process;
use crate::program::Program;
use crate::service::Supervisor;
use crate::watch::{Looks, looks};
use crate::{last_good, report};

/// How long somebody who asks for a renewal is kept waiting.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(75);

/// What somebody asks for. One at a time: an upgrade in the middle of a reload would start with half of it.
pub(crate) enum Order {
    /// The configuration again.
    Reload(Asked),
    /// The program again; the outcome goes there.
    Upgrade(oneshot::Sender<Result<Value, String>>),
    /// What was learned of an accelerator, over the configuration that was read last.
    Overlay(Put),
}

/// Somebody asks for a reload, and may want to know how it went.
pub(crate) struct Asked {
    /// Who asks: `SIGHUP`, `file change`, `admin`.
    pub(crate) by: &'static str,
    /// Where the outcome goes.
    pub(crate) done: Option<oneshot::Sender<Result<Value, Value>>>,
}

/// The running gateway as a whole.
pub(crate) struct Gateway {
    pub(crate) source: Source,
    pub(crate) proxy: Proxy,
    pub(crate) ports: Ports,
    pub(crate) process: Process,
    pub(crate) cloud: Cloud,
    pub(crate) certificates: Certificates,
    pub(crate) stapling: Stapling,
    pub(crate) supervisor: Arc<dyn Supervisor>,
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    /// What is in force, for who watches its files.
    pub(crate) wish: watch::Sender<Option<Wish>>,
    /// What its files looked like before they were read.
    pub(crate) seen: Mutex<Looks>,
    /// Files of a configuration that was refused: mending one of them may mend it.
    pub(crate) mending: watch::Sender<BTreeSet<PathBuf>>,
    pub(crate) refused: Mutex<Option<Value>>,
    pub(crate) draining: AtomicBool,
    /// Reloads that have ended, one way or the other.
    pub(crate) reloads: AtomicU64,
    /// What an upgrade starts.
    pub(crate) program: Program,
    /// A successor serves: this process has to leave.
    pub(crate) succeeded: Notify,
}

impl Gateway {
    /// Serves orders until nobody can give any.
    pub(crate) async fn serve(self: Arc<Self>, mut inbox: mpsc::UnboundedReceiver<Order>) {
        while let Some(order) = inbox.recv().await {
            let mut next = Some(order);
            while let Some(order) = next.take() {
                match order {
                    Order::Reload(first) => next = self.reload_for_all(first, &mut inbox).await,
                    Order::Upgrade(done) => self.upgrade_for(done).await,
                    Order::Overlay(put) => self.overlay_for(put).await,
                }
            }
        }
    }

    /// Serves everybody who waits for a reload by one; the answer is the first order that is none.
    async fn reload_for_all(
        self: &Arc<Self>,
        first: Asked,
        inbox: &mut mpsc::UnboundedReceiver<Order>,
    ) -> Option<Order> {
        let (mut all, mut next) = (vec![first], None);
        while next.is_none() {
            match inbox.try_recv() {
                Ok(Order::Reload(more)) => all.push(more),
                Ok(other) => next = Some(other),
                Err(_) => break,
            }
        }
        let by = all.last().map_or("", |asked| asked.by);
        self.supervisor.reloading();
        let outcome = self.reload(by).await;
        self.reloads.fetch_add(1, Ordering::Relaxed);
        self.supervisor.reloaded(self.tell().as_deref().map_err(String::as_str));
        for done in all.into_iter().filter_map(|asked| asked.done) {
            // Who asked may have left.
            drop(done.send(outcome.clone()));
        }
        next
    }

    async fn upgrade_for(&self, done: oneshot::Sender<Result<Value, String>>) {
        if self.draining.load(Ordering::Relaxed) {
            return drop(done.send(Err("the gateway is stopping".to_owned())));
        }
        let outcome = self.succeed().await;
        let is_over = outcome.is_ok();
        // Who asked may have left. Answered first: the admin API ends with this process.
        drop(done.send(outcome));
        if is_over {
            self.succeeded.notify_one();
        }
    }

    async fn reload(self: &Arc<Self>, by: &str) -> Result<Value, Value> {
        let source = self.source.clone();
        let loaded = match tokio::task::spawn_blocking(move || source.load()).await {
            Ok(loaded) => loaded.map_err(|refused| self.mend(refused)),
            Err(error) => Err(complaint(&format!("the configuration could not be read: {error}"))),
        };
        let applied = match loaded {
            Ok(wish) => self.put_in_force(wish).await.map_err(|e| complaint(&e)),
            Err(found) => Err(found),
        };
        if let Ok(report) = &applied {
            tracing::info!(by, generation = %report["generation"], "configuration put in force");
        }
        applied.inspect_err(|found| self.refuse(by, found))
    }

    /// Watches the files that may mend what was refused.
    pub(crate) fn mend(&self, refused: Refused) -> Value {
        self.mending.send_replace(refused.files);
        yumen_config::to_json(&refused.found)
    }

    /// Builds and applies; afterwards keeps a copy for a start with a broken file.
    pub(crate) async fn put_in_force(self: &Arc<Self>, wish: Wish) -> Result<Value, String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("the gateway is stopping; start it again to use this configuration".to_owned());
        }
        let previous = self.proxy.snapshot();
        let files = wish.watched();
        let seen = tokio::task::spawn_blocking(move || looks(&files)).await.unwrap_or_default();
        let states = self.states_for(&wish).await;
        let prepared = self.process.prepare(&wish.config, self.proxy.log()).await.map_err(|e| format!("{e:#}"))?;
        self.certificates.load(&wish.config, prepared.state_dir()).await;
        let in_force = self.lay(&wish, states, prepared.state_dir()).await?;
        // Nothing below can fail. The admin API may be asked about it as soon as it is open.
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        self.wish.send_replace(Some(wish.clone()));
        self.process.commit(prepared, self.proxy.log(), Arc::clone(self) as _);
        let candidate = Arc::clone(&in_force.candidate);
        let applied = self.tell_laid(in_force).await;
        self.cloud.commit(&wish.config, &candidate);
        self.certificates.commit(&wish.config, self.process.state_dir().as_deref());
        self.ports.staples.changed();
        tell_warnings(&wish.warnings);
        let gateway = self.ports.registry.gateway();
        gateway.config_generation.set(applied.generation);
        gateway.reload_success.inc(ELSEWHERE);
        gateway.last_reload_success.set(report::seconds(rt::wall()));
        *self.refused() = None;
        self.mending.send_replace(BTreeSet::new());
        self.keep(&wish);
        Ok(json!({
            "generation": applied.generation,
            "digest": wish.digest,
            "opened": applied.opened.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "closed": applied.closed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "changes": report::changes(&previous.config, &self.proxy.snapshot().config),
            "warnings": yumen_config::to_json(&wish.warnings),
        }))
    }

    /// Gives the data path its workers and its snapshot. More workers can fail to start, so they come first; fewer
    /// cannot, so they come last.
    pub(crate) async fn apply(&self, next: Snapshot, wish: &Wish) -> anyhow::Result<Applied> {
        let (before, wanted) = (self.proxy.workers(), compose::workers(&wish.config));
        if wanted > before {
            self.proxy.resize(wanted).await?;
        }
        let applied = self.proxy.apply(next, wish.config.runtime.drain_timeout).await;
        let keep = if applied.is_ok() { wanted } else { before };
        self.proxy.resize(keep).await?;
        Ok(applied?)
    }

    /// Remembers and tells a refusal.
    pub(crate) fn refuse(&self, by: &str, found: &Value) {
        self.ports.registry.gateway().reload_failure.inc(ELSEWHERE);
        for one in found.as_array().into_iter().flatten().filter(|d| d["severity"] == "error") {
            let text = |key: &str| one[key].as_str().unwrap_or_default().escape_debug().to_string();
            let (file, line) = (text("file"), one["line"].as_u64().unwrap_or(0));
            tracing::error!(by, file, line, help = text("help"), "configuration refused: {}", text("message"));
        }
        *self.refused() = Some(json!({"time": report::seconds(rt::wall()), "by": by, "diagnostics": found}));
    }

    fn refused(&self) -> MutexGuard<'_, Option<Value>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, wish: &Wish) {
        let (Some(path), Some(dir)) = (self.source.path(), self.process.state_dir()) else { return };
        if wish.is_copy {
            return;
        }
        if let Err(error) = last_good::keep(wish, path, &dir) {
            tracing::warn!(directory = %dir.display(), %error, "no last good copy of the configuration was kept");
        }
    }

    /// What is in force, in one line; or what was refused last, and what is in force instead.
    pub(crate) fn tell(&self) -> Result<String, String> {
        let snapshot = self.proxy.snapshot();
        let addresses: Vec<String> = self.proxy.open_addresses().iter().map(|a| a.to_string()).collect();
        let in_force = format!("generation {} of {}", snapshot.generation, snapshot.origin.source);
        let in_force = format!("{in_force} on {}", addresses.join(", "));
        let refused = self.refused();
        let Some(refused) = refused.as_ref() else { return Ok(in_force) };
        let errors: Vec<&Value> =
            refused["diagnostics"].as_array().into_iter().flatten().filter(|d| d["severity"] == "error").collect();
        let first = errors.first().map_or_else(String::new, |one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default();
            match (text("file"), one["line"].as_u64().unwrap_or(0)) {
                ("", _) => text("message").to_owned(),
                (file, line) => format!("{file}:{line}: {}", text("message")),
            }
        });
        let more = if errors.len() > 1 { format!(" (and {} more)", errors.len() - 1) } else { String::new() };
        Err(format!("{first}{more}; still {in_force}"))
    }

    /// Asks for a reload.
    pub(crate) fn order(&self, by: &'static str, done: Option<oneshot::Sender<Result<Value, Value>>>) {
        // The inbox is gone only when the process ends.
        drop(self.orders.send(Order::Reload(Asked { by, done })));
    }
}

impl Control for Gateway {
    fn status(&self) -> Value {
        let mut status = report::status(&self.proxy);
        status["state"] = json!(if self.proxy.is_draining() { "draining" } else { "running" });
        status["reloads"] = json!(self.reloads.load(Ordering::Relaxed));
        status["last_refused"] = json!(*self.refused());
        status
    }

    fn config(&self) -> Value {
        let snapshot = self.proxy.snapshot();
        if snapshot.generation == 0 { Value::Null } else { yumen_config::show(&snapshot.config) }
    }

    fn reload(&self) -> Pending<'_, Result<Value, Value>> {
        Box::pin(async {
            let (done, outcome) = oneshot::channel();
            self.order("admin", Some(done));
            outcome.await.unwrap_or_else(|_| Err(complaint("the gateway is stopping")))
        })
    }

    fn upgrade(&self) -> Pending<'_, Result<Value, String>> {
        Box::pin(async {
            let (done, outcome) = oneshot::channel();
            // The inbox is gone only when the process ends.
            drop(self.orders.send(Order::Upgrade(done)));
            outcome.await.unwrap_or_else(|_| Err("the gateway is stopping".to_owned()))
        })
    }

    fn renew<'a>(&'a self, certificate: &'a str, now: bool) -> Pending<'a, Result<Value, String>> {
        Box::pin(async move {
            // Who asks waits no longer than for other answers; the order goes on.
            match rt::timeout(RENEWAL_PATIENCE, self.certificates.renew(certificate, now)).await {
                Ok(outcome) => outcome,
                Err(_) => Ok(json!({"name": certificate, "under_way": true})),
            }
        })
    }

    fn explain(&self, request: &ExplainRequest) -> Result<Value, String> {
        yumen_proxy::explain(&self.proxy.snapshot(), request, true)
    }

    fn metrics(&self) -> String {
        self.proxy.metrics()
    }

    fn is_ready(&self) -> bool {
        self.proxy.snapshot().generation > 0 && !self.draining.load(Ordering::Relaxed)
    }
}

/// Says in the log what is probably not meant.
pub(crate) fn tell_warnings(warnings: &[Diagnostic]) {
    for warning in warnings {
        tracing::warn!(at = %warning.span, "{}", warning.message.escape_debug());
    }
}

/// A complaint that has no place in a file, in the form of a list of diagnostics.
pub(crate) fn complaint(message: &str) -> Value {
    json!([{"severity": "error", "code": "not_applied", "message": message}])
}
