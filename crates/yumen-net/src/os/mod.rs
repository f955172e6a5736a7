//! The differences between operating systems, behind one set of names. The only room with `unsafe`.
//!
//! Each system has one file with the same functions; callers never ask which system they are on, they ask for an ability
//! ([`SHARES_PORT`], [`HAS_SPLICE`], [`READINESS_IS_EDGE`]) and get a plain answer.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;

#[cfg(all(unix, not(target_os = "linux")))]
mod other;
#[cfg(all(unix, not(target_os = "linux")))]
use other as system;

#[cfg(unix)]
mod unix;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
mod windows_private;
#[cfg(windows)]
pub mod windows_service;
#[cfg(windows)]
pub mod windows_system;
#[cfg(windows)]
mod windows_udp;
#[cfg(windows)]
use windows as system;

#[cfg(unix)]
mod successor;
#[cfg(not(unix))]
#[path = "no_successor.rs"]
mod successor;

#[cfg(unix)]
mod passage;
#[cfg(not(unix))]
#[path = "no_passage.rs"]
mod passage;

mod interface;
#[cfg(unix)]
#[path = "unix_interface.rs"]
mod interface_system;
#[cfg(windows)]
#[path = "windows_interface.rs"]
mod interface_system;

mod access;
mod private;

use std::path::Path;
use std::time::Duration;

use socket2::Socket;

pub use access::{FileAccess, grant};
pub use interface::{InterfaceAddress, interface_addresses};
pub use private::{create_private, create_private_folder, private_folder};
pub use successor::{Predecessor, Successor};
pub use system::{HAS_SPLICE, INHERITS_NODELAY, READINESS_IS_EDGE, SHARES_PORT};
#[cfg(unix)]
pub use unix::{LocalListener, LocalStream};
#[cfg(windows)]
pub use windows::{LocalListener, LocalStream};

pub(crate) use passage::Passage;
pub(crate) use system::{
    PORT_PATIENCE, Pipe, claim_datagram_port, claim_port, delay_source_port, ignore_resets, prepare_datagrams,
    splice_in, splice_out, steer_quic,
};

/// A socket on its way to another process, with the label by which that one knows it. A label has no `;` and no `=`.
#[derive(Debug)]
pub struct Parcel {
    /// What it is.
    pub label: String,
    /// The socket, open in both processes.
    pub socket: Socket,
}

/// Copies what a socket holds into `buf` without taking it; 0 is the end of the stream.
pub(crate) fn peek(tcp: &tokio::net::TcpStream, buf: &mut [u8]) -> std::io::Result<usize> {
    // SAFETY: initialised bytes are valid as possibly uninitialised ones, and `peek` only ever writes initialised bytes
    // into the part it reports.
    #[expect(unsafe_code, reason = "socket2 takes possibly uninitialised memory")]
    let buf = unsafe { &mut *(std::ptr::from_mut(buf) as *mut [std::mem::MaybeUninit<u8>]) };
    socket2::SockRef::from(tcp).peek(buf)
}

/// Ties the calling thread to one CPU core, counted from 0.
///
/// # Errors
/// What the system says, and `Unsupported` where it cannot be done; a worker runs on without it.
pub fn pin_to_core(core: usize) -> std::io::Result<()> {
    system::pin_to_core(core)
}

/// Says how others than the owner can reach a secret file, or `None` when they cannot.
///
/// The text is ready for the operator and carries the remedy. On Unix others are all but the owner; on Windows, where
/// rights are given to one account after the other, they are the groups that ordinary users are in.
///
/// # Errors
/// The file's metadata cannot be read.
pub fn exposure(path: &Path) -> std::io::Result<Option<String>> {
    system::exposure(path)
}

/// Says how others can put files into a folder that is ours, or `None` when they cannot. As [`exposure`].
///
/// # Errors
/// The folder's metadata cannot be read.
pub fn intrusion(path: &Path) -> std::io::Result<Option<String>> {
    system::intrusion(path)
}

