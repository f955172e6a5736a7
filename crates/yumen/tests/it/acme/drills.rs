//! What goes wrong around certificates. What stands goes on being served, other traffic never notices, and the status says
//! what is wrong and since when.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use yumen_identity::dns::{Provider as _, Rfc2136, Tsig, TsigAlgorithm};
use yumen_identity::store::StoredRecord;
use yumen_test::Knot;

use super::stage::{Stage, ask, cert, duty};
use crate::cloud::FakeCloud;
use crate::ends::Client;
use crate::gateway::{text, until};
use crate::site::Site;

/// The name servers of AliDNS: Knot tells what stands in the cloud, as it changes there.
struct NameServers {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServers {
    fn follow(cloud: &Arc<FakeCloud>, knot: &Knot) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (cloud, address, ended) = (Arc::clone(cloud), knot.address(), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let (name, secret) = Knot::key();
            let key = Tsig::parse(name, TsigAlgorithm::HmacSha256, secret).unwrap();
            let knot = Rfc2136::new("knot", address, None, Some(key)).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let mut told: BTreeSet<(String, String)> = BTreeSet::new();
            while !ended.load(Ordering::Relaxed) {
                let records = cloud.value("records");
                let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
                let wanted: BTreeSet<_> = records
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(_, record)| {
                        (format!("{}.{}", text(record, "RR"), text(record, "DomainName")), text(record, "Value"))
                    })
                    .collect();
                for (name, value) in wanted.difference(&told) {
                    runtime.block_on(knot.add(name, value)).unwrap();
                }
                for (name, value) in told.difference(&wanted) {
                    let gone = StoredRecord {
                        certificate: String::new(),
                        provider: String::new(),
                        name: name.clone(),
                        value: value.clone(),
                        id: None,
                    };
                    runtime.block_on(knot.remove(&gone)).unwrap();
                }
                told = wanted;
                std::thread::park_timeout(Duration::from_millis(20));
            }
        });
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for NameServers {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_some_and(|ended| ended.is_ok()), "the name servers failed");
    }
}

const ALIDNS: &str = "certificates: {wild: {names: [\"*.example.test\", example.test, two.example.test], dns_provider: ali}}\n\
     dns_providers: {ali: {alidns: {}, propagation: {resolvers: \"{dns}\", servers: \"{dns}\", settle: off}}}\n";

fn alidns() -> (Arc<FakeCloud>, Stage) {
    let cloud = Arc::new(FakeCloud::start());
    cloud.set(&json!({"zones": {"example.test": {}}}));
    let stage = Stage::start(&["wild"], &format!("{ALIDNS}{}", cloud.account()), |_| {});
    (cloud, stage)
}

fn failing(site: &Site, name: &str, words: &[&str]) -> Value {
    let all = |duty: &Value| words.iter().all(|word| duty["text"].as_str().unwrap_or_default().contains(word));
    until(&format!("a failure with {words:?}"), || {
        Some(duty(site, name)).filter(|duty| duty["state"] == "failing" && all(duty))
    })
}

#[test]
fn alidns_that_throttles_is_told_and_a_wildcard_is_obtained_when_it_is_over() {
    let (cloud, stage) = alidns();
    let _served = NameServers::follow(&cloud, &stage.knot);
    let throttled = json!({"kind": "refuse", "action": "AddDomainRecord", "code": "Throttling.User", "times": 100_000});
    cloud.fault(&throttled);
    stage.go();
    failing(&stage.site, "wild", &["AliDNS", "Throttling.User", "no certificate stands"]);
    assert_eq!(Client::connect(stage.site.addr("web")).get("/").status, 200);
    cloud.set(&json!({"faults": []}));
    let renewed = cert(&stage.site, &["renew", "wild"]);
    assert!(text(&renewed).contains("wild was renewed"), "{}", text(&renewed));
    let client = stage.client();
    for name in ["example.test", "two.example.test", "any.example.test"] {
        assert!(ask(stage.site.addr("tls"), name, &client).unwrap().1.ends_with("hello"), "{name}");
    }
    assert_eq!(cloud.value("records"), json!({}), "nothing is left behind");
}

