//! The access log in SLS, against the cloud of the tests of `yumen-alibaba`.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::cloud::FakeCloud;
use crate::ends::Client;
use crate::gateway::{Gateway, until};

const STORE: &str = "edge-logs/access";

fn config(cloud: &FakeCloud, more: &str) -> String {
    let sls = format!(
        "{{ project: edge-logs, store: access, topic: gateway, source: edge-1, batch: {{ time: 50ms }}{more} }}"
    );
    format!(
        "listeners: {{ web: {{ bind: \"{{listen}}\", default_status: 404 }} }}\n{}log_outputs: {{ store: {{ sls: {sls} }} }}\n",
        cloud.account()
    )
}

/// A gateway that takes lines already.
fn start(config: &str) -> Gateway {
    let gateway = Gateway::start(config);
    wait_until_taken(&gateway);
    gateway
}

fn wait_until_taken(gateway: &Gateway) {
    until("the output", || page(gateway, "/status").contains("log_output").then_some(()));
}

fn cloud() -> FakeCloud {
    let cloud = FakeCloud::start();
    cloud.set(&json!({"stores": {STORE: []}}));
    cloud
}

/// Asks for these paths on one connection, so that one worker writes the lines.
fn ask(gateway: &Gateway, paths: std::ops::Range<u32>) {
    let mut client = Client::connect(gateway.listen);
    for n in paths {
        assert_eq!(client.get(&format!("/{n}")).status, 404);
    }
}

/// The fields of all logs in the store, in order.
fn logs(cloud: &FakeCloud) -> Vec<Value> {
    let stores = cloud.value("stores");
    let groups = stores[STORE].as_array().cloned().unwrap_or_default();
    let logs = groups.iter().flat_map(|group| group["logs"].as_array().cloned().unwrap_or_default());
    let fields = |log: Value| {
        let pairs = log["contents"].as_array().cloned().unwrap_or_default();
        let pairs = pairs.iter().map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].clone()));
        Value::Object(pairs.collect())
    };
    logs.map(fields).collect()
}

fn paths(cloud: &FakeCloud) -> Vec<String> {
    logs(cloud).iter().map(|log| log["path"].as_str().unwrap_or_default().to_owned()).collect()
}

fn expected(paths: std::ops::Range<u32>) -> Vec<String> {
    paths.map(|n| format!("/{n}")).collect()
}

fn wait_for(cloud: &FakeCloud, range: std::ops::Range<u32>) {
    let (mut last, wanted) = (Vec::new(), expected(range));
    let found = yumen_test::within(yumen_test::PATIENCE, || {
        last = paths(cloud);
        (last == wanted).then_some(())
    });
    assert!(found.is_some(), "{last:?} instead of {wanted:?}");
}

