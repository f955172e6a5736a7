//! What concerns the cloud, written out again.

mod certificate;

pub(super) use certificate::{authority, dns_provider, obtained};

use serde_json::{Value, json};

use super::{MASK, listener, object, option, path, text, texts, time};
use crate::config::{
    Accelerator, Account, AssumedRole, CloudKeys, NatGateway, Secret, SnatSource, SnatWish, Templates,
};

/// An account; no key is shown, an identifier neither.
pub(super) fn account(account: &Account) -> Value {
    let Account { name: _, region, keys, roles, signature, private, endpoints } = account;
    object([
        ("region", json!(region)),
        ("keys", cloud_keys(keys)),
        ("assume_role", roles.iter().map(role).collect()),
        ("signature", json!(signature.as_str())),
        ("private", json!(private)),
        ("endpoints", json!(endpoints)),
    ])
}

/// An accelerator.
pub(super) fn accelerator(accelerator: &Accelerator) -> Value {
    let Accelerator { name: _, account, id, title, tags, endpoint, interval, bind, max_ports, template, by_source } =
        accelerator;
    let Templates { tcp, udp, http, https } = template;
    let each = [("tcp", tcp), ("udp", udp), ("http", http), ("https", https)];
    let templates = each.into_iter().filter_map(|(key, one)| Some((key.to_owned(), listener(one.as_ref()?))));
    let by_source = by_source.iter().map(|(of, to)| (of.to_string(), text(to)));
    object([
        ("account", text(&account.name)),
        ("id", json!(id)),
        ("title", json!(title)),
        ("tags", json!(tags)),
        ("endpoint", json!(endpoint)),
        ("interval", time(*interval)),
        ("bind", texts(bind)),
        ("max_ports", json!(max_ports)),
        ("template", Value::Object(templates.collect())),
        ("by_source", Value::Object(by_source.collect())),
    ])
}

/// A NAT gateway.
pub(super) fn nat_gateway(gateway: &NatGateway) -> Value {
    let NatGateway { name: _, account, gateway, entries, egress, create, interval } = gateway;
    let entry = |SnatWish { source, addresses }: &SnatWish| {
        let (network, switch) = match source {
            SnatSource::Network(net) => (text(net), Value::Null),
            SnatSource::Switch(id) => (Value::Null, json!(id)),
        };
        object([("network", network), ("vswitch", switch), ("addresses", texts(addresses))])
    };
    object([
        ("account", text(&account.name)),
        ("gateway", json!(gateway)),
        ("entries", entries.iter().map(entry).collect()),
        ("egress", texts(egress)),
        ("create", json!(create)),
        ("interval", time(*interval)),
    ])
}

fn cloud_keys(keys: &CloudKeys) -> Value {
    match keys {
        CloudKeys::Chain => json!("chain"),
        CloudKeys::Key { id, secret: key, token } => object([
            ("access_key_id", secret(id)),
            ("access_key_secret", secret(key)),
            ("security_token", option(token.as_ref(), secret)),
        ]),
        CloudKeys::EcsRole { role } => json!({"ecs_role": role.as_deref().unwrap_or("auto")}),
        CloudKeys::Profile { profile, file } => object([
            ("profile", json!(profile.as_deref().unwrap_or("current"))),
            ("profile_file", option(file.as_deref(), path)),
        ]),
        CloudKeys::Oidc { provider, role, token_file } => {
            json!({"oidc": {"provider": provider, "role": role, "token_file": path(token_file)}})
        }
    }
}

fn role(role: &AssumedRole) -> Value {
    let AssumedRole { arn, session, duration, external_id } = role;
    object([
        ("arn", json!(arn)),
        ("session", json!(session)),
        ("duration", time(*duration)),
        ("external_id", option(external_id.as_ref(), secret)),
    ])
}

/// A secret: where it is, but not what it is.
pub(super) fn secret(secret: &Secret) -> Value {
    match secret {
        Secret::Literal(_) => json!(MASK),
        Secret::File(path) => json!(format!("${{file:{}}}", path.display())),
        Secret::Kms(secret) => json!(format!("${{kms:{secret}}}")),
    }
}
