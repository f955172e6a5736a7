//! Renewals: under load, after restarts, by two nodes at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use yumen_test::Knot;

use super::stage::{Stage, ask, cert, duty};
use crate::gateway::{text, until};
use crate::site::Site;

const SECTIONS: &str = "certificates: {www: {names: a.example.test, challenges: http-01}}\n";

#[test]
fn no_handshake_fails_while_certificates_are_renewed_and_used_at_once() {
    const RENEWALS: usize = 4;
    let stage = Stage::start(&["www"], SECTIONS, |setup| {
        (setup.refused_nonces, setup.reused_authorizations) = (30, 50);
    });
    stage.go();
    stage.wait_well("www");
    let (tls, client) = (stage.site.addr("tls"), stage.client());
    let (is_over, handshakes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (shown, failures) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    match ask(tls, "a.example.test", &client) {
                        Ok((certificate, answer)) if answer.ends_with("hello") => {
                            shown.lock().unwrap_or_else(PoisonError::into_inner).insert(certificate);
                        }
                        other => failures.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{other:?}")),
                    }
                    handshakes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut renewed = Vec::new();
        for _ in 0..RENEWALS {
            let before = handshakes.load(Ordering::Relaxed);
            renewed.push(cert(&stage.site, &["renew", "www", "--now"]));
            // Every client has begun a handshake since.
            until("handshakes", || (handshakes.load(Ordering::Relaxed) >= before + 50).then_some(()));
        }
        is_over.store(true, Ordering::Relaxed);
        for output in renewed {
            assert!(text(&output).contains("www was renewed"), "{}", text(&output));
        }
    });
    assert_eq!(failures.into_inner().unwrap(), Vec::<String>::new());
    assert_eq!(shown.into_inner().unwrap().len(), RENEWALS + 1);
    let listed = text(&cert(&stage.site, &["list"]));
    assert!(listed.starts_with("www  until ") && listed.contains("a.example.test"), "{listed}");
    let good = text(&cert(&stage.site, &["renew", "www"]));
    assert!(good.contains("is good and not due"), "{good}");
    let unknown = cert(&stage.site, &["renew", "other"]);
    assert!(!unknown.status.success() && text(&unknown).contains("there is no certificate `other`"));
    let shown = text(&cert(&stage.site, &["show", "www"]));
    assert!(shown.contains("for     a.example.test") && shown.contains("BEGIN CERTIFICATE"), "{shown}");
    assert!(!shown.contains("PRIVATE"), "{shown}");
}

#[test]
fn restart_serves_from_the_disk_at_once_though_the_ca_is_away() {
    let mut stage = Stage::start(&["www"], SECTIONS, |_| {});
    stage.go();
    stage.wait_well("www");
    let before = ask(stage.site.addr("tls"), "a.example.test", &stage.client()).unwrap().0;
    let (config, client) = (stage.config(), stage.client());
    drop(stage.pebble);
    stage.site.restart(&config);
    let after = ask(stage.site.addr("tls"), "a.example.test", &client).unwrap().0;
    assert!(before == after);
    // It is not due, so that nobody can be asked for the window of the CA is no failure.
    until("the look at it", || Some(duty(&stage.site, "www")).filter(|duty| duty["state"] == "well"));
}

#[test]
fn certificate_that_lives_for_seconds_is_renewed_in_time_and_again_without_a_failed_handshake() {
    let stage = Stage::start(&["www"], SECTIONS, |setup| setup.life = 15);
    stage.go();
    stage.wait_well("www");
    let (tls, client) = (stage.site.addr("tls"), stage.client());
    for _ in 0..2 {
        let before = ask(tls, "a.example.test", &client).unwrap().0;
        // The client trusts none whose time is over.
        until("the next one", || (ask(tls, "a.example.test", &client).unwrap().0 != before).then_some(()));
    }
    assert!(stage.pebble.orders() >= 3);
}

/// Certificates proved by Knot, which need no listener that the CA can meet.
fn by_knot() -> String {
    let (name, secret) = Knot::key();
    format!(
        "certificates: {{www: {{names: [a.example.test, \"*.example.test\"], dns_provider: dns}}}}\n\
         dns_providers:\n  dns: {{rfc2136: {{server: \"{{dns}}\", key: {{name: {name}, secret: \"{secret}\"}}}},\n    \
         propagation: {{resolvers: \"{{dns}}\", servers: \"{{dns}}\", settle: off}}}}\n"
    )
}

#[test]
fn two_nodes_that_share_a_store_place_one_order_and_both_serve() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::start(&["www"], &by_knot(), |_| {});
    stage.more = format!(", store: \"{}\"", folder.path().join("store").display());
    let other = Site::start(&stage.config_without_ca());
    std::fs::write(other.folder().join("roots.pem"), stage.pebble.roots()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| stage.go());
        scope.spawn(|| other.change(&stage.config()));
    });
    stage.wait_well("www");
    until("the other node", || Some(duty(&other, "www")).filter(|duty| duty["state"] == "well"));
    let client = stage.client();
    let one = ask(stage.site.addr("tls"), "a.example.test", &client).unwrap().0;
    let same = ask(other.addr("tls"), "a.example.test", &client).unwrap().0;
    assert!(one == same);
    assert_eq!(stage.pebble.orders(), 1);
}

#[test]
fn order_that_a_crash_broke_off_is_taken_up_again_after_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let mut stage = Stage::start(&["www"], &by_knot(), |_| {});
    // The first time the program that edits DNS never comes back.
    let (hook, begun) = (stage.site.folder().join("hook"), stage.site.folder().join("begun"));
    std::fs::write(&hook, format!("#!/bin/sh\ntouch '{}'\nexec sleep 600\n", begun.display())).unwrap();
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o700)).unwrap();
    let good = stage.config();
    let (before, after) = good.split_once("dns_providers:").unwrap();
    let (_, authorities) = after.split_once("authorities:").unwrap();
    let stalling = format!(
        "{before}dns_providers: {{dns: {{exec: {{program: ./hook}}, propagation: {{resolvers: \"{}\", delay: 1s}}}}}}\n\
         authorities:{authorities}",
        stage.knot.address()
    );
    stage.site.change(&stalling);
    until("the order", || begun.exists().then_some(()));
    stage.site.restart(&good);
    stage.wait_well("www");
    assert!(ask(stage.site.addr("tls"), "b.example.test", &stage.client()).unwrap().1.ends_with("hello"));
    assert_eq!(stage.pebble.orders(), 1);
}
