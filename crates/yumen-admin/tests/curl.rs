//! The admin API as curl, and a browser misused by a foreign page, would meet it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::Semaphore;
use yumen_admin::{AdminClient, AdminError, AdminServer, ClientError, Listen, Token};
use yumen_core::{Control, ExplainRequest, Pending};

/// A gateway that answers as it is told.
struct Fake {
    is_ready: AtomicBool,
    is_broken: AtomicBool,
    reloads: AtomicUsize,
    /// A reload waits for one of these.
    leave: Semaphore,
    begun: Semaphore,
}

impl Control for Fake {
    fn status(&self) -> Value {
        json!({ "generation": 3 })
    }

    fn config(&self) -> Value {
        json!({ "listeners": [], "password": "***" })
    }

    fn reload(&self) -> Pending<'_, Result<Value, Value>> {
        Box::pin(async {
            self.begun.add_permits(1);
            self.leave.acquire().await.unwrap().forget();
            self.reloads.fetch_add(1, Ordering::SeqCst);
            if self.is_broken.load(Ordering::SeqCst) {
                return Err(json!([{ "line": 7, "message": "unknown key" }]));
            }
            Ok(json!({ "generation": 4 }))
        })
    }

    fn renew<'a>(&'a self, certificate: &'a str, now: bool) -> Pending<'a, Result<Value, String>> {
        Box::pin(async move {
            match certificate {
                "www" => Ok(json!({"name": certificate, "is_new": now})),
                other => Err(format!("there is no certificate `{other}`")),
            }
        })
    }

    fn upgrade(&self) -> Pending<'_, Result<Value, String>> {
        Box::pin(async {
            if self.is_broken.load(Ordering::SeqCst) {
                return Err("the new process ended without a word".to_owned());
            }
            Ok(json!({ "process": 7 }))
        })
    }

    fn explain(&self, request: &ExplainRequest) -> Result<Value, String> {
        match request.url.as_str() {
            "" => Err("the URL is empty".to_owned()),
            "panic" => panic!("asked to"),
            url => Ok(json!({ "method": request.method, "url": url, "fields": request.fields })),
        }
    }

    fn metrics(&self) -> String {
        "# HELP a b\n".to_owned()
    }

    fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::SeqCst)
    }
}

/// A running admin API with everything around it.
struct Stage {
    server: AdminServer,
    fake: Arc<Fake>,
    token: Token,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn tcp() -> Self {
        Self::on(|_| Listen::Tcp("127.0.0.1:0".parse().unwrap())).await
    }

    async fn on(listen: impl FnOnce(PathBuf) -> Listen) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fake = Arc::new(Fake {
            is_ready: AtomicBool::new(true),
            is_broken: AtomicBool::new(false),
            reloads: AtomicUsize::new(0),
            leave: Semaphore::new(1000),
            begun: Semaphore::new(0),
        });
        let token = Token::open(&folder.path().join("token")).unwrap();
        let listen = listen(folder.path().join("admin.sock"));
        let server = AdminServer::start(&listen, token.clone(), Arc::<Fake>::clone(&fake)).await.unwrap();
        Self { server, fake, token, folder }
    }

    fn port(&self) -> u16 {
        let Listen::Tcp(address) = self.server.listen() else { panic!("not TCP") };
        address.port()
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port())
    }

    fn bearer(&self) -> String {
        let token = std::fs::read_to_string(self.folder.path().join("token")).unwrap();
        format!("Authorization: Bearer {token}")
    }

    fn client(&self) -> AdminClient {
        AdminClient::new(self.server.listen().clone(), Some(self.token.clone()))
    }

    /// curl for a path of this API.
    async fn curl(&self, path: &str, arguments: &[&str]) -> Reply {
        curl(&[&[self.url(path).as_str()], arguments].concat()).await
    }

    fn reloads(&self) -> usize {
        self.fake.reloads.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Status and reason code of a refusal, which is complete.
    fn refusal(&self) -> (u16, String) {
        let body = self.json();
        assert!(!body["error"].as_str().unwrap().is_empty() && !body["help"].as_str().unwrap().is_empty());
        (self.status, body["reason"].as_str().unwrap().to_owned())
    }

    fn has(&self, field: &str) -> bool {
        self.head.lines().any(|line| line.eq_ignore_ascii_case(field))
    }
}

