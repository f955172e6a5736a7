//! What the crate sends and reads against the models of the vendor's libraries, and its endpoints against their tables.

use std::collections::BTreeSet;

use serde_json::Value;
use yumen_alibaba::api::dns::{Dns, Wish};
use yumen_alibaba::api::oss::Bucket;
use yumen_alibaba::api::sls::{Log, LogGroup, LogStore};
use yumen_alibaba::api::{GroupServer, MemberId, Tag, alb, cas, ecs, ga, kms, nlb, slb, sts, vpc};
use yumen_alibaba::credential::{EcsRole, Provider as _};
use yumen_alibaba::policy::{self, Need};
use yumen_alibaba::product::{ALB, ALIDNS, CAS, ECS, GA, KMS, NLB, Product, SLB, STS, VPC};
use yumen_alibaba::{AccessKey, Client, Secret};

use crate::script::{Script, setup, surroundings};
use crate::vector::{form, read};

/// The vendor's name of a product, in the models.
fn model(name: &str, models: &Value) -> Value {
    let products = models["products"].as_object().unwrap();
    let starts = |key: &&String| key.trim_end_matches(|c: char| c.is_ascii_digit()) == name;
    products[products.keys().find(starts).unwrap_or_else(|| panic!("no model of {name}"))].clone()
}

#[test]
fn endpoints_are_those_of_the_vendors_libraries() {
    let models = read("api-models.json");
    for name in ["alidns", "ecs", "slb", "alb", "nlb", "vpc", "cas", "kms", "sts", "tag", "cms", "cs"] {
        let product = Product::find(name).unwrap();
        let model = model(name, &models);
        for (region, host) in model["endpoint_exceptions"].as_object().unwrap() {
            assert_eq!(product.endpoint(region, None).authority, host.as_str().unwrap(), "{name} {region}");
        }
        for action in model["actions"].as_object().unwrap().values() {
            assert_eq!(action["version"], product.version, "{name}");
        }
    }
    assert_eq!(Product::find("ga").unwrap().version, "2019-11-20");
}

/// The names of parameters in a model, flattened as they are sent: `Servers.1.Port`.
fn flat(prefix: &str, value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flat(&name, inner, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| flat(&format!("{prefix}.1"), item, names)),
        Value::String(kind) if kind.starts_with("List[") => drop(names.insert(format!("{prefix}.1"))),
        _ => drop(names.insert(prefix.to_owned())),
    }
}

const PRODUCTS: &[&Product] = &[&ALIDNS, &ECS, &SLB, &ALB, &NLB, &VPC, &GA, &CAS, &KMS, &STS];

/// All that a policy can be for.
fn everything() -> Vec<Need<'static>> {
    let (region, change) = ("r", true);
    vec![
        Need::Acme { zones: &["z"] },
        Need::DynamicDns { zones: &["z"] },
        Need::Instances { region },
        Need::Alb { region, groups: &["g"], change },
        Need::Nlb { region, groups: &["g"], change },
        Need::BalancerHealth { product: "alb" },
        Need::BalancerHealth { product: "nlb" },
        Need::Clb { region, balancers: &["l"], change },
        Need::Nat { region, change },
        Need::SnatDeletion { region },
        Need::Accelerator,
        Need::Certificates { delete: change },
        Need::NewObjects { bucket: "b", prefix: "p" },
        Need::Secrets { region, names: &["s"] },
        Need::Role { arn: "acs:ram::1:role/r" },
        Need::Objects { bucket: "b", prefix: "p/" },
        Need::Logs { region, project: "p", store: "s" },
    ]
}

