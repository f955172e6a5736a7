//! The reload matrix: each kind of section added, changed, removed and left alone, while an answer is on its way, a
//! connection is at rest and a stream is open. Nothing of these is cut, and what comes next meets the new wish.

use std::net::SocketAddr;

use crate::authority::Authority;
use crate::ends::{Client, End, Gate, Manner, Origin, accept, get, listen};
use crate::gateway::{text, until};
use crate::site::Site;

/// A gateway with something of each kind, and traffic through it.
struct Stand {
    site: Site,
    config: String,
    origin: Origin,
    other: Origin,
    raw: std::net::TcpListener,
}

impl Stand {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Authority::new(folder.path()).issue("one", "one", &["one.test"]);
        let (origin, other) = (Origin::named("app"), Origin::named("other"));
        let (raw, at) = listen();
        let config = format!(
            "runtime: {{ workers: 2, drain_timeout: 60s }}\n\
             listeners:\n  \
               web: {{ bind: \"127.0.0.1:0\" }}\n  \
               side: {{ bind: \"127.0.0.1:0\" }}\n  \
               raw: {{ bind: \"127.0.0.1:0\", protocol: tcp, upstream: raw }}\n\
             middlewares:\n  \
               mark: {{ headers: {{ response: {{ set: {{ X-Mark: one }} }} }} }}\n\
             routes:\n  \
               app: {{ match: {{ path: {{ prefix: /app }} }}, upstream: up, middlewares: [mark] }}\n\
             upstreams:\n  \
               up: {{ endpoints: [\"{}\"] }}\n  \
               raw: {{ endpoints: [\"{at}\"] }}\n",
            origin.addr
        );
        Self { site: Site::start_in(folder, &config), config, origin, other, raw }
    }

    /// The configuration with a part replaced, which must be there.
    fn with(&self, from: &str, to: &str) -> String {
        assert!(self.config.contains(from), "{from} in {}", self.config);
        self.config.replace(from, to)
    }

    /// Puts a configuration in force while traffic is in flight; none of it may notice.
    fn change(&self, config: &str) {
        let flight = self.take_off();
        let before = self.addrs();
        let generation = self.generation();
        self.site.change(config);
        assert!(self.generation() > generation);
        for (name, addr) in self.addrs() {
            assert!(before.iter().all(|(n, a)| *n != name || *a == addr), "{name} kept its socket");
        }
        self.land(flight);
    }

    fn generation(&self) -> u64 {
        self.site.status()["generation"].as_u64().unwrap()
    }

    fn addrs(&self) -> Vec<(String, SocketAddr)> {
        let status = self.site.status();
        let all = status["listeners"].as_array().unwrap().iter();
        all.map(|l| (l["name"].as_str().unwrap().to_owned(), l["addr"].as_str().unwrap().parse().unwrap())).collect()
    }

    fn web(&self) -> SocketAddr {
        self.site.addr("web")
    }

    fn take_off(&self) -> Flight {
        let mut rest = Client::connect(self.web());
        assert_eq!(rest.get("/app").status, 200);
        let (slow, gate) = self.half_answered(self.web());
        let mut near = Client::connect(self.site.addr("raw"));
        near.send(b"up");
        let mut far = accept(&self.raw);
        assert_eq!(far.exactly(2), b"up");
        Flight { slow, gate, rest, near, far }
    }

    /// A request whose answer has come by half.
    fn half_answered(&self, addr: SocketAddr) -> (Client, Gate) {
        let gate = Gate::default();
        for origin in [&self.origin, &self.other] {
            origin.set(Manner::Halts("0123456789".into(), gate.clone()));
        }
        let mut slow = Client::connect(addr);
        slow.ask("GET", "/app/slow", "");
        assert!(slow.head().starts_with("HTTP/1.1 200"));
        assert_eq!(slow.exactly(5), b"01234");
        self.origin.set(Manner::Says(200, "app".into()));
        self.other.set(Manner::Says(200, "other".into()));
        (slow, gate)
    }

    fn land(&self, flight: Flight) {
        let Flight { mut slow, gate, mut rest, mut near, mut far } = flight;
        gate.open();
        assert_eq!(slow.exactly(5), b"56789");
        for client in [&mut slow, &mut rest] {
            // The connection goes on: it answers, whatever the new wish says to the request.
            let answer = client.get("/nowhere");
            assert_eq!((answer.status / 100, answer.closes()), (4, false), "{}", answer.head);
        }
        near.send(b"more");
        assert_eq!(far.exactly(4), b"more");
        far.send(b"back");
        assert_eq!(near.exactly(4), b"back");
    }
}