/// Takes the sockets that whoever started the process has opened for it: descriptors from 3 on, as many as asked for. The
/// caller knows that they are there and are its own; it asks once. None on systems that start services without sockets.
///
/// # Errors
/// A descriptor is not open.
pub(crate) fn take_inherited(count: usize) -> std::io::Result<Vec<Socket>> {
    system::take_inherited(count)
}

/// Whether a socket that came from elsewhere is one that accepts connections.
pub(crate) fn is_listening(socket: &Socket) -> std::io::Result<bool> {
    system::is_listening(socket)
}

/// Microseconds of the clock that a service manager compares with its own (`CLOCK_MONOTONIC`); `None` where no service
/// manager asks for it.
pub fn monotonic_micros() -> Option<u64> {
    system::monotonic_micros()
}

/// Moves a file over another one in one step. Where a file that somebody holds open cannot be replaced, it is tried
/// again for a fifth of a second; blocks meanwhile.
///
/// # Errors
/// What the system says; both files are as they were then.
pub fn replace(from: &Path, to: &Path) -> std::io::Result<()> {
    system::replace(from, to)
}

/// Makes a console show colours where it does not by itself. Call it once, before anything is written.
pub fn prepare_console() {
    system::prepare_console();
}

/// Lets this process open as many files and sockets as the system allows it to: the usual limit of Unix systems, 1024, is
/// meant for programs of another kind. What cannot be raised stays.
pub fn raise_file_limit() {
    system::raise_file_limit();
}

/// The process or the machine is out of descriptors or buffers.
pub(crate) fn is_exhausted(e: &std::io::Error) -> bool {
    system::is_exhausted(e) || e.kind() == std::io::ErrorKind::OutOfMemory
}

/// An error of accept that is of the connection that was about to be accepted, not of the listener.
pub(crate) fn is_of_connection(e: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(
        e.kind(),
        K::ConnectionAborted
            | K::ConnectionReset
            | K::Interrupted
            | K::NetworkDown
            | K::NetworkUnreachable
            | K::HostUnreachable
            | K::TimedOut
            | K::PermissionDenied
    ) || system::is_of_connection(e)
}

/// An error of a UDP socket that is of one datagram it sent before, not of the socket: the other side's port is closed, or
/// there was no way to it.
pub(crate) fn is_of_datagram(e: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(
        e.kind(),
        K::ConnectionRefused | K::ConnectionReset | K::Interrupted | K::NetworkUnreachable | K::HostUnreachable
    ) || system::is_of_datagram(e)
}

/// The socket has no such option, here.
pub(crate) fn lacks_option(e: &std::io::Error) -> bool {
    e.raw_os_error().is_some_and(|code| system::NO_OPTION.contains(&code))
}

/// A datagram was larger than can be sent.
pub(crate) fn is_too_large(e: &std::io::Error) -> bool {
    e.raw_os_error() == Some(system::TOO_LARGE)
}

/// The system does not speak that address family.
pub(crate) fn lacks_family(e: &std::io::Error) -> bool {
    system::lacks_family(e)
}

/// What the process itself uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessStats {
    /// Resident memory in bytes.
    pub rss: u64,
    /// CPU time spent in user mode since start.
    pub cpu_user: Duration,
    /// CPU time spent in the kernel since start.
    pub cpu_system: Duration,
    /// Open file descriptors or handles.
    pub fds: u64,
    /// Threads.
    pub threads: u64,
}

/// What the machine uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostStats {
    /// CPU time of all cores that was not idle, since boot.
    pub cpu_busy: Duration,
    /// CPU time of all cores, since boot.
    pub cpu_total: Duration,
    /// Physical memory in bytes.
    pub memory_total: u64,
    /// Memory that could be given out without swapping, in bytes.
    pub memory_available: u64,
}

/// Figures of this process. What the system does not tell stays 0.
pub fn process_stats() -> ProcessStats {
    system::process_stats()
}

/// Figures of this machine. What the system does not tell stays 0.
pub fn host_stats() -> HostStats {
    system::host_stats()
}
