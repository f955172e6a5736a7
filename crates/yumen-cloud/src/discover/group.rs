//! The servers of a group of a load balancer.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use yumen_alibaba::api::slb::Group;
use yumen_alibaba::api::{GroupServer, alb, nlb};
use yumen_alibaba::{Client, Error};
use yumen_config::config::{BalancerKind, ServerGroup};
use yumen_core::DiscoveredEndpoint;

use super::{Answer, ecs};

/// A server of any kind of group.
struct Server {
    id: String,
    ip: Option<IpAddr>,
    port: i64,
    weight: i64,
    zone: String,
}

pub(super) async fn ask(group: &ServerGroup, port: Option<u16>, client: &Client) -> Result<Answer, Error> {
    let id = group.id.as_str();
    let servers = match group.kind {
        BalancerKind::Alb => modern(alb::ServerGroups::new(client.clone()).servers(id).await?),
        BalancerKind::Nlb => modern(nlb::ServerGroups::new(client.clone()).servers(id).await?),
        BalancerKind::Clb => classic(id, client).await?,
    };
    Ok(read(servers, port))
}

/// Those of ALB and NLB that take traffic: not yet while they are added, and no more while they are removed.
fn modern(servers: Vec<GroupServer>) -> Vec<Server> {
    let serves = |server: &GroupServer| !matches!(server.status.as_str(), "Adding" | "Removing");
    let server = |s: GroupServer| Server {
        ip: s.server_ip.parse().or_else(|_| s.server_id.parse()).ok(),
        id: s.server_id,
        port: s.port,
        weight: s.weight,
        zone: s.zone_id,
    };
    servers.into_iter().filter(serves).map(server).collect()
}

/// Those of CLB, whose groups do not tell the addresses of all kinds of servers.
async fn classic(id: &str, client: &Client) -> Result<Vec<Server>, Error> {
    let group = if id.starts_with("lb-") { Group::Default(id) } else { Group::VServer(id) };
    let found = group.backends(client).await?;
    let nameless: Vec<String> =
        found.iter().filter(|s| s.server_ip.is_empty() && s.kind != "eni").map(|s| s.server_id.clone()).collect();
    let addresses =
        if nameless.is_empty() { BTreeMap::new() } else { ecs::private_addresses(client, &nameless).await? };
    let server = |s: yumen_alibaba::api::slb::Backend| Server {
        ip: s.server_ip.parse().ok().or_else(|| addresses.get(&s.server_id).copied()),
        id: s.server_id,
        port: s.port,
        weight: s.weight,
        zone: String::new(),
    };
    Ok(found.into_iter().map(server).collect())
}

fn read(servers: Vec<Server>, port: Option<u16>) -> Answer {
    let mut answer = Answer::default();
    for server in servers {
        let own = u16::try_from(server.port).ok().filter(|port| *port > 0);
        let (Some(ip), Some(port)) = (server.ip, port.or(own)) else {
            let what = if server.ip.is_none() { "address" } else { "port of its own" };
            answer.left_out.push(format!("{} has no {what}", server.id));
            continue;
        };
        let zone = Some(("zone".to_owned(), server.zone)).filter(|(_, zone)| !zone.is_empty());
        answer.endpoints.push(DiscoveredEndpoint {
            id: Arc::from(server.id),
            addr: SocketAddr::new(ip, port),
            weight: u32::try_from(server.weight.clamp(0, 100)).unwrap_or_default(),
            labels: Arc::new(zone.into_iter().collect()),
        });
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(id: &str, status: &str, port: i64, weight: i64) -> GroupServer {
        let (id, ip) = (id.to_owned(), "10.0.0.7".to_owned());
        GroupServer { server_id: id, server_ip: ip, status: status.to_owned(), port, weight, ..GroupServer::default() }
    }

    #[test]
    fn servers_that_come_or_go_are_none_and_drained_ones_have_weight_0() {
        let all = ["Adding", "Available", "Removing", "Configuring"];
        let found = all.iter().zip(1..).map(|(status, at)| server(&format!("i-{at}"), status, 80 + at, 0)).collect();
        let ports: Vec<u16> = read(modern(found), None).endpoints.iter().map(|e| e.addr.port()).collect();
        assert_eq!(ports, [82, 84]);
        assert_eq!(
            read(modern(vec![server("i-1", "Available", 80, 0)]), None).endpoints.first().map(|e| e.weight),
            Some(0)
        );
    }

    #[test]
    fn port_of_the_section_goes_before_that_of_the_server_and_none_is_told() {
        let found = || modern(vec![server("i-1", "Available", 0, 100)]);
        assert_eq!(read(found(), Some(9)).endpoints.first().map(|e| e.addr.port()), Some(9));
        assert_eq!(read(found(), None).left_out, ["i-1 has no port of its own"]);
    }
}
