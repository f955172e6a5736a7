//! The credentials file of the vendor's libraries: `~/.alibabacloud/credentials`, or `credentials.ini` beside it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{AssumeRole, CredentialError, EcsRole, Fetching, Oidc, Provider, Role, Surroundings, file};
use crate::AccessKey;

const NAME: &str = "credentials file";

/// A section of the file. The file is read anew each time, so a change of it is followed.
#[derive(Clone, Debug)]
pub struct IniProfile {
    /// The section; else that of `ALIBABA_CLOUD_PROFILE`, else `default`.
    pub profile: Option<String>,
    /// The file; else that of `ALIBABA_CLOUD_CREDENTIALS_FILE`, else the one in the home folder.
    pub path: Option<PathBuf>,
    /// What is needed to ask.
    pub surroundings: Surroundings,
}

type Section = HashMap<String, String>;

impl IniProfile {
    async fn ask(&self) -> Result<AccessKey, CredentialError> {
        let environment = &self.surroundings.environment;
        let text = self.text().await?;
        let wanted = self.profile.as_deref().or_else(|| environment.profile());
        let name = wanted.unwrap_or("default");
        let section = parse(&text)
            .remove(name)
            .ok_or_else(|| CredentialError::absent(NAME, format!("there is no section [{name}]")))?;
        self.provider(name, &section)?.fetch().await
    }

    async fn text(&self) -> Result<String, CredentialError> {
        let environment = &self.surroundings.environment;
        let named =
            self.path.clone().or_else(|| environment.value("ALIBABA_CLOUD_CREDENTIALS_FILE").map(PathBuf::from));
        if let Some(path) = named {
            return file::read_private(NAME, &path).await;
        }
        let home = environment.home().ok_or_else(|| CredentialError::absent(NAME, "there is no home folder"))?;
        let folder = home.join(".alibabacloud");
        match file::read_private(NAME, &folder.join("credentials")).await {
            Err(error) if error.is_absent => file::read_private(NAME, &folder.join("credentials.ini")).await,
            other => other,
        }
    }

    fn provider(&self, name: &str, section: &Section) -> Result<Arc<dyn Provider>, CredentialError> {
        let value = |key: &str| section.get(key).filter(|value| !value.is_empty()).cloned();
        let need = |key: &str| {
            value(key).ok_or_else(|| CredentialError::failed(NAME, format!("section [{name}] has no {key}")))
        };
        let key = || -> Result<AccessKey, CredentialError> {
            Ok(AccessKey::new(need("access_key_id")?, need("access_key_secret")?))
        };
        let role = || -> Result<Role, CredentialError> {
            let mut role = Role::new(need("role_arn")?);
            if let Some(session) = value("role_session_name") {
                role.session = session;
            }
            role.policy = value("policy");
            Ok(role)
        };
        let surroundings = self.surroundings.clone();
        Ok(match need("type")?.as_str() {
            "access_key" => Arc::new(key()?),
            "sts" => Arc::new(key()?.with_token(need("security_token")?)),
            "ram_role_arn" => Arc::new(AssumeRole { source: Arc::new(key()?), role: role()?, surroundings }),
            "ecs_ram_role" => Arc::new(EcsRole::new(surroundings, value("role_name"))),
            "oidc_role_arn" => Arc::new(Oidc {
                role: role()?,
                provider_arn: need("oidc_provider_arn")?,
                token_file: need("oidc_token_file_path")?.into(),
                surroundings,
            }),
            "rsa_key_pair" => {
                let text = format!("section [{name}] has the type rsa_key_pair, which is not supported: use a role");
                return Err(CredentialError::failed(NAME, text));
            }
            other => {
                let text = format!("section [{name}] has the type `{other}`, which is not known");
                return Err(CredentialError::failed(NAME, text));
            }
        })
    }
}

/// Sections of `key = value` lines; `#` begins a comment, `;` only at the start of a line. What stands before the first
/// section, and lines without `=`, count for nothing.
fn parse(text: &str) -> HashMap<String, Section> {
    let mut sections: HashMap<String, Section> = HashMap::new();
    let mut current = None;
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.entry(name.trim().to_owned()).or_default();
            current = Some(name.trim().to_owned());
        } else if let (Some(section), Some((key, value))) =
            (current.as_ref().and_then(|name| sections.get_mut(name)), line.split_once('='))
            && !line.starts_with(';')
        {
            section.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    sections
}

impl Provider for IniProfile {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.ask())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_hold_keys_and_comments_count_for_nothing() {
        let sections = parse("a = 0\n[ one ] # first\n a=1 # x\n;b=2\nno sign\n\n[two]\r\na = x=y\n[one]\nc=\n");
        let section = |name: &str, key: &str| sections.get(name).and_then(|section| section.get(key)).cloned();
        assert_eq!(section("one", "a").as_deref(), Some("1"));
        assert_eq!(section("one", "b"), None);
        assert_eq!(section("one", "c").as_deref(), Some(""));
        assert_eq!(section("two", "a").as_deref(), Some("x=y"));
        assert_eq!(sections.len(), 2);
    }
}
