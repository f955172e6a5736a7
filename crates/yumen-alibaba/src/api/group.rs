//! What the server groups of ALB and NLB have in common: changes are jobs that are awaited.

use serde::Deserialize;
use tokio::time::sleep;

use super::Done;
use crate::client::{Call, Client, Page, Parameters, Repeat};
use crate::error::Error;
use crate::flexible::{flag, number, text};
use crate::product::Product;

/// A server in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct GroupServer {
    /// The id of the instance or interface, or the address in a group of addresses.
    pub server_id: String,
    /// `Ecs`, `Eni`, `Eci` or `Ip`.
    pub server_type: String,
    /// Its address.
    pub server_ip: String,
    /// Its port.
    #[serde(deserialize_with = "number")]
    pub port: i64,
    /// 0 to 100; 0 gets no new connections.
    #[serde(deserialize_with = "number")]
    pub weight: i64,
    /// What it is for.
    #[serde(deserialize_with = "text")]
    pub description: String,
    /// The zone of a server of NLB; empty where it is not told. Not part of a wish.
    pub zone_id: String,
    /// `Adding`, `Available`, `Configuring` or `Removing`; not part of a wish.
    pub status: String,
}

/// Which server of a group is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberId {
    /// As [`GroupServer::server_id`].
    pub server_id: String,
    /// As [`GroupServer::server_type`].
    pub server_type: String,
    /// Its port.
    pub port: u16,
}

/// How the health checks of a listener find a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct GroupHealth {
    /// The group.
    pub server_group_id: String,
    /// Whether there are checks.
    #[serde(deserialize_with = "flag", alias = "HeathCheckEnabled")]
    pub health_check_enabled: bool,
    /// The servers that are not normal; all others are.
    pub non_normal_servers: Vec<NonNormalServer>,
}

/// A server that health checks do not find normal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NonNormalServer {
    /// As [`GroupServer::server_id`].
    pub server_id: String,
    /// Its address.
    pub server_ip: String,
    /// Its port.
    #[serde(deserialize_with = "number")]
    pub port: i64,
    /// `Initial`, `Unhealthy`, `Unavailable` or `Unused`.
    pub status: String,
    /// Why.
    pub reason: Reason,
}

