//! What a reload changes beside the data path: logs, admin API, workers, state directory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use crate::gateway::{Gateway, free, origin, text, until, yumen};

/// A configuration with the parts that these tests change.
fn config(origin: std::net::SocketAddr, admin: &str, access: &str, rest: &str) -> String {
    format!(
        "admin: {admin}\nlog: {{ access: {access} }}\n{rest}\n\
         listeners: {{ web: {{ bind: \"{{listen}}\" }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{origin}\"] }} }}\n"
    )
}

const ADMIN: &str = "{ listen: \"{admin}\" }";
const STATE: &str = "state_dir: \"{folder}/state\"";

/// What the system has to talk to its own processes: a Unix socket, or a named pipe.
fn local(folder: &Path) -> String {
    let name = folder.file_name().unwrap().to_string_lossy();
    if cfg!(windows) {
        format!("pipe:yumen-test-{name}")
    } else {
        format!("unix:{}", folder.join("admin.sock").display())
    }
}

fn reload(gateway: &Gateway) -> String {
    let output = gateway.command("reload");
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

fn paths_in(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let path = |line: &str| Some(line.split_once("\"path\":\"")?.1.split_once('"')?.0.to_owned());
    text.lines().filter_map(path).collect()
}

#[test]
fn access_log_moves_to_another_file_and_no_line_is_lost() {
    let origin = origin("one");
    let to = |name: &str| format!("{{ output: \"{{folder}}/{name}\", rotate: {{ size: 4KiB, keep: 1000 }} }}");
    let mut gateway = Gateway::start_whole(&config(origin, ADMIN, &to("a.log"), STATE), &[]);
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                let n = asked.fetch_add(1, Relaxed);
                assert!(gateway.curl(&[], &format!("/{n}")).ends_with("one"));
            }
        });
        for name in ["b.log", "c.log", "a.log", "b.log"] {
            let before = asked.load(Relaxed);
            until("requests", || (asked.load(Relaxed) > before + 8).then_some(()));
            gateway.write_file("yumen.yaml", &config(origin, ADMIN, &to(name), STATE));
            reload(&gateway);
        }
        over.store(true, Relaxed);
    });
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), Some(0));
    let files = std::fs::read_dir(gateway.folder.path()).unwrap().map(|e| e.unwrap().path());
    let logs: Vec<_> = files.filter(|f| f.extension().is_some_and(|e| e == "log")).collect();
    assert!(logs.len() > 3, "files were not rotated: {logs:?}");
    let mut seen: Vec<usize> =
        logs.iter().flat_map(|f| paths_in(f)).map(|p| p.trim_start_matches('/').parse().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..asked.load(Relaxed)).collect::<Vec<_>>());
}

#[test]
fn access_log_that_cannot_be_opened_refuses_the_reload_and_changes_nothing() {
    let origin = origin("one");
    let gateway = Gateway::start_whole(&config(origin, ADMIN, "off", STATE), &[]);
    let bad = "{ output: \"{folder}/none/a.log\" }";
    let moved = format!("{{ listen: \"{}\" }}", free());
    gateway.write_file("yumen.yaml", &config(origin, &moved, bad, "state_dir: \"{folder}/other\""));
    let status = until("the refusal", || {
        let shown = text(&yumen(&["status", "--admin", &gateway.admin.to_string()]));
        shown.contains("REFUSED").then_some(shown)
    });
    assert!(status.contains("none/a.log") && status.contains("generation 1"), "{status}");
    assert!(gateway.curl(&[], "/").ends_with("one"));
}

#[test]
fn admin_moves_to_another_address_and_a_local_socket_and_off() {
    let origin = origin("one");
    let mut gateway = Gateway::start_whole(&config(origin, ADMIN, "off", STATE), &[]);
    let (old, file) = (gateway.admin, gateway.file());
    // Who asks for the reload over the address that goes away still gets the answer.
    gateway.admin = free();
    let wanted = config(origin, ADMIN, "off", STATE);
    std::fs::write(&file, "listners: {}").unwrap();
    until("the refusal", || text(&yumen(&["status", "--admin", &old.to_string()])).contains("REFUSED").then_some(()));
    gateway.write_file("next.yaml", &wanted);
    let token = gateway.folder.path().join("state/admin-token");
    std::fs::rename(gateway.folder.path().join("next.yaml"), &file).unwrap();
    let asked = yumen(&["reload", "--admin", &old.to_string(), "--token-file", &token.to_string_lossy()]);
    // The watcher may have been faster, and then nobody answers there any more; but nothing is refused.
    assert!(!text(&asked).contains("refused;") && !text(&asked).contains("token"), "{}", text(&asked));
    until("the new address", || gateway.command("status").status.success().then_some(()));
    until("the old address to close", || TcpStream::connect(old).is_err().then_some(()));

    let local = local(gateway.folder.path());
    gateway.write_file("yumen.yaml", &config(origin, &format!("{{ listen: \"{local}\" }}"), "off", STATE));
    until("the socket", || gateway.command("status").status.success().then_some(()));
    assert!(reload(&gateway).contains("in force"));

    gateway.write_file("yumen.yaml", &config(origin, "off", "off", STATE));
    until("the socket to go", || (!yumen(&["status", "--admin", &local]).status.success()).then_some(()));
    assert!(!gateway.folder.path().join("admin.sock").exists());
    assert!(gateway.curl(&[], "/").ends_with("one"));
}

