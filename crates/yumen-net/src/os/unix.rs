//! What all Unix systems share: the local socket of the admin API and file modes.

use std::fs::{self, File};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::Socket;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};

pub(super) fn exposure(path: &Path) -> io::Result<Option<String>> {
    let mode = fs::metadata(path)?.mode() & 0o7777;
    Ok((mode & 0o077 != 0).then(|| {
        format!(
            "{} has mode {mode:04o}, others than its owner can reach it; run `chmod 600 {}`",
            path.display(),
            path.display()
        )
    }))
}

pub(super) fn intrusion(path: &Path) -> io::Result<Option<String>> {
    let mode = fs::metadata(path)?.mode() & 0o7777;
    Ok((mode & 0o022 != 0).then(|| {
        let path = path.display();
        format!("{path} has mode {mode:04o}, others than its owner can put files into it; run `chmod go-w {path}`")
    }))
}

pub(super) fn create_new(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// A port is free as soon as its owner has closed it.
pub(crate) const PORT_PATIENCE: Duration = Duration::ZERO;

pub(super) fn replace(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

pub(super) fn prepare_console() {}

#[expect(unsafe_code, reason = "limits have no safe wrapper")]
pub(super) fn raise_file_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls take a pointer to a live local of the type asked for.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max;
            // Refused where the system knows a lower limit than it tells; the old one stays then.
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

pub(super) fn is_exhausted(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// accept(2) passes on errors that were pending on the new connection, and says which.
pub(super) fn is_of_connection(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EPROTO | libc::ENOPROTOOPT | libc::EHOSTDOWN | libc::EOPNOTSUPP))
}

pub(super) const TOO_LARGE: i32 = libc::EMSGSIZE;
pub(super) const NO_OPTION: [i32; 2] = [libc::EOPNOTSUPP, libc::ENOPROTOOPT];

pub(super) fn is_of_datagram(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EPROTO | libc::ENOPROTOOPT | libc::EHOSTDOWN))
}

pub(super) fn lacks_family(e: &io::Error) -> bool {
    e.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

/// `SD_LISTEN_FDS_START`.
const FIRST_INHERITED: RawFd = 3;

#[expect(unsafe_code, reason = "descriptors that were inherited are known by their numbers only")]
pub(super) fn take_inherited(count: usize) -> io::Result<Vec<Socket>> {
    let numbers = (FIRST_INHERITED..).take(count);
    // First all are looked at, so that none is closed again when one is missing. None may get into a child.
    for number in numbers.clone() {
        // SAFETY: fcntl takes any number; one that is not open is an error.
        if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: each descriptor is open, was handed to this process at its start and has no other owner, because the
    // caller asks once.
    Ok(numbers.map(|number| Socket::from(unsafe { OwnedFd::from_raw_fd(number) })).collect())
}

/// A listener that only this machine's owner of the file can reach: a Unix socket here, a named pipe on Windows.
#[derive(Debug)]
pub struct LocalListener {
    /// `None` only while it is being dropped.
    inner: Option<UnixListener>,
    path: PathBuf,
    /// Device and inode of our socket, so that dropping never removes a successor's.
    file: (u64, u64),
}

impl LocalListener {
    /// Opens a Unix socket with mode 0600. The file of a process that is gone is replaced; that of a live one is not.
    ///
    /// # Errors
    /// `AddrInUse` when another process answers on it, else what the system says.
    pub async fn open(path: &Path) -> io::Result<Self> {
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                format!(
                    "cannot listen on {}: another process answers there; stop it or choose another path",
                    path.display()
                ),
            ));
        }
        // Bound under a name nobody waits for and moved only once the mode is right: no moment of wider access, and a
        // stale file is replaced in one step.
        let mut early = path.as_os_str().to_owned();
        early.push(format!(".{}", std::process::id()));
        let early = PathBuf::from(early);
        if let Err(e) = fs::remove_file(&early)
            && e.kind() != io::ErrorKind::NotFound
        {
            return Err(e);
        }
        let explain = |e: io::Error| {
            io::Error::new(
                e.kind(),
                format!("cannot listen on {}: {e}; check that its directory exists and is writable", path.display()),
            )
        };
        let inner = UnixListener::bind(&early).map_err(explain)?;
        fs::set_permissions(&early, fs::Permissions::from_mode(0o600))?;
        fs::rename(&early, path).map_err(explain)?;
        let meta = fs::symlink_metadata(path)?;
        Ok(Self { inner: Some(inner), path: path.to_owned(), file: (meta.dev(), meta.ino()) })
    }

    /// Goes on with the socket of another process, which lies at that path.
    ///
    /// # Errors
    /// The path is not there any more, or the runtime cannot register the socket.
    pub fn adopt(path: &Path, socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let inner = UnixListener::from_std(OwnedFd::from(socket).into())?;
        let meta = fs::symlink_metadata(path)?;
        Ok(Self { inner: Some(inner), path: path.to_owned(), file: (meta.dev(), meta.ino()) })
    }

    /// A second handle on the socket, for another process.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn share(&self) -> io::Result<Socket> {
        let inner = self.inner.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        socket2::SockRef::from(inner).try_clone()
    }

    /// Waits for the next peer.
    ///
    /// # Errors
    /// What the system says; the listener stays usable.
    pub async fn accept(&mut self) -> io::Result<LocalStream> {
        let inner = self.inner.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let (stream, _) = inner.accept().await?;
        Ok(LocalStream { inner: stream })
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        drop(self.inner.take());
        if let Ok(meta) = fs::symlink_metadata(&self.path)
            && (meta.dev(), meta.ino()) == self.file
            // A process that this one shared the socket with may still answer there.
            && std::os::unix::net::UnixStream::connect(&self.path).is_err()
            && let Err(e) = fs::remove_file(&self.path)
        {
            tracing::debug!(path = %self.path.display(), error = %e, "the local socket stays behind");
        }
    }
}

