//! A strict, sans-I/O HTTP/1.1 codec for both roles: the grammar of Yumen.
//!
//! Bytes in, spans out; values in, bytes out. Nothing here reads a socket, waits, logs or allocates per field, and
//! nothing here knows the rest of Yumen. The server side parses requests and encodes responses, the client side encodes
//! requests and parses responses; both read message bodies through [`Framing`] and [`ChunkedDecoder`].
//!
//! Where RFC 9112 lets a recipient choose between repairing and refusing, this crate refuses: every request smuggling
//! hole is two parsers repairing one message differently. Each refusal is a [`Fault`] with a short stable reason code.
//!
//! The parsers keep no state between calls: call them again with the grown buffer while they answer
//! [`Parsed::Partial`]. A fault is reported as soon as the byte that proves it has arrived, and how the input was cut
//! into reads never changes the outcome.
//!
//! ```
//! use yumen_http1::{Framing, Limits, Parsed, RequestHead, parse_request};
//!
//! let read = b"GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n";
//! let mut head = RequestHead::default();
//! assert_eq!(parse_request(read, &Limits::default(), &mut head), Ok(Parsed::Complete));
//! assert_eq!(head.method.of(read), b"GET");
//! assert_eq!(head.framing, Framing::None);
//! ```

mod request;
mod response;

mod chunked;
mod encode;

mod connection;
mod fields;
mod names;
mod target;

mod cursor;
mod grammar;
mod head;

mod fault;
mod span;

pub use chunked::{ChunkEvent, ChunkedDecoder};
pub use encode::{
    encode_chunk_end, encode_chunk_header, encode_content_length, encode_field, encode_last_chunk, encode_request_line,
    encode_status_line, encode_trailers, reason_phrase,
};
pub use fault::Fault;
pub use grammar::{is_field_value, is_token, tokens};
pub use head::{Framing, Limits, Parsed, TargetForm, Version};
pub use names::{is_forbidden_trailer, is_hop_by_hop, is_idempotent_method, is_protected, is_safe_method};
pub use request::{RequestHead, parse_request};
pub use response::{ResponseHead, parse_response};
pub use span::{FieldSpan, Span};
pub use target::is_valid_host;
