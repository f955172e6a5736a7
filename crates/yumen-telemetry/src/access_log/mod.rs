//! The access log: one line per exchange or stream.
//!
//! A worker formats its lines into a buffer of its own ([`WorkerLog`]) and hands whole buffers to the one thread that
//! writes. When that thread falls behind, buffers are dropped and their lines counted: a slow disk costs lines, never
//! requests. The file is rotated here, because Windows has no signal and often no tool to do it.

mod file;
mod json;
mod line;
mod record;
mod tap;
mod text;
mod worker;
mod writer;

#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

pub use record::StreamRecord;
pub use tap::{Tap, Tapped, Taps};
pub use worker::WorkerLog;

pub(crate) use file::RotatingFile;
use writer::{Sink, Writer};

/// How many buffers may wait for the writer: 8 MiB when all are full.
const WAITING: usize = 256;

/// How long [`AccessLog::close`] waits for the disk.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// A file, appended to and rotated.
    File(PathBuf),
    /// Nowhere; no line is formatted.
    Off,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// For people; coloured on a terminal unless `NO_COLOR` is set.
    Text,
}

/// When a log file is put aside. Only regular files are rotated, never devices or pipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The size in bytes it may not grow beyond (a buffer of lines stays together, so it may stop short of it);
    /// 0 means no limit.
    pub size: u64,
    /// The age after which the next line begins a new file; zero means no limit.
    pub age: Duration,
    /// How many files put aside are kept; 0 keeps all.
    pub keep: usize,
}

/// The access log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum AccessLogError {
    /// The file cannot be opened.
    #[error(
        "cannot open access log {path}: {source}; the directory must exist and the user that runs yumen must be allowed \
         to write there"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The writer's thread cannot be started.
    #[error("cannot start the thread that writes the access log: {0}")]
    Thread(std::io::Error),
}

/// What workers do with a line; one byte, read once per line.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Mode {
    Off,
    Json,
    Text,
    Colour,
}

impl Mode {
    fn of(output: &Output, format: Format) -> Self {
        match (output, format) {
            (Output::Off, _) => Self::Off,
            (_, Format::Json) => Self::Json,
            (Output::Stdout, Format::Text) if has_colours() => Self::Colour,
            (_, Format::Text) => Self::Text,
        }
    }
}

fn has_colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::io::stdout().is_terminal()
}

/// What the front, the workers and the writer share.
struct Shared {
    mode: AtomicU8,
    dropped: Arc<AtomicU64>,
    /// Where to write from now on; taken by the writer.
    next: Mutex<Option<Sink>>,
    closing: AtomicBool,
    /// Who else wants the lines.
    taps: RwLock<Vec<Arc<dyn Tap>>>,
    is_tapped: AtomicBool,
}

impl Shared {
    fn mode(&self) -> Mode {
        match self.mode.load(Ordering::Relaxed) {
            1 => Mode::Json,
            2 => Mode::Text,
            3 => Mode::Colour,
            _ => Mode::Off,
        }
    }

    fn drop_lines(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }
}

/// What the writer is told.
enum Message {
    /// Whole lines; the buffer goes home afterwards.
    Lines { buffer: Vec<u8>, lines: u64, home: SyncSender<Vec<u8>> },
    /// Look at [`Shared`].
    Wake,
}

/// Where the log goes and how, as last asked for.
#[derive(Clone, PartialEq, Eq)]
struct Settings {
    output: Output,
    format: Format,
    rotation: Rotation,
}

impl Settings {
    fn open(&self) -> Result<Sink, AccessLogError> {
        Ok(match &self.output {
            Output::Off => Sink::Off,
            Output::Stdout => Sink::Stream(Box::new(std::io::stdout())),
            Output::File(path) => Sink::File(
                RotatingFile::open(path, self.rotation)
                    .map_err(|source| AccessLogError::Open { path: path.clone(), source })?,
            ),
        })
    }
}

/// A change of the access log that can no longer fail; see [`AccessLog::prepare`].
pub struct Change {
    wanted: Settings,
    /// `None`: it is as wanted already.
    sink: Option<Sink>,
}

impl Change {
    /// Whether anything will be different.
    pub fn is_one(&self) -> bool {
        self.sink.is_some()
    }
}

