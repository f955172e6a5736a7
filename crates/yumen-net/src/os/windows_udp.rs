//! UDP sockets of Windows.
#![expect(unsafe_code, reason = "socket options and controls have no safe wrapper")]

use std::io;
use std::os::windows::io::AsRawSocket;
use std::ptr;

use socket2::Socket;
use windows_sys::Win32::Networking::WinSock::{
    IP_DONTFRAGMENT, IPPROTO_IP, IPPROTO_IPV6, IPV6_DONTFRAG, SIO_UDP_CONNRESET, SIO_UDP_NETRESET, SOCKET, WSAEMSGSIZE,
    WSAENETRESET, WSAENOPROTOOPT, WSAEOPNOTSUPP, WSAIoctl, setsockopt,
};

/// Exclusive, as for streams.
pub(crate) fn claim_datagram_port(socket: &Socket, share: bool) -> io::Result<()> {
    super::windows::claim_port(socket, share, true)
}

/// Keeps answers to clients that are gone from failing what is received next.
pub(crate) fn ignore_resets(socket: &Socket) {
    for control in [SIO_UDP_CONNRESET, SIO_UDP_NETRESET] {
        // Systems without the control tell no such errors, and those that are told are passed over when they come.
        if let Err(error) = switch_off(socket.as_raw_socket() as SOCKET, control) {
            tracing::debug!(%error, "resets of UDP are still told");
        }
    }
}

/// Lets datagrams be fragmented again, which the library forbids for QUIC.
pub(crate) fn prepare_datagrams(socket: &Socket, is_ipv6: bool) -> io::Result<()> {
    let handle = socket.as_raw_socket() as SOCKET;
    // A socket for both families has both options; one for IPv6 only refuses that of IPv4.
    let plain = set_option(handle, IPPROTO_IP, IP_DONTFRAGMENT);
    if is_ipv6 {
        set_option(handle, IPPROTO_IPV6, IPV6_DONTFRAG)?;
    } else {
        plain?;
    }
    Ok(())
}

pub(super) const TOO_LARGE: i32 = WSAEMSGSIZE;
pub(super) const NO_OPTION: [i32; 2] = [WSAEOPNOTSUPP, WSAENOPROTOOPT];

pub(super) fn is_of_datagram(e: &io::Error) -> bool {
    e.raw_os_error() == Some(WSAENETRESET)
}

/// Ports are not shared here.
pub(crate) fn steer_quic(_socket: &Socket, _sockets: (usize, usize), _id: u8) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn set_option(socket: SOCKET, level: i32, name: i32) -> io::Result<()> {
    let off: u32 = 0;
    // SAFETY: each of these options takes a DWORD, whose address and size are passed; the socket is borrowed and open.
    let done = unsafe { setsockopt(socket, level, name, (&raw const off).cast(), size_of::<u32>() as i32) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn switch_off(socket: SOCKET, control: u32) -> io::Result<()> {
    let (off, mut written) = (0i32, 0u32);
    // SAFETY: both controls take a BOOL and give nothing back; the addresses are of live locals, the socket is open, and
    // without an OVERLAPPED the call has ended when it returns.
    let done = unsafe {
        WSAIoctl(
            socket,
            control,
            (&raw const off).cast(),
            size_of::<i32>() as u32,
            ptr::null_mut(),
            0,
            &raw mut written,
            ptr::null_mut(),
            None,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
