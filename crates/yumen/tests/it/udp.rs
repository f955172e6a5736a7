//! Datagrams: sessions, their endpoints and their ends.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use yumen_test::PATIENCE;

use crate::dns::NameServer;
use crate::gateway::{free, text, until};
use crate::site::Site;

/// An origin that answers every datagram with its name and what it got.
fn echo(name: &'static str) -> SocketAddr {
    echo_on(UdpSocket::bind("127.0.0.1:0").unwrap(), name)
}

fn echo_on(socket: UdpSocket, name: &'static str) -> SocketAddr {
    let addr = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buf = vec![0; 65_536];
        // An error is of an answer to a client that is gone.
        loop {
            if let Ok((n, from)) = socket.recv_from(&mut buf) {
                let answer = [name.as_bytes(), b":", &buf[..n]].concat();
                socket.send_to(&answer, from).ok();
            }
        }
    });
    addr
}

/// An origin that hands over what it got and answers when it is told to.
fn slow() -> (SocketAddr, Receiver<Vec<u8>>, Sender<&'static str>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    let ((got, seen), (say, answers)) = (channel(), channel::<&str>());
    std::thread::spawn(move || {
        let mut buf = vec![0; 65_536];
        while let Ok((n, from)) = socket.recv_from(&mut buf) {
            if got.send(buf[..n].to_vec()).is_err() {
                return;
            }
            if let Ok(answer) = answers.recv() {
                socket.send_to(answer.as_bytes(), from).unwrap();
            }
        }
    });
    (addr, seen, say)
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn client() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Sends a text and waits for what comes back; says from where.
fn ask_from(client: &UdpSocket, to: SocketAddr, text: &str) -> (String, SocketAddr) {
    client.send_to(text.as_bytes(), to).unwrap();
    let mut buf = vec![0; 65_536];
    let (n, from) = client.recv_from(&mut buf).unwrap_or_else(|e| panic!("no answer to {text}: {e}"));
    (String::from_utf8_lossy(&buf[..n]).into_owned(), from)
}

fn ask(client: &UdpSocket, to: SocketAddr, text: &str) -> String {
    ask_from(client, to, text).0
}

/// A listener `l` over some endpoints. `more` belongs to the listener, `up` to the upstream.
fn config(endpoints: &[SocketAddr], more: &str, up: &str) -> String {
    let all: Vec<String> = endpoints.iter().map(|e| format!("\"{e}\"")).collect();
    format!(
        "runtime: {{ workers: 2, drain_timeout: 20s }}\n\
         listeners: {{ l: {{ bind: \"127.0.0.1:0\", protocol: udp, upstream: up{more} }} }}\n\
         upstreams: {{ up: {{ endpoints: [{}]{up} }} }}\n",
        all.join(", ")
    )
}

fn site(endpoints: &[SocketAddr], more: &str) -> Site {
    Site::start(&config(endpoints, more, ""))
}

fn listener_metric(site: &Site, name: &str) -> u64 {
    site.metric(&format!("yumen_listener_{name}{{listener=\"l\"}}")) as u64
}

#[test]
fn dig_asks_dnsmasq_by_udp_and_tcp_on_one_port() {
    let folder = tempfile::tempdir().unwrap();
    let server = NameServer::start(folder.path(), "127.0.0.77 app.test\n");
    let at = free();
    let site = Site::start(&format!(
        "listeners:\n  dns: {{ bind: \"{at}\", protocol: udp, upstream: dns, udp: {{ responses: 1 }} }}\n  \
         dns-tcp: {{ bind: \"{at}\", protocol: tcp, upstream: dns }}\n\
         upstreams: {{ dns: {{ endpoints: [\"{}\"] }} }}\n",
        server.addr
    ));
    for way in ["+notcp", "+tcp"] {
        let asked = Command::new("dig")
            .args([&format!("@{}", at.ip()), "-p", &at.port().to_string(), "app.test", "+short", "+tries=3", way])
            .output()
            .unwrap();
        assert_eq!(text(&asked).trim(), "127.0.0.77", "{way}: {}", site.log());
    }
    let line = site.wait_access(|line| line["protocol"] == "udp");
    assert_eq!(
        (&line["listener"], &line["datagrams_in"], &line["datagrams_out"]),
        (&"dns".into(), &1.into(), &1.into())
    );
    assert!(line["bytes_out"].as_u64() > line["bytes_in"].as_u64() && line.get("reason").is_none(), "{line}");
}

#[test]
fn a_thousand_clients_each_get_their_own_answers() {
    let site = site(&[echo("a"), echo("b")], "");
    let to = site.addr("l");
    let clients: Vec<UdpSocket> = (0..1000).map(|_| client()).collect();
    for (n, one) in clients.iter().enumerate() {
        let first = ask(one, to, &format!("{n}"));
        assert_eq!(first.split_once(':').unwrap().1, n.to_string());
    }
    assert_eq!(listener_metric(&site, "active_connections"), 1000);
    // All at once, and each meets the endpoint it met before.
    for part in clients.chunks(50) {
        part.iter().for_each(|one| assert_eq!(one.send_to(b"again", to).unwrap(), 5));
        for one in part {
            let mut buf = [0; 64];
            let n = one.recv(&mut buf).unwrap();
            assert!(buf[..n].ends_with(b":again"));
        }
    }
    assert_eq!(
        (listener_metric(&site, "connections_total"), listener_metric(&site, "received_datagrams_total")),
        (1000, 2000)
    );
    assert_eq!(
        (listener_metric(&site, "sent_datagrams_total"), listener_metric(&site, "dropped_datagrams_total")),
        (2000, 0)
    );
    let status = site.status();
    assert_eq!(
        (&status["listeners"][0]["protocol"], &status["listeners"][0]["connections"]),
        (&"udp".into(), &1000.into())
    );
    let workers: Vec<u64> =
        status["workers"].as_array().unwrap().iter().map(|w| w["connections"].as_u64().unwrap()).collect();
    assert!(workers.iter().all(|n| *n > 200), "the system spreads clients: {workers:?}");
}

#[test]
fn session_keeps_its_endpoint_and_ends_by_silence() {
    let site = site(&[echo("a"), echo("b")], ", timeouts: { idle: 300ms }");
    let (to, one) = (site.addr("l"), client());
    let first = ask(&one, to, "x");
    for _ in 0..5 {
        assert_eq!(ask(&one, to, "x"), first);
    }
    until("the end of the session", || (listener_metric(&site, "expired_sessions_total") == 1).then_some(()));
    let line = site.wait_access(|line| line["datagrams_in"] == 6);
    assert_eq!((&line["datagrams_out"], &line["bytes_in"], &line["bytes_out"]), (&6.into(), &6.into(), &18.into()));
    assert!(line.get("reason").is_none() && line["upstream"] == "up" && line["client"] == "127.0.0.1", "{line}");
    assert_eq!(listener_metric(&site, "active_connections"), 0);
    ask(&one, to, "again");
    assert_eq!(listener_metric(&site, "connections_total"), 2);
}

#[test]
fn answer_comes_from_the_address_the_client_sent_to() {
    let site = Site::start(&config(&[echo("a")], "", "").replace("127.0.0.1:0", ":0"));
    let port = site.addr("l").port();
    for host in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        let to = SocketAddr::new(host.parse::<IpAddr>().unwrap(), port);
        assert_eq!(ask_from(&client(), to, "x"), ("a:x".to_owned(), to));
    }
    // One client that asks two addresses has two sessions.
    let one = client();
    for host in ["127.0.0.1", "127.0.0.2"] {
        ask(&one, SocketAddr::new(host.parse::<IpAddr>().unwrap(), port), "x");
    }
    assert_eq!(listener_metric(&site, "active_connections"), 5);
}

