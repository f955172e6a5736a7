//! The cloud of `yumen-alibaba`'s tests, which verifies signatures by itself.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use yumen_alibaba::api::dns::Dns;
use yumen_alibaba::transport::{Endpoint, HttpTransport, Outgoing, Timeouts, Transport as _};
use yumen_alibaba::{AccessKey, Client, Clock, Credentials, Draft, Retry, Setup};

/// A running cloud; it ends with its standard input.
pub(crate) struct Cloud {
    child: Child,
    endpoint: Endpoint,
    transport: Arc<HttpTransport>,
}

impl Cloud {
    pub(crate) async fn start(zones: Value) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../yumen-alibaba/tests/cloud");
        let mut command = Command::new("python3");
        let command = command.args(["-B", folder]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("python3 does not start: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{}", line.trim())).unwrap();
        let cloud = Self { child, endpoint, transport: Arc::new(HttpTransport::new().unwrap()) };
        let state = json!({"keys": {"ak": {"secret": "ak-secret"}}, "zones": zones});
        cloud.ask("set", "", Some(state)).await;
        cloud
    }

    async fn ask(&self, what: &str, query: &str, value: Option<Value>) -> Value {
        let method = if value.is_some() { "POST" } else { "GET" };
        let mut draft = Draft::new(method, self.endpoint.authority.clone(), format!("/_cloud/{what}"));
        if !query.is_empty() {
            draft.query.push((query.to_owned(), String::new()));
        }
        draft.body = value.map(|value| value.to_string().into()).unwrap_or_default();
        let outgoing = Outgoing { endpoint: self.endpoint.clone(), draft, timeouts: Timeouts::default() };
        let answer = self.transport.send(outgoing).await.unwrap();
        assert_eq!(answer.status, 200, "{what}");
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// The records as `name below the zone, zone, value, TTL`.
    pub(crate) async fn records(&self) -> Vec<(String, String, String, u64)> {
        let records = self.ask("get", "records", None).await;
        let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let records: BTreeMap<String, Value> = serde_json::from_value(records).unwrap();
        let fields = records.values().map(|record| {
            let ttl = record["TTL"].as_u64().unwrap_or_default();
            (text(record, "RR"), text(record, "DomainName"), text(record, "Value"), ttl)
        });
        fields.collect()
    }

    pub(crate) fn dns(&self) -> Dns {
        let (clock, key) = (Clock::default(), AccessKey::new("ak", "ak-secret"));
        let credentials = Credentials::new(key, clock.clone());
        let mut setup = Setup::new("cn-hangzhou", self.transport.clone(), credentials, clock);
        setup.endpoints = [("alidns".to_owned(), self.endpoint.clone())].into();
        let short = Duration::from_millis(5);
        setup.retry = Retry { pause: short, throttled: short, busy: short, longest: short * 4, ..Retry::default() };
        Dns::new(Client::new(setup))
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
