//! Variables of the environment, and the key that may stand in them.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use super::{CredentialError, Fetching, Provider};
use crate::AccessKey;

/// A copy of the environment. `Debug` shows no values.
#[derive(Clone, Default)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// The environment of this process; what is no text is left out.
    #[must_use]
    pub fn of_process() -> Self {
        let pairs = std::env::vars_os();
        Self(pairs.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect())
    }

    /// An environment of these variables alone.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// A variable; an empty one is none.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The first of several names that is set.
    pub(super) fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.value(name))
    }

    /// The profile that files shall be read for.
    pub(super) fn profile(&self) -> Option<&str> {
        self.first(&["ALIBABA_CLOUD_PROFILE", "ALICLOUD_PROFILE"])
    }

    /// Whether a variable says `true`, in any case.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The home folder: `HOME`, then `HOMEDRIVE` with `HOMEPATH`, then `USERPROFILE`.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        if let Some(home) = self.value("HOME") {
            return Some(home.into());
        }
        if let (Some(drive), Some(path)) = (self.value("HOMEDRIVE"), self.value("HOMEPATH")) {
            return Some(format!("{drive}{path}").into());
        }
        self.value("USERPROFILE").map(PathBuf::from)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

/// The names that belong together, so that parts of two keys are never mixed: those of the vendor's libraries, of Terraform
/// and lego, and of acme.sh.
struct Family {
    ids: &'static [&'static str],
    secrets: &'static [&'static str],
    tokens: &'static [&'static str],
}

const FAMILIES: &[Family] = &[
    Family {
        ids: &["ALIBABA_CLOUD_ACCESS_KEY_ID"],
        secrets: &["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        tokens: &["ALIBABA_CLOUD_SECURITY_TOKEN"],
    },
    Family {
        ids: &["ALICLOUD_ACCESS_KEY_ID", "ALICLOUD_ACCESS_KEY"],
        secrets: &["ALICLOUD_ACCESS_KEY_SECRET", "ALICLOUD_SECRET_KEY", "ALICLOUD_SECRET_ACCESS_KEY"],
        tokens: &["ALICLOUD_SECURITY_TOKEN"],
    },
    Family { ids: &["Ali_Key"], secrets: &["Ali_Secret"], tokens: &[] },
];

/// The key in the environment.
#[derive(Clone, Debug)]
pub struct EnvironmentKey {
    /// Where it is looked for.
    pub environment: Environment,
}

impl Provider for EnvironmentKey {
    fn name(&self) -> &'static str {
        "environment"
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(async {
            let mut half = None;
            for family in FAMILIES {
                let first = |names| self.environment.first(names);
                match (first(family.ids), first(family.secrets)) {
                    (Some(id), Some(secret)) => {
                        let token = first(family.tokens).unwrap_or_default();
                        return Ok(AccessKey::new(id, secret).with_token(token));
                    }
                    (Some(_), None) => half = half.or(family.secrets.first().zip(family.ids.first())),
                    (None, Some(_)) => half = half.or(family.ids.first().zip(family.secrets.first())),
                    (None, None) => {}
                }
            }
            let text = match half {
                Some((missing, set)) => format!("{set} or its like is set and the other half is not: set {missing}"),
                None => "ALIBABA_CLOUD_ACCESS_KEY_ID is not set".to_owned(),
            };
            Err(CredentialError::absent("environment", text))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_folder_is_found_on_every_system() {
        let home = |pairs: &[(&str, &str)]| Environment::from_pairs(pairs.iter().copied()).home();
        assert_eq!(home(&[("HOME", "/h"), ("USERPROFILE", "C:\\u")]), Some("/h".into()));
        assert_eq!(home(&[("HOMEDRIVE", "C:"), ("HOMEPATH", "\\u"), ("USERPROFILE", "x")]), Some("C:\\u".into()));
        assert_eq!(home(&[("USERPROFILE", "C:\\u"), ("HOME", "")]), Some("C:\\u".into()));
        assert_eq!(home(&[]), None);
    }

    #[test]
    fn an_environment_shows_no_values() {
        let environment = Environment::from_pairs([("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "hush")]);
        assert!(!format!("{:?}", EnvironmentKey { environment }).contains("hush"));
    }
}