/// The access log of the process. Share it behind an `Arc`.
pub struct AccessLog {
    shared: Arc<Shared>,
    sender: SyncSender<Message>,
    settings: Mutex<Settings>,
    /// Disconnected when the writer has ended.
    ended: Mutex<Receiver<()>>,
}

impl AccessLog {
    /// Opens the output and starts the thread that writes.
    pub fn start(output: Output, format: Format, rotation: Rotation) -> Result<Self, AccessLogError> {
        let settings = Settings { output, format, rotation };
        let sink = settings.open()?;
        Self::start_with(settings, sink)
    }

    fn start_with(settings: Settings, sink: Sink) -> Result<Self, AccessLogError> {
        let (sender, receiver) = sync_channel(WAITING);
        let (alive, ended) = sync_channel::<()>(0);
        let shared = Arc::new(Shared {
            mode: AtomicU8::new(Mode::of(&settings.output, settings.format) as u8),
            dropped: Arc::new(AtomicU64::new(0)),
            next: Mutex::default(),
            closing: AtomicBool::new(false),
            taps: RwLock::default(),
            is_tapped: AtomicBool::new(false),
        });
        let writer = Writer::new(receiver, Arc::clone(&shared), sink);
        let run = move || {
            writer.run();
            drop(alive);
        };
        std::thread::Builder::new().name("access-log".to_owned()).spawn(run).map_err(AccessLogError::Thread)?;
        Ok(Self { shared, sender, settings: Mutex::new(settings), ended: Mutex::new(ended) })
    }

    /// The log of one worker; `shard` is its index.
    pub fn worker(&self, shard: usize) -> WorkerLog {
        WorkerLog::new(shard, Arc::clone(&self.shared), self.sender.clone())
    }

    /// Where others get the lines too.
    pub fn taps(&self) -> Taps {
        Taps(Arc::clone(&self.shared))
    }

    /// Changes where and how is written. A file is opened before anything changes, so after an error everything goes on
    /// as before. Lines formatted before the change may still follow in their old format.
    pub fn reconfigure(&self, output: Output, format: Format, rotation: Rotation) -> Result<(), AccessLogError> {
        self.prepare(output, format, rotation).map(|change| self.commit(change))
    }

    /// The part of [`AccessLog::reconfigure`] that may fail. Nothing changes before it is given to
    /// [`AccessLog::commit`].
    pub fn prepare(&self, output: Output, format: Format, rotation: Rotation) -> Result<Change, AccessLogError> {
        let wanted = Settings { output, format, rotation };
        let sink = if *lock(&self.settings) == wanted { None } else { Some(wanted.open()?) };
        Ok(Change { wanted, sink })
    }

    /// Makes a change.
    pub fn commit(&self, Change { wanted, sink }: Change) {
        if let Some(sink) = sink {
            self.apply(&mut lock(&self.settings), wanted, sink);
        }
    }

    /// Opens the file again, for those who move it away by other means. After an error the old file goes on.
    pub fn reopen(&self) -> Result<(), AccessLogError> {
        let mut settings = lock(&self.settings);
        let same = settings.clone();
        let sink = same.open().inspect_err(|error| tracing::error!("{error}; the present output is kept"))?;
        self.apply(&mut settings, same, sink);
        Ok(())
    }

    fn apply(&self, settings: &mut Settings, wanted: Settings, sink: Sink) {
        *lock(&self.shared.next) = Some(sink);
        self.shared.mode.store(Mode::of(&wanted.output, wanted.format) as u8, Ordering::Relaxed);
        *settings = wanted;
        self.wake();
    }

    /// How many lines were lost since the start.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn dropped_count(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.dropped)
    }

    /// Writes what was handed over and ends the thread. Workers flush (or drop) their logs before; what they hand over
    /// later counts as dropped. Waits five seconds at most.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        self.wake();
        let ended = lock(&self.ended);
        if ended.recv_timeout(CLOSE_PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            tracing::error!("the access log could not be written within {CLOSE_PATIENCE:?}; its last lines are lost");
        }
    }

    /// A full channel wakes the writer as well.
    fn wake(&self) {
        self.sender.try_send(Message::Wake).unwrap_or_default();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
