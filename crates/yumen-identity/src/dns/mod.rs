//! DNS-01: TXT records below `_acme-challenge`, made by a provider, waited for, and removed again.
//!
//! Aliases are followed first (`_acme-challenge.example.com CNAME x.elsewhere.example`), and the provider is the one for
//! the zone in which the alias ends. All records of an order are added side by side, then the zone's own name servers are
//! asked until each of them tells all, then the CA may look. A record is noted on the disk before it is made, so that one
//! that a crash left behind is removed with the next order of the same certificate. Records that others made are never
//! touched, not even on the same name.

mod alidns;
mod exec;
mod propagation;
mod rfc2136;
mod ask;

pub use alidns::AliDns;
pub use ask::Resolver;
pub use exec::Exec;
pub use propagation::{Propagation, Wait};
pub use rfc2136::{Rfc2136, Tsig, TsigAlgorithm};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::challenge::{Doing, Hiding, Kind, Proof, Responder};
use crate::error::Error;
use crate::store::{Label, Store, StoredRecord};

/// What a provider tells of a record that it added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// The id by which the provider knows the record.
    pub id: Option<String>,
    /// The name servers of the zone, where the provider knows them; else they are looked up.
    pub name_servers: Vec<String>,
}

/// Somebody who can add and remove TXT records.
pub trait Provider: Send + Sync {
    /// By which name it is configured; noted with every record, so that the same provider removes it.
    fn label(&self) -> &str;

    /// Adds a TXT record beside those that are there. One that says the same already is success.
    ///
    /// # Errors
    /// It cannot be added.
    fn add<'a>(&'a self, name: &'a str, value: &'a str) -> Doing<'a, Added>;

    /// Removes a record that [`add`](Self::add) made. One that is not there is success.
    ///
    /// # Errors
    /// It cannot be removed.
    fn remove<'a>(&'a self, record: &'a StoredRecord) -> Doing<'a, ()>;
}

/// Answers DNS-01 challenges.
pub struct Dns01 {
    store: Store,
    providers: Vec<(String, Arc<dyn Provider>)>,
    propagation: Propagation,
    /// By the label of a provider.
    others: Vec<(String, Propagation)>,
}

impl Dns01 {
    /// `providers` are those for the names below a suffix; the longest one that fits is taken, and the empty one fits all.
    #[must_use]
    pub fn new(store: Store, providers: Vec<(String, Arc<dyn Provider>)>, propagation: Propagation) -> Self {
        Self { store, providers, propagation, others: Vec::new() }
    }

    /// Waits in another way for the records of some providers, each by its label.
    #[must_use]
    pub fn with_propagation(mut self, others: Vec<(String, Propagation)>) -> Self {
        self.others = others;
        self
    }

    fn propagation(&self, provider: &str) -> &Propagation {
        let other = self.others.iter().find(|(label, _)| label == provider);
        other.map_or(&self.propagation, |(_, propagation)| propagation)
    }

    fn provider(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        let fitting = self.providers.iter().filter(|(suffix, _)| is_below(name, suffix));
        fitting.max_by_key(|(suffix, _)| suffix.len()).map(|(_, provider)| provider)
    }

    async fn show_all(&self, certificate: &Label, proofs: &[Proof]) -> Result<(), Error> {
        let mut wanted = Vec::new();
        for proof in proofs {
            let name = challenge_name(&proof.name);
            let end = self.propagation.resolver().end_of_aliases(&name).await;
            let end = end.map_err(|error| refuse(proof, error.to_string()))?;
            let provider = self
                .provider(&end)
                .ok_or_else(|| refuse(proof, format!("no DNS provider is configured for `{end}`")))?;
            wanted.push((proof, end, provider));
        }
        self.purge(certificate, |record| wanted.iter().any(|(proof, end, _)| is_of(record, end, &proof.text))).await;
        let mut expected: BTreeMap<String, Expected<'_>> = BTreeMap::new();
        for (proof, end, provider) in &wanted {
            let mut record = StoredRecord {
                certificate: certificate.to_string(),
                provider: provider.label().to_owned(),
                name: end.clone(),
                value: proof.text.clone(),
                id: None,
            };
            self.store.keep_record(&record)?;
            let added = provider.add(end, &proof.text).await.map_err(|error| refuse(proof, error.to_string()))?;
            if added.id.is_some() {
                record.id = added.id;
                self.store.keep_record(&record)?;
            }
            let entry = expected.entry(end.clone()).or_default();
            entry.values.push(proof.text.clone());
            entry.name_servers = added.name_servers;
            entry.provider = provider.label();
        }
        for (name, expected) in &expected {
            self.propagation(expected.provider).wait(name, &expected.values, &expected.name_servers).await?;
        }
        let providers: BTreeSet<&str> = expected.values().map(|expected| expected.provider).collect();
        for provider in providers {
            self.propagation(provider).settle().await;
        }
        Ok(())
    }

    /// Removes what is noted for a certificate, apart from what `stays`.
    async fn purge(&self, certificate: &Label, stays: impl Fn(&StoredRecord) -> bool) {
        let records = match self.store.records(certificate) {
            Ok(records) => records,
            Err(error) => return tracing::warn!("DNS records may stay behind: {error}"),
        };
        for record in records.into_iter().filter(|record| !stays(record)) {
            let provider = self.providers.iter().find(|(_, provider)| provider.label() == record.provider);
            let Some((_, provider)) = provider else {
                tracing::warn!(
                    "the TXT record at {} stays: there is no DNS provider `{}`",
                    record.name,
                    record.provider
                );
                continue;
            };
            let removed = match provider.remove(&record).await {
                Ok(()) => self.store.forget_record(&record),
                Err(error) => Err(error),
            };
            if let Err(error) = removed {
                tracing::warn!("the TXT record at {} stays until the next order: {error}", record.name);
            }
        }
    }
}

impl Responder for Dns01 {
    fn kind(&self) -> Kind {
        Kind::Dns01
    }

    fn show<'a>(&'a self, certificate: &'a Label, proofs: &'a [Proof]) -> Doing<'a, ()> {
        Box::pin(self.show_all(certificate, proofs))
    }

    fn hide<'a>(&'a self, certificate: &'a Label) -> Hiding<'a> {
        Box::pin(self.purge(certificate, |_| false))
    }
}

/// What has to be seen at one name.
#[derive(Default)]
struct Expected<'a> {
    provider: &'a str,
    values: Vec<String>,
    name_servers: Vec<String>,
}

fn is_of(record: &StoredRecord, name: &str, value: &str) -> bool {
    record.name == name && record.value == value
}

fn refuse(proof: &Proof, reason: String) -> Error {
    Error::Challenge { kind: Kind::Dns01.as_str(), identifier: proof.name.clone(), reason }
}

fn challenge_name(name: &str) -> String {
    format!("_acme-challenge.{}", name.trim_end_matches('.').to_ascii_lowercase())
}

fn is_below(name: &str, suffix: &str) -> bool {
    let suffix = suffix.trim_matches('.').to_ascii_lowercase();
    suffix.is_empty() || name == suffix || name.strip_suffix(&suffix).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests;