/// Calls everything once; the answers do not matter.
async fn call_everything(client: &Client) {
    let wish = Wish { rr: "@", kind: "A", value: "192.0.2.1", ttl: Some(600), line: None };
    let dns = Dns::new(client.clone());
    drop(dns.zones().await);
    drop(dns.zone("z").await);
    drop(dns.records("z").await);
    drop(dns.records_of("z", "@", "A").await);
    drop(dns.add("z", &wish).await);
    drop(dns.update("1", &wish).await);
    drop(dns.delete("1").await);
    let filter = ecs::Filter {
        ids: vec!["i".into()],
        tags: vec![Tag { key: "k".into(), value: "v".into() }],
        vpc: Some("v".into()),
        zone: Some("z".into()),
        security_group: Some("g".into()),
        status: Some("s".into()),
    };
    drop(ecs::instances(client, &filter).await);
    drop(ga::accelerators(client).await);
    drop(ga::listeners(client, "a").await);
    drop(ga::endpoint_groups(client, "a").await);
    let server = GroupServer { server_ip: "1".into(), description: "d".into(), ..GroupServer::default() };
    let member = MemberId { server_id: "i".into(), server_type: "Ecs".into(), port: 1 };
    let (application, network) = (alb::ServerGroups::new(client.clone()), nlb::ServerGroups::new(client.clone()));
    drop(application.servers("g").await);
    drop(application.add("g", std::slice::from_ref(&server)).await);
    drop(application.update("g", std::slice::from_ref(&server)).await);
    drop(application.remove("g", std::slice::from_ref(&member)).await);
    drop(application.may_change("g").await);
    drop(application.health("l").await);
    drop(network.health("l").await);
    drop(network.servers("g").await);
    drop(network.add("g", std::slice::from_ref(&server)).await);
    drop(network.update("g", std::slice::from_ref(&server)).await);
    drop(network.remove("g", std::slice::from_ref(&member)).await);
    let backend = [slb::Backend::default()];
    for group in [slb::Group::Default("l"), slb::Group::VServer("v")] {
        drop(group.backends(client).await);
        drop(group.add(client, &backend).await);
        drop(group.set(client, &backend).await);
        drop(group.remove(client, &backend).await);
    }
    drop(slb::health(client, "l").await);
    drop(vpc::nat_gateways(client, Some("v")).await);
    drop(vpc::snat_entries(client, "n").await);
    drop(vpc::eips(client, Some("n")).await);
    drop(vpc::create_snat(client, "t", &vpc::Source::Cidr("10.0.0.0/8"), &["1".into()], Some("n")).await);
    drop(vpc::create_snat(client, "t", &vpc::Source::VSwitch("v"), &["1".into()], None).await);
    drop(vpc::delete_snat(client, "t", "e").await);
    drop(kms::secret(client, "s", kms::CURRENT).await);
    drop(cas::upload(client, "n", "c", &Secret::new("k")).await);
    drop(cas::uploaded(client).await);
    drop(cas::delete(client, 1).await);
    drop(sts::caller(client).await);
}

#[tokio::test]
async fn every_parameter_that_is_sent_stands_in_the_models() {
    // Enough for the calls to be made, and for the jobs of changes to be looked at.
    let answer = r#"{"RequestId":"R","JobId":"j","SnatEntryId":"s","Status":"Succeeded","Jobs":[{"Id":"j","Status":"Succeeded"}],"items":[],"TotalCount":0,"SnatTableEntries":{"SnatTableEntry":[{"SnatEntryId":"s","Status":"Available"}]}}"#;
    let script = Script::new((0..200).map(|_| (200, answer.to_owned())));
    let client = Client::new(setup(&script, AccessKey::new("a", "b")));
    call_everything(&client).await;
    let models = read("api-models.json");
    let mut seen = BTreeSet::new();
    for (at, out) in script.seen().iter().enumerate() {
        let action = out.draft.headers.value("x-acs-action").unwrap();
        let version = out.draft.headers.value("x-acs-version").unwrap();
        let product = models["products"]
            .as_object()
            .unwrap()
            .values()
            .find(|product| product["actions"][action]["version"] == version)
            .unwrap_or_else(|| panic!("{action} of {version} stands in no model"));
        let mut allowed = BTreeSet::new();
        flat("", &product["actions"][action]["request"], &mut allowed);
        for (name, _) in form(&script.body(at)) {
            assert!(allowed.contains(&name), "{action} has no parameter {name}; it has {allowed:?}");
        }
        seen.insert((version.to_owned(), action.to_owned()));
    }
    let policy = policy::least("1", &everything()).to_string();
    for (version, action) in &seen {
        let name = |product: &&Product| product.version == version;
        let ram = PRODUCTS.iter().copied().find(name).unwrap().ram;
        // Nobody needs a permission to ask who he is.
        assert!(action == "GetCallerIdentity" || policy.contains(&format!("\"{ram}:{action}\"")), "{ram}:{action}");
    }
    assert!(seen.len() >= 38, "{}: {seen:?}", seen.len());
}

/// Answers a call with the sample answer of a product, and all that follows with an empty one.
async fn sample(product: &str, action: &str) -> Client {
    let file = read(&format!("responses/{product}.json"));
    let mut body = file["responses"][action]["body"].clone();
    assert!(body.is_object(), "{product} {action}");
    // Samples are one page of some: as if it were the only one.
    if let Some(map) = body.as_object_mut() {
        map.remove("NextToken");
    }
    let script = Script::new([(200, body.to_string())]);
    Client::new(setup(&script, AccessKey::new("a", "b")))
}

