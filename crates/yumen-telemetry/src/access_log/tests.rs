#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use proptest::prelude::*;
use serde_json::Value;
use yumen_core::{Conn, Error, Exchange, Met, Method, Observer, Reason, Side, Stage, TlsFacts};

use super::*;

const NEVER: Rotation = Rotation { size: 0, age: Duration::ZERO, keep: 0 };

struct Deaf;

impl Observer for Deaf {
    fn finished(&self, _: &Exchange) {}
}

struct Web;

impl Met for Web {
    fn name(&self) -> &str {
        "web"
    }
}

fn conn(tls: Option<TlsFacts>) -> Conn {
    let address: SocketAddr = "10.1.2.3:4444".parse().unwrap();
    Conn { id: 7, peer: address, local: address, listener: Arc::new(Web), generation: 3, proxied: None, tls }
}

fn exchange(path: &str) -> Exchange {
    let mut ex = Exchange::new(Rc::new(conn(None)), Instant::now(), Rc::new(Deaf));
    ex.method = Some(Method::Get);
    ex.asked(b"example.com", path.as_bytes());
    ex.status = 200;
    ex.timings.total = Duration::from_micros(1234);
    ex
}

fn failure(detail: &str) -> Error {
    Error::new(Side::Upstream, Stage::Connect, Reason::new("connect_refused")).detail(detail)
}

/// Something met that is nothing but its name.
struct Name(String);

impl Name {
    fn of(text: &str) -> Arc<dyn Met> {
        Arc::new(Self(text.to_owned()))
    }
}

impl Met for Name {
    fn name(&self) -> &str {
        &self.0
    }
}

fn full(text: &str) -> Exchange {
    let tls = TlsFacts { sni: Some(text.into()), version: "TLSv1.3", ..TlsFacts::default() };
    let mut ex = Exchange::new(Rc::new(conn(Some(tls))), Instant::now(), Rc::new(Deaf));
    ex.method = Some(Method::Other(text.into()));
    ex.asked(text.as_bytes(), text.as_bytes());
    ex.status = 502;
    ex.route = Some(Name::of(text));
    ex.upstream = Some(Name::of(text));
    ex.endpoint = Some(Name::of(text));
    ex.attempts = 2;
    ex.request_id = Some(text.into());
    ex.trace_id = Some(*b"4bf92f3577b34da6a3ce929d0e0e4736");
    ex.user = Some(text.into());
    ex.bytes_in = 1;
    ex.bytes_out = u64::MAX;
    ex.timings.connect = Some(Duration::from_nanos(1_500));
    ex.timings.head = Some(Duration::from_millis(20));
    ex.failed(&failure(text));
    ex
}

fn json_of(ex: &Exchange) -> String {
    let mut out = Vec::new();
    json::write(&mut out, &record::Record::from(ex), &mut crate::civil::WallClock::new());
    String::from_utf8(out).unwrap()
}

/// Takes what the writer writes, piece by piece; the writer stands still while nobody takes.
struct Taken(SyncSender<Vec<u8>>);

