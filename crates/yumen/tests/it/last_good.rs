//! Starting with a configuration that is broken.

use std::net::TcpStream;
use std::path::PathBuf;

use crate::gateway::{Gateway, PROGRAM, origin, text, until};

const MAIN: &str = "include: conf.d/*.yaml\nadmin: { listen: \"{admin}\" }\nstate_dir: \"{folder}/state\"\n\
                    log: { access: { output: off } }\nlisteners: { web: { bind: \"{listen}\" } }\n\
                    routes: { all: { upstream: up, middlewares: [auth] } }\n\
                    middlewares: { auth: { basic_auth: { users: [\"${file:users}\"] } } }\n";
/// `ann` with the password `secret`.
const USERS: &str = "ann:$2y$05$PZrQaUjUwRxh7qJvHiIdZupvPDM7lwmUvUJYAd5BZTRmZDCoZuQWu\n";

/// A gateway that has run on a good file, and has ended.
fn ran() -> Gateway {
    let upstream = format!("upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n", origin("one"));
    let mut gateway = Gateway::start_whole(MAIN, &[("conf.d/up.yaml", &upstream), ("users", USERS)]);
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), Some(0));
    gateway
}

fn says_so(gateway: &Gateway) {
    until("the loud word", || gateway.said().contains("RUNNING THE LAST GOOD CONFIGURATION").then_some(()));
}

fn copy(gateway: &Gateway) -> PathBuf {
    gateway.folder.path().join("state/last-good.json")
}

#[test]
fn broken_include_is_replaced_by_the_last_good_copy_until_it_is_mended() {
    let mut gateway = ran();
    let include = gateway.folder.path().join("conf.d/up.yaml");
    let good = std::fs::read_to_string(&include).unwrap();
    std::fs::write(&include, "upstreams: { up: [\n").unwrap();
    gateway.run();
    says_so(&gateway);
    assert!(gateway.said().contains("up.yaml"), "{}", gateway.said());
    assert!(gateway.curl(&[], "/").starts_with("HTTP/1.1 401"));
    let status = text(&crate::gateway::yumen(&["status", "--admin", &gateway.admin.to_string()]));
    assert!(status.contains("last good copy") && status.contains("REFUSED"), "{status}");
    std::fs::write(&include, good).unwrap();
    until("the mended file", || {
        let status = text(&gateway.command("status"));
        (!status.contains("last good") && !status.contains("REFUSED")).then_some(())
    });
}

#[test]
fn broken_main_file_is_replaced_by_the_last_good_copy_and_includes_with_it() {
    let mut gateway = ran();
    std::fs::remove_dir_all(gateway.folder.path().join("conf.d")).unwrap();
    gateway.write_file("yumen.yaml", "listners: [\nstate_dir: \"{folder}/state\"\n");
    gateway.run();
    says_so(&gateway);
    assert!(gateway.curl(&[], "/").starts_with("HTTP/1.1 401"));
}

#[test]
fn last_good_copy_is_for_its_owner_only_and_holds_references_instead_of_secrets() {
    let gateway = ran();
    let kept = std::fs::read_to_string(copy(&gateway)).unwrap();
    assert!(kept.contains("${file:users}") && !kept.contains("PZrQaUjUwRxh7q"), "{kept}");
    assert_eq!(yumen_net::os::exposure(&copy(&gateway)).unwrap(), None);
}

#[test]
fn broken_file_without_a_copy_does_not_start_and_says_why() {
    let mut gateway = ran();
    std::fs::remove_file(copy(&gateway)).unwrap();
    gateway.write_file("conf.d/up.yaml", "upstreams: { up: { endponts: [] } }\n");
    gateway.child.wait().unwrap();
    let output = std::process::Command::new(PROGRAM).args(["run", "-c"]).arg(gateway.file()).output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("up.yaml:1:20") && said.contains("endpoints") && said.contains("last good"), "{said}");
    assert!(TcpStream::connect(gateway.listen).is_err());
}
