//! NAT gateways: what there is beside what is wanted, and entries that are created on request only.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::cloud::FakeCloud;
use crate::gateway::{PROGRAM, text, until};
use crate::site::Site;

/// A cloud with the NAT gateway `ngw-1`, two EIPs and an entry.
fn cloud() -> FakeCloud {
    let cloud = FakeCloud::start();
    let eip = |id: &str, address: &str| json!({"AllocationId": id, "IpAddress": address, "Status": "InUse", "InstanceId": "ngw-1", "InstanceType": "Nat"});
    let entry = json!({"SnatEntryId": "snat-old", "SnatTableId": "stb-1", "SnatIp": "203.0.113.1", "Status": "Available",
        "SourceCIDR": "10.0.9.0/24", "SourceVSwitchId": "", "SnatEntryName": ""});
    cloud.set(&json!({
        "lists": {
            "nat": [{"NatGatewayId": "ngw-1", "VpcId": "vpc-1", "Status": "Available",
                "SnatTableIds": {"SnatTableId": ["stb-1"]}, "IpLists": {"IpList": []}}],
            "eips": [eip("eip-1", "203.0.113.1"), eip("eip-2", "203.0.113.2")],
        },
        "tables": {"stb-1": [entry]},
    }));
    cloud
}

/// Two entries that are not there, one of them for a switch.
const TWO: &str = "[{ network: 10.0.1.0/24, addresses: 203.0.113.1 }, \
                   { vswitch: vsw-1, addresses: [203.0.113.1, 203.0.113.2] }]";

fn config(cloud: &FakeCloud, more: &str) -> String {
    let account = cloud.account();
    format!(
        "{account}nat_gateways: {{ out: {{ gateway: ngw-1, interval: 200ms, {more} }} }}\n\
         listeners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         routes: {{ all: {{ middlewares: [ respond: {{ status: 200 }} ] }} }}\n"
    )
}

fn wait_duty(site: &Site, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    until(what, || {
        let status = site.status();
        let all = status["duties"].as_array()?;
        all.iter().find(|duty| duty["kind"] == "nat" && duty["name"] == "out" && fits(duty)).cloned()
    })
}

/// The sources of the entries in the cloud.
fn entries(cloud: &FakeCloud) -> Vec<String> {
    let source = |entry: &Value| {
        let of = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        if of("SourceCIDR").is_empty() { of("SourceVSwitchId") } else { of("SourceCIDR") }
    };
    cloud.value("tables")["stb-1"].as_array().unwrap().iter().map(source).collect()
}

fn created(cloud: &FakeCloud) -> Vec<String> {
    let log = cloud.log();
    log.into_iter().filter(|(action, _)| action == "CreateSnatEntry").map(|(_, outcome)| outcome).collect()
}

fn sync(cloud: &FakeCloud, more: &str, options: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("yumen.yaml");
    std::fs::write(&file, config(cloud, more)).unwrap();
    Command::new(PROGRAM).args(["alibaba", "sync", "-c"]).arg(&file).args(options).output().unwrap()
}

#[test]
fn drift_is_told_and_nothing_is_changed_unasked() {
    let cloud = cloud();
    let site = Site::start(&config(&cloud, &format!("entries: {TWO}, egress: [203.0.113.1, 203.0.113.9]")));
    let told = wait_duty(&site, "the drift", |duty| duty["state"] == "failing");
    let drift = told["facts"]["drift"].to_string();
    for part in [
        "there is no entry for 10.0.1.0/24",
        "there is no entry for vsw-1",
        "entry snat-old for 10.0.9.0/24 is not in the configuration",
        "203.0.113.9 is in `egress`, but no EIP of the gateway",
        "EIP 203.0.113.2 of the gateway is not in `egress`",
    ] {
        assert!(drift.contains(part), "{part}: {drift}");
    }
    assert!(told["text"].as_str().unwrap().contains("yumen alibaba sync"), "{told}");
    let entry = &told["facts"]["entries"][0];
    assert_eq!((&entry["source"], &entry["addresses"][0]), (&json!("10.0.9.0/24"), &json!("203.0.113.1")));
    assert_eq!(told["facts"]["eips"].as_array().unwrap().len(), 2);
    assert_eq!(created(&cloud), [""; 0]);
    // Somebody ends the drift elsewhere.
    site.change(&config(&cloud, "entries: [{ network: 10.0.9.0/24, addresses: 203.0.113.1 }]"));
    wait_duty(&site, "the end of the drift", |duty| duty["state"] == "well" && duty["facts"]["drift"] == json!([]));
}

