//! What would be changed in the cloud, and what changes it.

use std::fmt;

use yumen_core::Pending;

/// One difference between the cloud and what a section of the configuration wants of it, which the gateway would end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What differs, for people: `A www.example.com`, `SNAT entry 192.168.0.0/24 of ngw-1`.
    pub what: String,
    /// As it is; `None`: it is not there.
    pub from: Option<String>,
    /// As it is wanted; `None`: it would be removed.
    pub to: Option<String>,
}

impl Change {
    /// Something that is not there yet.
    pub fn add(what: impl Into<String>, to: impl Into<String>) -> Self {
        Self { what: what.into(), from: None, to: Some(to.into()) }
    }

    /// Something that is there and not wanted.
    pub fn remove(what: impl Into<String>, from: impl Into<String>) -> Self {
        Self { what: what.into(), from: Some(from.into()), to: None }
    }

    /// Something that is wanted otherwise.
    pub fn alter(what: impl Into<String>, from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { what: what.into(), from: Some(from.into()), to: Some(to.into()) }
    }
}

/// A line: `+ A www.example.com: 192.0.2.1`, `- …` or `~ …: 192.0.2.1 -> 192.0.2.2`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.what;
        match (&self.from, &self.to) {
            (None, Some(to)) => write!(f, "+ {what}: {to}"),
            (Some(from), None) => write!(f, "- {what}: {from}"),
            (Some(from), Some(to)) => write!(f, "~ {what}: {from} -> {to}"),
            (None, None) => write!(f, "  {what}"),
        }
    }
}

/// What keeps something in the cloud as a section of the configuration says. Each kind of section that changes the cloud
/// has one, for `yumen alibaba sync`.
pub trait Keeper: Send + Sync {
    /// Looks, and says what would be changed, in the order in which it would be. Changes nothing.
    ///
    /// # Errors
    /// For operators: what could not be looked at, why, and what to do.
    fn plan(&self) -> Pending<'_, Result<Vec<Change>, String>>;

    /// Looks, and makes each change once, in the same order; says what was changed.
    ///
    /// # Errors
    /// For operators. What was changed before the failure stays changed.
    fn sync(&self) -> Pending<'_, Result<Vec<Change>, String>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line() {
        assert_eq!(Change::add("A www", "192.0.2.1").to_string(), "+ A www: 192.0.2.1");
        assert_eq!(Change::remove("A www", "192.0.2.1").to_string(), "- A www: 192.0.2.1");
        assert_eq!(Change::alter("weight", "0", "100").to_string(), "~ weight: 0 -> 100");
    }
}
