//! Endpoints that the cloud knows.

use std::net::{Ipv4Addr, TcpListener};

use serde_json::{Value, json};

use crate::cloud::FakeCloud;
use crate::ends::{Client, Gate, Manner, Origin, get};
use crate::gateway::until;
use crate::site::Site;

/// Origins on 127.0.0.2, 127.0.0.3 and 127.0.0.4 with the same port; each says its last number.
fn origins() -> (Vec<Origin>, u16) {
    until("a port on three addresses", || {
        let first = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        let others = [3, 4].map(|n| TcpListener::bind((Ipv4Addr::new(127, 0, 0, n), port)).ok());
        let all = [Some(first)].into_iter().chain(others).collect::<Option<Vec<_>>>()?;
        let origin = |(listener, n): (TcpListener, u8)| Origin::on(listener, Manner::Says(200, n.to_string()));
        Some((all.into_iter().zip(2..).map(origin).collect(), port))
    })
}

fn instance(n: u8, status: &str, weight: u32) -> Value {
    json!({
        "InstanceId": format!("i-{n}"), "Status": status, "ZoneId": format!("cn-hangzhou-{n}"),
        "VpcAttributes": {"VpcId": "vpc-1", "PrivateIpAddress": {"IpAddress": [format!("127.0.0.{n}")]}},
        "Tags": {"Tag": [{"TagKey": "app", "TagValue": "web"}, {"TagKey": "weight", "TagValue": weight.to_string()}]},
    })
}

fn instances(cloud: &FakeCloud, all: &[Value]) {
    cloud.set(&json!({"lists": {"instances": all}}));
}

fn config(cloud: &FakeCloud, port: u16, app: &str) -> String {
    format!(
        "runtime: {{ workers: 1 }}\n\
         listeners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ discover: {{ ecs: {{ tags: {{ app: {app} }}, port: {port}, weight_tag: weight, \
         interval: 2s }} }} }} }}\n{}",
        cloud.account()
    )
}

/// The endpoints of the upstream as the status tells them.
fn endpoints(site: &Site) -> Vec<Value> {
    site.status()["upstreams"][0]["endpoints"].as_array().unwrap().clone()
}

fn addresses(site: &Site) -> Vec<String> {
    endpoints(site).iter().map(|e| e["address"].as_str().unwrap().to_owned()).collect()
}

fn duty(site: &Site) -> Value {
    let status = site.status();
    let all = status["duties"].as_array().unwrap();
    all.iter().find(|d| d["kind"] == "discovery").cloned().unwrap_or_default()
}

#[test]
fn instances_with_a_tag_are_endpoints_and_one_that_stops_leaves_when_it_has_finished() {
    let (cloud, (all, port)) = (FakeCloud::start(), origins());
    instances(&cloud, &[instance(2, "Running", 1), instance(3, "Running", 1), instance(4, "Stopped", 1)]);
    let site = Site::start(&config(&cloud, port, "web"));
    let addr = site.addr("web");
    let mut bodies: Vec<String> = (0..4).map(|_| get(addr, "/").body).collect();
    bodies.sort();
    assert_eq!(bodies, ["2", "2", "3", "3"]);
    assert_eq!(addresses(&site), [format!("i-2(127.0.0.2:{port})"), format!("i-3(127.0.0.3:{port})")]);
    assert_eq!(endpoints(&site)[0]["labels"], json!({"zone": "cn-hangzhou-2"}));
    let told = until("the duty", || Some(duty(&site)).filter(|d| d["state"] == "well"));
    assert_eq!((&told["facts"]["endpoints"], &told["facts"]["version"]), (&json!(2), &json!(1)), "{told}");
    // A request is under way on the one that stops.
    let gate = Gate::default();
    all[1].set(Manner::Halts("finished".to_owned(), gate.clone()));
    all[0].set(Manner::Says(200, "2".to_owned()));
    let mut slow = until("a request on the third", || {
        let mut client = Client::connect(addr);
        client.ask("GET", "/", "");
        let head = client.head();
        head.contains("Content-Length: 8").then_some((client, head))
    });
    instances(&cloud, &[instance(2, "Running", 7), instance(3, "Stopping", 1), instance(4, "Running", 1)]);
    until("the change", || {
        (addresses(&site) == [format!("i-2(127.0.0.2:{port})"), format!("i-4(127.0.0.4:{port})")]).then_some(())
    });
    assert_eq!(endpoints(&site)[0]["weight"], 7);
    for _ in 0..8 {
        assert!(["2", "4"].contains(&&*get(addr, "/").body));
    }
    gate.open();
    assert_eq!(slow.0.content(&slow.1), "finished");
    assert_eq!(site.metric("yumen_duty_failing{kind=\"discovery\",name=\"up\"}"), 0.0);
}

#[test]
fn connections_to_an_instance_that_stays_are_kept_when_weights_change() {
    let (cloud, (all, port)) = (FakeCloud::start(), origins());
    instances(&cloud, &[instance(2, "Running", 1)]);
    let site = Site::start(&config(&cloud, port, "web"));
    let mut client = Client::connect(site.addr("web"));
    assert_eq!(client.get("/").body, "2");
    instances(&cloud, &[instance(2, "Running", 9), instance(3, "Running", 0)]);
    until("the change", || (addresses(&site).len() == 2 && endpoints(&site)[0]["weight"] == 9).then_some(()));
    for _ in 0..4 {
        assert_eq!(client.get("/").body, "2", "weight 0 takes nothing");
    }
    assert_eq!(all[0].connections(), 1);
}