/// Traffic that is under way.
struct Flight {
    slow: Client,
    gate: Gate,
    rest: Client,
    near: Client,
    far: Client,
}

#[test]
fn unchanged_configuration_changes_nothing() {
    let stand = Stand::start();
    let mut client = Client::connect(stand.web());
    client.get("/app");
    let connections = stand.origin.connections();
    for _ in 0..3 {
        stand.site.change(&stand.config);
        assert_eq!(client.get("/app").body, "app");
    }
    assert_eq!(stand.origin.connections(), connections, "pooled connections are used on");
    stand.change(&stand.config);
}

#[test]
fn listener_is_added_and_removed() {
    let stand = Stand::start();
    let more = stand.with("  raw: { bind", "  extra: { bind: \"127.0.0.1:0\" }\n  raw: { bind");
    stand.change(&more);
    let extra = stand.site.addr("extra");
    assert_eq!(get(extra, "/app").body, "app");

    let mut rest = Client::connect(extra);
    assert!(!rest.get("/app").closes());
    let (mut slow, gate) = stand.half_answered(extra);
    stand.change(&stand.config);
    // Who was at rest is told with the next answer, and is closed then.
    let last = rest.get("/app");
    assert_eq!((last.status, last.closes()), (200, true), "{}", last.head);
    assert_eq!(rest.rest(), (Vec::new(), End::Closed));
    until("the socket to be closed", || std::net::TcpStream::connect(extra).is_err().then_some(()));
    let draining = stand.site.status()["draining"].to_string();
    assert!(draining.contains(&extra.to_string()), "{draining}");
    gate.open();
    assert_eq!(slow.exactly(5), b"56789");
    assert_eq!(slow.rest(), (Vec::new(), End::Closed));
    until("the end of the drain", || (stand.site.status()["draining"] == serde_json::json!([])).then_some(()));
}

#[test]
fn listener_that_moves_opens_the_new_address_and_drains_the_old_one() {
    let stand = Stand::start();
    let side = stand.site.addr("side");
    let mut rest = Client::connect(side);
    rest.get("/app");
    let flight = stand.take_off();
    stand.site.change(&stand.with("side: { bind: \"127.0.0.1:0\"", "side: { bind: \"127.0.0.2:0\""));
    stand.land(flight);
    let moved = stand.site.addr("side");
    assert_eq!(moved.ip().to_string(), "127.0.0.2");
    assert_eq!(get(moved, "/app").body, "app");
    assert!(rest.get("/app").closes());
}

#[test]
fn address_that_cannot_be_opened_changes_nothing() {
    let stand = Stand::start();
    let (_taken, addr) = listen();
    let flight = stand.take_off();
    let generation = stand.generation();
    stand.site.write(
        &stand
            .with("side: { bind: \"127.0.0.1:0\"", &format!("side: {{ bind: \"{addr}\""))
            .replace("X-Mark: one", "X-Mark: two"),
    );
    let reload = stand.site.command("reload");
    assert_eq!((reload.status.code(), text(&reload).contains(&addr.to_string())), (Some(1), true), "{}", text(&reload));
    assert_eq!(stand.generation(), generation);
    assert_eq!(get(stand.web(), "/app").field("x-mark").as_deref(), Some("one"));
    stand.land(flight);
}

