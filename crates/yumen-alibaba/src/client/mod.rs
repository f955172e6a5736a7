//! Calls of the OpenAPI: signed, repeated where that is safe, kept within limits.
//!
//! A [`Client`] belongs to one region and one source of keys, and is cheap to clone. Every call goes through the same
//! steps: its turn under the limit of its operation, the breaker of its host, a key, a signature with a fresh nonce, the
//! transport, and a verdict on the answer.

mod attempt;
mod call;
mod limit;
mod page;
mod verdict;

pub use call::{Call, Parameters, Repeat, Style};
pub use limit::Rate;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::clock::Clock;
use crate::credential::Credentials;
use crate::error::Error;
use crate::product::Product;
use crate::transport::{Answer, Endpoint, Timeouts, Transport};
use crate::{Operation, flexible, sign};

pub(crate) use attempt::{Attempt, Plan};
pub(crate) use page::Page;
pub(crate) use verdict::Fault;

/// The signature of RPC and ROA calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scheme {
    /// ACS3-HMAC-SHA256.
    #[default]
    Acs3,
    /// The signatures of version 1, for servers that do not know ACS3.
    V1,
}

/// How calls are repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often a call is sent that fails or is throttled; default 4.
    pub attempts: u32,
    /// How often a call is sent that finds the service busy with another change; default 10.
    pub busy_attempts: u32,
    /// The first pause after a failure; it doubles each time, half of it by chance; default 100 ms.
    pub pause: Duration,
    /// The same when the call was throttled; default 500 ms.
    pub throttled: Duration,
    /// The pause when the service is busy; default 3 s.
    pub busy: Duration,
    /// No pause is longer, hints of the service apart, which count up to 2 minutes; default 20 s.
    pub longest: Duration,
    /// How long a host is left alone that failed five times in a row; it doubles to sixteen times that; default 10 s.
    pub rest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 4,
            busy_attempts: 10,
            pause: Duration::from_millis(100),
            throttled: Duration::from_millis(500),
            busy: Duration::from_secs(3),
            longest: Duration::from_secs(20),
            rest: Duration::from_secs(10),
        }
    }
}

/// What a client is made of.
#[derive(Clone)]
pub struct Setup {
    /// The region, such as `cn-hangzhou`.
    pub region: String,
    /// Sends the requests.
    pub transport: Arc<dyn Transport>,
    /// Gives the keys.
    pub credentials: Credentials,
    /// Tells the time; shared with the credentials, so that a correction serves both.
    pub clock: Clock,
    /// Endpoints by the short name of a product, in place of the usual ones.
    pub endpoints: HashMap<String, Endpoint>,
    /// `vpc` to use the private network of the region.
    pub network: Option<String>,
    /// The signature.
    pub scheme: Scheme,
    /// How calls are repeated.
    pub retry: Retry,
    /// How long one attempt may take.
    pub timeouts: Timeouts,
    /// Limits by `product:Action`, in place of the usual one.
    pub rates: HashMap<String, Rate>,
}

impl Setup {
    /// Everything at its default.
    pub fn new(
        region: impl Into<String>,
        transport: Arc<dyn Transport>,
        credentials: Credentials,
        clock: Clock,
    ) -> Self {
        Self {
            region: region.into(),
            transport,
            credentials,
            clock,
            endpoints: HashMap::new(),
            network: None,
            scheme: Scheme::default(),
            retry: Retry::default(),
            timeouts: Timeouts::default(),
            rates: HashMap::new(),
        }
    }
}

/// Calls operations. Clones share limits, breakers and keys.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    setup: Setup,
    buckets: limit::Buckets,
    breakers: limit::Breakers,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("region", &self.0.setup.region)
            .field("credentials", &self.0.setup.credentials)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client; nothing is sent.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let breakers = limit::Breakers::new(setup.retry.rest);
        Self(Arc::new(Inner { setup, buckets: limit::Buckets::default(), breakers }))
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.0.setup.region
    }

    /// The keys, for a status page.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.0.setup.credentials
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.setup.clock
    }

    /// Where a product is asked.
    #[must_use]
    pub fn endpoint(&self, product: &Product) -> Endpoint {
        let setup = &self.0.setup;
        match setup.endpoints.get(product.name) {
            Some(endpoint) => endpoint.clone(),
            None => product.endpoint(&setup.region, setup.network.as_deref()),
        }
    }

    pub(crate) fn override_of(&self, product: &Product) -> Option<&Endpoint> {
        self.0.setup.endpoints.get(product.name)
    }

    /// The pause between two looks at something that takes its time.
    pub(crate) fn patience(&self) -> Duration {
        self.0.setup.retry.busy
    }

    pub(crate) fn network(&self) -> Option<&str> {
        self.0.setup.network.as_deref()
    }

    /// Calls an operation and reads its answer.
    ///
    /// # Errors
    /// Each of [`Error`]; an answer that is not of the form `T` is [`Error::Answer`].
    pub async fn call<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let answer = self.send(call).await?;
        flexible::read(&answer.body).map_err(|error| self.unreadable(call, &answer, &error))
    }

    fn unreadable(&self, call: &Call, answer: &Answer, error: &serde_json::Error) -> Error {
        let request_id = call::fault(answer).request_id;
        // What serde says can hold values of the answer, which may be secrets: only the place is told.
        let text = format!("line {}, column {}", error.line(), error.column());
        Error::Answer { product: call.product.name, action: call.action.clone(), text, request_id }
    }

    /// Calls an operation and returns its answer as it came, which is JSON.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn send(&self, call: &Call) -> Result<Answer, Error> {
        let endpoint = self.endpoint(call.product);
        let scheme = self.0.setup.scheme;
        let operation = Operation { version: call.product.version, action: &call.action };
        let build = |attempt: &Attempt| {
            let mut draft = call.draft(&endpoint, attempt.token.as_deref());
            match (scheme, &call.style) {
                (Scheme::Acs3, _) => {
                    if matches!(call.style, Style::Rpc) {
                        draft.form(&call.parameters(attempt.token.as_deref()));
                    }
                    draft.headers.set("accept", "application/json");
                    sign::acs3::sign(&mut draft, &attempt.key, &operation, &attempt.stamp);
                }
                (Scheme::V1, Style::Rpc) => {
                    let parameters = call.parameters(attempt.token.as_deref());
                    sign::rpc1::sign(&mut draft, &attempt.key, &operation, &attempt.stamp, &parameters);
                }
                (Scheme::V1, Style::Roa { .. }) => {
                    sign::roa1::sign(&mut draft, &attempt.key, &operation, &attempt.stamp);
                }
            }
            draft
        };
        let plan = Plan {
            product: call.product,
            action: &call.action,
            endpoint: &endpoint,
            repeat: call.repeat,
            fault: call::fault,
            is_whole: call::is_json,
            permission: None,
        };
        self.attempts(&plan, build).await
    }
}
