//! What concerns the cloud: one file for each kind of section.

pub(super) mod account;

use crate::config::Cloud;

/// The sections of all files that concern the cloud.
pub(super) fn cloud(accounts: &account::Accounts<'_>) -> Cloud {
    Cloud { accounts: accounts.all() }
}
