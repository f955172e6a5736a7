//! The calls with types against the cloud of `tests/cloud`, which keeps state and verifies signatures by itself.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use yumen_alibaba::api::dns::{Added, Dns, Wish, zone_of};
use yumen_alibaba::api::oss::Bucket;
use yumen_alibaba::api::sls::{Log, LogGroup, LogStore};
use yumen_alibaba::api::{GroupServer, MemberId, Tag, alb, cas, ecs, ga, kms, nlb, slb, sts, vpc};
use yumen_alibaba::client::{Parameters, Style};
use yumen_alibaba::credential::{AssumeRole, EcsRole, Role};
use yumen_alibaba::product::CS;
use yumen_alibaba::transport::{Endpoint, Outgoing, Timeouts, Transport as _};
use yumen_alibaba::{AccessKey, Call, Client, Clock, Credentials, Draft, Error, Scheme, Secret};

use crate::cloud::Cloud;

const TXT: Wish<'static> = Wish { rr: "_acme-challenge", kind: "TXT", value: "a +*~/=目", ttl: Some(600), line: None };

async fn zones(cloud: &Cloud) {
    cloud
        .set(json!({"zones": {
            "example.com": {"DnsServers": ["ns1.example", "ns2.example"]},
            "sub.example.com": {"VersionCode": "version_enterprise_advanced"},
            "例子.com": {"PunyCode": "xn--fsqu00a.com"},
        }}))
        .await;
}

#[tokio::test]
async fn records_come_and_go_with_every_signature() {
    let cloud = Cloud::start().await;
    zones(&cloud).await;
    let keys = [AccessKey::new("ak", "ak-secret"), AccessKey::new("sts", "sts-secret").with_token("t/+ =*~")];
    for (key, scheme) in keys.iter().flat_map(|key| [(key, Scheme::Acs3), (key, Scheme::V1)]) {
        let mut setup = cloud.setup(key.clone());
        setup.scheme = scheme;
        let dns = Dns::new(Client::new(setup));
        let zones = dns.zones().await.unwrap();
        assert_eq!(zones.len(), 3);
        let (zone, rr) = zone_of(&zones, "_acme-challenge.xn--fsqu00a.com").unwrap();
        assert_eq!((zone.domain_name.as_str(), rr.as_str()), ("例子.com", "_acme-challenge"));
        let zone = dns.zone("example.com").await.unwrap();
        assert_eq!(
            (zone.min_ttl, zone.dns_servers.as_slice()),
            (600, ["ns1.example".to_owned(), "ns2.example".to_owned()].as_slice())
        );
        let first = dns.add("example.com", &TXT).await.unwrap();
        let Added::New(id) = &first else { panic!("{first:?}") };
        assert_eq!(dns.add("example.com", &TXT).await.unwrap(), Added::There(id.clone()), "there already");
        let second = dns.add("example.com", &Wish { value: "other", ..TXT }).await.unwrap();
        let records = dns.records_of("example.com", "_acme-challenge", "TXT").await.unwrap();
        assert_eq!(
            records.iter().map(|record| record.value.as_str()).collect::<HashSet<_>>(),
            ["a +*~/=目", "other"].into()
        );
        assert!(dns.update(id, &Wish { value: "third", ..TXT }).await.unwrap());
        assert!(!dns.update(id, &Wish { value: "third", ..TXT }).await.unwrap(), "nothing changed");
        assert_eq!(dns.records("example.com").await.unwrap().len(), 2);
        assert!(dns.delete(id).await.unwrap() && dns.delete(second.id()).await.unwrap());
        assert!(!dns.delete(id).await.unwrap(), "gone already");
        let error = dns.add("example.com", &Wish { ttl: Some(60), ..TXT }).await.unwrap_err();
        assert_eq!(error.code(), "QuotaExceeded.TTL");
        let error = dns.zone("absent.example").await.unwrap_err();
        assert_eq!(error.code(), "InvalidDomainName.NoExist");
    }
    let apex = Dns::new(cloud.client());
    let added = apex
        .add("sub.example.com", &Wish { rr: "@", kind: "A", value: "192.0.2.1", ttl: Some(1), line: None })
        .await
        .unwrap();
    let again = Wish { rr: "@", kind: "A", value: "192.0.2.1", ttl: Some(1), line: None };
    assert_eq!(apex.add("sub.example.com", &again).await.unwrap(), Added::There(added.id().to_owned()));
}

