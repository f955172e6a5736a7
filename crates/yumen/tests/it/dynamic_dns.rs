//! Dynamic DNS, against the cloud of the tests of `yumen-alibaba`.

use serde_json::{Value, json};
use yumen_test::Program;

use crate::cloud::FakeCloud;
use crate::ends::{Manner, Origin};
use crate::gateway::{Gateway, PROGRAM, text, until, yumen};

/// A configuration with the account of a cloud and one section of `dynamic_dns`.
fn config(cloud: &FakeCloud, section: &str) -> String {
    let account = cloud.account();
    format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\", default_status: 404 }} }}\n{account}dynamic_dns: {{ home: {{ {section} }} }}\n"
    )
}

/// The records of a name as `TYPE VALUE TTL`, sorted.
fn records(cloud: &FakeCloud, rr: &str) -> Vec<String> {
    let all = cloud.value("records");
    let of_name = all.as_object().unwrap().values().filter(|record| record["RR"] == rr);
    let line = |record: &Value| {
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", text("Type"), text("Value"), record["TTL"])
    };
    let mut lines: Vec<String> = of_name.map(line).collect();
    lines.sort();
    lines
}

fn wait_for(cloud: &FakeCloud, rr: &str, expected: &[&str]) {
    until(&format!("{rr} at {expected:?}, not {:?}", records(cloud, rr)), || {
        (records(cloud, rr) == expected).then_some(())
    });
}

/// The duty once it is in a state.
fn duty(program: &Program, state: &str) -> Value {
    until(&format!("the duty to be {state}"), || {
        let status = program.status();
        let duties = status["duties"].as_array().cloned().unwrap_or_default();
        duties
            .into_iter()
            .find(|duty| duty["kind"] == "dynamic_dns" && duty["name"] == "home" && duty["state"] == state)
    })
}

fn foreign(id: &str, rr: &str, value: &str) -> Value {
    json!({id: {"RecordId": id, "DomainName": "example.com", "RR": rr, "Type": "A", "Value": value, "TTL": 600,
        "Line": "default", "Status": "ENABLE", "Locked": false, "Weight": 1}})
}

#[test]
fn a_name_follows_the_addresses_and_what_others_changed_is_put_right() {
    let cloud = FakeCloud::start();
    cloud.set(&json!({"records": foreign("f1", "home", "198.51.100.1")}));
    let section = |addresses: &str| {
        config(&cloud, &format!("names: [home.example.com], source: {{ addresses: [{addresses}] }}, interval: 1s"))
    };
    let program = Program::start(PROGRAM, &section("203.0.113.7, \"2001:db8::7\""));
    wait_for(&cloud, "home", &["A 198.51.100.1 600", "A 203.0.113.7 600", "AAAA 2001:db8::7 600"]);
    let told = duty(&program, "well");
    assert_eq!(told["text"], "home.example.com at 203.0.113.7, 2001:db8::7");
    assert!(told["next"].is_u64() && told["last_success"].is_u64(), "{told}");

    // Somebody changes one record and deletes another.
    let mut all = cloud.value("records");
    let ours = all.as_object_mut().unwrap();
    ours.retain(|_, record| record["Type"] != "AAAA");
    for record in ours.values_mut().filter(|record| record["Value"] == "203.0.113.7") {
        record["Value"] = "192.0.2.66".into();
    }
    cloud.set(&json!({"records": all}));
    wait_for(&cloud, "home", &["A 198.51.100.1 600", "A 203.0.113.7 600", "AAAA 2001:db8::7 600"]);

    // Another address: the record is changed in its place.
    program.write(&section("203.0.113.8"));
    wait_for(&cloud, "home", &["A 198.51.100.1 600", "A 203.0.113.8 600", "AAAA 2001:db8::7 600"]);
    let before = cloud.log().len();
    until("three more turns", || {
        let log = cloud.log();
        let reads = log[before..].iter().filter(|(action, _)| action == "DescribeSubDomainRecords").count();
        (reads >= 3).then_some(())
    });
    let log = cloud.log();
    let writes = log[before..].iter().filter(|(action, _)| !action.starts_with("Describe")).count();
    assert_eq!(writes, 0, "nothing differs: {log:?}");
}

#[test]
fn what_is_ours_is_known_after_a_restart_and_an_exclusive_name_is_ours_alone() {
    let cloud = FakeCloud::start();
    cloud.set(&json!({"records": foreign("f1", "home", "198.51.100.1")}));
    let section = |address: &str, more: &str| {
        let source = format!("source: {{ addresses: [{address}] }}, interval: 1s");
        config(&cloud, &format!("names: [home.example.com], {source}{more}")).replace("127.0.0.1:0", "{listen}")
    };
    let mut gateway = Gateway::start(&section("203.0.113.7", ""));
    wait_for(&cloud, "home", &["A 198.51.100.1 600", "A 203.0.113.7 600"]);
    let remembered = gateway.folder.path().join("state/dynamic-dns/home.json");
    until("the memory", || remembered.exists().then_some(()));
    gateway.child.kill().unwrap();
    gateway.write(&section("203.0.113.9", ""));
    gateway.run();
    wait_for(&cloud, "home", &["A 198.51.100.1 600", "A 203.0.113.9 600"]);
    gateway.write(&section("203.0.113.9", ", exclusive: true"));
    wait_for(&cloud, "home", &["A 203.0.113.9 600"]);
}

