//! An accelerator of Global Accelerator, whose listeners become listeners of the gateway.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use super::Account;
use crate::config::{Listener, ListenerName, UpstreamName};

/// An accelerator in front of the gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Accelerator {
    /// Its name, by which routes mean all listeners that are made of it.
    pub name: ListenerName,
    /// Whose it is.
    pub account: Arc<Account>,
    /// Its id; `None`: it is found by the other two. One of the three is there.
    pub id: Option<String>,
    /// Its name in the cloud.
    pub title: Option<String>,
    /// Tags that it has, all of them.
    pub tags: BTreeMap<String, String>,
    /// How the accelerator's endpoint groups name this machine; empty: whatever they have is meant.
    pub endpoint: Vec<String>,
    /// How often it is looked at; default 1 minute.
    pub interval: Duration,
    /// The addresses listeners are bound to; default every one. Never empty.
    pub bind: Vec<IpAddr>,
    /// The most ports of one listener of the accelerator; default 64.
    pub max_ports: usize,
    /// What listeners are made of.
    pub template: Templates,
    /// For listeners with client affinity: the upstream that stands in for the one of the template.
    pub by_source: BTreeMap<UpstreamName, UpstreamName>,
}

/// Listeners without name and address, by what the accelerator speaks to them; at least one is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Templates {
    /// For TCP.
    pub tcp: Option<Listener>,
    /// For UDP.
    pub udp: Option<Listener>,
    /// For HTTP.
    pub http: Option<Listener>,
    /// For HTTP over TLS.
    pub https: Option<Listener>,
}

impl Templates {
    /// Those that are there.
    pub fn all(&self) -> impl Iterator<Item = &Listener> {
        [&self.tcp, &self.udp, &self.http, &self.https].into_iter().flatten()
    }
}

impl Accelerator {
    /// The default of `interval`.
    pub const INTERVAL: Duration = Duration::from_secs(60);
    /// The default of `max_ports`: each port is a socket for every worker.
    pub const MAX_PORTS: usize = 64;
    /// The default of `bind`: every address, IPv6 and IPv4.
    pub const BIND: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
}
