//! Names to addresses.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;

use crate::rt;

/// What the resolver of the operating system does not tell is taken to be true for so long.
const UNKNOWN_TTL: Duration = Duration::from_secs(30);
/// A TTL of 0 must not make us ask for every request, and a week not miss a move of the endpoint.
const TTL_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// The addresses of a name and for how long they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// At least one, sorted, none twice, so that equal answers compare equal.
    pub addrs: Vec<SocketAddr>,
    /// When to ask again: the shortest TTL of the answer, between 1 s and 5 min.
    pub ttl: Duration,
}

/// A name that could not be resolved.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot resolve {host}: {cause}; check the name and this machine's name servers")]
pub struct ResolveError {
    /// The name asked for.
    pub host: String,
    /// What the resolver said.
    pub cause: String,
}

/// Resolves the names of endpoints. Belongs to the control runtime: workers get addresses, never wait for names.
#[derive(Clone)]
pub struct Resolver {
    /// None where the system's configuration cannot be read; the operating system is asked then.
    inner: Option<TokioResolver>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("tells_ttl", &self.inner.is_some()).finish()
    }
}

impl Resolver {
    /// Reads the system's name servers and hosts file. Without them it asks the operating system, which knows no TTL.
    pub fn start() -> Self {
        let inner = TokioResolver::builder_tokio().and_then(|mut builder| {
            // An endpoint with an IPv4 address is reached by it; many networks only pretend to have IPv6.
            builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
            builder.build()
        });
        match inner {
            Ok(inner) => Self { inner: Some(inner) },
            Err(error) => {
                tracing::warn!(%error, "cannot read the name servers of this machine; names are resolved by the operating system and asked again every 30 s");
                Self { inner: None }
            }
        }
    }

    /// Finds the addresses of a host. An IP address in text is its own answer.
    ///
    /// # Errors
    /// [`ResolveError`] when there is no answer or an empty one.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Resolved, ResolveError> {
        if let Ok(ip) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(Resolved { addrs: vec![SocketAddr::new(ip, port)], ttl: TTL_BOUNDS.1 });
        }
        let fail = |cause: String| ResolveError { host: host.to_owned(), cause };
        let (mut addrs, ttl) = match &self.inner {
            Some(resolver) => {
                let found = resolver.lookup_ip(host).await.map_err(|e| fail(e.to_string()))?;
                let ttl = found.valid_until().saturating_duration_since(rt::now());
                (found.iter().map(|ip| SocketAddr::new(ip, port)).collect::<Vec<_>>(), ttl)
            }
            None => {
                let found = tokio::net::lookup_host((host, port)).await.map_err(|e| fail(e.to_string()))?;
                (found.collect(), UNKNOWN_TTL)
            }
        };
        addrs.sort_unstable();
        addrs.dedup();
        if addrs.is_empty() {
            return Err(fail("the answer has no address".to_owned()));
        }
        Ok(Resolved { addrs, ttl: ttl.clamp(TTL_BOUNDS.0, TTL_BOUNDS.1) })
    }
}
