//! Keeps `.vscode` true to the workspace: a debug configuration for a crate that was renamed helps nobody.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use serde_json::Value;

fn file(name: &str) -> Value {
    let text = std::fs::read_to_string(crate::root().unwrap().join(".vscode").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().unwrap().clone()
}

fn words(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn crates_to_choose_from_are_those_with_a_library() {
    let inputs = list(&file("launch.json")["inputs"]);
    let crates = inputs.iter().find(|input| input["id"] == "crate").unwrap();
    let folder = crate::root().unwrap().join("crates");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let libraries = entries.filter(|path| path.join("src/lib.rs").exists());
    let names: BTreeSet<String> =
        libraries.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(words(&crates["options"]), names);
}

#[test]
fn launches_refer_to_tasks_and_inputs_that_are_there() {
    let (launch, tasks) = (file("launch.json"), file("tasks.json"));
    let labels: Vec<String> =
        list(&tasks["tasks"]).iter().map(|task| task["label"].as_str().unwrap().to_owned()).collect();
    let wanted = list(&launch["configurations"])
        .iter()
        .filter_map(|one| one["preLaunchTask"].as_str().map(str::to_owned))
        .chain(list(&tasks["tasks"]).iter().filter_map(|task| task["dependsOn"].as_str().map(str::to_owned)))
        .collect::<Vec<_>>();
    assert!(!wanted.is_empty());
    for label in wanted {
        assert!(labels.contains(&label), "there is no task `{label}`");
    }
    let text = launch.to_string();
    let used: BTreeSet<&str> = text.split("${input:").skip(1).filter_map(|rest| rest.split('}').next()).collect();
    let inputs = list(&launch["inputs"]);
    let given: BTreeSet<&str> = inputs.iter().filter_map(|input| input["id"].as_str()).collect();
    assert_eq!(used, given);
}

#[test]
fn programs_and_tests_that_are_launched_exist() {
    let yumen = crate::root().unwrap().join("crates/yumen");
    for one in list(&file("launch.json")["configurations"]) {
        let arguments = words(&one["cargo"]["args"]);
        if arguments.contains("--test=it") {
            assert!(yumen.join("tests/it/main.rs").exists(), "{}", one["name"]);
        }
        if let Some(program) = one["program"].as_str() {
            assert_eq!(program, "${workspaceFolder}/target/debug/yumen.exe");
        }
    }
}
