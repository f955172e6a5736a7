//! What concerns the cloud: one file for each kind of section.

mod accelerator;
mod account;
mod certificate;
mod dynamic_dns;
mod log_output;
mod metric_output;
mod registration;
mod nat;

pub(crate) use accelerator::*;
pub(crate) use account::*;
pub(crate) use certificate::*;
pub(crate) use dynamic_dns::*;
pub(crate) use log_output::*;
pub(crate) use metric_output::*;
pub(crate) use nat::*;
pub(crate) use registration::*;

use super::{Key, Kind, key};

/// The account of a section.
const ACCOUNT_NAME: Key =
    key("account", Kind::Text, "", "The account; without it the one called `default`, or the only one.");
