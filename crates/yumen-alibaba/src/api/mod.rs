//! Calls with types, one module for each product, with the fields of the vendor's models that a gateway has a use for.
//!
//! Fields that are not named here are ignored, and numbers are also taken as texts: products do not agree. What is done
//! already counts as success: a record that is there, a server that is gone.

pub mod alb;
pub mod cas;
pub mod dns;
pub mod ecs;
pub mod ga;
mod group;
pub mod kms;
pub mod nlb;
pub mod oss;
pub mod slb;
pub mod sls;
pub mod sts;
pub mod vpc;

use serde::Deserialize;

pub use group::{GroupHealth, GroupServer, MemberId, NonNormalServer, Reason};

/// A tag of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Tag {
    /// The key.
    #[serde(alias = "Key", alias = "TagKey")]
    pub key: String,
    /// The value.
    #[serde(alias = "Value", alias = "TagValue")]
    pub value: String,
}

/// An answer of which nothing is of use.
#[derive(Deserialize)]
struct Done {}
