//! The RPC signature of version 1: HMAC-SHA1 over all parameters, those of the query and of the form together.
//!
//! The vendor calls it deprecated. It covers neither headers nor bodies that are no form. All parameters are sent in the
//! body, so that a session token never stands in a URL.

use super::hmac_sha1_base64;
use crate::{AccessKey, Draft, Operation, Stamp, encode};

/// What is signed: the method, the path `/` and the parameters, sorted by name, encoded twice. A name that stands in
/// query and form counts once, so it must be here once.
#[must_use]
pub fn string_to_sign(method: &str, parameters: &[(String, String)]) -> String {
    let joined = encode::query(encode::sorted(parameters));
    format!("{method}&%2F&{}", encode::percent(&joined))
}

/// The signature, in Base64.
#[must_use]
pub fn signature(key: &AccessKey, string_to_sign: &str) -> String {
    hmac_sha1_base64(format!("{}&", key.secret.reveal()).as_bytes(), string_to_sign.as_bytes())
}

/// Makes a signed form of the parameters of an operation: the body of the draft, whose query has to be empty.
pub fn sign(
    draft: &mut Draft,
    key: &AccessKey,
    operation: &Operation<'_>,
    stamp: &Stamp,
    parameters: &[(String, String)],
) {
    let mut all = parameters.to_vec();
    let mut add = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
    add("Action", operation.action);
    add("Version", operation.version);
    add("Format", "JSON");
    add("AccessKeyId", &key.id);
    add("SignatureMethod", "HMAC-SHA1");
    add("SignatureVersion", "1.0");
    add("SignatureNonce", &stamp.nonce);
    add("Timestamp", &stamp.time.iso());
    if let Some(token) = &key.token {
        add("SecurityToken", token.reveal());
    }
    let signature = signature(key, &string_to_sign(draft.method, &all));
    all.push(("Signature".to_owned(), signature));
    draft.form(&all);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn parameters_are_sorted_and_encoded_twice() {
        let pairs = [("b", ""), ("a", "x y")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(string_to_sign("GET", &pairs), "GET&%2F&a%3Dx%2520y%26b%3D");
    }

    #[test]
    fn a_session_token_stays_out_of_the_url() {
        let mut draft = Draft::new("POST", "h", "/");
        let stamp = Stamp { time: Timestamp::from_unix(0), nonce: "n".into() };
        let key = AccessKey::new("i", "s").with_token("hush");
        sign(&mut draft, &key, &Operation { version: "v", action: "a" }, &stamp, &[]);
        assert_eq!(draft.target(), "/");
        assert!(String::from_utf8_lossy(&draft.body).contains("SecurityToken=hush&Signature="));
    }
}
