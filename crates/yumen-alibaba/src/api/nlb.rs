//! Server groups of network load balancers (NLB).

use serde::Deserialize;

use super::group::{GroupHealth, GroupServer, Groups, Job, MemberId};
use crate::client::{Call, Client, Parameters};
use crate::error::Error;
use crate::product::NLB;

/// The server groups that the keys of a client reach.
#[derive(Clone, Debug)]
pub struct ServerGroups(Groups);

impl ServerGroups {
    /// Groups in the region of a client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(Groups { client, product: &NLB, names_region: true })
    }

    /// The servers of a group.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn servers(&self, group: &str) -> Result<Vec<GroupServer>, Error> {
        self.0.servers(group).await
    }

    /// Adds servers and waits until they are in.
    ///
    /// # Errors
    /// Each of [`Error`]; [`Error::Job`] when the change was accepted and failed later.
    pub async fn add(&self, group: &str, servers: &[GroupServer]) -> Result<(), Error> {
        self.0.set("AddServersToServerGroup", group, servers, look).await
    }

    /// Changes weights and descriptions of servers and waits until that holds. Weight 0 drains a server.
    ///
    /// # Errors
    /// As [`ServerGroups::add`].
    pub async fn update(&self, group: &str, servers: &[GroupServer]) -> Result<(), Error> {
        self.0.set("UpdateServerGroupServersAttribute", group, servers, look).await
    }

    /// Removes servers and waits until they are out; those that are not there are.
    ///
    /// # Errors
    /// As [`ServerGroups::add`].
    pub async fn remove(&self, group: &str, members: &[MemberId]) -> Result<(), Error> {
        self.0.remove(group, members, look).await
    }

    /// How the health checks of a listener find the groups it sends to.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn health(&self, listener: &str) -> Result<Vec<GroupHealth>, Error> {
        self.0.health(listener, false).await
    }

    /// Asks whether this identity may change a group; nothing is changed.
    ///
    /// # Errors
    /// Each of [`Error`]; [`Error::permission`] says what to grant.
    pub async fn may_change(&self, group: &str) -> Result<(), Error> {
        self.0.may_change(group).await
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    #[serde(default)]
    status: String,
}

async fn look(client: &Client, job: &str) -> Result<Job, Error> {
    let call = Call::read(&NLB, "GetJobStatus", Parameters::default().with("JobId", job));
    let state: State = client.call(&call).await?;
    Ok(match state.status.to_ascii_lowercase().as_str() {
        "succeeded" => Job::Done,
        "failed" => Job::Failed("the service does not say why".to_owned()),
        _ => Job::Running,
    })
}