/// Why a server is not normal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Reason {
    /// Such as `CONNECT_TIMEOUT`.
    pub reason_code: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ListenerHealths {
    listener_health_status: Vec<Checked>,
    rule_health_status: Vec<Checked>,
    next_token: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Checked {
    server_group_infos: Vec<GroupHealth>,
}

impl Page for ListenerHealths {
    type Item = GroupHealth;

    fn content(self) -> (Vec<GroupHealth>, Option<usize>, String) {
        let all = self.listener_health_status.into_iter().chain(self.rule_health_status);
        (all.flat_map(|part| part.server_group_infos).collect(), None, self.next_token)
    }
}

/// As many servers go in one call.
const BATCH: usize = 40;
/// So often a job is looked at.
const LOOKS: u32 = 60;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Servers {
    servers: Vec<GroupServer>,
    #[serde(default)]
    next_token: String,
}

impl Page for Servers {
    type Item = GroupServer;

    fn content(self) -> (Vec<GroupServer>, Option<usize>, String) {
        (self.servers, None, self.next_token)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Accepted {
    #[serde(default)]
    job_id: String,
}

/// The state of a job.
pub(super) enum Job {
    Running,
    Done,
    Failed(String),
}

/// The groups of one product.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    pub(super) client: Client,
    pub(super) product: &'static Product,
    /// Whether the product wants to be told its region.
    pub(super) names_region: bool,
}

impl Groups {
    fn parameters(&self, group: &str) -> Parameters {
        let region = self.names_region.then(|| self.client.region().to_owned());
        Parameters::default().with_some("RegionId", region).with("ServerGroupId", group)
    }

    pub(super) async fn servers(&self, group: &str) -> Result<Vec<GroupServer>, Error> {
        let call = Call::read(self.product, "ListServerGroupServers", self.parameters(group));
        self.client.chained::<Servers>(&call, ("MaxResults", 100)).await
    }

    /// How the checks of a listener find its groups. `rules`: those of its forwarding rules too, in pages.
    pub(super) async fn health(&self, listener: &str, rules: bool) -> Result<Vec<GroupHealth>, Error> {
        let region = self.names_region.then(|| self.client.region().to_owned());
        let parameters = Parameters::default().with_some("RegionId", region).with("ListenerId", listener);
        let read = |parameters| Call::read(self.product, "GetListenerHealthStatus", parameters);
        if rules {
            let call = read(parameters.with("IncludeRule", true));
            return self.client.chained::<ListenerHealths>(&call, ("MaxResults", 30)).await;
        }
        Ok(self.client.call::<ListenerHealths>(&read(parameters)).await?.content().0)
    }

    /// Sends servers in batches, one job after another.
    pub(super) async fn set<L>(&self, action: &str, group: &str, servers: &[GroupServer], look: L) -> Result<(), Error>
    where
        L: AsyncFn(&Client, &str) -> Result<Job, Error>,
    {
        for batch in servers.chunks(BATCH) {
            let mut parameters = self.parameters(group);
            for (at, server) in (1..).zip(batch) {
                let name = |field: &str| format!("Servers.{at}.{field}");
                let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
                parameters = parameters
                    .with(name("ServerId"), &server.server_id)
                    .with(name("ServerType"), &server.server_type)
                    .with_some(name("ServerIp"), some(&server.server_ip))
                    .with(name("Port"), server.port)
                    .with(name("Weight"), server.weight)
                    .with_some(name("Description"), some(&server.description));
            }
            self.change(action, parameters, &look).await?;
        }
        Ok(())
    }

    /// Removes servers; what is not there is removed.
    pub(super) async fn remove<L>(&self, group: &str, members: &[MemberId], look: L) -> Result<(), Error>
    where
        L: AsyncFn(&Client, &str) -> Result<Job, Error>,
    {
        const GONE: &[&str] =
            &["ResourceNotFound.BackendServer", "ResourceNotFound.ServerGroup", "ResourceNotFound.serverGroup"];
        // A server that is gone would refuse those beside it in the same call.
        for batch in members.chunks(BATCH) {
            match self.change("RemoveServersFromServerGroup", self.removal(group, batch), &look).await {
                Err(error) if error.is(GONE) && batch.len() > 1 => {
                    for member in batch.chunks(1) {
                        let outcome =
                            self.change("RemoveServersFromServerGroup", self.removal(group, member), &look).await;
                        outcome.or_else(|error| if error.is(GONE) { Ok(()) } else { Err(error) })?;
                    }
                }
                Err(error) if error.is(GONE) => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn removal(&self, group: &str, members: &[MemberId]) -> Parameters {
        (1..).zip(members).fold(self.parameters(group), |parameters, (at, member)| {
            parameters
                .with(format!("Servers.{at}.ServerId"), &member.server_id)
                .with(format!("Servers.{at}.ServerType"), &member.server_type)
                .with(format!("Servers.{at}.Port"), member.port)
        })
    }

    async fn change<L>(&self, action: &str, parameters: Parameters, look: &L) -> Result<(), Error>
    where
        L: AsyncFn(&Client, &str) -> Result<Job, Error>,
    {
        let call = Call::write(self.product, action, parameters, Repeat::ByToken);
        let job = self.client.call::<Accepted>(&call).await?.job_id;
        if job.is_empty() {
            return Ok(());
        }
        let failed =
            |text: String| Error::Job { product: self.product.name, action: action.to_owned(), job: job.clone(), text };
        for _ in 0..LOOKS {
            match look(&self.client, &job).await? {
                Job::Done => return Ok(()),
                Job::Failed(text) => return Err(failed(format!("it failed: {text}"))),
                Job::Running => sleep(self.client.patience()).await,
            }
        }
        Err(failed("it has not ended yet; look at the group later".to_owned()))
    }

    /// Asks whether a change would be accepted, without doing it.
    pub(super) async fn try_out(&self, action: &str, parameters: Parameters) -> Result<(), Error> {
        let call = Call::read(self.product, action, parameters.with("DryRun", true));
        match self.client.call::<Done>(&call).await {
            // The service tells success as an error.
            Err(error) if error.is(&["DryRunOperation"]) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Whether this identity may change a group.
    pub(super) async fn may_change(&self, group: &str) -> Result<(), Error> {
        let parameters = self
            .parameters(group)
            .with("Servers.1.ServerId", "192.0.2.1")
            .with("Servers.1.ServerType", "Ip")
            .with("Servers.1.Port", 1);
        self.try_out("RemoveServersFromServerGroup", parameters).await
    }
}
