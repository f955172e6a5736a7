//! The object store: put, get and delete an object, and URLs for others.

use std::time::Duration;

use bytes::Bytes;

use crate::client::{Attempt, Client, Fault, Plan, Repeat};
use crate::error::Error;
use crate::product::OSS;
use crate::sign::{self, oss4};
use crate::transport::{Answer, Endpoint};
use crate::{Draft, Headers};

/// A bucket in the region of a client.
#[derive(Clone, Debug)]
pub struct Bucket {
    client: Client,
    name: String,
}

/// Where requests for a bucket go.
struct Place {
    endpoint: Endpoint,
    /// Before the key: the bucket, where it is not in the host.
    prefix: String,
}

impl Bucket {
    /// A bucket; nothing is sent.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    fn place(&self) -> Place {
        let endpoint = match self.client.override_of(&OSS) {
            Some(endpoint) => endpoint.clone(),
            None => {
                // The private network of a region is called otherwise here.
                let inner = self.client.network().map_or("", |_| "-internal");
                Endpoint::https(format!("oss-{}{inner}.aliyuncs.com", self.client.region()))
            }
        };
        let (host, _) = endpoint.address();
        // An address has no subdomains.
        if host == "localhost" || host.parse::<std::net::IpAddr>().is_ok() {
            return Place { endpoint, prefix: format!("/{}", self.name) };
        }
        Place { endpoint: endpoint.with_label(&self.name), prefix: String::new() }
    }

    /// Puts an object; one of that name is replaced. Returns its `ETag`.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn put(&self, key: &str, content: Bytes, media_type: &str) -> Result<String, Error> {
        let mut headers = Headers::default();
        headers.set("content-type", media_type);
        headers.set("content-md5", sign::md5_base64(&content));
        let answer = self.send(("PutObject", "PUT"), key, headers, content).await?;
        Ok(answer.headers.value("etag").unwrap_or_default().trim_matches('"').to_owned())
    }

    /// The content of an object.
    ///
    /// # Errors
    /// Each of [`Error`]; the code `NoSuchKey` says that there is none.
    pub async fn get(&self, key: &str) -> Result<Bytes, Error> {
        Ok(self.send(("GetObject", "GET"), key, Headers::default(), Bytes::new()).await?.body)
    }

    /// Deletes an object; one that is not there is deleted.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        match self.send(("DeleteObject", "DELETE"), key, Headers::default(), Bytes::new()).await {
            Err(error) if error.is(&["NoSuchKey"]) => Ok(()),
            other => other.map(drop),
        }
    }

    /// A URL with which anybody may get an object for a while, at most a week and no longer than the key lasts that signs it.
    ///
    /// # Errors
    /// [`Error::Credential`] when there is no key.
    pub async fn url(&self, key: &str, life: Duration) -> Result<String, Error> {
        let place = self.place();
        let access = self.client.credentials().key().await.map_err(|source| Error::Credential {
            product: OSS.name,
            action: "GetObject".to_owned(),
            source,
        })?;
        let resource = self.resource(key);
        let path = format!("{}{}", place.prefix, resource.path());
        let mut draft = Draft::new("GET", place.endpoint.authority.clone(), path);
        oss4::presign(&mut draft, &access, &resource, self.client.clock().now(), life);
        Ok(format!("{}{}", place.endpoint, draft.target()))
    }

    fn resource<'a>(&'a self, key: &'a str) -> oss4::Resource<'a> {
        oss4::Resource { region: self.client.region(), bucket: &self.name, key }
    }

    async fn send(
        &self,
        (action, method): (&str, &'static str),
        key: &str,
        headers: Headers,
        content: Bytes,
    ) -> Result<Answer, Error> {
        if key.is_empty() || key.len() > 1023 || key.starts_with('/') {
            let text = "the key of an object has 1 to 1023 bytes and begins with no slash".to_owned();
            return Err(Error::Invalid { product: OSS.name, action: action.to_owned(), text });
        }
        let place = self.place();
        let resource = self.resource(key);
        let path = format!("{}{}", place.prefix, resource.path());
        let build = |attempt: &Attempt| {
            let mut draft = Draft::new(method, place.endpoint.authority.clone(), path.clone());
            draft.headers = headers.clone();
            draft.body = content.clone();
            oss4::sign(&mut draft, &attempt.key, &resource, attempt.stamp.time, &[]);
            draft
        };
        let permission = format!("oss:{action}");
        let plan = Plan {
            product: &OSS,
            action,
            endpoint: &place.endpoint,
            repeat: Repeat::Safe,
            fault,
            is_whole: |_| Ok(()),
            permission: Some(&permission),
        };
        self.client.attempts(&plan, build).await
    }
}

/// Reads an error, which is XML.
fn fault(answer: &Answer) -> Fault {
    let text = String::from_utf8_lossy(&answer.body);
    let header = answer.headers.value("x-oss-request-id").unwrap_or_default();
    Fault {
        code: element(&text, "Code"),
        message: element(&text, "Message"),
        request_id: Some(element(&text, "RequestId")).filter(|id| !id.is_empty()).unwrap_or_else(|| header.to_owned()),
        permission: None,
    }
}

/// The text of the first element of a name; the service writes neither attributes nor nested elements in those of interest.
fn element(xml: &str, name: &str) -> String {
    let inner = xml.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    let text = inner.map(|(text, _)| text).unwrap_or_default();
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .into_iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_xml_is_read() {
        let xml =
            "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>a &lt;b&gt; &amp;amp;</Message></Error>";
        assert_eq!(element(xml, "Code"), "NoSuchKey");
        assert_eq!(element(xml, "Message"), "a <b> &amp;");
        assert_eq!(element(xml, "RequestId"), "");
        assert_eq!(element("<Code>torn", "Code"), "");
    }
}
