//! NAT gateways.

use crate::keys::{Kind, Table, key};

pub(crate) static NAT_GATEWAY: Table = Table {
    name: "nat_gateway",
    doc: "A NAT gateway of a VPC: its SNAT entries and addresses are shown in the status, beside what is wanted of them.",
    keys: &[
        super::ACCOUNT_NAME,
        key("gateway", Kind::Text, "required", "Its id, such as `ngw-bp1…`."),
        key("entries", Kind::List(&Kind::Section(&SNAT_ENTRY)), "", "The SNAT entries it should have."),
        key("egress", Kind::List(&Kind::Text), "", "The addresses it should have, from which traffic leaves."),
        key(
            "create",
            Kind::Bool,
            "false",
            "Creates entries that are missing, one at a time. Nothing is ever changed or deleted.",
        ),
        key("interval", Kind::Duration, "5m", "How often it is looked at, a tenth more or less."),
    ],
};

pub(crate) static SNAT_ENTRY: Table = Table {
    name: "nat_gateway entry",
    doc: "An SNAT entry; exactly one of `network` and `vswitch`.",
    keys: &[
        key("network", Kind::Network, "", "The network whose traffic it takes."),
        key("vswitch", Kind::Text, "", "The switch whose traffic it takes, by its id."),
        key("addresses", Kind::List(&Kind::Text), "required", "The EIPs of the gateway that its traffic leaves by."),
    ],
};
