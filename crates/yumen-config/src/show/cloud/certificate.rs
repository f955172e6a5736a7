//! Certificates that are obtained, written out again.

use serde_json::{Value, json};

use super::super::{object, off, option, path, text, texts, time};
use super::secret;
use crate::config::{Authority, DnsProvider, DnsProviderKind, ExternalAccount, Obtained, Propagation, TsigKey};

/// A certificate; authority and providers by their names.
pub(in crate::show) fn obtained(certificate: &Obtained) -> Value {
    let Obtained { name: _, names, authority, challenges, dns_providers, key } = certificate;
    object([
        ("names", json!(names)),
        ("authority", json!(authority.name.as_str())),
        ("challenges", challenges.iter().map(|challenge| json!(challenge.as_str())).collect()),
        ("dns_provider", dns_providers.iter().map(|provider| json!(provider.name.as_str())).collect()),
        ("key", json!(key.as_str())),
    ])
}

/// A CA, by its URL.
pub(in crate::show) fn authority(authority: &Authority) -> Value {
    let Authority { name: _, directory, contact, external_account, roots, preferred_chain, profile, store } = authority;
    object([
        ("directory", json!(directory)),
        ("contact", json!(contact)),
        ("external_account", option(external_account.as_ref(), external)),
        ("roots", option(roots.as_deref(), path)),
        ("preferred_chain", json!(preferred_chain)),
        ("profile", json!(profile)),
        ("store", option(store.as_deref(), path)),
    ])
}

fn external(account: &ExternalAccount) -> Value {
    let ExternalAccount { id, secret: key } = account;
    json!({"id": id, "secret": secret(key)})
}

/// Who edits DNS.
pub(in crate::show) fn dns_provider(provider: &DnsProvider) -> Value {
    let DnsProvider { name: _, names, kind, propagation } = provider;
    let (word, section) = match kind {
        DnsProviderKind::AliDns { account, zone } => {
            ("alidns", object([("account", json!(account.name.as_str())), ("zone", json!(zone))]))
        }
        DnsProviderKind::Rfc2136 { server, zone, key } => {
            let key = option(key.as_ref(), tsig);
            ("rfc2136", object([("server", text(server)), ("zone", json!(zone)), ("key", key)]))
        }
        DnsProviderKind::Exec { program, arguments, timeout } => {
            let arguments = ("arguments", json!(arguments));
            ("exec", object([("program", path(program)), arguments, ("timeout", time(*timeout))]))
        }
    };
    object([(word, section), ("names", json!(names)), ("propagation", waiting(propagation))])
}

fn tsig(key: &TsigKey) -> Value {
    let TsigKey { name, algorithm, secret: hidden } = key;
    json!({"name": name, "algorithm": algorithm.as_str(), "secret": secret(hidden)})
}

fn waiting(propagation: &Propagation) -> Value {
    let Propagation { resolvers, servers, delay, timeout, settle } = propagation;
    let with = ("resolvers", texts(resolvers));
    match delay {
        // The others mean nothing then, and reading them again would complain.
        Some(delay) => object([with, ("delay", time(*delay))]),
        None => object([
            with,
            ("servers", texts(servers)),
            ("timeout", time(*timeout)),
            ("settle", if settle.is_zero() { off() } else { time(*settle) }),
        ]),
    }
}
