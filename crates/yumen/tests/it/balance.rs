//! Which endpoint gets what, and what happens to one that turns bad.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ends::{Client, Gate, Manner, Origin, accept, field, get, listen};
use crate::gateway::until;
use crate::site::Site;

/// A gateway with one worker over some endpoints, so that turns are counted in one place.
fn config(endpoints: &[String], upstream: &str) -> String {
    format!(
        "runtime: {{ workers: 1 }}\n\
         listeners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [{}], {upstream} }} }}\n",
        endpoints.join(", ")
    )
}

fn plain(origins: &[Origin]) -> Vec<String> {
    origins.iter().map(|o| format!("\"{}\"", o.addr)).collect()
}

fn origins<const N: usize>() -> [Origin; N] {
    std::array::from_fn(|i| Origin::named(&format!("o{i}")))
}

/// How many of the next requests each origin gets.
fn tally(site: &Site, requests: usize) -> BTreeMap<String, usize> {
    let mut client = Client::connect(site.addr("web"));
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        let answer = client.get("/");
        assert_eq!(answer.status, 200, "{answer:?}");
        *counts.entry(answer.body).or_default() += 1;
    }
    counts
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
}

/// The order in which the next requests go to origins.
fn order(site: &Site, requests: usize) -> String {
    let mut client = Client::connect(site.addr("web"));
    (0..requests).map(|_| client.get("/").body.chars().last().unwrap()).collect()
}

#[test]
fn round_robin_takes_turns() {
    let all = origins::<3>();
    let site = Site::start(&config(&plain(&all), "balance: round_robin"));
    let order = order(&site, 9);
    assert!("012012012012".contains(&order), "{order}");
}

#[test]
fn weights_are_kept_to_the_request() {
    let all = origins::<4>();
    let weights = [5, 1, 2, 0];
    let endpoints: Vec<String> =
        all.iter().zip(weights).map(|(o, w)| format!("{{ address: \"{}\", weight: {w} }}", o.addr)).collect();
    let site = Site::start(&config(&endpoints, "balance: weighted_round_robin"));
    assert_eq!(tally(&site, 160), counts(&[("o0", 100), ("o1", 20), ("o2", 40)]));
    let order = order(&site, 8);
    assert!(!order.contains("000"), "no bursts: {order}");
}

#[test]
fn busy_endpoint_gets_less_than_an_idle_one() {
    for balance in ["least_connections", "p2c_ewma"] {
        let all = origins::<2>();
        let gate = Gate::default();
        for origin in &all {
            origin.set(Manner::Waits("held".into(), gate.clone()));
        }
        let site = Site::start(&config(&plain(&all), &format!("balance: {balance}")));
        let mut held = Client::connect(site.addr("web"));
        held.ask("GET", "/held", "");
        let busy = until("the held request", || all.iter().position(|o| !o.requests().is_empty()));
        for origin in &all {
            origin.set(Manner::Says(200, "quick".into()));
        }
        tally(&site, 20);
        assert_eq!((all[busy].requests().len(), all[1 - busy].requests().len()), (1, 20), "{balance}");
        gate.open();
        assert_eq!(held.answer().body, "held");
    }
}

#[test]
fn client_keeps_its_endpoint_by_address_hash() {
    let all = origins::<4>();
    let trust = "forwarded: { trust: [127.0.0.0/8] }";
    let text =
        config(&plain(&all), "balance: ip_hash").replace("\"127.0.0.1:0\"", &format!("\"127.0.0.1:0\", {trust}"));
    let site = Site::start(&text);
    let addr = site.addr("web");
    let of = |client: &str| {
        let mut connection = Client::connect(addr);
        connection.ask("GET", "/", &format!("X-Forwarded-For: {client}\r\n"));
        connection.answer().body
    };
    let mut used = BTreeMap::<String, Vec<String>>::new();
    for n in 0..40 {
        let client = format!("192.0.2.{n}");
        let first = of(&client);
        assert_eq!(of(&client), first, "{client}");
        used.entry(first).or_default().push(client);
    }
    assert_eq!(used.len(), 4, "everybody gets somebody: {used:?}");
    // When one leaves, only its own clients move; the worker's other state is of no matter.
    site.change(&text.replace(&format!(", \"{}\"", all[3].addr), ""));
    for (origin, clients) in used.iter().filter(|(origin, _)| *origin != "o3") {
        assert!(clients.iter().all(|client| of(client) == *origin), "{origin}");
    }
}

