//! Windows.
#![expect(unsafe_code, reason = "socket option, affinity, process figures and pipe access rights have no safe wrapper")]

use std::io;
use std::os::windows::io::AsRawSocket;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::Socket;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_PIPE_BUSY, ERROR_SHARING_VIOLATION, FILETIME};
use windows_sys::Win32::Networking::WinSock::{
    SO_EXCLUSIVEADDRUSE, SOL_SOCKET, WSAEAFNOSUPPORT, WSAEMFILE, WSAENOBUFS, setsockopt,
};
use windows_sys::Win32::System::Console::{
    ENABLE_VIRTUAL_TERMINAL_PROCESSING, GetConsoleMode, GetStdHandle, STD_ERROR_HANDLE, STD_OUTPUT_HANDLE,
    SetConsoleMode,
};
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::SystemInformation::{GlobalMemoryStatusEx, MEMORYSTATUSEX};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThread, GetProcessHandleCount, GetProcessTimes, GetSystemTimes, SetThreadAffinityMask,
};

use super::windows_private::Rights;
pub(super) use super::windows_private::{create_folder, create_new, exposure, intrusion};
pub(super) use super::windows_udp::{NO_OPTION, TOO_LARGE, is_of_datagram};
pub(crate) use super::windows_udp::{claim_datagram_port, ignore_resets, prepare_datagrams, steer_quic};
use super::{HostStats, ProcessStats};

/// A port has one socket; one worker accepts from it and hands connections on.
pub const SHARES_PORT: bool = false;
/// Accepted sockets start with defaults.
pub const INHERITS_NODELAY: bool = false;
/// Readiness comes from AFD polls, which tell it again as long as bytes lie unread.
pub const READINESS_IS_EDGE: bool = false;
/// No splice.
pub const HAS_SPLICE: bool = false;
/// An exclusive port stays taken for a moment after its owner has closed it, while connections of it linger.
pub(crate) const PORT_PATIENCE: Duration = Duration::from_secs(3);

/// How long to wait between attempts to replace a file that others hold: 200 ms in all.
const HELD: [u64; 6] = [5, 10, 20, 40, 50, 75];

