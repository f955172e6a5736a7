//! The log service: groups of logs are put into a store.
//!
//! A request is repeated when it is not known what became of it: a log that is there twice is better than one that is lost.

use std::time::Duration;

use serde::Deserialize;

use crate::Draft;
use crate::client::{Attempt, Client, Fault, Plan, Repeat};
use crate::error::Error;
use crate::product::SLS;
use crate::protobuf::{bytes_field, varint};
use crate::sign::{sls1, sls4};
use crate::transport::{Answer, Endpoint};

/// No request is larger before it is compressed. The service takes more, but does not say in one voice how much.
const LARGEST: usize = 3 << 20;

/// One log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// When it was written, since 1970.
    pub time: Duration,
    /// Its fields.
    pub contents: Vec<(String, String)>,
}

/// Logs of one origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogGroup {
    /// The logs.
    pub logs: Vec<Log>,
    /// What they are about.
    pub topic: String,
    /// Which machine wrote them.
    pub source: String,
    /// What holds of all of them.
    pub tags: Vec<(String, String)>,
}

impl LogGroup {
    /// The bodies of the requests that put these logs, as many as their size needs, not compressed.
    #[must_use]
    pub fn encode(&self) -> Vec<Vec<u8>> {
        split(self)
    }
}

/// A store in a project in the region of a client.
#[derive(Clone, Debug)]
pub struct LogStore {
    client: Client,
    project: String,
    store: String,
    is_v1: bool,
}

impl LogStore {
    /// A store; nothing is sent.
    pub fn new(client: Client, project: impl Into<String>, store: impl Into<String>) -> Self {
        Self { client, project: project.into(), store: store.into(), is_v1: false }
    }

    /// Signs as version 1 does, for regions that do not take version 4.
    #[must_use]
    pub fn with_v1(mut self) -> Self {
        self.is_v1 = true;
        self
    }

    /// Puts logs that were encoded before, by [`LogGroup::encode`].
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn put_encoded(&self, group: &[u8]) -> Result<(), Error> {
        self.send(group).await
    }

    /// Puts logs, in as many requests as their size needs. One log that the service does not take makes it refuse the
    /// whole request.
    ///
    /// # Errors
    /// Each of [`Error`]; what was put before the error stays.
    pub async fn put(&self, group: &LogGroup) -> Result<(), Error> {
        for body in split(group) {
            self.send(&body).await?;
        }
        Ok(())
    }

