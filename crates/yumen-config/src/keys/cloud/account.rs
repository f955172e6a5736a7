//! Accounts of Alibaba Cloud.

use crate::keys::{Kind, Table, key};

pub(crate) static ACCOUNT: Table = Table {
    name: "account",
    doc: "An account of Alibaba Cloud: whose keys sign, where it is asked and how. Sections name one by `account`; without \
          a name they take the one called `default`, or the only one.",
    keys: &[
        key("region", Kind::Text, "required", "The region, such as `cn-hangzhou`."),
        key(
            "keys",
            Kind::Either(&[Kind::OneOf(&["chain"]), Kind::Section(&ACCOUNT_KEYS)]),
            "chain",
            "Where the keys come from; `chain` looks where the vendor's libraries do, in their order.",
        ),
        key(
            "assume_role",
            Kind::List(&Kind::Section(&ASSUMED_ROLE)),
            "",
            "A role to take on, or several, each with the keys of the one before.",
        ),
        key("signature", Kind::OneOf(&["v3", "v1"]), "v3", "`v1` is for servers that do not know ACS3-HMAC-SHA256."),
        key("private", Kind::Bool, "false", "Ask services through the private network of the region."),
        key(
            "endpoints",
            Kind::Map(&Kind::Text),
            "",
            "Where products are asked instead of their usual places, such as `ecs: https://ecs.example.com`; `metadata` is \
             the metadata service.",
        ),
    ],
};

pub(crate) static ACCOUNT_KEYS: Table = Table {
    name: "account keys",
    doc: "Where the keys of an account come from: one of the four ways.",
    keys: &[
        key("access_key_id", Kind::Secret, "", "The identifier of a key; better keep none and use a role."),
        key("access_key_secret", Kind::Secret, "", "What signs; goes with `access_key_id`."),
        key("security_token", Kind::Secret, "", "The token of a key that is good for a time."),
        key("ecs_role", Kind::Text, "", "The role of the ECS instance; `auto` takes the one that is attached."),
        key("profile", Kind::Text, "", "A profile of the vendor's command line; `current` takes the current one."),
        key("profile_file", Kind::Path, "~/.aliyun/config.json", "The file of the profile."),
        key(
            "oidc",
            Kind::Section(&ACCOUNT_OIDC),
            "",
            "A token of an identity provider, such as a service account's (RRSA).",
        ),
    ],
};

pub(crate) static ACCOUNT_OIDC: Table = Table {
    name: "account keys oidc",
    doc: "A token of an identity provider.",
    keys: &[
        key("provider", Kind::Text, "required", "`acs:ram::<account>:oidc-provider/<name>`."),
        key("role", Kind::Text, "required", "`acs:ram::<account>:role/<name>`."),
        key("token_file", Kind::Path, "required", "The file with the token; it is read anew each time."),
    ],
};

pub(crate) static ASSUMED_ROLE: Table = Table {
    name: "account assume_role",
    doc: "A role to take on.",
    keys: &[
        key("arn", Kind::Text, "required", "`acs:ram::<account>:role/<name>`."),
        key("session", Kind::Text, "yumen", "What the session is called in logs of the cloud."),
        key("duration", Kind::Duration, "1h", "How long a key lasts, 15 minutes at least."),
        key("external_id", Kind::Secret, "", "A secret that the owner of the role demands of strangers."),
    ],
};