impl Write for Taken {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log_to(stream: impl Write + Send + 'static) -> AccessLog {
    let settings = Settings { output: Output::Stdout, format: Format::Json, rotation: NEVER };
    AccessLog::start_with(settings, Sink::Stream(Box::new(stream))).unwrap()
}

fn stalled() -> (AccessLog, Receiver<Vec<u8>>) {
    let (sender, receiver) = sync_channel(0);
    (log_to(Taken(sender)), receiver)
}

fn lines_in(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().map(|e| fs::read_to_string(e.unwrap().path()).unwrap().lines().count()).sum()
}

#[test]
fn keys_stand_in_their_order() {
    let parsed: Value = serde_json::from_str(&json_of(&full("x"))).unwrap();
    let keys: Vec<&str> = parsed.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "ts listener client method host path protocol status route upstream endpoint attempts duration_ms \
                    connect_ms head_ms bytes_in bytes_out request_id trace_id tls sni user conn generation side stage \
                    reason detail";
    assert_eq!(keys, expected.split(' ').collect::<Vec<_>>());
    assert_eq!((&parsed["connect_ms"], &parsed["head_ms"]), (&0.001.into(), &20.0.into()));
    assert_eq!(parsed["bytes_out"], u64::MAX);
}

#[test]
fn call_of_grpc_has_its_status_and_what_was_said_with_it() {
    let mut ex = exchange("/pkg.Service/Get");
    let rpc = Rc::new(yumen_core::Rpc::default());
    rpc.note(5, "no \"x\"\u{1b}");
    rpc.note(13, "a later status does not count");
    ex.rpc = Some(rpc);
    let line: Value = serde_json::from_str(&json_of(&ex)).unwrap();
    assert_eq!((&line["grpc_status"], &line["grpc_message"]), (&5.into(), &"no \"x\"\u{1b}".into()));
    let mut out = Vec::new();
    text::write(&mut out, &record::Record::from(&ex), &mut crate::civil::WallClock::new(), false);
    let line = String::from_utf8(out).unwrap();
    assert!(line.contains(" 200 grpc=NOT_FOUND (no \\\"x\\\"\\u001b) "), "{line}");
}

#[test]
fn absent_values_are_left_out() {
    let mut ex = Exchange::new(Rc::new(conn(None)), Instant::now(), Rc::new(Deaf));
    ex.timings.total = Duration::from_micros(1_234);
    let line = json_of(&ex);
    let rest = line.split_once(",\"listener\"").unwrap().1;
    assert_eq!(
        rest,
        ":\"web\",\"client\":\"10.1.2.3\",\"protocol\":\"HTTP/1.1\",\"duration_ms\":1.234,\"bytes_in\":0,\
         \"bytes_out\":0,\"conn\":7,\"generation\":3}\n"
    );
}

#[test]
fn stream_is_one_line_with_the_name_it_was_passed_on_by() {
    let conn = conn(None);
    let mut ex = exchange("/");
    ex.failed(&failure("10.0.0.1:80"));
    let stream = StreamRecord {
        datagrams: None,
        conn: &conn,
        protocol: "tcp",
        route: None,
        upstream: Some("db"),
        endpoint: Some("10.0.0.1:5432"),
        attempts: 1,
        sni: Some("db.example"),
        started: Instant::now(),
        duration: Duration::from_secs(2),
        connect: None,
        bytes_in: 5,
        bytes_out: 6,
        failure: ex.failure.as_ref(),
    };
    let mut out = Vec::new();
    let mut clock = crate::civil::WallClock::new();
    json::write(&mut out, &record::Record::from(&stream), &mut clock);
    let line: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&line["protocol"], &line["sni"]), (&"tcp".into(), &"db.example".into()));
    assert_eq!((&line["duration_ms"], &line["reason"]), (&2000.0.into(), &"connect_refused".into()));
    out.clear();
    text::write(&mut out, &record::Record::from(&stream), &mut clock, false);
    let line = String::from_utf8(out).unwrap();
    assert!(line.ends_with(
        " web 10.1.2.3 \"tcp db.example\" > db/10.0.0.1:5432 2000.000ms in=5 out=6 connect_refused \
         (upstream/connect): 10.0.0.1:80\n"
    ));
}

#[test]
fn text_line_reads_well_and_has_no_colours_unless_asked() {
    let mut ex = exchange("/a \"b\"");
    ex.route = Some(Name::of("api"));
    let mut out = Vec::new();
    let mut clock = crate::civil::WallClock::new();
    text::write(&mut out, &record::Record::from(&ex), &mut clock, false);
    let line = String::from_utf8(out.clone()).unwrap();
    assert!(
        line.ends_with("Z web 10.1.2.3 \"GET example.com/a \\\"b\\\" HTTP/1.1\" 200 api 1.234ms in=0 out=0\n"),
        "{line}"
    );
    out.clear();
    text::write(&mut out, &record::Record::from(&ex), &mut clock, true);
    assert!(out.windows(5).any(|w| w == b"\x1b[32m"));
}

