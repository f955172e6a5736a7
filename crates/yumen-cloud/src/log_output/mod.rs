//! Lines of the access log, sent to the log service (SLS).
//!
//! Workers put lines into a queue and never wait. One half of the task makes batches of them, the other one sends, oldest
//! first. While the service takes nothing batches go to the disk, within bounds; what does not fit is dropped, oldest first,
//! and counted. A batch of which it is not known whether it arrived is sent again.

mod disk;
mod line;
mod queue;
mod spool;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use yumen_alibaba::api::sls::{LogGroup, LogStore};
use yumen_alibaba::{Client, Error};
use yumen_config::config::SlsOutput;
use yumen_net::rt;
use yumen_telemetry::{Duty, OutputMetrics, Tapped, Taps};

use crate::rhythm::Rhythm;
use queue::Queue;
use spool::{Batch, Spool};

/// Below the state directory, one folder for each output.
const FOLDER: &str = "log-output";
/// The longest pause between two attempts while the service is away.
const PATIENCE: Duration = Duration::from_secs(30);
/// Codes that say that a batch will never be taken.
const HOPELESS: &[&str] = &["PostBodyInvalid", "PostBodyTooLarge", "PostBodyUncompressError", "InvalidLogSize"];

/// What is needed of the world.
pub struct Means {
    /// The account's.
    pub client: Client,
    /// The lines.
    pub intake: Intake,
    /// The state directory of the process, for an output that names no folder.
    pub state_dir: Option<PathBuf>,
}

/// Where lines wait from the moment on in which it is made, so that none is missed while the rest is prepared.
pub struct Intake {
    queue: Arc<Queue>,
    metrics: Arc<OutputMetrics>,
    tapped: Tapped,
}

impl Intake {
    /// Begins to take lines.
    pub fn open(taps: &Taps, metrics: Arc<OutputMetrics>) -> Self {
        let queue = Arc::new(Queue::new(Arc::clone(&metrics)));
        let tapped = taps.tap(Arc::clone(&queue) as _);
        Self { queue, metrics, tapped }
    }
}

/// Sends lines until it is dropped.
pub async fn run(section: Arc<SlsOutput>, means: Means, duty: Duty) {
    let folder = section.spill.as_ref().and_then(|spill| {
        let own = || Some(means.state_dir.as_ref()?.join(FOLDER).join(duty.name()));
        Some((spill.dir.clone().or_else(own)?, spill.max))
    });
    let Intake { queue, metrics, tapped } = means.intake;
    let mut rhythm = Rhythm::new(PATIENCE);
    let spool = loop {
        match open(folder.clone(), Arc::clone(&metrics)).await {
            Ok(spool) => break Arc::new(spool),
            Err(text) => duty.failing(text),
        }
        rhythm.rest(false).await;
    };
    let rest = Rest {
        tapped: Some(tapped),
        queue: Arc::clone(&queue),
        spool: Arc::clone(&spool),
        section: Arc::clone(&section),
    };
    let store = LogStore::new(means.client.clone(), section.project.clone(), section.store.clone());
    tokio::join!(gather(&section, &queue, &spool), send(&section, &store, &spool, (&metrics, &duty)));
    drop(rest);
}

async fn open(folder: Option<(PathBuf, u64)>, metrics: Arc<OutputMetrics>) -> Result<Spool, String> {
    if let Some(above) = folder.as_ref().and_then(|(folder, _)| folder.parent()).map(Path::to_path_buf) {
        let made = rt::compute(move || yumen_net::os::private_folder(&above).map_err(|error| (above, error))).await;
        if let Ok(Err((above, error))) = made {
            return Err(format!("{} cannot be made: {error}", above.display()));
        }
    }
    rt::compute(move || Spool::open(folder, metrics)).await.map_err(|error| error.to_string())?
}

