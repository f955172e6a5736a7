//! The file of the vendor's command line, `~/.aliyun/config.json`, with all its modes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::{
    AssumeRole, CloudSso, CredentialError, EcsRole, External, Fetching, OAuth, Oidc, Provider, Role, Surroundings,
    file, read_json,
};
use crate::transport::Endpoint;
use crate::{AccessKey, Secret, Timestamp};

const NAME: &str = "aliyun CLI profile";
/// How many profiles may lead to each other.
const DEEPEST: usize = 8;

/// A profile of the file. The file is read anew each time, so a change of it is followed.
#[derive(Clone, Debug)]
pub struct CliProfile {
    /// The profile; else that of `ALIBABA_CLOUD_PROFILE`, else the current one of the file.
    pub profile: Option<String>,
    /// The file; else the one in the home folder.
    pub path: Option<PathBuf>,
    /// What is needed to ask.
    pub surroundings: Surroundings,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    current: String,
    #[serde(default)]
    profiles: Vec<Profile>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Profile {
    name: String,
    mode: String,
    access_key_id: String,
    access_key_secret: String,
    sts_token: String,
    sts_expiration: i64,
    ram_role_name: String,
    ram_role_arn: String,
    ram_session_name: String,
    role_session_name: String,
    expired_seconds: u64,
    policy: String,
    external_id: String,
    sts_region: String,
    enable_vpc: bool,
    source_profile: String,
    oidc_provider_arn: String,
    oidc_token_file: String,
    process_command: String,
    cloud_sso_sign_in_url: String,
    cloud_sso_account_id: String,
    cloud_sso_access_config: String,
    cloud_sso_access_token_expire: i64,
    access_token: String,
    oauth_site_type: String,
    oauth_access_token: String,
    oauth_access_token_expire: i64,
}

impl CliProfile {
    async fn ask(&self) -> Result<AccessKey, CredentialError> {
        let environment = &self.surroundings.environment;
        let path = match &self.path {
            Some(path) => path.clone(),
            None => environment
                .home()
                .ok_or_else(|| CredentialError::absent(NAME, "there is no home folder"))?
                .join(".aliyun")
                .join("config.json"),
        };
        let text = file::read_private(NAME, &path).await?;
        let document: Document = read_json(NAME, text.as_bytes())?;
        let wanted = self.profile.as_deref().or_else(|| environment.profile());
        let name = wanted.unwrap_or(&document.current);
        self.provider(&document, name, 0)?.fetch().await
    }

    fn provider(&self, document: &Document, name: &str, depth: usize) -> Result<Arc<dyn Provider>, CredentialError> {
        let fail = |text: String| CredentialError::failed(NAME, text);
        let profile = document
            .profiles
            .iter()
            .find(|profile| profile.name == name)
            .ok_or_else(|| CredentialError::absent(NAME, format!("there is no profile `{name}`")))?;
        if depth > DEEPEST {
            return Err(fail(format!("the profiles behind `{name}` lead to each other")));
        }
        let surroundings = self.surroundings.clone();
        Ok(match profile.mode.as_str() {
            "AK" => Arc::new(profile.key(false)?),
            "StsToken" => Arc::new(profile.key(true)?),
            "RamRoleArn" => {
                Arc::new(AssumeRole { source: Arc::new(profile.key(false)?), role: profile.role()?, surroundings })
            }
            "RamRoleArnWithEcs" => {
                let source = Arc::new(EcsRole::new(surroundings.clone(), Some(profile.ram_role_name.clone())));
                Arc::new(AssumeRole { source, role: profile.role()?, surroundings })
            }
            "ChainableRamRoleArn" => {
                let source = self.provider(document, &profile.source_profile, depth + 1)?;
                Arc::new(AssumeRole { source, role: profile.role()?, surroundings })
            }
            "EcsRamRole" => Arc::new(EcsRole::new(surroundings, Some(profile.ram_role_name.clone()))),
            "OIDC" => Arc::new(Oidc {
                role: profile.role()?,
                provider_arn: profile.oidc_provider_arn.clone(),
                token_file: profile.oidc_token_file.clone().into(),
                surroundings,
            }),
            "CloudSSO" => Arc::new(profile.cloud_sso(surroundings)),
            "OAuth" => Arc::new(profile.oauth(surroundings)?),
            "External" => Arc::new(External { command: profile.process_command.clone() }),
            mode => return Err(fail(format!("profile `{name}` has the mode `{mode}`, which is not known"))),
        })
    }
}

impl Profile {
    fn key(&self, has_token: bool) -> Result<AccessKey, CredentialError> {
        let is_complete = !self.access_key_id.is_empty()
            && !self.access_key_secret.is_empty()
            && (!has_token || !self.sts_token.is_empty());
        if !is_complete {
            let text = format!("profile `{}` of mode {} holds no complete key", self.name, self.mode);
            return Err(CredentialError::failed(NAME, text));
        }
        let token = if has_token { self.sts_token.as_str() } else { "" };
        Ok(AccessKey::new(self.access_key_id.as_str(), self.access_key_secret.as_str()).with_token(token))
    }

    fn role(&self) -> Result<Role, CredentialError> {
        if self.ram_role_arn.is_empty() {
            return Err(CredentialError::failed(NAME, format!("profile `{}` has no ram_role_arn", self.name)));
        }
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let mut role = Role::new(self.ram_role_arn.as_str());
        if let Some(session) = some(&self.ram_session_name).or_else(|| some(&self.role_session_name)) {
            role.session = session;
        }
        if self.expired_seconds > 0 {
            role.duration = Duration::from_secs(self.expired_seconds);
        }
        role.policy = some(&self.policy);
        role.external_id = some(&self.external_id);
        role.region = some(&self.sts_region);
        role.private = self.enable_vpc;
        Ok(role)
    }

    fn cloud_sso(&self, surroundings: Surroundings) -> CloudSso {
        CloudSso {
            sign_in: self.cloud_sso_sign_in_url.clone(),
            account: self.cloud_sso_account_id.clone(),
            access: self.cloud_sso_access_config.clone(),
            token: Secret::new(self.access_token.as_str()),
            end: unix(self.cloud_sso_access_token_expire),
            surroundings,
        }
    }

    fn oauth(&self, surroundings: Surroundings) -> Result<OAuth, CredentialError> {
        let host = match self.oauth_site_type.to_ascii_uppercase().as_str() {
            "" | "CN" => "oauth.aliyun.com",
            "INTL" => "oauth.alibabacloud.com",
            site => {
                let text = format!("profile `{}` has the OAuth site `{site}`: CN or INTL is meant", self.name);
                return Err(CredentialError::failed(NAME, text));
            }
        };
        Ok(OAuth {
            endpoint: Endpoint::https(host),
            token: Secret::new(self.oauth_access_token.as_str()),
            end: unix(self.oauth_access_token_expire),
            last: self.key(true).ok().map(|key| key.with_end(Some(unix(self.sts_expiration)))),
            surroundings,
        })
    }
}

fn unix(seconds: i64) -> Timestamp {
    Timestamp::from_unix(u64::try_from(seconds).unwrap_or(0))
}

impl Provider for CliProfile {
    fn name(&self) -> &'static str {
        NAME
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.ask())
    }
}
