//! What becomes of the sockets between two snapshots.

use std::collections::BTreeSet;

use crate::snapshot::Snapshot;
use crate::view::Key;

/// Sockets to open and to close; all others are kept, whatever else about their listener changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ListenerPlan {
    pub(crate) open: Vec<Key>,
    pub(crate) close: Vec<Key>,
}

impl ListenerPlan {
    pub(crate) fn between(previous: &Snapshot, next: &Snapshot) -> Self {
        let keys = |s: &Snapshot| -> BTreeSet<(std::net::SocketAddr, Option<std::sync::Arc<str>>)> {
            s.addresses().map(|(addr, name)| Key::new(addr, &name)).map(|k| (k.addr, k.name)).collect()
        };
        let (before, after) = (keys(previous), keys(next));
        let list = |a: &BTreeSet<_>, b: &BTreeSet<_>| {
            a.difference(b).cloned().map(|(addr, name)| Key { addr, name }).collect()
        };
        Self { open: list(&after, &before), close: list(&before, &after) }
    }
}
