//! Addresses of interfaces, from `GetAdaptersAddresses`.
#![expect(unsafe_code, reason = "the list of adapters has no safe wrapper")]

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::windows::ffi::OsStringExt as _;
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_BUFFER_OVERFLOW, ERROR_NO_DATA, ERROR_SUCCESS};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GAA_FLAG_SKIP_ANYCAST, GAA_FLAG_SKIP_DNS_SERVER, GAA_FLAG_SKIP_MULTICAST, GetAdaptersAddresses,
    IP_ADAPTER_ADDRESSES_LH, IP_ADAPTER_UNICAST_ADDRESS_LH,
};
use windows_sys::Win32::NetworkManagement::Ndis::IfOperStatusUp;
use windows_sys::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, AF_UNSPEC, IpDadStatePreferred, IpSuffixOriginRandom, SOCKADDR_IN, SOCKADDR_IN6, SOCKET_ADDRESS,
};

use super::interface::InterfaceAddress;
use super::windows_private::until_zero;

/// How often the list may have grown between the question for its size and its being read.
const ATTEMPTS: usize = 4;

pub(super) fn addresses() -> io::Result<Vec<InterfaceAddress>> {
    // The size that the documentation recommends to begin with; in words of 8 bytes, for the structures want that alignment.
    let mut size: u32 = 16 * 1024;
    for _ in 0..ATTEMPTS {
        let mut buffer = vec![0u64; (size as usize).div_ceil(8)];
        let first: *mut IP_ADAPTER_ADDRESSES_LH = buffer.as_mut_ptr().cast();
        let flags = GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST | GAA_FLAG_SKIP_DNS_SERVER;
        // SAFETY: the buffer is as large as is told and aligned as its content; the size is a live local.
        let outcome = unsafe { GetAdaptersAddresses(u32::from(AF_UNSPEC), flags, ptr::null(), first, &raw mut size) };
        match outcome {
            // SAFETY: the list was just written into the buffer, which lives until the function returns.
            ERROR_SUCCESS => return Ok(unsafe { read(first) }),
            ERROR_NO_DATA => return Ok(Vec::new()),
            ERROR_BUFFER_OVERFLOW => {}
            code => return Err(io::Error::from_raw_os_error(code.cast_signed())),
        }
    }
    Err(io::Error::other("the list of adapters grows faster than it can be read"))
}

/// # Safety
/// `next` is null or the head of a list that `GetAdaptersAddresses` wrote and that still lives.
unsafe fn read(mut next: *const IP_ADAPTER_ADDRESSES_LH) -> Vec<InterfaceAddress> {
    let mut found = Vec::new();
    while !next.is_null() {
        // SAFETY: every pointer of a living list is null or points into it.
        let adapter = unsafe { &*next };
        next = adapter.Next;
        if adapter.OperStatus != IfOperStatusUp || adapter.FriendlyName.is_null() {
            continue;
        }
        // SAFETY: the name is a text with its zero, in the list.
        let name = OsString::from_wide(unsafe { until_zero(adapter.FriendlyName) }).to_string_lossy().into_owned();
        let mut unicast: *const IP_ADAPTER_UNICAST_ADDRESS_LH = adapter.FirstUnicastAddress;
        while !unicast.is_null() {
            // SAFETY: as above.
            let entry = unsafe { &*unicast };
            unicast = entry.Next;
            // SAFETY: as above.
            if let Some(address) = unsafe { address(&entry.Address) } {
                let is_lasting = address.is_ipv4()
                    || (entry.DadState == IpDadStatePreferred && entry.SuffixOrigin != IpSuffixOriginRandom);
                found.push(InterfaceAddress { interface: name.clone(), address, is_lasting });
            }
        }
    }
    found
}

/// # Safety
/// `socket` is of a list that still lives.
unsafe fn address(socket: &SOCKET_ADDRESS) -> Option<IpAddr> {
    let pointer = socket.lpSockaddr;
    let length = usize::try_from(socket.iSockaddrLength).unwrap_or_default();
    if pointer.is_null() {
        return None;
    }
    // SAFETY: every socket address begins with its family, and is as long as is told.
    unsafe {
        match (*pointer).sa_family {
            AF_INET if length >= size_of::<SOCKADDR_IN>() => {
                let four = pointer.cast::<SOCKADDR_IN>().read_unaligned();
                Some(Ipv4Addr::from(u32::from_be(four.sin_addr.S_un.S_addr)).into())
            }
            AF_INET6 if length >= size_of::<SOCKADDR_IN6>() => {
                let six = pointer.cast::<SOCKADDR_IN6>().read_unaligned();
                Some(Ipv6Addr::from(six.sin6_addr.u.Byte).into())
            }
            _ => None,
        }
    }
}