fn page(gateway: &Gateway, path: &str) -> String {
    let mut stream = TcpStream::connect(gateway.admin).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", gateway.admin).unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let line = format!("{name}{{name=\"store\"}} ");
    let page = page(gateway, "/metrics");
    page.lines().find_map(|text| text.strip_prefix(&line)).and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn duty(gateway: &Gateway, state: &str) -> Value {
    until(&format!("the duty to be {state}"), || {
        let status: Value = serde_json::from_str(&page(gateway, "/status")).ok()?;
        let duties = status["duties"].as_array()?;
        duties.iter().find(|duty| duty["kind"] == "log_output" && duty["state"] == state).cloned()
    })
}

#[test]
fn lines_reach_the_store_though_the_log_itself_is_off() {
    let cloud = cloud();
    let gateway = start(&config(&cloud, ""));
    ask(&gateway, 0..20);
    wait_for(&cloud, 0..20);
    let group = cloud.value("stores")[STORE][0].clone();
    assert_eq!((&group["topic"], &group["source"]), (&"gateway".into(), &"edge-1".into()));
    let log = &logs(&cloud)[3];
    assert_eq!((&log["status"], &log["listener"], &log["method"]), (&"404".into(), &"web".into(), &"GET".into()));
    assert!(log.get("ts").is_none() && group["logs"][0]["time"].as_u64() > Some(1_700_000_000), "{group}");
    duty(&gateway, "well");
    assert_eq!(metric(&gateway, "yumen_log_output_sent_lines_total"), 20);
    assert!(metric(&gateway, "yumen_log_output_sent_bytes_total") > 1000);
    assert_eq!(metric(&gateway, "yumen_log_output_dropped_lines_total"), 0);
}

#[test]
fn a_service_that_throttles_gets_everything_later() {
    let cloud = cloud();
    cloud.fault(
        &json!({"kind": "refuse", "action": "PutLogs", "code": "ShardWriteQuotaExceed", "status": 403, "times": 5}),
    );
    let gateway = start(&config(&cloud, ""));
    ask(&gateway, 0..50);
    duty(&gateway, "failing");
    ask(&gateway, 50..100);
    wait_for(&cloud, 0..100);
    duty(&gateway, "well");
    until("the spill to be empty", || (metric(&gateway, "yumen_log_output_spilled_bytes") == 0).then_some(()));
}

#[test]
fn a_service_that_is_away_gets_everything_in_order_after_a_crash() {
    let cloud = cloud();
    cloud.fault(&json!({"kind": "drop", "action": "PutLogs", "times": 1_000_000}));
    let mut gateway = start(&config(&cloud, ""));
    ask(&gateway, 0..30);
    let told = duty(&gateway, "failing");
    assert!(told["text"].as_str().unwrap().contains("edge-logs/access takes nothing"), "{told}");
    until("the spill", || (metric(&gateway, "yumen_log_output_spilled_bytes") > 0).then_some(()));
    let before = metric(&gateway, "yumen_log_output_spilled_bytes");
    ask(&gateway, 30..60);
    until("more of it", || (metric(&gateway, "yumen_log_output_spilled_bytes") > before).then_some(()));
    gateway.child.kill().unwrap();
    // What the crash tore.
    let folder = gateway.folder.path().join("state/log-output/store");
    std::fs::write(folder.join("00000000000000000000.logs"), "torn").unwrap();
    let kept = std::fs::read_dir(&folder).unwrap().count();
    assert!(kept > 1, "{kept}");
    std::fs::write(folder.join("00000000000000009999.new"), "half").unwrap();
    cloud.set(&json!({"faults": []}));
    gateway.run();
    wait_until_taken(&gateway);
    until("the spill to be empty", || {
        (std::fs::read_dir(&folder).unwrap().count() == 0 && !paths(&cloud).is_empty()).then_some(())
    });
    // The first batch was torn; all others are there, in order, once.
    let there = paths(&cloud);
    let rest = expected(0..60).split_off(60 - there.len());
    assert_eq!(there, rest);
    ask(&gateway, 60..70);
    until("what came afterwards", || (paths(&cloud).last()? == "/69").then_some(()));
    assert!(!there.is_empty() && there.len() < 60, "{}", there.len());
}

#[test]
fn lines_that_wait_outlive_a_reload_and_a_stop() {
    let cloud = cloud();
    let gateway = start(&config(&cloud, ", spill: { max: 10MiB }").replace("50ms", "30s"));
    ask(&gateway, 0..10);
    // Nothing is due for half a minute; the next section takes over what the last one left.
    until("the lines to be queued", || (metric(&gateway, "yumen_log_output_dropped_lines_total") == 0).then_some(()));
    gateway.write(&config(&cloud, ", spill: { max: 11MiB }"));
    ask(&gateway, 10..20);
    until("all lines", || {
        let mut there = paths(&cloud);
        there.sort();
        let mut wanted = expected(0..20);
        wanted.sort();
        (there == wanted).then_some(())
    });
}

/// A disk of 256 KiB that is full soon.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_costs_old_lines_and_no_requests() {
    use std::process::Command;
    let folder = tempfile::tempdir().unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs"];
    if !Command::new("mount").args(mount).arg(folder.path()).status().is_ok_and(|status| status.success()) {
        eprintln!("not tried: no file system may be mounted here");
        return;
    }
    struct Mounted(std::path::PathBuf);
    impl Drop for Mounted {
        fn drop(&mut self) {
            Command::new("umount").arg("-l").arg(&self.0).status().ok();
        }
    }
    let mounted = Mounted(folder.path().to_owned());
    let cloud = cloud();
    cloud.fault(&json!({"kind": "drop", "action": "PutLogs", "times": 1_000_000}));
    let spill = format!(", spill: {{ dir: \"{}\" }}", mounted.0.join("spill").display());
    let gateway = start(&config(&cloud, &spill).replace("time: 50ms", "size: 16KiB, time: 50ms"));
    let mut next = 0;
    until("lines to be dropped", || {
        ask(&gateway, next..next + 200);
        next += 200;
        (metric(&gateway, "yumen_log_output_dropped_lines_total") > 0).then_some(())
    });
    duty(&gateway, "failing");
    cloud.set(&json!({"faults": []}));
    ask(&gateway, next..next + 1);
    until("the newest line", || (paths(&cloud).last()? == &format!("/{next}")).then_some(()));
    let mut there: Vec<u32> = paths(&cloud).iter().map(|path| path.trim_start_matches('/').parse().unwrap()).collect();
    there.sort_unstable();
    assert!(!there.windows(2).any(|pair| pair[0] == pair[1]), "each once");
    assert!(there.len() > 100, "what fitted is there: {}", there.len());
}
