//! Linux.
#![expect(unsafe_code, reason = "system calls without a safe wrapper: splice, pipe2, affinity, one socket option")]

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use socket2::Socket;
use tokio::net::TcpStream;

pub(crate) use super::unix::PORT_PATIENCE;
pub(super) use super::unix::{
    NO_OPTION, TOO_LARGE, create_folder, create_new, exposure, intrusion, is_exhausted, is_of_connection,
    is_of_datagram, lacks_family, prepare_console, raise_file_limit, replace, take_inherited,
};
use super::{HostStats, ProcessStats};

/// Several sockets may listen on one port and the kernel spreads connections over them.
pub const SHARES_PORT: bool = true;
/// Accepted sockets take TCP_NODELAY from the listener, which saves a system call per connection.
pub const INHERITS_NODELAY: bool = true;
/// Readiness is told once per change (epoll, edge triggered), so it may be laid aside with data still unread.
pub const READINESS_IS_EDGE: bool = true;
/// Bytes can move between sockets inside the kernel.
pub const HAS_SPLICE: bool = true;

/// Asked for per pipe; an unprivileged process may get less.
const PIPE_ROOM: libc::c_int = 1 << 20;
/// `USER_HZ`, the unit of `/proc/*/stat`, is 100 on every architecture Rust runs on.
const TICK: Duration = Duration::from_millis(10);

pub(crate) fn claim_port(socket: &Socket, share: bool, _exclusive: bool) -> io::Result<()> {
    // A restart must not wait for old connections in TIME_WAIT; with a live listener bind still fails.
    socket.set_reuse_address(true)?;
    if share { socket.set_reuse_port(true) } else { Ok(()) }
}

/// Without `SO_REUSEADDR`: for UDP it lets anybody who sets it too take the port.
pub(crate) fn claim_datagram_port(socket: &Socket, share: bool) -> io::Result<()> {
    if share { socket.set_reuse_port(true) } else { Ok(()) }
}

/// Gives QUIC packets to the socket, of the `known` ones that share the port, whose number is the first byte of the destination
/// connection id. An id of another length than ours, which a client has chosen, and what has no such number there are spread
/// over the first `spread` ones. The id begins behind the flags, or behind flags, version and length in a long header (RFC
/// 9000 section 17). A packet too short to have one goes to the first socket.
pub(crate) fn steer_quic(socket: &Socket, (known, spread): (usize, usize), id: u8) -> io::Result<()> {
    const fn step(code: u32, jump: (u8, u8), k: u32) -> libc::sock_filter {
        libc::sock_filter { code: code as u16, jt: jump.0, jf: jump.1, k }
    }
    let number = |n: usize| u32::try_from(n.max(1)).map_err(|_| io::ErrorKind::InvalidInput);
    let (known, spread) = (number(known)?, number(spread)?);
    const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    let mut program = [
        step(LOAD_BYTE, (0, 0), 0),
        step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, (0, 4), 0x80),
        step(LOAD_BYTE, (0, 0), 5),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, (0, 4), u32::from(id)),
        step(LOAD_BYTE, (0, 0), 6),
        step(libc::BPF_JMP | libc::BPF_JA, (0, 0), 1),
        step(LOAD_BYTE, (0, 0), 1),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, (1, 2), known),
        step(LOAD_BYTE, (0, 0), 6),
        step(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, (0, 0), spread),
        step(libc::BPF_RET | libc::BPF_A, (0, 0), 0),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the option takes a sock_fprog, whose address and size are passed; the steps it points to live until after the
    // call, which copies them; the descriptor is borrowed and open.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Nothing to be done: an answer to a client that is gone is told of once, and passed over.
pub(crate) fn ignore_resets(_socket: &Socket) {}

/// Lets datagrams be fragmented again that are larger than the way takes, which the library forbids for QUIC.
pub(crate) fn prepare_datagrams(socket: &Socket, is_ipv6: bool) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_WANT)?;
    if is_ipv6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_WANT)?;
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 0)?;
    }
    Ok(())
}

