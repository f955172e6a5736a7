//! A transport that answers from a list and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yumen_alibaba::credential::Environment;
use yumen_alibaba::transport::{Answer, Endpoint, Outgoing, Sending, Stage, Transport, TransportError};
use yumen_alibaba::{AccessKey, Clock, Credentials, Headers, Retry, Setup, Surroundings, Timestamp};

#[derive(Default)]
pub struct Script {
    answers: Mutex<VecDeque<Result<Answer, TransportError>>>,
    seen: Mutex<Vec<Outgoing>>,
}

impl Script {
    pub fn new(answers: impl IntoIterator<Item = (u16, String)>) -> Arc<Self> {
        let script = Self::default();
        for (status, body) in answers {
            script.push(status, &body);
        }
        Arc::new(script)
    }

    pub fn push(&self, status: u16, body: &str) {
        let answer = Answer { status, headers: Headers::default(), body: body.to_owned().into() };
        self.answers.lock().unwrap().push_back(Ok(answer));
    }

    pub fn push_with(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        let mut list = Headers::default();
        headers.iter().for_each(|(name, value)| list.set(name, *value));
        self.answers.lock().unwrap().push_back(Ok(Answer { status, headers: list, body: body.to_owned().into() }));
    }

    pub fn push_error(&self, stage: Stage, may_have_arrived: bool) {
        let error = TransportError { stage, may_have_arrived, text: "scripted".to_owned() };
        self.answers.lock().unwrap().push_back(Err(error));
    }

    /// Method and target of every request so far.
    pub fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|out| format!("{} {}", out.draft.method, out.draft.target())).collect()
    }

    pub fn seen(&self) -> Vec<Outgoing> {
        self.seen.lock().unwrap().clone()
    }

    pub fn header(&self, at: usize, name: &str) -> Option<String> {
        self.seen.lock().unwrap()[at].draft.headers.value(name).map(str::to_owned)
    }

    pub fn body(&self, at: usize) -> String {
        String::from_utf8(self.seen.lock().unwrap()[at].draft.body.to_vec()).unwrap()
    }
}

impl Transport for Script {
    fn send(&self, request: Outgoing) -> Sending<'_> {
        self.seen.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or_else(|| {
            Err(TransportError { stage: Stage::Connect, may_have_arrived: false, text: "nobody there".to_owned() })
        });
        Box::pin(async move {
            tokio::task::yield_now().await;
            answer
        })
    }
}

/// The second at which the vectors were made.
pub fn now() -> Timestamp {
    Timestamp::from_unix(1_767_323_045)
}

/// Surroundings in which only the script is there.
pub fn surroundings(script: &Arc<Script>, variables: &[(&str, &str)]) -> Surroundings {
    let mut surroundings = Surroundings::new(script.clone(), Clock::fixed(now()));
    surroundings.environment = Environment::from_pairs(variables.iter().copied());
    surroundings.metadata = Endpoint { tls: false, authority: "100.100.100.200".to_owned() };
    surroundings
}

/// A client of the script with short pauses.
pub fn setup(script: &Arc<Script>, key: AccessKey) -> Setup {
    let clock = Clock::fixed(now());
    let mut setup = Setup::new("cn-hangzhou", script.clone(), Credentials::new(key, clock.clone()), clock);
    let short = Duration::from_millis(2);
    let rest = Duration::from_millis(300);
    setup.retry = Retry { pause: short, throttled: short, busy: short, longest: short * 4, rest, ..Retry::default() };
    setup
}
