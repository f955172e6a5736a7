//! The cloud of the tests of `yumen-alibaba`, for whole programs.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::ends::Client;
use crate::gateway::slashed;

/// A running cloud with the key `ak` and the zone `example.com`; it ends with the test.
pub(crate) struct FakeCloud {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl FakeCloud {
    pub(crate) fn start() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../yumen-alibaba/tests/cloud");
        let mut python = Command::new("python3");
        python.args(["-B", &slashed(&folder)]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let cloud = Self { child, addr: SocketAddr::from(([127, 0, 0, 1], line.trim().parse().unwrap())) };
        let zone = json!({"DomainName": "example.com", "PunyCode": "example.com", "DomainId": "1"});
        let keys = json!({"ak": {"secret": "ak-secret"}});
        cloud.set(&json!({"keys": keys, "looks": 1, "zones": {"example.com": zone}}));
        cloud
    }

    /// The section of the configuration with an account of this cloud.
    pub(crate) fn account(&self) -> String {
        let products =
            ["alb", "alidns", "cas", "ecs", "ga", "kms", "metadata", "nlb", "oss", "slb", "sls", "sts", "vpc"];
        let endpoints: Vec<String> =
            products.iter().map(|product| format!("{product}: \"http://{}\"", self.addr)).collect();
        format!(
            "alibaba: {{ default: {{ region: cn-hangzhou, endpoints: {{ {} }}, \
             keys: {{ access_key_id: ak, access_key_secret: ak-secret }} }} }}\n",
            endpoints.join(", ")
        )
    }

    /// Sets what the cloud remembers.
    pub(crate) fn set(&self, value: &Value) {
        self.post("set", value);
    }

    /// Lets it fail.
    pub(crate) fn fault(&self, value: &Value) {
        self.post("fault", value);
    }

    fn post(&self, what: &str, value: &Value) {
        let body = value.to_string();
        let mut client = Client::connect(self.addr);
        client.ask("POST", &format!("/_cloud/{what}"), &format!("Content-Length: {}\r\n", body.len()));
        client.send(body);
        assert_eq!(client.answer().status, 200);
    }

    /// What the cloud remembers under a name.
    pub(crate) fn value(&self, name: &str) -> Value {
        self.ask(&format!("get?{name}="))
    }

    /// The operations that were asked for, with how they ended; an empty text is success.
    pub(crate) fn log(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let log = self.ask("log");
        log.as_array().unwrap().iter().map(|line| (text(&line["action"]), text(&line["outcome"]))).collect()
    }

    fn ask(&self, what: &str) -> Value {
        let mut client = Client::connect(self.addr);
        client.ask("GET", &format!("/_cloud/{what}"), "");
        let answer = client.answer();
        assert_eq!(answer.status, 200, "{what}");
        serde_json::from_str(&answer.body).unwrap()
    }
}

impl Drop for FakeCloud {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
