//! What the cloud lends the gateway its keys is away. Traffic that does not need it never notices, and the status says what
//! is wrong, since when, and that it is over.

use serde_json::{Value, json};

use crate::cloud::FakeCloud;
use crate::ends::{Manner, Origin, get};
use crate::gateway::until;
use crate::site::Site;

/// A gateway with an endpoint of its own, and with an upstream whose endpoints are looked for with these keys.
fn config(cloud: &FakeCloud, origin: &Origin, keys: &str) -> String {
    let endpoint = |product: &str| format!("{product}: \"http://{}\"", cloud.addr);
    let endpoints = ["ecs", "sts", "metadata"].map(endpoint).join(", ");
    format!(
        "runtime: {{ workers: 1 }}\n\
         listeners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         routes:\n  own: {{ match: {{ path: /own }}, upstream: own }}\n  found: {{ match: {{ path: /found }}, upstream: found }}\n\
         upstreams:\n  own: {{ endpoints: \"{origin}\" }}\n\
         \x20 found: {{ discover: {{ ecs: {{ tags: {{ app: web }}, port: {port}, interval: 1s }} }} }}\n\
         alibaba: {{ default: {{ region: cn-hangzhou, {keys}, endpoints: {{ {endpoints} }} }} }}\n",
        origin = origin.addr,
        port = origin.addr.port(),
    )
}

/// The origin as an instance.
fn instance(cloud: &FakeCloud) {
    let tag = json!({"TagKey": "app", "TagValue": "web"});
    let one = json!({
        "InstanceId": "i-1", "Status": "Running", "ZoneId": "cn-hangzhou-1",
        "VpcAttributes": {"VpcId": "vpc-1", "PrivateIpAddress": {"IpAddress": ["127.0.0.1"]}}, "Tags": {"Tag": [tag]},
    });
    cloud.set(&json!({"lists": {"instances": [one], "roles": ["acs:ram::1:role/edge"]}}));
}

fn away(cloud: &FakeCloud, actions: &[&str]) {
    for action in actions {
        cloud.fault(&json!({"kind": "drop", "action": action, "times": 100_000}));
    }
}

fn duty(site: &Site, state: &str) -> Value {
    until(&format!("a duty that is {state}"), || {
        let status = site.status();
        status["duties"].as_array()?.iter().find(|d| d["kind"] == "discovery" && d["state"] == state).cloned()
    })
}

#[test]
fn a_metadata_service_that_is_away_at_the_start_holds_nothing_up() {
    let (cloud, origin) = (FakeCloud::start(), Origin::start(Manner::Says(200, "here".to_owned())));
    instance(&cloud);
    cloud.set(&json!({"role": {"name": "edge", "seconds": 3600}}));
    away(&cloud, &["metadata /latest/api/token", "metadata /latest/meta-data/ram/security-credentials/"]);
    let site = Site::start(&config(&cloud, &origin, "keys: { ecs_role: auto }"));
    let addr = site.addr("web");
    assert_eq!(get(addr, "/own").body, "here");
    let told = duty(&site, "failing");
    assert!(told["text"].as_str().unwrap().contains("ECS role"), "{told}");
    assert!(told["since"].as_u64().is_some() && told["last_success"].is_null(), "{told}");
    let refused = get(addr, "/found");
    assert!(refused.status == 503 && refused.body.contains("nothing_discovered"), "{refused:?}");
    assert_eq!(get(addr, "/own").body, "here");
    cloud.set(&json!({"faults": []}));
    duty(&site, "well");
    until("its endpoint", || (get(addr, "/found").status == 200).then_some(()));
}

#[test]
fn an_sts_that_is_away_for_an_hour_is_noticed_when_the_key_ends_and_not_by_traffic() {
    let (cloud, origin) = (FakeCloud::start(), Origin::start(Manner::Says(200, "here".to_owned())));
    instance(&cloud);
    let keys =
        "keys: { access_key_id: ak, access_key_secret: ak-secret }, assume_role: { arn: \"acs:ram::1:role/edge\" }";
    let site = Site::start(&config(&cloud, &origin, keys));
    let addr = site.addr("web");
    duty(&site, "well");
    until("its endpoint", || (get(addr, "/found").status == 200).then_some(()));
    away(&cloud, &["AssumeRole"]);
    // The cloud's clock goes on by 50 minutes, and the gateway follows it: the key of an hour should have been renewed.
    cloud.set(&json!({"offset": 3000}));
    let before = site.status();
    let before = before["duties"][0]["last_success"].as_u64().unwrap();
    until("turns with the old key", || {
        let told = duty(&site, "well");
        (told["last_success"].as_u64()? > before + 3).then_some(())
    });
    cloud.set(&json!({"offset": 4000}));
    let told = duty(&site, "failing");
    assert!(told["text"].as_str().unwrap().contains("no key from"), "{told}");
    for path in ["/own", "/found"] {
        assert_eq!(get(addr, path).body, "here", "{path}: what was found serves on");
    }
    cloud.set(&json!({"faults": []}));
    duty(&site, "well");
}
