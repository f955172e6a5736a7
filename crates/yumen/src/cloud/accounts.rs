//! Clients for the accounts of the configuration. One that stays the same keeps its client: its keys, limits and breakers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use yumen_alibaba::Client;
use yumen_alibaba::transport::{HttpTransport, Transport};
use yumen_cloud::rhythm::Rhythm;
use yumen_config::config::{Account, AccountName, Cloud};
use yumen_telemetry::Duty;

/// The clients that were made.
#[derive(Default)]
pub(crate) struct Accounts {
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    /// Made with the first client: most gateways need none.
    transport: Option<Arc<dyn Transport>>,
    clients: BTreeMap<AccountName, (Arc<Account>, Client)>,
}

impl Made {
    fn transport(&mut self) -> anyhow::Result<Arc<dyn Transport>> {
        if let Some(transport) = &self.transport {
            return Ok(Arc::clone(transport));
        }
        let made: Arc<dyn Transport> = Arc::new(HttpTransport::new().context("cannot prepare TLS")?);
        self.transport = Some(Arc::clone(&made));
        Ok(made)
    }
}

impl Accounts {
    /// The client of an account. Blocks for as long as the disk takes.
    pub(crate) fn client(&self, account: &Arc<Account>) -> anyhow::Result<Client> {
        let mut made = self.made();
        if let Some((_, client)) = made.clients.get(&account.name).filter(|(same, _)| same == account) {
            return Ok(client.clone());
        }
        let client = yumen_cloud::account::client(account, made.transport()?)?;
        made.clients.insert(account.name.clone(), (Arc::clone(account), client.clone()));
        Ok(client)
    }

    /// What all clients send with.
    pub(crate) fn transport(&self) -> anyhow::Result<Arc<dyn Transport>> {
        self.made().transport()
    }

    /// The client of an account, away from the threads that must not block.
    ///
    /// # Errors
    /// Why there is none, for an operator.
    pub(crate) async fn open(self: &Arc<Self>, account: &Arc<Account>) -> Result<Client, String> {
        let (own, account) = (Arc::clone(self), Arc::clone(account));
        let made = tokio::task::spawn_blocking(move || own.client(&account)).await;
        made.map_err(|error| error.to_string())?.map_err(|error| format!("{error:#}"))
    }

    /// The client of an account for a duty, which fails until there is one.
    pub(crate) async fn obtain(self: &Arc<Self>, account: &Arc<Account>, duty: &Duty) -> Client {
        let mut rhythm = Rhythm::new(Duration::from_secs(60));
        loop {
            match self.open(account).await {
                Ok(client) => return client,
                Err(why) => duty.failing(why),
            }
            rhythm.rest(false).await;
        }
    }

    /// Forgets the clients of accounts that are gone or not the same.
    pub(crate) fn keep(&self, cloud: &Cloud) {
        self.made().clients.retain(|name, (account, _)| cloud.accounts.get(name) == Some(account));
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
