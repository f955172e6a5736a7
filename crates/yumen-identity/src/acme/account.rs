//! The account at a CA: made once, found on the disk afterwards.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use instant_acme::{Account, AccountBuilder, AccountCredentials, ExternalAccountKey, NewAccount};

use super::Acme;
use crate::error::Error;
use crate::store::{Store, StoredAccount};

/// An account that a CA knows from elsewhere (RFC 8555 section 7.3.4). `Debug` does not show the key.
#[derive(Clone, PartialEq, Eq)]
pub struct External {
    id: String,
    key: Vec<u8>,
}

impl External {
    /// Takes what the CA gives out: the id of a key, and the key in base64url, with or without padding.
    ///
    /// # Errors
    /// The key is no base64url; the error does not tell it.
    pub fn parse(id: &str, key: &str) -> Result<Self, Error> {
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let key = GeneralPurpose::new(&URL_SAFE, config)
            .decode(key.trim())
            .map_err(|_| Error::Wish(format!("the key of the external account `{id}` is no base64url")))?;
        Ok(Self { id: id.to_owned(), key })
    }
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("External").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Acme {
    /// The account, made when there is none. One call at a time makes it, over all processes.
    pub(super) async fn account(&self) -> Result<Account, Error> {
        let mut known = self.account.lock().await;
        if let Some(account) = &*known {
            return Ok(account.clone());
        }
        let directory = &self.authority.directory;
        let _lock = self.store.lock(&Store::account_label(directory), self.authority.patience.lock).await?;
        let account = match self.store.account(directory)? {
            Some(stored) => self.restore(stored).await?,
            None => self.create().await?,
        };
        *known = Some(account.clone());
        Ok(account)
    }

    /// Makes a new account in the place of one that the CA does not know any more.
    pub(super) async fn replace_account(&self) -> Result<(), Error> {
        let mut known = self.account.lock().await;
        let _lock =
            self.store.lock(&Store::account_label(&self.authority.directory), self.authority.patience.lock).await?;
        // Another certificate, or another node, may have met the same before us.
        if let Some(stored) = self.store.account(&self.authority.directory)?
            && let Ok(account) = self.restore(stored).await
            && known.as_ref().is_some_and(|before| before.id() != account.id())
        {
            *known = Some(account);
            return Ok(());
        }
        tracing::warn!("{} does not know our account any more; making a new one", self.authority.directory);
        *known = Some(self.create().await?);
        Ok(())
    }

    fn builder(&self) -> AccountBuilder {
        Account::builder_with_http(self.wire.boxed())
    }

    async fn restore(&self, stored: StoredAccount) -> Result<Account, Error> {
        let mut tries = self.tries("the account");
        let account = loop {
            let credentials: AccountCredentials =
                serde_json::from_value(stored.credentials.clone()).map_err(|_| self.unusable("its file is damaged"))?;
            match self.builder().from_credentials(credentials).await {
                Ok(account) => break account,
                Err(error) => tries.again(error).await?,
            }
        };
        if stored.contact != self.authority.contact {
            let contact: Vec<&str> = self.authority.contact.iter().map(String::as_str).collect();
            match account.update_contacts(&contact).await.map_err(|error| self.refused("the contacts", error)) {
                Ok(()) => {
                    let stored = StoredAccount { contact: self.authority.contact.clone(), ..stored };
                    self.store.keep_account(&self.authority.directory, &stored)?;
                }
                // The certificate matters more; it is tried again at the next start.
                Err(error) => tracing::warn!("the contacts of the account stay as they were: {error}"),
            }
        }
        Ok(account)
    }

    async fn create(&self) -> Result<Account, Error> {
        let contact: Vec<&str> = self.authority.contact.iter().map(String::as_str).collect();
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let external = self.authority.external.as_ref();
        let external = external.map(|external| ExternalAccountKey::new(external.id.clone(), &external.key));
        let mut tries = self.tries("a new account");
        let (account, credentials) = loop {
            match self.builder().create(&new, self.authority.directory.clone(), external.as_ref()).await {
                Ok(made) => break made,
                Err(error) => tries.again(error).await?,
            }
        };
        let credentials = serde_json::to_value(&credentials).map_err(|_| self.unusable("it cannot be written"))?;
        let stored = StoredAccount { contact: self.authority.contact.clone(), credentials };
        self.store.keep_account(&self.authority.directory, &stored)?;
        Ok(account)
    }

    fn unusable(&self, reason: &str) -> Error {
        Error::Unreachable {
            directory: self.authority.directory.clone(),
            what: "the account".to_owned(),
            reason: reason.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_external_accounts_are_read_and_never_shown() {
        for text in ["aHVzaA", "aHVzaA==", " aHVzaA\n"] {
            assert_eq!(External::parse("kid", text).map(|external| external.key).ok().as_deref(), Some(&b"hush"[..]));
        }
        let Ok(external) = External::parse("kid", "aHVzaA") else { panic!("it is base64url") };
        assert_eq!(format!("{external:?}"), r#"External { id: "kid", .. }"#);
        let error = External::parse("kid", "hush hush").err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("`kid`") && !error.contains("hush"), "{error}");
    }
}