fn hostile() -> impl Strategy<Value = String> {
    let nasty = prop_oneof![
        Just('"'),
        Just('\\'),
        Just('\n'),
        Just('\u{0}'),
        Just('\u{1b}'),
        Just('\u{7f}'),
        Just('\u{9b}'),
        Just('\u{2028}'),
        any::<char>(),
    ];
    proptest::collection::vec(nasty, 1..60).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #[test]
    fn every_line_is_json_that_says_what_was_meant(text in hostile()) {
        let line = json_of(&full(&text));
        let body = line.strip_suffix('\n').unwrap();
        prop_assert!(!body.chars().any(char::is_control));
        let parsed: Value = serde_json::from_str(body).unwrap();
        for key in ["method", "host", "path", "route", "upstream", "endpoint", "request_id", "sni", "user", "detail"] {
            prop_assert_eq!(parsed[key].as_str().unwrap(), &text);
        }
    }

    #[test]
    fn text_line_is_one_line_without_control_characters(text in hostile()) {
        let mut out = Vec::new();
        let ex = full(&text);
        text::write(&mut out, &record::Record::from(&ex), &mut crate::civil::WallClock::new(), false);
        let line = String::from_utf8(out).unwrap();
        prop_assert!(!line.strip_suffix('\n').unwrap().chars().any(char::is_control));
    }
}

#[test]
fn lines_of_all_workers_arrive() {
    let (sender, receiver) = sync_channel(1024);
    let log = log_to(Taken(sender));
    std::thread::scope(|scope| {
        for shard in 0..4 {
            let log = &log;
            scope.spawn(move || {
                let worker = log.worker(shard);
                for n in 0..1000 {
                    worker.write(&exchange(&format!("/{shard}/{n}")));
                }
            });
        }
    });
    log.close();
    drop(log);
    let text: Vec<u8> = receiver.into_iter().flatten().collect();
    let mut paths: Vec<String> = String::from_utf8(text)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["path"].as_str().unwrap().to_owned())
        .collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), 4000);
}

#[test]
fn lines_that_a_stalled_writer_cannot_take_are_counted_and_nobody_waits() {
    let (log, receiver) = stalled();
    let worker = log.worker(0);
    let total = WAITING as u64 + 50;
    for _ in 0..total {
        worker.write(&exchange("/"));
        worker.flush();
    }
    // One buffer may be in the writer's hands besides those that wait.
    let dropped = log.dropped();
    assert!((49..=50).contains(&dropped), "{dropped}");
    drop(worker);
    let reader = std::thread::spawn(move || receiver.into_iter().flatten().filter(|b| *b == b'\n').count() as u64);
    log.close();
    drop(log);
    assert_eq!(reader.join().unwrap(), total - dropped);
}

#[test]
fn lines_handed_over_after_the_close_count_as_dropped() {
    let (sender, receiver) = sync_channel(8);
    let log = log_to(Taken(sender));
    let worker = log.worker(0);
    log.close();
    worker.write(&exchange("/late"));
    worker.flush();
    assert_eq!(log.dropped(), 1);
    assert_eq!(receiver.try_iter().count(), 0);
}

/// Fails after some bytes, as a full disk does, until it is told otherwise.
struct FullDisk {
    room: usize,
    out: SyncSender<Vec<u8>>,
}

impl Write for FullDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            self.room = usize::MAX;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let n = bytes.len().min(self.room);
        self.room -= n;
        self.out.send(bytes[..n].to_vec()).map_err(io::Error::other)?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn line_torn_by_a_full_disk_does_not_spoil_the_next_one() {
    let (out, receiver) = sync_channel(64);
    let log = log_to(FullDisk { room: 10, out });
    let worker = log.worker(0);
    for path in ["/lost", "/kept"] {
        worker.write(&exchange(path));
        worker.flush();
    }
    drop(worker);
    log.close();
    assert_eq!(log.dropped(), 1);
    drop(log);
    let text: Vec<u8> = receiver.into_iter().flatten().collect();
    let last = String::from_utf8(text).unwrap();
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!(last["path"], "/kept");
}

