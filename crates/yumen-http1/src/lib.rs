//! A strict, sans-I/O HTTP/1.1 codec for both roles (RFC 9110 and RFC 9112).
//!
//! Text in, ranges out: a head is parsed in place and no field costs an allocation. Where leniency is dangerous in a
//! gateway there is none: a message that two implementations could read in two ways is refused with a [`Fault`] that
//! names the cause. Nothing here opens a socket, keeps a clock or knows who uses it.

mod chunked;
mod encode;
mod fault;
mod field;
mod grammar;
mod host;
mod request;
mod response;
mod span;

pub use chunked::{ChunkEvent, ChunkedDecoder};
pub use encode::{
    encode_chunk_end, encode_chunk_header, encode_content_length, encode_field, encode_last_chunk, encode_request_line,
    encode_status_line, encode_trailers, reason_phrase,
};
pub use fault::Fault;
pub use field::{Framing, Limits, Parsed, Version, is_hop_by_hop, is_protected, tokens};
pub use grammar::{is_field_value, is_token};
pub use host::is_valid_host;
pub use request::{RequestHead, TargetForm, parse_request};
pub use response::{ResponseHead, parse_response};
pub use span::{FieldSpan, Span};
