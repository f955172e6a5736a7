//! This gateway as a server behind load balancers.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::{JoinHandle, spawn};

use serde_json::{Value, json};

use crate::cloud::FakeCloud;
use crate::ends::{Client, Origin};
use crate::gateway::{PROGRAM, text, until};
use crate::site::Site;

const LIST: &str = "ListServerGroupServers";
const ADD: &str = "AddServersToServerGroup";
const SET: &str = "UpdateServerGroupServersAttribute";
const REMOVE: &str = "RemoveServersFromServerGroup";

/// A cloud with empty groups, in which this machine is the instance `i-me`.
fn cloud() -> FakeCloud {
    let cloud = FakeCloud::start();
    cloud.set(&json!({
        "items": {"instance-id": "i-me"},
        "groups": {"sgp-1": {"Servers": []}, "sgp-2": {"Servers": []}},
        "vgroups": {"rsp-1": []}, "balancers": {"lb-1": []},
    }));
    cloud
}

fn config(cloud: &FakeCloud, origin: &Origin, registrations: &str) -> String {
    format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n\
         registrations:\n{registrations}{}",
        origin.addr,
        cloud.account()
    )
}

fn edge(more: &str) -> String {
    format!("  edge: {{ kind: alb, group: sgp-1, port: 8443, interval: 1s, settle: 1s{more} }}\n")
}

/// This machine in a group of the cloud.
fn entry(cloud: &FakeCloud, group: &str) -> Option<Value> {
    let all = cloud.value("groups");
    all[group]["Servers"].as_array().unwrap().iter().find(|server| server["ServerId"] == "i-me").cloned()
}

fn registered(cloud: &FakeCloud, weight: u32) -> Value {
    until("the registration", || {
        entry(cloud, "sgp-1").filter(|e| e["Weight"] == weight && e["Status"] == "Available" && e["Port"] == 8443)
    })
}

fn duty(site: &Site) -> Value {
    let status = site.status();
    let all = status["duties"].as_array().unwrap();
    all.iter().find(|d| d["kind"] == "registration").cloned().unwrap_or_default()
}

fn duty_of(site: &Site, state: &str) -> Value {
    until(state, || Some(duty(site)).filter(|d| d["state"] == state))
}

/// The operations that changed something and succeeded, in their order.
fn changes(cloud: &FakeCloud) -> Vec<String> {
    let is_change = |action: &str| ["Add", "Set", "Update", "Remove"].iter().any(|verb| action.starts_with(verb));
    cloud
        .log()
        .into_iter()
        .filter(|(a, outcome)| is_change(a) && outcome.is_empty())
        .map(|(action, _)| action)
        .collect()
}

