//! OSS4-HMAC-SHA256, the signature of the object store, in headers and in presigned URLs.
//!
//! The resource that is signed is `/bucket/key` also where the bucket is in the host name. Signed are `content-type`,
//! `content-md5`, every `x-oss-*` header and the additional ones that the caller names. The hash of the body is the text
//! `UNSIGNED-PAYLOAD`: the service demands it.

use std::time::Duration;

use super::v4::Scope;
use super::{hmac_sha256, sha256_hex};
use crate::{AccessKey, Draft, Timestamp, encode};

const ALGORITHM: &str = "OSS4-HMAC-SHA256";
const PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// The longest life of a presigned URL.
pub const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// Whose object is meant.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    /// The region of the bucket, such as `cn-hangzhou`.
    pub region: &'a str,
    /// The bucket.
    pub bucket: &'a str,
    /// The key of the object, not encoded; empty for the bucket itself.
    pub key: &'a str,
}

impl Resource<'_> {
    /// The resource as it is signed: `/bucket/key`, encoded, with its slashes.
    #[must_use]
    pub fn canonical(&self) -> String {
        format!("/{}/{}", encode::path(self.bucket), encode::path(self.key))
    }

    /// The path to send to the host of the bucket.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{}", encode::path(self.key))
    }

    fn scope(&self, time: Timestamp) -> Scope<'_> {
        Scope { time, region: self.region, product: "oss" }
    }
}

fn is_default(name: &str) -> bool {
    matches!(name, "content-type" | "content-md5") || name.starts_with("x-oss-")
}

/// The names that stand in `AdditionalHeaders`: lower case, sorted, without those that are signed anyway or not there.
#[must_use]
pub fn additional_headers(draft: &Draft, wanted: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = wanted
        .iter()
        .map(|name| name.to_ascii_lowercase())
        .filter(|name| !is_default(name) && (name == "host" || draft.headers.value(name).is_some()))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The canonical form. `resource` comes from [`Resource::canonical`], `additional` from [`additional_headers`].
#[must_use]
pub fn canonical_request(draft: &Draft, resource: &str, additional: &[String]) -> String {
    let mut query: Vec<(String, String)> =
        draft.query.iter().map(|(name, value)| (encode::percent(name), encode::percent(value))).collect();
    query.sort();
    let query: Vec<String> = query
        .into_iter()
        .map(|(name, value)| if value.is_empty() { name } else { format!("{name}={value}") })
        .collect();
    let mut signed: Vec<&str> = draft.headers.names(is_default);
    signed.extend(additional.iter().map(String::as_str));
    signed.sort_unstable();
    let lines: String = signed.iter().map(|name| format!("{name}:{}\n", draft.signed_value(name))).collect();
    format!("{}\n{resource}\n{}\n{lines}\n{}\n{PAYLOAD}", draft.method, query.join("&"), additional.join(";"))
}

/// What is signed: algorithm, time, scope, and the hash of a canonical form.
#[must_use]
pub fn string_to_sign(scope: &Scope<'_>, canonical: &str) -> String {
    format!("{ALGORITHM}\n{}\n{}\n{}", scope.time.compact(), scope.text(), sha256_hex(canonical.as_bytes()))
}

/// The signature, in hexadecimal.
#[must_use]
pub fn signature(key: &AccessKey, scope: &Scope<'_>, string_to_sign: &str) -> String {
    encode::hex(&hmac_sha256(&scope.signing_key(key.secret.reveal()), string_to_sign.as_bytes()))
}

/// Signs a draft in its headers; `additional` names more headers to sign.
pub fn sign(draft: &mut Draft, key: &AccessKey, resource: &Resource<'_>, time: Timestamp, additional: &[&str]) {
    draft.headers.set("x-oss-date", time.compact());
    draft.headers.set("x-oss-content-sha256", PAYLOAD);
    match &key.token {
        Some(token) => draft.headers.set("x-oss-security-token", token.reveal()),
        None => draft.headers.remove("x-oss-security-token"),
    }
    let scope = resource.scope(time);
    let additional = additional_headers(draft, additional);
    let canonical = canonical_request(draft, &resource.canonical(), &additional);
    let signature = signature(key, &scope, &string_to_sign(&scope, &canonical));
    // An empty list of additional headers is an error of its own.
    let names =
        if additional.is_empty() { String::new() } else { format!(",AdditionalHeaders={}", additional.join(";")) };
    let (id, scope) = (&key.id, scope.text());
    draft.headers.set("authorization", format!("{ALGORITHM} Credential={id}/{scope}{names},Signature={signature}"));
}

/// Signs a draft in its query: whoever has the URL may use it until `life` (at most [`LONGEST`]) is over. With a temporary
/// key the URL holds its session token; it works no longer than the key.
pub fn presign(draft: &mut Draft, key: &AccessKey, resource: &Resource<'_>, time: Timestamp, life: Duration) {
    let scope = resource.scope(time);
    let mut add = |name: &str, value: String| draft.query.push((name.to_owned(), value));
    add("x-oss-signature-version", ALGORITHM.to_owned());
    add("x-oss-credential", format!("{}/{}", key.id, scope.text()));
    add("x-oss-date", time.compact());
    add("x-oss-expires", life.min(LONGEST).as_secs().max(1).to_string());
    if let Some(token) = &key.token {
        add("x-oss-security-token", token.reveal().to_owned());
    }
    let canonical = canonical_request(draft, &resource.canonical(), &[]);
    let signature = signature(key, &scope, &string_to_sign(&scope, &canonical));
    draft.query.push(("x-oss-signature".to_owned(), signature));
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCE: Resource<'_> = Resource { region: "r", bucket: "b", key: "dir/a b" };

    #[test]
    fn a_bucket_is_part_of_the_resource() {
        assert_eq!(RESOURCE.canonical(), "/b/dir/a%20b");
        assert_eq!(RESOURCE.path(), "/dir/a%20b");
        assert_eq!(Resource { key: "", ..RESOURCE }.canonical(), "/b/");
    }

    #[test]
    fn an_empty_value_is_signed_as_the_bare_name() {
        let mut draft = Draft::new("GET", "h", "/");
        draft.query = vec![("b".into(), "/".into()), ("acl".into(), String::new())];
        draft.headers.set("range", "bytes=0-1");
        draft.headers.set("content-type", "t");
        let additional = additional_headers(&draft, &["Range", "host", "Content-Type", "absent"]);
        assert_eq!(additional, ["host", "range"]);
        let text = canonical_request(&draft, "/b/", &additional);
        assert_eq!(
            text,
            "GET\n/b/\nacl&b=%2F\ncontent-type:t\nhost:h\nrange:bytes=0-1\n\nhost;range\nUNSIGNED-PAYLOAD"
        );
    }

    #[test]
    fn a_presigned_url_lives_a_week_at_most() {
        let mut draft = Draft::new("GET", "h", "/");
        let time = Timestamp::from_unix(1_767_323_045);
        presign(&mut draft, &AccessKey::new("i", "s"), &RESOURCE, time, Duration::from_secs(86_400 * 30));
        assert!(draft.target().contains("&x-oss-expires=604800&x-oss-signature="), "{}", draft.target());
    }
}