#[test]
fn failing_answers_change_nothing_and_an_empty_one_counts_when_it_comes_twice() {
    let (cloud, (_all, port)) = (FakeCloud::start(), origins());
    instances(&cloud, &[instance(2, "Running", 1)]);
    let site = Site::start(&config(&cloud, port, "web"));
    let addr = site.addr("web");
    for fault in [
        json!({"kind": "refuse", "status": 503, "code": "ServiceUnavailable"}),
        json!({"kind": "torn"}),
        json!({"kind": "refuse", "status": 400, "code": "Throttling"}),
    ] {
        let mut fault = fault;
        (fault["action"], fault["times"]) = (json!("DescribeInstances"), json!(4));
        cloud.fault(&fault);
        until("the failure", || Some(duty(&site)).filter(|d| d["state"] == "failing"));
        assert_eq!(get(addr, "/").body, "2");
        until("the recovery", || Some(duty(&site)).filter(|d| d["state"] == "well"));
    }
    instances(&cloud, &[]);
    until("the first empty answer", || duty(&site)["text"].as_str().unwrap().contains("empty").then_some(()));
    assert_eq!(get(addr, "/").body, "2");
    let refused = until("the second one", || Some(get(addr, "/")).filter(|answer| answer.status == 503));
    assert!(refused.body.contains("nothing_discovered"), "{refused:?}");
    instances(&cloud, &[instance(3, "Running", 1)]);
    until("another one", || (get(addr, "/").body == "3").then_some(()));
}

#[test]
fn gateway_that_starts_while_the_cloud_is_away_begins_with_what_it_kept() {
    let (cloud, (_all, port)) = (FakeCloud::start(), origins());
    instances(&cloud, &[instance(2, "Running", 1)]);
    let text = config(&cloud, port, "web");
    let mut site = Site::start(&text);
    until("the file", || site.folder().join("state/discovered/upstream-up.json").exists().then_some(()));
    cloud.fault(&json!({"kind": "drop", "action": "DescribeInstances", "times": 100_000}));
    site.restart(&text);
    assert_eq!(get(site.addr("web"), "/").body, "2", "at once");
    until("the failure", || Some(duty(&site)).filter(|d| d["state"] == "failing"));
    assert_eq!(get(site.addr("web"), "/").body, "2");
}

#[test]
fn upstream_that_is_to_look_for_others_keeps_what_it_has_until_the_cloud_answers() {
    let (cloud, (_all, port)) = (FakeCloud::start(), origins());
    let mut other = instance(3, "Running", 1);
    other["Tags"]["Tag"][0]["TagValue"] = json!("api");
    instances(&cloud, &[instance(2, "Running", 1), other]);
    let site = Site::start(&config(&cloud, port, "web"));
    let addr = site.addr("web");
    assert_eq!(get(addr, "/").body, "2");
    // A question is repeated three times; after the fifth failure in a row the service is left alone for a while.
    cloud.fault(&json!({"kind": "refuse", "status": 503, "code": "ServiceUnavailable", "action": "DescribeInstances", "times": 5}));
    site.change(&config(&cloud, port, "api"));
    assert_eq!(get(addr, "/").body, "2");
    until("the other one", || (get(addr, "/").body == "3").then_some(()));
    // An upstream that nothing is known of begins with the first answer.
    instances(&cloud, &[instance(4, "Running", 1)]);
    let other = config(&cloud, port, "web");
    site.change(&other.replace("{ upstream: up }", "{ upstream: other }").replace("{ up: {", "{ other: {"));
    assert_eq!(get(addr, "/").body, "4");
}

#[test]
fn servers_of_the_groups_of_each_kind_of_balancer_are_endpoints() {
    let (cloud, (_all, port)) = (FakeCloud::start(), origins());
    let server = |n: u8, kind: &str, status: &str| {
        json!({"ServerId": format!("i-{n}"), "ServerIp": format!("127.0.0.{n}"), "ServerType": kind, "Port": port,
            "Weight": 100, "Description": "", "Status": status})
    };
    // The servers of a classic balancer are known by their ids.
    let classic = json!([{"ServerId": "i-4", "Weight": 100, "Type": "ecs", "Port": port}]);
    cloud.set(&json!({
        "groups": {
            "sgp-alb": {"Servers": [server(2, "Ecs", "Available"), server(3, "Ecs", "Adding")]},
            "sgp-nlb": {"Servers": [server(3, "Ecs", "Available")]},
        },
        "vgroups": {"rsp-1": classic},
        "balancers": {"lb-1": classic},
        "lists": {"instances": [instance(4, "Running", 1)]},
    }));
    let group = |name: &str, kind: &str, id: &str, more: &str| {
        format!("  {name}: {{ discover: {{ server_group: {{ kind: {kind}, id: {id}{more} }} }} }}\n")
    };
    let site = Site::start(&format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\nroutes:\n{}upstreams:\n{}{}{}{}{}",
        ["a", "n", "v", "d"].map(|u| format!("  {u}: {{ match: {{ path: /{u} }}, upstream: {u} }}\n")).concat(),
        group("a", "alb", "sgp-alb", ""),
        group("n", "nlb", "sgp-nlb", ""),
        group("v", "clb", "rsp-1", ""),
        group("d", "clb", "lb-1", &format!(", port: {port}")),
        cloud.account()
    ));
    let addr = site.addr("web");
    for (path, body) in [("/a", "2"), ("/n", "3"), ("/v", "4"), ("/d", "4")] {
        for _ in 0..2 {
            assert_eq!(get(addr, path).body, body, "{path}");
        }
    }
}
