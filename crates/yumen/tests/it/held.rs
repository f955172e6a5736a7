//! Files that somebody else holds open while they are put aside, replaced or written.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, Stdio};

use crate::authority::Authority;
use crate::ends::{Client, Origin, get};
use crate::gateway::until;
use crate::site::Site;

fn config(origin: &Origin) -> String {
    format!(
        "log: {{ access: {{ output: \"{{folder}}/access.log\", rotate: {{ size: 4KiB, keep: 1000 }} }} }}\n\
         listeners:\n  web: {{ bind: \"127.0.0.1:0\" }}\n  \
           tls: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: {{ cert: one.pem, key: one.key }} }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n",
        origin.addr
    )
}

fn start(origin: &Origin) -> (Site, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("one", "one", &["one.test"]);
    (Site::start_in(folder, &config(origin)), authority)
}

/// How many lines all access logs have together, and how many files there are.
fn lines(site: &Site) -> (usize, usize) {
    let names = std::fs::read_dir(site.folder()).unwrap().map(|entry| entry.unwrap().path());
    let is_log = |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("access");
    let texts: Vec<String> =
        names.filter(is_log).map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect();
    (texts.iter().map(|text| text.lines().count()).sum(), texts.len())
}

#[test]
fn log_is_put_aside_while_a_reader_holds_it_and_the_reader_keeps_its_text() {
    let origin = Origin::named("hello");
    let (site, _authority) = start(&origin);
    let mut client = Client::connect(site.addr("web"));
    client.get("/first");
    site.wait_access(|line| line["path"] == "/first");
    let mut reader = File::open(site.folder().join("access.log")).unwrap();
    for _ in 0..200 {
        assert_eq!(client.get("/more").status, 200);
    }
    until("all lines", || (lines(&site).0 == 201).then_some(()));
    let (_, files) = lines(&site);
    assert!(files > 2, "{files} files");
    let mut kept = String::new();
    reader.rewind().unwrap();
    reader.read_to_string(&mut kept).unwrap();
    assert!(kept.lines().next().is_some_and(|line| line.contains("/first")), "{kept}");
}

// Elsewhere nobody can keep a file from being renamed.
#[cfg(windows)]
#[test]
fn log_that_somebody_holds_for_himself_goes_on_in_the_same_file_and_no_line_is_lost() {
    use std::os::windows::fs::OpenOptionsExt;
    let origin = Origin::named("hello");
    let (site, _authority) = start(&origin);
    let mut client = Client::connect(site.addr("web"));
    client.get("/first");
    site.wait_access(|line| line["path"] == "/first");
    // Others may read and write, but not rename.
    let held = File::options().read(true).share_mode(3).open(site.folder().join("access.log")).unwrap();
    for _ in 0..200 {
        assert_eq!(client.get("/more").status, 200);
    }
    until("all lines", || (lines(&site).0 == 201).then_some(()));
    assert_eq!(lines(&site).1, 1);
    site.wait_log("it goes on in the present file");
    drop(held);
}

/// Changes the configuration, then the certificate, while somebody has all files open from before; gives what he reads.
fn change_while_held(change: impl Fn(&Site, &Authority, &Origin)) {
    let (one, two) = (Origin::named("one"), Origin::named("two"));
    let (site, authority) = start(&one);
    let web = site.addr("web");
    assert_eq!(get(web, "/").body, "one");
    let held = ["yumen.yaml", "one.pem", "one.key"].map(|name| File::open(site.folder().join(name)).unwrap());
    let before = served(&site);
    change(&site, &authority, &two);
    until("the other origin", || (get(web, "/").body == "two").then_some(()));
    until("the new certificate", || (served(&site) != before).then_some(()));
    until("an end of refusals", || site.status()["last_refused"].is_null().then_some(()));
    for mut file in held {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert!(!text.is_empty());
    }
}

/// The certificate that clients see.
fn served(site: &Site) -> String {
    let at = site.addr("tls").to_string();
    let client = Command::new("openssl")
        .args(["s_client", "-connect", &at, "-servername", "one.test"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&client.stdout).into_owned();
    let begin = said.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("{said}"));
    let end = said.find("-----END CERTIFICATE-----").unwrap();
    said.get(begin..end).unwrap().to_owned()
}

#[test]
fn configuration_and_certificate_are_replaced_while_somebody_reads_them() {
    change_while_held(|site, authority, origin| {
        site.write(&config(origin));
        authority.issue("one", "renewed", &["one.test"]);
    });
}

#[test]
fn configuration_and_certificate_are_written_in_place_while_somebody_reads_them() {
    change_while_held(|site, _, origin| {
        let folder = tempfile::tempdir().unwrap();
        Authority::new(folder.path()).issue("one", "renewed", &["one.test"]);
        for name in ["one.key", "one.pem"] {
            std::fs::copy(folder.path().join(name), site.folder().join(name)).unwrap();
        }
        let text = std::fs::read_to_string(site.file()).unwrap();
        let (head, _) = text.split_once("upstreams:").unwrap();
        let text = format!("{head}upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n", origin.addr);
        std::fs::write(site.file(), text).unwrap();
    });
}