#[test]
fn listener_settings_change_for_open_connections_too() {
    let stand = Stand::start();
    let mut open = Client::connect(stand.web());
    assert_eq!(open.get("/nowhere").status, 404);
    let with = |settings: &str| {
        stand.with("web: { bind: \"127.0.0.1:0\" }", &format!("web: {{ bind: \"127.0.0.1:0\", {settings} }}"))
    };
    stand.change(&with("default_status: 410"));
    assert_eq!(open.get("/nowhere").status, 410);
    stand.change(&with("limits: { fields: 3, body: 4 }"));
    assert_eq!(open.get("/nowhere").status, 404);
    open.send("POST /app HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345");
    assert_eq!(open.answer().status, 413);
    open.ask("GET", "/app", "A: 1\r\nB: 2\r\nC: 3\r\n");
    assert_eq!(open.answer().status, 431);

    let mut open = Client::connect(stand.web());
    open.get("/app");
    stand.change(&with("limits: { requests_per_connection: 1000 }, timeouts: { idle: 2s }"));
    assert!(!open.get("/app").closes());
    assert_eq!(open.rest(), (Vec::new(), End::Closed), "the new idle time has passed");
    // What is in flight during the next change may rest for longer than that.
    stand.site.change(&stand.config);
    stand.change(&with("access: { deny: [127.0.0.9/32] }, forwarded: { via: edge }"));
    assert_eq!(get(stand.web(), "/app").status, 200);
    assert!(stand.origin.last().contains("1.1 edge"), "{}", stand.origin.last());
    stand.change(&stand.config);
    assert_eq!(get(stand.web(), "/app").status, 200);
    assert!(stand.origin.last().contains("1.1 yumen"), "{}", stand.origin.last());
}

