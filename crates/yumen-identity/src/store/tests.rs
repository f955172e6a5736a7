#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use super::*;
use crate::certificate::tests::self_signed;

fn open() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("state")).unwrap();
    (folder, store)
}

fn order(url: &str) -> StoredOrder {
    StoredOrder { directory: "d".into(), url: url.into(), names: vec!["a".into()], key: "k".into() }
}

#[test]
fn what_is_kept_is_found_again_and_is_for_its_owner_only() {
    let (folder, store) = open();
    let label = Label::parse("www").unwrap();
    assert!(store.certificate(&label).unwrap().is_none());
    let certificate = self_signed(&["a.test"], 90);
    store.keep_certificate(&label, &certificate).unwrap();
    store.keep_order(&label, &order("u")).unwrap();
    let account = StoredAccount { contact: vec![], credentials: serde_json::json!({"id": "1"}) };
    store.keep_account("https://ca.test/dir", &account).unwrap();

    let again = Store::open(&folder.path().join("state")).unwrap();
    assert_eq!(again.certificate(&label).unwrap().unwrap(), certificate);
    assert_eq!(again.order(&label).unwrap().unwrap().url, "u");
    assert_eq!(again.account("https://ca.test/dir").unwrap().unwrap().credentials["id"], "1");
    assert!(again.account("https://other.test/dir").unwrap().is_none());
    for path in walk(folder.path()) {
        assert_eq!(os::exposure(&path).unwrap(), None, "{}", path.display());
    }
    again.forget_order(&label).unwrap();
    again.forget_order(&label).unwrap();
    assert!(again.order(&label).unwrap().is_none());
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_write_that_broke_off_changes_nothing() {
    let (_folder, store) = open();
    let label = Label::parse("www").unwrap();
    store.keep_order(&label, &order("old")).unwrap();
    let path = store.path(ORDER, "www", "json");
    std::fs::write(path.with_extension("json.new"), b"half of").unwrap();
    assert_eq!(store.order(&label).unwrap().unwrap().url, "old");
    store.keep_order(&label, &order("new")).unwrap();
    assert_eq!(store.order(&label).unwrap().unwrap().url, "new");
    assert!(!path.with_extension("json.new").exists());
}

#[test]
fn damage_is_told_without_what_is_in_the_file() {
    let (_folder, store) = open();
    let label = Label::parse("www").unwrap();
    write(&store.path(ORDER, "www", "json"), br#"{"directory": "d", "key": hush}"#).unwrap();
    let text = store.order(&label).err().unwrap().to_string();
    assert!(text.contains("www.json is damaged at line 1") && !text.contains("hush"), "{text}");
    write(&store.path(CERTIFICATE, "www", "pem"), b"nothing").unwrap();
    assert!(store.certificate(&label).err().unwrap().to_string().contains("www.pem"));
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_folder, store) = open();
    let label = Label::parse("www").unwrap();
    store.keep_order(&label, &order("u")).unwrap();
    let path = store.path(ORDER, "www", "json");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let text = store.order(&label).err().unwrap().to_string();
    assert!(text.contains("no longer secret"), "{text}");
}

#[tokio::test]
async fn a_lock_is_held_by_one_and_passes_on() {
    let (folder, store) = open();
    let (www, other) = (Label::parse("www").unwrap(), Label::parse("other").unwrap());
    let second = Store::open(&folder.path().join("state")).unwrap();
    let held = store.lock(&www, Duration::ZERO).await.unwrap();
    assert!(second.try_lock(&www).unwrap().is_none());
    assert!(second.try_lock(&other).unwrap().is_some());
    let late = second.lock(&www, Duration::from_millis(5)).await.unwrap_err();
    assert!(matches!(late, Error::Locked { .. }), "{late}");
    let waiting = tokio::spawn(async move { second.lock(&www, Duration::from_secs(60)).await.map(drop) });
    drop(held);
    waiting.await.unwrap().unwrap();
}

#[test]
fn records_are_noted_for_each_certificate() {
    let (_folder, store) = open();
    let (www, other) = (Label::parse("www").unwrap(), Label::parse("other").unwrap());
    let mut record = StoredRecord {
        certificate: "www".into(),
        provider: "p".into(),
        name: "_acme-challenge.a.test".into(),
        value: "v".into(),
        id: None,
    };
    store.keep_record(&record).unwrap();
    record.id = Some("7".into());
    store.keep_record(&record).unwrap();
    assert_eq!(store.records(&www).unwrap(), [record.clone()]);
    assert!(store.records(&other).unwrap().is_empty());
    store.forget_record(&record).unwrap();
    assert!(store.records(&www).unwrap().is_empty());
}
