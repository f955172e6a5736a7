//! Sends a call until it succeeds or until trying again is of no use.

use std::time::Duration;

use rand::Rng as _;
use tokio::time::{Instant, sleep};

use super::verdict::{Fault, Verdict, hint, is_policy, judge};
use super::{Client, Repeat};
use crate::clock::{Stamp, nonce};
use crate::error::{Error, ServiceError, scrub};
use crate::product::Product;
use crate::transport::{Answer, Endpoint, Outgoing, TransportError};
use crate::{AccessKey, Draft};

/// A hint of a service counts up to this.
const LONGEST_HINT: Duration = Duration::from_secs(120);

/// What one attempt is signed with.
pub(crate) struct Attempt {
    pub(crate) key: AccessKey,
    pub(crate) stamp: Stamp,
    /// The `ClientToken`, for calls that are repeated by it.
    pub(crate) token: Option<String>,
}

/// What does not change between attempts.
pub(crate) struct Plan<'a> {
    pub(crate) product: &'static Product,
    pub(crate) action: &'a str,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) repeat: Repeat,
    /// Reads an error of the service.
    pub(crate) fault: fn(&Answer) -> Fault,
    /// Whether a successful answer is whole.
    pub(crate) is_whole: fn(&Answer) -> Result<(), String>,
    /// The RAM action, where it is not called as the operation.
    pub(crate) permission: Option<&'a str>,
}

#[derive(Default)]
struct Tally {
    sent: u32,
    failed: u32,
    busy: u32,
    is_clock_corrected: bool,
    is_key_renewed: bool,
}

/// An attempt that did not succeed.
struct Failure {
    error: Error,
    verdict: Verdict,
    /// Whether it is certain that nothing was done.
    is_undone: bool,
    hint: Option<Duration>,
}

