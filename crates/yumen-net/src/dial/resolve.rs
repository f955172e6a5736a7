//! Names to addresses.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::rt;

/// How long a look-up may take. Left to itself a resolver asks each dead server again and again for most of a minute, and
/// a start or a reload waits for it.
const PATIENCE: Duration = Duration::from_secs(5);
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
            ask_as_we_do(builder.options_mut());
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

    /// Asks these name servers and nobody else, without a look at the hosts file.
    ///
    /// # Errors
    /// [`ResolveError`] when no resolver can be made of them.
    pub fn asking(servers: &[SocketAddr]) -> Result<Self, ResolveError> {
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(name_server).collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        ask_as_we_do(builder.options_mut());
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        let hosts = || servers.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ");
        let made = builder.build().map_err(|e| ResolveError { host: hosts(), cause: e.to_string() })?;
        Ok(Self { inner: Some(made) })
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
        let answer = rt::timeout(PATIENCE, self.ask(host, port)).await;
        let late = |_| Err(format!("no answer within {} s", PATIENCE.as_secs()));
        let (mut addrs, ttl) = answer.unwrap_or_else(late).map_err(fail)?;
        addrs.sort_unstable();
        addrs.dedup();
        if addrs.is_empty() {
            return Err(fail("the answer has no address".to_owned()));
        }
        Ok(Resolved { addrs, ttl: ttl.clamp(TTL_BOUNDS.0, TTL_BOUNDS.1) })
    }

    async fn ask(&self, host: &str, port: u16) -> Result<(Vec<SocketAddr>, Duration), String> {
        match &self.inner {
            Some(resolver) => {
                let found = resolver.lookup_ip(host).await.map_err(|e| e.to_string())?;
                let ttl = found.valid_until().saturating_duration_since(rt::now());
                Ok((found.iter().map(|ip| SocketAddr::new(ip, port)).collect(), ttl))
            }
            None => {
                let found = tokio::net::lookup_host((host, port)).await.map_err(|e| e.to_string())?;
                Ok((found.collect(), UNKNOWN_TTL))
            }
        }
    }
}

fn ask_as_we_do(options: &mut ResolverOpts) {
    // An endpoint with an IPv4 address is reached by it; many networks only pretend to have IPv6.
    options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
}

/// One server, over UDP and, for long answers, TCP.
fn name_server(addr: &SocketAddr) -> NameServerConfig {
    let both = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    let connections = both.map(|mut connection| {
        connection.port = addr.port();
        connection
    });
    NameServerConfig::new(addr.ip(), true, connections.into())
}
