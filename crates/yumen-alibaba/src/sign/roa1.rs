//! The ROA signature of version 1: HMAC-SHA1 over some headers and the resource.

use super::{hmac_sha1_base64, md5_base64};
use crate::{AccessKey, Draft, Operation, Stamp, encode};

/// What is signed: method, `accept`, `content-md5`, `content-type` and `date`, the `x-acs-*` headers sorted, and path and
/// query. The query is sorted and signed as plain text, a value that is empty as the bare name.
#[must_use]
pub fn string_to_sign(draft: &Draft) -> String {
    let mut text = format!("{}\n", draft.method);
    for name in ["accept", "content-md5", "content-type", "date"] {
        text.push_str(draft.signed_value(name));
        text.push('\n');
    }
    for name in draft.headers.names(|name| name.starts_with("x-acs-")) {
        text.push_str(&format!("{name}:{}\n", draft.signed_value(name)));
    }
    text.push_str(&draft.path);
    for (at, (name, value)) in encode::sorted(&draft.query).into_iter().enumerate() {
        text.push(if at == 0 { '?' } else { '&' });
        text.push_str(name);
        if !value.is_empty() {
            text.push('=');
            text.push_str(value);
        }
    }
    text
}

/// The signature, in Base64.
#[must_use]
pub fn signature(key: &AccessKey, string_to_sign: &str) -> String {
    hmac_sha1_base64(key.secret.reveal().as_bytes(), string_to_sign.as_bytes())
}

/// Signs a draft. Parameters without a value are removed: SDKs do not agree how they are signed.
pub fn sign(draft: &mut Draft, key: &AccessKey, operation: &Operation<'_>, stamp: &Stamp) {
    draft.query.retain(|(_, value)| !value.is_empty());
    let md5 = (!draft.body.is_empty()).then(|| md5_base64(&draft.body));
    let headers = &mut draft.headers;
    headers.set("accept", "application/json");
    headers.set("date", stamp.time.http());
    headers.set("x-acs-action", operation.action);
    headers.set("x-acs-version", operation.version);
    headers.set("x-acs-signature-method", "HMAC-SHA1");
    headers.set("x-acs-signature-version", "1.0");
    headers.set("x-acs-signature-nonce", stamp.nonce.clone());
    match md5 {
        Some(md5) => headers.set("content-md5", md5),
        None => headers.remove("content-md5"),
    }
    match &key.token {
        Some(token) => headers.set("x-acs-security-token", token.reveal()),
        None => headers.remove("x-acs-security-token"),
    }
    let signature = signature(key, &string_to_sign(draft));
    draft.headers.set("authorization", format!("acs {}:{signature}", key.id));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_signed_as_plain_text() {
        let mut draft = Draft::new("GET", "h", "/a%20b");
        draft.query = vec![("z".into(), "1 2".into()), ("b".into(), String::new())];
        draft.headers.set("x-acs-b", "2");
        draft.headers.set("x-acs-a", "1");
        draft.headers.set("date", "d");
        assert_eq!(string_to_sign(&draft), "GET\n\n\n\nd\nx-acs-a:1\nx-acs-b:2\n/a%20b?b&z=1 2");
    }
}
