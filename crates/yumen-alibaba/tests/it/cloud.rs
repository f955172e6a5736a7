//! Starts the cloud of `tests/cloud` and makes clients of it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use yumen_alibaba::credential::{Credentials, Surroundings};
use yumen_alibaba::transport::{Endpoint, HttpTransport, Outgoing, Timeouts, Transport};
use yumen_alibaba::{AccessKey, Client, Clock, Draft, Retry, Setup};

pub struct Cloud {
    child: Child,
    pub endpoint: Endpoint,
    pub transport: Arc<HttpTransport>,
}

impl Cloud {
    /// A cloud with two keys: `ak`, which lasts, and `sts`, which comes with a token.
    pub async fn start() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cloud");
        let mut child = Command::new("python3")
            .args(["-B", folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("python3 does not start: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{}", line.trim())).unwrap();
        let cloud = Self { child, endpoint, transport: Arc::new(HttpTransport::new().unwrap()) };
        cloud
            .set(json!({"keys": {
                "ak": {"secret": "ak-secret"},
                "sts": {"secret": "sts-secret", "token": "t/+ =*~"},
            }}))
            .await;
        cloud
    }

    async fn ask(&self, what: &str, value: Option<Value>) -> Value {
        let method = if value.is_some() { "POST" } else { "GET" };
        let (path, query) = what.split_once('?').unwrap_or((what, ""));
        let mut draft = Draft::new(method, self.endpoint.authority.clone(), format!("/_cloud/{path}"));
        if !query.is_empty() {
            draft.query.push((query.to_owned(), String::new()));
        }
        draft.body = value.map(|value| value.to_string().into()).unwrap_or_default();
        let outgoing = Outgoing { endpoint: self.endpoint.clone(), draft, timeouts: Timeouts::default() };
        let answer = self.transport.send(outgoing).await.unwrap();
        assert_eq!(answer.status, 200, "{what}");
        serde_json::from_slice(&answer.body).unwrap()
    }

    pub async fn set(&self, value: Value) {
        self.ask("set", Some(value)).await;
    }

    pub async fn fault(&self, value: Value) {
        self.ask("fault", Some(value)).await;
    }

    pub async fn value(&self, name: &str) -> Value {
        self.ask(&format!("get?{name}"), None).await
    }

    /// The operations that were asked for, with how they ended; an empty text is success.
    pub async fn log(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let log = self.value("log").await;
        log.as_array().unwrap().iter().map(|line| (text(&line["action"]), text(&line["outcome"]))).collect()
    }

    pub fn setup(&self, key: AccessKey) -> Setup {
        let clock = Clock::default();
        self.setup_with(Credentials::new(key, clock.clone()), clock)
    }

    /// All products at this cloud, and short pauses.
    pub fn setup_with(&self, credentials: Credentials, clock: Clock) -> Setup {
        let mut setup = Setup::new("cn-hangzhou", self.transport.clone(), credentials, clock);
        let products =
            ["alidns", "ecs", "slb", "alb", "nlb", "vpc", "ga", "cas", "kms", "sts", "tag", "cms", "cs", "oss", "sls"];
        setup.endpoints = products.map(|name| (name.to_owned(), self.endpoint.clone())).into();
        let short = Duration::from_millis(5);
        setup.retry = Retry { pause: short, throttled: short, busy: short, longest: short * 4, ..Retry::default() };
        setup
    }

    pub fn client(&self) -> Client {
        Client::new(self.setup(AccessKey::new("ak", "ak-secret")))
    }

    /// Surroundings in which the metadata service and STS are those of this cloud.
    pub fn surroundings(&self, clock: Clock) -> Surroundings {
        let mut surroundings = Surroundings::new(self.transport.clone(), clock);
        surroundings.metadata = self.endpoint.clone();
        surroundings.sts = Some(self.endpoint.clone());
        surroundings
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // It ends with its input; without that, by force.
        drop(self.child.stdin.take());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn the_vendors_libraries_take_the_cloud_of_the_tests_for_the_real_one() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cloud/sdk.py");
    let output = Command::new("python3").args(["-B", script]).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) && std::env::var_os("CI").is_none() {
        eprintln!("not judged: {text}");
        return;
    }
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("as the vendor's library expects it").count(), 7, "{text}");
}
