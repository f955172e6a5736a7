//! The page of metrics, sent by Prometheus remote write 1.0, as ARMS and Prometheus itself take it.
//!
//! At every interval the page becomes one request. While the receiver is away requests wait in memory, within bounds, and go
//! in order afterwards; what it refuses for good is dropped and told.

mod page;
mod wire;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use yumen_alibaba::transport::{Answer, Endpoint, Outgoing, Timeouts, Transport};
use yumen_alibaba::{Client, Draft, Timestamp};
use yumen_config::config::{MetricLogin, MetricOutput};
use yumen_net::rt;
use yumen_telemetry::{Duty, OutputMetrics, Registry};

use crate::rhythm::Rhythm;

/// So much waits while the receiver is away; the oldest is dropped for the newest.
const ROOM: usize = 8 << 20;
/// The longest pause between two attempts, and the longest that a receiver may ask for.
const PATIENCE: Duration = Duration::from_secs(60);
const LONGEST_HINT: Duration = Duration::from_secs(300);

/// What is needed of the world.
pub struct Means {
    /// The account's, where one signs.
    pub client: Option<Client>,
    /// Sends the requests; HTTP/1.1, because ARMS does not take HTTP/2.
    pub transport: Arc<dyn Transport>,
    /// What is sent.
    pub registry: Arc<Registry>,
    /// What is counted.
    pub metrics: Arc<OutputMetrics>,
}

/// Sends metrics until it is dropped.
pub async fn run(section: Arc<MetricOutput>, means: Means, duty: Duty) {
    let mut sender = Sender { section, means, waiting: VecDeque::new(), size: 0 };
    let mut rhythm = Rhythm::new(PATIENCE);
    let interval = sender.section.interval;
    let mut due = rt::now();
    let mut again: Option<Instant> = None;
    loop {
        let next = again.filter(|_| !sender.waiting.is_empty()).map_or(due, |again| again.min(due));
        rt::sleep_until(next).await;
        if rt::now() >= due {
            sender.collect();
            due = (due + interval).max(rt::now());
        }
        if again.is_some_and(|again| rt::now() < again) {
            continue;
        }
        match sender.send_all().await {
            Ok(None) => {
                (again, rhythm) = (None, Rhythm::new(PATIENCE));
                duty.well(format!("{} samples so far", sender.means.metrics.total()));
                duty.next(wall_in(due));
            }
            Ok(Some(refused)) => {
                again = None;
                duty.failing(refused);
            }
            Err(Failure { text, hint }) => {
                let pause = hint.map_or_else(|| rhythm.pause(false), |hint| hint.min(LONGEST_HINT));
                again = rt::now().checked_add(pause);
                let waiting = sender.waiting.len();
                duty.failing(format!("{text}; {waiting} requests wait"));
                duty.next(again.and_then(wall_in));
            }
        }
    }
}

/// A moment of the monotonic clock on the wall clock.
fn wall_in(at: Instant) -> Option<SystemTime> {
    rt::wall().checked_add(at.saturating_duration_since(rt::now()))
}

/// One request.
struct Request {
    body: Bytes,
    samples: u64,
}

struct Sender {
    section: Arc<MetricOutput>,
    means: Means,
    waiting: VecDeque<Request>,
    /// The bytes of all that waits.
    size: usize,
}

/// A request that has to be sent again, perhaps only after a while.
struct Failure {
    text: String,
    hint: Option<Duration>,
}

/// What an answer means.
enum Verdict {
    Taken,
    Refused(String),
    Again(Failure),
}

impl Sender {
    /// The page as it is now becomes a request that waits.
    fn collect(&mut self) {
        let series = page::series(&self.means.registry.render());
        let millis = rt::wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let samples = series.len() as u64;
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let Ok(body) = wire::request(&series, &self.section.labels, millis) else {
            // More than 4 GiB: no page is.
            self.means.metrics.drop_some(samples);
            return;
        };
        self.size += body.len();
        self.waiting.push_back(Request { body: body.into(), samples });
        while self.size > ROOM && self.waiting.len() > 1 {
            self.forget(false);
        }
    }

    /// The oldest request is no longer needed.
    fn forget(&mut self, is_taken: bool) {
        let Some(Request { body, samples }) = self.waiting.pop_front() else { return };
        self.size -= body.len();
        if is_taken {
            self.means.metrics.sent(samples, body.len() as u64);
        } else {
            self.means.metrics.drop_some(samples);
        }
    }

