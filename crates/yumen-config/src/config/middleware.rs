//! Middlewares: what happens to a request and its answer on the way.

use std::path::PathBuf;
use std::time::Duration;

use super::{Access, MiddlewareName, Secret, Text};

/// A step on the way of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Middleware {
    /// Its name; `route/kind` when it was written inline.
    pub name: MiddlewareName,
    /// What it does.
    pub kind: MiddlewareKind,
}

/// What a middleware does.
#[derive(Clone, Debug, PartialEq)]
pub enum MiddlewareKind {
    /// Gives every request an id.
    RequestId {
        /// The field that carries it; default `X-Request-ID`.
        header: String,
        /// Whose ids are taken over.
        accept: Accept,
    },
    /// Changes header fields.
    Headers {
        /// Of the request.
        request: FieldEdits,
        /// Of the answer.
        response: FieldEdits,
    },
    /// Changes the path.
    Rewrite(Rewrite),
    /// Takes this prefix off the path.
    StripPrefix(String),
    /// Answers with a redirect.
    Redirect {
        /// The value of `Location`; `{scheme}`, `{host}`, `{path}` and `{query}` are replaced.
        to: Text,
        /// The status; default 308.
        status: u16,
    },
    /// Answers with a fixed response.
    Respond {
        /// The status; default 200.
        status: u16,
        /// The body; default empty.
        body: Text,
        /// Its type; default `text/plain; charset=utf-8`.
        content_type: Text,
        /// More fields.
        headers: Vec<(String, Text)>,
    },
    /// Refuses request bodies of more than so many bytes with 413.
    BodyLimit(u64),
    /// Refuses clients by address with 403.
    Ip(Access),
    /// Asks for a name and a password, RFC 7617.
    BasicAuth {
        /// An htpasswd file with bcrypt or argon2 hashes.
        file: Option<PathBuf>,
        /// Lines of such a file, each `name:hash`.
        users: Vec<Secret>,
        /// What the client is told the password is for; default `yumen`.
        realm: Text,
    },
    /// Ends requests that take longer with 504.
    Timeout(Duration),
    /// Makes gRPC of gRPC-Web.
    GrpcWeb {
        /// Which pages of other origins may call; `None`: their browsers will not let them.
        cors: Option<Cors>,
    },
}

impl MiddlewareKind {
    /// The default field of `request_id`.
    pub const REQUEST_ID: &'static str = "X-Request-ID";
    /// The default status of `redirect`: permanent, and the method stays (RFC 9110 section 15.4.9).
    pub const REDIRECT_STATUS: u16 = 308;
    /// The default type of `respond`.
    pub const CONTENT_TYPE: &'static str = "text/plain; charset=utf-8";
    /// The default realm of `basic_auth`.
    pub const REALM: &'static str = "yumen";

    /// The kind as in the configuration.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::RequestId { .. } => "request_id",
            Self::Headers { .. } => "headers",
            Self::Rewrite(_) => "rewrite",
            Self::StripPrefix(_) => "strip_prefix",
            Self::Redirect { .. } => "redirect",
            Self::Respond { .. } => "respond",
            Self::BodyLimit(_) => "body_limit",
            Self::Ip(_) => "ip",
            Self::BasicAuth { .. } => "basic_auth",
            Self::Timeout(_) => "timeout",
            Self::GrpcWeb { .. } => "grpc_web",
        }
    }

    /// Whether it answers every request itself, so that nothing comes after it.
    pub fn answers(&self) -> bool {
        matches!(self, Self::Redirect { .. } | Self::Respond { .. })
    }
}

/// Which pages of other origins may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Their origins, never empty; `*` stands alone, for every one.
    pub origins: Vec<String>,
    /// Whether they may send cookies; default false. Never with `*`.
    pub credentials: bool,
    /// Fields of answers that they may read beside the status of the call.
    pub expose: Vec<String>,
    /// How long a browser may remember the answer to a preflight; default 2 h, which is as long as browsers do.
    pub max_age: Duration,
}

impl Cors {
    /// The default of `max_age`.
    pub const MAX_AGE: Duration = Duration::from_secs(2 * 3600);
}

/// Whose request ids are taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accept {
    /// Everybody's.
    Always,
    /// Those of the listener's trusted sources.
    #[default]
    Trusted,
    /// Nobody's.
    Never,
}

/// Changes of header fields, made in the order remove, set, add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldEdits {
    /// Fields that are replaced, or added where missing; [`pieces`](super::pieces) tells what a value is made of.
    pub set: Vec<(String, Text)>,
    /// Fields that are added beside those there; values as in [`set`](Self::set).
    pub add: Vec<(String, Text)>,
    /// Fields that are removed.
    pub remove: Vec<String>,
}

/// A change of the path; the query stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// The new path.
    Path(String),
    /// What matches is replaced, once.
    Regex {
        /// The expression.
        regex: Text,
        /// What is put in its place; `$1` or `${name}` stand for groups.
        replace: Text,
    },
}
