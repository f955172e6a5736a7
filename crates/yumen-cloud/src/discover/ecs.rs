//! Instances of ECS that run.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use yumen_alibaba::api::Tag;
use yumen_alibaba::api::ecs::{self, Filter, Instance};
use yumen_alibaba::{Client, Error};
use yumen_config::config::{InstanceAddress, Instances};
use yumen_core::DiscoveredEndpoint;

use super::Answer;

const RUNNING: &str = "Running";

pub(super) async fn ask(wanted: &Instances, port: Option<u16>, client: &Client) -> Result<Answer, Error> {
    let filter = Filter {
        tags: wanted.tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect(),
        vpc: wanted.vpc.clone(),
        zone: match wanted.zones.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        },
        security_group: wanted.security_group.clone(),
        status: Some(RUNNING.to_owned()),
        ..Filter::default()
    };
    let found = ecs::instances(client, &filter).await?;
    Ok(read(wanted, port.unwrap_or_default(), &found))
}

fn read(wanted: &Instances, port: u16, found: &[Instance]) -> Answer {
    let mut answer = Answer::default();
    // The service asks for one zone at most, and an instance may stop while the list is read.
    let is_meant =
        |i: &&Instance| i.status == RUNNING && (wanted.zones.is_empty() || wanted.zones.contains(&i.zone_id));
    for instance in found.iter().filter(is_meant) {
        let Some(ip) = address(instance, wanted.address) else {
            answer.left_out.push(format!("{} has no {} address", instance.instance_id, wanted.address.as_str()));
            continue;
        };
        let tag = |key: &str| instance.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.clone());
        let mut weight = 1;
        if let Some(text) = wanted.weight_tag.as_deref().and_then(tag) {
            match text.trim().parse::<u16>() {
                Ok(number) => weight = u32::from(number),
                // One wrong tag must not take an instance out.
                Err(_) => answer.left_out.push(format!("the weight of {}, which is no number", instance.instance_id)),
            }
        }
        let mut labels: BTreeMap<String, String> =
            wanted.labels.iter().filter_map(|key| Some((key.clone(), tag(key)?))).collect();
        labels.insert("zone".to_owned(), instance.zone_id.clone());
        answer.endpoints.push(DiscoveredEndpoint {
            id: Arc::from(instance.instance_id.as_str()),
            addr: SocketAddr::new(ip, port),
            weight,
            labels: Arc::new(labels),
        });
    }
    answer
}

fn address(instance: &Instance, which: InstanceAddress) -> Option<IpAddr> {
    match which {
        InstanceAddress::Private => instance.vpc_attributes.private_ip_address.first().copied(),
        InstanceAddress::Eip => instance.eip_address.ip_address.parse().ok(),
        InstanceAddress::Public => instance.public_ip_address.first().copied(),
        InstanceAddress::Ipv6 => {
            let mut all = instance.network_interfaces.iter().flat_map(|interface| &interface.ipv6_sets);
            all.find_map(|set| set.ipv6_address.parse().ok())
        }
    }
}

/// The private addresses of instances, by id.
pub(super) async fn private_addresses(client: &Client, ids: &[String]) -> Result<BTreeMap<String, IpAddr>, Error> {
    const MOST: usize = 100;
    let mut all = BTreeMap::new();
    for some in ids.chunks(MOST) {
        let found = ecs::instances(client, &Filter { ids: some.to_vec(), ..Filter::default() }).await?;
        all.extend(
            found
                .into_iter()
                .filter_map(|i| Some((address(&i, InstanceAddress::Private)?, i.instance_id)))
                .map(|(ip, id)| (id, ip)),
        );
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use yumen_alibaba::api::ecs::VpcAttributes;

    fn instance(id: &str, status: &str, zone: &str, tags: &[(&str, &str)]) -> Instance {
        let address = format!("10.0.0.{}", id.trim_start_matches("i-"));
        Instance {
            instance_id: id.to_owned(),
            status: status.to_owned(),
            zone_id: zone.to_owned(),
            vpc_attributes: VpcAttributes {
                private_ip_address: vec![address.parse().unwrap()],
                ..VpcAttributes::default()
            },
            tags: tags.iter().map(|(k, v)| Tag { key: (*k).to_owned(), value: (*v).to_owned() }).collect(),
            ..Instance::default()
        }
    }

    #[test]
    fn stopped_instances_and_those_of_other_zones_are_none() {
        let wanted = Instances { zones: vec!["z-1".to_owned(), "z-2".to_owned()], ..Instances::default() };
        let found = [
            instance("i-1", "Running", "z-1", &[]),
            instance("i-2", "Stopped", "z-1", &[]),
            instance("i-3", "Running", "z-3", &[]),
            instance("i-4", "Running", "z-2", &[]),
        ];
        let ids: Vec<String> = read(&wanted, 80, &found).endpoints.iter().map(|e| e.id.to_string()).collect();
        assert_eq!(ids, ["i-1", "i-4"]);
    }

    #[test]
    fn weights_and_labels_come_from_tags_and_a_wrong_weight_takes_nobody_out() {
        let wanted = Instances {
            weight_tag: Some("weight".to_owned()),
            labels: vec!["stage".to_owned()],
            ..Instances::default()
        };
        let found = [
            instance("i-1", "Running", "z-1", &[("weight", "7"), ("stage", "blue"), ("other", "x")]),
            instance("i-2", "Running", "z-1", &[("weight", "many")]),
        ];
        let answer = read(&wanted, 8080, &found);
        assert_eq!(answer.endpoints.iter().map(|e| e.weight).collect::<Vec<_>>(), [7, 1]);
        let labels: Vec<_> = answer.endpoints[0].labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(labels, ["stage=blue", "zone=z-1"]);
        assert_eq!(answer.endpoints[0].addr, "10.0.0.1:8080".parse().unwrap());
        assert_eq!(answer.left_out.len(), 1);
    }

    #[test]
    fn an_instance_without_the_wanted_address_is_told() {
        let wanted = Instances { address: InstanceAddress::Eip, ..Instances::default() };
        let answer = read(&wanted, 80, &[instance("i-1", "Running", "z-1", &[])]);
        assert!(answer.endpoints.is_empty());
        assert_eq!(answer.left_out, ["i-1 has no eip address"]);
    }
}
