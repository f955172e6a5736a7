//! What the opening handshake of a WebSocket needs when the two sides speak different versions of HTTP: HTTP/1.1 has a key
//! and an answer to it (RFC 6455 section 4), later versions have neither (RFC 8441 section 5).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use yumen_core::Fields;
use yumen_http1::tokens;

/// The protocol's name in `Upgrade` and `:protocol`.
pub(crate) const PROTOCOL: &str = "websocket";
/// What is hashed behind the key (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether a WebSocket is among what a client offers to change to.
pub(crate) fn is_offered(fields: &Fields) -> bool {
    fields.all("upgrade").flat_map(tokens).any(|offer| offer.eq_ignore_ascii_case(PROTOCOL.as_bytes()))
}

/// A key for a client that has none.
pub(crate) fn mint_key() -> String {
    STANDARD.encode(rand::random::<[u8; 16]>())
}

/// The answer to a key: the value of `Sec-WebSocket-Accept`.
pub(crate) fn accept_of(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// Fields that only the handshake of HTTP/1.1 has.
pub(crate) fn is_of_http1(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"sec-websocket-key") || name.eq_ignore_ascii_case(b"sec-websocket-accept")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_to_a_key_is_that_of_the_standard() {
        assert_eq!(accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_ne!(mint_key(), mint_key());
        assert_eq!(mint_key().len(), 24);
    }
}
