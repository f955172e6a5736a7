//! Files change in many ways; each is seen.

use std::process::Command;

use crate::gateway::{Gateway, origin, text, until};

fn config(rest: &str) -> String {
    format!("listeners: {{ web: {{ bind: \"{{listen}}\" }} }}\nroutes: {{ all: {{ upstream: up }} }}\n{rest}")
}

fn up(name: &'static str) -> String {
    format!("upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n", origin(name))
}

fn serves(gateway: &Gateway, name: &str) {
    until(name, || gateway.curl(&[], "/").ends_with(name).then_some(()));
}

fn generation(gateway: &Gateway) -> u64 {
    let status = text(&gateway.command("status"));
    let number = status.split_once("generation ").and_then(|(_, rest)| rest.split_once(','));
    number.unwrap().0.parse().unwrap()
}

#[test]
fn file_replaced_by_rename_goes_live() {
    let gateway = Gateway::start(&config(&up("one")));
    serves(&gateway, "one");
    // As an editor does: the old one aside, the new one in its place.
    let file = gateway.file();
    let whole = std::fs::read_to_string(&file).unwrap();
    let (head, _) = whole.split_once("upstreams:").unwrap();
    std::fs::write(file.with_extension("new"), format!("{head}{}", up("two"))).unwrap();
    std::fs::rename(&file, file.with_extension("yaml~")).unwrap();
    std::fs::rename(file.with_extension("new"), &file).unwrap();
    serves(&gateway, "two");
}

#[test]
fn include_that_is_new_or_changed_or_gone_goes_live() {
    let main = config(&format!("include: conf.d/*.yaml\n{}", up("one")));
    let gateway = Gateway::start_beside(&main, &[("conf.d/ignored.txt", "")]);
    let route = |status: u16| {
        format!("routes: {{ more: {{ match: {{ path: /more }}, middlewares: [respond: {{ status: {status} }}] }} }}\n")
    };
    for status in [201, 202] {
        gateway.write_file("conf.d/more.yaml", &route(status));
        let wanted = format!("HTTP/1.1 {status}");
        until(&wanted, || gateway.curl(&[], "/more").starts_with(&wanted).then_some(()));
    }
    std::fs::remove_file(gateway.folder.path().join("conf.d/more.yaml")).unwrap();
    until("the route to go", || gateway.curl(&[], "/more").ends_with("one").then_some(()));
}

// Nothing swaps links like this on Windows, where making one takes a right that few have.
#[cfg(unix)]
#[test]
fn swapped_symlink_goes_live() {
    use std::os::unix::fs::symlink;
    use std::path::Path;
    let gateway = Gateway::start(&config(&up("one")));
    let folder = gateway.folder.path();
    let whole = std::fs::read_to_string(gateway.file()).unwrap();
    let (head, _) = whole.split_once("upstreams:").unwrap();
    // As Kubernetes lays out a ConfigMap: the name leads through `..data`, which is swapped as a whole.
    let lay = |version: &str, name: &'static str| {
        std::fs::create_dir(folder.join(version)).unwrap();
        std::fs::write(folder.join(version).join("yumen.yaml"), format!("{head}{}", up(name))).unwrap();
        symlink(version, folder.join("..tmp")).unwrap();
        std::fs::rename(folder.join("..tmp"), folder.join("..data")).unwrap();
    };
    lay("..2026_1", "two");
    symlink(Path::new("..data/yumen.yaml"), folder.join("link")).unwrap();
    std::fs::rename(folder.join("link"), gateway.file()).unwrap();
    serves(&gateway, "two");
    lay("..2026_2", "three");
    serves(&gateway, "three");
    // And the file behind the links is written in place.
    std::fs::write(folder.join("..2026_2/yumen.yaml"), format!("{head}{}", up("four"))).unwrap();
    serves(&gateway, "four");
}

#[test]
fn burst_of_changes_is_one_reload_or_few() {
    let gateway = Gateway::start(&config(&up("one")));
    for n in 0..200 {
        gateway.write(&config(&format!("# {n}\n{}", up("two"))));
    }
    gateway.write(&config(&up("last")));
    serves(&gateway, "last");
    assert!(generation(&gateway) < 50, "{}", generation(&gateway));
}

#[test]
fn missing_file_refuses_the_reload_with_its_place_until_it_is_there() {
    let gateway = Gateway::start(&config(&up("one")));
    let tls = "upstreams: { up: { endpoints: [\"https://127.0.0.1:9\"], tls: { ca: ca.pem } } }\n";
    gateway.write(&config(tls));
    let reload = text(&gateway.command("reload"));
    assert!(reload.contains("yumen.yaml:6:67") && reload.contains("ca.pem"), "{reload}");
    assert!(gateway.curl(&[], "/").ends_with("one"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=ca", "-keyout"])
        .arg(gateway.folder.path().join("ca.key"))
        .arg("-out")
        .arg(gateway.folder.path().join("ca.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made));
    until("the file to be seen", || gateway.curl(&[], "/").starts_with("HTTP/1.1 502").then_some(()));
}
