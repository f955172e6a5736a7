//! Names that are kept at the addresses of this machine.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Account;

/// Records in AliDNS that follow an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicDns {
    /// Whose zones they are in.
    pub account: Arc<Account>,
    /// The full names, in lower case and without a dot at the end; never empty.
    pub names: Vec<String>,
    /// The zone of all of them; `None`: the longest one of the account that fits.
    pub zone: Option<String>,
    /// Whether there are records of IPv4 addresses.
    pub a: Want,
    /// Whether there are records of IPv6 addresses.
    pub aaaa: Want,
    /// Where the addresses come from.
    pub source: AddressSource,
    /// In seconds; `None`: that of the service for new records, and any for those that are there.
    pub ttl: Option<u32>,
    /// How often addresses and records are compared; default 5 minutes.
    pub interval: Duration,
    /// For whom the records are; default `default`, everybody.
    pub line: String,
    /// Whether records of the name that are not ours are changed and deleted too; default false.
    pub exclusive: bool,
    /// Whether private and loopback addresses are told to the world; default false.
    pub private: bool,
}

/// Whether there are records of a family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// No, and those that are there are left alone.
    Never,
    /// When there is such an address.
    Maybe,
    /// Yes; it is a failure when there is no such address.
    Must,
}

/// Where addresses come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// A network interface of this machine.
    Interface(String),
    /// The metadata service of the instance.
    Metadata(MetadataAddress),
    /// What servers answer.
    Url {
        /// They are all asked; never empty.
        urls: Vec<String>,
        /// Where in JSON the address stands, names joined by dots; `None`: the answer is text.
        field: Option<String>,
    },
    /// What a program prints: the program and its arguments; never empty.
    Command(Vec<String>),
    /// These.
    Addresses(Vec<IpAddr>),
}

/// An address that the metadata service knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataAddress {
    /// The private IPv4 address.
    Private,
    /// The elastic IP address.
    Eip,
    /// The IPv6 addresses of the primary network interface.
    Ipv6,
}
