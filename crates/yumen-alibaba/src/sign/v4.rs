//! What the signatures of version 4 (ACS4, OSS4, SLS4) share: a key for one day, region and product, made from the secret.

use super::hmac_sha256;
use crate::Timestamp;

/// The day, region and product for which a signature holds.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// When the request is made.
    pub time: Timestamp,
    /// The region, such as `cn-hangzhou`.
    pub region: &'a str,
    /// The product as the service spells it: `oss`, `sls`, `Kms`.
    pub product: &'a str,
}

impl Scope<'_> {
    /// `20260102/cn-hangzhou/oss/aliyun_v4_request`.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}/{}/{}/aliyun_v4_request", self.time.compact_day(), self.region, self.product)
    }

    /// The key for this scope. It can sign for a day, so it is as secret as the secret itself.
    #[must_use]
    pub fn signing_key(&self, secret: &str) -> [u8; 32] {
        let day = self.time.compact_day();
        let mut key = hmac_sha256(format!("aliyun_v4{secret}").as_bytes(), day.as_bytes());
        for part in [self.region, self.product, "aliyun_v4_request"] {
            key = hmac_sha256(&key, part.as_bytes());
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_day_region_or_product_is_another_key() {
        let time = Timestamp::from_unix(1_767_323_045);
        let scope = Scope { time, region: "r", product: "p" };
        assert_eq!(scope.text(), "20260102/r/p/aliyun_v4_request");
        let key = scope.signing_key("s");
        for other in [
            Scope { time: Timestamp::from_unix(1_767_323_045 + 86_400), ..scope },
            Scope { region: "x", ..scope },
            Scope { product: "x", ..scope },
        ] {
            assert_ne!(other.signing_key("s"), key);
        }
        assert_eq!(scope.signing_key("s"), key);
    }
}