async fn curl(arguments: &[&str]) -> Reply {
    let output = Command::new("curl")
        .args(["-q", "-s", "-S", "-i", "--max-time", "20", "--noproxy", "*"])
        .args(arguments)
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut text = String::from_utf8(output.stdout).unwrap();
    loop {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status != 100 {
            return Reply { status, head: head.to_owned(), body: body.to_owned() };
        }
        text = body.to_owned();
    }
}

fn is(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

#[tokio::test]
async fn every_path_answers_with_its_document_and_guards() {
    let stage = Stage::tcp().await;
    for (path, kind, content) in [
        ("/", "text/plain; charset=utf-8", "GET  /status"),
        ("/status", "application/json", "\"generation\": 3"),
        ("/config", "application/json", "\"password\": \"***\""),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "# HELP a b\n"),
        ("/healthz", "application/json", "true"),
        ("/readyz?verbose", "application/json", "true"),
    ] {
        let reply = stage.curl(path, &[]).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.body.contains(content), "{path}: {}", reply.body);
        assert!(reply.has(&format!("content-type: {kind}")), "{}", reply.head);
        assert!(reply.has("x-content-type-options: nosniff") && reply.has("cache-control: no-store"));
        assert!(!reply.head.to_ascii_lowercase().contains("access-control"));
    }
    let head = stage.curl("/status", &["--head"]).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn readiness_is_503_while_traffic_is_not_welcome() {
    let stage = Stage::tcp().await;
    stage.fake.is_ready.store(false, Ordering::SeqCst);
    assert_eq!(stage.curl("/readyz", &[]).await.status, 503);
    assert_eq!(stage.curl("/healthz", &[]).await.status, 200);
    assert!(!stage.client().is_ready().await.unwrap());
}

#[tokio::test]
async fn name_of_a_foreign_site_that_points_here_is_refused() {
    let stage = Stage::tcp().await;
    let rebound = format!("http://evil.example:{}/status", stage.port());
    let resolve = format!("evil.example:{}:127.0.0.1", stage.port());
    assert_eq!(curl(&[&rebound, "--resolve", &resolve]).await.refusal(), is(403, "host_not_local"));
    for host in ["Host: evil.example", "Host: localhost", "Host: 127.0.0.1:1", "Host;", "Host:"] {
        assert_eq!(stage.curl("/status", &["-H", host]).await.refusal(), is(403, "host_not_local"), "{host}");
    }
    let good = format!("Host: localhost:{}", stage.port());
    assert_eq!(stage.curl("/status", &["-H", &good]).await.status, 200);
}

#[tokio::test]
async fn request_of_a_foreign_page_is_refused_even_with_the_token() {
    let stage = Stage::tcp().await;
    let bearer = stage.bearer();
    for (field, reason) in [
        ("Origin: http://evil.example", "origin_not_local"),
        ("Origin: null", "origin_not_local"),
        ("Origin: http://localhost:3000", "origin_not_local"),
        ("Sec-Fetch-Site: cross-site", "cross_site"),
        ("Sec-Fetch-Site: same-site", "cross_site"),
    ] {
        let reply = stage.curl("/reload", &["-X", "POST", "-H", &bearer, "-H", field]).await;
        assert_eq!(reply.refusal(), is(403, reason), "{field}");
        assert_eq!(stage.curl("/config", &["-H", field]).await.refusal(), is(403, reason), "{field}");
    }
    let preflight = ["-X", "OPTIONS", "-H", "Origin: http://evil.example", "-H", "Access-Control-Request-Method: POST"];
    let reply = stage.curl("/reload", &preflight).await;
    assert_eq!(reply.refusal(), is(403, "origin_not_local"));
    assert!(!reply.head.to_ascii_lowercase().contains("access-control"));
    let own = format!("Origin: {}", stage.url(""));
    assert_eq!(stage.curl("/status", &["-H", &own, "-H", "Sec-Fetch-Site: same-origin"]).await.status, 200);
    assert_eq!(stage.reloads(), 0);
}

