//! This machine as a server behind a load balancer.

use crate::keys::{BALANCER_KINDS, Kind, Table, key};

pub(crate) static REGISTRATION: Table = Table {
    name: "registration",
    doc: "This machine as a server of a group of a load balancer: added when the gateway serves, removed before it stops.",
    keys: &[
        key("account", Kind::Text, "the one called default, or the only one", "The account, of `alibaba`."),
        key("kind", Kind::OneOf(BALANCER_KINDS), "required", "The kind of balancer."),
        key(
            "group",
            Kind::Text,
            "required but with `clb`",
            "The id of the server group; with `clb` of the vserver group, without it the default group of `balancer`.",
        ),
        key("balancer", Kind::Text, "", "The id of a classic balancer, for its default group and for `health`."),
        key("instance", Kind::Text, "auto", "The instance that this machine is; `auto` asks the metadata service."),
        key("eni", Kind::Text, "", "The network interface that is the server, in place of the instance."),
        key("ip", Kind::Text, "", "The address that is the server, in a group of addresses; or that of `eni`."),
        key("port", Kind::Number, "required without `listener`", "The port that the balancer sends to."),
        key("listener", Kind::Text, "", "The listener whose port that is, in place of `port`."),
        key("weight", Kind::Number, "100", "The share of traffic, 1 to 100."),
        key("description", Kind::Text, "yumen", "What stands beside the server."),
        key("health", Kind::Bool, "false", "Read back how the balancer finds this server."),
        key(
            "listener_id",
            Kind::Text,
            "required with `health` but for `clb`",
            "The listener of the balancer that checks.",
        ),
        key("interval", Kind::Duration, "30s", "Time between looks."),
        key("settle", Kind::Duration, "5s", "Time between weight 0 and removal, in which what is under way finishes."),
        key("leave_timeout", Kind::Duration, "that of `runtime.drain_timeout`", "How long leaving may take."),
    ],
};
