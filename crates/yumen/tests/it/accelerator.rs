//! Listeners of an accelerator: they come and go with it, and nothing that fails takes them away.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::cloud::FakeCloud;
use crate::ends::{Client, Origin, get};
use crate::gateway::{PROGRAM, free, text, until};
use crate::site::Site;

/// An accelerator `ga-1` in a cloud, in front of a gateway on addresses that only this test has.
struct Stage {
    cloud: FakeCloud,
    origin: Origin,
    /// Free ports of one address.
    ports: [SocketAddr; 3],
}

impl Stage {
    fn new() -> Self {
        let stage = Self { cloud: FakeCloud::start(), origin: Origin::named("up"), ports: [free(), free(), free()] };
        stage
            .cloud
            .set(&json!({"lists": {"accelerators": [{"AcceleratorId": "ga-1", "Name": "edge", "State": "active"}]}}));
        stage
    }

    /// Sets what the accelerator has: id, protocol and ports of each listener, and whether it sends PROXY headers.
    fn offer(&self, listeners: &[(&str, &str, &[u16], bool)]) {
        let listener = |(id, protocol, ports, _): &(&str, &str, &[u16], bool)| {
            let ranges: Vec<Value> = ports.iter().map(|port| json!({"FromPort": port, "ToPort": port})).collect();
            json!({"AcceleratorId": "ga-1", "ListenerId": id, "Protocol": protocol, "PortRanges": ranges,
                "State": "active", "ClientAffinity": "NONE", "Type": "Standard", "CreateTime": 1})
        };
        let group = |(id, _, _, proxied): &(&str, &str, &[u16], bool)| {
            json!({"AcceleratorId": "ga-1", "ListenerId": id, "EndpointGroupId": format!("epg-{id}"), "State": "active",
                "EndpointGroupIpList": ["127.0.0.1"],
                "EndpointConfigurations": [{"Endpoint": "203.0.113.1", "Type": "Ip", "EnableProxyProtocol": proxied}]})
        };
        self.cloud.set(&json!({"lists": {
            "accelerators": [{"AcceleratorId": "ga-1", "Name": "edge", "State": "active"}],
            "listeners": listeners.iter().map(listener).collect::<Vec<_>>(),
            "endpointgroups": listeners.iter().map(group).collect::<Vec<_>>(),
        }}));
    }

    fn port(&self, at: usize) -> u16 {
        self.ports[at].port()
    }

    /// A configuration; `more` has further keys of the accelerator and `own` other sections.
    fn config(&self, more: &str, own: &str) -> String {
        let (account, ip, origin) = (self.cloud.account(), self.ports[0].ip(), self.origin.addr);
        format!(
            "{account}accelerators: {{ edge: {{ title: edge, interval: 200ms, bind: \"{ip}\", {more} }} }}\n\
             upstreams: {{ up: {{ endpoints: [\"{origin}\"] }} }}\n{own}"
        )
    }
}

const HTTP: &str = "template: { http: {} }";
const ROUTE: &str = "routes: { all: { listeners: edge, upstream: up } }\n";

/// What the status tells of the accelerator.
fn duty(site: &Site) -> Option<Value> {
    let status = site.status();
    status["duties"].as_array().unwrap().iter().find(|duty| duty["kind"] == "accelerator").cloned()
}

fn wait_duty(site: &Site, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    until(what, || duty(site).filter(|duty| fits(duty)))
}

fn served(duty: &Value) -> Vec<&str> {
    duty["facts"]["listeners"].as_array().into_iter().flatten().map(|l| l["name"].as_str().unwrap()).collect()
}

fn is_open(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).is_ok()
}

fn wait_open(addr: SocketAddr) {
    until("the port to open", || is_open(addr).then_some(()));
}

fn explain(site: &Site, url: &str) -> Output {
    Command::new(PROGRAM).args(["explain", "--live", "-c"]).arg(site.file()).args(["GET", url]).output().unwrap()
}

