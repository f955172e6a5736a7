#![allow(clippy::unwrap_used, clippy::string_slice, reason = "tests")]

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::*;
use crate::catalogue::{FAMILIES, Kind};
use crate::metric::ELSEWHERE;

/// What a strict reading of the text format yields: sample (name and labels) to value.
type Samples = HashMap<String, f64>;

/// Splits `name{a="b"} 1` and checks every part of it.
fn sample(line: &str) -> (String, Vec<(String, String)>, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
        None => (series, ""),
    };
    assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{line}");
    (name.to_owned(), label_pairs(labels), value.parse().unwrap())
}

fn label_pairs(mut text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next().unwrap() {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    c => panic!("unknown escape {c}"),
                }),
                (_, c) => value.push(c),
            }
        };
        pairs.push((name.to_owned(), value));
        text = &rest[end + 1..];
        text = text.strip_prefix(',').unwrap_or(text);
    }
    pairs
}

/// Reads a page as strictly as the format is written down: HELP and TYPE once and before their samples, families
/// together, no series twice, buckets cumulative and closed by +Inf, counters named `_total`.
fn read(page: &str) -> Samples {
    assert!(page.ends_with('\n'));
    let (mut samples, mut seen) = (Samples::new(), HashSet::new());
    let (mut family, mut kind, mut last_bucket) = (String::new(), String::new(), 0.0);
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(seen.insert(name.to_owned()) && !help.is_empty(), "{name} twice");
            name.clone_into(&mut family);
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, word) = rest.split_once(' ').unwrap();
            assert_eq!(name, family);
            word.clone_into(&mut kind);
            assert_eq!(word == "counter", name.ends_with("_total"), "{name}");
            continue;
        }
        let (name, labels, value) = sample(line);
        match kind.as_str() {
            "histogram" => {
                let suffix = name.strip_prefix(&family).unwrap();
                assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}");
                let le = labels.iter().find(|(n, _)| n == "le").map(|(_, v)| v.as_str());
                assert_eq!(suffix == "_bucket", le.is_some(), "{line}");
                last_bucket = match (suffix, le) {
                    ("_bucket", Some("0.0005")) => value,
                    ("_bucket", _) => {
                        assert!(value >= last_bucket, "{line}");
                        value
                    }
                    ("_count", _) => {
                        assert_eq!(value, last_bucket);
                        value
                    }
                    _ => last_bucket,
                };
            }
            _ => assert_eq!(name, family),
        }
        let series = line.rsplit_once(' ').unwrap().0;
        assert!(samples.insert(series.to_owned(), value).is_none(), "{line} twice");
    }
    samples
}

fn registry() -> Registry {
    let registry = Registry::new(2);
    registry.set_process_source(Box::new(|| ProcessFacts {
        rss: Some(20 << 20),
        cpu_seconds_user: Some(1.25),
        host_memory_total: Some(1 << 40),
        ..ProcessFacts::default()
    }));
    registry
}

#[test]
fn page_is_valid_and_has_every_family_of_the_catalogue() {
    let registry = registry();
    let route = registry.route("a\"b\\c\nd{}, e");
    route.requests.inc(0, 200);
    route.requests.inc(1, 204);
    route.requests.inc(1, 0);
    route.failed.inc(0, yumen_core::Side::Upstream);
    route.duration.observe(0, Duration::from_millis(3));
    route.duration.observe(1, Duration::from_secs(60));
    let _held = (registry.listener("web"), registry.upstream("pool"), registry.endpoint("pool", "10.0.0.1:80"));
    let page = registry.render();
    let samples = read(&page);
    let name = r#"a\"b\\c\nd{}, e"#;
    let of = |series: &str| samples[series];
    assert_eq!(of(&format!("yumen_route_requests_total{{route=\"{name}\",class=\"2xx\"}}")), 2.0);
    assert_eq!(of(&format!("yumen_route_requests_total{{route=\"{name}\",class=\"none\"}}")), 1.0);
    assert_eq!(of(&format!("yumen_route_failures_total{{route=\"{name}\",side=\"upstream\"}}")), 1.0);
    let duration = "yumen_route_request_duration_seconds";
    assert_eq!(of(&format!("{duration}_bucket{{route=\"{name}\",le=\"0.005\"}}")), 1.0);
    assert_eq!(of(&format!("{duration}_bucket{{route=\"{name}\",le=\"30\"}}")), 1.0);
    assert_eq!(of(&format!("{duration}_bucket{{route=\"{name}\",le=\"+Inf\"}}")), 2.0);
    assert_eq!(of(&format!("{duration}_sum{{route=\"{name}\"}}")), 60.003);
    assert_eq!(of("yumen_process_resident_memory_bytes"), 20_971_520.0);
    assert_eq!(of("yumen_host_memory_size_bytes"), 1_099_511_627_776.0);
    for family in FAMILIES {
        assert!(page.contains(&format!("# TYPE {} {}\n", family.name, family.kind.as_str())), "{}", family.name);
        assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
        assert!(family.kind != Kind::Histogram || family.name.ends_with("_seconds"), "{}", family.name);
    }
    assert_eq!(page.matches("# TYPE").count(), FAMILIES.len());
}

#[test]
fn counts_survive_a_reload_that_keeps_the_name() {
    let registry = registry();
    let before = registry.route("api");
    before.bytes_in.add(0, 5);
    let after = registry.route("api");
    drop(before);
    after.bytes_in.add(ELSEWHERE, 6);
    assert_eq!(read(&registry.render())["yumen_route_received_bytes_total{route=\"api\"}"], 11.0);
}

#[test]
fn what_nobody_holds_is_rendered_once_more_and_forgotten() {
    let registry = registry();
    registry.endpoint("pool", "10.0.0.1:80").requests.inc(0);
    let series = "yumen_endpoint_requests_total{upstream=\"pool\",endpoint=\"10.0.0.1:80\"}";
    assert_eq!(read(&registry.render())[series], 1.0);
    assert!(!read(&registry.render()).contains_key(series));
    assert_eq!(registry.endpoint("pool", "10.0.0.1:80").requests.value(), 0);
}

#[test]
fn endpoints_that_come_and_go_do_not_pile_up_unscraped() {
    let registry = registry();
    for n in 0..10_000 {
        registry.endpoint("pool", &n.to_string());
    }
    assert!(lock(&registry.endpoints).known.len() <= SHOW_UNTOUCHED);
}

#[test]
fn very_large_route_table_shows_only_routes_with_traffic() {
    let registry = registry();
    let held: Vec<_> = (0..=SHOW_UNTOUCHED).map(|n| registry.route(&n.to_string())).collect();
    held[7].requests.inc(0, 200);
    let samples = read(&registry.render());
    assert!(samples.contains_key("yumen_route_sent_bytes_total{route=\"7\"}"));
    assert!(!samples.contains_key("yumen_route_sent_bytes_total{route=\"8\"}"));
}
