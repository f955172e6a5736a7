//! ACS3-HMAC-SHA256, the signature of every OpenAPI product, RPC and ROA alike.
//!
//! Signed are `host`, `content-type` and every `x-acs-*` header: what a proxy on the way may rewrite (`user-agent`, `accept`)
//! is left out.

use super::{canonical_request, hmac_sha256, sha256_hex};
use crate::{AccessKey, Draft, Operation, Stamp, encode};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// Whether a header is signed.
pub(super) fn is_signed(name: &str) -> bool {
    name == "content-type" || name.starts_with("x-acs-")
}

/// The headers of a draft that are signed, with `host`, sorted.
#[must_use]
pub fn signed_headers(draft: &Draft) -> Vec<&str> {
    let mut names = draft.headers.names(is_signed);
    let at = names.partition_point(|name| *name < "host");
    names.insert(at, "host");
    names
}

/// What is signed: the name of the algorithm and the hash of a canonical request.
#[must_use]
pub fn string_to_sign(canonical: &str) -> String {
    format!("{ALGORITHM}\n{}", sha256_hex(canonical.as_bytes()))
}

/// The signature, in hexadecimal.
#[must_use]
pub fn signature(key: &AccessKey, string_to_sign: &str) -> String {
    encode::hex(&hmac_sha256(key.secret.reveal().as_bytes(), string_to_sign.as_bytes()))
}

/// Sets the headers that ACS3 and ACS4 want, but for `authorization`; returns the hash of the body.
pub(super) fn prepare(draft: &mut Draft, key: &AccessKey, operation: &Operation<'_>, stamp: &Stamp) -> String {
    let body_hash = sha256_hex(&draft.body);
    let headers = &mut draft.headers;
    headers.set("x-acs-action", operation.action);
    headers.set("x-acs-version", operation.version);
    headers.set("x-acs-date", stamp.time.iso());
    headers.set("x-acs-signature-nonce", stamp.nonce.clone());
    headers.set("x-acs-content-sha256", body_hash.clone());
    match &key.token {
        Some(token) => {
            headers.set("x-acs-accesskey-id", key.id.clone());
            headers.set("x-acs-security-token", token.reveal());
        }
        // The draft may have been signed before, with another key.
        None => ["x-acs-accesskey-id", "x-acs-security-token"].into_iter().for_each(|name| headers.remove(name)),
    }
    body_hash
}

/// Signs a draft. It may be signed again, for another attempt, with a fresh stamp.
pub fn sign(draft: &mut Draft, key: &AccessKey, operation: &Operation<'_>, stamp: &Stamp) {
    let body_hash = prepare(draft, key, operation, stamp);
    let signed = signed_headers(draft);
    let canonical = canonical_request(draft, &signed, &body_hash);
    let signature = signature(key, &string_to_sign(&canonical));
    let value = format!("{ALGORITHM} Credential={},SignedHeaders={},Signature={signature}", key.id, signed.join(";"));
    draft.headers.set("authorization", value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    fn stamp(nonce: &str) -> Stamp {
        Stamp { time: Timestamp::from_unix(1_767_323_045), nonce: nonce.to_owned() }
    }

    #[test]
    fn what_proxies_rewrite_is_not_signed() {
        let mut draft = Draft::new("POST", "h", "/");
        for name in ["user-agent", "accept", "x-acs-b", "content-type", "x-acs-a", "authorization"] {
            draft.headers.set(name, "v");
        }
        assert_eq!(signed_headers(&draft), ["content-type", "host", "x-acs-a", "x-acs-b"]);
    }

    #[test]
    fn another_attempt_is_signed_as_if_it_were_the_first() {
        let operation = Operation { version: "v", action: "a" };
        let mut draft = Draft::new("POST", "h", "/");
        let mut fresh = draft.clone();
        sign(&mut draft, &AccessKey::new("i", "s").with_token("t"), &operation, &stamp("one"));
        sign(&mut draft, &AccessKey::new("i2", "s2"), &operation, &stamp("two"));
        sign(&mut fresh, &AccessKey::new("i2", "s2"), &operation, &stamp("two"));
        assert_eq!(draft.headers.value("authorization"), fresh.headers.value("authorization"));
        assert_eq!(draft.headers.value("x-acs-security-token"), None);
    }

    #[test]
    fn a_session_token_is_sent_and_signed() {
        let mut draft = Draft::new("POST", "h", "/");
        let key = AccessKey::new("STS.i", "s").with_token("t/+=");
        sign(&mut draft, &key, &Operation { version: "v", action: "a" }, &stamp("n"));
        let text = draft.headers.value("authorization").unwrap_or_default().to_owned();
        assert!(text.contains("x-acs-accesskey-id;") && text.contains(";x-acs-security-token;"), "{text}");
        assert!(!text.contains("t/+="));
    }
}
