//! From the configuration to the engine that orders certificates.

use std::sync::Arc;
use std::time::Duration;

use yumen_alibaba::api::dns::Dns;
use yumen_config::config::{self, Challenge, DnsProvider, DnsProviderKind, Obtained};
use yumen_identity::acme::External;
use yumen_identity::challenge::Responder;
use yumen_identity::dns::{AliDns, Dns01, Exec, Propagation, Provider, Resolver, Rfc2136, Tsig, TsigAlgorithm, Wait};
use yumen_identity::{Acme, Authority, KeyKind, Store, Way};

use super::Tools;

/// The pause before a call to a CA that failed is made again, doubled each time: some seconds in all.
const FAULT_PAUSE: Duration = Duration::from_millis(200);

/// The engine for one certificate. Reads files, so it blocks.
pub(super) fn build(tools: &Tools, section: &Obtained, store: &Store) -> Result<Acme, String> {
    let mut ways = Vec::new();
    for challenge in &section.challenges {
        let responder: Arc<dyn Responder> = match challenge {
            Challenge::Http01 => Arc::new(tools.http.clone()),
            Challenge::TlsAlpn01 => Arc::new(tools.tls.clone()),
            Challenge::Dns01 => Arc::new(dns01(tools, section, store)?),
        };
        ways.push(Way::for_all(responder));
    }
    Acme::new(authority(&section.authority)?, store.clone(), ways).map_err(|error| error.to_string())
}

/// The kind of a key in the words of the engine.
pub(super) fn key(key: config::CertificateKey) -> KeyKind {
    match key {
        config::CertificateKey::P256 => KeyKind::P256,
        config::CertificateKey::P384 => KeyKind::P384,
        config::CertificateKey::Rsa2048 => KeyKind::Rsa2048,
    }
}

fn authority(section: &config::Authority) -> Result<Authority, String> {
    let mut authority = Authority::new(&section.directory);
    // Whoever keeps a certificate comes again by himself, and tells until then what is wrong.
    authority.patience.pause = FAULT_PAUSE;
    authority.contact.clone_from(&section.contact);
    if let Some(path) = &section.roots {
        let roots = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        authority.roots = Some(roots);
    }
    if let Some(account) = &section.external_account {
        let secret = account.secret.resolve().map_err(|error| error.to_string())?;
        authority.external = Some(External::parse(&account.id, &secret).map_err(|error| error.to_string())?);
    }
    authority.chain.clone_from(&section.preferred_chain);
    authority.profile.clone_from(&section.profile);
    Ok(authority)
}

fn dns01(tools: &Tools, section: &Obtained, store: &Store) -> Result<Dns01, String> {
    let (mut providers, mut waits) = (Vec::new(), Vec::new());
    for provider in &section.dns_providers {
        let built = dns_provider(tools, provider)?;
        waits.push((provider.name.to_string(), propagation(&provider.propagation)?));
        match provider.names.as_slice() {
            [] => providers.push((String::new(), built)),
            names => providers.extend(names.iter().map(|name| (name.clone(), Arc::clone(&built)))),
        }
    }
    let (_, first) = waits.first().cloned().ok_or("`dns-01` needs a `dns_provider`")?;
    Ok(Dns01::new(store.clone(), providers, first).with_propagation(waits))
}

fn dns_provider(tools: &Tools, section: &DnsProvider) -> Result<Arc<dyn Provider>, String> {
    let label = section.name.as_str();
    Ok(match &section.kind {
        DnsProviderKind::AliDns { account, zone } => {
            let client = tools.accounts.client(account).map_err(|error| format!("{error:#}"))?;
            Arc::new(AliDns::new(label, Dns::new(client), zone.clone()))
        }
        DnsProviderKind::Rfc2136 { server, zone, key } => {
            let key = key.as_ref().map(tsig).transpose()?;
            Arc::new(Rfc2136::new(label, *server, zone.clone(), key).map_err(|error| error.to_string())?)
        }
        DnsProviderKind::Exec { program, arguments, timeout } => {
            Arc::new(Exec::new(label, program.clone(), arguments.clone(), *timeout))
        }
    })
}

fn tsig(key: &config::TsigKey) -> Result<Tsig, String> {
    let secret = key.secret.resolve().map_err(|error| error.to_string())?;
    let algorithm = match key.algorithm {
        config::TsigAlgorithm::Sha256 => TsigAlgorithm::HmacSha256,
        config::TsigAlgorithm::Sha384 => TsigAlgorithm::HmacSha384,
        config::TsigAlgorithm::Sha512 => TsigAlgorithm::HmacSha512,
    };
    Tsig::parse(&key.name, algorithm, &secret).map_err(|error| error.to_string())
}

fn propagation(section: &config::Propagation) -> Result<Propagation, String> {
    let resolver = match section.resolvers.as_slice() {
        [] => Resolver::system().map_err(|error| error.to_string())?,
        servers => Resolver::new(servers.to_vec()),
    };
    let wait = match (section.delay, section.servers.as_slice()) {
        (Some(delay), _) => Wait::Delay(delay),
        (None, []) => Wait::NameServers,
        (None, servers) => Wait::Servers(servers.to_vec()),
    };
    Ok(Propagation::new(resolver, wait).with_limits(section.timeout, section.settle))
}
