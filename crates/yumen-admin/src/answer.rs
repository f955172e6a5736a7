//! Answers: JSON documents, texts and refusals, all with the fields that keep browsers from being clever.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode, header};
use serde_json::{Value, json};

/// An answer as it is sent.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Why a request is not served, and what to do.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: &'static str,
    error: String,
    help: String,
    /// The methods that would be served; empty unless the method was the fault.
    allow: &'static str,
    diagnostics: Option<Box<Value>>,
}

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        reason: &'static str,
        error: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { status, reason, error: error.into(), help: help.into(), allow: "", diagnostics: None }
    }

    pub(crate) fn method(allow: &'static str) -> Self {
        let help = format!("use {allow}");
        let refusal = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path does not serve the method",
            help,
        );
        Self { allow, ..refusal }
    }

    /// The same refusal with diagnostics beside the words.
    pub(crate) fn with(self, diagnostics: Value) -> Self {
        Self { diagnostics: Some(Box::new(diagnostics)), ..self }
    }

    pub(crate) fn answer(self) -> Answer {
        let mut body = json!({ "error": self.error, "reason": self.reason, "help": self.help });
        if let Some(diagnostics) = self.diagnostics {
            body["diagnostics"] = *diagnostics;
        }
        let mut answer = json_answer(self.status, &body);
        if !self.allow.is_empty() {
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(self.allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }
}

/// A JSON document, indented: its first reader is a person with curl.
pub(crate) fn json_answer(status: StatusCode, body: &Value) -> Answer {
    made(status, "application/json", format!("{body:#}\n"))
}

/// A text.
pub(crate) fn text(content_type: &'static str, body: String) -> Answer {
    made(StatusCode::OK, content_type, body)
}

fn made(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    const GUARDS: [(HeaderName, &str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in GUARDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
