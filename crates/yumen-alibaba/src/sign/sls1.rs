//! The signature of version 1 of the log service (`LOG id:signature`), for regions that do not take version 4.

use super::{hmac_sha1_base64, md5_upper_hex};
use crate::{AccessKey, Draft, Timestamp, encode};

/// What is signed: method, `content-md5`, `content-type`, `date`, the `x-log-*` and `x-acs-*` headers sorted, path and
/// query in plain text.
#[must_use]
pub fn string_to_sign(draft: &Draft) -> String {
    let mut text = format!("{}\n", draft.method);
    for name in ["content-md5", "content-type", "date"] {
        text.push_str(draft.signed_value(name));
        text.push('\n');
    }
    for name in draft.headers.names(|name| name.starts_with("x-log-") || name.starts_with("x-acs-")) {
        text.push_str(&format!("{name}:{}\n", draft.signed_value(name)));
    }
    text.push_str(&draft.path);
    for (at, (name, value)) in encode::sorted(&draft.query).into_iter().enumerate() {
        text.push_str(&format!("{}{name}={value}", if at == 0 { '?' } else { '&' }));
    }
    text
}

/// The signature, in Base64.
#[must_use]
pub fn signature(key: &AccessKey, string_to_sign: &str) -> String {
    hmac_sha1_base64(key.secret.reveal().as_bytes(), string_to_sign.as_bytes())
}

/// Signs a draft.
pub fn sign(draft: &mut Draft, key: &AccessKey, time: Timestamp) {
    let md5 = (!draft.body.is_empty()).then(|| md5_upper_hex(&draft.body));
    let headers = &mut draft.headers;
    // The headers of version 4, when the draft was signed so before.
    ["x-log-content-sha256", "x-log-date"].into_iter().for_each(|name| headers.remove(name));
    headers.set("x-log-signaturemethod", "hmac-sha1");
    headers.set("date", time.http());
    match md5 {
        Some(md5) => headers.set("content-md5", md5),
        None => headers.remove("content-md5"),
    }
    match &key.token {
        Some(token) => headers.set("x-acs-security-token", token.reveal()),
        None => headers.remove("x-acs-security-token"),
    }
    let signature = signature(key, &string_to_sign(draft));
    draft.headers.set("authorization", format!("LOG {}:{signature}", key.id));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_ends_the_string() {
        let mut draft = Draft::new("GET", "h", "/logstores");
        draft.query = vec![("b".into(), "1 2".into()), ("a".into(), String::new())];
        draft.headers.set("x-log-apiversion", "0.6.0");
        assert_eq!(string_to_sign(&draft), "GET\n\n\n\nx-log-apiversion:0.6.0\n/logstores?a=&b=1 2");
    }
}