/// Two slow answers in a row are needed for a verdict that nobody meant, as may happen on a busy machine.
const CHECKED: &str = "panic_threshold: 0%, \
    health: { http: { path: /health }, interval: 500ms, timeout: 500ms, rise: 2, fall: 2, jitter: 0% }";

fn healthy(site: &Site, endpoint: &Origin) -> bool {
    let status = site.status();
    let all = status["upstreams"][0]["endpoints"].as_array().unwrap();
    all.iter().find(|e| e["address"] == endpoint.addr.to_string()).unwrap()["healthy"] == true
}

#[test]
fn endpoint_that_turns_bad_gets_nothing_and_comes_back_after_enough_good_checks() {
    let all = origins::<2>();
    let site = Site::start(&config(&plain(&all), CHECKED));
    assert_eq!(tally(&site, 10), counts(&[("o0", 5), ("o1", 5)]));
    all[1].set(Manner::Says(503, "ill".into()));
    let checks = all[1].checks();
    let begun = yumen_net::rt::now();
    until("the verdict", || (!healthy(&site, &all[1])).then_some(()));
    let took = begun.elapsed();
    println!("an endpoint that turned bad was left out after {took:?}; the interval is 500 ms");
    // How many checks that took says nothing on a busy machine, where they go on while the verdict is asked for.
    assert!(all[1].checks() > checks && took < Duration::from_secs(10), "{took:?}");
    let before = all[1].requests().len();
    assert_eq!(tally(&site, 10), counts(&[("o0", 10)]));
    assert_eq!(all[1].requests().len(), before);
    assert!(site.metric(&format!("yumen_endpoint_healthy{{upstream=\"up\",endpoint=\"{}\"}}", all[1].addr)) == 0.0);
    site.wait_log("endpoint is unhealthy");

    let checks = all[1].checks();
    all[1].set(Manner::Says(204, String::new()));
    until("the recovery", || healthy(&site, &all[1]).then_some(()));
    assert!(all[1].checks() - checks >= 2, "two good checks in a row");
    all[1].set(Manner::Says(200, "o1".into()));
    assert_eq!(tally(&site, 10), counts(&[("o0", 5), ("o1", 5)]));
    site.wait_log("endpoint is healthy again");
}

#[test]
fn one_slow_check_does_not_delay_the_verdict_on_another() {
    let all = origins::<2>();
    let gate = Gate::default();
    all[0].set(Manner::Waits("slow".into(), gate.clone()));
    let slow = "panic_threshold: 0%, health: { http: {}, interval: 20s, timeout: 20s, fall: 1, jitter: 0% }";
    all[1].set(Manner::Says(503, "ill".into()));
    let site = Site::start(&config(&plain(&all), slow));
    let begun = yumen_net::rt::now();
    until("the verdict", || (!healthy(&site, &all[1])).then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(10), "it waited for the other check");
    all[0].set(Manner::Says(200, "o0".into()));
    assert_eq!(tally(&site, 4), counts(&[("o0", 4)]));
    gate.open();
}

