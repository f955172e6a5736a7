//! What an error of a service means for the next step. The code decides; the HTTP status is a hint.

use std::time::Duration;

use crate::transport::Answer;

/// What a service said went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) request_id: String,
    /// The RAM action that the service names as missing.
    pub(crate) permission: Option<String>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It will not get better.
    Final,
    /// The service is asked too often; nothing was done.
    Throttled,
    /// Something else is being changed; nothing was done.
    Busy,
    /// The service is broken for a moment; what became of the request is not known.
    Broken,
    /// The clock is wrong; nothing was done.
    Clock,
    /// The temporary key has ended or was revoked; nothing was done.
    Key,
}

const THROTTLED: &[&str] = &["QpsLimitExceeded", "WriteQuotaExceed", "ShardWriteQuotaExceed", "ReadQuotaExceed"];
const BROKEN: &[&str] =
    &["ServiceUnavailable", "InternalError", "UnknownError", "SystemError", "InternalServerError", "ServerBusy"];
const CLOCK: &[&str] = &["InvalidTimeStamp.Expired", "RequestTimeTooSkewed", "RequestTimeExpired", "IllegalTimestamp"];
const KEY: &[&str] = &["MissingSecurityToken", "SecurityTokenExpired", "InvalidSecurityToken"];

/// Judges an error; `busy` are the codes of the product that say so.
pub(super) fn judge(status: u16, code: &str, busy: &[&str]) -> Verdict {
    if code.contains("Throttling") || THROTTLED.contains(&code) || status == 429 {
        Verdict::Throttled
    } else if busy.contains(&code) {
        Verdict::Busy
    } else if CLOCK.contains(&code) {
        Verdict::Clock
    } else if KEY.contains(&code) || code.starts_with("InvalidSecurityToken.") {
        Verdict::Key
    } else if BROKEN.contains(&code) || status >= 500 || status == 408 {
        Verdict::Broken
    } else {
        Verdict::Final
    }
}

/// Whether a code says that the policy of the caller is in the way.
pub(super) fn is_policy(status: u16, code: &str) -> bool {
    if code == "Forbidden.ResourceNotFound" {
        return false;
    }
    matches!(code, "Forbidden" | "NoPermission" | "AccessDenied" | "Unauthorized")
        || code.starts_with("Forbidden.")
        || code.starts_with("NoPermission.")
        || (status == 403 && code.contains("NotAuthorized"))
}

/// How long the service asks to be left alone: `x-acs-retry-after`, or `TimeLeft` of `x-ratelimit-user-api` and
/// `x-ratelimit-user`, all in milliseconds.
pub(super) fn hint(answer: &Answer) -> Option<Duration> {
    let retry = answer.headers.value("x-acs-retry-after").and_then(|text| text.trim().parse().ok());
    let left = ["x-ratelimit-user-api", "x-ratelimit-user"]
        .into_iter()
        .filter_map(|name| {
            answer.headers.value(name)?.split(',').find_map(|part| part.trim().strip_prefix("TimeLeft:")?.parse().ok())
        })
        .max();
    retry.or(left).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Headers;

    #[test]
    fn the_code_decides() {
        let busy = &["Conflict.Lock"];
        for (status, code, verdict) in [
            (400, "Throttling.User", Verdict::Throttled),
            (429, "Rejected.Throttling", Verdict::Throttled),
            (429, "", Verdict::Throttled),
            (503, "QpsLimitExceeded", Verdict::Throttled),
            (403, "WriteQuotaExceed", Verdict::Throttled),
            (400, "Conflict.Lock", Verdict::Busy),
            (400, "InvalidTimeStamp.Expired", Verdict::Clock),
            (400, "InvalidTimeStamp.Format", Verdict::Final),
            (403, "RequestTimeTooSkewed", Verdict::Clock),
            (400, "InvalidSecurityToken.Expired", Verdict::Key),
            (404, "InvalidAccessKeyId.NotFound", Verdict::Final),
            (400, "SignatureDoesNotMatch", Verdict::Final),
            (403, "Forbidden.RAM", Verdict::Final),
            (200, "InternalError", Verdict::Broken),
            (502, "", Verdict::Broken),
            (400, "DomainRecordDuplicate", Verdict::Final),
        ] {
            assert_eq!(judge(status, code, busy), verdict, "{status} {code}");
        }
    }

    #[test]
    fn a_missing_policy_is_told_from_a_missing_thing() {
        assert!(is_policy(403, "Forbidden.RAM") && is_policy(400, "NoPermission") && is_policy(401, "Unauthorized"));
        assert!(!is_policy(404, "Forbidden.ResourceNotFound") && !is_policy(403, "SignatureDoesNotMatch"));
    }

    #[test]
    fn hints_are_milliseconds() {
        let hint = |name: &str, value: &str| {
            let mut headers = Headers::default();
            headers.set(name, value);
            hint(&Answer { status: 400, headers, body: Bytes::new() })
        };
        assert_eq!(hint("x-acs-retry-after", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(hint("x-ratelimit-user", "Limit:1,Remain:0,TimeLeft:2000,Reset:1"), Some(Duration::from_secs(2)));
        assert_eq!(hint("x-ratelimit-user", "Limit:1"), None);
        assert_eq!(hint("x-acs-retry-after", "soon"), None);
    }
}
