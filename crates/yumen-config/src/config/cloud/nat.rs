//! A NAT gateway whose SNAT entries and addresses are looked after.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::Account;
use crate::config::NatGatewayName;

/// A NAT gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatGateway {
    /// Its name.
    pub name: NatGatewayName,
    /// Whose it is.
    pub account: Arc<Account>,
    /// Its id, such as `ngw-…`.
    pub gateway: String,
    /// The SNAT entries it should have; empty: it does not matter.
    pub entries: Vec<SnatWish>,
    /// The addresses it should have, from which traffic leaves; empty: it does not matter.
    pub egress: Vec<IpAddr>,
    /// Whether entries that are missing are created; default no.
    pub create: bool,
    /// How often it is looked at; default 5 minutes.
    pub interval: Duration,
}

impl NatGateway {
    /// The default of `interval`.
    pub const INTERVAL: Duration = Duration::from_secs(300);
}

/// An SNAT entry as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnatWish {
    /// Whose traffic it takes.
    pub source: SnatSource,
    /// The addresses it gives that traffic. Never empty.
    pub addresses: Vec<IpAddr>,
}

/// Whose traffic an SNAT entry takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SnatSource {
    /// That of a network.
    Network(IpNet),
    /// That of a switch, by its id.
    Switch(String),
}

impl fmt::Display for SnatSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(net) => write!(f, "{net}"),
            Self::Switch(id) => f.write_str(id),
        }
    }
}
