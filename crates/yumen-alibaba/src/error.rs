//! What can go wrong with a call, told so that an operator can act on it.

use std::time::Duration;

use crate::credential::CredentialError;
use crate::transport::TransportError;
use crate::{AccessKey, Timestamp, encode};

/// A call that failed. No variant holds key material.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no key to sign with.
    #[error("{product} {action} was not sent: {source}")]
    Credential {
        /// The product.
        product: &'static str,
        /// The operation.
        action: String,
        /// Why there is none.
        source: CredentialError,
    },
    /// There was no answer.
    #[error("{product} {action} failed: {source}")]
    Transport {
        /// The product.
        product: &'static str,
        /// The operation.
        action: String,
        /// What happened.
        source: TransportError,
    },
    /// The service refused or failed.
    #[error(transparent)]
    Service(Box<ServiceError>),
    /// The answer is not what the operation answers.
    #[error("{product} {action} gave an answer that cannot be read ({text}){}", request(.request_id))]
    Answer {
        /// The product.
        product: &'static str,
        /// The operation.
        action: String,
        /// What is wrong with it.
        text: String,
        /// The id under which the service knows the request; may be empty.
        request_id: String,
    },
    /// The service failed so often of late that it is left alone for a while.
    #[error("{product} {action} was not sent: {endpoint} has failed since {} and is left alone for now; the last time: {text}", .since.iso())]
    Unavailable {
        /// The product.
        product: &'static str,
        /// The operation.
        action: String,
        /// Its host.
        endpoint: String,
        /// Since when it fails.
        since: Timestamp,
        /// Why it failed last.
        text: String,
    },
    /// So many calls wait for their turn that this one would wait too long.
    #[error("{product} {action} was not sent: its turn under the limit of calls comes in {} s only", .wait.as_secs())]
    Crowded {
        /// The product.
        product: &'static str,
        /// The operation.
        action: String,
        /// When its turn would come.
        wait: Duration,
    },
    /// A list could not be read to its end, so it must not be taken for the whole.
    #[error("{product} {action} gave an incomplete list: {text}")]
    Incomplete {
        /// The product.
        product: &'static str,
        /// The operation.
        action: String,
        /// What is missing.
        text: String,
    },
    /// A change that was accepted failed later, or did not end in time.
    #[error("{product} {action} was accepted as job {job}, but {text}")]
    Job {
        /// The product.
        product: &'static str,
        /// The operation.
        action: String,
        /// The id of the job.
        job: String,
        /// What became of it.
        text: String,
    },
    /// The caller asks for what the service cannot do.
    #[error("{product} {action} was not sent: {text}")]
    Invalid {
        /// The product.
        product: &'static str,
        /// The operation.
        action: String,
        /// What is wrong.
        text: String,
    },
}

fn request(id: &str) -> String {
    if id.is_empty() { String::new() } else { format!(", request {id}") }
}

impl Error {
    /// The code of the service; empty when no service spoke.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Service(error) => &error.code,
            _ => "",
        }
    }

    /// Whether the service says one of these codes.
    #[must_use]
    pub fn is(&self, codes: &[&str]) -> bool {
        codes.contains(&self.code())
    }

    /// The RAM action that would have to be granted, when that is what is missing.
    #[must_use]
    pub fn permission(&self) -> Option<&str> {
        match self {
            Self::Service(error) => error.permission.as_deref(),
            _ => None,
        }
    }
}

/// A refusal or failure that a service told.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceError {
    /// The product.
    pub product: &'static str,
    /// The operation.
    pub action: String,
    /// The HTTP status: a hint only, products do not agree on it.
    pub status: u16,
    /// The code, which decides.
    pub code: String,
    /// The words of the service.
    pub message: String,
    /// The id under which the service knows the request.
    pub request_id: String,
    /// The RAM action to grant, when the policy is what is in the way.
    pub permission: Option<String>,
    /// How often the request was sent.
    pub attempts: u32,
}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { product, action, status, code, message, attempts, .. } = self;
        let code = if code.is_empty() { "no code" } else { code };
        write!(f, "{product} {action} failed: {code}")?;
        if !message.is_empty() {
            write!(f, ": {message}")?;
        }
        write!(f, " (status {status}{}", request(&self.request_id))?;
        if *attempts > 1 {
            write!(f, ", {attempts} attempts")?;
        }
        f.write_str(")")?;
        if let Some(permission) = &self.permission {
            write!(f, "; grant the RAM action {permission} to this identity")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServiceError {}

/// Words of a service, fit for a log: one line, not too long, without the key that signed the request. Services repeat what
/// was signed when a signature is wrong, and that holds the session token.
pub(crate) fn scrub(text: &str, key: Option<&AccessKey>) -> String {
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if let Some(key) = key {
        for secret in [Some(&key.secret), key.token.as_ref()].into_iter().flatten().filter(|secret| !secret.is_empty())
        {
            let once = encode::percent(secret.reveal());
            for form in [&encode::percent(&once), &once, secret.reveal()] {
                text = text.replace(form, "***");
            }
        }
    }
    text.chars().take(600).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_taken_out_of_the_words_of_a_service() {
        let key = AccessKey::new("id", "hu/sh").with_token("to+ken/");
        let text = "string\nto sign: to+ken/ to%2Bken%2F to%252Bken%252F hu/sh hu%2Fsh";
        assert_eq!(scrub(text, Some(&key)), "string to sign: *** *** *** *** ***");
        assert_eq!(scrub(&"x".repeat(1000), None).len(), 600);
    }

    #[test]
    fn an_error_tells_what_to_do() {
        let error = ServiceError {
            product: "alidns",
            action: "AddDomainRecord".into(),
            status: 403,
            code: "Forbidden.RAM".into(),
            message: "not authorized".into(),
            request_id: "R-1".into(),
            permission: Some("alidns:AddDomainRecord".into()),
            attempts: 1,
        };
        assert_eq!(
            Error::Service(Box::new(error)).to_string(),
            "alidns AddDomainRecord failed: Forbidden.RAM: not authorized (status 403, request R-1); grant the RAM action \
             alidns:AddDomainRecord to this identity"
        );
    }
}
