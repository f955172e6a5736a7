//! One server in a group, of whichever kind the balancer is.

use std::sync::Arc;

use yumen_alibaba::api::slb::{self, Backend};
use yumen_alibaba::api::{GroupHealth, GroupServer, MemberId, alb, nlb};
use yumen_alibaba::{Client, Error};
use yumen_config::config::{BalancerKind, RegisteredServer, Registration};

/// The entry of this machine in its group.
pub(super) struct Entry {
    pub(super) section: Arc<Registration>,
    pub(super) client: Client,
    /// The id of the instance or the interface, or the address.
    pub(super) server: String,
}

/// What the group says of the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) weight: i64,
    pub(super) description: String,
    /// `Adding`, `Available`, `Configuring` or `Removing`; empty with classic balancers, which change at once.
    pub(super) status: String,
}

/// How the balancer finds this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Normal,
    /// Not checked, or not yet.
    Unknown(String),
    /// It gets no traffic.
    Bad(String),
}

impl Entry {
    /// The group in words.
    pub(super) fn place(&self) -> String {
        let Registration { kind, group, balancer, .. } = &*self.section;
        match (group, balancer) {
            (Some(group), _) => format!("group {group} ({})", kind.as_str()),
            (None, balancer) => format!("the default group of {}", balancer.as_deref().unwrap_or_default()),
        }
    }

    /// The server in words.
    pub(super) fn name(&self) -> String {
        match self.section.port {
            Some(port) => format!("{}:{port}", self.server),
            None => self.server.clone(),
        }
    }

    fn port(&self) -> i64 {
        self.section.port.map_or(0, i64::from)
    }

    fn group(&self) -> &str {
        self.section.group.as_deref().unwrap_or_default()
    }

