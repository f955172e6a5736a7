//! This machine as a server behind a load balancer, written out again.

use serde_json::{Value, json};

use super::{object, option, time};
use crate::config::{RegisteredServer, Registration};

pub(super) fn registration(registration: &Registration) -> Value {
    let Registration {
        account,
        kind,
        group,
        balancer,
        server,
        port,
        weight,
        description,
        health,
        listener_id,
        interval,
        settle,
        leave_timeout,
    } = registration;
    let (instance, eni, ip) = match server {
        RegisteredServer::Instance(id) => (json!(id.as_deref().unwrap_or("auto")), Value::Null, Value::Null),
        RegisteredServer::Interface(id, ip) => (Value::Null, json!(id), json!(ip)),
        RegisteredServer::Address(ip) => (Value::Null, Value::Null, json!(ip)),
    };
    object([
        ("account", json!(account.name.as_str())),
        ("kind", json!(kind.as_str())),
        ("group", json!(group)),
        ("balancer", json!(balancer)),
        ("instance", instance),
        ("eni", eni),
        ("ip", ip),
        ("port", json!(port)),
        ("weight", json!(weight)),
        ("description", json!(description)),
        ("health", json!(health)),
        ("listener_id", json!(listener_id)),
        ("interval", time(*interval)),
        ("settle", time(*settle)),
        ("leave_timeout", option(*leave_timeout, time)),
    ])
}