#[test]
fn tcp_check_sees_an_endpoint_go_and_come() {
    let (listener, addr) = listen();
    let stays = Origin::named("o0");
    let health = "panic_threshold: 0%, health: { tcp: {}, interval: 500ms, timeout: 500ms, rise: 1, fall: 2 }";
    let site = Site::start(&config(&[format!("\"{}\"", stays.addr), format!("\"{addr}\"")], health));
    let is_healthy = || site.status()["upstreams"][0]["endpoints"][1]["healthy"] == true;
    drop(accept(&listener));
    assert!(is_healthy());
    drop(listener);
    until("the verdict", || (!is_healthy()).then_some(()));
    assert_eq!(tally(&site, 6), counts(&[("o0", 6)]));
    let _again = until("the port again", || std::net::TcpListener::bind(addr).ok());
    until("the recovery", || is_healthy().then_some(()));
}

#[test]
fn when_too_few_are_healthy_all_are_used() {
    let all = origins::<4>();
    let site = Site::start(&config(&plain(&all), &CHECKED.replace("0%, health", "50%, health")));
    for n in [3, 2] {
        all[n].set(Manner::Says(503, "ill".into()));
        until("the verdict", || (!healthy(&site, &all[n])).then_some(()));
    }
    // Half of them is not less than half.
    assert_eq!(tally(&site, 8), counts(&[("o0", 4), ("o1", 4)]));
    all[1].set(Manner::Says(503, "ill".into()));
    until("the verdict", || (!healthy(&site, &all[1])).then_some(()));
    let mut client = Client::connect(site.addr("web"));
    let ill = (0..8).filter(|_| client.get("/").status == 503).count();
    assert_eq!(ill, 6, "all four take turns");
}

#[test]
fn request_is_refused_with_a_reason_when_nobody_is_healthy() {
    let all = origins::<1>();
    all[0].set(Manner::Says(500, "ill".into()));
    let site = Site::start(&config(&plain(&all), CHECKED));
    until("the verdict", || (!healthy(&site, &all[0])).then_some(()));
    let refused = get(site.addr("web"), "/");
    assert_eq!((refused.status, refused.body.contains("no_healthy_endpoint")), (503, true), "{refused:?}");
    assert_eq!(all[0].requests().len(), 0);
}

#[test]
fn health_survives_a_reload_and_ends_with_its_section() {
    let all = origins::<2>();
    let text = config(&plain(&all), CHECKED);
    let site = Site::start(&text);
    all[1].set(Manner::Says(503, "ill".into()));
    until("the verdict", || (!healthy(&site, &all[1])).then_some(()));
    // The section is untouched: what is known stays known, without a moment in between.
    site.change(&text.replace("{ all:", "{ renamed:"));
    assert!(!healthy(&site, &all[1]));
    assert_eq!(tally(&site, 6), counts(&[("o0", 6)]));
    // The section has changed, the endpoint has not.
    site.change(&text.replace("interval: 500ms", "interval: 600ms"));
    assert!(!healthy(&site, &all[1]));
    assert_eq!(tally(&site, 6), counts(&[("o0", 6)]));
    // Nobody checks any more: nobody can say that it is ill.
    all[1].set(Manner::Says(200, "o1".into()));
    site.change(&config(&plain(&all), ""));
    assert!(healthy(&site, &all[1]));
    assert_eq!(tally(&site, 6), counts(&[("o0", 3), ("o1", 3)]));
    let checks = all[0].checks();
    site.change(&text);
    until("checks again", || (all[0].checks() > checks).then_some(()));
}

#[test]
fn health_check_names_the_host_of_the_endpoint() {
    let origin = Origin::named("o0");
    let endpoint = format!("localhost:{}", origin.addr.port());
    let site = Site::start(&config(&[format!("\"{endpoint}\"")], CHECKED));
    let head = until("a check", || origin.last_check());
    assert_eq!(field(&head, "host").as_deref(), Some(endpoint.as_str()), "{head}");
    site.change(&config(&[format!("\"{endpoint}\"")], &CHECKED.replace("/health }", "/ready?x, host: app.test }")));
    let head = until("another check", || origin.last_check().filter(|head| head.contains("/ready?x")));
    assert_eq!(field(&head, "host").as_deref(), Some("app.test"), "{head}");
}
