//! The seam to the runtime: tasks, time and worker threads. Tokio today.
//!
//! Nothing above this crate names a runtime or asks the system for the time; what it needs is here. That keeps the door
//! open for another runtime under the data path, and lets tests stop the clock.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How many tasks a worker polls between two looks at the sockets. Fewer than Tokio's 61: a request is a handful of
/// polls, and a low number keeps the tail short when some of them are long.
const EVENT_INTERVAL: u32 = 31;
/// How many tasks a worker polls between two looks at what other threads woke. Rare by design on the data path.
const REMOTE_INTERVAL: u32 = 31;

/// The present moment of the monotonic clock. Stands still under a paused test clock.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The present moment of the wall clock, for logs and certificates.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// Waits for a while.
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits until a moment; a past one is over at once.
pub async fn sleep_until(at: Instant) {
    tokio::time::sleep_until(at.into()).await;
}

/// Lets the other tasks of this worker run first.
pub async fn yield_now() {
    tokio::task::yield_now().await;
}

/// The time given to [`timeout`] was over first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timed out")]
pub struct Elapsed;

/// Runs a future for at most `duration`, then drops it.
///
/// # Errors
/// [`Elapsed`] when the time was over first.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    tokio::time::timeout(duration, future).await.map_err(|_| Elapsed)
}

/// Why a [`Task`] has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// It panicked. Nothing else is hurt; the caller counts and logs it.
    #[error("task panicked: {0}")]
    Panicked(String),
    /// It was aborted, or its worker is gone.
    #[error("task aborted")]
    Aborted,
}

impl From<tokio::task::JoinError> for TaskError {
    fn from(e: tokio::task::JoinError) -> Self {
        match e.try_into_panic() {
            Ok(payload) => Self::Panicked(panic_text(payload.as_ref())),
            Err(_) => Self::Aborted,
        }
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// A running task. Dropping it lets the task run on; [`Task::abort`] ends it. Awaiting it gives its result, or the panic
/// that ended it.
#[derive(Debug)]
pub struct Task<T> {
    join: tokio::task::JoinHandle<T>,
}

impl<T> Task<T> {
    /// Ends the task at its next await; awaiting it then gives [`TaskError::Aborted`] unless it had finished.
    pub fn abort(&self) {
        self.join.abort();
    }

    /// Whether the task has ended, one way or another.
    pub fn is_finished(&self) -> bool {
        self.join.is_finished()
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.join).poll(cx).map_err(TaskError::from)
    }
}

/// A future of more bytes than this is boxed before it becomes a task. The runtime moves it about several times on its way
/// there and overwrites all of it at its end, and aligns the memory of a task in a way that is dear for large ones.
const BOXED_ABOVE: usize = 1024;

/// Starts a task on the calling worker. It never leaves its thread, so it need not be `Send`.
///
/// A panic in it is contained and told by the [`Task`].
///
/// # Panics
/// When the calling thread is not a worker (see [`spawn_worker`]): a fault in the program.
pub fn spawn_local<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let join = match size_of::<F>() > BOXED_ABOVE {
        true => tokio::task::spawn_local(Box::pin(future)),
        false => tokio::task::spawn_local(future),
    };
    Task { join }
}

/// Starts a task on the control runtime.
///
/// # Panics
/// When the calling thread has no runtime: a fault in the program.
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Task { join: tokio::spawn(future) }
}

/// Runs what computes for long on a thread of its own, so that the worker goes on meanwhile. A worker has few such threads;
/// what finds none free waits, so the caller bounds how much it asks for.
///
/// # Panics
/// When the calling thread has no runtime: a fault in the program.
pub fn compute<F, T>(work: F) -> Task<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Task { join: tokio::task::spawn_blocking(work) }
}

/// A timer that is re-armed for every request of a connection at the price of a store.
///
/// The timer of the runtime behind it is made when a deadline is first waited for, and moved only when it fires too early
/// or the deadline comes nearer. Putting the deadline off, by far the commonest case, costs nothing.
#[derive(Debug, Default)]
pub struct Deadline {
    at: Cell<Option<Instant>>,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Deadline {
    /// No deadline, no timer.
    pub const fn new() -> Self {
        Self { at: Cell::new(None), timer: None }
    }

    /// Sets or clears the deadline. It counts from the next [`Deadline::poll_expired`] on.
    pub fn set(&self, at: Option<Instant>) {
        self.at.set(at);
    }

    /// Sets the deadline to a while from now.
    pub fn set_in(&self, duration: Duration) {
        self.at.set(now().checked_add(duration));
    }

    /// The deadline as it stands.
    pub fn at(&self) -> Option<Instant> {
        self.at.get()
    }

    /// Ready once the deadline has passed. Without a deadline it is pending and does not wake.
    pub fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at.get() else { return Poll::Pending };
        let at = tokio::time::Instant::from_std(at);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
        Poll::Pending
    }

    /// Waits until the deadline has passed.
    pub async fn expired(&mut self) {
        std::future::poll_fn(|cx| self.poll_expired(cx)).await;
    }
}

/// A running worker thread of the data path.
#[derive(Debug)]
pub struct Worker {
    thread: thread::JoinHandle<io::Result<()>>,
    index: usize,
}

impl Worker {
    /// Its number, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end, blocking the calling thread.
    ///
    /// # Errors
    /// Its runtime could not be built, or its main future panicked.
    pub fn join(self) -> io::Result<()> {
        self.thread.join().unwrap_or_else(|payload| {
            Err(io::Error::other(format!("worker {} panicked: {}", self.index, panic_text(payload.as_ref()))))
        })
    }
}

/// Starts a worker: one thread with its own single-threaded runtime, on which `init`'s future runs to its end.
///
/// The future and everything it starts with [`spawn_local`] stay on that thread. When it ends, what is still running on
/// the worker is dropped. `pin_to_core` ties the thread to that core; failure is logged and borne.
///
/// # Errors
/// The thread cannot be started.
pub fn spawn_worker<I, F>(name: &str, index: usize, pin_to_core: Option<usize>, init: I) -> io::Result<Worker>
where
    I: FnOnce() -> F + Send + 'static,
    F: Future<Output = ()> + 'static,
{
    let thread = thread::Builder::new().name(format!("{name}-{index}")).spawn(move || {
        if let Some(core) = pin_to_core
            && let Err(error) = crate::os::pin_to_core(core)
        {
            tracing::warn!(worker = index, core, %error, "cannot pin the worker to its core");
        }
        // A local runtime spawns non-`Send` tasks on its own queue; a `LocalSet` would put a second queue on top.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .event_interval(EVENT_INTERVAL)
            .global_queue_interval(REMOTE_INTERVAL)
            .max_blocking_threads(4)
            .build_local(tokio::runtime::LocalOptions::default())?;
        runtime.block_on(async move { init().await });
        Ok(())
    })?;
    Ok(Worker { thread, index })
}

/// The runtime of everything that is not the data path.
#[derive(Debug)]
pub struct Control {
    runtime: tokio::runtime::Runtime,
}

impl Control {
    /// Starts it with so many threads, at least one.
    ///
    /// # Errors
    /// Its threads cannot be started.
    pub fn start(threads: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("yumen-control")
            .enable_all()
            .build()?;
        Ok(Self { runtime })
    }

    /// Runs a future to its end on the calling thread, with this runtime under it.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Starts a task.
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Task { join: self.runtime.spawn(future) }
    }

    /// Ends it; tasks get `grace` to finish what blocks.
    pub fn stop(self, grace: Duration) {
        self.runtime.shutdown_timeout(grace);
    }
}

#[cfg(test)]
mod tests;
