//! SLS4-HMAC-SHA256, the signature of the log service.

use super::v4::Scope;
use super::{canonical_request, hmac_sha256, sha256_hex};
use crate::{AccessKey, Draft, Timestamp, encode};

const ALGORITHM: &str = "SLS4-HMAC-SHA256";

/// The headers of a draft that are signed, sorted: `content-type`, `host`, `x-log-*` and `x-acs-*`.
#[must_use]
pub fn signed_headers(draft: &Draft) -> Vec<&str> {
    let is_signed =
        |name: &str| name == "content-type" || ["x-log-", "x-acs-"].iter().any(|start| name.starts_with(start));
    let mut names = draft.headers.names(is_signed);
    let at = names.partition_point(|name| *name < "host");
    names.insert(at, "host");
    names
}

/// What is signed: algorithm, time, scope, and the hash of a [`canonical_request`].
#[must_use]
pub fn string_to_sign(scope: &Scope<'_>, canonical: &str) -> String {
    format!("{ALGORITHM}\n{}\n{}\n{}", scope.time.compact(), scope.text(), sha256_hex(canonical.as_bytes()))
}

/// The signature, in hexadecimal.
#[must_use]
pub fn signature(key: &AccessKey, scope: &Scope<'_>, string_to_sign: &str) -> String {
    encode::hex(&hmac_sha256(&scope.signing_key(key.secret.reveal()), string_to_sign.as_bytes()))
}

/// Signs a draft for a region.
pub fn sign(draft: &mut Draft, key: &AccessKey, region: &str, time: Timestamp) {
    let body_hash = sha256_hex(&draft.body);
    draft.headers.set("x-log-content-sha256", body_hash.clone());
    draft.headers.set("x-log-date", time.compact());
    match &key.token {
        Some(token) => draft.headers.set("x-acs-security-token", token.reveal()),
        None => draft.headers.remove("x-acs-security-token"),
    }
    let scope = Scope { time, region, product: "sls" };
    let canonical = canonical_request(draft, &signed_headers(draft), &body_hash);
    let signature = signature(key, &scope, &string_to_sign(&scope, &canonical));
    let (id, scope) = (&key.id, scope.text());
    draft.headers.set("authorization", format!("{ALGORITHM} Credential={id}/{scope},Signature={signature}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_log_service_are_signed() {
        let mut draft = Draft::new("POST", "h", "/");
        for name in ["x-log-b", "user-agent", "x-acs-security-token", "date", "content-type"] {
            draft.headers.set(name, "v");
        }
        assert_eq!(signed_headers(&draft), ["content-type", "host", "x-acs-security-token", "x-log-b"]);
    }
}