#[tokio::test]
async fn sample_answers_are_read_to_the_last_field() {
    let dns = |client| Dns::new(client);
    let zones = dns(sample("alidns", "DescribeDomains").await).zones().await.unwrap();
    assert_eq!(
        (zones[1].puny_code.as_str(), zones[1].dns_servers.len(), zones[0].record_count),
        ("xn--fsqu00a.com", 2, 12)
    );
    let zone = dns(sample("alidns", "DescribeDomainInfo").await).zone("z").await.unwrap();
    assert_eq!((zone.min_ttl, zone.version_code.as_str()), (600, "mianfei"));
    let records = dns(sample("alidns", "DescribeDomainRecords").await).records("z").await.unwrap();
    assert_eq!(
        (records[1].rr.as_str(), records[1].kind.as_str(), records[1].priority, records[0].ttl),
        ("@", "MX", 10, 600)
    );

    let instances = ecs::instances(&sample("ecs", "DescribeInstances").await, &ecs::Filter::default()).await.unwrap();
    assert!(
        !instances.is_empty() && instances.iter().all(|one| !one.instance_id.is_empty() && !one.zone_id.is_empty())
    );
    assert!(!instances[0].vpc_attributes.private_ip_address.is_empty() && !instances[0].tags[0].key.is_empty());

    let accelerators = ga::accelerators(&sample("ga", "ListAccelerators").await).await.unwrap();
    assert!(!accelerators[0].dns_name.is_empty() && !accelerators[0].state.is_empty());
    let listeners = ga::listeners(&sample("ga", "ListListeners").await, "a").await.unwrap();
    assert!(listeners.iter().all(|one| one.port_ranges[0].from_port > 0 && !one.protocol.is_empty()));
    let groups = ga::endpoint_groups(&sample("ga", "ListEndpointGroups").await, "a").await.unwrap();
    assert!(!groups[0].endpoint_group_ip_list.is_empty() && !groups[0].endpoint_configurations[0].endpoint.is_empty());

    let servers = alb::ServerGroups::new(sample("alb", "ListServerGroupServers").await).servers("g").await.unwrap();
    assert_eq!(
        (servers[1].server_id.as_str(), servers[1].status.as_str(), servers[0].port),
        ("10.0.0.99", "Adding", 8080)
    );
    let servers = nlb::ServerGroups::new(sample("nlb", "ListServerGroupServers").await).servers("g").await.unwrap();
    assert_eq!((servers.len(), servers[0].weight), (2, 100));

    let group = slb::Group::VServer("v");
    let backends = group.backends(&sample("slb", "DescribeVServerGroupAttribute").await).await.unwrap();
    assert!(!backends.is_empty() && backends.iter().all(|one| !one.server_id.is_empty() && one.port > 0));
    let group = slb::Group::Default("l");
    assert!(!group.backends(&sample("slb", "DescribeLoadBalancerAttribute").await).await.unwrap().is_empty());
    let health = slb::health(&sample("slb", "DescribeHealthStatus").await, "l").await.unwrap();
    assert!(!health[0].server_health_status.is_empty());

    let gateways = vpc::nat_gateways(&sample("vpc", "DescribeNatGateways").await, None).await.unwrap();
    assert!(!gateways[0].snat_table_ids.is_empty() && !gateways[0].ip_lists[0].ip_address.is_empty());
    let entries = vpc::snat_entries(&sample("vpc", "DescribeSnatTableEntries").await, "n").await.unwrap();
    assert!(!entries[0].snat_ip.is_empty() && !entries[0].status.is_empty());
    let eips = vpc::eips(&sample("vpc", "DescribeEipAddresses").await, None).await.unwrap();
    assert!(!eips[0].ip_address.is_empty() && !eips[0].bandwidth.is_empty());

    let secret = kms::secret(&sample("kms", "GetSecretValue").await, "s", kms::CURRENT).await.unwrap();
    assert!(!secret.data.is_empty() && !secret.version.is_empty() && !secret.stages.is_empty());
    assert!(cas::upload(&sample("cas", "UploadUserCertificate").await, "n", "c", &Secret::new("k")).await.unwrap() > 0);
    let certificates = cas::uploaded(&sample("cas", "ListUserCertificateOrder").await).await.unwrap();
    assert!(certificates[0].certificate_id > 0 && !certificates[0].name.is_empty());
    let identity = sts::caller(&sample("sts", "GetCallerIdentity").await).await.unwrap();
    assert_eq!(
        (identity.identity_type.as_str(), identity.account_id.as_str()),
        ("AssumedRoleUser", "1234567890123456")
    );
}

/// Makes every text of an answer `null`.
fn hollow(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(hollow),
        Value::Array(items) => items.iter_mut().for_each(hollow),
        Value::String(_) => *value = Value::Null,
        _ => {}
    }
}

