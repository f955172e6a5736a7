//! Where endpoints are found, written out again.

use serde_json::{Value, json};

use super::{object, option, time};
use crate::config::{Discover, DiscoverFrom, Instances, ServerGroup};

pub(super) fn discover(discover: &Discover) -> Value {
    let Discover { from, account, port, tls, interval } = discover;
    let (account, port) = (json!(account.name.as_str()), json!(port));
    match from {
        DiscoverFrom::Ecs(Instances { tags, vpc, zones, security_group, address, weight_tag, labels }) => json!({
            "ecs": object([
                ("account", account),
                ("tags", json!(tags)),
                ("vpc", option(vpc.as_ref(), |vpc| json!(vpc))),
                ("zone", json!(zones)),
                ("security_group", option(security_group.as_ref(), |group| json!(group))),
                ("port", port),
                ("address", json!(address.as_str())),
                ("tls", json!(tls)),
                ("weight_tag", option(weight_tag.as_ref(), |tag| json!(tag))),
                ("labels", json!(labels)),
                ("interval", time(*interval)),
            ]),
        }),
        DiscoverFrom::ServerGroup(ServerGroup { kind, id }) => json!({
            "server_group": object([
                ("account", account),
                ("kind", json!(kind.as_str())),
                ("id", json!(id)),
                ("port", port),
                ("tls", json!(tls)),
                ("interval", time(*interval)),
            ]),
        }),
    }
}