#[test]
fn key_of_the_cloud_that_is_revoked_is_told_and_what_stands_is_served() {
    let (cloud, stage) = alidns();
    let _served = NameServers::follow(&cloud, &stage.knot);
    stage.go();
    stage.wait_well("wild");
    let (tls, client) = (stage.site.addr("tls"), stage.client());
    let before = ask(tls, "example.test", &client).unwrap().0;
    cloud.set(&json!({"keys": {}}));
    let renewed = cert(&stage.site, &["renew", "wild", "--now"]);
    assert!(!renewed.status.success() && text(&renewed).contains("InvalidAccessKeyId"), "{}", text(&renewed));
    let told = failing(&stage.site, "wild", &["InvalidAccessKeyId", "what is served is good until"]);
    assert!(told["facts"]["failures"] == 1 && told["since"].is_u64(), "{told}");
    assert!(ask(tls, "example.test", &client).unwrap().0 == before);
    cloud.set(&json!({"keys": {"ak": {"secret": "ak-secret"}}}));
    assert!(text(&cert(&stage.site, &["renew", "wild", "--now"])).contains("wild was renewed"));
    assert!(ask(tls, "example.test", &client).unwrap().0 != before);
}

const HTTP: &str = "certificates: {www: {names: a.example.test, challenges: http-01}}\n";

#[test]
fn ca_that_forgot_the_account_gets_a_new_one() {
    let mut stage = Stage::start(&["www"], HTTP, |_| {});
    stage.go();
    stage.wait_well("www");
    let key = stage.pebble.key();
    stage.pebble = stage.pebble.forget(&key);
    let renewed = cert(&stage.site, &["renew", "www", "--now"]);
    assert!(text(&renewed).contains("www was renewed"), "{}", text(&renewed));
    // It is the new CA that signed it.
    assert!(ask(stage.site.addr("tls"), "a.example.test", &stage.client()).unwrap().1.ends_with("hello"));
}

/// A folder on a disk of its own that holds next to nothing; unmounted when it is dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// `None` without the right to mount.
    fn mount(at: &'a Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k,mode=700", "none"]).arg(at).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // The gateway may still look at it.
        drop(Command::new("umount").arg("-l").arg(self.0).status());
    }
}

#[test]
fn disk_that_is_full_is_told_and_what_stands_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let Some(_disk) = SmallDisk::mount(&store) else {
        println!("skipped: no right to mount a small disk");
        return;
    };
    let mut stage = Stage::start(&["www"], HTTP, |_| {});
    stage.more = format!(", store: \"{}\"", store.display());
    stage.go();
    stage.wait_well("www");
    let (tls, client) = (stage.site.addr("tls"), stage.client());
    let before = ask(tls, "a.example.test", &client).unwrap().0;
    // What is left is taken by somebody else.
    let fill = store.join("fill");
    let mut size = 1 << 20;
    while size > 0 {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&fill).unwrap();
        if std::io::Write::write_all(&mut file, &vec![0; size]).is_err() {
            size /= 2;
        }
    }
    let renewed = cert(&stage.site, &["renew", "www", "--now"]);
    assert!(!renewed.status.success() && text(&renewed).contains("No space left"), "{}", text(&renewed));
    failing(&stage.site, "www", &["No space left", "what is served is good until"]);
    assert!(ask(tls, "a.example.test", &client).unwrap().0 == before);
    std::fs::remove_file(&fill).unwrap();
    let renewed = cert(&stage.site, &["renew", "www", "--now"]);
    assert!(text(&renewed).contains("www was renewed"), "{}", text(&renewed));
    assert!(ask(tls, "a.example.test", &client).unwrap().0 != before);
}
