//! Elastic compute: instances and their addresses.

use std::net::IpAddr;

use serde::Deserialize;

use super::Tag;
use crate::client::{Call, Client, Page, Parameters};
use crate::error::Error;
use crate::flexible::{addresses, nested};
use crate::product::ECS;

/// Which instances are meant; what is empty does not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Ids, at most 100.
    pub ids: Vec<String>,
    /// Tags, all of which an instance must have, at most 20.
    pub tags: Vec<Tag>,
    /// The VPC.
    pub vpc: Option<String>,
    /// The zone.
    pub zone: Option<String>,
    /// A security group.
    pub security_group: Option<String>,
    /// `Pending`, `Running`, `Starting`, `Stopping` or `Stopped`.
    pub status: Option<String>,
}

/// An instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Instance {
    /// Its id.
    pub instance_id: String,
    /// Its name.
    pub instance_name: String,
    /// The name of the machine.
    pub host_name: String,
    /// `Running` and so on.
    pub status: String,
    /// Its region.
    pub region_id: String,
    /// Its zone.
    pub zone_id: String,
    /// Its kind of machine.
    pub instance_type: String,
    /// Where it is in its VPC.
    pub vpc_attributes: VpcAttributes,
    /// Public addresses that belong to it.
    #[serde(deserialize_with = "addresses")]
    pub public_ip_address: Vec<IpAddr>,
    /// The EIP that is bound to it.
    pub eip_address: EipAddress,
    /// Its network interfaces.
    #[serde(deserialize_with = "nested")]
    pub network_interfaces: Vec<NetworkInterface>,
    /// Its tags.
    #[serde(deserialize_with = "nested")]
    pub tags: Vec<Tag>,
}

/// Where an instance is in its VPC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VpcAttributes {
    /// The VPC.
    pub vpc_id: String,
    /// The switch.
    pub v_switch_id: String,
    /// Its private addresses.
    #[serde(deserialize_with = "addresses")]
    pub private_ip_address: Vec<IpAddr>,
}

/// A bound EIP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EipAddress {
    /// The address; empty for none.
    pub ip_address: String,
    /// Its id.
    pub allocation_id: String,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkInterface {
    /// Its id.
    pub network_interface_id: String,
    /// Its first private address.
    pub primary_ip_address: String,
    /// Its addresses of IPv6.
    #[serde(deserialize_with = "nested")]
    pub ipv6_sets: Vec<Ipv6>,
}

/// An address of IPv6.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Ipv6 {
    /// The address.
    pub ipv6_address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instances {
    #[serde(deserialize_with = "nested")]
    instances: Vec<Instance>,
    #[serde(default)]
    next_token: String,
}

impl Page for Instances {
    type Item = Instance;

    fn content(self) -> (Vec<Instance>, Option<usize>, String) {
        // In this mode the counts mean nothing.
        (self.instances, None, self.next_token)
    }
}

/// All instances that fit. Ask every 30 s at most.
///
/// # Errors
/// Each of [`Error`]; [`Error::Invalid`] for too many ids or tags.
pub async fn instances(client: &Client, filter: &Filter) -> Result<Vec<Instance>, Error> {
    if filter.ids.len() > 100 || filter.tags.len() > 20 {
        let text = "at most 100 ids and 20 tags can be asked for at once".to_owned();
        return Err(Error::Invalid { product: ECS.name, action: "DescribeInstances".to_owned(), text });
    }
    let mut parameters = Parameters::default()
        .with("RegionId", client.region())
        .with_some("VpcId", filter.vpc.as_ref())
        .with_some("ZoneId", filter.zone.as_ref())
        .with_some("SecurityGroupId", filter.security_group.as_ref())
        .with_some("Status", filter.status.as_ref());
    if !filter.ids.is_empty() {
        parameters = parameters.with("InstanceIds", serde_json::json!(filter.ids));
    }
    for (at, tag) in (1..).zip(&filter.tags) {
        parameters = parameters.with(format!("Tag.{at}.Key"), &tag.key).with(format!("Tag.{at}.Value"), &tag.value);
    }
    let call = Call::read(&ECS, "DescribeInstances", parameters);
    client.chained::<Instances>(&call, ("MaxResults", 100)).await
}
