//! What is in the program: an SBOM in the form of CycloneDX 1.5, from what cargo resolves for the target.
//!
//! Listed is what is linked in: dependencies in force on the target, without those of builds and of tests. The licences are
//! those the authors declared; the sums are those of the lock file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Release, msi, sums, tool};

/// The document, indented, with everything in order.
pub(super) fn make(release: &Release) -> Result<String> {
    let metadata = tool::metadata(&release.target)?;
    let lock = fs::read_to_string(crate::root()?.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let document = document(release, &metadata, &checksums(&lock))?;
    check(&document)?;
    Ok(format!("{document:#}\n"))
}

/// `name version` -> SHA-256, for what comes from a registry.
fn checksums(lock: &str) -> HashMap<String, String> {
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim_start_matches([' ', '=']).trim_matches('"').to_owned())
    };
    let blocks = lock.split("[[package]]");
    let one = |block: &str| {
        Some((format!("{} {}", value(block, "name")?, value(block, "version")?), value(block, "checksum")?))
    };
    blocks.filter_map(one).collect()
}

fn document(release: &Release, metadata: &Value, sums: &HashMap<String, String>) -> Result<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages: HashMap<String, Value> =
        list(&metadata["packages"]).into_iter().map(|p| (text(&p["id"]), p)).collect();
    let edges: HashMap<String, Vec<String>> =
        list(&metadata["resolve"]["nodes"]).iter().map(|node| (text(&node["id"]), linked(node))).collect();
    let is_root = |p: &&Value| p["name"] == "yumen" && p["source"].is_null();
    let root = packages.values().find(is_root).context("there is no package `yumen`")?;
    let (mut seen, mut todo) = (BTreeSet::new(), vec![text(&root["id"])]);
    while let Some(id) = todo.pop() {
        if seen.insert(id.clone()) {
            todo.extend(edges.get(&id).into_iter().flatten().cloned());
        }
    }
    let mut components = BTreeMap::new();
    let mut dependencies = BTreeMap::new();
    for id in &seen {
        let package = packages.get(id).with_context(|| format!("cargo metadata does not describe {id}"))?;
        let needs = edges.get(id).into_iter().flatten().filter_map(|id| packages.get(id));
        let needs: BTreeSet<String> = needs.map(|p| reference(p, release)).collect();
        let reference = reference(package, release);
        dependencies.insert(reference.clone(), json!({"ref": reference, "dependsOn": needs}));
        components.insert(reference.clone(), component(package, &reference, sums));
    }
    let root = components.remove(&reference(root, release)).context("the program is not among its own packages")?;
    let content = json!({"components": components, "dependencies": dependencies, "root": root}).to_string();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": format!("urn:uuid:{}", msi::uuid(&sums::sha256(content.as_bytes()))),
        "version": 1,
        "metadata": {
            "timestamp": instant(release.time),
            "component": root,
            "properties": [{"name": "target", "value": release.target}],
        },
        "components": components.into_values().collect::<Vec<_>>(),
        "dependencies": dependencies.into_values().collect::<Vec<_>>(),
    }))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The packages that a node links in: those whose dependency is of no special kind.
