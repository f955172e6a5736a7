//! From a parsed head to a [`Request`].

use yumen_core::{Fields, Method, Request, Scheme, Version};
use yumen_http1::{self as http1, Framing, RequestHead, TargetForm};

use crate::wire::span;

/// A request head as it came, before anything was decided.
pub(super) struct Received {
    pub(super) request: Request,
    pub(super) framing: Framing,
    /// How much content there is, when the head says so.
    pub(super) length: Option<u64>,
    pub(super) keep_alive: bool,
    pub(super) form: TargetForm,
    /// Whether some field is named `Connection`.
    pub(super) connection_options: bool,
}

impl Received {
    /// The request of a head that stands in `block`; `fields` is memory for it.
    pub(super) fn new(head: &RequestHead, block: &[u8], mut fields: Fields) -> Box<Self> {
        fields.reset(block, head.fields.len());
        fields.extend_spans(head.fields.iter().map(|field| (span(field.name), span(field.value))));
        let target = match head.path.is_empty() {
            true => fields.intern(empty_path(head, block)),
            false => span(head.path),
        };
        let method = Method::from_token(head.method.of(block));
        let authority = head.host.map(span).unwrap_or_default();
        let mut request = Request::new(method, Scheme::Http, fields, target, authority);
        request.version = match head.version {
            http1::Version::Http10 => Version::Http10,
            http1::Version::Http11 => Version::Http11,
        };
        request.expects_continue = head.expect_continue;
        request.upgrade = head.upgrade;
        Box::new(Self {
            request,
            framing: head.framing,
            length: match head.framing {
                Framing::None => Some(0),
                Framing::Length(length) => Some(length),
                Framing::Chunked | Framing::UntilClose => None,
            },
            keep_alive: head.keep_alive,
            form: head.target_form,
            connection_options: head.connection_options,
        })
    }
}

/// What a target without a path asks for: the root, or with OPTIONS the server as a whole (RFC 9110 section 4.2.3).
fn empty_path(head: &RequestHead, block: &[u8]) -> &'static [u8] {
    match head.target_form {
        TargetForm::Authority => b"",
        _ if head.method.of(block) == b"OPTIONS" => b"*",
        _ => b"/",
    }
}
