//! AliDNS, alone and as the place where a CA looks.

use std::sync::Arc;

use serde_json::json;
use yumen_identity::When;
use yumen_identity::challenge::Doing;
use yumen_identity::dns::{Added, AliDns, Provider};
use yumen_identity::store::StoredRecord;

use crate::cloud::Cloud;
use crate::stage::{Stage, wish};

fn record(name: &str, value: &str, id: Option<String>) -> StoredRecord {
    StoredRecord { certificate: "www".into(), provider: "alidns".into(), name: name.into(), value: value.into(), id }
}

#[tokio::test]
async fn values_stand_side_by_side_in_the_longest_zone_and_only_own_ids_go() {
    let cloud = Cloud::start(json!({
        "example.test": {},
        "sub.example.test": {"DnsServers": ["ns1.sub.test"], "VersionCode": "mianfei", "MinTtl": 900},
        "例子.test": {"PunyCode": "xn--fsqu00a.test"},
    }))
    .await;
    let provider = AliDns::new("alidns", cloud.dns(), None);
    let name = "_acme-challenge.a.sub.example.test";
    let one = provider.add(name, "one").await.unwrap();
    let two = provider.add(name, "two").await.unwrap();
    assert_eq!(one.name_servers, ["ns1.sub.test"]);
    // The same once more is the same record.
    assert_eq!(provider.add(name, "one").await.unwrap(), one);
    provider.add("_acme-challenge.xn--fsqu00a.test", "idn").await.unwrap();
    let mut records = cloud.records().await;
    records.sort();
    let place = |rr: &str, zone: &str, value: &str, ttl| (rr.to_owned(), zone.to_owned(), value.to_owned(), ttl);
    assert_eq!(
        records,
        [
            place("_acme-challenge", "例子.test", "idn", 600),
            place("_acme-challenge.a", "sub.example.test", "one", 900),
            place("_acme-challenge.a", "sub.example.test", "two", 900),
        ]
    );
    provider.remove(&record(name, "one", one.id.clone())).await.unwrap();
    // One that is gone is no failure, and neither is one whose id was never told.
    provider.remove(&record(name, "one", one.id)).await.unwrap();
    provider.remove(&record("_acme-challenge.xn--fsqu00a.test", "idn", None)).await.unwrap();
    provider.remove(&record(name, "never", None)).await.unwrap();
    assert_eq!(cloud.records().await, [place("_acme-challenge.a", "sub.example.test", "two", 900)]);
    assert!(two.id.is_some());

    let error = provider.add("_acme-challenge.other.test", "x").await.unwrap_err().to_string();
    assert!(error.contains("lies in no zone of this AliDNS account") && error.contains("example.test"), "{error}");
    let pinned = AliDns::new("alidns", cloud.dns(), Some("example.test".into()));
    pinned.add("_acme-challenge.sub.example.test", "pinned").await.unwrap();
    let pinned = place("_acme-challenge.sub", "example.test", "pinned", 600);
    assert!(cloud.records().await.contains(&pinned));
}

/// Serves with Knot what stands in AliDNS, as the name servers of the cloud would.
struct Served {
    alidns: AliDns,
    cloud: Cloud,
    knot: Arc<dyn Provider>,
}

impl Provider for Served {
    fn label(&self) -> &str {
        self.alidns.label()
    }

    fn add<'a>(&'a self, name: &'a str, value: &'a str) -> Doing<'a, Added> {
        Box::pin(async move {
            let added = self.alidns.add(name, value).await?;
            for (rr, zone, value, _) in self.cloud.records().await {
                self.knot.add(&format!("{rr}.{zone}"), &value).await?;
            }
            Ok(added)
        })
    }

    fn remove<'a>(&'a self, record: &'a StoredRecord) -> Doing<'a, ()> {
        Box::pin(async move {
            self.alidns.remove(record).await?;
            let is_there = self.cloud.records().await.iter().any(|(_, _, value, _)| *value == record.value);
            if is_there { Ok(()) } else { self.knot.remove(record).await }
        })
    }
}

#[tokio::test]
async fn a_wildcard_and_two_names_are_proved_through_alidns() {
    let stage = Stage::set(|_| {}).await;
    let cloud = Cloud::start(json!({"example.test": {}, "other.test": {}})).await;
    let alidns = AliDns::new("alidns", cloud.dns(), None);
    let served = Arc::new(Served { alidns, cloud, knot: stage.rfc2136() });
    let acme = stage.acme(vec![stage.dns_way(served.clone())]);
    let wish = wish("wild", &["*.example.test", "example.test", "other.example.test"]);
    let ensured = acme.ensure(&wish, When::Due).await.unwrap();
    assert!(ensured.certificate.is_for(wish.names()));
    assert!(served.cloud.records().await.is_empty());
    assert!(stage.knot.texts("_acme-challenge.example.test").is_empty());
}
