//! The signatures of the cloud, one module each.
//!
//! In each, a canonical form is made by a pure function from the request as it will be sent, and hashed with the key. No
//! function here reads a clock or makes random numbers: both come in a [`Stamp`](crate::Stamp). All functions are total:
//! whatever is in a request, they end, and what HTTP does not allow is refused later by the transport.

pub mod acs3;
pub mod acs4;
pub mod oss4;
pub mod roa1;
pub mod rpc1;
pub mod sls1;
pub mod sls4;
pub mod v4;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::{Draft, encode};

/// SHA-256 in lower-case hexadecimal, as it stands in canonical forms and headers.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    encode::hex(&Sha256::digest(bytes))
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length, so the error cannot come; an impossible one must still not panic here.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn hmac_sha1_base64(key: &[u8], text: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(key) else { return String::new() };
    mac.update(text);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// `Content-MD5` as ROA and OSS want it: Base64.
#[must_use]
pub fn md5_base64(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}

/// `Content-MD5` as SLS wants it: upper-case hexadecimal.
#[must_use]
pub fn md5_upper_hex(bytes: &[u8]) -> String {
    encode::hex(&Md5::digest(bytes)).to_ascii_uppercase()
}

/// The canonical form that ACS3, ACS4 and SLS4 share: method, path, sorted query (an empty value is `name=`), one line per
/// signed header and an empty one, the names of the signed headers, the hash of the body. `signed` has to be sorted.
#[must_use]
pub fn canonical_request(draft: &Draft, signed: &[&str], body_hash: &str) -> String {
    let path = if draft.path.is_empty() { "/" } else { &draft.path };
    let query = encode::query(encode::sorted(&draft.query));
    let lines: String = signed.iter().map(|name| format!("{name}:{}\n", draft.signed_value(name))).collect();
    format!("{}\n{path}\n{query}\n{lines}\n{}\n{body_hash}", draft.method, signed.join(";"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standards() {
        // FIPS 180-2 appendix B.1, RFC 4231 test case 2, RFC 2202 test case 2, RFC 1321 appendix A.5.
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(encode::hex(&mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(hmac_sha1_base64(b"Jefe", b"what do ya want for nothing?"), "7/zfauXrL6LSdBbV8YTfnCWafHk=");
        assert_eq!(md5_upper_hex(b"abc"), "900150983CD24FB0D6963F7D28E17F72");
        assert_eq!(md5_base64(b""), "1B2M2Y8AsgTpgAmY7PhCfg==");
    }

    #[test]
    fn a_canonical_request_has_one_line_for_each_part() {
        let mut draft = Draft::new("GET", "h", "");
        draft.query = vec![("b".into(), String::new()), ("a".into(), "1 2".into())];
        draft.headers.set("x-acs-z", "  padded ");
        let text = canonical_request(&draft, &["host", "x-acs-z"], "hash");
        assert_eq!(text, "GET\n/\na=1%202&b=\nhost:h\nx-acs-z:padded\n\nhost;x-acs-z\nhash");
    }
}
