//! Accepts connections of the admin API and serves them until it is told to stop.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::Socket;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use yumen_core::Control;

use crate::Token;
use crate::door::{AdminError, Door, Listen, Stream};
use crate::route::Desk;

/// How many connections are served at once; more wait in the accept queue.
const CONNECTIONS: usize = 64;

/// How long a client may take for a request head, and how long an idle connection is kept.
const HEAD_PATIENCE: Duration = Duration::from_secs(15);

/// How long requests being answered may still take at the stop.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait after a failed accept: the usual cause (no file descriptor left) does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The running admin API. Dropping it stops it without waiting.
pub struct AdminServer {
    /// For a process that takes over. Dropped first: who looks whether anybody still answers must not find this.
    spare: io::Result<Socket>,
    listen: Listen,
    desk: Arc<Desk>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl AdminServer {
    /// Listens and serves from now on, on the runtime it is called from.
    pub async fn start(listen: &Listen, token: Token, control: Arc<dyn Control>) -> Result<Self, AdminError> {
        Ok(Self::serve(Door::open(listen).await?, token, control))
    }

    /// Serves at a door from now on.
    pub fn serve(door: Door, token: Token, control: Arc<dyn Control>) -> Self {
        let (spare, listen) = (door.share(), door.listen().clone());
        let desk = Arc::new(Desk { control, token: RwLock::new(token), wall: door.wall() });
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(door, Arc::clone(&desk), stopped));
        Self { spare, listen, desk, stop, accepting }
    }

    /// Takes another token from now on.
    pub fn set_token(&self, token: Token) {
        *self.desk.token.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// Where it listens; the port is the real one.
    pub fn listen(&self) -> &Listen {
        &self.listen
    }

    /// A second handle on the socket, for a process that takes over.
    ///
    /// # Errors
    /// The system has none, or is out of descriptors.
    pub fn share(&self) -> io::Result<Socket> {
        match &self.spare {
            Ok(socket) => socket.try_clone(),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }

    /// Stops accepting, lets answers begun be finished for five seconds, and closes what is left.
    pub async fn stop(self) {
        drop(self.spare);
        self.stop.send_replace(true);
        if let Err(error) = self.accepting.await {
            tracing::error!("the admin API ended badly: {error}");
        }
    }
}

async fn accept(mut door: Door, desk: Arc<Desk>, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, door.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            _ = stopped.changed() => break,
            next = next => next,
        };
        match accepted {
            Ok(stream) => {
                let serving = serve(stream, Arc::clone(&desk), stopped.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection of the admin API: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(door);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_PATIENCE, all).await.is_err() {
        tracing::warn!("requests of the admin API did not finish within {STOP_PATIENCE:?} and are cut off");
    }
}

async fn serve(stream: Box<dyn Stream>, desk: Arc<Desk>, mut stopped: watch::Receiver<bool>) {
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).max_buf_size(64 * 1024);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!("a connection of the admin API ended: {error}");
    }
}