#[test]
fn file_is_put_aside_by_size_while_a_reader_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let rotation = Rotation { size: 400, age: Duration::ZERO, keep: 0 };
    let log = AccessLog::start(Output::File(path.clone()), Format::Json, rotation).unwrap();
    let mut reader = File::open(&path).unwrap();
    let worker = log.worker(0);
    for n in 0..10 {
        worker.write(&exchange(&format!("/{n}")));
        worker.flush();
    }
    drop(worker);
    log.close();
    assert_eq!((log.dropped(), lines_in(folder.path())), (0, 10));
    let sizes: Vec<u64> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).collect();
    assert!(sizes.len() >= 4 && sizes.iter().all(|s| *s <= 400), "{sizes:?}");
    let mut held = String::new();
    reader.read_to_string(&mut held).unwrap();
    assert!(held.contains("\"/0\"") && held.ends_with("}\n"), "the reader keeps the file it opened, whole");
}

#[test]
fn only_the_newest_files_are_kept_and_foreign_ones_are_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["access-notes.log", "access-2020-01-01T00-00-00.0001.log.gz", "access-2020-01-01T00-00-00.0001.log"] {
        fs::write(folder.path().join(name), "x\n").unwrap();
    }
    let rotation = Rotation { size: 1, age: Duration::ZERO, keep: 2 };
    let path = folder.path().join("access.log");
    let log = AccessLog::start(Output::File(path), Format::Json, rotation).unwrap();
    let worker = log.worker(0);
    for n in 0..5 {
        worker.write(&exchange(&format!("/{n}")));
        worker.flush();
    }
    drop(worker);
    log.close();
    let mut names: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(names.contains(&"access-notes.log".to_owned()));
    assert!(names.contains(&"access-2020-01-01T00-00-00.0001.log.gz".to_owned()));
    assert!(!names.contains(&"access-2020-01-01T00-00-00.0001.log".to_owned()), "the oldest went");
}

#[test]
fn old_file_is_put_aside_by_age() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let rotation = Rotation { size: 0, age: Duration::from_nanos(1), keep: 0 };
    fs::write(&path, "before\n").unwrap();
    let log = AccessLog::start(Output::File(path.clone()), Format::Json, rotation).unwrap();
    let worker = log.worker(0);
    worker.write(&exchange("/new"));
    drop(worker);
    log.close();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    assert!(!fs::read_to_string(&path).unwrap().contains("before"));
}

#[test]
fn rotation_that_fails_goes_on_in_the_present_file() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation { size: 1, age: Duration::ZERO, keep: 0 };
    // With the time behind it the name is longer than any file system takes.
    let path = folder.path().join("a".repeat(245) + ".log");
    let mut file = RotatingFile::open(&path, rotation).unwrap();
    let mut reader = File::open(&path).unwrap();
    assert_eq!(file.write(b"one\n").unwrap(), 4);
    assert!(file.rotate_if_due(4).concat().contains("it goes on in the present file"));
    assert_eq!(file.write(b"two\n").unwrap(), 4);
    let mut held = String::new();
    reader.read_to_string(&mut held).unwrap();
    assert_eq!(held, "one\ntwo\n");
}

