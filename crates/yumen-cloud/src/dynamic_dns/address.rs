//! Which addresses may be told to the world.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What speaks against an address in a public record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    /// It is of a private network or of this machine alone: allowed where the configuration says so.
    Private,
    /// It can never be of use to anybody, or leads clients to the metadata service of wherever they run.
    Never,
}

/// What speaks against publishing an address, if anything.
pub(super) fn objection(address: IpAddr) -> Option<Objection> {
    match address.to_canonical() {
        IpAddr::V4(four) => objection_v4(four),
        IpAddr::V6(six) => objection_v6(six),
    }
}

fn objection_v4(address: Ipv4Addr) -> Option<Objection> {
    let [a, b, ..] = address.octets();
    let is_metadata = address.octets() == [100, 100, 100, 200];
    if is_metadata || a == 0 || a >= 240 || address.is_link_local() || address.is_multicast() {
        return Some(Objection::Never);
    }
    // 100.64.0.0/10 is shared by carriers (RFC 6598), and by Alibaba Cloud for services of its own.
    let is_shared = a == 100 && b & 0xc0 == 64;
    (address.is_private() || address.is_loopback() || is_shared).then_some(Objection::Private)
}

fn objection_v6(address: Ipv6Addr) -> Option<Objection> {
    if address.is_unspecified() || address.is_multicast() || address.is_unicast_link_local() {
        return Some(Objection::Never);
    }
    (address.is_unique_local() || address.is_loopback()).then_some(Objection::Private)
}

/// The addresses that may be published, each once and sorted, and those that may not.
pub(super) fn sift(addresses: Vec<IpAddr>, is_private_allowed: bool) -> (Vec<IpAddr>, Vec<IpAddr>) {
    let canonical = addresses.into_iter().map(|address| address.to_canonical());
    let (mut good, mut refused): (Vec<_>, Vec<_>) = canonical.partition(|address| match objection(*address) {
        None => true,
        Some(Objection::Private) => is_private_allowed,
        Some(Objection::Never) => false,
    });
    for list in [&mut good, &mut refused] {
        list.sort();
        list.dedup();
    }
    (good, refused)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_addresses_of_the_internet_pass_by_themselves() {
        let check = |text: &str| objection(text.parse().unwrap());
        for text in ["203.0.113.7", "100.63.0.1", "100.128.0.1", "2001:db8::1", "::ffff:203.0.113.7"] {
            assert_eq!(check(text), None, "{text}");
        }
        for text in
            ["10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "100.64.0.1", "fd00::1", "::1", "::ffff:10.0.0.1"]
        {
            assert_eq!(check(text), Some(Objection::Private), "{text}");
        }
        for text in [
            "0.0.0.0",
            "100.100.100.200",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "fe80::1",
            "::",
            "ff02::1",
        ] {
            assert_eq!(check(text), Some(Objection::Never), "{text}");
        }
    }

    #[test]
    fn each_address_is_told_once() {
        let addresses =
            ["203.0.113.7", "::ffff:203.0.113.7", "10.0.0.1", "169.254.0.1"].map(|text| text.parse().unwrap());
        let list = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        assert_eq!(sift(addresses.to_vec(), false), (list(&["203.0.113.7"]), list(&["10.0.0.1", "169.254.0.1"])));
        assert_eq!(sift(addresses.to_vec(), true), (list(&["10.0.0.1", "203.0.113.7"]), list(&["169.254.0.1"])));
    }
}
