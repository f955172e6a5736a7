//! TLS to endpoints, with nginx as the one that is verified and that verifies.

use crate::authority::Authority;
use crate::ends::{Answer, Client};
use crate::gateway::text;
use crate::nginx::Nginx;
use crate::site::Site;

/// A folder with two authorities, and certificates of the first for `one.test`, `two.test` and the client `gateway`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    authority.issue("one", "one", &["one.test"]);
    authority.issue("two", "two", &["two.test"]);
    authority.issue("client", "gateway", &["gateway.test"]);
    Authority::called(folder.path(), "other");
    folder
}

/// nginx with a server for each of two names; the second one wants a certificate of the client.
const SERVERS: &str = "\
    server { listen {addr} ssl; server_name one.test; ssl_certificate one.pem; ssl_certificate_key one.key; \
             location / { return 200 \"one $ssl_server_name\"; } }\n\
    server { listen {addr} ssl; server_name two.test; ssl_certificate two.pem; ssl_certificate_key two.key; \
             ssl_client_certificate ca.pem; ssl_verify_client on; \
             location / { return 200 \"two $ssl_client_s_dn\"; } }\n";

/// A gateway over that nginx; `tls` is the upstream's section.
fn config(nginx: &Nginx, tls: &str) -> String {
    format!(
        "runtime: {{ workers: 1 }}\n\
         listeners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"https://{}\"], tls: {{ {tls} }} }} }}\n",
        nginx.addr
    )
}

/// A GET for a host: nginx answers by it, whatever the server name was.
fn get(site: &Site, host: &str) -> Answer {
    let mut client = Client::connect(site.addr("web"));
    client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    client.answer()
}

fn refused(site: &Site, part: &str) {
    let answer = get(site, "one.test");
    assert_eq!((answer.status, answer.body.contains("tls_to_endpoint_failed")), (502, true), "{part}: {answer:?}");
    let line = site.wait_access(|l| l["detail"].as_str().is_some_and(|d| d.contains(part)));
    assert_eq!((&line["reason"], &line["side"]), (&"tls_to_endpoint_failed".into(), &"upstream".into()), "{line}");
}

#[test]
fn endpoint_of_an_authority_that_the_system_does_not_know_is_refused() {
    let folder = folder();
    let nginx = Nginx::start(folder.path(), SERVERS);
    let site = Site::start_in(folder, &config(&nginx, "sni: one.test"));
    refused(&site, "authority");
}

#[test]
fn endpoint_is_verified_against_the_given_authority_and_name() {
    let folder = folder();
    let nginx = Nginx::start(folder.path(), SERVERS);
    let site = Site::start_in(folder, &config(&nginx, "sni: one.test, ca: ca.pem"));
    assert_eq!(get(&site, "one.test").body, "one one.test");
    for (tls, part) in [
        ("sni: one.test, ca: other.pem", "`tls.ca`"),
        ("sni: three.test, ca: ca.pem", "`tls.sni`"),
        ("ca: ca.pem", "127.0.0.1"),
    ] {
        site.change(&config(&nginx, tls));
        refused(&site, part);
    }
    site.change(&config(&nginx, "sni: three.test, verify: false"));
    assert_eq!(get(&site, "one.test").status, 200);
    site.wait_log("trusted");
}

#[test]
fn connection_made_under_other_tls_settings_is_not_used_again() {
    let folder = folder();
    let nginx = Nginx::start(folder.path(), SERVERS);
    let site = Site::start_in(folder, &config(&nginx, "sni: one.test, verify: false"));
    let mut client = Client::connect(site.addr("web"));
    let ask = |client: &mut Client| {
        client.send("GET / HTTP/1.1\r\nHost: one.test\r\n\r\n");
        client.answer()
    };
    assert_eq!(ask(&mut client).status, 200);
    // The pooled connection was never verified; now it would have to be.
    site.change(&config(&nginx, "sni: one.test, ca: other.pem"));
    assert_eq!(ask(&mut client).status, 502);
}

#[test]
fn certificate_is_shown_to_endpoints_that_want_one() {
    let folder = folder();
    let nginx = Nginx::start(folder.path(), SERVERS);
    let with = "sni: two.test, ca: ca.pem, cert: client.pem, key: client.key";
    let site = Site::start_in(folder, &config(&nginx, with));
    assert_eq!(get(&site, "two.test").body, "two CN=gateway");
    site.change(&config(&nginx, "sni: two.test, ca: ca.pem"));
    let without = get(&site, "two.test");
    assert_eq!(without.status, 400, "nginx says so: {without:?}");
}

#[test]
fn authority_that_changes_on_disk_counts_from_then_on() {
    let folder = folder();
    let nginx = Nginx::start(folder.path(), SERVERS);
    std::fs::copy(folder.path().join("other.pem"), folder.path().join("trusted.pem")).unwrap();
    let site = Site::start_in(folder, &config(&nginx, "sni: one.test, ca: trusted.pem"));
    assert_eq!(get(&site, "one.test").status, 502);
    std::fs::copy(site.folder().join("ca.pem"), site.folder().join("trusted.pem")).unwrap();
    crate::gateway::until("the new authority", || (get(&site, "one.test").status == 200).then_some(()));
    std::fs::copy(site.folder().join("other.pem"), site.folder().join("trusted.pem")).unwrap();
    crate::gateway::until("the old authority", || (get(&site, "one.test").status == 502).then_some(()));
}

#[test]
fn endpoint_without_tls_is_told_from_one_with_a_wrong_certificate() {
    let folder = folder();
    let plain = Nginx::start(folder.path(), "server { listen {addr}; return 200 \"plain\"; }");
    let site = Site::start_in(folder, &config(&plain, "sni: one.test, ca: ca.pem"));
    let answer = get(&site, "one.test");
    assert_eq!((answer.status, answer.body.contains("tls_to_endpoint_failed")), (502, true), "{answer:?}");
    let line = site.wait_access(|l| l["reason"] == "tls_to_endpoint_failed");
    assert!(line["detail"].as_str().is_some_and(|d| d.contains(&plain.addr.to_string())), "{line}");
    assert!(text(&site.command("status")).contains("running"));
}
