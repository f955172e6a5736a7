//! What a configuration needs to be allowed in the cloud, and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use yumen_alibaba::policy::{Need, least};
use yumen_config::config::{
    Account, BalancerKind, Config, Discover, DiscoverFrom, DnsProviderKind, Obtained, Registration,
};

/// A policy and whose it has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The account of the configuration.
    pub account: String,
    /// The role that needs it; `None`: whoever the keys of the account belong to.
    pub role: Option<String>,
    /// The policy, as the RAM console takes it.
    pub policy: Value,
}

/// The least policies for a configuration, in the order of its accounts. An account that needs no permission has none.
///
/// The number of an account stands in the ARN of its role; where it is not known a `*` stands in its place.
#[must_use]
pub fn policies(config: &Config) -> Vec<Policy> {
    let mut wants = Wants::of(config);
    let mut all = Vec::new();
    for account in config.cloud.accounts.values() {
        let wanted = wants.0.remove(account.name.as_str()).unwrap_or_default();
        let arns: Vec<&str> = account.roles.iter().map(|role| role.arn.as_str()).collect();
        // Each role is taken on with the keys of what stands before it.
        for (at, arn) in arns.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|before| arns.get(before));
            all.push(Policy {
                account: account.name.to_string(),
                role: before.map(|arn| (*arn).to_owned()),
                policy: least(before.map_or("*", |arn| number(arn)), &[Need::Role { arn }]),
            });
        }
        if wanted.is_empty() {
            continue;
        }
        let id = arns.last().map_or("*", |arn| number(arn));
        let statements: Vec<Want> = wanted.into_iter().collect();
        all.push(Policy {
            account: account.name.to_string(),
            role: arns.last().map(|arn| (*arn).to_owned()),
            policy: written(id, &account.region, &statements),
        });
    }
    all
}

/// The number of an account in the name of one of its roles: `acs:ram::<account>:role/<name>`.
fn number(arn: &str) -> &str {
    arn.split(':').nth(3).filter(|number| !number.is_empty()).unwrap_or("*")
}

