//! Addresses of interfaces, from `getifaddrs`. What kind of IPv6 address one is, it does not tell: Linux tells that in
//! `/proc/net/if_inet6`; elsewhere every address counts as lasting.
#![expect(unsafe_code, reason = "the list of interfaces has no safe wrapper")]

use std::collections::HashSet;
use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

use super::interface::InterfaceAddress;

pub(super) fn addresses() -> io::Result<Vec<InterfaceAddress>> {
    let passing = passing();
    let mut first: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: the list is written into a live local.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = first;
    while !next.is_null() {
        // SAFETY: the entry belongs to the list, which is freed only below.
        let entry = unsafe { &*next };
        if entry.ifa_flags & libc::IFF_UP as libc::c_uint != 0
            && let Some(address) = address(entry.ifa_addr)
        {
            // SAFETY: the name is a text with its zero, of the same list.
            let interface = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
            let is_lasting = !matches!(address, IpAddr::V6(six) if passing.contains(&six));
            found.push(InterfaceAddress { interface, address, is_lasting });
        }
        next = entry.ifa_next;
    }
    // SAFETY: the list came from `getifaddrs`, and nothing of it is used any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

/// The address behind a pointer of the list; `None` for other families, and for interfaces without an address.
fn address(socket: *const libc::sockaddr) -> Option<IpAddr> {
    if socket.is_null() {
        return None;
    }
    // SAFETY: every socket address begins with its family.
    match i32::from(unsafe { (*socket).sa_family }) {
        libc::AF_INET => {
            // SAFETY: the family says that it is this structure; it may be aligned for the general one only.
            let four = unsafe { socket.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from(u32::from_be(four.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let six = unsafe { socket.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(Ipv6Addr::from(six.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

/// The IPv6 addresses that do not last.
fn passing() -> HashSet<Ipv6Addr> {
    std::fs::read_to_string("/proc/net/if_inet6").map(|text| parse(&text)).unwrap_or_default()
}

/// Flags of `linux/if_addr.h`: temporary 0x01, duplicate found 0x08, deprecated 0x20, tentative 0x40.
const PASSING: u32 = 0x01 | 0x08 | 0x20 | 0x40;

/// Reads lines of address, number of the interface, length of the prefix, scope, flags and name, all but the last in
/// hexadecimal.
fn parse(text: &str) -> HashSet<Ipv6Addr> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let address = u128::from_str_radix(words.next()?, 16).ok()?;
        let flags = u32::from_str_radix(words.nth(3)?, 16).ok()?;
        (flags & PASSING != 0).then(|| Ipv6Addr::from(address))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn temporary_and_deprecated_addresses_do_not_last() {
        let text = "\
20010db8000000000000000000000001 02 40 00 80     eth0
20010db8000000000000000000000002 02 40 00 01     eth0
20010db8000000000000000000000003 02 40 00 120     eth0
20010db8000000000000000000000004 02 40 00 c0     eth0
torn 02
";
        let expected = ["2001:db8::2", "2001:db8::3", "2001:db8::4"].map(|text| text.parse().unwrap());
        assert_eq!(parse(text), HashSet::from(expected));
    }
}