#[tokio::test]
async fn a_cloud_that_fails_now_and_then_is_outlasted_and_nothing_is_done_twice() {
    let cloud = Cloud::start().await;
    zones(&cloud).await;
    let dns = Dns::new(cloud.client());
    let faults = [
        json!({"kind": "refuse", "code": "Throttling.User", "times": 2}),
        json!({"kind": "refuse", "code": "InternalError", "status": 500, "times": 2}),
        json!({"kind": "refuse", "code": "LastOperationNotFinished", "times": 6}),
        json!({"kind": "html", "times": 2}),
        json!({"kind": "drop", "times": 2}),
        json!({"kind": "torn", "done": true}),
        json!({"kind": "cut", "done": true}),
        json!({"kind": "drop", "done": true}),
    ];
    for (at, mut fault) in faults.into_iter().enumerate() {
        fault["action"] = json!("AddDomainRecord");
        cloud.fault(fault.clone()).await;
        let value = format!("value-{at}");
        let added = dns
            .add("example.com", &Wish { value: &value, ..TXT })
            .await
            .unwrap_or_else(|error| panic!("{fault}: {error}"));
        // What was done and not told is found when it is sent again.
        assert_eq!(matches!(added, Added::There(_)), fault["done"] == true, "{fault}");
        assert_eq!(dns.records("example.com").await.unwrap().len(), at + 1, "{fault}");
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_read_to_its_end_is_no_list() {
    let cloud = Cloud::start().await;
    zones(&cloud).await;
    let records: serde_json::Map<String, Value> = (0..1234)
        .map(|at| {
            let id = format!("{at:06}");
            let record = json!({"RecordId": id, "DomainName": "example.com", "RR": format!("r{at}"), "Type": "A", "Value": "192.0.2.1", "TTL": 600, "Line": "default", "Status": "ENABLE", "Locked": false, "Weight": 1});
            (id, record)
        })
        .collect();
    cloud.set(json!({"records": records})).await;
    let dns = Dns::new(cloud.client());
    let all = dns.records("example.com").await.unwrap();
    assert_eq!(all.iter().map(|record| &record.record_id).collect::<HashSet<_>>().len(), 1234);
    assert_eq!(cloud.log().await.iter().filter(|(action, _)| action == "DescribeDomainRecords").count(), 3);
    cloud.fault(json!({"kind": "refuse", "action": "DescribeDomainRecords", "code": "Forbidden.RAM", "status": 403, "after": 2})).await;
    let error = dns.records("example.com").await.unwrap_err();
    assert_eq!(error.permission(), Some("alidns:DescribeDomainRecords"));
}

#[tokio::test]
async fn a_wrong_clock_and_a_key_that_ended_are_put_right() {
    let cloud = Cloud::start().await;
    zones(&cloud).await;
    let day = 86_400;
    cloud.set(json!({"offset": day, "role": {"name": "edge", "seconds": 3600}})).await;
    let clock = Clock::default();
    let role = EcsRole::new(cloud.surroundings(clock.clone()), None);
    let client = Client::new(cloud.setup_with(Credentials::new(role, clock.clone()), clock.clone()));
    let dns = Dns::new(client.clone());
    dns.zones().await.unwrap();
    assert!(clock.ahead().abs_diff(day) < 5, "{}", clock.ahead());
    // The key is revoked; the next one is fetched and the call sent again.
    cloud.set(json!({"keys": {}})).await;
    let used = client.credentials().status().id.unwrap();
    let expired = json!({used.clone(): {"secret": "x", "token": "token", "expires": 1}});
    cloud.set(json!({"keys": expired})).await;
    dns.zones().await.unwrap();
    assert_ne!(client.credentials().status().id.unwrap(), used);
    assert!(cloud.log().await.iter().any(|(_, outcome)| outcome.starts_with("InvalidSecurityToken")));
}

#[tokio::test]
async fn a_machine_whose_clock_is_a_day_ahead_gets_its_keys_all_the_same() {
    let cloud = Cloud::start().await;
    zones(&cloud).await;
    cloud.set(json!({"offset": -86_400, "role": {"name": "edge", "seconds": 3600}})).await;
    let clock = Clock::default();
    let role = EcsRole::new(cloud.surroundings(clock.clone()), None);
    let client = Client::new(cloud.setup_with(Credentials::new(role, clock.clone()), clock.clone()));
    assert_eq!(Dns::new(client).zones().await.unwrap().len(), 3);
    assert!(clock.ahead() < -86_000, "{}", clock.ahead());
}

#[tokio::test]
async fn roles_are_taken_on_one_after_another() {
    let cloud = Cloud::start().await;
    cloud.set(json!({"lists": {"roles": ["acs:ram::1:role/first", "acs:ram::2:role/second"]}})).await;
    let clock = Clock::default();
    let surroundings = cloud.surroundings(clock.clone());
    let take = |source, arn: &str, session: &str| {
        let role = Role { session: session.to_owned(), ..Role::new(arn) };
        let provider = AssumeRole { source, role, surroundings: surroundings.clone() };
        Credentials::new(provider, clock.clone())
    };
    let first = take(std::sync::Arc::new(AccessKey::new("ak", "ak-secret")), "acs:ram::1:role/first", "one");
    let second = take(std::sync::Arc::new(first), "acs:ram::2:role/second", "two");
    let identity = sts::caller(&Client::new(cloud.setup_with(second, clock))).await.unwrap();
    assert_eq!(
        (identity.identity_type.as_str(), identity.arn.as_str()),
        ("AssumedRoleUser", "acs:sts::2:assumed-role/second/two")
    );
}

fn server(id: &str, weight: i64) -> GroupServer {
    GroupServer { server_id: id.into(), server_type: "Ip".into(), port: 8080, weight, ..GroupServer::default() }
}

fn member(id: &str) -> MemberId {
    MemberId { server_id: id.into(), server_type: "Ip".into(), port: 8080 }
}

#[tokio::test]
async fn servers_of_application_balancers_are_changed_and_the_jobs_awaited() {
    let cloud = Cloud::start().await;
    cloud.set(json!({"groups": {"sgp-1": {"Servers": []}}})).await;
    let groups = alb::ServerGroups::new(cloud.client());
    let many: Vec<GroupServer> = (0..90).map(|at| server(&format!("10.0.0.{at}"), 100)).collect();
    cloud.fault(json!({"kind": "refuse", "action": "AddServersToServerGroup", "code": "IncorrectStatus.ServerGroup", "times": 3})).await;
    cloud.fault(json!({"kind": "drop", "action": "AddServersToServerGroup", "done": true})).await;
    groups.add("sgp-1", &many).await.unwrap();
    let listed = groups.servers("sgp-1").await.unwrap();
    assert_eq!(listed.len(), 90);
    assert!(listed.iter().all(|server| server.status == "Available" && server.weight == 100));
    groups.update("sgp-1", &[server("10.0.0.7", 0)]).await.unwrap();
    let listed = groups.servers("sgp-1").await.unwrap();
    assert_eq!(listed.iter().filter(|server| server.weight == 0).count(), 1);
    groups.may_change("sgp-1").await.unwrap();
    groups.remove("sgp-1", &[member("10.0.0.7"), member("10.9.9.9"), member("10.0.0.8")]).await.unwrap();
    assert_eq!(groups.servers("sgp-1").await.unwrap().len(), 88, "one was gone already");
    groups.remove("absent", &[member("10.0.0.7")]).await.unwrap();
    assert_eq!(groups.servers("absent").await.unwrap_err().code(), "ResourceNotFound.ServerGroup");
}

#[tokio::test]
async fn servers_of_network_balancers_are_changed_and_the_jobs_awaited() {
    let cloud = Cloud::start().await;
    cloud.set(json!({"groups": {"sgp-1": {"Servers": []}}, "looks": 4})).await;
    let groups = nlb::ServerGroups::new(cloud.client());
    cloud.fault(json!({"kind": "refuse", "action": "AddServersToServerGroup", "code": "Conflict.Lock"})).await;
    groups.add("sgp-1", &[server("10.0.0.1", 50)]).await.unwrap();
    assert_eq!(groups.servers("sgp-1").await.unwrap()[0].status, "Available");
    groups.remove("sgp-1", &[member("10.0.0.1")]).await.unwrap();
    groups.remove("sgp-1", &[member("10.0.0.1")]).await.unwrap();
    assert!(groups.servers("sgp-1").await.unwrap().is_empty());
    // A job that never ends is given up, and named.
    cloud.set(json!({"looks": 1000})).await;
    let error = groups.add("sgp-1", &[server("10.0.0.2", 50)]).await.unwrap_err();
    assert!(matches!(&error, Error::Job { action, .. } if action == "AddServersToServerGroup"), "{error}");
}

#[tokio::test]
async fn servers_of_classic_balancers_are_changed_in_both_kinds_of_groups() {
    let cloud = Cloud::start().await;
    cloud.set(json!({"balancers": {"lb-1": []}, "vgroups": {"rsp-1": []}})).await;
    let client = cloud.client();
    for group in [slb::Group::Default("lb-1"), slb::Group::VServer("rsp-1")] {
        let port = if matches!(group, slb::Group::VServer(_)) { 8080 } else { 0 };
        let backend = |at: usize, weight| slb::Backend {
            server_id: format!("i-{at}"),
            kind: "ecs".into(),
            weight,
            port,
            ..slb::Backend::default()
        };
        let all: Vec<_> = (0..25).map(|at| backend(at, 100)).collect();
        group.add(&client, &all).await.unwrap();
        group.set(&client, &[backend(3, 0)]).await.unwrap();
        let listed = group.backends(&client).await.unwrap();
        assert_eq!((listed.len(), listed[3].weight, listed[4].weight), (25, 0, 100));
        group.remove(&client, &all[..20]).await.unwrap();
        assert_eq!(group.backends(&client).await.unwrap().len(), 5);
    }
    assert_eq!(slb::health(&client, "lb-1").await.unwrap()[0].server_health_status, "normal");
    let one = [slb::Backend { server_id: "i-1".into(), ..slb::Backend::default() }];
    slb::Group::Default("gone").remove(&client, &one).await.unwrap();
    slb::Group::VServer("gone").remove(&client, &one).await.unwrap();
    // What must not be done twice is not sent again when its answer is lost.
    cloud.fault(json!({"kind": "drop", "action": "AddBackendServers", "done": true})).await;
    let error = slb::Group::Default("lb-1").add(&client, &one).await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }), "{error}");
}

