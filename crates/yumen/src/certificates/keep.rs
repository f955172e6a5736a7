//! One certificate: obtained when it is missing, renewed when it is due, looked at every hour.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use yumen_alibaba::Timestamp;
use yumen_identity::renewal::{self, Renewal};
use yumen_identity::{Acme, Certificate, Ensured, Label, Store, When, Wish};
use yumen_net::rt;
use yumen_telemetry::Duty;

use super::installed::Standing;
use super::{Kept, Tools, acme};

/// How long nobody looks at a certificate at most: another node may have renewed it, or its CA wants it replaced.
const LOOK: Duration = Duration::from_secs(3600);
/// A moment that is due is not waited for to the very second.
const GRAIN: Duration = Duration::from_secs(1);

/// Somebody wants a certificate renewed.
pub(super) struct Order {
    /// In any case; else only when it is due.
    pub(super) now: bool,
    /// Whether it was, or why it failed.
    pub(super) done: oneshot::Sender<Result<bool, String>>,
}

/// The keeper of one certificate.
pub(super) struct Task {
    tools: Arc<Tools>,
    kept: Arc<Kept>,
    orders: mpsc::UnboundedReceiver<Order>,
    duty: Duty,
    /// What is served.
    served: Option<Certificate>,
    failures: u32,
}

/// What it takes to order.
struct Desk {
    acme: Acme,
    wish: Wish,
    store: Store,
}

impl Task {
    pub(super) fn new(tools: Arc<Tools>, kept: Arc<Kept>, orders: mpsc::UnboundedReceiver<Order>) -> Self {
        let duty = tools.registry.duty("certificate", kept.section.name.as_str());
        Self { tools, kept, orders, duty, served: None, failures: 0 }
    }

    pub(super) async fn run(mut self) {
        let (mut when, mut asked, mut desk) = (When::Due, Vec::new(), None);
        loop {
            let turn = self.turn(&mut desk, when).await;
            let pause = match &turn {
                Ok(ensured) => self.succeeded(ensured),
                Err((why, told)) => self.failed(why, *told),
            };
            let outcome = turn.map(|ensured| ensured.is_new).map_err(|(why, _)| why);
            for done in asked.drain(..) {
                // Who asked may have left.
                drop(oneshot::Sender::send(done, outcome.clone()));
            }
            when = self.wait(pause, desk.as_ref(), &mut asked).await;
        }
    }

    /// Orders if it has to be. The error is told with the pause that the CA wants.
    async fn turn(&mut self, desk: &mut Option<Desk>, when: When) -> Result<Ensured, (String, Option<Duration>)> {
        if desk.is_none() {
            let (tools, kept) = (Arc::clone(&self.tools), Arc::clone(&self.kept));
            let opened = tokio::task::spawn_blocking(move || open(&tools, &kept)).await;
            *desk = Some(opened.map_err(|error| error.to_string()).flatten().map_err(|why| (why, None))?);
        }
        let Some(Desk { acme, wish, .. }) = desk.as_ref() else { return Err((String::new(), None)) };
        // The semaphore is never closed.
        let _permit = self.tools.orders.acquire().await;
        acme.ensure(wish, when).await.map_err(|error| (error.to_string(), error.retry_after()))
    }

    fn succeeded(&mut self, ensured: &Ensured) -> Duration {
        let standing = if ensured.is_new || self.served.is_some() { Standing::New } else { Standing::Found };
        self.serve(&ensured.certificate, standing);
        self.failures = 0;
        let Renewal { at, ask_again } = ensured.renewal;
        self.duty.fact("renewal", json!(date(at)));
        self.duty.next(Some(at));
        self.duty.well(format!("good until {}", date(ensured.certificate.facts().not_after)));
        let left = at.duration_since(rt::wall()).unwrap_or_default();
        left.min(ask_again.unwrap_or(LOOK)).clamp(GRAIN, LOOK)
    }

    fn failed(&mut self, why: &str, told: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let pause = renewal::pause(self.failures, renewal::share(self.duty.name().as_bytes()), told);
        let stands = match &self.served {
            Some(served) => format!("what is served is good until {}", date(served.facts().not_after)),
            None => "no certificate stands, so clients that ask for its names are refused".to_owned(),
        };
        self.duty.fact("failures", self.failures);
        self.duty.next(rt::wall().checked_add(pause));
        self.duty.failing(format!("{why}; {stands}"));
        pause
    }

    fn serve(&mut self, certificate: &Certificate, standing: Standing) {
        if self.served.as_ref() == Some(certificate) {
            return;
        }
        let section = &self.kept.section;
        // What was loaded at the start is served already.
        let is_served = self.tools.serves(section.name.as_str(), certificate);
        if !is_served {
            self.tools.installed(section, certificate, standing);
        }
        let facts = certificate.facts();
        self.duty.fact("names", json!(facts.names));
        self.duty.fact("not_after", json!(date(facts.not_after)));
        self.duty.fact("issuer", json!(facts.issuers.first()));
        self.duty.forget("failures");
        self.served = Some(certificate.clone());
    }

    /// Waits for the next turn, and takes what another process puts on the disk meanwhile.
    async fn wait(
        &mut self,
        pause: Duration,
        desk: Option<&Desk>,
        asked: &mut Vec<oneshot::Sender<Result<bool, String>>>,
    ) -> When {
        let end = rt::now() + pause;
        loop {
            let left = end.saturating_duration_since(rt::now());
            if left.is_zero() {
                return When::Due;
            }
            match rt::timeout(left.min(LOOK), self.orders.recv()).await {
                Ok(Some(Order { now, done })) => {
                    asked.push(done);
                    let mut when = if now { When::Now } else { When::Due };
                    // Everybody who waits is served by one.
                    while let Ok(Order { now, done }) = self.orders.try_recv() {
                        asked.push(done);
                        when = if now { When::Now } else { when };
                    }
                    return when;
                }
                // Nobody can ask any more; this task ends with the one who held the other half.
                Ok(None) => rt::sleep(left).await,
                Err(_) => self.look(desk),
            }
        }
    }

    /// Takes what is on the disk, if that is another certificate for the same names.
    fn look(&mut self, desk: Option<&Desk>) {
        let Some(Desk { store, wish, .. }) = desk else { return };
        if let Ok(Some(found)) = store.certificate(&wish.label)
            && found.is_for(wish.names())
        {
            self.serve(&found, Standing::New);
        }
    }
}

impl Tools {
    fn serves(&self, name: &str, certificate: &Certificate) -> bool {
        let served = self.keyring.cell(name).certificate();
        served.is_some_and(|served| served.is_of(certificate.chain()))
    }
}

/// Opens the store and reads what files say. Blocks.
fn open(tools: &Tools, kept: &Kept) -> Result<Desk, String> {
    let missing = "no directory can keep it; set `state_dir`, or `store` of its authority";
    let folder = kept.folder.as_ref().ok_or(missing)?;
    let told = |error: yumen_identity::Error| error.to_string();
    let store = Store::open(folder).map_err(told)?;
    let section = &kept.section;
    let label = Label::parse(section.name.as_str()).map_err(told)?;
    let wish = Wish::new(label, &section.names, acme::key(section.key)).map_err(told)?;
    let acme = acme::build(tools, section, &store)?;
    Ok(Desk { acme, wish, store })
}

/// A moment for people and machines.
pub(super) fn date(at: SystemTime) -> String {
    Timestamp::from_unix(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()).iso()
}