    async fn send(&self, raw: &[u8]) -> Result<(), Error> {
        let endpoint = match self.client.override_of(&SLS) {
            Some(endpoint) => endpoint.clone(),
            None => {
                let inner = self.client.network().map_or("", |_| "-intranet");
                Endpoint::https(format!("{}{inner}.log.aliyuncs.com", self.client.region())).with_label(&self.project)
            }
        };
        // An endpoint that was named is dialled as it is, and told in the host which project is meant.
        let host = match self.client.override_of(&SLS) {
            Some(endpoint) => endpoint.with_label(&self.project).authority,
            None => endpoint.authority.clone(),
        };
        let body = bytes::Bytes::from(lz4_flex::block::compress(raw));
        let path = format!("/logstores/{}/shards/lb", crate::encode::percent(&self.store));
        let build = |attempt: &Attempt| {
            let mut draft = Draft::new("POST", host.clone(), path.clone());
            draft.headers.set("content-type", "application/x-protobuf");
            draft.headers.set("x-log-apiversion", "0.6.0");
            draft.headers.set("x-log-bodyrawsize", raw.len().to_string());
            draft.headers.set("x-log-compresstype", "lz4");
            draft.body = body.clone();
            if self.is_v1 {
                sls1::sign(&mut draft, &attempt.key, attempt.stamp.time);
            } else {
                sls4::sign(&mut draft, &attempt.key, self.client.region(), attempt.stamp.time);
            }
            draft
        };
        let plan = Plan {
            product: &SLS,
            action: "PutLogs",
            endpoint: &endpoint,
            repeat: Repeat::Safe,
            fault,
            is_whole: |_| Ok(()),
            permission: Some("log:PostLogStoreLogs"),
        };
        self.client.attempts(&plan, build).await.map(drop)
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Refusal {
    error_code: String,
    error_message: String,
}

fn fault(answer: &Answer) -> Fault {
    let Refusal { error_code, error_message } = serde_json::from_slice(&answer.body).unwrap_or_default();
    let request_id = answer.headers.value("x-log-requestid").unwrap_or_default().to_owned();
    Fault { code: error_code, message: error_message, request_id, permission: None }
}

/// Encodes a group, in parts that are not too large; a single log that is goes alone.
fn split(group: &LogGroup) -> Vec<Vec<u8>> {
    let mut tail = Vec::new();
    for (field, text) in [(3, &group.topic), (4, &group.source)] {
        if !text.is_empty() {
            bytes_field(&mut tail, field, text.as_bytes());
        }
    }
    for (key, value) in &group.tags {
        bytes_field(&mut tail, 6, &pair(key, value));
    }
    let (mut parts, mut part) = (Vec::new(), Vec::new());
    for log in &group.logs {
        let mut field = Vec::new();
        bytes_field(&mut field, 1, &encode(log));
        if !part.is_empty() && part.len() + field.len() + tail.len() > LARGEST {
            parts.push(std::mem::take(&mut part));
        }
        part.extend_from_slice(&field);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts.iter_mut().for_each(|part| part.extend_from_slice(&tail));
    parts
}

/// The protobuf of one log: `Time` = 1 (seconds), `Contents` = 2, `Time_ns` = 4 (fixed32).
fn encode(log: &Log) -> Vec<u8> {
    let mut out = vec![1 << 3];
    varint(&mut out, u64::from(u32::try_from(log.time.as_secs()).unwrap_or(u32::MAX)));
    for (key, value) in &log.contents {
        bytes_field(&mut out, 2, &pair(key, value));
    }
    out.push(4 << 3 | 5);
    out.extend_from_slice(&log.time.subsec_nanos().to_le_bytes());
    out
}

fn pair(key: &str, value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + value.len() + 8);
    bytes_field(&mut out, 1, key.as_bytes());
    bytes_field(&mut out, 2, value.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    fn group(logs: usize, value: &str) -> LogGroup {
        let text = |text: &str| text.to_owned();
        let log = Log {
            time: Duration::new(1_767_323_045, 123_456_789),
            contents: vec![
                (text("method"), text("GET")),
                (text("path"), text("/目录?a=b c")),
                (text("status"), text(value)),
            ],
        };
        LogGroup {
            logs: vec![log; logs],
            topic: text("access"),
            source: text("192.0.2.10"),
            tags: vec![(text("host"), text("edge-1"))],
        }
    }

    #[test]
    fn a_group_is_encoded_as_the_vendors_library_does() {
        let vectors = include_str!("../../tests/vectors/sls.json");
        let file: serde_json::Value = serde_json::from_str(vectors).unwrap_or_default();
        let body = file["vectors"][1]["request"]["body_base64"].as_str().unwrap_or_default();
        let expected = base64::engine::general_purpose::STANDARD.decode(body).unwrap_or_default();
        assert_eq!(expected.len(), 102);
        assert_eq!(split(&group(1, "200")), [expected]);
    }

    #[test]
    fn many_logs_go_in_several_parts() {
        let parts = split(&group(1000, &"x".repeat(10_000)));
        assert_eq!(parts.len(), 4);
        assert!(parts.iter().all(|part| part.len() <= LARGEST && part.ends_with(b"edge-1")));
        assert_eq!(split(&group(1, &"x".repeat(LARGEST + 1))).len(), 1);
        assert_eq!(split(&group(0, "")).len(), 0);
    }
}