#[tokio::test]
async fn instances_are_found_by_tag_over_many_pages() {
    let cloud = Cloud::start().await;
    let instances: Vec<Value> = (0..250)
        .map(|at| {
            json!({"InstanceId": format!("i-{at}"), "Status": if at % 2 == 0 { "Running" } else { "Stopped" }, "ZoneId": "cn-hangzhou-h",
                "VpcAttributes": {"VpcId": "vpc-1", "PrivateIpAddress": {"IpAddress": [format!("10.0.0.{at}")]}},
                "Tags": {"Tag": [{"TagKey": "role", "TagValue": "edge"}]}})
        })
        .filter(|instance| instance["InstanceId"] != "i-999")
        .collect();
    cloud.set(json!({"lists": {"instances": instances}})).await;
    let tag = Tag { key: "role".into(), value: "edge".into() };
    let filter = ecs::Filter { tags: vec![tag.clone()], status: Some("Running".into()), ..ecs::Filter::default() };
    let found = ecs::instances(&cloud.client(), &filter).await.unwrap();
    assert_eq!(found.len(), 125);
    assert_eq!(found[1].vpc_attributes.private_ip_address, ["10.0.0.2".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(found[1].tags, [tag]);
    let filter = ecs::Filter { ids: vec!["i-3".into(), "i-4".into()], ..ecs::Filter::default() };
    assert_eq!(ecs::instances(&cloud.client(), &filter).await.unwrap().len(), 2);
    let filter = ecs::Filter { ids: vec![String::new(); 101], ..ecs::Filter::default() };
    assert!(matches!(ecs::instances(&cloud.client(), &filter).await, Err(Error::Invalid { .. })));
}

#[tokio::test]
async fn snat_entries_are_created_one_at_a_time_and_awaited() {
    let cloud = Cloud::start().await;
    let nat = json!({"NatGatewayId": "ngw-1", "VpcId": "vpc-1", "Status": "Available", "SnatTableIds": {"SnatTableId": ["stb-1"]},
        "IpLists": {"IpList": [{"IpAddress": "203.0.113.1", "UsingStatus": "Idle"}]}});
    let eip = json!({"AllocationId": "eip-1", "IpAddress": "203.0.113.1", "Status": "InUse", "InstanceId": "ngw-1", "Bandwidth": "5"});
    cloud.set(json!({"lists": {"nat": [nat], "eips": [eip]}, "tables": {"stb-1": []}, "looks": 3})).await;
    let client = cloud.client();
    let gateways = vpc::nat_gateways(&client, Some("vpc-1")).await.unwrap();
    assert_eq!(
        (gateways[0].snat_table_ids.as_slice(), gateways[0].ip_lists[0].ip_address.as_str()),
        (["stb-1".to_owned()].as_slice(), "203.0.113.1")
    );
    assert_eq!(vpc::eips(&client, Some("ngw-1")).await.unwrap()[0].bandwidth, "5");
    let address = ["203.0.113.1".to_owned()];
    cloud.fault(json!({"kind": "refuse", "action": "CreateSnatEntry", "code": "OperationConflict", "times": 2})).await;
    cloud.fault(json!({"kind": "drop", "action": "CreateSnatEntry", "done": true})).await;
    let id =
        vpc::create_snat(&client, "stb-1", &vpc::Source::Cidr("10.0.0.0/24"), &address, Some("edge")).await.unwrap();
    let entries = vpc::snat_entries(&client, "ngw-1").await.unwrap();
    assert_eq!(entries.len(), 1, "a lost answer made no second entry");
    assert_eq!(
        (entries[0].snat_entry_id.as_str(), entries[0].status.as_str(), entries[0].source_cidr.as_str()),
        (id.as_str(), "Available", "10.0.0.0/24")
    );
    assert!(vpc::delete_snat(&client, "stb-1", &id).await.unwrap());
    assert!(!vpc::delete_snat(&client, "stb-1", &id).await.unwrap());
}

#[tokio::test]
async fn an_accelerator_is_read_with_its_listeners() {
    let cloud = Cloud::start().await;
    let listeners: Vec<Value> = (0..60)
        .map(|at| json!({"AcceleratorId": "ga-1", "ListenerId": format!("lsr-{at}"), "Protocol": "TCP", "State": "active", "CreateTime": 1, "PortRanges": [{"FromPort": 1000 + at, "ToPort": "1000"}], "ClientAffinity": "SOURCE_IP"}))
        .collect();
    let groups = json!([{"AcceleratorId": "ga-1", "ListenerId": "lsr-1", "EndpointGroupIpList": ["198.51.100.1"], "EndpointConfigurations": [{"Endpoint": "192.0.2.1", "Type": "Ip", "Weight": 20}]}]);
    cloud.set(json!({"lists": {"accelerators": [{"AcceleratorId": "ga-1", "State": "active"}], "listeners": listeners, "endpointgroups": groups}})).await;
    let client = cloud.client();
    assert_eq!(ga::accelerators(&client).await.unwrap()[0].state, "active");
    let found = ga::listeners(&client, "ga-1").await.unwrap();
    assert_eq!((found.len(), found[59].port_ranges[0].from_port, found[59].port_ranges[0].to_port), (60, 1059, 1000));
    let groups = ga::endpoint_groups(&client, "ga-1").await.unwrap();
    assert_eq!(
        (groups[0].endpoint_group_ip_list[0].as_str(), groups[0].endpoint_configurations[0].weight),
        ("198.51.100.1", 20)
    );
    assert_eq!(ga::listeners(&client, "ga-2").await.unwrap_err().code(), "NotExist.Accelerator");
}

#[tokio::test]
async fn a_secret_is_read_in_both_stages_and_not_shown() {
    let cloud = Cloud::start().await;
    cloud.set(json!({"secrets": {"edge/db": {"ACSCurrent": "hush-now", "ACSPrevious": "hush-before"}}})).await;
    let client = cloud.client();
    let now = kms::secret(&client, "edge/db", kms::CURRENT).await.unwrap();
    assert_eq!((now.data.reveal(), now.stages.as_slice()), ("hush-now", ["ACSCurrent".to_owned()].as_slice()));
    assert!(!format!("{now:?}").contains("hush"));
    let before = kms::secret(&client, "edge/db", kms::PREVIOUS).await.unwrap();
    assert_eq!(before.bytes().unwrap(), b"hush-before");
    assert_eq!(kms::secret(&client, "none", kms::CURRENT).await.unwrap_err().code(), "Forbidden.ResourceNotFound");
}

async fn secrets(cloud: &Cloud, stages: &[(&str, &str)]) {
    let stages: serde_json::Map<String, Value> =
        stages.iter().map(|(stage, text)| ((*stage).to_owned(), json!(text))).collect();
    cloud.set(json!({"secrets": {"edge/db": stages}})).await;
}

#[tokio::test]
async fn a_secret_is_followed_through_a_rotation() {
    let cloud = Cloud::start().await;
    secrets(&cloud, &[("ACSCurrent", "one")]).await;
    let followed = kms::FollowedSecret::new(cloud.client(), "edge/db", Duration::from_secs(3600));
    let one = followed.value().await.unwrap();
    assert_eq!(one.data.reveal(), "one");
    assert!(followed.after_refusal(&one).await.unwrap().is_none(), "never rotated: nothing else to try");
    secrets(&cloud, &[("ACSCurrent", "two"), ("ACSPrevious", "one")]).await;
    assert_eq!(followed.value().await.unwrap().data.reveal(), "one", "it is not read for every use");
    let fresh = kms::FollowedSecret::new(cloud.client(), "edge/db", Duration::ZERO);
    let two = fresh.value().await.unwrap();
    assert_eq!(two.data.reveal(), "two");
    let before = fresh.after_refusal(&two).await.unwrap().unwrap();
    assert_eq!(before.data.reveal(), "one", "the server may have the old one still");
    assert_eq!(fresh.after_refusal(&before).await.unwrap().unwrap().data.reveal(), "two");
    // A server that has the new one already: it is found out at once, not when the time has come.
    secrets(&cloud, &[("ACSCurrent", "one")]).await;
    let slow = kms::FollowedSecret::new(cloud.client(), "edge/db", Duration::from_secs(3600));
    let one = slow.value().await.unwrap();
    secrets(&cloud, &[("ACSCurrent", "two"), ("ACSPrevious", "one")]).await;
    let start = tokio::time::Instant::now();
    let mut next = slow.after_refusal(&one).await.unwrap();
    while next.is_none() && start.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        next = slow.after_refusal(&one).await.unwrap();
    }
    assert_eq!(next.unwrap().data.reveal(), "two");
}

#[tokio::test]
async fn a_secret_is_served_while_kms_is_away_and_read_again_when_it_is_back() {
    let cloud = Cloud::start().await;
    secrets(&cloud, &[("ACSCurrent", "one")]).await;
    let followed = kms::FollowedSecret::new(cloud.client(), "edge/db", Duration::ZERO);
    followed.value().await.unwrap();
    secrets(&cloud, &[("ACSCurrent", "two")]).await;
    cloud.fault(json!({"kind": "refuse", "action": "GetSecretValue", "code": "Rejected.Throttling", "status": 429, "times": 4})).await;
    let start = tokio::time::Instant::now();
    while followed.failing().is_none() && start.elapsed() < Duration::from_secs(30) {
        assert_eq!(followed.value().await.unwrap().data.reveal(), "one");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (_, error) = followed.failing().unwrap();
    assert_eq!(error.code(), "Rejected.Throttling");
    while followed.value().await.unwrap().data.reveal() != "two" {
        assert!(start.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(followed.failing().is_none());
}

#[tokio::test]
async fn a_certificate_is_uploaded_once_and_its_key_stays_out_of_the_url() {
    let cloud = Cloud::start().await;
    let client = cloud.client();
    let (chain, key) = ("-----BEGIN CERTIFICATE-----\nx\n", Secret::new("-----BEGIN PRIVATE KEY-----\nhush\n"));
    cloud.fault(json!({"kind": "cut", "action": "UploadUserCertificate", "done": true})).await;
    let id = cas::upload(&client, "edge-1", chain, &key).await.unwrap();
    let listed = cas::uploaded(&client).await.unwrap();
    assert_eq!(
        listed.iter().map(|one| (one.certificate_id, one.identifier())).collect::<Vec<_>>(),
        [(id, format!("{id}-cn-hangzhou"))]
    );
    assert_eq!(cas::upload(&client, "edge-1", chain, &key).await.unwrap_err().code(), "NameRepeat");
    assert!(matches!(cas::upload(&client, &"x".repeat(64), chain, &key).await, Err(Error::Invalid { .. })));
    let log = cloud.value("log").await;
    assert!(log.as_array().unwrap().iter().all(|line| line["query"] == json!([])), "{log}");
}

#[tokio::test]
async fn objects_are_put_and_urls_made_for_others() {
    let cloud = Cloud::start().await;
    for key in [AccessKey::new("ak", "ak-secret"), AccessKey::new("sts", "sts-secret").with_token("t/+ =*~")] {
        let bucket = Bucket::new(Client::new(cloud.setup(key)), "edge");
        let name = "目录/a b+c*~'(1)!.txt";
        cloud.fault(json!({"kind": "refuse", "action": "PutObject", "code": "QpsLimitExceeded", "status": 503})).await;
        let tag = bucket.put(name, "hello".into(), "text/plain").await.unwrap();
        assert_eq!(tag, "5D41402ABC4B2A76B9719D911017C592");
        assert_eq!(&bucket.get(name).await.unwrap()[..], b"hello");
        let url = bucket.url(name, Duration::from_secs(60)).await.unwrap();
        let (path, query) = url.split_once('?').unwrap();
        let mut draft = Draft::new(
            "GET",
            cloud.endpoint.authority.clone(),
            path.strip_prefix(&cloud.endpoint.to_string()).unwrap(),
        );
        draft.query = crate::vector::form(query);
        let timeouts = Timeouts::default();
        let answer =
            cloud.transport.send(Outgoing { endpoint: cloud.endpoint.clone(), draft, timeouts }).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, b"hello".as_slice()));
        bucket.delete(name).await.unwrap();
        bucket.delete(name).await.unwrap();
        let error = bucket.get(name).await.unwrap_err();
        assert!(error.code() == "NoSuchKey" && error.to_string().contains("request 4734"), "{error}");
        assert!(matches!(bucket.get("").await, Err(Error::Invalid { .. })));
    }
    cloud.set(json!({"keys": {"ak": {"secret": "ak-secret", "deny": ["oss:PutObject"]}}})).await;
    let error = Bucket::new(cloud.client(), "edge").put("k", "x".into(), "text/plain").await.unwrap_err();
    assert_eq!(error.permission(), Some("oss:PutObject"));
    cloud.set(json!({"keys": {"ak": {"secret": "other"}}})).await;
    let error = Bucket::new(cloud.client(), "edge").get("k").await.unwrap_err();
    assert_eq!(error.code(), "SignatureDoesNotMatch");
}

#[tokio::test]
async fn logs_are_put_in_both_versions_of_the_signature() {
    let cloud = Cloud::start().await;
    let log = |value: &str| Log {
        time: Duration::new(1_767_323_045, 7),
        contents: vec![("path".into(), value.into()), ("status".into(), "200".into())],
    };
    let group = LogGroup {
        logs: vec![log("/目录"), log(&"x".repeat(5000))],
        topic: "access".into(),
        source: "192.0.2.10".into(),
        tags: vec![("host".into(), "edge-1".into())],
    };
    for key in [AccessKey::new("ak", "ak-secret"), AccessKey::new("sts", "sts-secret").with_token("t/+ =*~")] {
        cloud.set(json!({"stores": {"edge/access": []}})).await;
        let client = Client::new(cloud.setup(key));
        let store = LogStore::new(client.clone(), "edge", "access");
        cloud
            .fault(json!({"kind": "refuse", "action": "PutLogs", "code": "ShardWriteQuotaExceed", "status": 403}))
            .await;
        store.put(&group).await.unwrap();
        store.with_v1().put(&group).await.unwrap();
        let stored = cloud.value("stores").await["edge/access"].clone();
        assert_eq!(stored[0], stored[1]);
        assert_eq!(
            stored[0]["logs"][0],
            json!({"contents": [["path", "/目录"], ["status", "200"]], "time": 1_767_323_045, "time_ns": 7})
        );
        assert_eq!((&stored[0]["topic"], &stored[0]["tags"]), (&json!("access"), &json!([["host", "edge-1"]])));
        let error = LogStore::new(client, "edge", "none").put(&group).await.unwrap_err();
        assert!(error.code() == "LogStoreNotExist" && error.to_string().contains("request 5B1C"), "{error}");
    }
    cloud.set(json!({"keys": {"ak": {"secret": "ak-secret", "deny": ["log:PostLogStoreLogs"]}}})).await;
    let error = LogStore::new(cloud.client(), "edge", "access").put(&group).await.unwrap_err();
    assert_eq!(error.permission(), Some("log:PostLogStoreLogs"));
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_put_right_by_storage_too() {
    let cloud = Cloud::start().await;
    cloud.set(json!({"offset": -7200, "stores": {"edge/access": []}})).await;
    Bucket::new(cloud.client(), "edge").put("k", "x".into(), "text/plain").await.unwrap();
    let group = LogGroup { logs: vec![Log::default()], ..LogGroup::default() };
    LogStore::new(cloud.client(), "edge", "access").put(&group).await.unwrap();
}

#[tokio::test]
async fn a_roa_product_is_called_with_both_signatures() {
    let cloud = Cloud::start().await;
    cloud.set(json!({"lists": {"clusters": [{"cluster_id": "c-1"}]}})).await;
    let style = Style::Roa { method: "GET", path: "/api/v1/clusters".into(), body: String::new() };
    let parameters = Parameters::default().with("name", "a b").with("profile", "Default");
    let call = Call { style, ..Call::read(&CS, "DescribeClustersV1", parameters) };
    for scheme in [Scheme::Acs3, Scheme::V1] {
        let mut setup = cloud.setup(AccessKey::new("sts", "sts-secret").with_token("t/+ =*~"));
        setup.scheme = scheme;
        let answer: Value = Client::new(setup).call(&call).await.unwrap();
        assert_eq!(answer["clusters"][0]["cluster_id"], "c-1");
    }
}

#[tokio::test]
async fn a_service_that_is_away_for_long_costs_no_waiting_and_is_found_again() {
    let cloud = Cloud::start().await;
    zones(&cloud).await;
    let mut setup = cloud.setup(AccessKey::new("ak", "ak-secret"));
    setup.endpoints.insert("alidns".to_owned(), Endpoint::parse("http://127.0.0.1:1").unwrap());
    let dns = Dns::new(Client::new(setup));
    let mut error = dns.zones().await.unwrap_err();
    for _ in 0..3 {
        error = dns.zones().await.unwrap_err();
    }
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}

#[test]
fn calls_may_be_made_from_any_thread() {
    fn check<T: Send>(_: T) {}
    let clock = Clock::default();
    let transport = std::sync::Arc::new(yumen_alibaba::transport::HttpTransport::new().unwrap());
    let credentials = Credentials::new(AccessKey::new("a", "b"), clock.clone());
    let client = Client::new(yumen_alibaba::Setup::new("r", transport, credentials, clock));
    check(alb::ServerGroups::new(client.clone()).add("g", &[]));
    check(nlb::ServerGroups::new(client.clone()).remove("g", &[]));
    check(Dns::new(client.clone()).zones());
    check(Bucket::new(client.clone(), "b").get("k"));
    check(client.credentials().keep_fresh());
    check(LogStore::new(client, "p", "s").put(&LogGroup::default()));
}
