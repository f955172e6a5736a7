//! Unix systems other than Linux: correct, not tuned.
#![expect(unsafe_code, reason = "process figures have no safe wrapper")]

use std::io;
use std::time::Duration;

use socket2::Socket;
use tokio::net::TcpStream;

pub(crate) use super::unix::PORT_PATIENCE;
pub(super) use super::unix::{
    NO_OPTION, TOO_LARGE, create_folder, create_new, exposure, intrusion, is_exhausted, is_of_connection,
    is_of_datagram, lacks_family, prepare_console, raise_file_limit, replace, take_inherited,
};
use super::{HostStats, ProcessStats};

/// `SO_REUSEPORT` exists but does not spread connections.
pub const SHARES_PORT: bool = false;
/// Not relied upon.
pub const INHERITS_NODELAY: bool = false;
/// Readiness is told once per change (kqueue, edge triggered).
pub const READINESS_IS_EDGE: bool = true;
/// No splice between sockets.
pub const HAS_SPLICE: bool = false;

pub(crate) fn claim_port(socket: &Socket, _share: bool, _exclusive: bool) -> io::Result<()> {
    socket.set_reuse_address(true)
}

pub(crate) fn claim_datagram_port(_socket: &Socket, _share: bool) -> io::Result<()> {
    Ok(())
}

pub(crate) fn steer_quic(_socket: &Socket, _sockets: (usize, usize), _id: u8) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing to be done: an answer to a client that is gone is told of once, and passed over.
pub(crate) fn ignore_resets(_socket: &Socket) {}

pub(crate) fn prepare_datagrams(_socket: &Socket, _is_ipv6: bool) -> io::Result<()> {
    Ok(())
}

pub(crate) fn delay_source_port<T>(_socket: &T) -> io::Result<()> {
    Ok(())
}

pub(super) fn is_listening(socket: &Socket) -> io::Result<bool> {
    socket.local_addr().map(|_| true)
}

pub(super) fn monotonic_micros() -> Option<u64> {
    None
}

pub(super) fn pin_to_core(_core: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
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

pub(super) fn process_stats() -> ProcessStats {
    // SAFETY: rusage is plain numbers, for which all zero is valid, and getrusage fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let time = |t: libc::timeval| Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64);
    ProcessStats { cpu_user: time(usage.ru_utime), cpu_system: time(usage.ru_stime), ..ProcessStats::default() }
}

pub(super) fn host_stats() -> HostStats {
    HostStats::default()
}
