//! Keeps the reference pages of the guide true to the tables in the code; `UPDATE=1` rewrites them.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use yumen_telemetry::{catalogue, metric, reason};

fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide").join(name)
}

/// What stands in the page between the marks must be `wanted`; the text around it is written by hand.
fn keep_true(name: &str, wanted: &str) {
    const BEGIN: &str = "<!-- generated from the code; UPDATE=1 cargo test -p yumen-telemetry rewrites it -->\n";
    const END: &str = "<!-- end of the generated part -->\n";
    let text = fs::read_to_string(page(name)).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (present, after) = rest.split_once(END).unwrap();
    if present == wanted {
        return;
    }
    assert!(std::env::var_os("UPDATE").is_some(), "docs/guide/{name} is out of date; run the tests with UPDATE=1");
    fs::write(page(name), format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
}

#[test]
fn page_of_metrics_lists_every_family() {
    let mut out = String::from("\n| metric | type | labels | what it tells |\n| --- | --- | --- | --- |\n");
    for family in catalogue::FAMILIES {
        let labels: Vec<String> = family.labels.iter().map(|l| format!("`{l}`")).collect();
        let (name, kind, labels) = (family.name, family.kind.as_str(), labels.join(" "));
        writeln!(out, "| `{name}` | {kind} | {labels} | {} |", family.help).unwrap();
    }
    let bounds: Vec<&str> = metric::BUCKETS.iter().map(|(_, text)| *text).collect();
    writeln!(out, "\nBuckets of every histogram, in seconds: {}.\n", bounds.join(", ")).unwrap();
    keep_true("metrics.md", &out);
}

#[test]
fn page_of_reasons_explains_every_code() {
    let mut out = String::from("\n");
    for entry in reason::all() {
        let status = entry.status.map_or("none; the connection ends".to_owned(), |s| s.to_string());
        writeln!(
            out,
            "### `{}`\n\n{}. Side `{}`, stage `{}`, status {status}.\n\n- Usual cause: {}.\n- What to do: {}.\n",
            entry.reason.code(),
            capitalised(entry.meaning),
            entry.side.as_str(),
            entry.stage.as_str(),
            entry.cause,
            entry.remedy,
        )
        .unwrap();
    }
    keep_true("reasons.md", &out);
}

#[test]
fn every_fault_of_the_parser_is_in_the_catalogue() {
    for fault in yumen_http1::Fault::ALL {
        let entry = reason::explain(fault.reason());
        let entry = entry.unwrap_or_else(|| panic!("{} is not in the catalogue", fault.reason()));
        assert!(entry.side == yumen_core::Side::Upstream || entry.status == Some(fault.status()), "{}", entry.reason);
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

#[test]
fn page_of_the_access_log_names_every_key() {
    let text = fs::read_to_string(page("access-log.md")).unwrap();
    let source = include_str!("../src/access_log/json.rs");
    let keys: Vec<&str> = source.split("key!(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(keys.len() > 25);
    for key in keys {
        assert!(text.contains(&format!("| `{key}` |")), "docs/guide/access-log.md does not mention {key}");
    }
}
