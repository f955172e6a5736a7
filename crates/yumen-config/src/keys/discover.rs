//! Where endpoints are found.

use super::{Kind, Table, key};

pub(crate) static DISCOVER: Table = Table {
    name: "upstream discover",
    doc: "Where endpoints are found that are not written down: one of `ecs` and `server_group`. Those that leave finish \
          what they have in flight; a failing answer changes nothing.",
    keys: &[
        key("ecs", Kind::Section(&DISCOVER_ECS), "", "Instances of ECS that run, by tag, VPC, zone or security group."),
        key("server_group", Kind::Section(&DISCOVER_GROUP), "", "The servers of a group of a load balancer."),
    ],
};

pub(crate) static DISCOVER_ECS: Table = Table {
    name: "discover ecs",
    doc: "Instances of ECS as endpoints. At least one of `tags`, `vpc`, `zone` and `security_group` says which; all that \
          are there must fit.",
    keys: &[
        key("account", Kind::Text, "the one called default, or the only one", "The account, of `alibaba`."),
        key("tags", Kind::Map(&Kind::Text), "", "Tags that all of them have: `{app: web}`."),
        key("vpc", Kind::Text, "", "Their VPC."),
        key("zone", Kind::List(&Kind::Text), "", "Their zone, or several."),
        key("security_group", Kind::Text, "", "A security group they are in."),
        key("port", Kind::Number, "required", "The port of each endpoint."),
        key("address", Kind::OneOf(ADDRESSES), "private", "Which address of an instance is the endpoint."),
        key("tls", Kind::Bool, "false", "Whether TLS is spoken to them; see `tls` of the upstream."),
        key("weight_tag", Kind::Text, "", "The tag that holds the weight, 0 to 65535; without it the weight is 1."),
        key("labels", Kind::List(&Kind::Text), "", "Tags that are shown as labels of an endpoint, beside its zone."),
        key("interval", Kind::Duration, "30s", "Time between questions."),
    ],
};

static ADDRESSES: &[&str] = &["private", "eip", "public", "ipv6"];

pub(crate) static DISCOVER_GROUP: Table = Table {
    name: "discover server_group",
    doc: "The servers of a group of a load balancer as endpoints, with their weights.",
    keys: &[
        key("account", Kind::Text, "the one called default, or the only one", "The account, of `alibaba`."),
        key("kind", Kind::OneOf(BALANCER_KINDS), "required", "The kind of balancer."),
        key(
            "id",
            Kind::Text,
            "required",
            "The id of the group; with `clb` that of a vserver group, or that of a balancer for its default group.",
        ),
        key(
            "port",
            Kind::Number,
            "that of the server",
            "The port of each endpoint; needed where servers have none: all ports (NLB), default groups (CLB).",
        ),
        key("tls", Kind::Bool, "false", "Whether TLS is spoken to them; see `tls` of the upstream."),
        key("interval", Kind::Duration, "30s", "Time between questions."),
    ],
};

pub(crate) static BALANCER_KINDS: &[&str] = &["alb", "nlb", "clb"];
