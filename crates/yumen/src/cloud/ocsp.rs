//! Answers about the status of the certificates that listeners serve: asked for, judged, kept on the disk, and shown in
//! handshakes until they are over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use yumen_cloud::rhythm::Rhythm;
use yumen_identity::ocsp::{Question, Staple, must_staple};
use yumen_net::tls::{Certificate, CertificateChain, CertificateDigest, Staples, digest};
use yumen_net::{os, rt};
use yumen_proxy::Snapshot;
use yumen_telemetry::{Duty, Registry};

use super::roster::Roster;

/// The shortest time between two questions, however short-lived answers are.
const SOONEST: Duration = Duration::from_secs(60);
/// The longest time between two attempts that fail.
const LONGEST: Duration = Duration::from_secs(300);

/// Who asks for which certificates.
pub(crate) struct Stapling {
    staples: Staples,
    registry: Arc<Registry>,
    roster: Roster<Chain>,
}

/// A certificate that is served, with those above it.
#[derive(PartialEq)]
struct Chain(CertificateChain);

impl Stapling {
    pub(crate) fn new(registry: Arc<Registry>, staples: Staples) -> Self {
        Self { staples, registry, roster: Roster::default() }
    }

    /// Tells when [`commit`](Self::commit) is due.
    pub(crate) fn changes(&self) -> tokio::sync::watch::Receiver<()> {
        self.staples.changes()
    }

    /// Asks about the certificates that are served now, and no others. Answers are kept beneath `state`.
    pub(crate) fn commit(&self, snapshot: &Snapshot, state: Option<&Path>) {
        let folder = state.map(|state| state.join("ocsp"));
        let mut wanted: BTreeMap<String, Arc<Chain>> = BTreeMap::new();
        for chain in snapshot.stapled_chains() {
            let Some(leaf) = chain.first() else { continue };
            // A certificate without a responder has nobody to be asked, and clients know that.
            if matches!(Question::of_chain(&chain), Ok(None)) && !must_staple(leaf) {
                continue;
            }
            let name = Certificate::names_of(leaf).into_iter().next().unwrap_or_else(|| "without a name".into());
            // Several certificates may be for the same name, and one of them in several files.
            let name = format!("{name} {}", short(&digest(leaf)));
            if wanted.get(&name).is_none_or(|other| other.0.len() < chain.len()) {
                wanted.insert(name, Arc::new(Chain(chain)));
            }
        }
        self.roster.set(wanted, |name, chain| {
            let duty = self.registry.duty("ocsp", name);
            run(Arc::clone(chain), self.staples.clone(), folder.clone(), duty)
        });
    }
}

fn short(digest: &CertificateDigest) -> String {
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

async fn run(chain: Arc<Chain>, staples: Staples, folder: Option<PathBuf>, duty: Duty) {
    let Some(leaf) = chain.0.first() else { return };
    let (leaf_digest, insists) = (digest(leaf), must_staple(leaf));
    duty.fact("must_staple", insists);
    let question = match Question::of_chain(&chain.0) {
        Ok(Some(question)) => question,
        other => {
            let why = other.err().unwrap_or_else(|| "it names no responder".to_owned());
            duty.failing(told(&why, insists));
            // Told until the certificate is another one.
            return std::future::pending().await;
        }
    };
    duty.fact("responder", serde_json::Value::from(question.responder()));
    let file = folder.map(|folder| folder.join(hex(&leaf_digest)));
    let mut shown = match kept(file.clone()).await {
        Some(response) => question.judge(&response, rt::wall()).ok(),
        None => None,
    };
    if let Some(staple) = &shown {
        show(&staples, leaf_digest, staple, &duty);
    }
    let mut rhythm = Rhythm::new(LONGEST);
    let mut has_failed = false;
    loop {
        let pause = match has_failed {
            true => rhythm.pause(false),
            false => rest(shown.as_ref().map_or_else(rt::wall, Staple::renewal)),
        };
        duty.next(rt::wall().checked_add(pause));
        rt::sleep(pause).await;
        if shown.as_ref().is_some_and(|staple| staple.until <= rt::wall()) {
            staples.remove(&leaf_digest);
            shown = None;
        }
        let answer = question.ask().await;
        match answer.and_then(|response| question.judge(&response, rt::wall())) {
            Ok(staple) => {
                rhythm.pause(true);
                has_failed = false;
                show(&staples, leaf_digest, &staple, &duty);
                keep(file.clone(), staple.response.clone()).await;
                shown = Some(staple);
            }
            Err(why) => {
                has_failed = true;
                duty.failing(told(&why, insists && shown.is_none()));
            }
        }
    }
}

/// How long to wait until something is due.
fn rest(due: SystemTime) -> Duration {
    let rest = due.duration_since(rt::wall()).unwrap_or_default();
    // What was never asked is asked at once.
    if rest.is_zero() { rest } else { rest.max(SOONEST) }
}

fn show(staples: &Staples, leaf: CertificateDigest, staple: &Staple, duty: &Duty) {
    staples.put(leaf, staple.response.clone(), staple.until);
    let until = staple.until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    duty.fact("until", until);
    duty.well("its authority says it is good");
}

fn told(why: &str, insists: bool) -> String {
    let warning = if insists { "; clients refuse this certificate without an answer (Must-Staple)" } else { "" };
    format!("{why}{warning}")
}

fn hex(digest: &CertificateDigest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + ".der"
}

async fn kept(file: Option<PathBuf>) -> Option<Vec<u8>> {
    rt::compute(move || std::fs::read(file?).ok()).await.ok().flatten()
}

/// Keeps an answer for the next start. Without it that one has to ask.
async fn keep(file: Option<PathBuf>, response: Vec<u8>) {
    let Some(file) = file else { return };
    let written = rt::compute(move || {
        let beside = file.with_extension("new");
        file.parent().map_or(Ok(()), os::private_folder)?;
        // What a process left that died while it wrote.
        std::fs::remove_file(&beside).unwrap_or_default();
        os::create_private(&beside, &response)?;
        os::replace(&beside, &file)
    });
    if let Ok(Err(error)) = written.await {
        tracing::debug!(%error, "an answer of OCSP is not kept");
    }
}