#[test]
fn datagrams_of_every_size_pass_whole() {
    let site = site(&[echo("")], "");
    let (to, one) = (site.addr("l"), client());
    for size in [0, 1, 1200, 1473, 9000, 65_000] {
        let sent = "x".repeat(size);
        assert_eq!(ask(&one, to, &sent), format!(":{sent}"), "{size}");
    }
}

#[test]
fn reload_under_traffic_loses_nothing_and_keeps_the_session() {
    let (a, b) = (echo("a"), echo("b"));
    let site = site(&[a, b], "");
    let to = site.addr("l");
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let one = client();
                let first = ask(&one, to, "0");
                let mut n = 0;
                while !over.load(Relaxed) {
                    n += 1;
                    let answer = ask(&one, to, &n.to_string());
                    assert_eq!(answer, format!("{}:{n}", first.split(':').next().unwrap()));
                    asked.fetch_add(1, Relaxed);
                }
            });
        }
        for round in 1..=6 {
            let before = asked.load(Relaxed);
            // Another section of the listener and of its upstream each time; the endpoints stay.
            let more = format!(", timeouts: {{ idle: {round}m }}");
            site.change(&config(&[a, b], &more, &format!(", max_connections: {}", 1000 + round)));
            until("traffic", || (asked.load(Relaxed) > before + 50).then_some(()));
        }
        over.store(true, Relaxed);
    });
    assert_eq!(listener_metric(&site, "connections_total"), 4, "each client had one session");
    assert_eq!(listener_metric(&site, "dropped_datagrams_total"), 0);
}