    /// Sends what waits, oldest first. Tells what the receiver refused for good last.
    async fn send_all(&mut self) -> Result<Option<String>, Failure> {
        let mut refused = None;
        while let Some(request) = self.waiting.front() {
            let samples = request.samples;
            match self.send(request.body.clone()).await {
                Verdict::Taken => self.forget(true),
                Verdict::Refused(text) => {
                    self.forget(false);
                    refused = Some(format!("{samples} samples were refused and dropped: {text}"));
                }
                Verdict::Again(failure) => return Err(failure),
            }
        }
        Ok(refused)
    }

    async fn send(&self, body: Bytes) -> Verdict {
        let again = |text: String| Verdict::Again(Failure { text, hint: None });
        let outgoing = match self.outgoing(body).await {
            Ok(outgoing) => outgoing,
            Err(text) => return again(text),
        };
        match self.means.transport.send(outgoing).await {
            Err(error) => again(error.text),
            Ok(answer) => verdict(&answer),
        }
    }

    async fn outgoing(&self, body: Bytes) -> Result<Outgoing, String> {
        let url = &self.section.url;
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let (authority, target) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let endpoint = Endpoint::parse(&format!("{scheme}://{authority}"))?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut draft = Draft::new("POST", endpoint.authority.clone(), if path.is_empty() { "/" } else { path });
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            draft.query.push((plain(name), plain(value)));
        }
        for (name, value) in [
            ("content-type", "application/x-protobuf"),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "0.1.0"),
            ("user-agent", concat!("yumen/", env!("CARGO_PKG_VERSION"))),
        ] {
            draft.headers.set(name, value);
        }
        if let Some((user, password)) = self.login().await? {
            draft.headers.set("authorization", format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        }
        for (name, value) in &self.section.headers {
            draft.headers.set(name, value.resolve().map_err(|error| error.to_string())?);
        }
        draft.body = body;
        Ok(Outgoing { endpoint, draft, timeouts: Timeouts::default() })
    }

    /// Name and password. Files of secrets are read each time, so that a new one needs no reload.
    async fn login(&self) -> Result<Option<(String, String)>, String> {
        match (&self.section.login, &self.means.client) {
            (MetricLogin::None, _) => Ok(None),
            (MetricLogin::Basic { user, password }, _) => {
                let read = || Ok::<_, std::io::Error>((user.resolve()?, password.resolve()?));
                read().map(Some).map_err(|error| error.to_string())
            }
            (MetricLogin::Account(_), Some(client)) => {
                let key = client.credentials().key().await.map_err(|error| error.to_string())?;
                Ok(Some((key.id.clone(), key.secret.reveal().to_owned())))
            }
            (MetricLogin::Account(account), None) => Err(format!("there is no client for account {}", account.name)),
        }
    }
}

/// A part of a query as it is meant: it is encoded again when it is sent.
fn plain(text: &str) -> String {
    let bytes = yumen_alibaba::encode::decode(text);
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| text.to_owned())
}

/// A status of 4xx will not get better, but for 429; the protocol says so.
fn verdict(answer: &Answer) -> Verdict {
    let words: String = String::from_utf8_lossy(&answer.body).chars().filter(|c| !c.is_control()).take(200).collect();
    let text = format!("the receiver answered {} {}", answer.status, words.trim());
    match answer.status {
        200..=299 => Verdict::Taken,
        429 | 500..=599 => Verdict::Again(Failure { text, hint: hint(answer) }),
        _ => Verdict::Refused(text),
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.
fn hint(answer: &Answer) -> Option<Duration> {
    let text = answer.headers.value("retry-after")?.trim();
    let date = || Some(Timestamp::of(rt::wall()).until(Timestamp::parse_http(text)?));
    text.parse().ok().map(Duration::from_secs).or_else(date)
}

#[cfg(test)]
mod tests {
    use yumen_alibaba::Headers;

    use super::*;

    #[test]
    fn a_receiver_may_ask_for_a_pause_in_seconds_or_by_date() {
        let ask = |text: &str| {
            let mut headers = Headers::default();
            headers.set("retry-after", text);
            hint(&Answer { status: 429, headers, body: Bytes::new() })
        };
        assert_eq!(ask("7"), Some(Duration::from_secs(7)));
        assert_eq!(ask("Fri, 02 Jan 2026 03:04:05 GMT"), Some(Duration::ZERO), "it is past");
        assert_eq!(ask("soon"), None);
    }
}
