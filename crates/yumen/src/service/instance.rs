//! Which of several services is meant.

use std::fmt;
use std::str::FromStr;

/// The name that needs no `--name`.
const DEFAULT: &str = "yumen";
/// Long enough for people, short enough for every system with our prefix.
const LONGEST: usize = 48;

/// The name of a service among those of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    name: String,
}

impl Default for Instance {
    fn default() -> Self {
        Self { name: DEFAULT.to_owned() }
    }
}

impl Instance {
    /// What the system calls it: `yumen`, or `yumen-NAME`, so that ours stand together and meet no other's.
    pub(crate) fn id(&self) -> String {
        if self.name == DEFAULT { self.name.clone() } else { format!("{DEFAULT}-{}", self.name) }
    }

    /// What people read in a list of services.
    pub(crate) fn title(&self) -> String {
        if self.name == DEFAULT { "Yumen gateway".to_owned() } else { format!("Yumen gateway ({})", self.name) }
    }
}

impl FromStr for Instance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix("yumen-").unwrap_or(text);
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let ends_well = !name.starts_with('-') && !name.ends_with('-');
        if name.is_empty() || name.len() > LONGEST || !name.chars().all(fits) || !ends_well {
            return Err(format!("a service name has 1 to {LONGEST} of a-z, 0-9 and `-`, with no `-` at its ends"));
        }
        Ok(Self { name: name.to_owned() })
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn names_stand_together_in_the_list_of_the_system() {
        let id = |text: &str| text.parse::<Instance>().map(|i| i.id());
        assert_eq!(Instance::default().id(), "yumen");
        assert_eq!(id("yumen"), Ok("yumen".to_owned()));
        assert_eq!(id("edge"), Ok("yumen-edge".to_owned()));
        assert_eq!(id("yumen-edge"), Ok("yumen-edge".to_owned()));
    }

    #[test]
    fn names_that_a_system_could_misread_are_refused() {
        for text in ["", "-a", "a-", "a b", "a/b", "A", "a.b", "é", "a@b", &"x".repeat(49)] {
            assert!(text.parse::<Instance>().is_err(), "{text}");
        }
    }
}
