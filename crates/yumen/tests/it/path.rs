//! Paths of any length, and those that lead away from this machine.

use crate::authority::Authority;
use crate::ends::{Client, Origin};
use crate::gateway::{slashed, text, yumen};
use crate::site::Site;

#[test]
fn paths_to_other_machines_and_devices_are_refused_before_they_are_opened() {
    for away in [r"\\127.0.0.1\share\yumen.yaml", r"\\?\UNC\127.0.0.1\share\yumen.yaml", r"\\.\C:\yumen.yaml"] {
        for words in [
            ["run", "-c"].as_slice(),
            &["check", "-c"],
            &["status", "-c"],
            &["reload", "--token-file"],
            &["diff", "yumen.yaml"],
            &["man"],
            &["service", "install", "-c"],
            &["service", "run", "-c"],
        ] {
            let output = yumen(&[words, &[away]].concat());
            let said = text(&output);
            let is_told = said.contains("on another machine") || said.contains("a device, not a file");
            assert_eq!((output.status.code(), is_told), (Some(2), true), "{words:?} {away}: {said}");
        }
        let output = yumen(&["status", "--admin", &format!("unix:{away}")]);
        assert!(!output.status.success() && text(&output).contains(away), "{}", text(&output));
    }
}

#[test]
fn paths_longer_than_260_characters_are_used_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let deep = ["a-folder-with-a-name-of-sixty-characters-which-is-rather-long"; 5].join("/");
    let path = folder.path().join(&deep);
    assert!(path.as_os_str().len() > 300);
    std::fs::create_dir_all(path.join("conf.d")).unwrap();
    Authority::new(&path).issue("one", "one", &["one.test"]);
    let origin = Origin::named("hello");
    std::fs::write(
        path.join("conf.d/up.yaml"),
        format!("upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n", origin.addr),
    )
    .unwrap();
    let config = format!(
        "include: \"{deep}/conf.d/*.yaml\"\nstate_dir: \"{deep}/state\"\n\
         log: {{ access: {{ output: \"{deep}/access.log\" }} }}\n\
         listeners:\n  web: {{ bind: \"127.0.0.1:0\" }}\n  \
           tls: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: {{ cert: \"{deep}/one.pem\", key: \"{deep}/one.key\" }} }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n"
    );
    let site = Site::start_in(folder, &config);
    assert_eq!(Client::connect(site.addr("web")).get("/").body, "hello");
    site.change(&config.replace("upstream: up }", "upstream: up, match: { path: /x } }"));
    assert_eq!(Client::connect(site.addr("web")).get("/x").body, "hello");
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap_or_default();
    crate::gateway::until("the access log", || read("access.log").contains("\"/x\"").then_some(()));
    assert!(read("state/last-good.json").contains("conf.d"), "{}", site.log());
    assert_eq!(yumen_net::os::exposure(&path.join("state/admin-token")).unwrap(), None);
    // The main file itself, and a command that names it.
    let main = path.join("main.yaml");
    std::fs::write(
        &main,
        "include: conf.d/*.yaml\nlisteners: { web: { bind: \":1\" } }\nroutes: { all: { upstream: up } }\n",
    )
    .unwrap();
    let checked = yumen(&["check", "-c", &slashed(&main)]);
    assert!(checked.status.success() && text(&checked).contains("valid"), "{}", text(&checked));
}
