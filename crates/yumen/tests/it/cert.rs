//! `yumen cert` against Pebble, which is told to believe every proof: how names are proved is tested where it is done.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::authority::Authority;
use crate::gateway::{PROGRAM, text, until};
use crate::peers::tool::{Server, command};
use crate::site::Site;

fn pebble() -> Server {
    let folder = tempfile::tempdir().unwrap();
    Authority::new(folder.path()).issue("pebble", "pebble", &["127.0.0.1"]);
    Server::start(folder, |folder, addr| {
        let config = json!({"pebble": {
            "listenAddress": addr.to_string(), "managementListenAddress": "127.0.0.1:0",
            "certificate": folder.join("pebble.pem"), "privateKey": folder.join("pebble.key"),
            "httpPort": 1, "tlsPort": 1,
        }});
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
        let mut pebble = command("pebble", "pebble");
        pebble.arg("-config").arg(folder.join("config.json")).arg("-strict");
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_VA_ALWAYS_VALID", "1");
        pebble
    })
}

/// A name server that knows no name of example.com.
fn name_server() -> Server {
    Server::start(tempfile::tempdir().unwrap(), |_, addr| {
        let mut dnsmasq = command("dnsmasq", "dnsmasq-base");
        dnsmasq.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file="]);
        dnsmasq.args(["--bind-interfaces", "--listen-address=127.0.0.1", "--local=/example.com/"]);
        dnsmasq.arg(format!("--port={}", addr.port()));
        dnsmasq
    })
}

fn cert(words: &[&str]) -> Output {
    Command::new(PROGRAM).arg("cert").args(words).output().unwrap()
}

fn serial(site: &Site) -> String {
    let addr = site.addr("web").to_string();
    let arguments = ["s_client", "-connect", &addr, "-servername", "www.example.com"];
    let shown = command("openssl", "openssl").args(arguments).stdin(Stdio::null()).output().unwrap().stdout;
    std::fs::write(site.folder().join("shown.pem"), shown).unwrap();
    let mut read = command("openssl", "openssl");
    read.args(["x509", "-noout", "-serial", "-in"]).arg(site.folder().join("shown.pem"));
    text(&read.output().unwrap())
}

/// A program that writes down how it was called.
fn hook(folder: &Path) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("hook");
    std::fs::write(&path, format!("#!/bin/sh\necho \"$@\" >> '{}'\n", folder.join("calls").display())).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn certificate_is_obtained_once_shown_and_taken_by_a_listener_when_it_is_renewed() {
    let (pebble, names) = (pebble(), name_server());
    let folder = tempfile::tempdir().unwrap();
    let (state, hook) = (folder.path().join("state").to_str().unwrap().to_owned(), hook(folder.path()));
    let (directory, roots) = (format!("https://{}/dir", pebble.addr), pebble.folder.path().join("ca.pem"));
    let obtain = |more: &[&str]| {
        let resolver = names.addr.to_string();
        let usual = ["obtain", "--state", &state, "--directory", &directory, "--roots", roots.to_str().unwrap()];
        let dns = ["--dns", &hook, "--resolver", &resolver, "--delay", "0", "--contact", "me@example.com"];
        cert(&[&usual[..], &dns, more].concat())
    };
    let both = ["--label", "www", "*.example.com", "example.com"];
    let said = text(&obtain(&both));
    assert!(said.starts_with("www was obtained\n  for     *.example.com, example.com\n"), "{said}");
    let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap();
    for verb in ["present", "cleanup"] {
        assert_eq!(calls.matches(&format!("{verb} _acme-challenge.example.com ")).count(), 2, "{calls}");
    }
    let said = text(&obtain(&both));
    assert!(said.starts_with("www is good\n"), "{said}");
    let shown: Value = serde_json::from_slice(&cert(&["list", "--state", &state, "--format", "json"]).stdout).unwrap();
    assert_eq!(shown[0]["names"], json!(["*.example.com", "example.com"]));
    let file = shown[0]["file"].as_str().unwrap();

    let site = Site::start(&format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: [{{ cert: \"{file}\", key: \"{file}\" }}] }} }} }}\n\
         routes: {{ all: {{ middlewares: [{{ respond: {{ body: hello }} }}] }} }}\n"
    ));
    let first = serial(&site);
    assert!(first.starts_with("serial="), "{first}");
    let said = text(&obtain(&[&both[..], &["--now"]].concat()));
    assert!(said.starts_with("www was obtained"), "{said}");
    until("the new certificate", || (serial(&site) != first).then_some(()));

    for (names, expected) in [
        (&["nodots"][..], "`nodots` is no name that a certificate can be ordered for"),
        (&["--label", "a/b", "example.com"], "`a/b` cannot be the name of a certificate"),
        (&["b\u{fc}cher.example.com"], "digits, `-`, `_` and `.`, with --label"),
    ] {
        let refused = obtain(names);
        assert!(!refused.status.success() && text(&refused).contains(expected), "{}", text(&refused));
    }
    // To show what is there makes nothing.
    let nowhere = folder.path().join("nowhere");
    let refused = cert(&["list", "--state", nowhere.to_str().unwrap()]);
    assert!(text(&refused).contains("there is no folder") && !nowhere.exists(), "{}", text(&refused));
    let plain = ["obtain", "--state", &state, "--directory", "http://127.0.0.1:1/dir", "--dns", &hook, "example.com"];
    let refused = cert(&plain);
    assert!(text(&refused).contains("it begins with https://"), "{}", text(&refused));
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = text(&cert(&["obtain", "--state", file.to_str().unwrap(), "--dns", &hook, "example.com"]));
    assert_eq!(refused.matches("os error").count(), 1, "{refused}");
}
