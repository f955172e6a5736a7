//! Why the gateway ended without being asked to, in one number that every service manager can keep.

use std::fmt;

/// Why it ended. The numbers are those of `docs/guide/service.md` and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Anything that has no number of its own.
    Other,
    /// The configuration was refused, and no last good copy of it is kept.
    Refused,
    /// The configuration is valid but could not be put in force: an address in use, a certificate that does not fit.
    NotApplied,
    /// Threads, signals or logs could not be had from the system.
    System,
}

impl Cause {
    const ALL: [Self; 4] = [Self::Other, Self::Refused, Self::NotApplied, Self::System];

    /// The exit code of a service; on Windows the service-specific one.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Refused => 10,
            Self::NotApplied => 11,
            Self::System => 12,
        }
    }

    /// The cause that has this exit code.
    pub(crate) fn of_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| u32::from(cause.code()) == code)
    }

    /// What the code means, for people.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Other => "it failed",
            Self::Refused => "the configuration was refused",
            Self::NotApplied => "the configuration could not be put in force",
            Self::System => "the system refused threads, signals or logs",
        }
    }
}

/// The end of a gateway that was not asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Its kind.
    pub(crate) cause: Cause,
    /// The story.
    pub(crate) error: anyhow::Error,
}

impl Cause {
    /// Makes errors failures of this kind.
    pub(crate) fn of(self) -> impl FnOnce(anyhow::Error) -> Failure {
        move |error| Failure { cause: self, error }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { cause: Cause::Other, error }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_number_of_its_own() {
        for cause in Cause::ALL {
            assert_eq!(Cause::of_code(cause.code().into()), Some(cause));
        }
        assert_eq!(Cause::of_code(0), None);
    }
}