#[test]
fn a_ttl_below_the_floor_of_the_edition_is_raised() {
    let cloud = FakeCloud::start();
    let ask = "names: [home.example.com], source: { addresses: [203.0.113.7] }, ttl: 60s, interval: 1s";
    let program = Program::start(PROGRAM, &config(&cloud, ask));
    wait_for(&cloud, "home", &["A 203.0.113.7 600"]);
    duty(&program, "well");
    assert!(program.process_log().contains("600 s is used"));
    assert!(!cloud.log().iter().any(|(_, outcome)| outcome == "QuotaExceeded.TTL"));
}

#[test]
fn a_source_that_fails_leaves_the_records_as_they_are() {
    let cloud = FakeCloud::start();
    cloud.set(&json!({"items": {"eipv4": "203.0.113.7"}}));
    let program =
        Program::start(PROGRAM, &config(&cloud, "names: [home.example.com], source: { metadata: eip }, interval: 1s"));
    wait_for(&cloud, "home", &["A 203.0.113.7 600"]);
    duty(&program, "well");
    cloud.set(&json!({"items": {}}));
    let told = duty(&program, "failing");
    let text = told["text"].as_str().unwrap();
    assert!(
        text.contains("no elastic IP address is bound") && text.ends_with("the records stay as they are"),
        "{text}"
    );
    assert_eq!(records(&cloud, "home"), ["A 203.0.113.7 600"]);
    cloud.set(&json!({"items": {"eipv4": "10.1.2.3"}}));
    until("the private address to be refused", || {
        duty(&program, "failing")["text"].as_str().unwrap().contains("only 10.1.2.3").then_some(())
    });
    cloud.set(&json!({"items": {"eipv4": "203.0.113.8"}}));
    wait_for(&cloud, "home", &["A 203.0.113.8 600"]);
    duty(&program, "well");
}

#[test]
fn a_cloud_that_is_away_or_throttles_costs_nothing_but_time() {
    let cloud = FakeCloud::start();
    cloud.fault(&json!({"kind": "refuse", "action": "AddDomainRecord", "code": "Throttling.User", "times": 2}));
    cloud.fault(&json!({"kind": "html", "action": "DescribeDomains", "status": 503, "times": 3}));
    let ask = "names: [home.example.com], source: { addresses: [203.0.113.7] }, interval: 1s";
    let program = Program::start(PROGRAM, &config(&cloud, ask));
    wait_for(&cloud, "home", &["A 203.0.113.7 600"]);
    duty(&program, "well");
}

#[test]
fn a_server_tells_the_address_it_sees() {
    let cloud = FakeCloud::start();
    let origin = Origin::start(Manner::Says(200, "{\"data\":{\"ip\":\"203.0.113.21\"}}".to_owned()));
    let source = format!("{{ url: \"http://{}/ip?v=4\", field: data.ip }}", origin.addr);
    let ask = format!("names: [example.com], source: {source}, interval: 1s");
    let program = Program::start(PROGRAM, &config(&cloud, &ask));
    wait_for(&cloud, "@", &["A 203.0.113.21 600"]);
    duty(&program, "well");
    assert!(origin.requests()[0].0.starts_with("GET /ip?v=4 HTTP/1.1"));
}

#[test]
fn the_addresses_of_an_interface_are_published_where_that_is_allowed() {
    let cloud = FakeCloud::start();
    let ask = |name: &str, more: &str| {
        let source = format!("source: {{ interface: \"{name}\" }}, types: [A], interval: 1s");
        config(&cloud, &format!("names: [home.example.com], {source}{more}"))
    };
    let program = Program::start(PROGRAM, &ask("none", ""));
    let told = duty(&program, "failing");
    let text = told["text"].as_str().unwrap();
    // Systems call it differently, and whoever asks for one that is not there is told which ones are.
    let loopback = ["Loopback Pseudo-Interface 1", "lo"];
    let name = loopback.into_iter().find(|name| text.contains(name)).unwrap_or_else(|| panic!("{told}"));
    program.write(&ask(name, ""));
    until("the complaint about the address", || {
        duty(&program, "failing")["text"].as_str()?.contains("127.0.0.1").then_some(())
    });
    assert_eq!(records(&cloud, "home"), Vec::<String>::new());
    program.write(&ask(name, ", private: true"));
    until("the record", || records(&cloud, "home").iter().any(|line| line == "A 127.0.0.1 600").then_some(()));
}

#[test]
fn what_would_be_changed_is_told_and_brought_about_once() {
    let cloud = FakeCloud::start();
    cloud.set(&json!({"records": foreign("f1", "home", "198.51.100.1")}));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("yumen.yaml");
    let section = config(&cloud, "names: [home.example.com], source: { addresses: [203.0.113.7] }, exclusive: true");
    std::fs::write(&file, section).unwrap();
    let sync = |more: &[&str]| {
        let mut words = vec!["alibaba", "sync", "-c", file.to_str().unwrap()];
        words.extend(more);
        let output = yumen(&words);
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let change = "~ A home.example.com: 198.51.100.1 -> 203.0.113.7\n";
    assert_eq!(sync(&["--dry-run"]), format!("dynamic_dns home: 1 change would be made\n  {change}"));
    assert_eq!(records(&cloud, "home"), ["A 198.51.100.1 600"]);
    assert_eq!(sync(&[]), format!("dynamic_dns home: 1 change made\n  {change}"));
    assert_eq!(records(&cloud, "home"), ["A 203.0.113.7 600"]);
    assert_eq!(sync(&["--dry-run"]), "dynamic_dns home: as wanted\n");
}
