//! Global Accelerator, reading only.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Tag;
use crate::client::{Call, Client, Page, Parameters};
use crate::error::Error;
use crate::flexible::{flag, number, text};
use crate::product::GA;

/// An accelerator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Accelerator {
    /// Its id.
    pub accelerator_id: String,
    /// Its name.
    pub name: String,
    /// `init`, `active`, `configuring`, `binding`, `unbinding`, `deleting` or `finacialLocked`, spelt so.
    pub state: String,
    /// The name under which it is reached.
    pub dns_name: String,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// A listener of an accelerator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Listener {
    /// Its id.
    pub listener_id: String,
    /// Its accelerator.
    pub accelerator_id: String,
    /// Its name.
    pub name: String,
    /// `TCP`, `UDP`, `HTTP` or `HTTPS`.
    pub protocol: String,
    /// The ports on which it listens.
    pub port_ranges: Vec<PortRange>,
    /// `NONE` or `SOURCE_IP`.
    pub client_affinity: String,
    /// `active`, `init`, `updating` or `deleting`.
    pub state: String,
    /// `Standard` or `CustomRouting`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Whether it sends headers of the PROXY protocol.
    #[serde(deserialize_with = "flag")]
    pub proxy_protocol: bool,
    /// Its certificates.
    pub certificates: Vec<Certificate>,
    /// How long it waits for an answer, in seconds.
    #[serde(deserialize_with = "number")]
    pub request_timeout: i64,
    /// How long it keeps a connection without traffic, in seconds.
    #[serde(deserialize_with = "number")]
    pub idle_timeout: i64,
    /// When it was made; a number here and a text elsewhere.
    #[serde(deserialize_with = "text")]
    pub create_time: String,
}

/// Ports, both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortRange {
    /// The first.
    #[serde(deserialize_with = "number")]
    pub from_port: i64,
    /// The last.
    #[serde(deserialize_with = "number")]
    pub to_port: i64,
}

/// A certificate of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Certificate {
    /// `<id>-cn-hangzhou`.
    pub id: String,
}

/// Where a listener sends traffic in one region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EndpointGroup {
    /// Its id.
    pub endpoint_group_id: String,
    /// Its listener.
    pub listener_id: String,
    /// Its region.
    pub endpoint_group_region: String,
    /// `init`, `active`, `updating` or `deleting`.
    pub state: String,
    /// How much of the traffic goes there, in percent.
    #[serde(deserialize_with = "number")]
    pub traffic_percentage: i64,
    /// The addresses from which the accelerator connects.
    pub endpoint_group_ip_list: Vec<String>,
    /// Its endpoints.
    pub endpoint_configurations: Vec<Destination>,
    /// What is spoken to its endpoints, `HTTP` or `HTTPS`; empty for other listeners than those of HTTPS.
    pub endpoint_request_protocol: String,
    /// Ports of the listener that are others at its endpoints.
    pub port_overrides: Vec<PortOverride>,
}

/// A port that is another one at the endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortOverride {
    /// That of the listener.
    #[serde(deserialize_with = "number")]
    pub listener_port: i64,
    /// That of the endpoints.
    #[serde(deserialize_with = "number")]
    pub endpoint_port: i64,
}

/// An endpoint of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Destination {
    /// An address, a name or the id of a resource.
    pub endpoint: String,
    /// What that is: `Domain`, `Ip`, `ECS` and so on.
    #[serde(rename = "Type")]
    pub kind: String,
    /// 0 to 255.
    #[serde(deserialize_with = "number")]
    pub weight: i64,
    /// Whether it gets headers of the PROXY protocol.
    #[serde(deserialize_with = "flag")]
    pub enable_proxy_protocol: bool,
}

#[derive(Deserialize)]
struct Listed<T> {
    #[serde(alias = "Accelerators", alias = "Listeners", alias = "EndpointGroups")]
    items: Vec<T>,
    #[serde(rename = "TotalCount", deserialize_with = "number")]
    total: i64,
}

impl<T: DeserializeOwned> Page for Listed<T> {
    type Item = T;

    fn content(self) -> (Vec<T>, Option<usize>, String) {
        (self.items, usize::try_from(self.total).ok(), String::new())
    }
}

async fn list<T: DeserializeOwned>(client: &Client, action: &str, of: Option<&str>) -> Result<Vec<T>, Error> {
    // This product lives in one region, whatever the region of the client is.
    let parameters = Parameters::default().with("RegionId", "cn-hangzhou").with_some("AcceleratorId", of);
    client.numbered::<Listed<T>>(&Call::read(&GA, action, parameters), ("PageNumber", "PageSize", 50)).await
}

/// All accelerators.
///
/// # Errors
/// Each of [`Error`].
pub async fn accelerators(client: &Client) -> Result<Vec<Accelerator>, Error> {
    list(client, "ListAccelerators", None).await
}

/// The listeners of an accelerator.
///
/// # Errors
/// Each of [`Error`]; the code `NotExist.Accelerator` says that it is gone.
pub async fn listeners(client: &Client, accelerator: &str) -> Result<Vec<Listener>, Error> {
    list(client, "ListListeners", Some(accelerator)).await
}

/// The endpoint groups of an accelerator.
///
/// # Errors
/// Each of [`Error`].
pub async fn endpoint_groups(client: &Client, accelerator: &str) -> Result<Vec<EndpointGroup>, Error> {
    list(client, "ListEndpointGroups", Some(accelerator)).await
}
