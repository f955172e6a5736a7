//! Records in AliDNS, the DNS service of Alibaba Cloud.

use yumen_alibaba::api::dns::{Dns, Wish, Zone, zone_of};

use super::{Added, Provider};
use crate::challenge::Doing;
use crate::error::Error;
use crate::store::StoredRecord;

const TXT: &str = "TXT";
/// The shortest TTL that every edition takes, in seconds.
const TTL: u32 = 600;

/// The zones of one account.
pub struct AliDns {
    label: String,
    dns: Dns,
    zone: Option<String>,
}

impl AliDns {
    /// Without a `zone` the account's list is read and the longest one that fits is taken; keys without the right to list
    /// need it named.
    #[must_use]
    pub fn new(label: &str, dns: Dns, zone: Option<String>) -> Self {
        Self { label: label.to_owned(), dns, zone }
    }

    /// The zone of a name, and the name below it.
    async fn zone(&self, name: &str) -> Result<(Zone, String), Error> {
        let zones = match &self.zone {
            Some(zone) => self.dns.zone(zone).await.map(|zone| vec![zone]),
            None => self.dns.zones().await,
        };
        let zones = zones.map_err(|error| Error::Dns(format!("the zones of AliDNS cannot be read: {error}")))?;
        let (zone, rr) = zone_of(&zones, name).ok_or_else(|| {
            let there: Vec<&str> = zones.iter().map(|zone| zone.domain_name.as_str()).take(10).collect();
            let there = there.join(", ");
            Error::Dns(format!("`{name}` lies in no zone of this AliDNS account; its zones are: {there}"))
        })?;
        Ok((zone.clone(), rr))
    }

    async fn add_record(&self, name: &str, value: &str) -> Result<Added, Error> {
        let (zone, rr) = self.zone(name).await?;
        let ttl = u32::try_from(zone.min_ttl).unwrap_or_default().max(TTL);
        let wish = Wish { rr: &rr, kind: TXT, value, ttl: Some(ttl), line: None };
        let added = match self.dns.add(&zone.domain_name, &wish).await {
            // The list of zones does not tell the floor, so it is asked for where it matters.
            Err(error) if error.is(&["QuotaExceeded.TTL"]) => self.add_at_floor(&zone, &wish).await,
            added => added,
        };
        let added = added.map_err(|error| Error::Dns(format!("AliDNS did not add the record: {error}")))?;
        Ok(Added { id: Some(added.id().to_owned()), name_servers: zone.dns_servers })
    }

    async fn add_at_floor(
        &self,
        zone: &Zone,
        wish: &Wish<'_>,
    ) -> Result<yumen_alibaba::api::dns::Added, yumen_alibaba::Error> {
        let floor = self.dns.zone(&zone.domain_name).await?.min_ttl;
        let wish = Wish { ttl: u32::try_from(floor).ok().filter(|floor| *floor > 0), ..wish.clone() };
        self.dns.add(&zone.domain_name, &wish).await
    }

    async fn remove_record(&self, record: &StoredRecord) -> Result<(), Error> {
        let failed = |error: yumen_alibaba::Error| Error::Dns(format!("AliDNS did not remove the record: {error}"));
        let id = match &record.id {
            Some(id) => id.clone(),
            None => {
                // The process ended before it was told the id. What the record says is made from our own account key,
                // so one that says it is ours.
                let (zone, rr) = self.zone(&record.name).await?;
                let there = self.dns.records_of(&zone.domain_name, &rr, TXT).await.map_err(failed)?;
                match there.into_iter().find(|there| there.value == record.value) {
                    Some(there) => there.record_id,
                    None => return Ok(()),
                }
            }
        };
        self.dns.delete(&id).await.map(drop).map_err(failed)
    }
}

impl Provider for AliDns {
    fn label(&self) -> &str {
        &self.label
    }

    fn add<'a>(&'a self, name: &'a str, value: &'a str) -> Doing<'a, Added> {
        Box::pin(self.add_record(name, value))
    }

    fn remove<'a>(&'a self, record: &'a StoredRecord) -> Doing<'a, ()> {
        Box::pin(self.remove_record(record))
    }
}
