//! What concerns the cloud: one file for each kind of section.

pub(super) mod account;
pub(super) mod certificate;
mod dynamic_dns;

use std::sync::Arc;

use super::ctx::Ctx;
use super::named;
use super::section::Section;
use crate::config::{Cloud, DynamicDnsName};
use crate::keys;

/// The sections of all files that concern the cloud.
pub(super) fn cloud(ctx: &Ctx<'_>, files: &[Section<'_>], accounts: &account::Accounts<'_>) -> Cloud {
    let dynamic_dns = named(ctx, files, "dynamic_dns")
        .into_iter()
        .filter_map(|(name, node)| {
            let section = Section::open(ctx, node, &keys::DYNAMIC_DNS)?;
            let read = dynamic_dns::dynamic_dns(&section, accounts)?;
            Some((DynamicDnsName::from(&*name.text), Arc::new(read)))
        })
        .collect();
    let certificate::Certificates { authorities, dns_providers, certificates } =
        certificate::Certificates::read(ctx, files, accounts);
    Cloud { accounts: accounts.all(), dynamic_dns, authorities, dns_providers, certificates }
}
