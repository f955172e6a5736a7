//! From names to endpoints: looked up before an upstream is used, and again when the answers have aged. A failed look-up
//! changes nothing: the last good addresses stay.
//!
//! Endpoints that are known outside come as full states from a source, and are put beside those of the section.

use std::collections::HashSet;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use yumen_config::config;
use yumen_core::{Discovered, DiscoveredEndpoint, Source};
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

/// Where the endpoints of an upstream come from.
pub(crate) struct Supply {
    resolver: Arc<Resolver>,
    /// The last good addresses of the section's names.
    addresses: Vec<(usize, SocketAddr)>,
    /// How long they may be used.
    ttl: Duration,
    /// What is known outside.
    discovered: Arc<Discovered>,
    source: Option<watch::Receiver<Arc<Discovered>>>,
}

impl Supply {
    pub(crate) fn new(
        resolver: Arc<Resolver>,
        (addresses, ttl): (Vec<(usize, SocketAddr)>, Duration),
        source: Option<&dyn Source<State = Discovered>>,
    ) -> Self {
        let mut source = source.map(Source::watch);
        let discovered = source.as_mut().map(|s| Arc::clone(&s.borrow_and_update())).unwrap_or_default();
        Self { resolver, addresses, ttl, discovered, source }
    }

    /// What there is.
    pub(crate) fn told(&self) -> (&[(usize, SocketAddr)], &Discovered) {
        (&self.addresses, &self.discovered)
    }

    /// Waits until something else is known outside.
    async fn news(&mut self) {
        if let Some(source) = &mut self.source
            && source.changed().await.is_ok()
        {
            self.discovered = Arc::clone(&source.borrow_and_update());
            return;
        }
        // Nobody looks any more: what was known last stays.
        self.source = None;
        pending::<()>().await;
    }
}

/// Endpoints for what there is; those that were there before are kept with their health, latency and connections. Where
/// connections are made in another way now (`anew`), or the section of the endpoint has changed, health and latency only.
pub(crate) fn endpoints(
    config: &config::Upstream,
    (addresses, discovered): (&[(usize, SocketAddr)], &Discovered),
    (before, anew): (&[Arc<Endpoint>], bool),
    registry: &Registry,
) -> Vec<Arc<Endpoint>> {
    let mut made = HashSet::new();
    let mut all = Vec::new();
    for (index, addr) in addresses {
        let Some(section) = config.endpoints.get(*index) else { continue };
        if !made.insert(*addr) {
            continue;
        }
        let named = literal(&section.address).is_none();
        let name = if named { format!("{}({})", section.text, addr.ip()) } else { section.text.to_string() };
        let old = before.iter().find(|e| e.addr == *addr && *e.name == name);
        let fits = |e: &Endpoint| !anew && e.weight() == section.weight && e.tls_name.is_some() == section.tls;
        if let Some(same) = old.filter(|e| fits(e)) {
            all.push(Arc::clone(same));
            continue;
        }
        all.push(make(config, (name, *addr), section, (old, registry)));
    }
    let tls = config.discover.as_ref().is_some_and(|d| d.tls);
    for one in discovered.endpoints.iter().filter(|one| may_serve(config, one)) {
        if !made.insert(one.addr) {
            continue;
        }
        let name = format!("{}({})", one.id, one.addr);
        let old = before.iter().find(|e| e.addr == one.addr && *e.name == name);
        let endpoint = match old.filter(|e| !anew && e.tls_name.is_some() == tls) {
            Some(same) => Arc::clone(same),
            None => {
                let (address, text) = (one.addr.ip().to_string().into(), one.addr.to_string().into());
                let section = config::Endpoint { address, port: one.addr.port(), tls, weight: one.weight, text };
                make(config, (name, one.addr), &section, (old, registry))
            }
        };
        endpoint.tell(one.weight, &one.labels);
        all.push(endpoint);
    }
    all
}

fn make(
    config: &config::Upstream,
    (name, addr): (String, SocketAddr),
    section: &config::Endpoint,
    (old, registry): (Option<&Arc<Endpoint>>, &Registry),
) -> Arc<Endpoint> {
    let metrics = registry.endpoint(config.name.as_str(), &name);
    metrics.weight.set(u64::from(section.weight));
    let new = Endpoint::new(name.into(), addr, section, config.pool.clone(), metrics);
    if let Some(old) = old {
        new.succeed(old);
    }
    Arc::new(new)
}

