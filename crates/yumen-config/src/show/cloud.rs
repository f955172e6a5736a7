//! What concerns the cloud, written out again.

mod certificate;

pub(super) use certificate::{authority, dns_provider, obtained};

use serde_json::{Value, json};

use super::{MASK, object, option, path, time};
use crate::config::{Account, AssumedRole, CloudKeys, Secret};

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