#[test]
fn connection_on_an_unchanged_listener_survives_others_that_come_and_go() {
    let stage = Stage::new();
    let (first, second) = (stage.port(0), stage.port(1));
    stage.offer(&[("lsr-a", "HTTP", &[first], false)]);
    let site = Site::start(&stage.config(HTTP, ROUTE));
    wait_open(stage.ports[0]);
    let mut client = Client::connect(stage.ports[0]);
    assert_eq!(client.get("/1").body, "up");
    stage.offer(&[("lsr-a", "HTTP", &[first], false), ("lsr-b", "HTTP", &[second], false)]);
    wait_open(stage.ports[1]);
    assert_eq!(get(stage.ports[1], "/").body, "up");
    assert_eq!(client.get("/2").body, "up");
    stage.offer(&[("lsr-a", "HTTP", &[first], false)]);
    until("the port to close", || (!is_open(stage.ports[1])).then_some(()));
    assert_eq!(client.get("/3").body, "up", "the same connection as before");
    let told = wait_duty(&site, "one listener", |duty| served(duty).len() == 1);
    assert_eq!(served(&told), [format!("edge-lsr-a-{first}")]);
    assert_eq!((&told["state"], &told["facts"]["version"]), (&json!("well"), &json!(3)));
}

#[test]
fn generated_listeners_are_told_as_such() {
    let stage = Stage::new();
    stage.offer(&[("lsr-a", "HTTP", &[stage.port(0)], false)]);
    let site = Site::start(&stage.config(HTTP, ROUTE));
    wait_open(stage.ports[0]);
    let name = format!("edge-lsr-a-{}", stage.port(0));
    // The socket takes connections a moment before it is told.
    let listener = until("the listener", || Some(site.status()["listeners"][0].clone()).filter(Value::is_object));
    assert_eq!((&listener["name"], &listener["generated_by"]), (&json!(name), &json!("edge")));
    let config = site.ask("GET /config").unwrap();
    let config: Value = serde_json::from_str(config.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(config["generated_listeners"][&name]["generated_by"], "edge", "{config}");
    assert!(config["listeners"].get(&name).is_none(), "{config}");
    let said = text(&explain(&site, &format!("http://h:{}/", stage.port(0))));
    assert!(said.contains(&format!("listener  {name} on")) && said.contains("made by accelerator edge"), "{said}");
    assert!(said.contains("route     all"), "{said}");
}

#[test]
fn failing_torn_and_empty_answers_take_nothing_away() {
    let stage = Stage::new();
    stage.offer(&[("lsr-a", "HTTP", &[stage.port(0)], false)]);
    let site = Site::start(&stage.config(HTTP, ROUTE));
    wait_open(stage.ports[0]);
    let mut client = Client::connect(stage.ports[0]);
    for (fault, expected) in [
        (json!({"kind": "refuse", "code": "Throttling.User", "times": 30}), "Throttling"),
        (json!({"kind": "html", "status": 503, "times": 30}), "503"),
        (json!({"kind": "torn", "action": "ListListeners", "done": true, "times": 30}), "cannot be read"),
        (json!({"kind": "refuse", "status": 403, "code": "Forbidden.RAM", "times": 30}), "ga:ListAccelerators"),
    ] {
        stage.cloud.fault(&fault);
        let told = wait_duty(&site, expected, |duty| duty["state"] == "failing");
        let why = told["text"].as_str().unwrap();
        assert!(why.contains(expected) && why.contains("what runs stays"), "{why}");
        assert_eq!(client.get("/").body, "up");
        stage.cloud.set(&json!({"faults": []}));
        wait_duty(&site, "the end of the fault", |duty| duty["state"] == "well");
    }
    stage.offer(&[]);
    let told = wait_duty(&site, "the empty answer", |duty| duty["state"] == "failing");
    assert!(told["text"].as_str().unwrap().contains("no listeners any more"), "{told}");
    let before = told["next"].clone();
    wait_duty(&site, "another empty answer", |duty| duty["next"] != before);
    assert_eq!(client.get("/").body, "up");
    assert!(is_open(stage.ports[0]));
}

#[test]
fn a_start_while_the_cloud_is_away_serves_what_was_served_before() {
    let stage = Stage::new();
    stage.offer(&[("lsr-a", "HTTP", &[stage.port(0)], false)]);
    let config = stage.config(HTTP, ROUTE);
    let mut site = Site::start(&config);
    wait_open(stage.ports[0]);
    wait_duty(&site, "the first answer", |duty| duty["state"] == "well");
    drop(stage.cloud);
    site.restart(&config);
    assert_eq!(get(stage.ports[0], "/").body, "up", "without waiting");
    let told = wait_duty(&site, "the cloud to be missed", |duty| duty["state"] == "failing");
    assert_eq!(served(&told), [format!("edge-lsr-a-{}", stage.ports[0].port())]);
    // A section that means another accelerator does not begin with what this one had.
    site.restart(&config.replace("title: edge", "title: other"));
    assert!(!is_open(stage.ports[0]));
}

#[test]
fn a_configured_listener_wins_over_a_generated_one_and_gives_way_when_it_goes() {
    let stage = Stage::new();
    stage.offer(&[("lsr-a", "HTTP", &[stage.port(0)], false), ("lsr-b", "HTTP", &[stage.port(1)], false)]);
    let own = format!(
        "listeners: {{ own: {{ bind: \"{}\" }} }}\nmiddlewares: {{ said: {{ respond: {{ status: 200, body: own }} }} }}\n\
         routes: {{ all: {{ listeners: edge, upstream: up }}, own: {{ listeners: own, middlewares: said }} }}\n",
        stage.ports[0]
    );
    let site = Site::start(&stage.config(HTTP, &own));
    wait_open(stage.ports[1]);
    let told = wait_duty(&site, "the conflict", |duty| duty["facts"]["conflicts"][0].is_object());
    let (name, conflict) = (format!("edge-lsr-a-{}", stage.port(0)), &told["facts"]["conflicts"][0]);
    assert_eq!(conflict["listener"], name.as_str());
    assert!(conflict["why"].as_str().unwrap().contains("listener `own` has the address"), "{conflict}");
    site.wait_log("not served: listener `own` has the address");
    wait_duty(&site, "the text", |duty| {
        duty["text"].as_str().unwrap().contains(&format!("not served: {name} (listener `own`"))
    });
    assert_eq!(get(stage.ports[0], "/").body, "own");
    let mut other = Client::connect(stage.ports[1]);
    assert_eq!(other.get("/").body, "up");
    site.change(&stage.config(HTTP, ROUTE));
    assert_eq!(get(stage.ports[0], "/").body, "up");
    wait_duty(&site, "the end of the conflict", |duty| duty["facts"]["conflicts"] == json!([]));
    assert_eq!(other.get("/").body, "up", "the other listener was not touched");
}

#[test]
fn reload_keeps_the_listeners_and_a_new_template_changes_them_on_their_sockets() {
    let stage = Stage::new();
    stage.offer(&[("lsr-a", "HTTP", &[stage.port(0)], false)]);
    let site = Site::start(&stage.config(HTTP, ROUTE));
    wait_open(stage.ports[0]);
    let mut client = Client::connect(stage.ports[0]);
    assert_eq!(client.get("/").body, "up");
    let strict = "template: { http: { limits: { body: 1 }, default_status: 421 } }";
    let routes = "routes: { some: { listeners: edge, match: { path: /there }, upstream: up } }\n";
    site.change(&stage.config(strict, routes));
    assert_eq!((client.get("/there").status, client.get("/").status), (200, 421));
    assert!(!site.log().contains("closed="), "no socket was closed: {}", site.log());
    // The section is gone, and with it all that was made of it.
    site.change(&format!(
        "listeners: {{ own: {{ bind: \"{}\", protocol: tcp, upstream: up }} }}\nupstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n",
        stage.ports[2], stage.origin.addr
    ));
    until("the port to close", || (!is_open(stage.ports[0])).then_some(()));
    assert!(site.status()["duties"].as_array().unwrap().iter().all(|duty| duty["kind"] != "accelerator"));
}

#[test]
fn what_cannot_be_served_is_told_and_holds_up_nothing_else() {
    let stage = Stage::new();
    let taken = TcpListener::bind(stage.ports[1]).unwrap();
    stage.offer(&[
        ("lsr-a", "HTTP", &[stage.port(0)], false),
        ("lsr-b", "HTTP", &[stage.port(1)], false),
        ("lsr-c", "TCP", &[stage.port(2)], false),
        ("lsr-d", "HTTP", &[1, 2, 3, 4, 5], false),
        ("lsr-e", "UDP", &[stage.port(2)], true),
    ]);
    let more = "max_ports: 4, template: { http: {}, udp: { upstream: up } }";
    let site = Site::start(&stage.config(more, ROUTE));
    wait_open(stage.ports[0]);
    let told = wait_duty(&site, "all conflicts", |duty| {
        duty["facts"]["conflicts"].as_array().is_some_and(|all| all.len() == 4)
    });
    let said = told["facts"]["conflicts"].to_string();
    for part in [
        "another process holds port",
        "`template` has no `tcp`",
        "it has 5 ports, more than `max_ports: 4` allows",
        "datagrams begin with PROXY headers",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(served(&told), [format!("edge-lsr-a-{}", stage.port(0))]);
    // A reload of the file suffers from none of it, and tries again what was taken.
    drop(taken);
    site.change(&stage.config(&format!("{more}, tags: {{}}"), ROUTE));
    wait_open(stage.ports[1]);
}

#[test]
fn proxy_headers_are_demanded_where_the_endpoint_group_sends_them() {
    let stage = Stage::new();
    stage.offer(&[("lsr-a", "TCP", &[stage.port(0)], true)]);
    let more = "template: { tcp: { protocol: http } }";
    let site = Site::start(&stage.config(more, ROUTE));
    wait_open(stage.ports[0]);
    // Version 2 over IPv4, from 203.0.113.9.
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    header.extend([203, 0, 113, 9, 198, 51, 100, 1, 0x12, 0x34, 0x01, 0xbb]);
    let mut client = Client::connect(stage.ports[0]);
    client.send([header.as_slice(), b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"].concat());
    assert_eq!(client.answer().body, "up");
    assert!(stage.origin.last().contains("X-Forwarded-For: 203.0.113.9"), "{}", stage.origin.last());
    let mut bare = Client::connect(stage.ports[0]);
    bare.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(bare.rest().0, b"", "without a header nobody is served");
    wait_duty(&site, "the listener", |duty| duty["facts"]["listeners"][0]["proxy_protocol"] == true);
}

#[cfg(target_os = "linux")] // Only there a process hands its sockets on.
#[test]
fn a_new_process_takes_the_generated_listeners_over_though_the_cloud_is_away() {
    let stage = Stage::new();
    stage.offer(&[("lsr-a", "HTTP", &[stage.port(0)], false)]);
    let site = Site::start(&stage.config(HTTP, ROUTE));
    wait_open(stage.ports[0]);
    wait_duty(&site, "the first answer", |duty| duty["state"] == "well");
    drop(stage.cloud);
    let mut successors = crate::upgrade::Successors::default();
    successors.upgrade(&site);
    for _ in 0..20 {
        assert_eq!(get(stage.ports[0], "/").body, "up");
    }
    let told = wait_duty(&site, "the cloud to be missed", |duty| duty["state"] == "failing");
    assert_eq!(served(&told).len(), 1);
}
