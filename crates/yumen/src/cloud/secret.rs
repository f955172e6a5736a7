//! Secrets that KMS keeps: who uses which.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use yumen_alibaba::Client;
use yumen_alibaba::api::kms::FollowedSecret;
use yumen_cloud::secret::{self, EVERY, SecretUser};
use yumen_config::config::{Account, Cloud, Config, KmsSecret, KmsUse};
use yumen_proxy::{Cell, Vault};
use yumen_telemetry::{Duty, Registry};

use super::accounts::Accounts;
use super::roster::Roster;

/// The secrets that are followed.
pub(crate) struct Secrets {
    vault: Arc<Vault>,
    roster: Roster<Wanted>,
    followed: Mutex<BTreeMap<KmsSecret, (Arc<Account>, FollowedSecret)>>,
}

/// A secret that something of the configuration uses.
#[derive(PartialEq)]
struct Wanted {
    secret: KmsSecret,
    account: Arc<Account>,
    by: KmsUse,
}

impl Secrets {
    /// Nothing is followed yet; `vault` is where the data path looks.
    pub(crate) fn new(vault: Arc<Vault>) -> Self {
        Self { vault, roster: Roster::default(), followed: Mutex::default() }
    }

    /// Follows the secrets of a configuration that was put in force, and no others.
    pub(crate) fn commit(&self, config: &Config, accounts: &Accounts, registry: &Arc<Registry>) {
        let wanted: BTreeMap<String, Arc<Wanted>> = config
            .kms_secrets()
            .into_iter()
            .filter_map(|(secret, by)| {
                let account = Arc::clone(config.cloud.accounts.get(&secret.account)?);
                Some((secret.to_string(), Arc::new(Wanted { secret, account, by })))
            })
            .collect();
        self.keep(&config.cloud);
        self.roster.set(wanted, |name, wanted| {
            let duty = registry.duty("secret", name);
            let user: Arc<dyn SecretUser> = match wanted.by {
                KmsUse::Users => Arc::new(Users(self.vault.cell(&wanted.secret))),
            };
            let followed =
                accounts.client(&wanted.account).map(|client| self.followed(&wanted.secret, &wanted.account, client));
            follow(wanted.secret.clone(), followed, user, duty)
        });
    }

    fn followed(&self, secret: &KmsSecret, account: &Arc<Account>, client: Client) -> FollowedSecret {
        let mut all = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        // Fields of the same secret are read by one call.
        let whole = KmsSecret { field: None, ..secret.clone() };
        if let Some((_, followed)) = all.get(&whole).filter(|(same, _)| same == account) {
            return followed.clone();
        }
        let followed = FollowedSecret::new(client, &*secret.name, EVERY);
        all.insert(whole, (Arc::clone(account), followed.clone()));
        followed
    }

    /// Forgets the secrets of accounts that are gone or not the same.
    fn keep(&self, cloud: &Cloud) {
        let mut all = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|secret, (account, _)| cloud.accounts.get(&secret.account) == Some(account));
    }
}

async fn follow(secret: KmsSecret, followed: anyhow::Result<FollowedSecret>, user: Arc<dyn SecretUser>, duty: Duty) {
    match followed {
        Ok(followed) => secret::run(secret, followed, user, duty).await,
        Err(error) => {
            duty.failing(format!("the account {} cannot be used: {error:#}", secret.account));
            // Told until the section is another one.
            std::future::pending::<()>().await;
        }
    }
}

/// The users of a `basic_auth`.
struct Users(Arc<Cell>);

impl SecretUser for Users {
    fn take(&self, value: &str) -> Result<String, String> {
        self.0.put(value).map(|count| match count {
            1 => "1 user".to_owned(),
            _ => format!("{count} users"),
        })
    }

    fn doubted(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.0.doubted())
    }
}
