//! A client of HTTP/3 that nobody here wrote: aioquic, which a test installs into the target folder when it is missing.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::{config, site};
use crate::ends::{Manner, Origin};
use crate::gateway::{slashed, text, until};
use crate::site::Site;

/// Where this file and its companions stand.
fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/http3").join(name)
}

/// A python that has aioquic, in the releases of `aioquic.txt`: other releases are in other folders.
fn python() -> PathBuf {
    let wanted = std::fs::read_to_string(beside("aioquic.txt")).unwrap();
    let name = wanted.lines().next().unwrap().replace("==", "-");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (place, fresh) = (target.join(&name), target.join(format!("{name}.{}", std::process::id())));
    if !place.join("ready").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&fresh));
        let pip = ["-m", "pip", "--quiet", "--disable-pip-version-check", "install", "-r"];
        run(Command::new(fresh.join("bin/python")).args(pip).arg(beside("aioquic.txt")));
        std::fs::write(fresh.join("ready"), wanted).unwrap();
        // Whoever comes second has done it in vain.
        if std::fs::rename(&fresh, &place).is_err() {
            std::fs::remove_dir_all(&fresh).unwrap();
        }
    }
    place.join("bin/python")
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} (Debian's python3-venv, and a registry of Python): {}",
        text(&output)
    );
}

struct Judge {
    child: Child,
    orders: Option<ChildStdin>,
    said: BufReader<ChildStdout>,
}

impl Judge {
    fn start(site: &Site) -> Self {
        let mut command = Command::new(python());
        command.arg(slashed(&beside("judge.py"))).arg(site.addr("web").port().to_string());
        command.arg(site.folder().join("ca.pem")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (orders, said) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, orders, said }
    }

    fn does(&mut self, order: Value) -> Value {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{order}: {e}, said {line:?}"))
    }

    /// Many requests at once, all answered so.
    fn gets(&mut self, path: &str, count: usize, size: usize) {
        let said = self.does(json!(["get", path, count]));
        let answers = said["answers"].as_array().unwrap();
        assert_eq!(answers.len(), count);
        for answer in answers {
            assert_eq!((&answer["status"], &answer["size"]), (&200.into(), &size.into()), "{said}");
        }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        drop(self.orders.take());
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn aioquic_asks_much_at_once_through_reloads_and_from_another_address() {
    let origin = Origin::start(Manner::Says(200, "x".repeat(100_000)));
    let (site, _authority) = site(&origin, "{ retry: always, max_concurrent_streams: 20 }");
    let mut judge = Judge::start(&site);
    judge.does(json!(["connect"]));
    judge.gets("/many", 60, 100_000);
    let posted = judge.does(json!(["post", "/up", 3_000_000]));
    assert_eq!((&posted["status"], &posted["size"]), (&200.into(), &100_000.into()), "{posted}");
    let (head, body) = origin.requests().pop().unwrap();
    assert!(head.starts_with("POST /up HTTP/1.1\r\n") && body.len() == 3_000_000, "{head}");
    origin.set(Manner::Says(200, "after".into()));
    for round in 0..3 {
        site.change(&config(&origin, &format!("{{ initial_window: {}KiB }}", 100 + round), ""));
        judge.gets("/reloaded", 5, 5);
    }
    assert_eq!(judge.does(json!(["move"]))["moved"], true);
    judge.gets("/moved", 20, 5);
    assert_eq!(site.metric("yumen_listener_connections_total{listener=\"web\"}"), 1.0);
    judge.does(json!(["close"]));
    until("its end", || (site.metric("yumen_listener_active_connections{listener=\"web\"}") == 0.0).then_some(()));
}

#[test]
fn aioquic_resumes_and_asks_in_early_data() {
    let origin = Origin::named("hello");
    let (site, _authority) = site(&origin, "{ early_data: true }");
    let mut judge = Judge::start(&site);
    assert_eq!(judge.does(json!(["connect"]))["resumed"], false);
    judge.gets("/first", 1, 5);
    judge.does(json!(["close"]));
    let said = judge.does(json!(["early", "/early"]));
    assert_eq!((&said["status"], &said["size"], &said["early"]), (&200.into(), &5.into(), &true.into()), "{said}");
    judge.does(json!(["close"]));
    // Where it is off, sessions are resumed and early data is not promised.
    site.change(&config(&origin, "true", ""));
    for resumed in [false, true] {
        assert_eq!(judge.does(json!(["connect"]))["resumed"], resumed);
        judge.gets("/later", 1, 5);
        judge.does(json!(["close"]));
    }
    let said = judge.does(json!(["early", "/late"]));
    assert_eq!((&said["status"], &said["early"]), (&200.into(), &false.into()), "{said}");
}