/// `SO_EXCLUSIVEADDRUSE`: otherwise another process may take the port. Never `SO_REUSEADDR`, which allows just that.
pub(crate) fn claim_port(socket: &Socket, _share: bool, exclusive: bool) -> io::Result<()> {
    let on = i32::from(exclusive);
    // SAFETY: the option takes an int, whose address and size are passed; the socket is borrowed and open.
    let done = unsafe {
        setsockopt(
            socket.as_raw_socket() as usize,
            SOL_SOCKET,
            SO_EXCLUSIVEADDRUSE,
            (&raw const on).cast(),
            size_of::<i32>() as i32,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Moves a file over another one. Virus scanners, viewers and backups hold files for milliseconds, and meanwhile it
/// cannot be done.
pub(super) fn replace(from: &Path, to: &Path) -> io::Result<()> {
    let is_held = |e: &io::Error| {
        let code = e.raw_os_error().and_then(|code| u32::try_from(code).ok());
        matches!(code, Some(ERROR_ACCESS_DENIED | ERROR_SHARING_VIOLATION))
    };
    for pause in HELD {
        match std::fs::rename(from, to) {
            Err(e) if is_held(&e) => std::thread::park_timeout(Duration::from_millis(pause)),
            done => return done,
        }
    }
    std::fs::rename(from, to)
}

/// Lets both streams of a console understand colours. Terminals do by themselves; the old console must be told.
pub(super) fn prepare_console() {
    for stream in [STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
        let mut mode = 0;
        // SAFETY: the handle is the process's own, or refused by the calls; the mode goes into a live local.
        unsafe {
            let handle = GetStdHandle(stream);
            if GetConsoleMode(handle, &raw mut mode) != 0 {
                // An older system knows no colours, and shows them as what they are.
                SetConsoleMode(handle, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
            }
        }
    }
}

/// There is no limit to be raised.
pub(super) fn raise_file_limit() {}

pub(crate) fn delay_source_port<T>(_socket: &T) -> io::Result<()> {
    Ok(())
}

pub(super) fn is_exhausted(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(WSAEMFILE | WSAENOBUFS))
}

pub(super) fn is_of_connection(_e: &io::Error) -> bool {
    false
}

pub(super) fn lacks_family(e: &io::Error) -> bool {
    e.raw_os_error() == Some(WSAEAFNOSUPPORT)
}

pub(super) fn take_inherited(_count: usize) -> io::Result<Vec<Socket>> {
    Ok(Vec::new())
}

pub(super) fn is_listening(socket: &Socket) -> io::Result<bool> {
    socket.local_addr().map(|_| true)
}

pub(super) fn monotonic_micros() -> Option<u64> {
    None
}

pub(super) fn pin_to_core(core: usize) -> io::Result<()> {
    let mask = u32::try_from(core).ok().and_then(|core| 1usize.checked_shl(core)).ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: the pseudo handle of the calling thread is always valid.
    let done = unsafe { SetThreadAffinityMask(GetCurrentThread(), mask) };
    if done != 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Never made here.
#[derive(Debug)]
pub(crate) enum Pipe {}

impl Pipe {
    pub(crate) fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

pub(crate) fn splice_in(_from: &TcpStream, pipe: &Pipe, _len: usize) -> io::Result<usize> {
    match *pipe {}
}

pub(crate) fn splice_out(pipe: &Pipe, _to: &TcpStream, _len: usize) -> io::Result<usize> {
    match *pipe {}
}

const NEVER: FILETIME = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };

fn span(t: FILETIME) -> Duration {
    // In units of 100 ns.
    let units = u64::from(t.dwHighDateTime) << 32 | u64::from(t.dwLowDateTime);
    Duration::from_micros(units / 10)
}

pub(super) fn process_stats() -> ProcessStats {
    let mut stats = ProcessStats::default();
    let (mut created, mut ended, mut kernel, mut user) = (NEVER, NEVER, NEVER, NEVER);
    let mut handles = 0u32;
    let size = size_of::<PROCESS_MEMORY_COUNTERS>() as u32;
    let mut memory = PROCESS_MEMORY_COUNTERS { cb: size, ..Default::default() };
    // SAFETY: the pseudo handle of this process is always valid, every pointer is to a live local of the type asked for,
    // and the size passed is that of the structure.
    unsafe {
        let me = GetCurrentProcess();
        if GetProcessTimes(me, &raw mut created, &raw mut ended, &raw mut kernel, &raw mut user) != 0 {
            (stats.cpu_user, stats.cpu_system) = (span(user), span(kernel));
        }
        if GetProcessHandleCount(me, &raw mut handles) != 0 {
            stats.fds = handles.into();
        }
        if K32GetProcessMemoryInfo(me, &raw mut memory, size) != 0 {
            stats.rss = memory.WorkingSetSize as u64;
        }
    }
    stats
}

pub(super) fn host_stats() -> HostStats {
    let mut stats = HostStats::default();
    let (mut idle, mut kernel, mut user) = (NEVER, NEVER, NEVER);
    let mut memory = MEMORYSTATUSEX { dwLength: size_of::<MEMORYSTATUSEX>() as u32, ..Default::default() };
    // SAFETY: every pointer is to a live local of the type asked for, and the structure says its size.
    unsafe {
        if GetSystemTimes(&raw mut idle, &raw mut kernel, &raw mut user) != 0 {
            // Kernel time includes idle time.
            stats.cpu_total = span(kernel) + span(user);
            stats.cpu_busy = stats.cpu_total.saturating_sub(span(idle));
        }
        if GlobalMemoryStatusEx(&raw mut memory) != 0 {
            (stats.memory_total, stats.memory_available) = (memory.ullTotalPhys, memory.ullAvailPhys);
        }
    }
    stats
}

/// A listener that only the owner, the system and administrators of this machine can reach: a named pipe here, a Unix
/// socket elsewhere.
#[derive(Debug)]
pub struct LocalListener {
    /// The instance the next peer connects to; there is always one, so that no peer finds the name missing.
    next: NamedPipeServer,
    path: PathBuf,
}

impl LocalListener {
    /// # Errors
    /// Always: a pipe is not handed to another process here.
    pub fn adopt(_: &Path, _: Socket) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// # Errors
    /// Always, as above.
    pub fn share(&self) -> io::Result<Socket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Opens a named pipe, `\\.\pipe\NAME`, for the owner, the system and administrators.
    ///
    /// # Errors
    /// `AddrInUse` when another process has that name, else what the system says.
    pub async fn open(path: &Path) -> io::Result<Self> {
        refuse_elsewhere(path)?;
        let next = instance(path, true).map_err(|e| match e.raw_os_error() {
            Some(code) if code == ERROR_ACCESS_DENIED as i32 => {
                let text = format!(
                    "cannot listen on {}: another process answers there; stop it or choose another name",
                    path.display()
                );
                io::Error::new(io::ErrorKind::AddrInUse, text)
            }
            _ => e,
        })?;
        Ok(Self { next, path: path.to_owned() })
    }

    /// Waits for the next peer.
    ///
    /// # Errors
    /// What the system says; the listener stays usable.
    pub async fn accept(&mut self) -> io::Result<LocalStream> {
        self.next.connect().await?;
        let connected = std::mem::replace(&mut self.next, instance(&self.path, false)?);
        Ok(LocalStream { inner: Side::Server(connected) })
    }
}

/// A pipe of another machine has the same form of name, and opening it would show us to that machine. A plain path may
/// lead there too.
fn refuse_elsewhere(path: &Path) -> io::Result<()> {
    if path.to_str().is_some_and(|text| text.starts_with(r"\\.\pipe\")) {
        return Ok(());
    }
    let text = format!(r"{} is not a named pipe of this machine; write \\.\pipe\NAME", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// Owner, system and administrators: all; nobody else, nothing inherited.
const OWNER_ONLY: &str = "D:P(A;;GA;;;OW)(A;;GA;;;SY)(A;;GA;;;BA)";

fn instance(path: &Path, first: bool) -> io::Result<NamedPipeServer> {
    let rights = Rights::parse(OWNER_ONLY)?;
    let mut attributes = rights.attributes();
    // SAFETY: the attributes and the descriptor they point to live until after the call, which copies them.
    unsafe {
        ServerOptions::new()
            .first_pipe_instance(first)
            .reject_remote_clients(true)
            .create_with_security_attributes_raw(path.as_os_str(), (&raw mut attributes).cast())
    }
}

#[derive(Debug)]
enum Side {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
}

/// A connection over a [`LocalListener`].
#[derive(Debug)]
pub struct LocalStream {
    inner: Side,
}

impl LocalStream {
    /// Connects to a [`LocalListener`].
    ///
    /// # Errors
    /// What the system says: `NotFound` means that nobody listens.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        refuse_elsewhere(path)?;
        // A listener between two instances is busy for a moment.
        for _ in 0..50 {
            match ClientOptions::new().open(path.as_os_str()) {
                Ok(client) => return Ok(Self { inner: Side::Client(client) }),
                Err(e) if e.raw_os_error() == Some(ERROR_PIPE_BUSY as i32) => {
                    // layers: allow os -> rt: a busy pipe is tried again on the data path's clock
                    crate::rt::sleep(Duration::from_millis(20)).await
                }
                Err(e) => return Err(e),
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    pub(crate) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.inner {
            Side::Server(pipe) => pipe.try_read(buf),
            Side::Client(pipe) => pipe.try_read(buf),
        }
    }

    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.inner {
            Side::Server(pipe) => pipe.poll_read_ready(cx),
            Side::Client(pipe) => pipe.poll_read_ready(cx),
        }
    }
}

impl AsyncRead for LocalStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Side::Server(pipe) => Pin::new(pipe).poll_read(cx, buf),
            Side::Client(pipe) => Pin::new(pipe).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for LocalStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Side::Server(pipe) => Pin::new(pipe).poll_write(cx, buf),
            Side::Client(pipe) => Pin::new(pipe).poll_write(cx, buf),
        }
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Side::Server(pipe) => Pin::new(pipe).poll_flush(cx),
            Side::Client(pipe) => Pin::new(pipe).poll_flush(cx),
        }
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Side::Server(pipe) => Pin::new(pipe).poll_shutdown(cx),
            Side::Client(pipe) => Pin::new(pipe).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn pipe_of_another_machine_is_never_dialled() {
        for path in [r"\\server\pipe\yumen", r"\\?\UNC\server\pipe\yumen", r"C:\yumen.sock", r"\\.\UNC\server\pipe\x"] {
            let dialled = LocalStream::connect(Path::new(path)).await.unwrap_err();
            let opened = LocalListener::open(Path::new(path)).await.unwrap_err();
            for error in [dialled, opened] {
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
                assert!(error.to_string().contains(r"\\.\pipe\NAME"), "{error}");
            }
        }
    }
}
