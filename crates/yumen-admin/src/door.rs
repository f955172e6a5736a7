//! Where the admin API listens, and how its client gets there.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use socket2::{SockRef, Socket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use yumen_net::os::{LocalListener, LocalStream};

use crate::gate::Wall;

/// Where the admin API listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A loopback address; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket that only its owner may use.
    Unix(PathBuf),
    /// A named pipe of Windows, by its whole name (`\\.\pipe\yumen-admin`).
    Pipe(String),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Pipe(name) => f.write_str(name),
        }
    }
}

/// The admin API could not be started.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address is one that other hosts can reach.
    #[error("the admin API listens on addresses of this host only, and {0} is not one; use 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen for the admin API on {listen}: {source}; is another gateway running, or its port taken?")]
    Listen {
        /// Where.
        listen: Listen,
        /// The cause.
        source: io::Error,
    },
}

/// A connection, whatever carries it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open door: connections queue up at it until an [`AdminServer`](crate::AdminServer) serves them.
pub struct Door {
    listen: Listen,
    inner: Inner,
}

enum Inner {
    Tcp(TcpListener),
    Local(LocalListener),
}

impl Door {
    /// Listens there, on the runtime it is called from.
    ///
    /// # Errors
    /// The address is not local, or cannot be listened on.
    pub async fn open(listen: &Listen) -> Result<Self, AdminError> {
        let fault = |source| AdminError::Listen { listen: listen.clone(), source };
        let local = |path: &Path| {
            let path = path.to_owned();
            async move { LocalListener::open(&path).await.map(Inner::Local) }
        };
        let inner = match listen {
            Listen::Tcp(address) if !address.ip().to_canonical().is_loopback() => {
                return Err(AdminError::NotLoopback(*address));
            }
            Listen::Tcp(address) => TcpListener::bind(address).await.map(Inner::Tcp),
            Listen::Unix(path) => local(path).await,
            Listen::Pipe(name) => local(Path::new(name)).await,
        };
        let inner = inner.map_err(fault)?;
        let listen = match &inner {
            Inner::Tcp(listener) => Listen::Tcp(listener.local_addr().map_err(fault)?),
            Inner::Local(_) => listen.clone(),
        };
        Ok(Self { listen, inner })
    }

    /// Goes on with the socket that another process of this program has listened on.
    ///
    /// # Errors
    /// The socket cannot be used.
    pub fn adopt(listen: &Listen, socket: Socket) -> Result<Self, AdminError> {
        let fault = |source| AdminError::Listen { listen: listen.clone(), source };
        let tcp = |socket: Socket| {
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket.into())
        };
        let inner = match listen {
            Listen::Tcp(_) => tcp(socket).map(Inner::Tcp),
            Listen::Unix(path) => LocalListener::adopt(path, socket).map(Inner::Local),
            Listen::Pipe(_) => Err(io::ErrorKind::Unsupported.into()),
        };
        let inner = inner.map_err(fault)?;
        let listen = match &inner {
            Inner::Tcp(listener) => Listen::Tcp(listener.local_addr().map_err(fault)?),
            Inner::Local(_) => listen.clone(),
        };
        Ok(Self { listen, inner })
    }

    /// A second handle on its socket, for another process.
    pub(crate) fn share(&self) -> io::Result<Socket> {
        match &self.inner {
            Inner::Tcp(listener) => SockRef::from(listener).try_clone(),
            Inner::Local(listener) => listener.share(),
        }
    }

    /// Where it listens; the port is the real one.
    pub(crate) fn listen(&self) -> &Listen {
        &self.listen
    }

    pub(crate) fn wall(&self) -> Wall {
        match &self.listen {
            Listen::Tcp(address) => Wall::Port(*address),
            Listen::Unix(_) | Listen::Pipe(_) => Wall::Local,
        }
    }

    pub(crate) async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        Ok(match &mut self.inner {
            Inner::Tcp(listener) => Box::new(listener.accept().await?.0),
            Inner::Local(listener) => Box::new(listener.accept().await?),
        })
    }
}

/// Goes through a door of another process.
pub(crate) async fn connect(listen: &Listen) -> io::Result<Box<dyn Stream>> {
    Ok(match listen {
        Listen::Tcp(address) => Box::new(TcpStream::connect(address).await?),
        Listen::Unix(path) => Box::new(LocalStream::connect(path).await?),
        Listen::Pipe(name) => Box::new(LocalStream::connect(Path::new(name)).await?),
    })
}

/// The name by which the gate knows an address of this host.
pub(crate) fn host_name(address: SocketAddr) -> &'static str {
    match address.ip() {
        IpAddr::V4(_) => "127.0.0.1",
        IpAddr::V6(_) => "[::1]",
    }
}