#[test]
fn another_token_file_counts_at_once() {
    let origin = origin("one");
    let gateway = Gateway::start_whole(&config(origin, ADMIN, "off", STATE), &[]);
    let old = std::fs::read_to_string(gateway.folder.path().join("state/admin-token")).unwrap();
    gateway.write_file("yumen.yaml", &config(origin, ADMIN, "off", "state_dir: \"{folder}/elsewhere\""));
    let fresh = gateway.folder.path().join("elsewhere/admin-token");
    until("the new token", || gateway.command("reload").status.success().then_some(()));
    assert_ne!(std::fs::read_to_string(&fresh).unwrap(), old);
    assert!(gateway.folder.path().join("elsewhere/last-good.json").exists());
}

#[test]
fn workers_come_and_go_and_no_connection_is_cut() {
    let origin = origin("one");
    let workers = |n: usize| {
        let text = config(origin, ADMIN, "off", &format!("{STATE}\nruntime: {{ workers: {n} }}"));
        text.replace("\"{listen}\" }", "\"{listen}\", timeouts: { head: 5m } }")
    };
    let gateway = Gateway::start_whole(&workers(2), &[]);
    // A connection at rest may be closed with its worker; one whose request has begun may not.
    let mut kept = TcpStream::connect(gateway.listen).unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    for n in [4, 1, 3] {
        gateway.write_file("yumen.yaml", &workers(n));
        let shown = until("the workers", || {
            let status = text(&gateway.command("status"));
            status.contains(&format!("workers        {n},")).then_some(status)
        });
        assert!(shown.contains("running"), "{shown}");
        for _ in 0..10 {
            assert!(gateway.curl(&[], "/").ends_with("one"));
        }
    }
    kept.write_all(b"Host: h\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    kept.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("one"), "{answer}");
}

#[test]
fn config_shows_all_that_is_in_force_and_no_secret() {
    let mut gateway = Gateway::start(
        "listeners: { web: { bind: \"{listen}\" } }\n\
         routes: { all: { upstream: up, middlewares: [{ headers: { request: { set: { X-Given: \"a ${SECRET_WORD:-plain}\", \
         Authorization: open-sesame } } } }] } }\n\
         upstreams: { up: { endpoints: [\"127.0.0.1:9\"] } }\n",
    );
    let shown = |gateway: &Gateway| {
        let url = format!("http://{}/config", gateway.admin);
        text(&std::process::Command::new("curl").args(["-s", &url]).output().unwrap())
    };
    let config = shown(&gateway);
    for part in ["\"panic_threshold\": \"50%\"", "\"handshake\": \"10s\"", "\"drain_timeout\": \"30s\""] {
        assert!(config.contains(part), "{part} in {config}");
    }
    assert!(!config.contains("open-sesame"), "{config}");
    gateway.signal("KILL");
    gateway.ended();
    gateway.run_with("SECRET_WORD", "abracadabra");
    let config = shown(&gateway);
    assert!(config.contains("***") && !config.contains("abracadabra"), "{config}");
}

#[test]
fn metrics_count_what_upstreams_and_endpoints_do() {
    let gateway = Gateway::start_whole(&config(origin("one"), ADMIN, "off", STATE), &[]);
    for _ in 0..3 {
        assert!(gateway.curl(&[], "/").ends_with("one"));
    }
    let url = format!("http://{}/metrics", gateway.admin);
    let page = || text(&std::process::Command::new("curl").args(["-s", &url]).output().unwrap());
    let page = until("connections at rest", || {
        Some(page())
            .filter(|p| p.lines().any(|l| l.starts_with("yumen_upstream_idle_connections") && !l.ends_with(" 0")))
    });
    for line in [
        "yumen_upstream_requests_total{upstream=\"up\",class=\"2xx\"} 3",
        "yumen_upstream_head_duration_seconds_count{upstream=\"up\"} 3",
        "yumen_upstream_active_connections{upstream=\"up\"} 0",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
}