/// Whoever may change tags or groups outside must not be able to turn traffic to the metadata service.
fn may_serve(config: &config::Upstream, one: &DiscoveredEndpoint) -> bool {
    let ip = one.addr.ip();
    let is_barred = is_metadata(ip) || ip.is_unspecified() || ip.is_multicast();
    if is_barred {
        tracing::warn!(
            upstream = %config.name, endpoint = %one.id, address = %ip,
            "a discovered endpoint is left out: its address is that of the metadata service, or of no server"
        );
    }
    !is_barred
}

/// Follows names and what is known outside until the upstream is gone.
pub(crate) fn watch(upstream: &Arc<Upstream>, supply: Supply, registry: Arc<Registry>) {
    if supply.source.is_none() && upstream.config.endpoints.iter().all(|e| literal(&e.address).is_some()) {
        return;
    }
    let upstream = Arc::downgrade(upstream);
    drop(rt::spawn(run(upstream, supply, registry)));
}

async fn run(upstream: Weak<Upstream>, mut supply: Supply, registry: Arc<Registry>) {
    let mut due = rt::now() + supply.ttl;
    loop {
        let is_due = tokio::select! {
            () = rt::sleep_until(due) => true,
            () = supply.news() => false,
        };
        let Some(strong) = upstream.upgrade() else { return };
        if is_due {
            let (found, ttl) = addresses(&strong.config, &supply.resolver).await;
            due = rt::now() + ttl;
            let whole = (0..strong.config.endpoints.len()).all(|i| found.iter().any(|(index, _)| *index == i));
            if !whole {
                continue;
            }
            supply.addresses = found;
        }
        if strong.is_retired() {
            return;
        }
        renew(&strong, &supply, &registry);
    }
}

/// Puts in place what there is now.
fn renew(upstream: &Upstream, supply: &Supply, registry: &Registry) {
    let before = upstream.endpoints();
    let next = endpoints(&upstream.config, supply.told(), (&before, false), registry);
    if next.len() != before.len() || next.iter().zip(before.iter()).any(|(a, b)| a.id != b.id) {
        tracing::info!(upstream = %upstream.name, endpoints = next.len(), "addresses changed");
        upstream.endpoints.store(Arc::new(next));
    }
    // Weights may have changed as well.
    upstream.refresh();
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
        let addresses = [(0, "127.0.0.1:9".parse().unwrap())];
        let all = endpoints(of, (&addresses, &Discovered::default()), (before, anew), registry);
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

    fn found(list: &[(&str, &str, u32)]) -> Discovered {
        let endpoint = |(id, addr, weight): &(&str, &str, u32)| DiscoveredEndpoint {
            id: Arc::from(*id),
            addr: addr.parse().unwrap(),
            weight: *weight,
            labels: Arc::default(),
        };
        Discovered { version: 1, endpoints: list.iter().map(endpoint).collect() }
    }

    #[test]
    fn discovered_endpoint_keeps_its_connections_when_its_weight_changes_and_is_another_one_with_another_id() {
        let registry = Registry::new(1);
        let config = section(1, false);
        let all = |of: &Discovered, before: &[Arc<Endpoint>]| endpoints(&config, (&[], of), (before, false), &registry);
        let first = all(&found(&[("i-1", "10.0.0.1:80", 1), ("i-2", "10.0.0.2:80", 1)]), &[]);
        let second = all(&found(&[("i-3", "10.0.0.2:80", 1), ("i-1", "10.0.0.1:80", 7)]), &first);
        assert!(Arc::ptr_eq(&first[0], &second[1]));
        assert_eq!((second[1].weight(), second[1].name()), (7, "i-1(10.0.0.1:80)"));
        assert_ne!(first[1].id, second[0].id, "another instance has got the address");
    }

    #[test]
    fn discovered_endpoint_is_never_the_metadata_service() {
        let registry = Registry::new(1);
        let list = found(&[
            ("i-1", "100.100.100.200:80", 1),
            ("i-2", "[::ffff:169.254.169.254]:80", 1),
            ("i-3", "0.0.0.0:80", 1),
        ]);
        assert!(endpoints(&section(1, false), (&[], &list), (&[], false), &registry).is_empty());
    }
}