#[test]
fn session_leaves_an_endpoint_that_a_reload_removed_and_stays_with_one_it_kept() {
    let (a, b) = (echo("a"), echo("b"));
    let site = site(&[a], "");
    let (to, one) = (site.addr("l"), client());
    assert_eq!(ask(&one, to, "x"), "a:x");
    site.change(&config(&[a, b], "", ""));
    assert_eq!(ask(&one, to, "x"), "a:x");
    site.change(&config(&[b], "", ""));
    assert_eq!(ask(&one, to, "x"), "b:x");
    let line = site.wait_access(|line| line["reason"] == "endpoint_withdrawn");
    assert_eq!((&line["endpoint"], &line["datagrams_out"]), (&a.to_string().into(), &2.into()));
}

#[test]
fn unhealthy_endpoint_loses_its_sessions() {
    // The check is by TCP, on the same port.
    let pair = |name| {
        until("a port of both kinds", || {
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            let udp = UdpSocket::bind(tcp.local_addr().unwrap()).ok()?;
            Some((echo_on(udp, name), tcp))
        })
    };
    let ((a, tcp_a), (b, tcp_b)) = (pair("a"), pair("b"));
    let health = ", health: { tcp: {}, interval: 100ms, timeout: 100ms, fall: 1, rise: 1 }, panic_threshold: 0%";
    let site = Site::start(&config(&[a, b], "", health));
    let (to, one) = (site.addr("l"), client());
    let first = ask(&one, to, "x");
    let (gone, other) = if first == "a:x" { (tcp_a, "b:x") } else { (tcp_b, "a:x") };
    drop(gone);
    until("the other endpoint", || (ask(&one, to, "x") == other).then_some(()));
    site.wait_access(|line| line["reason"] == "endpoint_withdrawn");
}

#[test]
fn endpoint_where_nobody_listens_costs_no_client_its_answer() {
    let dead = nobody();
    let site = site(&[dead, echo("live")], "");
    let to = site.addr("l");
    for _ in 0..10 {
        assert_eq!(ask(&client(), to, "x"), "live:x");
    }
    let failures = format!("yumen_endpoint_failures_total{{upstream=\"up\",endpoint=\"{dead}\"}}");
    // Once for each worker: it is passed over for a while then.
    assert!((1.0..=2.0).contains(&site.metric(&failures)), "{}", site.metric(&failures));
    assert!(site.metric("yumen_upstream_retries_total{upstream=\"up\"}") >= 1.0);
}

#[test]
fn client_of_a_dead_endpoint_is_in_the_log_with_the_reason() {
    let site = site(&[nobody()], "");
    let one = client();
    one.send_to(b"x", site.addr("l")).unwrap();
    let line = site.wait_access(|line| line["reason"] == "connect_refused");
    assert_eq!((&line["side"], &line["datagrams_in"], &line["attempts"]), (&"upstream".into(), &1.into(), &1.into()));
    until("the end of the session", || (listener_metric(&site, "active_connections") == 0).then_some(()));
}

#[test]
fn full_table_displaces_who_was_never_answered_and_refuses_others() {
    let (addr, seen, say) = slow();
    let site = Site::start(&config(&[addr], ", limits: { sessions: 2 }", "").replace("workers: 2", "workers: 1"));
    let to = site.addr("l");
    let (first, second, third) = (client(), client(), client());
    first.send_to(b"1", to).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), b"1");
    say.send("answer").unwrap();
    let mut buf = [0; 64];
    assert_eq!(first.recv(&mut buf).unwrap(), 6);
    second.send_to(b"2", to).unwrap();
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), b"2");
    third.send_to(b"3", to).unwrap();
    let line = site.wait_access(|line| line["reason"] == "session_displaced");
    assert_eq!(line["datagrams_in"], 1);
    // The second answer is for nobody now, the third for the one who took the place.
    for answer in ["lost", "taken"] {
        say.send(answer).unwrap();
    }
    assert_eq!(third.recv(&mut buf).unwrap(), 5);
    assert_eq!(&buf[..5], b"taken");
    // Now both were answered.
    second.send_to(b"4", to).unwrap();
    until("the refusal", || (listener_metric(&site, "refused_connections_total") == 1).then_some(()));
    assert_eq!(
        (listener_metric(&site, "active_connections"), listener_metric(&site, "dropped_datagrams_total")),
        (2, 1)
    );
    site.wait_log("limits.sessions");
}

