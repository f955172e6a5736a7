//! The addresses of the network interfaces of this machine.

use std::io;
use std::net::IpAddr;

/// One address of a network interface that is up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceAddress {
    /// The interface as the system's own tools call it: `eth0`, `Ethernet`.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Whether others may be told of it: false for IPv6 addresses that are temporary (RFC 8981), on their way out
    /// (deprecated, RFC 4862 section 5.5.4) or not yet sure to be the only one of their kind.
    pub is_lasting: bool,
}

/// All addresses of the interfaces that are up, sorted by interface and address.
///
/// # Errors
/// What the system says.
pub fn interface_addresses() -> io::Result<Vec<InterfaceAddress>> {
    let mut list = super::interface_system::addresses()?;
    list.sort();
    list.dedup();
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_its_loopback_address() {
        let list = interface_addresses().unwrap_or_else(|error| panic!("{error}"));
        let own = list.iter().find(|entry| entry.address == IpAddr::from([127, 0, 0, 1]));
        assert!(own.is_some_and(|entry| entry.is_lasting && !entry.interface.is_empty()), "{list:?}");
    }
}
