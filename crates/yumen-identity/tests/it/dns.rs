//! DNS-01 with a real zone.

use std::sync::Arc;
use std::time::Duration;

use yumen_identity::challenge::{Proof, Responder as _};
use yumen_identity::dns::{Exec, Provider, Rfc2136, Tsig, TsigAlgorithm};
use yumen_identity::{Label, When};

use crate::stage::{Stage, wish};
use yumen_test::write;

fn proof(name: &str, text: &str) -> Proof {
    let (name, text) = (name.to_owned(), text.to_owned());
    Proof { name, text, token: String::new(), authorization: String::new(), digest: [0; 32] }
}

#[tokio::test]
async fn an_alias_is_followed_to_another_zone_and_within_one() {
    let stage = Stage::set(|_| {}).await;
    let label = Label::parse("alias").unwrap();
    let dns01 = stage.dns01(stage.rfc2136());
    let proofs = [proof("alias.example.test", "one")];
    dns01.show(&label, &proofs).await.unwrap();
    let store = stage.store();
    assert_eq!(store.records(&label).unwrap()[0].name, "alias.delegated.test");
    assert_eq!(stage.knot.texts("alias.delegated.test"), ["one"]);
    dns01.hide(&label).await;
    assert!(stage.knot.texts("alias.delegated.test").is_empty());
    let acme = stage.acme(vec![stage.dns_way(stage.rfc2136())]);
    acme.ensure(&wish("near", &["near.example.test", "*.near.example.test"]), When::Due).await.unwrap();
    assert!(stage.knot.texts("proof.other.example.test").is_empty());
}

#[tokio::test]
async fn records_of_others_stay_and_leftovers_go() {
    let stage = Stage::set(|_| {}).await;
    let (knot, name) = (stage.rfc2136(), "_acme-challenge.example.test");
    knot.add(name, "of somebody else").await.unwrap();
    let label = Label::parse("www").unwrap();
    // The first process dies with its record in place.
    stage.dns01(knot.clone()).show(&label, &[proof("example.test", "left")]).await.unwrap();
    // An order for another certificate does not touch it.
    let other = Label::parse("other").unwrap();
    let dns01 = stage.dns01(knot);
    dns01.show(&other, &[proof("example.test", "other")]).await.unwrap();
    let mut texts = stage.knot.texts(name);
    texts.sort();
    assert_eq!(texts, ["left", "of somebody else", "other"]);
    dns01.hide(&other).await;
    let proofs = [proof("example.test", "one"), proof("example.test", "two")];
    dns01.show(&label, &proofs).await.unwrap();
    let mut texts = stage.knot.texts(name);
    texts.sort();
    assert_eq!(texts, ["of somebody else", "one", "two"]);
    dns01.hide(&label).await;
    assert_eq!(stage.knot.texts(name), ["of somebody else"]);
}

#[tokio::test]
async fn an_update_with_a_wrong_key_is_refused_with_advice() {
    let stage = Stage::set(|_| {}).await;
    let address = stage.knot.address();
    let wrong = Tsig { name: "acme".into(), algorithm: TsigAlgorithm::HmacSha256, secret: b"wrong".to_vec() };
    for (key, advice) in [(Some(wrong), "compare the zone, the TSIG key"), (None, "may want a TSIG key")] {
        let provider = Rfc2136::new("knot", address, None, key).unwrap();
        let error = provider.add("_acme-challenge.example.test", "x").await.unwrap_err().to_string();
        assert!(error.contains(advice) && error.contains("_acme-challenge.example.test"), "{error}");
    }
    let provider = Rfc2136::new("knot", address, None, None).unwrap();
    let error = provider.add("_acme-challenge.elsewhere.test", "x").await.unwrap_err().to_string();
    assert!(error.contains("no zone in which"), "{error}");
}

#[tokio::test]
async fn a_program_is_called_without_a_shell_and_has_a_time_limit() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("calls");
    let script = "import sys, time\n\
        open(sys.argv[1], 'a').write(repr(sys.argv[2:]) + '\\n')\n\
        if sys.argv[4] == 'fail': sys.exit('no such zone')\n\
        if sys.argv[4] == 'stall': time.sleep(600)\n";
    let script = write(folder.path(), "hook.py", script);
    let arguments = vec![script.display().to_string(), log.display().to_string()];
    let exec = |limit| Exec::new("hook", "python3".into(), arguments.clone(), limit);
    let patient = exec(Duration::from_secs(60));
    let value = "$(touch x); 'quoted'";
    patient.add("_acme-challenge.a.test", value).await.unwrap();
    let record = yumen_identity::store::StoredRecord {
        certificate: "www".into(),
        provider: "hook".into(),
        name: "_acme-challenge.a.test".into(),
        value: "gone".into(),
        id: None,
    };
    patient.remove(&record).await.unwrap();
    let calls = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = calls.lines().collect();
    assert!(lines[0].contains("'present', '_acme-challenge.a.test', \"$(touch x); 'quoted'\""), "{calls}");
    assert_eq!(lines[1], "['cleanup', '_acme-challenge.a.test', 'gone']");
    let error = patient.add("a.test", "fail").await.unwrap_err().to_string();
    assert!(error.contains("failed (exit status: 1): no such zone"), "{error}");
    let error = exec(Duration::from_millis(50)).add("a.test", "stall").await.unwrap_err().to_string();
    assert!(error.contains("did not end within 0.05 s and was killed"), "{error}");
    let none: Arc<dyn Provider> = Arc::new(Exec::new("x", "/no/such".into(), vec![], Duration::from_secs(1)));
    assert!(none.add("a.test", "v").await.unwrap_err().to_string().contains("cannot be started"));
}