/// With a fixed source address the port is chosen at connect, by the full four-tuple, not at bind.
pub(crate) fn delay_source_port(fd: &impl AsRawFd) -> io::Result<()> {
    set_option(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
}

fn set_option(fd: &impl AsRawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: each of these options takes an int, whose address and size are passed; the descriptor is borrowed and open.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

pub(super) fn is_listening(socket: &Socket) -> io::Result<bool> {
    socket.is_listener()
}

pub(super) fn monotonic_micros() -> Option<u64> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the result is written into a live local of the type asked for.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let (seconds, nanos) = (u64::try_from(now.tv_sec).ok()?, u64::try_from(now.tv_nsec).ok()?);
    (done == 0).then_some(seconds * 1_000_000 + nanos / 1000)
}

pub(super) fn pin_to_core(core: usize) -> io::Result<()> {
    if core >= libc::CPU_SETSIZE as usize {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: cpu_set_t is plain bits, all zero is the empty set, and `core` was checked to lie within it; pid 0 is the
    // calling thread.
    let done = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A kernel pipe that carries bytes between two sockets.
#[derive(Debug)]
pub(crate) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    /// How many bytes it can hold.
    pub(crate) room: usize,
}

impl Pipe {
    pub(crate) fn open() -> io::Result<Self> {
        let mut fds: [RawFd; 2] = [-1; 2];
        // SAFETY: pipe2 writes two descriptors into the array, which has room for two.
        if unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_NONBLOCK | libc::O_CLOEXEC) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: pipe2 succeeded, so both are open descriptors that nobody else owns.
        let (read, write) = unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) };
        // SAFETY: the descriptor is open and F_SETPIPE_SZ takes an int. Refusal keeps the default of 64 KiB.
        let room = unsafe {
            libc::fcntl(write.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE_ROOM);
            libc::fcntl(write.as_raw_fd(), libc::F_GETPIPE_SZ)
        };
        Ok(Self { read, write, room: usize::try_from(room).unwrap_or(4096) })
    }
}

/// Moves what `from` has into the pipe, up to `len` bytes; 0 is the end of the stream. The pipe must be empty, so that
/// `WouldBlock` can only mean that the socket has nothing.
pub(crate) fn splice_in(from: &TcpStream, pipe: &Pipe, len: usize) -> io::Result<usize> {
    splice(from.as_raw_fd(), pipe.write.as_raw_fd(), len.min(pipe.room))
}

/// Moves up to `len` bytes from the pipe into `to`.
pub(crate) fn splice_out(pipe: &Pipe, to: &TcpStream, len: usize) -> io::Result<usize> {
    splice(pipe.read.as_raw_fd(), to.as_raw_fd(), len)
}

fn splice(from: RawFd, to: RawFd, len: usize) -> io::Result<usize> {
    // SAFETY: both descriptors are borrowed from live owners and no memory of ours is involved.
    let moved = unsafe {
        libc::splice(
            from,
            std::ptr::null_mut(),
            to,
            std::ptr::null_mut(),
            len,
            libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK,
        )
    };
    usize::try_from(moved).map_err(|_| io::Error::last_os_error())
}

pub(super) fn process_stats() -> ProcessStats {
    let mut stats = ProcessStats::default();
    if let Ok(stat) = fs::read_to_string("/proc/self/stat")
        // The command name stands in parentheses and may hold anything, so count from the last one.
        && let Some((_, rest)) = stat.rsplit_once(')')
    {
        let field =
            |n: usize| rest.split_ascii_whitespace().nth(n - 3).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
        stats.cpu_user = ticks(field(14));
        stats.cpu_system = ticks(field(15));
        stats.threads = field(20);
        stats.rss = field(24).saturating_mul(page_size());
    }
    // The walk itself holds one descriptor.
    stats.fds = fs::read_dir("/proc/self/fd").map_or(0, |dir| (dir.count() as u64).saturating_sub(1));
    stats
}

pub(super) fn host_stats() -> HostStats {
    let mut stats = HostStats::default();
    if let Ok(stat) = fs::read_to_string("/proc/stat")
        && let Some(line) = stat.lines().next()
    {
        // user nice system idle iowait irq softirq steal; guest time is already within user.
        let times: Vec<u64> = line.split_ascii_whitespace().skip(1).take(8).map(|v| v.parse().unwrap_or(0)).collect();
        let total: u64 = times.iter().sum();
        let idle: u64 = times.iter().skip(3).take(2).sum();
        stats.cpu_total = ticks(total);
        stats.cpu_busy = ticks(total - idle);
    }
    if let Ok(info) = fs::read_to_string("/proc/meminfo") {
        let kib = |key: &str| {
            info.lines()
                .find_map(|l| l.strip_prefix(key))
                .and_then(|l| l.split_ascii_whitespace().next()?.parse::<u64>().ok())
                .unwrap_or(0)
        };
        stats.memory_total = kib("MemTotal:") * 1024;
        stats.memory_available = kib("MemAvailable:") * 1024;
    }
    stats
}

fn ticks(n: u64) -> Duration {
    Duration::from_millis(n.saturating_mul(TICK.as_millis() as u64))
}

fn page_size() -> u64 {
    // SAFETY: sysconf reads a constant of the system.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn process_and_host_figures_are_plausible() {
        let me = process_stats();
        assert!(me.rss > 1 << 20 && me.threads >= 1 && me.fds >= 3, "{me:?}");
        let host = host_stats();
        assert!(host.memory_total > host.memory_available && host.memory_available > 0, "{host:?}");
        assert!(host.cpu_total > host.cpu_busy && host.cpu_busy > Duration::ZERO, "{host:?}");
    }

    #[test]
    fn thread_is_pinned_to_an_existing_core_only() {
        std::thread::spawn(|| {
            pin_to_core(0).unwrap();
            assert!(pin_to_core(1 << 20).is_err());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn pipe_holds_at_least_the_default() {
        assert!(Pipe::open().unwrap().room >= 4096);
    }
}
