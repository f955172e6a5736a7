//! This machine as a server behind a load balancer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Account, BalancerKind};

/// This machine as a server of a group of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The account whose keys sign.
    pub account: Arc<Account>,
    /// The kind of balancer.
    pub kind: BalancerKind,
    /// The group; `None`: the default group of a classic balancer.
    pub group: Option<String>,
    /// The classic balancer, for its default group and for its health checks.
    pub balancer: Option<String>,
    /// Which server this machine is there.
    pub server: RegisteredServer,
    /// The port that the balancer sends to; `None` in default groups of classic balancers, which have none.
    pub port: Option<u16>,
    /// The share of traffic, 1..=100; default 100.
    pub weight: u8,
    /// What stands beside the server; default `yumen`.
    pub description: String,
    /// Whether the health of this server is read back; default no.
    pub health: bool,
    /// The listener of an application or network balancer whose health checks are read.
    pub listener_id: Option<String>,
    /// Time between looks; default 30 s.
    pub interval: Duration,
    /// Between weight 0 and removal, so that what is under way finishes; default 5 s.
    pub settle: Duration,
    /// How long leaving may take; `None`: as long as connections get to finish.
    pub leave_timeout: Option<Duration>,
}

impl Registration {
    /// The default of `weight`.
    pub const WEIGHT: u8 = 100;
    /// The default of `interval`.
    pub const INTERVAL: Duration = Duration::from_secs(30);
    /// The default of `settle`.
    pub const SETTLE: Duration = Duration::from_secs(5);
    /// The default of `description`.
    pub const DESCRIPTION: &'static str = "yumen";

    /// Whether another section is about the same entry of the same group.
    pub fn is_same_entry(&self, other: &Self) -> bool {
        let entry = |r: &Self| (r.kind, r.group.clone(), r.server.clone(), r.port);
        let balancer = |r: &Self| r.balancer.clone().filter(|_| r.group.is_none());
        entry(self) == entry(other) && balancer(self) == balancer(other) && self.account.region == other.account.region
    }
}

/// Which server this machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisteredServer {
    /// An instance of ECS; `None`: the one the metadata service tells.
    Instance(Option<String>),
    /// A network interface, perhaps by one of its addresses.
    Interface(String, Option<IpAddr>),
    /// An address.
    Address(IpAddr),
}
