//! AliDNS: zones and their records.

use serde::Deserialize;

use crate::client::{Call, Client, Page, Parameters, Repeat};
use crate::error::Error;
use crate::flexible::{flag, nested, number, text};
use crate::product::ALIDNS;

/// The zones and records of an account.
#[derive(Clone, Debug)]
pub struct Dns(Client);

/// A zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Zone {
    /// Its name, in Unicode.
    pub domain_name: String,
    /// Its name in the form that is asked in DNS.
    pub puny_code: String,
    /// Its own name servers.
    #[serde(deserialize_with = "nested")]
    pub dns_servers: Vec<String>,
    /// The edition; `mianfei` is the free one.
    pub version_code: String,
    /// The shortest TTL of the edition, in seconds; 0 when it is not told: only [`Dns::zone`] asks for it.
    #[serde(deserialize_with = "number")]
    pub min_ttl: i64,
    /// How many records it has.
    #[serde(deserialize_with = "number")]
    pub record_count: i64,
}

/// A record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Record {
    /// Its id, which lasts as long as the record.
    pub record_id: String,
    /// The zone.
    pub domain_name: String,
    /// The name below the zone; `@` for the zone itself.
    #[serde(rename = "RR")]
    pub rr: String,
    /// `A`, `TXT` and so on.
    #[serde(rename = "Type")]
    pub kind: String,
    /// What it says.
    #[serde(deserialize_with = "text")]
    pub value: String,
    /// In seconds.
    #[serde(rename = "TTL", deserialize_with = "number")]
    pub ttl: i64,
    /// For whom it is; `default` for everybody.
    pub line: String,
    /// `ENABLE` or `DISABLE`.
    pub status: String,
    /// Whether it must not be changed.
    #[serde(deserialize_with = "flag")]
    pub locked: bool,
    /// The priority of an MX record.
    #[serde(deserialize_with = "number")]
    pub priority: i64,
}

/// What a record shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish<'a> {
    /// The name below the zone; `@` for the zone itself, never empty.
    pub rr: &'a str,
    /// The type.
    pub kind: &'a str,
    /// The value.
    pub value: &'a str,
    /// In seconds; without it the default of the service, which is 600.
    pub ttl: Option<u32>,
    /// For whom it is; without it for everybody.
    pub line: Option<&'a str>,
}

/// The line of records that are for everybody.
pub const DEFAULT_LINE: &str = "default";

/// What became of a record that was to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It was added, with this id.
    New(String),
    /// It was there, with this id.
    There(String),
}

impl Added {
    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::New(id) | Self::There(id) => id,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Zones {
    #[serde(deserialize_with = "nested")]
    domains: Vec<Zone>,
    #[serde(deserialize_with = "number")]
    total_count: i64,
}

impl Page for Zones {
    type Item = Zone;