#[tokio::test]
async fn reload_needs_the_token() {
    let stage = Stage::tcp().await;
    assert_eq!(stage.curl("/reload", &["-X", "POST"]).await.refusal(), is(401, "token_missing"));
    let (right, zeros) = (stage.bearer(), format!("Authorization: Bearer {}", "0".repeat(64)));
    let (longer, basic) = (format!("{right}0"), right.replace("Bearer", "Basic"));
    for wrong in [zeros.as_str(), "Authorization: Bearer ", "Authorization: x", &longer, &basic] {
        let reply = stage.curl("/reload", &["-X", "POST", "-H", wrong]).await;
        assert_eq!(reply.refusal(), is(401, "token_wrong"), "{wrong}");
        assert!(reply.has("www-authenticate: Bearer"));
    }
    let twice = stage.curl("/reload", &["-X", "POST", "-H", &right, "-H", &right]).await;
    assert_eq!(twice.refusal(), is(401, "token_missing"));
    assert_eq!(stage.reloads(), 0);
    let reply = stage.curl("/reload", &["-X", "POST", "-H", &right]).await;
    assert_eq!((reply.status, reply.json(), stage.reloads()), (200, json!({ "generation": 4 }), 1));
}

#[tokio::test]
async fn content_must_be_json_and_small() {
    let stage = Stage::tcp().await;
    let bearer = stage.bearer();
    let form = stage.curl("/reload", &["-H", &bearer, "-d", "a=b"]).await;
    assert_eq!(form.refusal(), is(415, "not_json"));
    let json = ["-H", &bearer, "-H", "Content-Type: application/json; charset=utf-8", "-d", "{}"];
    assert_eq!(stage.curl("/reload", &json).await.status, 200);
    let plain = ["-H", "Content-Type: text/plain", "-d", r#"{"url":"http://a/"}"#];
    assert_eq!(stage.curl("/explain", &plain).await.refusal(), is(415, "not_json"));

    let big = stage.folder.path().join("big");
    std::fs::write(&big, format!("{{\"url\":\"{}\"}}", "x".repeat(64 * 1024))).unwrap();
    let data = format!("@{}", big.display());
    for more in [&["-H", "Expect:"][..], &["-H", "Transfer-Encoding: chunked", "-H", "Expect:"]] {
        let arguments = [&["-H", "Content-Type: application/json", "--data-binary", &data], more].concat();
        assert_eq!(stage.curl("/explain", &arguments).await.refusal(), is(413, "content_too_large"));
    }
}

#[tokio::test]
async fn wrong_method_names_the_right_one() {
    let stage = Stage::tcp().await;
    for (path, method, allow) in [
        ("/status", "POST", "GET, HEAD"),
        ("/", "DELETE", "GET, HEAD"),
        ("/metrics", "OPTIONS", "GET, HEAD"),
        ("/reload", "GET", "POST"),
        ("/explain", "PUT", "POST"),
    ] {
        let reply = stage.curl(path, &["-X", method]).await;
        assert_eq!(reply.refusal(), is(405, "method_not_allowed"), "{method} {path}");
        assert!(reply.has(&format!("allow: {allow}")), "{}", reply.head);
    }
}

#[tokio::test]
async fn only_exact_paths_are_served() {
    let stage = Stage::tcp().await;
    for path in ["/status/", "//status", "/Status", "/statusx", "/%73tatus", "/x/../status", "/reload/x"] {
        let reply = stage.curl(path, &["--path-as-is"]).await;
        assert_eq!(reply.refusal(), is(404, "no_such_path"), "{path}");
    }
}

#[tokio::test]
async fn old_http_is_served_and_checked_alike() {
    let stage = Stage::tcp().await;
    assert_eq!(stage.curl("/status", &["--http1.0"]).await.status, 200);
    let reply = stage.curl("/status", &["--http1.0", "-H", "Host:"]).await;
    assert_eq!(reply.refusal(), is(403, "host_not_local"));
}

#[tokio::test]
async fn explain_answers_questions_and_says_what_is_wrong_with_them() {
    let stage = Stage::tcp().await;
    let ask = async |body: &str| stage.curl("/explain", &["-H", "Content-Type: application/json", "-d", body]).await;
    let reply = ask(r#"{"url":"https://a/b","fields":[["k","v"]]}"#).await;
    assert_eq!(reply.json(), json!({ "method": "GET", "url": "https://a/b", "fields": [["k", "v"]] }));
    for (body, part) in [
        ("{", "EOF"),
        ("{}", "missing field `url`"),
        (r#"{"url":"x","uri":1}"#, "unknown field `uri`"),
        (r#"{"url":""}"#, "empty"),
    ] {
        let reply = ask(body).await;
        assert_eq!(reply.refusal(), is(400, "question_invalid"), "{body}");
        assert!(reply.json()["error"].as_str().unwrap().contains(part), "{}", reply.body);
    }
    assert_eq!(stage.curl("/explain", &["-X", "POST"]).await.refusal(), is(400, "question_invalid"));
    assert_eq!(ask(r#"{"url":"panic"}"#).await.refusal(), is(500, "internal"));
    assert_eq!(stage.curl("/status", &[]).await.status, 200, "a defect in one answer does not end the desk");
}

#[tokio::test]
async fn client_asks_everything_the_commands_need() {
    let stage = Stage::tcp().await;
    let client = stage.client();
    assert_eq!(client.status().await.unwrap()["generation"], 3);
    assert_eq!(client.config().await.unwrap()["password"], "***");
    assert_eq!(client.metrics().await.unwrap(), "# HELP a b\n");
    assert_eq!(client.reload().await.unwrap()["generation"], 4);
    let question = ExplainRequest { url: "http://x/".into(), ..ExplainRequest::default() };
    assert_eq!(client.explain(&question).await.unwrap()["method"], "GET");

    let refused = AdminClient::new(stage.server.listen().clone(), None).reload().await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused { status: 401, .. }));
    assert!(refused.to_string().contains("carries no token; send Authorization"), "{refused}");
}

#[tokio::test]
async fn refused_configuration_comes_with_its_diagnostics() {
    let stage = Stage::tcp().await;
    stage.fake.is_broken.store(true, Ordering::SeqCst);
    let Err(ClientError::Refused { status: 422, document }) = stage.client().reload().await else { panic!("not 422") };
    assert_eq!((&document["reason"], &document["diagnostics"][0]["line"]), (&"config_refused".into(), &7.into()));
}

#[tokio::test]
async fn reload_goes_on_when_its_client_leaves() {
    let stage = Stage::tcp().await;
    let all = u32::try_from(stage.fake.leave.available_permits()).unwrap();
    let held = stage.fake.leave.acquire_many(all).await.unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", stage.port())).await.unwrap();
    let head = format!("POST /reload HTTP/1.1\r\nHost: localhost:{}\r\n{}\r\n\r\n", stage.port(), stage.bearer());
    client.write_all(head.as_bytes()).await.unwrap();
    stage.fake.begun.acquire().await.unwrap().forget();
    drop(client);
    // The server has noticed that the client left once it serves others and stops without waiting for it.
    assert_eq!(stage.curl("/status", &[]).await.status, 200);
    drop(held);
    let again = stage.client().reload().await.unwrap();
    assert_eq!((again, stage.reloads()), (json!({ "generation": 4 }), 2));
}

#[tokio::test]
async fn stop_closes_idle_connections_and_finishes_answers() {
    let stage = Stage::tcp().await;
    let port = stage.port();
    let mut idle = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let all = u32::try_from(stage.fake.leave.available_permits()).unwrap();
    let fake = Arc::clone(&stage.fake);
    let held = fake.leave.acquire_many(all).await.unwrap();
    let client = stage.client();
    let reload = tokio::spawn(async move { client.reload().await });
    stage.fake.begun.acquire().await.unwrap().forget();
    let stopping = tokio::spawn(stage.server.stop());
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    drop(held);
    assert_eq!(reload.await.unwrap().unwrap(), json!({ "generation": 4 }));
    stopping.await.unwrap();
    let gone = TcpStream::connect(("127.0.0.1", port)).await;
    assert!(gone.is_err());
}

#[tokio::test]
async fn address_that_others_reach_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let token = Token::open(&folder.path().join("token")).unwrap();
    let stage = Stage::tcp().await;
    let start = async |address: String| {
        let control = Arc::<Fake>::clone(&stage.fake);
        AdminServer::start(&Listen::Tcp(address.parse().unwrap()), token.clone(), control).await.err().unwrap()
    };
    assert!(matches!(start("0.0.0.0:0".to_owned()).await, AdminError::NotLoopback(_)));
    let taken = start(format!("127.0.0.1:{}", stage.port())).await.to_string();
    assert!(taken.starts_with("cannot listen for the admin API on http://127.0.0.1:"), "{taken}");
}

#[tokio::test]
async fn nobody_there_is_said_plainly() {
    let stage = Stage::tcp().await;
    let client = stage.client();
    stage.server.stop().await;
    let error = client.status().await.unwrap_err().to_string();
    assert!(error.starts_with("cannot reach the admin API at http://127.0.0.1:"), "{error}");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::PermissionsExt;

    use yumen_admin::TokenError;

    use super::*;

    #[tokio::test]
    async fn socket_is_for_its_owner_and_goes_with_the_server() {
        let stage = Stage::on(Listen::Unix).await;
        let path = stage.folder.path().join("admin.sock");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let socket = path.to_str().unwrap();
        let reply = curl(&["--unix-socket", socket, "http://localhost/status"]).await;
        assert_eq!(reply.json()["generation"], 3);
        let origin = ["--unix-socket", socket, "http://localhost/status", "-H", "Origin: http://localhost"];
        assert_eq!(curl(&origin).await.refusal(), is(403, "origin_not_local"));
        let reload = ["--unix-socket", socket, "http://localhost/reload", "-X", "POST"];
        assert_eq!(curl(&reload).await.refusal(), is(401, "token_missing"));
        assert_eq!(stage.client().reload().await.unwrap()["generation"], 4);
        stage.server.stop().await;
        assert!(!path.exists());
    }

    #[test]
    fn token_file_is_private_and_one_that_is_not_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        Token::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let error = Token::open(&path).unwrap_err();
        assert!(matches!(error, TokenError::Exposed(_)));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}

#[cfg(windows)]
mod windows {
    use super::*;

    fn pipe() -> Listen {
        Listen::Pipe(format!(r"\\.\pipe\yumen-admin-test-{}", std::process::id()))
    }

    #[tokio::test]
    async fn named_pipe_answers_many_and_goes_with_the_server() {
        let stage = Stage::on(|_| pipe()).await;
        for _ in 0..20 {
            assert_eq!(stage.client().status().await.unwrap()["generation"], 3);
        }
        assert_eq!(stage.client().reload().await.unwrap()["generation"], 4);
        let nobody = AdminClient::new(stage.server.listen().clone(), None);
        assert!(matches!(nobody.reload().await.unwrap_err(), ClientError::Refused { status: 401, .. }));
        let client = stage.client();
        stage.server.stop().await;
        assert!(matches!(client.status().await.unwrap_err(), ClientError::Unreachable { .. }));
    }

    #[tokio::test]
    async fn pipe_that_another_process_has_is_refused() {
        let stage = Stage::on(|_| pipe()).await;
        let second = AdminServer::start(&pipe(), stage.token.clone(), Arc::<Fake>::clone(&stage.fake)).await;
        assert!(second.is_err_and(|e| e.to_string().contains("another process answers there")));
    }
}
