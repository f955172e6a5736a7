//! Starting, changing and stopping.

use std::process::Command;

use crate::gateway::{Gateway, origin, text, until, yumen};

fn config(origin: std::net::SocketAddr, extra: &str) -> String {
    format!(
        "listeners: {{ web: {{ bind: \"{{listen}}\" }} }}\n\
         routes: {{ all: {{ upstream: up{extra} }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{origin}\"] }} }}\n"
    )
}

#[test]
fn edited_file_goes_live_and_a_broken_one_changes_nothing() {
    let (one, two) = (origin("one"), origin("two"));
    let gateway = Gateway::start(&config(one, ""));
    assert!(gateway.curl(&[], "/").ends_with("one"));
    gateway.write(&config(two, ""));
    until("the new upstream", || gateway.curl(&[], "/").ends_with("two").then_some(()));
    gateway.write("listners: {}\n");
    let reload = gateway.command("reload");
    assert_eq!(reload.status.code(), Some(1), "{}", text(&reload));
    assert!(text(&reload).contains("listners"), "{}", text(&reload));
    assert!(gateway.curl(&[], "/").ends_with("two"));
}

#[test]
fn status_and_live_explain_tell_what_runs() {
    let gateway = Gateway::start(&config(origin("one"), ", match: { methods: [GET] }"));
    let status = text(&gateway.command("status"));
    assert!(status.contains("running") && status.contains("generation 1"), "{status}");
    let file = gateway.file();
    let url = format!("http://{}/x", gateway.listen);
    let explained = text(&yumen(&["explain", "-c", &file.to_string_lossy(), "--live", "POST", &url]));
    assert!(explained.contains("method POST is not one of GET"), "{explained}");
    assert!(gateway.curl(&["-X", "POST"], "/x").contains("reason: no_route"));
}

#[test]
fn check_names_every_mistake_with_its_place_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.yaml");
    std::fs::write(
        &file,
        "listeners:\n  web: { bind: \"127.0.0.1:1\", adress: 1 }\nroutes:\n  a: { upstream: nowhere }\n",
    )
    .unwrap();
    let output = yumen(&["check", "-c", &file.to_string_lossy()]);
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for part in ["bad.yaml:2:31", "`adress`", "bad.yaml:4:18", "`nowhere`", "help"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn check_tells_missing_files_at_the_place_that_names_them_unless_only_the_text_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tls.yaml");
    let text = "listeners:\n  web: { bind: \"127.0.0.1:1\", tls: { certificates: [{ cert: a.pem, key: a.key }] } }\n\
                routes:\n  a: { upstream: u }\nupstreams:\n  u: { endpoints: [\"127.0.0.1:2\"] }\n";
    std::fs::write(&file, text).unwrap();
    let path = file.to_string_lossy();
    let output = yumen(&["check", "-c", &path]);
    let shown = self::text(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for part in ["tls.yaml:2:61", "tls.yaml:2:73", "a.pem", "a.key", "2 errors"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert_eq!(yumen(&["check", "-c", &path, "--text-only"]).status.code(), Some(0));
    // What is refused here is refused at the start, in the same words.
    let run = yumen(&["run", "-c", &path]);
    assert_eq!(run.status.code(), Some(1));
    assert!(self::text(&run).contains("tls.yaml:2:61"), "{}", self::text(&run));
}

// Signals are how a unix system asks; a Windows service is asked by its manager.
#[test]
fn sigterm_ends_the_program_cleanly() {
    let mut gateway = Gateway::start(&config(origin("one"), ""));
    let pid = gateway.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = until("the end", || gateway.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

/// The names of the commands, as the help tells them.
fn commands() -> Vec<String> {
    let help = text(&yumen(&["--help"]));
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines.map_while(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn completions_of_every_shell_know_every_command() {
    let commands = commands();
    assert!(commands.iter().any(|name| name == "run"), "{commands:?}");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let output = yumen(&["completions", shell]);
        assert!(output.status.success(), "{shell}: {}", text(&output));
        let script = text(&output);
        for name in &commands {
            assert!(script.contains(name.as_str()), "{name} for {shell}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("share/man1");
    let output = yumen(&["man", &pages.to_string_lossy()]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(std::fs::read_to_string(pages.join("yumen.1")).unwrap().contains(".TH yumen 1"));
    for name in commands() {
        let page = pages.join(format!("yumen-{name}.1"));
        assert!(std::fs::read_to_string(&page).unwrap().contains(".SH DESCRIPTION"), "{}", page.display());
    }
}