#[test]
fn reload_moves_on_to_another_file_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.log"), folder.path().join("b.log"));
    let log = AccessLog::start(Output::File(first.clone()), Format::Json, NEVER).unwrap();
    let bad = log.reconfigure(Output::File(folder.path().join("none/x.log")), Format::Text, NEVER);
    assert!(bad.unwrap_err().to_string().contains("the directory must exist"));
    let worker = log.worker(0);
    worker.write(&exchange("/first"));
    worker.flush();
    log.reconfigure(Output::File(second.clone()), Format::Text, NEVER).unwrap();
    worker.write(&exchange("/second"));
    drop(worker);
    log.close();
    let both = fs::read_to_string(first).unwrap() + &fs::read_to_string(&second).unwrap();
    assert!(both.contains("\"/first\""));
    assert!(fs::read_to_string(second).unwrap().contains("GET example.com/second HTTP/1.1"));
}

#[test]
fn file_moved_away_is_made_anew_on_reopen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = AccessLog::start(Output::File(path.clone()), Format::Json, NEVER).unwrap();
    fs::rename(&path, folder.path().join("moved")).unwrap();
    log.reopen().unwrap();
    let worker = log.worker(0);
    worker.write(&exchange("/x"));
    drop(worker);
    log.close();
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
}

#[test]
fn log_that_is_off_formats_nothing_and_loses_nothing() {
    let log = AccessLog::start(Output::Off, Format::Json, NEVER).unwrap();
    let worker = log.worker(2);
    worker.write(&exchange("/"));
    worker.flush();
    assert_eq!((worker.is_on(), worker.shard(), log.dropped()), (false, 2, 0));
    log.close();
}

#[test]
fn lines_from_before_the_log_was_turned_off_are_still_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let log = AccessLog::start(Output::File(file.clone()), Format::Json, NEVER).unwrap();
    let worker = log.worker(0);
    worker.write(&exchange("/before"));
    log.reconfigure(Output::Off, Format::Json, NEVER).unwrap();
    worker.write(&exchange("/after"));
    worker.flush();
    drop(worker);
    log.close();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("/before") && !text.contains("/after"), "{text}");
    assert_eq!(log.dropped(), 0);
}

#[test]
fn change_that_is_only_prepared_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.log"), folder.path().join("two.log"));
    let log = AccessLog::start(Output::File(one.clone()), Format::Json, NEVER).unwrap();
    let worker = log.worker(0);
    assert!(log.prepare(Output::File(two.clone()), Format::Json, NEVER).unwrap().is_one());
    assert!(!log.prepare(Output::File(one.clone()), Format::Json, NEVER).unwrap().is_one());
    worker.write(&exchange("/x"));
    drop(worker);
    log.close();
    assert_eq!((fs::read_to_string(&one).unwrap().lines().count(), fs::read(&two).unwrap().len()), (1, 0));
}

/// A tap that keeps what it is given.
#[derive(Default)]
struct Bucket(Mutex<(Vec<u8>, u64)>);

impl Tap for Bucket {
    fn take(&self, lines: &[u8], count: u64) {
        let mut kept = lock(&self.0);
        kept.0.extend_from_slice(lines);
        kept.1 += count;
    }
}

#[test]
fn a_tap_gets_json_whatever_the_log_looks_like_until_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let log = AccessLog::start(Output::Off, Format::Text, NEVER).unwrap();
    let worker = log.worker(0);
    worker.write(&exchange("/nobody"));
    let bucket = Arc::new(Bucket::default());
    let tapped = log.taps().tap(Arc::clone(&bucket) as _);
    assert!(worker.is_on());
    worker.write(&exchange("/off"));
    worker.flush();
    for (path, format) in [("/text", Format::Text), ("/json", Format::Json)] {
        log.reconfigure(Output::File(file.clone()), format, NEVER).unwrap();
        worker.write(&exchange(path));
        worker.flush();
    }
    drop(tapped);
    worker.write(&exchange("/after"));
    worker.flush();
    log.close();
    let (bytes, count) = std::mem::take(&mut *lock(&bucket.0));
    let paths: Vec<Value> = String::from_utf8(bytes)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["path"].clone())
        .collect();
    assert_eq!((paths, count), (vec!["/off".into(), "/text".into(), "/json".into()], 3));
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(written.lines().count(), 3, "{written}");
}
