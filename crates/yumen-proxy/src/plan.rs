//! What becomes of the sockets between two snapshots.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::snapshot::Snapshot;
use crate::view::Key;

/// Sockets to open and to close; all others are kept, whatever else about their listener changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ListenerPlan {
    pub(crate) open: Vec<Key>,
    pub(crate) close: Vec<Key>,
}

impl ListenerPlan {
    /// From what is open to what a snapshot asks for. Not from the snapshot before: an address of it may have been lost.
    pub(crate) fn between(open: impl Iterator<Item = Key>, next: &Snapshot) -> Self {
        let before: BTreeSet<Key> = open.collect();
        let after = next.addresses().map(|(carrier, addr, name)| Key::new(carrier, addr, &name)).collect();
        let list = |a: &BTreeSet<Key>, b: &BTreeSet<Key>| a.difference(b).cloned().collect();
        Self { open: list(&after, &before), close: list(&before, &after) }
    }
}

/// Whether one of two addresses may keep the other from being opened: the same port, and one of them is every address.
/// `[::]` takes IPv4 as well.
pub(crate) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (any || one.ip() == other.ip())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_address_of_a_port_is_in_the_way_of_each_of_them() {
        let overlap = |one: &str, other: &str| overlap(one.parse().unwrap(), other.parse().unwrap());
        assert!(overlap("0.0.0.0:80", "127.0.0.1:80") && overlap("127.0.0.1:80", "[::]:80"));
        assert!(overlap("[::]:80", "0.0.0.0:80") && overlap("[::1]:80", "[::1]:80"));
        assert!(!overlap("127.0.0.1:80", "127.0.0.2:80") && !overlap("0.0.0.0:80", "127.0.0.1:81"));
        assert!(!overlap("0.0.0.0:0", "127.0.0.1:0"));
    }
}