/// A connection over a [`LocalListener`].
#[derive(Debug)]
pub struct LocalStream {
    inner: UnixStream,
}

impl LocalStream {
    /// Connects to a [`LocalListener`].
    ///
    /// # Errors
    /// What the system says: `NotFound` and `ConnectionRefused` mean that nobody listens.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self { inner: UnixStream::connect(path).await? })
    }

    pub(crate) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.try_read(buf)
    }

    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_read_ready(cx)
    }
}

impl AsyncRead for LocalStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for LocalStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn local_socket_is_for_its_owner_only_and_goes_with_its_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let mut listener = LocalListener::open(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let mut client = LocalStream::connect(&path).await.unwrap();
        let mut server = listener.accept().await.unwrap();
        client.write_all(b"hello").await.unwrap();
        let mut buf = [0; 5];
        server.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"hello");

        let taken = LocalListener::open(&path).await.unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn shared_socket_outlives_the_one_who_opened_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let first = LocalListener::open(&path).await.unwrap();
        let mut second = LocalListener::adopt(&path, first.share().unwrap()).unwrap();
        drop(first);
        let _client = LocalStream::connect(&path).await.unwrap();
        second.accept().await.unwrap();
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn stale_socket_of_a_dead_process_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let first = LocalListener::open(&path).await.unwrap();
        assert!(LocalStream::connect(&path).await.is_ok());
        // A successor's file must survive the end of its predecessor.
        fs::remove_file(&path).unwrap();
        let second = LocalListener::open(&path).await.unwrap();
        drop(first);
        assert!(LocalStream::connect(&path).await.is_ok());
        drop(second);
    }

    #[test]
    fn exposed_secret_is_told_with_its_remedy() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(exposure(file.path()).unwrap(), None);
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        let text = exposure(file.path()).unwrap().unwrap();
        assert!(text.contains("mode 0644") && text.contains("chmod 600"), "{text}");
    }

    #[test]
    fn folder_that_others_can_write_to_is_told_with_its_remedy() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(intrusion(folder.path()).unwrap(), None);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        let text = intrusion(folder.path()).unwrap().unwrap();
        assert!(text.contains("mode 1777") && text.contains("chmod go-w"), "{text}");
    }
}
