//! An account of Alibaba Cloud: whose keys sign, where it is asked and how.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{AccountName, Secret};

/// An account of Alibaba Cloud. Who names one holds it, so that a section is another one when its account is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// The region, such as `cn-hangzhou`.
    pub region: String,
    /// Where the keys come from.
    pub keys: CloudKeys,
    /// Roles that are taken on, each with the keys of the one before.
    pub roles: Vec<AssumedRole>,
    /// How requests are signed; default ACS3-HMAC-SHA256.
    pub signature: Signature,
    /// Whether services are asked through the private network of the region; default no.
    pub private: bool,
    /// Where products are asked instead of their usual places: an URL without a path, by the short name of the product;
    /// `metadata` is the metadata service.
    pub endpoints: BTreeMap<String, String>,
}

/// Where the keys of an account come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CloudKeys {
    /// Where the vendor's libraries look, in their order.
    #[default]
    Chain,
    /// A key of a user, perhaps one for a time.
    Key {
        /// Its identifier.
        id: Secret,
        /// What signs.
        secret: Secret,
        /// The token of a key for a time.
        token: Option<Secret>,
    },
    /// The role of the ECS instance.
    EcsRole {
        /// Its name; `None`: the one that is attached.
        role: Option<String>,
    },
    /// A profile of a file that the vendor's command line writes.
    Profile {
        /// Its name; `None`: the current one.
        profile: Option<String>,
        /// The file; `None`: `~/.aliyun/config.json`.
        file: Option<PathBuf>,
    },
    /// A token of an identity provider, such as that of a Kubernetes service account (RRSA).
    Oidc {
        /// The provider: `acs:ram::<account>:oidc-provider/<name>`.
        provider: String,
        /// The role: `acs:ram::<account>:role/<name>`.
        role: String,
        /// The file with the token.
        token_file: PathBuf,
    },
}

/// A role that is taken on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumedRole {
    /// `acs:ram::<account>:role/<name>`.
    pub arn: String,
    /// What the session is called in logs of the cloud; default `yumen`.
    pub session: String,
    /// How long a key lasts; default 1 h.
    pub duration: Duration,
    /// A secret that the owner of the role demands of strangers.
    pub external_id: Option<Secret>,
}

/// How requests are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signature {
    /// ACS3-HMAC-SHA256.
    #[default]
    V3,
    /// The older signatures, for servers that do not know the newer one.
    V1,
}

impl Signature {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V3 => "v3",
            Self::V1 => "v1",
        }
    }
}
