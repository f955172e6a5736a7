//! What is tried again, how often, and after how long.

use std::time::Duration;

use instant_acme::Problem;
use tokio::time::sleep;

use super::Acme;
use crate::error::{Error, Part, Refusal};

/// How often a used nonce is replaced. A CA that refuses one good nonce in two still lets one in a million calls fail.
const NONCES: u32 = 20;
/// How often faults of the network and of the CA are tried again.
const FAULTS: u32 = 5;
const URN: &str = "urn:ietf:params:acme:error:";

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For another process that orders the same certificate.
    pub lock: Duration,
    /// For the CA to judge challenges, and again for it to sign.
    pub order: Duration,
    /// For one answer of the CA.
    pub answer: Duration,
    /// The longest `Retry-After` that is waited for within a call; a longer one is an error that tells it.
    pub told: Duration,
    /// The pause before the first repetition; it doubles.
    pub pause: Duration,
}

impl Default for Patience {
    /// 10 min, 5 min, 30 s, 1 min, 1 s.
    fn default() -> Self {
        Self {
            lock: Duration::from_secs(600),
            order: Duration::from_secs(300),
            answer: Duration::from_secs(30),
            told: Duration::from_secs(60),
            pause: Duration::from_secs(1),
        }
    }
}

/// The tries of one call to the CA.
pub(super) struct Tries<'a> {
    acme: &'a Acme,
    what: &'a str,
    nonces: u32,
    faults: u32,
}

impl Acme {
    pub(super) fn tries<'a>(&'a self, what: &'a str) -> Tries<'a> {
        Tries { acme: self, what, nonces: 0, faults: 0 }
    }

    /// What the ACME library says, in our words.
    pub(super) fn refused(&self, what: &str, error: instant_acme::Error) -> Error {
        let (directory, what) = (self.authority.directory.clone(), what.to_owned());
        match error {
            instant_acme::Error::Api(problem) => {
                Error::Refused { directory, what, refusal: Box::new(refusal(&problem)), retry_after: self.wire.told() }
            }
            other => Error::Unreachable { directory, what, reason: other.to_string() },
        }
    }
}

impl Tries<'_> {
    /// Waits before the next try.
    ///
    /// # Errors
    /// There should be none.
    pub(super) async fn again(&mut self, error: instant_acme::Error) -> Result<(), Error> {
        let error = self.acme.refused(self.what, error);
        let patience = &self.acme.authority.patience;
        let pause = match Trouble::of(&error) {
            Trouble::Nonce if self.nonces < NONCES => {
                self.nonces += 1;
                return Ok(());
            }
            Trouble::Fault if self.faults < FAULTS => {
                let doubled = patience.pause * 2_u32.pow(self.faults);
                doubled.mul_f64(1.0 - rand::random::<f64>() / 4.0).max(error.retry_after().unwrap_or_default())
            }
            // Without being told when, asking once more would only count against us.
            Trouble::Limit if self.faults < FAULTS => match error.retry_after() {
                Some(told) => told,
                None => return Err(error),
            },
            _ => return Err(error),
        };
        if pause > patience.told.max(patience.pause * 2_u32.pow(FAULTS)) || error.retry_after() > Some(patience.told) {
            return Err(error);
        }
        self.faults += 1;
        tracing::info!("trying again in {:.1} s: {error}", pause.as_secs_f64());
        sleep(pause).await;
        Ok(())
    }
}

/// What an error means for the next try.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    /// A nonce was used up (RFC 8555 section 6.5).
    Nonce,
    /// We ask too often (section 6.6).
    Limit,
    /// The CA or the network does not work now.
    Fault,
    /// It will be the same next time.
    Lasting,
}

impl Trouble {
    fn of(error: &Error) -> Self {
        match error {
            Error::Unreachable { .. } => Self::Fault,
            Error::Refused { refusal, .. } => match (refusal.kind.as_str(), refusal.status) {
                ("badNonce", _) => Self::Nonce,
                ("rateLimited", _) | (_, Some(429)) => Self::Limit,
                ("serverInternal", _) | (_, Some(500..)) => Self::Fault,
                _ => Self::Lasting,
            },
            _ => Self::Lasting,
        }
    }
}

pub(super) fn refusal(problem: &Problem) -> Refusal {
    let kind = |kind: &Option<String>| {
        let kind = kind.as_deref().unwrap_or("about:blank");
        kind.strip_prefix(URN).unwrap_or(kind).to_owned()
    };
    let parts = problem.subproblems.iter().map(|part| Part {
        identifier: part.identifier.clone().map(name_of).unwrap_or_default(),
        kind: kind(&part.r#type),
        detail: part.detail.clone().unwrap_or_default(),
    });
    Refusal {
        kind: kind(&problem.r#type),
        detail: problem.detail.clone().unwrap_or_default(),
        status: problem.status,
        parts: parts.collect(),
    }
}

pub(super) fn name_of(identifier: instant_acme::Identifier) -> String {
    identifier.authorized(false).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(kind: &str, status: Option<u16>) -> Error {
        let refusal = Box::new(Refusal { kind: kind.into(), status, ..Refusal::default() });
        Error::Refused { directory: "d".into(), what: "w".into(), refusal, retry_after: None }
    }

    #[test]
    fn troubles_are_told_apart() {
        for (kind, status, trouble) in [
            ("badNonce", Some(400), Trouble::Nonce),
            ("rateLimited", Some(400), Trouble::Limit),
            ("about:blank", Some(429), Trouble::Limit),
            ("serverInternal", None, Trouble::Fault),
            ("about:blank", Some(503), Trouble::Fault),
            ("rejectedIdentifier", Some(400), Trouble::Lasting),
        ] {
            assert_eq!(Trouble::of(&refused(kind, status)), trouble, "{kind} {status:?}");
        }
        let away = Error::Unreachable { directory: "d".into(), what: "w".into(), reason: "r".into() };
        assert_eq!(Trouble::of(&away), Trouble::Fault);
    }

    #[test]
    fn a_refusal_names_the_identifiers() {
        let text = r#"{"type": "urn:ietf:params:acme:error:malformed", "detail": "Some were rejected", "status": 400,
            "subproblems": [{"type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "not here",
            "identifier": {"type": "dns", "value": "a.test"}}]}"#;
        let refusal = serde_json::from_str::<Problem>(text).map(|problem| refusal(&problem)).unwrap_or_default();
        assert_eq!(refusal.to_string(), "Some were rejected (malformed); a.test: not here (rejectedIdentifier)");
    }
}
