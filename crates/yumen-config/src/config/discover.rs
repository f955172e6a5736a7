//! Where an upstream's endpoints are found when they are not written down.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Account;

/// Where endpoints are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discover {
    /// Who is asked, and for what.
    pub from: DiscoverFrom,
    /// The account whose keys sign.
    pub account: Arc<Account>,
    /// The port of endpoints; `None`: the one that is found.
    pub port: Option<u16>,
    /// Whether TLS is spoken to them; default no.
    pub tls: bool,
    /// Time between questions; default 30 s.
    pub interval: Duration,
}

impl Discover {
    /// The default of `interval`: what the service asks its callers to keep.
    pub const INTERVAL: Duration = Duration::from_secs(30);
}

/// Who is asked for endpoints, and for which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiscoverFrom {
    /// Instances of ECS that run.
    Ecs(Instances),
    /// The servers of a group of a load balancer.
    ServerGroup(ServerGroup),
}

/// What is looked for, in words that do not change while it stays the same, and without the account's keys.
impl fmt::Display for Discover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.account.name, self.account.region)?;
        if let Some(port) = self.port {
            write!(f, " port {port}")?;
        }
        match &self.from {
            DiscoverFrom::Ecs(Instances { tags, vpc, zones, security_group, address, weight_tag, labels }) => {
                write!(f, " ecs {} {tags:?} {vpc:?} {zones:?} {security_group:?}", address.as_str())?;
                write!(f, " {weight_tag:?} {labels:?}")
            }
            DiscoverFrom::ServerGroup(ServerGroup { kind, id }) => write!(f, " {} {id}", kind.as_str()),
        }
    }
}

/// Which instances of ECS are endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instances {
    /// Tags that all of them have.
    pub tags: BTreeMap<String, String>,
    /// Their VPC; `None`: any.
    pub vpc: Option<String>,
    /// Their zones; empty: any.
    pub zones: Vec<String>,
    /// A security group they are in; `None`: any.
    pub security_group: Option<String>,
    /// Which of their addresses is the endpoint; default the private one.
    pub address: InstanceAddress,
    /// The tag that holds their weight; an instance without it has weight 1.
    pub weight_tag: Option<String>,
    /// Tags that are shown as labels of the endpoint, beside the zone.
    pub labels: Vec<String>,
}

/// Which address of an instance is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InstanceAddress {
    /// The first private address in the VPC.
    #[default]
    Private,
    /// The elastic address that is bound to it.
    Eip,
    /// The public address that belongs to it.
    Public,
    /// The first address of IPv6.
    Ipv6,
}

impl InstanceAddress {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Private, Self::Eip, Self::Public, Self::Ipv6];

    /// As in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Eip => "eip",
            Self::Public => "public",
            Self::Ipv6 => "ipv6",
        }
    }
}

/// A group of servers behind a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerGroup {
    /// The kind of balancer.
    pub kind: BalancerKind,
    /// The id of the group; of a classic balancer also that of the balancer itself, for its default group.
    pub id: String,
}

/// A kind of load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalancerKind {
    /// Application load balancer.
    Alb,
    /// Network load balancer.
    Nlb,
    /// Classic load balancer.
    Clb,
}

impl BalancerKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Alb, Self::Nlb, Self::Clb];

    /// As in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alb => "alb",
            Self::Nlb => "nlb",
            Self::Clb => "clb",
        }
    }
}
