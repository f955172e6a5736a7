//! What is known of an accelerator, as a whole; kept on the disk as JSON.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use yumen_config::config::Accelerator;

/// What an accelerator asks of the machines behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Which accelerator it is of, in the words of the section: a section that means another one begins anew.
    pub target: String,
    /// The id of the accelerator.
    pub accelerator: String,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it changed last, in seconds since 1970.
    pub time: u64,
    /// Its listeners by id.
    pub listeners: BTreeMap<String, Wanted>,
}

/// What a listener of an accelerator sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// What is spoken to the machines behind it.
    pub spoken: Spoken,
    /// The ports it connects to, both ends included, ascending.
    pub ports: Vec<(u16, u16)>,
    /// Whether one client is to meet one endpoint, by its address.
    pub by_source: bool,
    /// Whether connections begin with a header of the PROXY protocol.
    pub is_proxied: bool,
    /// The addresses from which it connects, ascending.
    pub from: Vec<IpAddr>,
    /// Why it cannot be served at all, whatever the templates are.
    pub problem: Option<String>,
}

/// What an accelerator speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spoken {
    /// Bytes.
    Tcp,
    /// Datagrams.
    Udp,
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Spoken {
    /// As in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Wanted {
    /// How many ports it has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ports.iter().map(|(from, to)| usize::from(to.saturating_sub(*from)) + 1).sum()
    }

    /// Its ports.
    pub fn each_port(&self) -> impl Iterator<Item = u16> + '_ {
        self.ports.iter().flat_map(|(from, to)| *from..=*to)
    }

    /// Whether all of another one's ports are among its own.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let inside = |(from, to): &(u16, u16)| self.ports.iter().any(|(a, b)| a <= from && to <= b);
        other.ports.iter().all(inside)
    }
}

/// Which accelerator a section means, and which of its machines this one is.
#[must_use]
pub fn target(section: &Accelerator) -> String {
    let Accelerator { account, id, title, tags, endpoint, .. } = section;
    let endpoints = account.endpoints.get("ga").map(String::as_str).unwrap_or_default();
    format!("{} {endpoints} {id:?} {title:?} {tags:?} {endpoint:?}", account.name)
}
