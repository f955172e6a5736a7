//! Waiting until a new record can be seen wherever a CA may ask.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::ask::{self, Resolver};
use crate::error::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until every name server of the zone tells all values. Servers are looked up.
    NameServers,
    /// As [`Wait::NameServers`], with these servers: for zones whose real servers cannot be reached from here.
    Servers(Vec<SocketAddr>),
    /// For this long, for networks in which no name server can be asked.
    Delay(Duration),
}

/// How records are looked for.
#[derive(Clone, Debug)]
pub struct Propagation {
    resolver: Resolver,
    wait: Wait,
    limit: Duration,
    settle: Duration,
}

impl Propagation {
    /// Waits for up to 150 s, and after that for 5 s more, because a server may be many machines.
    #[must_use]
    pub fn new(resolver: Resolver, wait: Wait) -> Self {
        Self { resolver, wait, limit: Duration::from_secs(150), settle: Duration::from_secs(5) }
    }

    /// With other limits: how long to wait for the servers, and how long after that.
    #[must_use]
    pub fn with_limits(mut self, limit: Duration, settle: Duration) -> Self {
        (self.limit, self.settle) = (limit, settle);
        self
    }

    pub(super) fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    pub(super) async fn settle(&self) {
        match self.wait {
            Wait::Delay(delay) => sleep(delay).await,
            _ => sleep(self.settle).await,
        }
    }

    /// Waits until all servers tell all `values` at `name`. `known` are the servers that the provider told.
    pub(super) async fn wait(&self, name: &str, values: &[String], known: &[String]) -> Result<(), Error> {
        let mut servers = match &self.wait {
            Wait::Delay(_) => return Ok(()),
            Wait::Servers(servers) => {
                servers.iter().map(|server| Server { name: server.to_string(), addresses: vec![*server] }).collect()
            }
            Wait::NameServers => self.servers(name, known).await?,
        };
        let parsed = ask::parse(name)?;
        let end = Instant::now() + self.limit;
        let mut pause = FIRST_PAUSE;
        loop {
            // Those that told all are not asked again.
            let mut late = Vec::new();
            let mut why = String::new();
            for server in servers {
                if let Err(reason) = server.tells(&parsed, values).await {
                    why = format!("{} {reason}", server.name);
                    late.push(server);
                }
            }
            if late.is_empty() {
                return Ok(());
            }
            servers = late;
            if Instant::now() + pause > end {
                let limit = self.limit.as_secs();
                return Err(Error::Dns(format!("the TXT record at `{name}` is not seen after {limit} s: {why}")));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn servers(&self, name: &str, known: &[String]) -> Result<Vec<Server>, Error> {
        let names = if known.is_empty() { self.resolver.name_servers(name).await? } else { known.to_vec() };
        let mut servers = Vec::new();
        for name in names {
            let addresses = self.resolver.addresses(&name).await?;
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 53)).collect();
            servers.push(Server { name, addresses });
        }
        Ok(servers)
    }
}

/// One name server; its addresses are ways to the same one.
struct Server {
    name: String,
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// Whether it tells all values, or why not, as the rest of a sentence.
    async fn tells(&self, name: &hickory_proto::rr::Name, values: &[String]) -> Result<(), String> {
        let mut why = "has no address".to_owned();
        for address in &self.addresses {
            match ask::texts(*address, name).await {
                Ok(texts) => {
                    let missing = values.iter().filter(|value| !texts.contains(value)).count();
                    if missing == 0 {
                        return Ok(());
                    }
                    // The ways lead to the same server, and this one told.
                    return Err(format!("does not tell {missing} of {} values yet", values.len()));
                }
                Err(error) => why = format!("does not answer at {address}: {error}"),
            }
        }
        Err(why)
    }
}