/// A balancer: it sends requests on new connections and on a kept one while the group lists this machine with a weight,
/// and on the kept one while it lists it at all. None may fail.
struct Balancer {
    over: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Balancer {
    fn start(cloud: Arc<FakeCloud>, addr: SocketAddr) -> Self {
        let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (ends, counts) = (Arc::clone(&over), Arc::clone(&asked));
        let thread = spawn(move || {
            let mut kept = Client::connect(addr);
            while !ends.load(Relaxed) {
                let Some(entry) = entry(&cloud, "sgp-1") else { continue };
                if entry["Weight"] != 0 && entry["Status"] != "Adding" {
                    assert!(Client::connect(addr).is_answered("/new"));
                }
                assert!(kept.is_answered("/kept"));
                counts.fetch_add(1, Relaxed);
            }
        });
        Self { over, asked, thread }
    }

    fn end(self) {
        self.over.store(true, Relaxed);
        self.thread.join().unwrap();
    }
}

#[test]
fn gateway_is_registered_when_it_serves_and_leaves_before_it_closes_and_no_request_fails() {
    let (cloud, origin) = (Arc::new(cloud()), Origin::named("up"));
    cloud.set(&json!({"health": {"lsn-1": {"group": "sgp-1", "servers": []}}}));
    let mut site = Site::start(&config(&cloud, &origin, &edge(", health: true, listener_id: lsn-1")));
    let addr = site.addr("web");
    assert_eq!(registered(&cloud, 100)["Description"], "yumen");
    let told = duty_of(&site, "well");
    assert!(told["text"].as_str().unwrap().contains("as i-me:8443 in group sgp-1 (alb)"), "{told}");
    assert_eq!(told["facts"]["health"], "normal");
    // How the balancer finds it is read back.
    let unwell =
        json!({"ServerId": "i-me", "Port": 8443, "Status": "Unhealthy", "Reason": {"ReasonCode": "CONNECT_TIMEOUT"}});
    cloud.set(&json!({"health": {"lsn-1": {"group": "sgp-1", "servers": [unwell]}}}));
    let told = duty_of(&site, "failing");
    assert!(told["text"].as_str().unwrap().contains("Unhealthy: CONNECT_TIMEOUT"), "{told}");
    cloud.set(&json!({"health": {"lsn-1": {"group": "sgp-1", "servers": []}}}));
    duty_of(&site, "well");

    let balancer = Balancer::start(Arc::clone(&cloud), addr);
    until("requests", || (balancer.asked.load(Relaxed) > 20).then_some(()));
    site.signal("-TERM");
    until("weight 0", || entry(&cloud, "sgp-1").filter(|e| e["Weight"] == 0));
    assert!(TcpStream::connect(addr).is_ok() && site.ask("GET /readyz").unwrap().starts_with("HTTP/1.1 503"));
    until("the removal", || entry(&cloud, "sgp-1").is_none().then_some(()));
    balancer.end();
    assert!(site.end().success());
    assert_eq!(changes(&cloud), [ADD, SET, REMOVE]);
    let last = cloud.log().into_iter().rfind(|(action, _)| [REMOVE, LIST].contains(&action.as_str()));
    assert_eq!(last.unwrap().0, LIST, "it looked whether it is gone");
    let log = site.log();
    let place = |part: &str| log.find(part).unwrap_or_else(|| panic!("{part} in {log}"));
    assert!(place("weight 0: the balancer") < place("left the group"));
    assert!(place("left the group") < place("all connections have ended"));
}

#[test]
fn jobs_that_take_their_time_are_awaited() {
    let (cloud, origin) = (cloud(), Origin::named("up"));
    cloud.set(&json!({"looks": 2}));
    cloud.fault(&json!({"kind": "refuse", "status": 400, "code": "Throttling.User", "action": ADD, "times": 2}));
    cloud.fault(&json!({"kind": "refuse", "status": 400, "code": "Conflict.Lock", "action": ADD}));
    cloud.fault(&json!({"kind": "torn", "action": LIST}));
    let section = "  edge: { kind: nlb, group: sgp-1, port: 8443, weight: 30, settle: 1s, instance: i-me }\n";
    let mut site = Site::start(&config(&cloud, &origin, section));
    registered(&cloud, 30);
    duty_of(&site, "well");
    site.signal("-TERM");
    assert!(site.end().success());
    assert_eq!((entry(&cloud, "sgp-1"), changes(&cloud)), (None, vec![ADD.into(), SET.into(), REMOVE.into()]));
}

#[test]
fn classic_balancers_have_it_in_a_vserver_group_and_in_the_default_group() {
    let (cloud, origin) = (cloud(), Origin::named("up"));
    let mut site = Site::start(&config(
        &cloud,
        &origin,
        "  one: { kind: clb, group: rsp-1, balancer: lb-1, port: 8080, weight: 5, settle: 1s }\n  \
         two: { kind: clb, balancer: lb-1, settle: 1s, health: true }\n",
    ));
    let all = until("both", || {
        let (one, two) = (cloud.value("vgroups")["rsp-1"][0].clone(), cloud.value("balancers")["lb-1"][0].clone());
        (!one.is_null() && !two.is_null()).then_some((one, two))
    });
    assert_eq!((&all.0["ServerId"], &all.0["Port"], &all.0["Weight"]), (&json!("i-me"), &json!(8080), &json!(5)));
    assert_eq!((&all.1["ServerId"], &all.1["Type"], &all.1["Weight"]), (&json!("i-me"), &json!("ecs"), &json!(100)));
    until("their duties", || {
        let status = site.status();
        let duties = status["duties"].as_array().unwrap();
        (duties.len() == 2 && duties.iter().all(|d| d["state"] == "well")).then_some(())
    });
    site.signal("-TERM");
    assert!(site.end().success());
    assert_eq!((&cloud.value("vgroups")["rsp-1"], &cloud.value("balancers")["lb-1"]), (&json!([]), &json!([])));
}

#[test]
fn entry_of_a_crash_is_taken_over_and_corrected() {
    let (cloud, origin) = (cloud(), Origin::named("up"));
    let text = config(&cloud, &origin, &edge(""));
    let mut site = Site::start(&text);
    let mut left = registered(&cloud, 100);
    left["Weight"] = json!(0);
    // It is killed, and started again.
    cloud.set(&json!({"groups": {"sgp-1": {"Servers": [left]}}}));
    site.restart(&text);
    registered(&cloud, 100);
    assert_eq!(changes(&cloud), [ADD, SET]);
}

#[test]
fn reload_never_takes_an_entry_out_that_is_still_wanted() {
    let (cloud, origin) = (cloud(), Origin::named("up"));
    let site = Site::start(&config(&cloud, &origin, &edge("")));
    registered(&cloud, 100);
    site.change(&config(&cloud, &origin, &edge("").replace("edge", "renamed")));
    duty_of(&site, "well");
    site.change(&config(&cloud, &origin, &edge(", weight: 40")));
    registered(&cloud, 40);
    assert_eq!(changes(&cloud), [ADD, SET]);
    // Another group, and none.
    site.change(&config(&cloud, &origin, &edge("").replace("sgp-1", "sgp-2")));
    until("the other group", || entry(&cloud, "sgp-2"));
    until("the end of the first", || entry(&cloud, "sgp-1").is_none().then_some(()));
    site.change(&config(&cloud, &origin, "  {}\n"));
    until("the end of the second", || entry(&cloud, "sgp-2").is_none().then_some(()));
    until("the end of the duty", || duty(&site).is_null().then_some(()));
}

#[test]
#[cfg(target_os = "linux")]
fn upgrade_keeps_the_entry_and_the_new_process_looks_after_it() {
    let (cloud, origin) = (cloud(), Origin::named("up"));
    let mut site = Site::start(&config(&cloud, &origin, &edge("")));
    registered(&cloud, 100);
    let mut successors = crate::upgrade::Successors::default();
    let second = successors.upgrade(&site).to_string();
    assert!(site.end().success());
    duty_of(&site, "well");
    assert_eq!(changes(&cloud), [ADD]);
    registered(&cloud, 100);
    assert!(std::process::Command::new("kill").args(["-TERM", &second]).status().unwrap().success());
    until("the removal", || entry(&cloud, "sgp-1").is_none().then_some(()));
}

#[test]
fn cloud_that_is_away_holds_up_no_start_and_a_stop_only_as_long_as_it_may() {
    let (cloud, origin) = (cloud(), Origin::named("up"));
    cloud.fault(&json!({"kind": "drop", "action": LIST, "times": 4}));
    let mut site = Site::start(&config(&cloud, &origin, &edge(", leave_timeout: 2s")));
    let addr = site.addr("web");
    assert!(Client::connect(addr).is_answered("/"));
    let told = duty_of(&site, "failing");
    assert!(told["text"].as_str().unwrap().contains(LIST), "{told}");
    registered(&cloud, 100);
    duty_of(&site, "well");
    cloud.fault(&json!({"kind": "drop", "action": LIST, "times": 100_000}));
    site.signal("-TERM");
    assert!(site.end().success());
    assert!(site.log().contains("still registered after 2s: closing anyway"), "{}", site.log());
}

#[test]
fn stop_is_not_held_up_where_the_cloud_was_away_all_the_time() {
    let (cloud, origin) = (cloud(), Origin::named("up"));
    cloud.fault(&json!({"kind": "drop", "action": LIST, "times": 100_000}));
    let mut site = Site::start(&config(&cloud, &origin, &edge(", leave_timeout: 1h")));
    assert!(Client::connect(site.addr("web")).is_answered("/"));
    duty_of(&site, "failing");
    site.signal("-TERM");
    assert!(site.end().success());
    assert!(site.log().contains("there is nothing to leave that this process knows of"), "{}", site.log());
}

#[test]
fn stop_while_it_is_being_added_takes_it_out_again() {
    let (cloud, origin) = (cloud(), Origin::named("up"));
    cloud.set(&json!({"looks": 2}));
    let mut site = Site::start(&config(&cloud, &origin, &edge("")));
    until("the addition", || entry(&cloud, "sgp-1").filter(|e| e["Status"] == "Adding"));
    cloud.set(&json!({"looks": 1}));
    site.signal("-TERM");
    assert!(site.end().success());
    assert_eq!((entry(&cloud, "sgp-1"), changes(&cloud)), (None, vec![ADD.into(), SET.into(), REMOVE.into()]));
}

#[test]
fn second_signal_skips_leaving() {
    let (cloud, origin) = (cloud(), Origin::named("up"));
    let mut site =
        Site::start(&config(&cloud, &origin, &edge("").replace("settle: 1s", "settle: 1h, leave_timeout: 1h")));
    registered(&cloud, 100);
    site.signal("-TERM");
    until("weight 0", || entry(&cloud, "sgp-1").filter(|e| e["Weight"] == 0));
    // The first half second counts as the same signal.
    let end = until("the end", || {
        let _told = site.try_signal("-TERM");
        site.ended()
    });
    assert!(end.success());
    assert!(site.log().contains("was skipped by a second signal"), "{}", site.log());
    assert_eq!(changes(&cloud), [ADD, SET]);
}

#[test]
fn sync_says_what_would_change_and_changes_it() {
    let (cloud, origin) = (cloud(), Origin::named("up"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("yumen.yaml");
    std::fs::write(&file, config(&cloud, &origin, &edge(""))).unwrap();
    let sync = |more: &[&str]| {
        let words = ["alibaba", "sync", "-c", file.to_str().unwrap()];
        let output = std::process::Command::new(PROGRAM).args(words).args(more).output().unwrap();
        text(&output)
    };
    let said = sync(&["--dry-run"]);
    assert!(said.contains("+ i-me:8443 in group sgp-1 (alb): weight 100"), "{said}");
    assert_eq!(entry(&cloud, "sgp-1"), None);
    sync(&[]);
    registered(&cloud, 100);
    assert!(sync(&["--dry-run"]).contains("as wanted"));
}