#[test]
fn tls_of_a_listener_is_added_changed_and_removed() {
    let stand = Stand::start();
    let side = stand.site.addr("side");
    let mut plain = Client::connect(side);
    assert_eq!(plain.get("/app").status, 200);
    let with = |more: &str| {
        let tls = format!("tls: {{ certificates: {{ cert: one.pem, key: one.key }}{more} }}");
        stand.with("side: { bind: \"127.0.0.1:0\" }", &format!("side: {{ bind: \"127.0.0.1:0\", {tls} }}"))
    };
    let curl = |more: &[&str]| {
        let output = std::process::Command::new("curl")
            .args(["-s", "--max-time", "10", "--cacert"])
            .arg(stand.site.folder().join("ca.pem"))
            .args(["--resolve", &format!("one.test:{}:127.0.0.1", side.port())])
            .args(more)
            .arg(format!("https://one.test:{}/app", side.port()))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    stand.change(&with(""));
    assert_eq!(curl(&["--tls-max", "1.2"]), "app");
    // The connection from before speaks as it began.
    assert_eq!(plain.get("/app").status, 200);
    stand.change(&with(", min_version: \"1.3\""));
    assert_eq!((curl(&["--tls-max", "1.2"]).as_str(), curl(&[]).as_str()), ("", "app"));
    stand.change(&stand.config);
    assert_eq!(get(side, "/app").body, "app");
    assert_eq!(curl(&[]), "");
}

#[test]
fn route_is_added_changed_and_removed() {
    let stand = Stand::start();
    let new = "routes:\n  hello: { match: { path: { exact: /hello } }, middlewares: [respond: { body: hello }] }\n";
    let mut open = Client::connect(stand.web());
    assert_eq!(open.get("/hello").status, 404);
    stand.change(&stand.with("routes:\n", new));
    assert_eq!(open.get("/hello").body, "hello");
    stand.change(&stand.with("routes:\n", &new.replace("body: hello", "body: changed")));
    assert_eq!(open.get("/hello").body, "changed");
    stand.change(&stand.with("routes:\n", &new.replace("exact: /hello", "exact: /other")));
    assert_eq!((open.get("/hello").status, open.get("/other").body.as_str()), (404, "hello"));
    stand.change(&stand.config);
    assert_eq!(open.get("/other").status, 404);
}

#[test]
fn middleware_is_added_changed_and_removed() {
    let stand = Stand::start();
    let mut open = Client::connect(stand.web());
    let mark = |open: &mut Client| open.get("/app").field("x-mark");
    assert_eq!(mark(&mut open).as_deref(), Some("one"));
    stand.change(&stand.with("X-Mark: one", "X-Mark: two"));
    assert_eq!(mark(&mut open).as_deref(), Some("two"));
    let other = "  other: { headers: { response: { add: { X-Mark: other } } } }\nroutes:\n";
    let added = stand.with("routes:\n", other).replace("[mark]", "[mark, other]");
    stand.change(&added);
    assert_eq!(mark(&mut open).as_deref(), Some("one"), "the outer one sets what the inner one added");
    let turned = added.replace("[mark, other]", "[other, mark]");
    stand.change(&turned);
    assert_eq!(mark(&mut open).as_deref(), Some("one, other"));
    stand.change(&stand.with(", middlewares: [mark]", ""));
    assert_eq!(mark(&mut open), None);
    stand.change(&stand.config);
    assert_eq!(mark(&mut open).as_deref(), Some("one"));
}

#[test]
fn upstream_is_added_changed_and_removed() {
    let stand = Stand::start();
    let other = &stand.other;
    let mut open = Client::connect(stand.web());
    let section = format!("upstreams:\n  new: {{ endpoints: [\"{}\"] }}\n", other.addr);
    let added = stand.with("upstreams:\n", &section).replace("upstream: up,", "upstream: new,");
    stand.change(&added);
    assert_eq!(open.get("/app").body, "other");
    let settings = ", pool: { idle: 0 }, timeouts: { head: 5s }, max_connections: 100, balance: p2c_ewma }";
    stand.change(&added.replace(&format!("\"{}\"] }}", other.addr), &format!("\"{}\"]{settings}", other.addr)));
    let connections = other.connections();
    assert_eq!((open.get("/app").body, open.get("/app").body), ("other".into(), "other".into()));
    assert_eq!(other.connections(), connections + 2, "no connection is kept any more");
    stand.change(&stand.config);
    assert_eq!(open.get("/app").body, "app");
    // What is in flight over an upstream that goes away is finished by the flight of `change`.
    let both = format!("endpoints: [\"{}\", \"{}\"]", stand.origin.addr, other.addr);
    stand.change(&stand.with(&format!("endpoints: [\"{}\"]", stand.origin.addr), &both));
    let mut seen: Vec<String> = (0..4).map(|_| open.get("/app").body).collect();
    seen.sort();
    assert_eq!(seen, ["app", "app", "other", "other"]);
}

#[test]
fn health_checks_are_added_changed_and_removed() {
    let stand = Stand::start();
    let with = |health: &str| {
        let endpoints = format!("endpoints: [\"{}\"]", stand.origin.addr);
        stand.with(&endpoints, &format!("{endpoints}, health: {{ {health} }}"))
    };
    stand.change(&with("http: { path: /first }, interval: 100ms, timeout: 100ms"));
    let checked = |path: &str| stand.origin.last_check().filter(|head| head.contains(path));
    until("the first check", || checked("/first"));
    stand.change(&with("http: { path: /second }, interval: 100ms, timeout: 100ms"));
    until("the second check", || checked("/second"));
    stand.change(&stand.config);
    let checks = stand.origin.checks();
    // One may have been under way; a second one would be of a task that was left behind.
    let begun = yumen_net::rt::now();
    until("some intervals", || (begun.elapsed().as_millis() > 500).then(|| stand.origin.checks()));
    assert!(stand.origin.checks() <= checks + 1);
}

#[test]
fn settings_of_the_process_change_at_once() {
    let stand = Stand::start();
    stand.change(&stand.with("drain_timeout: 60s", "drain_timeout: 50s"));
    // More workers, and no fewer while somebody is connected: those of a worker that leaves are told to close.
    let grown = stand.with("workers: 2", "workers: 3");
    let waits = [
        ("runtime.workers", grown.clone()),
        ("log.access", format!("log: {{ level: debug, access: off }}\n{}", grown)),
    ];
    for (key, config) in waits {
        let flight = stand.take_off();
        let generation = stand.generation();
        stand.site.write(&config);
        until("the new generation", || (stand.generation() > generation).then_some(()));
        stand.land(flight);
        assert!(!stand.site.log().contains("next start"), "{key}: {}", stand.site.log());
    }
    let log = |level: &str| format!("log: {{ level: {level}, access: off }}\n{}", grown);
    stand.site.write(&log("error"));
    until("the new generation", || (stand.site.status()["digest"] != "").then_some(()));
    stand.site.change(&log("error"));
    let lines = stand.site.log().lines().count();
    stand.site.change(&log("error"));
    assert_eq!(stand.site.log().lines().count(), lines, "nothing is said at this level");
    stand.site.change(&log("info"));
    stand.site.wait_log("configuration put in force");
    stand.change(&grown);
}
