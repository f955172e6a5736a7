//! A key that a server nearby hands out at a URL.

use super::{CredentialError, Fetching, Handed, Provider, Surroundings, read_json};
use crate::transport::{Endpoint, Timeouts};
use crate::{AccessKey, Draft};

const NAME: &str = "credentials URI";

/// Asks a URL with GET.
#[derive(Clone, Debug)]
pub struct Uri {
    /// The URL, `http` or `https`. It may hold what authorises the caller, so it is not shown.
    pub url: crate::Secret,
    /// What is needed to ask.
    pub surroundings: Surroundings,
}

impl Uri {
    async fn ask(&self) -> Result<AccessKey, CredentialError> {
        let (endpoint, target) = split(self.url.reveal())?;
        let draft = Draft::new("GET", "", target);
        let answer = self.surroundings.ask(NAME, &endpoint, draft, Timeouts::default()).await?;
        if answer.status != 200 {
            return Err(CredentialError::failed(NAME, format!("{endpoint} answered {}", answer.status)));
        }
        let handed: Handed = read_json(NAME, &answer.body)?;
        handed.key(NAME)
    }
}

/// The endpoint, and path with query as they stand.
fn split(url: &str) -> Result<(Endpoint, &str), CredentialError> {
    let bad =
        |text: &str| CredentialError::failed(NAME, format!("ALIBABA_CLOUD_CREDENTIALS_URI is not usable: {text}"));
    let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("it has no scheme"))?;
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(at).unwrap_or((rest, ""));
    // What is wrong with the authority is not repeated: it may hold a password.
    let endpoint =
        Endpoint::parse(&format!("{scheme}://{authority}")).map_err(|_| bad("it is no http or https URL of a host"))?;
    let target = target.split('#').next().unwrap_or_default();
    Ok((endpoint, if target.is_empty() { "/" } else { target }))
}

impl Provider for Uri {
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
    fn a_url_is_split_as_it_stands() {
        let (endpoint, target) = split("http://127.0.0.1:80/cred?name=a+b#c").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((endpoint.to_string().as_str(), target), ("http://127.0.0.1:80", "/cred?name=a+b"));
        assert_eq!(split("https://host").map(|(_, target)| target), Ok("/"));
        for url in ["", "host/path", "ftp://host/", "http://user:hush@host/", "http:///path"] {
            let Err(error) = split(url) else { panic!("{url}") };
            assert!(!error.to_string().contains("hush"));
        }
    }
}
