//! What concerns the cloud: one file for each kind of section.

pub(super) mod accelerator;
pub(super) mod account;
pub(super) mod certificate;
mod dynamic_dns;
mod log_output;
mod metric_output;
pub(super) mod registration;
mod nat;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ctx::Ctx;
use super::named;
use super::names::Known;
use super::section::Section;
use crate::config::{Accelerator, Cloud, DynamicDnsName};
use crate::keys;
use crate::yaml::{Name, Node, Place};

/// The sections that concern the cloud, and what other sections have to know of them.
pub(super) struct Read<'s> {
    pub(super) cloud: Cloud,
    /// The accelerators with their places.
    pub(super) accelerators: Vec<(Arc<Accelerator>, Place)>,
    /// As they were written.
    pub(super) accelerator_nodes: Vec<(&'s Name, &'s Node)>,
}

/// The sections of all files that concern the cloud.
pub(super) fn cloud<'s>(
    ctx: &Ctx<'_>,
    files: &[Section<'s>],
    accounts: &account::Accounts<'_>,
    upstreams: &Known<'_>,
    certificate_names: &Known<'_>,
) -> Read<'s> {
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
    let accelerator_nodes = named(ctx, files, "accelerators");
    let accelerators = accelerator::read(ctx, &accelerator_nodes, accounts, (upstreams, certificate_names));
    let cloud = Cloud {
        accounts: accounts.all(),
        dynamic_dns,
        log_outputs: outputs(ctx, files, ("log_outputs", &keys::LOG_OUTPUT), |section| {
            log_output::log_output(section, accounts)
        }),
        metric_outputs: outputs(ctx, files, ("metric_outputs", &keys::METRIC_OUTPUT), |section| {
            metric_output::metric_output(section, accounts)
        }),
        authorities,
        dns_providers,
        certificates,
        accelerators: accelerators.iter().map(|(a, _)| (a.name.clone(), Arc::clone(a))).collect(),
        nat_gateways: nat::read(ctx, files, accounts),
        // Read when listeners are known.
        registrations: BTreeMap::new(),
    };
    Read { cloud, accelerators, accelerator_nodes }
}

/// The sections of one kind of output.
fn outputs<N: Ord + for<'n> From<&'n str>, T>(
    ctx: &Ctx<'_>,
    files: &[Section<'_>],
    (key, table): (&'static str, &'static keys::Table),
    read: impl Fn(&Section<'_>) -> Option<T>,
) -> BTreeMap<N, Arc<T>> {
    let one = |(name, node): (&Name, &Node)| {
        let section = Section::open(ctx, node, table)?;
        Some((N::from(&*name.text), Arc::new(read(&section)?)))
    };
    named(ctx, files, key).into_iter().filter_map(one).collect()
}
