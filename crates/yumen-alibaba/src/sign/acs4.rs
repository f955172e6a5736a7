//! ACS4-HMAC-SHA256: as ACS3, with a key for one day, region and product. KMS takes it as an alternative.

use super::v4::Scope;
use super::{acs3, canonical_request, hmac_sha256, sha256_hex};
use crate::{AccessKey, Draft, Operation, Stamp, encode};

const ALGORITHM: &str = "ACS4-HMAC-SHA256";

/// What is signed.
#[must_use]
pub fn string_to_sign(canonical: &str) -> String {
    format!("{ALGORITHM}\n{}", sha256_hex(canonical.as_bytes()))
}

/// The signature, in hexadecimal.
#[must_use]
pub fn signature(key: &AccessKey, scope: &Scope<'_>, string_to_sign: &str) -> String {
    encode::hex(&hmac_sha256(&scope.signing_key(key.secret.reveal()), string_to_sign.as_bytes()))
}

/// Signs a draft for a region and a product such as `Kms`.
pub fn sign(
    draft: &mut Draft,
    key: &AccessKey,
    operation: &Operation<'_>,
    stamp: &Stamp,
    (region, product): (&str, &str),
) {
    let body_hash = acs3::prepare(draft, key, operation, stamp);
    let scope = Scope { time: stamp.time, region, product };
    let signed = acs3::signed_headers(draft);
    let canonical = canonical_request(draft, &signed, &body_hash);
    let signature = signature(key, &scope, &string_to_sign(&canonical));
    let (id, scope, names) = (&key.id, scope.text(), signed.join(";"));
    let value = format!("{ALGORITHM} Credential={id}/{scope},SignedHeaders={names},Signature={signature}");
    draft.headers.set("authorization", value);
}
