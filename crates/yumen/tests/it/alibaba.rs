//! `yumen alibaba`, against the cloud of the tests of `yumen-alibaba`.

use std::process::{Command, Output};

use serde_json::Value;

use crate::cloud::FakeCloud;
use crate::gateway::{PROGRAM, text};

/// Runs the command with a key.
fn run(cloud: &FakeCloud, secret: &str, words: &[&str]) -> Output {
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command.arg("alibaba").args(words);
    for product in ["sts", "alidns"] {
        command.args(["--endpoint", &format!("{product}=http://{}", cloud.addr)]);
    }
    command.env("ALIBABA_CLOUD_ACCESS_KEY_ID", "ak").env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", secret);
    command.env("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true").env("ALIBABA_CLOUD_REGION_ID", "cn-beijing");
    command.env("HOME", nowhere.path()).env("USERPROFILE", nowhere.path());
    command.output().unwrap()
}

fn answer(cloud: &FakeCloud, words: &[&str]) -> Value {
    let output = run(cloud, "ak-secret", words);
    assert!(output.status.success(), "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn who_one_is_and_where_the_key_was_found_is_told() {
    let cloud = FakeCloud::start();
    let said = text(&run(&cloud, "ak-secret", &["whoami"]));
    assert!(said.contains(":user/edge\n") && said.contains("key       ak (found by environment)"), "{said}");
    let identity = answer(&cloud, &["whoami", "--format", "json"]);
    assert_eq!((&identity["region"], &identity["type"]), (&"cn-beijing".into(), &"RAMUser".into()));
    let refused = run(&cloud, "not-the-secret", &["whoami"]);
    let said = text(&refused);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("SignatureDoesNotMatch") && !said.contains("not-the-secret"), "{said}");
}

#[test]
fn an_account_of_a_configuration_is_used_by_its_name() {
    let cloud = FakeCloud::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("yumen.yaml");
    let account = |region: &str, secret: &str| {
        let keys = format!("keys: {{access_key_id: ak, access_key_secret: {secret}}}");
        format!("{{region: {region}, {keys}, endpoints: {{sts: \"http://{}\"}}}}", cloud.addr)
    };
    let (one, other) = (account("cn-shanghai", "ak-secret"), account("cn-beijing", "not-the-secret"));
    let rest = "listeners: {web: {bind: \"127.0.0.1:0\", default_status: 404}}\n";
    std::fs::write(&file, format!("{rest}alibaba:\n  one: {one}\n  other: {other}\n")).unwrap();
    let whoami = |more: &[&str]| {
        let words = [&["alibaba", "whoami", "--config", file.to_str().unwrap()], more].concat();
        Command::new(PROGRAM).args(words).output().unwrap()
    };
    let said = text(&whoami(&["--account", "one"]));
    assert!(said.contains("(found by configuration)") && said.contains("region    cn-shanghai"), "{said}");
    let said = text(&whoami(&["--account", "other"]));
    assert!(said.contains("SignatureDoesNotMatch") && !said.contains("not-the-secret"), "{said}");
    let said = text(&whoami(&[]));
    assert!(said.contains("has no account to choose; there are: one, other"), "{said}");
    let said = text(&whoami(&["--account", "two"]));
    assert!(said.contains("has no account called two; there are: one, other"), "{said}");
}

#[test]
fn operations_are_called_by_their_names() {
    let cloud = FakeCloud::start();
    let add = ["call", "alidns", "AddDomainRecord", "DomainName=example.com", "RR=www", "Type=A", "Value=192.0.2.1"];
    let id = answer(&cloud, &add)["RecordId"].as_str().unwrap().to_owned();
    let records = answer(&cloud, &["call", "alidns", "DescribeDomainRecords", "DomainName=example.com"]);
    let record = &records["DomainRecords"]["Record"][0];
    assert_eq!((&record["RecordId"], &record["Value"]), (&id.as_str().into(), &"192.0.2.1".into()));
    for (words, expected) in [
        (&["call", "alidns", "Nonsense"][..], "InvalidAction.NotFound"),
        (&["call", "oss", "ListBuckets"], "the product oss is asked by paths"),
        (&["call", "alidn", "DescribeDomains"], "the product alidn is not known; possible: alidns, ecs"),
        (&["call", "alidns", "DescribeDomains", "PageSize"], "write a name, `=` and a value"),
        (&["whoami", "--endpoint", "sts=ftp://x"], "the endpoint of sts: `ftp` is neither http nor https"),
    ] {
        let output = run(&cloud, "ak-secret", words);
        assert!(!output.status.success() && text(&output).contains(expected), "{words:?}: {}", text(&output));
    }
}