/// Something that is wanted in an account: a [`Need`] whose words are its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Want {
    Acme(BTreeSet<String>),
    DynamicDns(BTreeSet<String>),
    Instances,
    Group(Balancer, String, bool),
    Health(Balancer),
    Nat(bool),
    Accelerator,
    Secrets(BTreeSet<String>),
    /// A project and a store.
    Logs(String, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Balancer {
    Alb,
    Nlb,
    Clb,
}

/// By the name of the account.
#[derive(Default)]
struct Wants(BTreeMap<String, BTreeSet<Want>>);

impl Wants {
    fn of(config: &Config) -> Self {
        let mut wants = Self::default();
        let cloud = &config.cloud;
        for section in cloud.dynamic_dns.values() {
            let zones = zones(section.zone.as_deref(), &section.names);
            if section.exclusive {
                wants.add(&section.account, Want::Acme(zones.clone()));
            }
            wants.add(&section.account, Want::DynamicDns(zones));
        }
        cloud.certificates.values().for_each(|certificate| wants.certificate(certificate));
        for accelerator in cloud.accelerators.values() {
            wants.add(&accelerator.account, Want::Accelerator);
        }
        for output in cloud.log_outputs.values() {
            wants.add(&output.account, Want::Logs(output.project.clone(), output.store.clone()));
        }
        for gateway in cloud.nat_gateways.values() {
            wants.add(&gateway.account, Want::Nat(gateway.create));
        }
        cloud.registrations.values().for_each(|registration| wants.registration(registration));
        config.upstreams.values().filter_map(|u| u.discover.as_ref()).for_each(|discover| wants.discover(discover));
        let mut secrets: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let kept = config.kms_secrets();
        for secret in kept.keys() {
            // An ARN names the secret by its last part.
            let name = secret.name.rsplit_once(":secret/").map_or(&*secret.name, |(_, name)| name);
            secrets.entry(secret.account.as_str()).or_default().insert(name.to_owned());
        }
        for (account, names) in secrets {
            wants.0.entry(account.to_owned()).or_default().insert(Want::Secrets(names));
        }
        wants
    }

    fn add(&mut self, account: &Arc<Account>, want: Want) {
        self.0.entry(account.name.to_string()).or_default().insert(want);
    }

    fn certificate(&mut self, certificate: &Obtained) {
        for provider in &certificate.dns_providers {
            if let DnsProviderKind::AliDns { account, zone } = &provider.kind {
                let own = |name: &&String| {
                    let name = name.trim_start_matches("*.");
                    let fits = |zone: &String| name == zone || name.ends_with(&format!(".{zone}"));
                    provider.names.is_empty() || provider.names.iter().any(fits)
                };
                let names: Vec<String> = certificate.names.iter().filter(own).cloned().collect();
                self.add(account, Want::Acme(zones(zone.as_deref(), &names)));
            }
        }
    }

    fn registration(&mut self, registration: &Registration) {
        let place = match registration.kind {
            BalancerKind::Clb => registration.balancer.as_ref().or(registration.group.as_ref()),
            BalancerKind::Alb | BalancerKind::Nlb => registration.group.as_ref(),
        };
        if registration.health && registration.kind != BalancerKind::Clb {
            self.add(&registration.account, Want::Health(balancer(registration.kind)));
        }
        if let Some(id) = place {
            self.add(&registration.account, Want::Group(balancer(registration.kind), id.clone(), true));
        }
    }

    fn discover(&mut self, discover: &Discover) {
        match &discover.from {
            DiscoverFrom::Ecs(_) => {}
            DiscoverFrom::ServerGroup(group) => {
                let want = Want::Group(balancer(group.kind), group.id.clone(), false);
                self.add(&discover.account, want);
            }
        }
        // The addresses of the servers of a group are those of instances.
        self.add(&discover.account, Want::Instances);
    }
}

fn balancer(kind: BalancerKind) -> Balancer {
    match kind {
        BalancerKind::Alb => Balancer::Alb,
        BalancerKind::Nlb => Balancer::Nlb,
        BalancerKind::Clb => Balancer::Clb,
    }
}

/// The zones that names may be in: the one that is named, or else everything that a name ends in, because which of them is a
/// zone only the service knows.
fn zones(zone: Option<&str>, names: &[String]) -> BTreeSet<String> {
    if let Some(zone) = zone {
        return BTreeSet::from([zone.to_owned()]);
    }
    let mut all = BTreeSet::new();
    for name in names {
        let mut rest = name.trim_start_matches("*.");
        while rest.contains('.') {
            all.insert(rest.to_owned());
            rest = rest.split_once('.').map_or("", |(_, rest)| rest);
        }
    }
    all
}

fn written(account: &str, region: &str, wants: &[Want]) -> Value {
    let texts: Vec<Vec<&str>> = wants
        .iter()
        .map(|want| match want {
            Want::Acme(all) | Want::DynamicDns(all) | Want::Secrets(all) => all.iter().map(String::as_str).collect(),
            Want::Group(_, id, _) => vec![id.as_str()],
            Want::Instances | Want::Health(_) | Want::Nat(_) | Want::Accelerator | Want::Logs(..) => Vec::new(),
        })
        .collect();
    let needs: Vec<Need<'_>> = wants
        .iter()
        .zip(&texts)
        .map(|(want, texts)| match want {
            Want::Acme(_) => Need::Acme { zones: texts },
            Want::DynamicDns(_) => Need::DynamicDns { zones: texts },
            Want::Instances => Need::Instances { region },
            Want::Group(Balancer::Alb, _, change) => Need::Alb { region, groups: texts, change: *change },
            Want::Group(Balancer::Nlb, _, change) => Need::Nlb { region, groups: texts, change: *change },
            Want::Group(Balancer::Clb, _, change) => Need::Clb { region, balancers: texts, change: *change },
            Want::Health(Balancer::Alb) => Need::BalancerHealth { product: "alb" },
            // A classic balancer tells it to whoever may read the balancer.
            Want::Health(_) => Need::BalancerHealth { product: "nlb" },
            Want::Nat(change) => Need::Nat { region, change: *change },
            Want::Accelerator => Need::Accelerator,
            Want::Secrets(_) => Need::Secrets { region, names: texts },
            Want::Logs(project, store) => Need::Logs { region, project, store },
        })
        .collect();
    least(account, &needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_in_any_zone_that_it_ends_in_unless_one_is_named() {
        let names = ["*.shop.example.com".to_owned(), "example.com".to_owned()];
        let all: Vec<String> = zones(None, &names).into_iter().collect();
        assert_eq!(all, ["example.com", "shop.example.com"]);
        assert_eq!(zones(Some("example.com"), &names).len(), 1);
    }

    #[test]
    fn the_number_of_an_account_stands_in_its_roles() {
        assert_eq!(number("acs:ram::1234:role/gateway"), "1234");
        assert_eq!(number("nonsense"), "*");
    }
}