#[test]
fn missing_entries_are_created_one_at_a_time_where_that_is_asked_for() {
    let cloud = cloud();
    cloud.set(&json!({"looks": 3}));
    cloud.fault(&json!({"kind": "refuse", "action": "DescribeNatGateways", "code": "Throttling.User", "times": 2}));
    let with_old = TWO.replace("[{ network", "[{ network: 10.0.9.0/24, addresses: 203.0.113.1 }, { network");
    let site = Site::start(&config(&cloud, &format!("create: true, entries: {with_old}")));
    let told = wait_duty(&site, "the entries", |duty| duty["state"] == "well");
    assert_eq!(entries(&cloud), ["10.0.9.0/24", "10.0.1.0/24", "vsw-1"]);
    // A second one at once would have been refused with OperationConflict.
    assert_eq!(created(&cloud), ["", ""]);
    assert_eq!(told["facts"]["entries"].as_array().unwrap().len(), 3);
    // What is wanted no more is told, and stays.
    site.change(&config(&cloud, "create: true, entries: [{ network: 10.0.9.0/24, addresses: 203.0.113.1 }]"));
    let told = wait_duty(&site, "the drift", |duty| duty["state"] == "failing");
    assert!(told["text"].as_str().unwrap().contains("for vsw-1 is not in the configuration"), "{told}");
    assert_eq!(entries(&cloud).len(), 3);
    assert!(cloud.log().iter().all(|(action, _)| action != "DeleteSnatEntry" && action != "ModifySnatEntry"));
}

#[test]
fn an_entry_with_an_address_that_is_not_bound_is_not_tried() {
    let cloud = cloud();
    let site =
        Site::start(&config(&cloud, "create: true, entries: [{ network: 10.0.1.0/24, addresses: 203.0.113.7 }]"));
    let told = wait_duty(&site, "the complaint", |duty| duty["state"] == "failing");
    assert!(told["text"].as_str().unwrap().contains("203.0.113.7 is no EIP of ngw-1; bind it first"), "{told}");
    assert_eq!(created(&cloud), [""; 0]);
}

#[test]
fn sync_says_what_it_would_do_and_does_it_once() {
    let cloud = cloud();
    let more = format!("entries: {TWO}");
    let dry = sync(&cloud, &more, &["--dry-run"]);
    let said = text(&dry);
    assert!(dry.status.success(), "{said}");
    assert!(said.contains("nat_gateway out: 2 changes would be made"), "{said}");
    assert!(said.contains("  + SNAT entry 10.0.1.0/24 of ngw-1: 203.0.113.1\n"), "{said}");
    assert!(said.contains("  + SNAT entry vsw-1 of ngw-1: 203.0.113.1,203.0.113.2\n"), "{said}");
    assert_eq!(created(&cloud), [""; 0], "nothing was changed");
    let done = sync(&cloud, &more, &["--format", "json"]);
    let told: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", text(&done)));
    assert_eq!(told[0]["changes"].as_array().unwrap().len(), 2, "{told}");
    assert_eq!(entries(&cloud), ["10.0.9.0/24", "10.0.1.0/24", "vsw-1"]);
    let again = text(&sync(&cloud, &more, &[]));
    assert_eq!(again, "nat_gateway out: as wanted\n");
}

#[test]
fn sync_that_fails_says_why_and_what_was_done_before() {
    let cloud = cloud();
    cloud.fault(&json!({"kind": "refuse", "action": "CreateSnatEntry", "code": "QuotaExceeded.SnatEntry", "after": 1}));
    let failed = sync(&cloud, &format!("entries: {TWO}"), &[]);
    let said = text(&failed);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("FAILED") && said.contains("QuotaExceeded.SnatEntry"), "{said}");
    assert!(said.contains("done before: + SNAT entry 10.0.1.0/24 of ngw-1"), "{said}");
    cloud.fault(&json!({"kind": "html", "status": 503, "times": 100}));
    let away = sync(&cloud, &format!("entries: {TWO}"), &["--dry-run"]);
    assert_eq!(away.status.code(), Some(1));
    assert!(text(&away).contains("FAILED") && text(&away).contains("503"), "{}", text(&away));
}