#[tokio::test]
async fn answers_whose_texts_are_null_are_read() {
    let hollowed = |product: &str, action: &str| {
        let mut body = read(&format!("responses/{product}.json"))["responses"][action]["body"].clone();
        hollow(&mut body);
        Client::new(setup(&Script::new([(200, body.to_string())]), AccessKey::new("a", "b")))
    };
    assert_eq!(Dns::new(hollowed("alidns", "DescribeDomainRecords")).records("z").await.unwrap().len(), 2);
    assert_eq!(Dns::new(hollowed("alidns", "DescribeDomains")).zones().await.unwrap().len(), 2);
    let filter = ecs::Filter::default();
    assert!(!ecs::instances(&hollowed("ecs", "DescribeInstances"), &filter).await.unwrap().is_empty());
    assert!(!ga::listeners(&hollowed("ga", "ListListeners"), "a").await.unwrap().is_empty());
    assert!(!ga::endpoint_groups(&hollowed("ga", "ListEndpointGroups"), "a").await.unwrap().is_empty());
    let groups = alb::ServerGroups::new(hollowed("alb", "ListServerGroupServers"));
    assert_eq!(groups.servers("g").await.unwrap().len(), 2);
    assert!(!vpc::nat_gateways(&hollowed("vpc", "DescribeNatGateways"), None).await.unwrap().is_empty());
    assert!(!slb::health(&hollowed("slb", "DescribeHealthStatus"), "l").await.unwrap().is_empty());
}

#[tokio::test]
async fn sample_errors_are_understood() {
    let mut count = 0;
    for product in ["alidns", "ecs", "slb", "alb", "nlb", "vpc", "ga", "cas", "kms", "sts"] {
        let file = read(&format!("responses/{product}.json"));
        let is_throttled = file["throttling"].as_array().unwrap().iter().map(|error| (true, error));
        for (is_throttled, error) in
            file["errors"].as_array().unwrap().iter().map(|error| (false, error)).chain(is_throttled)
        {
            let status = u16::try_from(error["status"].as_u64().unwrap()).unwrap();
            let script = Script::new((0..20).map(|_| (status, error["body"].to_string())));
            let client = Client::new(setup(&script, AccessKey::new("a", "b")));
            let found = sts::caller(&client).await.unwrap_err();
            assert_eq!(found.code(), error["body"]["Code"].as_str().unwrap(), "{product}");
            assert!(found.to_string().contains(error["body"]["RequestId"].as_str().unwrap()), "{found}");
            assert_eq!(script.lines().len() == 4, is_throttled, "{product} {found}");
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}

#[tokio::test]
async fn sample_errors_of_storage_are_understood() {
    for product in ["oss", "sls"] {
        let file = read(&format!("responses/{product}.json"));
        let lists = [&file["errors"], &file["throttling"]];
        for error in lists.into_iter().flat_map(|list| list.as_array().unwrap()) {
            let status = u16::try_from(error["status"].as_u64().unwrap()).unwrap();
            let body = error["body_text"].as_str().map_or_else(|| error["body"].to_string(), str::to_owned);
            let script = Script::new((0..20).map(|_| (status, body.clone())));
            let client = Client::new(setup(&script, AccessKey::new("a", "b")));
            let group = LogGroup { logs: vec![Log::default()], ..LogGroup::default() };
            let found = match product {
                "oss" => Bucket::new(client, "b").get("k").await.unwrap_err(),
                _ => LogStore::new(client, "p", "s").put(&group).await.unwrap_err(),
            };
            assert!(!found.code().is_empty() && body.contains(found.code()), "{found}");
            let attempts = match found.code() {
                "QpsLimitExceeded" | "WriteQuotaExceed" | "ShardWriteQuotaExceed" => 4,
                "RequestTimeTooSkewed" | "RequestTimeExpired" => 2,
                _ => 1,
            };
            assert_eq!(script.lines().len(), attempts, "{found}");
        }
    }
}

#[tokio::test]
async fn sample_answers_of_the_metadata_service_are_understood() {
    let file = read("responses/imds.json");
    let text = |name: &str| {
        let answer = &file["responses"][name];
        answer["body_text"].as_str().map_or_else(|| answer["body"].to_string(), str::to_owned)
    };
    let script = Script::new(["token", "role-name", "credentials"].map(|name| (200, text(name))));
    let key = EcsRole::new(surroundings(&script, &[]), None).fetch().await.unwrap();
    assert_eq!(
        (key.id.as_str(), key.token),
        ("STS.sample-access-key-id", Some(Secret::new("sample-security-token+/==")))
    );
    assert_eq!(script.lines()[2], "GET /latest/meta-data/ram/security-credentials/edge-role");
}
