//! What the admin API may ask of the running gateway. The answers are JSON documents: the admin room carries them, it
//! does not understand them.

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

/// A reply to come.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A request described for `explain`: nothing is sent anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExplainRequest {
    /// The method; default `GET`.
    pub method: String,
    /// An absolute URL.
    pub url: String,
    /// Header fields as (name, value).
    pub fields: Vec<(String, String)>,
    /// The client's address; default `127.0.0.1`.
    pub source: Option<std::net::IpAddr>,
    /// The certificates the client shows, PEM, its own first; default none. They are not verified.
    pub client_cert: Option<String>,
    /// The listener to ask; default: the one the URL's scheme and port name.
    pub listener: Option<String>,
}

/// The running gateway as the admin API sees it.
pub trait Control: Send + Sync {
    /// Version, generation, listeners, upstreams with health, drain, the last refused configuration.
    fn status(&self) -> Value;

    /// The configuration in force, secrets masked.
    fn config(&self) -> Value;

    /// Loads the configuration again. `Err` holds the diagnostics; what ran goes on running.
    fn reload(&self) -> Pending<'_, Result<Value, Value>>;

    /// Starts the program anew, hands it the sockets, and leaves once it serves. `Err` says why it does not; what ran goes on
    /// running.
    fn upgrade(&self) -> Pending<'_, Result<Value, String>>;

    /// Renews a certificate that the gateway obtains: in any case by `now`, else when it is missing or due. `Err` says why it
    /// was not; what is served goes on being served. When it takes long, the answer says that it is under way.
    fn renew<'a>(&'a self, certificate: &'a str, now: bool) -> Pending<'a, Result<Value, String>>;

    /// Walks the tables in force for a request, without traffic. `Err` says what is wrong with the question.
    fn explain(&self, request: &ExplainRequest) -> Result<Value, String>;

    /// All metrics in the Prometheus text format.
    fn metrics(&self) -> String;

    /// Whether traffic is welcome: started and not draining.
    fn is_ready(&self) -> bool;
}