    fn content(self) -> (Vec<Zone>, Option<usize>, String) {
        (self.domains, usize::try_from(self.total_count).ok(), String::new())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Records {
    #[serde(deserialize_with = "nested")]
    domain_records: Vec<Record>,
    #[serde(deserialize_with = "number")]
    total_count: i64,
}

impl Page for Records {
    type Item = Record;

    fn content(self) -> (Vec<Record>, Option<usize>, String) {
        (self.domain_records, usize::try_from(self.total_count).ok(), String::new())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Changed {
    record_id: String,
}

const DUPLICATE: &[&str] = &["DomainRecordDuplicate"];

impl Dns {
    /// The zones and records that the keys of a client reach.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// All zones.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn zones(&self) -> Result<Vec<Zone>, Error> {
        let call = Call::read(&ALIDNS, "DescribeDomains", Parameters::default());
        self.0.numbered::<Zones>(&call, ("PageNumber", "PageSize", 100)).await
    }

    /// One zone, with its shortest TTL.
    ///
    /// # Errors
    /// Each of [`Error`]; the code `InvalidDomainName.NoExist` says that it is not in this account.
    pub async fn zone(&self, name: &str) -> Result<Zone, Error> {
        let parameters = Parameters::default().with("DomainName", name).with("NeedDetailAttributes", true);
        self.0.call(&Call::read(&ALIDNS, "DescribeDomainInfo", parameters)).await
    }

    /// All records of a zone.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn records(&self, zone: &str) -> Result<Vec<Record>, Error> {
        let call = Call::read(&ALIDNS, "DescribeDomainRecords", Parameters::default().with("DomainName", zone));
        self.0.numbered::<Records>(&call, ("PageNumber", "PageSize", 500)).await
    }

    /// The records of one name and type.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn records_of(&self, zone: &str, rr: &str, kind: &str) -> Result<Vec<Record>, Error> {
        let name = if rr == "@" { zone.to_owned() } else { format!("{rr}.{zone}") };
        let parameters = Parameters::default().with("DomainName", zone).with("SubDomain", name).with("Type", kind);
        let call = Call::read(&ALIDNS, "DescribeSubDomainRecords", parameters);
        let all = self.0.numbered::<Records>(&call, ("PageNumber", "PageSize", 100)).await?;
        // The service may tell of names below, too.
        Ok(all.into_iter().filter(|record| record.rr == rr && record.kind.eq_ignore_ascii_case(kind)).collect())
    }

    /// Adds a record beside those that are there. One that says the same already is success, and its id is looked up.
    ///
    /// # Errors
    /// Each of [`Error`]; the code `QuotaExceeded.TTL` says that the TTL is below the floor of the zone.
    pub async fn add(&self, zone: &str, wish: &Wish<'_>) -> Result<Added, Error> {
        let parameters = wished(Parameters::default().with("DomainName", zone), wish);
        match self.0.call::<Changed>(&Call::write(&ALIDNS, "AddDomainRecord", parameters, Repeat::Safe)).await {
            Ok(added) => Ok(Added::New(added.record_id)),
            Err(error) if error.is(DUPLICATE) => {
                let there = self.records_of(zone, wish.rr, wish.kind).await?;
                let line = wish.line.unwrap_or(DEFAULT_LINE);
                // An answer without a line is of a service that knows none.
                let is_of_line = |record: &Record| record.line == line || record.line.is_empty();
                let same = there.into_iter().find(|record| record.value == wish.value && is_of_line(record));
                same.map(|record| Added::There(record.record_id)).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Changes a record, which keeps its id. Says whether that changed anything.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn update(&self, id: &str, wish: &Wish<'_>) -> Result<bool, Error> {
        let parameters = wished(Parameters::default().with("RecordId", id), wish);
        match self.0.call::<Changed>(&Call::write(&ALIDNS, "UpdateDomainRecord", parameters, Repeat::Safe)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is(DUPLICATE) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes a record. Says whether it was there.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn delete(&self, id: &str) -> Result<bool, Error> {
        let parameters = Parameters::default().with("RecordId", id);
        match self.0.call::<Changed>(&Call::write(&ALIDNS, "DeleteDomainRecord", parameters, Repeat::Safe)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is(&["DomainRecordNotBelongToUser"]) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn wished(parameters: Parameters, wish: &Wish<'_>) -> Parameters {
    let parameters = parameters.with("RR", wish.rr).with("Type", wish.kind).with("Value", wish.value);
    parameters.with_some("TTL", wish.ttl).with_some("Line", wish.line)
}

/// The zone in which a name lies, and the name below it (`@` for the zone itself): the longest of the zones whose name is
/// a suffix of it. `name` has to be in the form that is asked in DNS; a dot at its end counts for nothing.
#[must_use]
pub fn zone_of<'a>(zones: &'a [Zone], name: &str) -> Option<(&'a Zone, String)> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let below = |suffix: &str| -> Option<String> {
        let suffix = suffix.trim_end_matches('.').to_ascii_lowercase();
        if suffix.is_empty() {
            return None;
        }
        if name == suffix {
            return Some("@".to_owned());
        }
        Some(name.strip_suffix(&suffix)?.strip_suffix('.')?.to_owned())
    };
    zones
        .iter()
        .filter_map(|zone| {
            let rr = below(&zone.puny_code).or_else(|| below(&zone.domain_name))?;
            Some((zone, rr))
        })
        // The longer the zone, the shorter what stands below it.
        .min_by_key(|(_, rr)| if rr == "@" { 0 } else { rr.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_zone_wins() {
        let zone =
            |name: &str, puny: &str| Zone { domain_name: name.into(), puny_code: puny.into(), ..Zone::default() };
        let zones = [
            zone("example.com", "example.com"),
            zone("sub.example.com", "sub.example.com"),
            zone("例子.com", "xn--fsqu00a.com"),
            zone("", ""),
        ];
        let find = |name: &str| zone_of(&zones, name).map(|(zone, rr)| (zone.domain_name.as_str(), rr));
        assert_eq!(find("_acme-challenge.a.sub.example.com."), Some(("sub.example.com", "_acme-challenge.a".into())));
        assert_eq!(find("Sub.Example.com"), Some(("sub.example.com", "@".into())));
        assert_eq!(find("asub.example.com"), Some(("example.com", "asub".into())));
        assert_eq!(find("x.xn--fsqu00a.com"), Some(("例子.com", "x".into())));
        assert_eq!(find("notexample.com"), None);
    }
}
