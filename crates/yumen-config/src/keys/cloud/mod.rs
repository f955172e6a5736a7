//! What concerns the cloud: one file for each kind of section.

mod account;
mod certificate;
mod dynamic_dns;

pub(crate) use account::*;
pub(crate) use certificate::*;
pub(crate) use dynamic_dns::*;
