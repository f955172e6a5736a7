//! Dynamic DNS.

use crate::keys::{Kind, Table, key};

pub(crate) static DYNAMIC_DNS: Table = Table {
    name: "dynamic_dns",
    doc: "Records in AliDNS that are kept at the addresses of this machine.",
    keys: &[
        key("account", Kind::Text, "", "The account of Alibaba Cloud whose zones they are in."),
        key("names", Kind::List(&Kind::Host), "required", "The full names, such as `home.example.com`."),
        key("zone", Kind::Host, "", "The zone of all of them; without it the longest one of the account that fits."),
        key(
            "types",
            Kind::List(&Kind::OneOf(&["A", "AAAA"])),
            "",
            "Which records there must be; without it those for which the source tells an address.",
        ),
        key("source", Kind::Section(&ADDRESS_SOURCE), "required", "Where the addresses come from."),
        key(
            "ttl",
            Kind::Duration,
            "",
            "How long resolvers may keep an answer; it is raised to the shortest that the edition of the zone allows. \
             Without it new records get 10 minutes and others keep theirs.",
        ),
        key("interval", Kind::Duration, "5m", "How often addresses and records are compared."),
        key("line", Kind::Text, "default", "For whom the records are, as AliDNS calls it; `default` is everybody."),
        key(
            "exclusive",
            Kind::Bool,
            "false",
            "Whether the names belong to this machine alone: other records of the same name, type and line are replaced and \
             deleted.",
        ),
        key(
            "private",
            Kind::Bool,
            "false",
            "Whether private and loopback addresses may be published; `source: {metadata: private}` says so by itself.",
        ),
    ],
};

pub(crate) static ADDRESS_SOURCE: Table = Table {
    name: "dynamic_dns source",
    doc: "Where the addresses come from: one of these ways. One that fails leaves the records as they are.",
    keys: &[
        key("interface", Kind::Text, "", "A network interface, such as `eth0` or `Ethernet`; its lasting addresses."),
        key(
            "metadata",
            Kind::OneOf(&["eip", "private", "ipv6"]),
            "",
            "What the metadata service of the ECS instance knows: the elastic IP address, the private one, or the IPv6 \
             addresses.",
        ),
        key(
            "url",
            Kind::List(&Kind::Text),
            "",
            "A server that answers with the address it sees, or several; https unless it begins with `http://`.",
        ),
        key("field", Kind::Text, "", "Where the address stands when the server answers JSON: `ip` or `data.ip`."),
        key(
            "command",
            Kind::List(&Kind::Text),
            "",
            "A program with its arguments, run without a shell, that prints it.",
        ),
        key("addresses", Kind::List(&Kind::Text), "", "The addresses themselves."),
    ],
};