#[test]
fn session_is_over_with_the_last_answer_that_is_due() {
    let site = site(&[echo("a")], ", udp: { responses: 1 }");
    let (to, one) = (site.addr("l"), client());
    for n in 1..=3 {
        ask(&one, to, "x");
        until("the end of the session", || (listener_metric(&site, "active_connections") == 0).then_some(()));
        assert_eq!(listener_metric(&site, "connections_total"), n);
    }
    assert_eq!(listener_metric(&site, "expired_sessions_total"), 0);
}

#[test]
fn endpoint_that_owes_an_answer_for_too_long_has_failed() {
    let (addr, seen, _say) = slow();
    let site = Site::start(&config(&[addr], ", udp: { responses: 1 }", ", timeouts: { head: 200ms }"));
    let one = client();
    one.send_to(b"x", site.addr("l")).unwrap();
    seen.recv_timeout(PATIENCE).unwrap();
    let line = site.wait_access(|line| line["reason"] == "head_timeout");
    assert_eq!(line["endpoint"], addr.to_string());
    assert_eq!(site.metric(&format!("yumen_endpoint_failures_total{{upstream=\"up\",endpoint=\"{addr}\"}}")), 1.0);
}

#[test]
fn client_that_may_not_is_not_answered_but_counted() {
    let site = site(&[echo("a")], ", access: { deny: [127.0.0.1] }");
    let one = client();
    one.send_to(b"x", site.addr("l")).unwrap();
    until("the refusal", || (listener_metric(&site, "refused_connections_total") == 1).then_some(()));
    assert_eq!(listener_metric(&site, "connections_total"), 0);
    let other = UdpSocket::bind("127.0.0.2:0").unwrap();
    other.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(ask(&other, site.addr("l"), "x"), "a:x");
}

#[test]
fn answer_in_flight_is_delivered_while_the_gateway_stops() {
    let (addr, seen, say) = slow();
    let mut site = site(&[addr], "");
    let one = client();
    one.send_to(b"x", site.addr("l")).unwrap();
    seen.recv_timeout(PATIENCE).unwrap();
    site.signal("-TERM");
    until("the drain", || (site.status()["state"] == "draining").then_some(()));
    say.send("late").unwrap();
    let mut buf = [0; 64];
    assert_eq!(one.recv(&mut buf).unwrap(), 4);
    // A session that has fallen silent does not hold it for the whole time that it may take.
    let begun = yumen_net::rt::now();
    assert!(site.end().success());
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn listener_that_was_removed_and_came_back_serves_at_once() {
    let (a, at) = (echo("a"), free());
    let with = config(&[a], "", "").replace("127.0.0.1:0", &at.to_string());
    let without = format!(
        "runtime: {{ workers: 2 }}\nlisteners: {{ other: {{ bind: \"127.0.0.1:0\", protocol: udp, upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{a}\"] }} }}\n"
    );
    let site = Site::start(&with);
    let one = client();
    assert_eq!(ask(&one, at, "x"), "a:x");
    site.change(&without);
    site.change(&with);
    for _ in 0..20 {
        assert_eq!(ask(&client(), at, "x"), "a:x");
    }
    assert_eq!(ask(&one, at, "x"), "a:x");
}

#[test]
fn explain_and_diff_speak_of_datagrams() {
    let site = site(&[echo("a")], "");
    let explained = Command::new(crate::gateway::PROGRAM)
        .args(["explain", "GET", "http://any/", "--listener", "l", "-c"])
        .arg(site.file())
        .output()
        .unwrap();
    let said = text(&explained);
    assert!(said.contains("its datagrams go to upstream up") && said.contains("to      127.0.0.1:"), "{said}");
    let status = text(&site.command("status"));
    assert!(status.contains("udp"), "{status}");
}