impl Client {
    /// Sends what `build` makes of each attempt.
    pub(crate) async fn attempts(&self, plan: &Plan<'_>, build: impl Fn(&Attempt) -> Draft) -> Result<Answer, Error> {
        let mut tally = Tally::default();
        let mut token = (plan.repeat == Repeat::ByToken).then(nonce);
        loop {
            self.turn(plan).await?;
            let setup = &self.0.setup;
            let key = setup.credentials.key().await.map_err(|source| Error::Credential {
                product: plan.product.name,
                action: plan.action.to_owned(),
                source,
            })?;
            let attempt = Attempt { key, stamp: setup.clock.stamp(), token: token.clone() };
            let draft = build(&attempt);
            tally.sent += 1;
            let outgoing = Outgoing { endpoint: plan.endpoint.clone(), draft, timeouts: setup.timeouts };
            let outcome = setup.transport.send(outgoing).await;
            let failure = match self.judge(plan, &attempt, &tally, outcome) {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let Some(pause) = self.next(plan, &attempt, &mut tally, &failure) else { return Err(failure.error) };
            if failure.verdict == Verdict::Busy && failure.error.code() != "IdempotenceProcessing" {
                // The service remembers the refusal under the old one.
                token = token.map(|_| nonce());
            }
            sleep(pause).await;
        }
    }

    /// Waits for the turn of a call.
    async fn turn(&self, plan: &Plan<'_>) -> Result<(), Error> {
        let (name, action) = (plan.product.name, plan.action.to_owned());
        let host = &plan.endpoint.authority;
        self.0.breakers.check(host, Instant::now()).map_err(|(since, text)| Error::Unavailable {
            product: name,
            action: action.clone(),
            endpoint: host.clone(),
            since,
            text,
        })?;
        let operation = format!("{name}:{action}");
        let rate = self.0.setup.rates.get(&operation).copied().unwrap_or_default();
        let wait = self.0.buckets.take(&operation, rate, Instant::now());
        if wait > LONGEST_HINT {
            self.0.buckets.give_back(&operation);
            return Err(Error::Crowded { product: name, action, wait });
        }
        if wait > Duration::ZERO {
            sleep(wait).await;
        }
        Ok(())
    }

    fn judge(
        &self,
        plan: &Plan<'_>,
        attempt: &Attempt,
        tally: &Tally,
        outcome: Result<Answer, TransportError>,
    ) -> Result<Answer, Box<Failure>> {
        let host = &plan.endpoint.authority;
        let fail = |text: String| {
            let now = (Instant::now(), self.0.setup.clock.now());
            self.0.breakers.fail(host, text, now);
        };
        let (product, action) = (plan.product.name, plan.action.to_owned());
        let answer = match outcome {
            Ok(answer) => answer,
            Err(source) => {
                fail(source.text.clone());
                let is_undone = !source.may_have_arrived;
                let is_hopeless = source.stage == crate::transport::Stage::Invalid;
                let verdict = if is_hopeless { Verdict::Final } else { Verdict::Broken };
                let error = Error::Transport { product, action, source };
                return Err(Box::new(Failure { error, verdict, is_undone, hint: None }));
            }
        };
        if (200..300).contains(&answer.status) {
            let Err(text) = (plan.is_whole)(&answer) else {
                self.0.breakers.succeed(host);
                return Ok(answer);
            };
            fail(text.clone());
            let request_id = (plan.fault)(&answer).request_id;
            let error = Error::Answer { product, action, text, request_id };
            return Err(Box::new(Failure { error, verdict: Verdict::Broken, is_undone: false, hint: None }));
        }
        let Fault { code, message, request_id, permission } = (plan.fault)(&answer);
        let verdict = judge(answer.status, &code, plan.product.busy);
        if verdict == Verdict::Broken {
            fail(format!("status {} {code}", answer.status));
        } else {
            self.0.breakers.succeed(host);
        }
        if verdict == Verdict::Clock {
            self.0.setup.clock.correct(answer.headers.value("date").unwrap_or_default());
        }
        let named = || plan.permission.map_or_else(|| format!("{}:{}", plan.product.ram, plan.action), str::to_owned);
        let error = ServiceError {
            product,
            action,
            status: answer.status,
            permission: is_policy(answer.status, &code).then(|| permission.unwrap_or_else(named)),
            message: scrub(&message, Some(&attempt.key)),
            code: scrub(&code, None),
            request_id: scrub(&request_id, None),
            attempts: tally.sent,
        };
        let is_undone = verdict != Verdict::Broken;
        Err(Box::new(Failure { error: Error::Service(Box::new(error)), verdict, is_undone, hint: hint(&answer) }))
    }

    /// How long to wait before the next attempt; `None` when there is none.
    fn next(&self, plan: &Plan<'_>, attempt: &Attempt, tally: &mut Tally, failure: &Failure) -> Option<Duration> {
        if !failure.is_undone && plan.repeat == Repeat::Never {
            return None;
        }
        let retry = &self.0.setup.retry;
        let grown = |first: Duration, times: u32| {
            let whole = first.saturating_mul(1 << times.min(16)).min(retry.longest);
            whole.mul_f64(rand::rng().random_range(0.5..=1.0))
        };
        match failure.verdict {
            Verdict::Final => None,
            Verdict::Clock => (!std::mem::replace(&mut tally.is_clock_corrected, true)).then_some(Duration::ZERO),
            Verdict::Key => {
                self.0.setup.credentials.reject(&attempt.key);
                (!std::mem::replace(&mut tally.is_key_renewed, true)).then_some(Duration::ZERO)
            }
            Verdict::Busy => {
                tally.busy += 1;
                (tally.busy < retry.busy_attempts).then(|| failure.hint.unwrap_or(retry.busy).min(LONGEST_HINT))
            }
            Verdict::Throttled => {
                tally.failed += 1;
                let pause = failure
                    .hint
                    .map_or_else(|| grown(retry.throttled, tally.failed - 1), |hint| hint.min(LONGEST_HINT));
                let operation = format!("{}:{}", plan.product.name, plan.action);
                // Others who call the same wait too.
                self.0.buckets.close(&operation, Instant::now() + pause);
                (tally.failed < retry.attempts).then_some(pause)
            }
            Verdict::Broken => {
                tally.failed += 1;
                (tally.failed < retry.attempts).then(|| grown(retry.pause, tally.failed - 1))
            }
        }
    }
}
