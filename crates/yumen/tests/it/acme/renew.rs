//! Renewals: under load, after restarts, by two nodes at once.

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::stage::{Stage, ask};
use crate::gateway::{PROGRAM, text, until};
use crate::site::Site;

const SECTIONS: &str = "certificates: {www: {names: a.example.test, challenges: http-01}}\n";

fn cert(site: &Site, words: &[&str]) -> Output {
    Command::new(PROGRAM).arg("cert").args(words).arg("-c").arg(site.file()).output().unwrap()
}

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
    until("the look at it", || Some(super::stage::duty(&stage.site, "www")).filter(|duty| duty["state"] == "well"));
}
