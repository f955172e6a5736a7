//! HTTP/3 while another process takes over, and with workers that are added.

use std::net::UdpSocket;
use std::time::Duration;

use bytes::Buf;
use yumen_test::PATIENCE;

use super::{Client, config, send, site, socket_of};
use crate::ends::{Gate, Manner, Origin};
use crate::gateway::until;
use crate::site::Site;
use crate::upgrade::Successors;

fn metric(site: &Site, name: &str) -> f64 {
    site.metric(&format!("yumen_listener_{name}{{listener=\"web\"}}"))
}

/// New clients, so many that every worker has some, and none of whom waits.
fn all_are_served(site: &Site, count: usize) {
    for _ in 0..count {
        let mut client = Client::connect(site);
        assert_eq!(client.get("/").status, 200);
        // From another address, as the one that the id names.
        client.runtime.block_on(async {
            client.endpoint.rebind_abstract(socket_of(UdpSocket::bind("127.0.0.1:0").unwrap())).unwrap();
        });
        assert_eq!(client.get("/moved").status, 200);
    }
}

#[test]
fn connections_of_the_old_process_go_on_while_new_ones_meet_the_new_one() {
    let origin = Origin::named("hello");
    let (mut site, _authority) = site(&origin, "true");
    let mut successors = Successors::default();
    let addr = site.addr("web");
    let gate = Gate::default();
    let long = "0123456789".repeat(1 << 20);
    // Several, so that each worker has some. Half of each answer comes after the other process has taken over twice.
    origin.set(Manner::Halts(long.clone(), gate.clone()));
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(&site)).collect();
    let mut streams = Vec::new();
    for client in &mut clients {
        let begun = async {
            let mut stream = send(&mut client.requests, ("GET", "https://one.test/long"), &[], b"").await.unwrap();
            assert_eq!(stream.recv_response().await.unwrap().status(), 200);
            let first = stream.recv_data().await.unwrap().unwrap().remaining();
            (stream, first)
        };
        streams.push(client.runtime.block_on(async { tokio::time::timeout(PATIENCE, begun).await.unwrap() }));
    }
    origin.set(Manner::Says(200, "after".into()));
    for _ in 0..2 {
        successors.upgrade(&site);
        assert_eq!(site.addr("web"), addr);
        all_are_served(&site, 8);
        assert_eq!(metric(&site, "connections_total"), 8.0, "all of them came to the new process");
        assert_eq!(metric(&site, "handshake_failures_total"), 0.0);
    }
    assert!(site.ended().is_none(), "the first process still serves");
    gate.open();
    for (client, (mut stream, first)) in clients.iter().zip(streams) {
        let rest = async {
            let mut read = first;
            while let Some(part) = stream.recv_data().await.unwrap() {
                read += part.remaining();
            }
            read
        };
        let read = client.runtime.block_on(async { tokio::time::timeout(PATIENCE, rest).await.unwrap() });
        assert_eq!(read, long.len());
    }
    // The old process says good-bye and ends.
    for client in &clients {
        let closed = async { tokio::time::timeout(PATIENCE, client.connection.closed()).await.unwrap() };
        client.runtime.block_on(closed);
    }
    assert_eq!(site.end().code(), Some(0), "{}", site.log());
    all_are_served(&site, 4);
}

#[test]
fn connection_survives_a_new_process_that_does_not_come_up() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "true");
    let good = std::fs::read_to_string(site.file()).unwrap();
    let mut client = Client::connect(&site);
    assert_eq!(client.get("/").status, 200);
    until("the last good copy", || site.folder().join("state/last-good.json").exists().then_some(()));
    site.write(&good.replace("routes:", "rotes:"));
    assert_eq!(site.command("upgrade").status.code(), Some(1));
    assert_eq!(client.get("/").status, 200);
    all_are_served(&site, 4);
    // Nor does it hinder the listener from closing later.
    site.write(&good.replace("http3: true", "http3: false"));
    assert!(site.command("reload").status.success());
    let closed = async { tokio::time::timeout(PATIENCE, client.connection.closed()).await.unwrap() };
    client.runtime.block_on(closed);
}

#[test]
fn workers_that_are_added_serve_clients_of_http_3_too() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "true");
    let mut old: Vec<Client> = (0..6).map(|_| Client::connect(&site)).collect();
    let with = |workers: usize| config(&origin, "true", "").replace("workers: 2", &format!("workers: {workers}"));
    site.change(&with(5));
    // All with one connection each, for long enough.
    let mut clients = Vec::new();
    until("clients on every worker", || {
        let mut client = Client::connect(&site);
        assert_eq!(client.get("/").status, 200);
        clients.push(client);
        let spread = site.status()["workers"].as_array().unwrap().clone();
        assert_eq!(spread.len(), 5);
        let all = spread.iter().all(|worker| worker["connections"].as_u64().unwrap() > 0);
        (all || clients.len() > 200).then_some(())
    });
    assert!(clients.len() < 200, "{}", site.status()["workers"]);
    all_are_served(&site, 10);
    for client in old.iter_mut().chain(&mut clients) {
        assert_eq!(client.get("/").status, 200);
        assert!(client.connection.close_reason().is_none());
    }
    // Fewer: who is on a worker that leaves is told to come again.
    site.change(&with(2));
    let asked = std::iter::repeat_with(|| {
        let mut client = Client::connect(&site);
        client.get("/").status
    });
    assert!(asked.take(40).all(|status| status == 200));
    for client in &mut old {
        assert_eq!(client.get("/").status, 200);
    }
    let over = Duration::from_millis(1);
    let gone = |client: &Client| {
        client.runtime.block_on(async { tokio::time::timeout(over, client.connection.closed()).await.is_ok() })
    };
    until("the others to be told", || clients.iter().any(&gone).then_some(()));
}
