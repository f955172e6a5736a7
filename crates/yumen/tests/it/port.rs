//! Ports and connections as the system gives them: many at once, evenly spread, both families, and a listener that moves
//! on a port of its own.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::Relaxed};

use yumen_net::os::SHARES_PORT;

use crate::ends::{Client, Origin};
use crate::gateway::{text, until};
use crate::site::Site;

fn config(workers: usize, bind: &str, origin: &Origin) -> String {
    format!(
        "runtime: {{ workers: {workers}, drain_timeout: 60s }}\n\
         listeners: {{ web: {{ bind: \"{bind}\", timeouts: {{ idle: 10m }} }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n",
        origin.addr
    )
}

/// How many connections each worker has, as the metrics tell it.
fn spread(site: &Site, workers: usize) -> Vec<usize> {
    let of = |n| site.metric(&format!("yumen_worker_connections{{worker=\"{n}\"}}"));
    (0..workers).map(|n| of(n) as usize).collect()
}

#[test]
fn connections_are_spread_over_all_workers() {
    yumen_net::os::raise_file_limit();
    let origin = Origin::named("hello");
    let site = Site::start(&config(4, "127.0.0.1:0", &origin));
    let addr = site.addr("web");
    let mut clients: Vec<Client> = (0..400).map(|_| Client::connect(addr)).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    let each = spread(&site, 4);
    assert_eq!(each.iter().sum::<usize>(), 400, "{each:?}");
    let (least, most) = (each.iter().min().unwrap(), each.iter().max().unwrap());
    // Where the system spreads them it does so by chance: 100 each, give or take seven times its scatter.
    let allowed = if SHARES_PORT { 120 } else { 1 };
    assert!(most - least <= allowed && *least > 30, "{each:?}");
    let status = site.status();
    let told: Vec<u64> =
        status["workers"].as_array().unwrap().iter().map(|w| w["connections"].as_u64().unwrap()).collect();
    assert_eq!(told, each.iter().map(|n| *n as u64).collect::<Vec<_>>());
    while !clients.is_empty() {
        clients.truncate(clients.len().saturating_sub(16));
        until("the connections to end", || (spread(&site, 4).iter().sum::<usize>() == clients.len()).then_some(()));
    }
}

#[test]
fn thousand_connections_are_open_at_once_and_each_is_answered() {
    yumen_net::os::raise_file_limit();
    let origin = Origin::named("hello");
    let site = Site::start(&config(2, "127.0.0.1:0", &origin));
    let addr = site.addr("web");
    let mut clients: Vec<Client> = (0..1000).map(|_| Client::connect(addr)).collect();
    let active = || site.metric("yumen_listener_active_connections{listener=\"web\"}");
    until("all connections", || (active() == 1000.0).then_some(()));
    // Few with unread bytes at a time: beneath Wine each of them costs all others.
    for some in clients.chunks_mut(16) {
        some.iter_mut().for_each(|client| client.ask("GET", "/", ""));
        for client in some {
            let answer = client.answer();
            assert_eq!((answer.status, answer.body.as_str(), answer.closes()), (200, "hello", false));
        }
    }
    assert_eq!(active(), 1000.0);
    // An end is something unread, too.
    while !clients.is_empty() {
        clients.truncate(clients.len().saturating_sub(16));
        until("the connections to end", || (active() == clients.len() as f64).then_some(()));
    }
}

#[test]
fn every_address_of_ipv6_takes_ipv4_too_and_tells_it_as_such() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return; // no IPv6 on this machine
    }
    let origin = Origin::named("hello");
    let site = Site::start(&config(2, "[::]:0", &origin));
    let port = site.addr("web").port();
    for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let path = format!("/{}", if SocketAddr::new(ip, 0).is_ipv4() { "four" } else { "six" });
        assert_eq!(Client::connect(SocketAddr::new(ip, port)).get(&path).status, 200);
        let line = site.wait_access(|line| line["path"] == path);
        assert_eq!(line["client"].as_str().map(|text| text.starts_with(&ip.to_string())), Some(true), "{line}");
    }
}

/// A port that is free on every address, apart from those that other tests and the system give out: each process of tests
/// has four of its own.
fn quiet_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 9000 + (std::process::id() % 1500) as u16 * 4;
    let mut ports = std::iter::from_fn(|| Some(first + NEXT.fetch_add(1, Relaxed)));
    ports.find(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok()).unwrap()
}

/// A connection that was answered once. Where the system lets nobody share a port, the listener may be between two
/// addresses, and then one is made again.
fn arrive(addr: SocketAddr) -> Client {
    let once = || {
        let mut client = Client::over(TcpStream::connect(addr).ok()?);
        client.is_answered("/").then_some(client)
    };
    if SHARES_PORT { once().expect("a connection that is answered") } else { until("a connection", once) }
}

#[test]
fn listener_moves_between_one_and_every_address_of_its_port_under_load() {
    let origin = Origin::named("hello");
    let port = quiet_port();
    let (one, four, both) = (format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}"), format!("[::]:{port}"));
    let site = Site::start(&config(2, &one, &origin));
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = arrive(addr);
                while !over.load(Relaxed) {
                    let answer = client.get("/");
                    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
                    asked.fetch_add(1, Relaxed);
                    if answer.closes() {
                        client = arrive(addr);
                    }
                }
            });
        }
        for bind in [&four, &one, &both, &one, &four, &both, &four] {
            let before = asked.load(Relaxed);
            until("requests", || (asked.load(Relaxed) > before + 40).then_some(()));
            site.change(&config(2, bind, &origin));
            assert_eq!(site.addr("web"), bind.parse().unwrap());
        }
        over.store(true, Relaxed);
    });
}

#[test]
fn listener_that_cannot_move_on_its_port_stays_where_it_was() {
    let origin = Origin::named("hello");
    let port = quiet_port();
    let one = format!("127.0.0.1:{port}");
    let site = Site::start(&config(2, &one, &origin));
    let mut kept = Client::connect(one.parse().unwrap());
    assert_eq!(kept.get("/").status, 200);
    // Somebody else has one of the addresses of the port.
    let _thief = TcpListener::bind(("127.0.0.2", port)).unwrap();
    site.write(&config(2, &format!("0.0.0.0:{port}"), &origin));
    let reload = site.command("reload");
    let told = text(&reload);
    assert_eq!(reload.status.code(), Some(1), "{told}");
    assert!(told.contains(&format!("cannot listen on 0.0.0.0:{port}")), "{told}");
    if !SHARES_PORT {
        assert!(told.contains(&format!("{one}, which was closed to make room for it, is open again")), "{told}");
    }
    assert_eq!(site.addr("web"), one.parse().unwrap());
    assert_eq!((kept.get("/").status, arrive(one.parse().unwrap()).get("/").status), (200, 200));
}
