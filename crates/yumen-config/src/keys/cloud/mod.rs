//! What concerns the cloud: one file for each kind of section.

mod account;

pub(crate) use account::*;
