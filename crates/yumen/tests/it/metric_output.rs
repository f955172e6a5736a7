//! Metrics by remote write: into Prometheus itself, and into receivers that refuse.

use serde_json::Value;
use yumen_test::Program;

use crate::ends::{Manner, Origin};
use crate::gateway::{PROGRAM, until};

fn config(url: &str, more: &str) -> String {
    format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\", default_status: 404 }} }}\n\
         metric_outputs: {{ own: {{ remote_write: {{ url: \"{url}\", interval: 1s{more} }} }} }}\n"
    )
}

fn duty(program: &Program, state: &str) -> Value {
    until(&format!("the duty to be {state}"), || {
        let status = program.status();
        let duties = status["duties"].as_array().cloned().unwrap_or_default();
        duties.into_iter().find(|duty| duty["kind"] == "metric_output" && duty["state"] == state)
    })
}

fn metric(program: &Program, name: &str) -> u64 {
    let line = format!("{name}{{name=\"own\"}} ");
    let page = program.admin_page("/metrics");
    page.lines().find_map(|text| text.strip_prefix(&line)).and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[test]
fn what_a_receiver_refuses_is_dropped_and_told_and_what_it_cannot_take_now_is_sent_again() {
    let origin = Origin::start(Manner::Says(400, "out of order".to_owned()));
    let more = ", username: gateway, password: pass, headers: { X-Scope-OrgID: edge }";
    let program = Program::start(PROGRAM, &config(&format!("http://{}/api/v1/write?x=1", origin.addr), more));
    let told = duty(&program, "failing");
    assert!(
        told["text"].as_str().unwrap().contains("refused and dropped: the receiver answered 400 out of order"),
        "{told}"
    );
    until("the count", || (metric(&program, "yumen_metric_output_dropped_samples_total") > 0).then_some(()));
    let (head, _) = origin.requests().swap_remove(0);
    for line in [
        "POST /api/v1/write?x=1 HTTP/1.1",
        "content-type: application/x-protobuf",
        "content-encoding: snappy",
        "x-prometheus-remote-write-version: 0.1.0",
        "authorization: Basic Z2F0ZXdheTpwYXNz",
        "x-scope-orgid: edge",
    ] {
        assert!(head.lines().any(|there| there == line), "{line} is not in {head}");
    }
    let dropped = metric(&program, "yumen_metric_output_dropped_samples_total");
    origin.set(Manner::Says(503, "later".to_owned()));
    until("requests to wait", || {
        let told = duty(&program, "failing");
        let (before, _) = told["text"].as_str()?.split_once(" requests wait")?;
        let waiting: u32 = before.rsplit(' ').next()?.parse().ok()?;
        (waiting >= 2).then_some(())
    });
    origin.set(Manner::Says(204, String::new()));
    duty(&program, "well");
    until("what waited", || (metric(&program, "yumen_metric_output_sent_samples_total") > dropped).then_some(()));
    assert!(!program.process_log().contains("Z2F0ZXdheTpwYXNz"));
}

/// The judge: Prometheus, of Debian's package.
#[cfg(unix)]
#[test]
fn prometheus_takes_the_metrics_and_tells_them_again() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use crate::ends::get;

    struct Judge(std::process::Child);
    impl Drop for Judge {
        fn drop(&mut self) {
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prometheus.yml");
    std::fs::write(&file, "global: {}\n").unwrap();
    let started = Command::new("prometheus")
        .args(["--web.enable-remote-write-receiver", "--web.listen-address=127.0.0.1:0", "--log.format=json"])
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .stderr(Stdio::piped())
        .spawn();
    let mut judge = match started {
        Ok(child) => Judge(child),
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("not judged: prometheus does not start: {error}");
            return;
        }
        Err(error) => panic!("prometheus does not start: {error}"),
    };
    // It says where it listens.
    let mut lines = BufReader::new(judge.0.stderr.take().unwrap()).lines();
    let addr: std::net::SocketAddr = loop {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        if let Some(addr) = line["address"].as_str().filter(|_| line["msg"] == "Listening on") {
            break addr.parse().unwrap();
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    until("readiness", || (get(addr, "/-/ready").status == 200).then_some(()));
    let more = ", labels: { instance: edge-1 }";
    let program = Program::start(PROGRAM, &config(&format!("http://{addr}/api/v1/write"), more));
    let listen = program.listener("web");
    for _ in 0..5 {
        assert_eq!(get(listen, "/").status, 404);
    }
    let query = |query: &str| {
        let answer = get(addr, &format!("/api/v1/query?query={query}"));
        let value: Value = serde_json::from_str(&answer.body).unwrap();
        value["data"]["result"][0].clone()
    };
    until("the requests", || {
        let series = query("yumen_listener_requests_total%7Binstance%3D%22edge-1%22%2Cversion%3D%221.1%22%7D");
        (series["metric"]["listener"] == "web" && series["value"][1] == "5").then_some(())
    });
    assert_eq!(query("yumen_build_info")["metric"]["instance"], "edge-1");
    duty(&program, "well");
    // Away for a while, then back: what waited is told too, each second once.
    let count =
        || query("count_over_time(yumen_build_info%5B1m%5D)")["value"][1].as_str().and_then(|n| n.parse::<u32>().ok());
    until("more samples", || (count()? >= 3).then_some(()));
}
