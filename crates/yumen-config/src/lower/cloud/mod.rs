//! What concerns the cloud: one file for each kind of section.

pub(super) mod account;

use super::ctx::Ctx;
use super::section::Section;
use crate::config::Cloud;

/// The sections of all files that concern the cloud.
pub(super) fn cloud(ctx: &Ctx<'_>, files: &[Section<'_>]) -> Cloud {
    let accounts = account::Accounts::read(ctx, files);
    Cloud { accounts: accounts.all() }
}
