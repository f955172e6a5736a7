//! The grammar of gRPC over HTTP/2 and of gRPC-Web, as far as somebody between a client and a server has to know it.
//!
//! Content types ([`content_type`]), the deadline a client sends along ([`parse_timeout`]), status codes and their relation
//! to those of HTTP ([`Code`]), how messages are cut into frames ([`Walker`]), the base64 of gRPC-Web's text form, and the
//! one call a gateway makes itself: the health check ([`health`]). What it follows is `PROTOCOL-HTTP2.md`,
//! `PROTOCOL-WEB.md` and `http-grpc-status-mapping.md` of the gRPC project.
//!
//! Nothing here reads a socket, waits, looks into a message or knows the rest of Yumen. Whatever the bytes, nothing panics.
//!
//! ```
//! use yumen_grpc::{Kind, content_type, parse_timeout};
//!
//! assert_eq!(content_type(b"application/grpc-web-text+proto"), Some((Kind::WebText, &b"+proto"[..])));
//! assert_eq!(parse_timeout(b"100m"), Some(std::time::Duration::from_millis(100)));
//! ```

mod kind;
mod timeout;
mod status;
mod base64;
pub mod health;
mod frame;

pub use base64::{BadBase64, Decoder, Encoder};
pub use frame::{Head, TRAILERS, Walker, trailers_head};
pub use kind::{Kind, content_type};
pub use status::{Code, decode_message, encode_message, parse_status};
pub use timeout::{encode_timeout, parse_timeout};