    fn classic(&self) -> slb::Group<'_> {
        match &self.section.group {
            Some(group) => slb::Group::VServer(group),
            None => slb::Group::Default(self.section.balancer.as_deref().unwrap_or_default()),
        }
    }

    fn kind(&self) -> &'static str {
        match &self.section.server {
            RegisteredServer::Instance(_) => "Ecs",
            RegisteredServer::Interface(..) => "Eni",
            RegisteredServer::Address(_) => "Ip",
        }
    }

    fn server_ip(&self) -> String {
        match &self.section.server {
            RegisteredServer::Interface(_, Some(ip)) => ip.to_string(),
            _ => String::new(),
        }
    }

    fn wish(&self, weight: u8) -> GroupServer {
        GroupServer {
            server_id: self.server.clone(),
            server_type: self.kind().to_owned(),
            server_ip: self.server_ip(),
            port: self.port(),
            weight: i64::from(weight),
            description: self.section.description.clone(),
            ..GroupServer::default()
        }
    }

    fn backend(&self, weight: u8) -> Backend {
        Backend {
            server_id: self.server.clone(),
            weight: i64::from(weight),
            kind: self.kind().to_ascii_lowercase(),
            server_ip: self.server_ip(),
            port: self.port(),
            description: self.section.description.clone(),
        }
    }

    /// Whether something that a group lists is this entry. An interface may be there by several of its addresses.
    fn is_it(&self, id: &str, ip: &str, port: i64) -> bool {
        let wanted = self.server_ip();
        id == self.server && port == self.port() && (wanted.is_empty() || ip.is_empty() || ip == wanted)
    }

    /// The entry as it is; `None`: it is not there.
    pub(super) async fn find(&self) -> Result<Option<Found>, Error> {
        let modern = |all: Vec<GroupServer>| {
            let own = all.into_iter().find(|s| self.is_it(&s.server_id, &s.server_ip, s.port));
            own.map(|s| Found { weight: s.weight, description: s.description, status: s.status })
        };
        Ok(match self.section.kind {
            BalancerKind::Alb => modern(alb::ServerGroups::new(self.client.clone()).servers(self.group()).await?),
            BalancerKind::Nlb => modern(nlb::ServerGroups::new(self.client.clone()).servers(self.group()).await?),
            BalancerKind::Clb => {
                let all = self.classic().backends(&self.client).await?;
                let own = all.into_iter().find(|s| self.is_it(&s.server_id, &s.server_ip, s.port));
                own.map(|s| Found { weight: s.weight, description: s.description, status: String::new() })
            }
        })
    }

    /// Adds it, and waits until it is in.
    pub(super) async fn add(&self) -> Result<(), Error> {
        let weight = self.section.weight;
        match self.section.kind {
            BalancerKind::Alb => {
                alb::ServerGroups::new(self.client.clone()).add(self.group(), &[self.wish(weight)]).await
            }
            BalancerKind::Nlb => {
                nlb::ServerGroups::new(self.client.clone()).add(self.group(), &[self.wish(weight)]).await
            }
            BalancerKind::Clb => self.classic().add(&self.client, &[self.backend(weight)]).await,
        }
    }

    /// Gives it a weight, and waits until that holds.
    pub(super) async fn set(&self, weight: u8) -> Result<(), Error> {
        match self.section.kind {
            BalancerKind::Alb => {
                alb::ServerGroups::new(self.client.clone()).update(self.group(), &[self.wish(weight)]).await
            }
            BalancerKind::Nlb => {
                nlb::ServerGroups::new(self.client.clone()).update(self.group(), &[self.wish(weight)]).await
            }
            BalancerKind::Clb => self.classic().set(&self.client, &[self.backend(weight)]).await,
        }
    }

    /// Removes it, and waits until it is out.
    pub(super) async fn remove(&self) -> Result<(), Error> {
        let member = || {
            let (server_id, server_type) = (self.server.clone(), self.kind().to_owned());
            [MemberId { server_id, server_type, port: self.section.port.unwrap_or_default() }]
        };
        match self.section.kind {
            BalancerKind::Alb => alb::ServerGroups::new(self.client.clone()).remove(self.group(), &member()).await,
            BalancerKind::Nlb => nlb::ServerGroups::new(self.client.clone()).remove(self.group(), &member()).await,
            BalancerKind::Clb => self.classic().remove(&self.client, &[self.backend(0)]).await,
        }
    }

    /// How the balancer finds it.
    pub(super) async fn health(&self) -> Result<Health, Error> {
        let listener = self.section.listener_id.as_deref().unwrap_or_default();
        match self.section.kind {
            BalancerKind::Alb => Ok(self.judge(alb::ServerGroups::new(self.client.clone()).health(listener).await?)),
            BalancerKind::Nlb => Ok(self.judge(nlb::ServerGroups::new(self.client.clone()).health(listener).await?)),
            BalancerKind::Clb => {
                let balancer = self.section.balancer.as_deref().unwrap_or_default();
                let all = slb::health(&self.client, balancer).await?;
                // Each listener has a check of its own; the worst one counts.
                let own = all.iter().filter(|h| {
                    h.server_id == self.server && self.section.port.is_none_or(|port| h.port == i64::from(port))
                });
                let states: Vec<&str> = own.map(|h| h.server_health_status.as_str()).collect();
                Ok(match states.as_slice() {
                    [] => Health::Unknown("no listener checks it".to_owned()),
                    all if all.contains(&"abnormal") => Health::Bad("abnormal".to_owned()),
                    all if all.contains(&"normal") => Health::Normal,
                    _ => Health::Unknown("unavailable".to_owned()),
                })
            }
        }
    }

    fn judge(&self, groups: Vec<GroupHealth>) -> Health {
        let mut own = groups.iter().filter(|group| group.server_group_id == self.group()).peekable();
        if own.peek().is_none() {
            return Health::Unknown("the listener does not send to this group".to_owned());
        }
        let mut is_checked = false;
        for group in own {
            is_checked |= group.health_check_enabled;
            let found = group.non_normal_servers.iter().find(|s| self.is_it(&s.server_id, &s.server_ip, s.port));
            let Some(server) = found else { continue };
            let why = match server.reason.reason_code.as_str() {
                "" => server.status.clone(),
                code => format!("{}: {code}", server.status),
            };
            return if server.status == "Unhealthy" { Health::Bad(why) } else { Health::Unknown(why) };
        }
        if is_checked { Health::Normal } else { Health::Unknown("nobody checks it".to_owned()) }
    }
}
