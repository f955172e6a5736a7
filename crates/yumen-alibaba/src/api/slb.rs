//! Classic load balancers: the default group of a balancer and its vserver groups.
//!
//! Changes are not marked by a token, and a balancer takes one at a time: callers must not change one balancer twice at
//! once. Servers go in batches of 20.

use serde::{Deserialize, Serialize};

use super::Done;
use crate::client::{Call, Client, Parameters, Repeat};
use crate::error::Error;
use crate::flexible::{nested, number, text};
use crate::product::SLB;

/// A server behind a balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Backend {
    /// The id of the instance, interface or container.
    pub server_id: String,
    /// 0 to 100; a text in some answers and a number in others.
    #[serde(deserialize_with = "number")]
    pub weight: i64,
    /// `ecs`, `eni` or `eci`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The address behind an interface.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server_ip: String,
    /// The port; only in vserver groups.
    #[serde(deserialize_with = "number", skip_serializing_if = "is_zero")]
    pub port: i64,
    /// What it is for.
    #[serde(deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub description: String,
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// How a balancer finds a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Health {
    /// The server.
    pub server_id: String,
    /// Its address.
    pub server_ip: String,
    /// Its port.
    #[serde(deserialize_with = "number")]
    pub port: i64,
    /// The port of the listener that asked.
    #[serde(deserialize_with = "number")]
    pub listener_port: i64,
    /// `normal`, `abnormal` or `unavailable`.
    pub server_health_status: String,
}

/// Where servers stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group<'a> {
    /// The default group of this balancer.
    Default(&'a str),
    /// This vserver group.
    VServer(&'a str),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Backends {
    #[serde(deserialize_with = "nested")]
    backend_servers: Vec<Backend>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Healths {
    #[serde(deserialize_with = "nested")]
    backend_servers: Vec<Health>,
}

/// As many servers go in one call.
const BATCH: usize = 20;

impl Group<'_> {
    fn parameters(&self, client: &Client) -> Parameters {
        let parameters = Parameters::default().with("RegionId", client.region());
        match self {
            Self::Default(id) => parameters.with("LoadBalancerId", id),
            Self::VServer(id) => parameters.with("VServerGroupId", id),
        }
    }

    /// The servers of the group.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn backends(&self, client: &Client) -> Result<Vec<Backend>, Error> {
        let action = match self {
            Self::Default(_) => "DescribeLoadBalancerAttribute",
            Self::VServer(_) => "DescribeVServerGroupAttribute",
        };
        let call = Call::read(&SLB, action, self.parameters(client));
        Ok(client.call::<Backends>(&call).await?.backend_servers)
    }

    /// Adds servers.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn add(&self, client: &Client, servers: &[Backend]) -> Result<(), Error> {
        let action = match self {
            Self::Default(_) => "AddBackendServers",
            Self::VServer(_) => "AddVServerGroupBackendServers",
        };
        self.change(client, (action, Repeat::Never), servers).await
    }

    /// Sets the weights of servers that are there. Weight 0 drains a server.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn set(&self, client: &Client, servers: &[Backend]) -> Result<(), Error> {
        let action = match self {
            Self::Default(_) => "SetBackendServers",
            Self::VServer(_) => "SetVServerGroupAttribute",
        };
        self.change(client, (action, Repeat::Safe), servers).await
    }

    /// Removes servers. A balancer or group that is gone is success.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn remove(&self, client: &Client, servers: &[Backend]) -> Result<(), Error> {
        let action = match self {
            Self::Default(_) => "RemoveBackendServers",
            Self::VServer(_) => "RemoveVServerGroupBackendServers",
        };
        match self.change(client, (action, Repeat::Safe), servers).await {
            Err(error) if is_gone(&error) => Ok(()),
            other => other,
        }
    }

    async fn change(
        &self,
        client: &Client,
        (action, repeat): (&str, Repeat),
        servers: &[Backend],
    ) -> Result<(), Error> {
        for batch in servers.chunks(BATCH) {
            // This product wants the list as one text of JSON.
            let list = serde_json::json!(batch);
            let call = Call::write(&SLB, action, self.parameters(client).with("BackendServers", list), repeat);
            client.call::<Done>(&call).await?;
        }
        Ok(())
    }
}

fn is_gone(error: &Error) -> bool {
    let Error::Service(service) = error else { return false };
    error.is(&["InvalidLoadBalancerId.NotFound"])
        // A missing vserver group has no code of its own.
        || (service.code == "InvalidParameter" && service.message.contains("The specified VServerGroupId does not exist"))
}

/// How a balancer finds its servers.
///
/// # Errors
/// Each of [`Error`].
pub async fn health(client: &Client, balancer: &str) -> Result<Vec<Health>, Error> {
    let parameters = Group::Default(balancer).parameters(client);
    Ok(client.call::<Healths>(&Call::read(&SLB, "DescribeHealthStatus", parameters)).await?.backend_servers)
}