fn linked(node: &Value) -> Vec<String> {
    let is_linked =
        |dep: &&Value| dep["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k["kind"].is_null()));
    node["deps"].as_array().into_iter().flatten().filter(is_linked).map(|dep| text(&dep["pkg"])).collect()
}

/// The package URL, by which components are known. Our own are dated by the release, not by what Cargo.toml says.
fn reference(package: &Value, release: &Release) -> String {
    let version = if package["source"].is_null() { release.version.clone() } else { text(&package["version"]) };
    format!("pkg:cargo/{}@{version}", text(&package["name"]))
}

fn component(package: &Value, reference: &str, sums: &HashMap<String, String>) -> Value {
    let (name, version) = (text(&package["name"]), reference.rsplit('@').next().unwrap_or_default());
    let kind = if name == "yumen" && package["source"].is_null() { "application" } else { "library" };
    let mut value = json!({"type": kind, "bom-ref": reference, "name": name, "version": version, "purl": reference});
    if let Some(license) = package["license"].as_str() {
        // Cargo once allowed a slash for OR, which SPDX does not know.
        value["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
    }
    if let Some(sum) = sums.get(&format!("{name} {version}")) {
        value["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
    }
    value
}

/// Seconds since 1970 as RFC 3339 has it. The days are counted by the algorithm of Howard Hinnant (`civil_from_days`).
fn instant(seconds: u32) -> String {
    let (days, rest) = (i64::from(seconds / 86_400) + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let date = of_year - (153 * shifted + 2) / 5 + 1;
    format!("{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Whether a document has the shape that readers of CycloneDX rely on.
pub(super) fn check(document: &Value) -> Result<()> {
    ensure!(document["bomFormat"] == "CycloneDX" && document["specVersion"] == "1.5", "not CycloneDX 1.5");
    let list = |key: &str| document[key].as_array().with_context(|| format!("the SBOM has no list `{key}`"));
    let root = &document["metadata"]["component"];
    let mut known = BTreeSet::new();
    for component in list("components")?.iter().chain([root]) {
        for key in ["type", "bom-ref", "name", "version", "purl"] {
            ensure!(component[key].as_str().is_some_and(|v| !v.is_empty()), "a component has no `{key}`: {component}");
        }
        ensure!(component["licenses"].is_array(), "no licence is known of {}", component["name"]);
        ensure!(known.insert(text(&component["bom-ref"])), "{} stands in the SBOM twice", component["bom-ref"]);
    }
    ensure!(known.len() > 1, "the SBOM names no dependency");
    for dependency in list("dependencies")? {
        let needs = dependency["dependsOn"].as_array().into_iter().flatten();
        for reference in needs.chain([&dependency["ref"]]) {
            ensure!(known.contains(&text(reference)), "the SBOM refers to {reference}, which it does not describe");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn package(name: &str, source: Value) -> Value {
        json!({"id": name, "name": name, "version": "1.0.0", "source": source, "license": "MIT/Apache-2.0"})
    }

    fn dep(name: &str, kind: Value) -> Value {
        json!({"pkg": name, "dep_kinds": [{"kind": kind, "target": null}]})
    }

    fn sample() -> Value {
        let registry = json!("registry");
        let metadata = json!({
            "packages": [package("yumen", Value::Null), package("linked", registry.clone()),
                package("tested", registry.clone()), package("deep", registry)],
            "resolve": {"nodes": [
                {"id": "yumen", "deps": [dep("linked", Value::Null), dep("tested", json!("dev"))]},
                {"id": "linked", "deps": [dep("deep", Value::Null)]},
                {"id": "deep", "deps": []},
                {"id": "tested", "deps": []},
            ]},
        });
        let lock = "[[package]]\nname = \"deep\"\nversion = \"1.0.0\"\nchecksum = \"abc\"\n\n[[package]]\nname = \"yumen\"\nversion = \"1.0.0\"\n";
        let release = Release { version: "2.0.0".into(), target: "t".into(), time: 1_709_210_096, out: "x".into() };
        document(&release, &metadata, &checksums(lock)).unwrap()
    }

    #[test]
    fn sbom_lists_what_is_linked_and_nothing_else() {
        let document = sample();
        let names: Vec<&str> =
            document["components"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["deep", "linked"]);
        assert_eq!(document["components"][0]["hashes"][0]["content"], "abc");
        assert_eq!(document["components"][1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(document["metadata"]["component"]["purl"], "pkg:cargo/yumen@2.0.0");
        assert_eq!(document["metadata"]["timestamp"], "2024-02-29T12:34:56Z");
        check(&document).unwrap();
    }

    #[test]
    fn sbom_that_refers_to_what_it_does_not_describe_is_refused() {
        let mut document = sample();
        document["dependencies"][0]["dependsOn"] = json!(["pkg:cargo/ghost@1.0.0"]);
        assert!(check(&document).unwrap_err().to_string().contains("ghost"));
    }
}
