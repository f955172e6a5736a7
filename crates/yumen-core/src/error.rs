//! What went wrong on the data path, as data.
//!
//! An [`Error`] names the side at fault, the stage it happened in, a stable [`Reason`] code for the log, and whether
//! another attempt may be made. It never names a status: only `http/respond.rs` of the data path turns one into an
//! answer.

use std::fmt;

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client: it sent something wrong, or left.
    Client,
    /// The upstream or one of its endpoints.
    Upstream,
    /// The gateway itself: its configuration, its limits, or a defect.
    Us,
}

impl Side {
    /// The word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Us => "us",
        }
    }
}

/// How far the work had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// A connection was being accepted.
    Accept,
    /// TLS was being negotiated with the client.
    Handshake,
    /// A request was being read, or a route looked up.
    Route,
    /// A middleware refused or failed.
    Middleware,
    /// A connection to an endpoint was being made.
    Connect,
    /// The request was being sent to the endpoint.
    Send,
    /// The answer was being received or relayed.
    Receive,
}

impl Stage {
    /// The word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Handshake => "handshake",
            Self::Route => "route",
            Self::Middleware => "middleware",
            Self::Connect => "connect",
            Self::Send => "send",
            Self::Receive => "receive",
        }
    }
}

/// Whether the same request may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never: it was answered in part, or the fault lies with the client.
    Never,
    /// The endpoint cannot have seen the request: any method may be tried again.
    Unsent,
    /// The endpoint may have seen it but answered nothing: only an idempotent request may be tried again
    /// (RFC 9110 section 9.2.2).
    IfIdempotent,
}

/// A stable code for one cause, as it stands in the access log; `docs/guide/reasons.md` explains each.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(&'static str);

impl Reason {
    /// A reason from its code. Codes are `snake_case` and listed in the catalogue of `yumen-telemetry`.
    pub const fn new(code: &'static str) -> Self {
        Self(code)
    }

    /// The code itself.
    pub const fn code(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A failure on the data path. Small, so that the `Ok` path pays nothing for it.
pub struct Error(Box<Inner>);

struct Inner {
    side: Side,
    stage: Stage,
    reason: Reason,
    retry: Retry,
    detail: Option<Box<str>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error that must not be retried.
    pub fn new(side: Side, stage: Stage, reason: Reason) -> Self {
        Self(Box::new(Inner { side, stage, reason, retry: Retry::Never, detail: None, source: None }))
    }

    /// The same error with another retry decision.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// The same error with a text for the operator: what failed, on what.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into().into_boxed_str());
        self
    }

    /// The same error with its cause.
    #[must_use]
    pub fn source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    /// Who is at fault.
    pub fn side(&self) -> Side {
        self.0.side
    }

    /// Where it happened.
    pub fn stage(&self) -> Stage {
        self.0.stage
    }

    /// The stable code.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// Whether another attempt may be made.
    pub fn may_retry(&self) -> Retry {
        self.0.retry
    }

    /// The text for the operator and, behind it, the cause.
    pub fn explanation(&self) -> String {
        let detail = self.0.detail.as_deref().unwrap_or_default();
        match &self.0.source {
            Some(source) if detail.is_empty() => source.to_string(),
            Some(source) => format!("{detail}: {source}"),
            None => detail.to_owned(),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} (retry {:?})", self.0.retry)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}/{}", self.0.reason, self.0.side.as_str(), self.0.stage.as_str())?;
        let text = self.explanation();
        if text.is_empty() { Ok(()) } else { write!(f, ": {text}") }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|e| &**e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_reason_side_stage_and_cause() {
        let e = Error::new(Side::Upstream, Stage::Connect, Reason::new("connect_refused"))
            .detail("10.0.0.1:80")
            .source(std::io::Error::other("refused"));
        assert_eq!(e.to_string(), "connect_refused at upstream/connect: 10.0.0.1:80: refused");
        assert_eq!(size_of::<Error>(), 8);
    }
}
