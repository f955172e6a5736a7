//! From names to endpoints: looked up before an upstream is used, and again when the answers have aged. A failed look-up
//! changes nothing: the last good addresses stay.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use yumen_config::config;
use yumen_net::dial::{ResolveError, Resolver};
use yumen_net::rt::{self, TaskError};
use yumen_telemetry::Registry;

use super::metadata::is_metadata;
use super::{Endpoint, Upstream};

/// The addresses of an upstream's endpoints, in the order of the file, and how long they may be used.
/// Names are asked for at the same time: one that is slow to fail must not add to others.
pub(crate) async fn addresses(config: &config::Upstream, resolver: &Resolver) -> (Vec<(usize, SocketAddr)>, Duration) {
    let mut found = Vec::new();
    let mut ttl = config.dns.max;
    let ask = |endpoint: &config::Endpoint| {
        let (resolver, address, port) = (resolver.clone(), endpoint.address.clone(), endpoint.port);
        rt::spawn(async move { resolver.resolve(&address, port).await })
    };
    let asked: Vec<_> = config.endpoints.iter().map(|e| literal(&e.address).ok_or_else(|| ask(e))).collect();
    for (index, (endpoint, asked)) in config.endpoints.iter().zip(asked).enumerate() {
        let task = match asked {
            Ok(ip) => {
                found.push((index, SocketAddr::new(ip, endpoint.port)));
                continue;
            }
            Err(task) => task,
        };
        let broken = |e: TaskError| ResolveError { host: endpoint.address.to_string(), cause: e.to_string() };
        match task.await.map_err(broken).and_then(|answer| answer) {
            Ok(answer) => {
                ttl = ttl.min(answer.ttl.max(config.dns.min));
                let (barred, addrs): (Vec<_>, Vec<_>) = answer.addrs.into_iter().partition(|a| is_metadata(a.ip()));
                if let Some(barred) = barred.first() {
                    tracing::warn!(
                        upstream = %config.name, name = %endpoint.address, address = %barred.ip(),
                        "the name leads to the metadata service of the cloud, which is never asked by a name"
                    );
                }
                found.extend(addrs.into_iter().map(|addr| (index, addr)));
            }
            Err(error) => {
                tracing::warn!(upstream = %config.name, %error, "name look-up failed; the last good addresses stay");
                ttl = ttl.min(Duration::from_secs(5)).max(config.dns.min);
            }
        }
    }
    (found, ttl)
}

fn literal(address: &str) -> Option<IpAddr> {
    address.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Endpoints for addresses; those that were there before are kept with their health, latency and connections. Where
/// connections are made in another way now (`anew`), or the section of the endpoint has changed, health and latency only.
pub(crate) fn endpoints(
    config: &config::Upstream,
    addresses: &[(usize, SocketAddr)],
    (before, anew): (&[Arc<Endpoint>], bool),
    registry: &Registry,
) -> Vec<Arc<Endpoint>> {
    let mut made: HashMap<SocketAddr, ()> = HashMap::new();
    let mut all = Vec::new();
    for (index, addr) in addresses {
        let Some(section) = config.endpoints.get(*index) else { continue };
        if made.insert(*addr, ()).is_some() {
            continue;
        }
        let named = literal(&section.address).is_none();
        let name = if named { format!("{}({})", section.text, addr.ip()) } else { section.text.to_string() };
        let old = before.iter().find(|e| e.addr == *addr && *e.name == name);
        let fits = |e: &Endpoint| !anew && e.weight == section.weight && e.tls_name.is_some() == section.tls;
        if let Some(same) = old.filter(|e| fits(e)) {
            all.push(Arc::clone(same));
            continue;
        }
        let metrics = registry.endpoint(config.name.as_str(), &name);
        metrics.weight.set(u64::from(section.weight));
        let new = Endpoint::new(name.into(), *addr, section, config.pool.clone(), metrics);
        if let Some(old) = old {
            new.succeed(old);
        }
        all.push(Arc::new(new));
    }
    all
}

/// Looks names up again until the upstream is gone.
pub(crate) fn watch(upstream: &Arc<Upstream>, first: Duration, resolver: Arc<Resolver>, registry: Arc<Registry>) {
    if upstream.config.endpoints.iter().all(|e| literal(&e.address).is_some()) {
        return;
    }
    let upstream = Arc::downgrade(upstream);
    drop(rt::spawn(run(upstream, first, resolver, registry)));
}

async fn run(upstream: Weak<Upstream>, mut wait: Duration, resolver: Arc<Resolver>, registry: Arc<Registry>) {
    loop {
        rt::sleep(wait).await;
        let Some(strong) = upstream.upgrade() else { return };
        let (found, ttl) = addresses(&strong.config, &resolver).await;
        if strong.is_retired() {
            return;
        }
        wait = ttl;
        let whole = (0..strong.config.endpoints.len()).all(|i| found.iter().any(|(index, _)| *index == i));
        if !whole {
            continue;
        }
        let before = strong.endpoints();
        let next = endpoints(&strong.config, &found, (&before, false), &registry);
        if next.len() != before.len() || next.iter().zip(before.iter()).any(|(a, b)| a.id != b.id) {
            tracing::info!(upstream = %strong.name, endpoints = next.len(), "addresses changed");
            strong.endpoints.store(Arc::new(next));
            strong.refresh();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn section(weight: u32, tls: bool) -> config::Upstream {
        let text = format!(
            "listeners: {{l: {{bind: \":1\", protocol: tcp, upstream: u}}}}\n\
             upstreams: {{u: {{endpoints: [{{address: \"{}127.0.0.1:9\", weight: {weight}}}]}}}}\n",
            if tls { "https://" } else { "" }
        );
        let loaded = yumen_config::parse_str("test", &text, &|_| None).unwrap();
        config::Upstream::clone(loaded.config.upstreams.values().next().unwrap())
    }

    fn made(of: &config::Upstream, before: &[Arc<Endpoint>], anew: bool, registry: &Registry) -> Arc<Endpoint> {
        let all = endpoints(of, &[(0, "127.0.0.1:9".parse().unwrap())], (before, anew), registry);
        all.into_iter().next().unwrap()
    }

    #[test]
    fn endpoint_is_the_same_one_while_nothing_about_its_connections_changed() {
        let registry = Registry::new(1);
        let old = made(&section(1, false), &[], false, &registry);
        old.judge(false);
        let before = [Arc::clone(&old)];
        assert!(Arc::ptr_eq(&old, &made(&section(1, false), &before, false, &registry)));
        // What is known of its health holds for the same address, and connections of old do not.
        for new in [
            made(&section(1, false), &before, true, &registry),
            made(&section(2, false), &before, false, &registry),
            made(&section(1, true), &before, false, &registry),
        ] {
            assert!(new.id != old.id && !new.is_healthy());
        }
    }
}