/// Makes batches of lines.
async fn gather(section: &SlsOutput, queue: &Queue, spool: &Arc<Spool>) {
    let size = usize::try_from(section.batch_size).unwrap_or(usize::MAX);
    loop {
        queue.wake.notified().await;
        let due = rt::sleep(section.batch_time);
        tokio::pin!(due);
        while queue.size() < size {
            tokio::select! {
                () = &mut due => break,
                () = queue.wake.notified() => {}
            }
        }
        let (lines, count) = queue.take_all();
        let (spool, section) = (Arc::clone(spool), section.clone());
        // A panic in there loses this batch only.
        rt::compute(move || put_away(&lines, count, &section, &spool)).await.unwrap_or_default();
    }
}

/// Lines into the spool. Blocks for as long as the disk takes.
fn put_away(lines: &[u8], count: u64, section: &SlsOutput, spool: &Spool) {
    let like = LogGroup { topic: section.topic.clone(), source: section.source.clone(), ..LogGroup::default() };
    let now = rt::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    let size = usize::try_from(section.batch_size).unwrap_or(usize::MAX);
    let mut readable = 0;
    for (group, lines) in line::groups(lines, size, now, &like) {
        readable += lines;
        let mut lines = Some(lines);
        for body in group.encode() {
            spool.push(lines.take().unwrap_or(0), body);
        }
    }
    spool.lose(count.saturating_sub(readable));
}

/// Sends batches, oldest first.
async fn send(section: &SlsOutput, store: &LogStore, spool: &Arc<Spool>, (metrics, duty): (&OutputMetrics, &Duty)) {
    let mut rhythm = Rhythm::new(PATIENCE);
    let place = format!("{}/{}", section.project, section.store);
    loop {
        let Some(batch) = first(spool).await else {
            spool.wake.notified().await;
            continue;
        };
        let outcome = store.put_encoded(&batch.body).await;
        match outcome {
            Ok(()) => {
                metrics.sent(batch.lines, batch.body.len() as u64);
                spool.back();
                settle(spool, batch).await;
                rhythm.pause(true);
                duty.well(format!("{place} took {} lines so far", metrics.total()));
                duty.fact("spilled_bytes", spool.size());
            }
            Err(error) if is_hopeless(&error) => {
                metrics.drop_some(batch.lines);
                duty.failing(format!("{place} refused {} lines, which are dropped: {error}", batch.lines));
                settle(spool, batch).await;
            }
            Err(error) => {
                let own = Arc::clone(spool);
                rt::compute(move || own.away()).await.unwrap_or_default();
                let (waiting, pause) = (spool.size(), rhythm.pause(false));
                duty.fact("spilled_bytes", waiting);
                duty.failing(format!("{place} takes nothing, {waiting} bytes wait on the disk: {error}"));
                duty.next(rt::wall().checked_add(pause));
                rt::sleep(pause).await;
            }
        }
    }
}

async fn first(spool: &Arc<Spool>) -> Option<Arc<Batch>> {
    let own = Arc::clone(spool);
    rt::compute(move || own.first()).await.ok().flatten()
}

async fn settle(spool: &Arc<Spool>, batch: Arc<Batch>) {
    let own = Arc::clone(spool);
    rt::compute(move || own.done(&batch)).await.unwrap_or_default();
}

fn is_hopeless(error: &Error) -> bool {
    error.is(HOPELESS) || matches!(error, Error::Service(refusal) if refusal.status == 413)
}

/// What is left when a task ends: lines in the queue and batches in memory go to the disk for the next one.
struct Rest {
    tapped: Option<Tapped>,
    queue: Arc<Queue>,
    spool: Arc<Spool>,
    section: Arc<SlsOutput>,
}

impl Drop for Rest {
    fn drop(&mut self) {
        // Nothing comes any more, then what came is kept.
        drop(self.tapped.take());
        self.spool.away();
        let (lines, count) = self.queue.take_all();
        put_away(&lines, count, &self.section, &self.spool);
        self.spool.away();
    }
}
