//! The metadata service of a cloud gives out keys of the machine that asks, so nobody may reach it through the gateway by a
//! name that leads there. An endpoint that is written as the address itself is meant.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds have theirs: Alibaba Cloud; Alibaba Cloud and nearly all others; by IPv6.
const V4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(169, 254, 169, 254)];
const V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Whether an address is that of a metadata service, in whatever form it is written.
pub(super) fn is_metadata(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => V4.contains(&v4),
        IpAddr::V6(v6) => v6 == V6 || translated(v6).is_some_and(|v4| V4.contains(&v4)),
    }
}

/// The IPv4 address that a translator on the way makes of one (RFC 6052 section 2.1), or that stands for itself at the end
/// of zeros (RFC 4291 section 2.5.5.1).
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn metadata_service_is_known_in_every_form() {
        for (address, expected) in [
            ("100.100.100.200", true),
            ("169.254.169.254", true),
            ("::ffff:169.254.169.254", true),
            ("::100.100.100.200", true),
            ("64:ff9b::a9fe:a9fe", true),
            ("fd00:ec2::254", true),
            ("100.100.100.201", false),
            ("169.254.169.253", false),
            ("64:ff9b:1::a9fe:a9fe", false),
            ("::1", false),
        ] {
            assert_eq!(is_metadata(address.parse().unwrap()), expected, "{address}");
        }
    }
}
