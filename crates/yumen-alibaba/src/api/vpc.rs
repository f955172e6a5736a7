//! NAT gateways, their SNAT entries, and EIPs.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::{Done, Tag};
use crate::client::{Call, Client, Page, Parameters, Repeat};
use crate::error::Error;
use crate::flexible::{flag, nested, number, text};
use crate::product::VPC;

/// A NAT gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NatGateway {
    /// Its id.
    pub nat_gateway_id: String,
    /// Its name.
    pub name: String,
    /// Its VPC.
    pub vpc_id: String,
    /// `Creating`, `Available`, `Modifying` or `Deleting`.
    pub status: String,
    /// Its tables of SNAT entries.
    #[serde(deserialize_with = "nested")]
    pub snat_table_ids: Vec<String>,
    /// Its addresses.
    #[serde(deserialize_with = "nested")]
    pub ip_lists: Vec<NatAddress>,
}

/// An address of a NAT gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NatAddress {
    /// The address.
    pub ip_address: String,
    /// The id of the EIP.
    pub allocation_id: String,
    /// `UsedBySnatTable`, `UsedByForwardTable` or `Idle`.
    pub using_status: String,
    /// Whether an SNAT entry may use it.
    #[serde(deserialize_with = "flag")]
    pub snat_entry_enabled: bool,
}

/// An SNAT entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SnatEntry {
    /// Its id.
    pub snat_entry_id: String,
    /// Its table.
    pub snat_table_id: String,
    /// Its name.
    pub snat_entry_name: String,
    /// The addresses it uses, parted by commas.
    pub snat_ip: String,
    /// Whose traffic it takes.
    #[serde(rename = "SourceCIDR")]
    pub source_cidr: String,
    /// The switch whose traffic it takes.
    #[serde(rename = "SourceVSwitchId")]
    pub source_v_switch_id: String,
    /// `Pending`, `Available`, `Modifying` or `Deleting`.
    pub status: String,
}

/// An EIP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Eip {
    /// Its id.
    pub allocation_id: String,
    /// The address.
    pub ip_address: String,
    /// Its name.
    pub name: String,
    /// `InUse`, `Available` and so on.
    pub status: String,
    /// What it is bound to.
    pub instance_id: String,
    /// What that is: `Nat`, `EcsInstance` and so on.
    pub instance_type: String,
    /// In Mbit/s.
    #[serde(deserialize_with = "text")]
    pub bandwidth: String,
    /// Its tags.
    #[serde(deserialize_with = "nested")]
    pub tags: Vec<Tag>,
}

/// Whose traffic a new SNAT entry takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// These addresses.
    Cidr(&'a str),
    /// This switch.
    VSwitch(&'a str),
}

#[derive(Deserialize)]
struct Listed<T: DeserializeOwned> {
    #[serde(alias = "NatGateways", alias = "SnatTableEntries", alias = "EipAddresses", deserialize_with = "nested")]
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

async fn list<T: DeserializeOwned>(
    client: &Client,
    action: &str,
    (name, value): (&str, Option<&str>),
    per_page: usize,
) -> Result<Vec<T>, Error> {
    let parameters = Parameters::default().with("RegionId", client.region()).with_some(name, value);
    client.numbered::<Listed<T>>(&Call::read(&VPC, action, parameters), ("PageNumber", "PageSize", per_page)).await
}

/// All NAT gateways, or those of a VPC.
///
/// # Errors
/// Each of [`Error`].
pub async fn nat_gateways(client: &Client, vpc: Option<&str>) -> Result<Vec<NatGateway>, Error> {
    list(client, "DescribeNatGateways", ("VpcId", vpc), 50).await
}

/// The SNAT entries of a NAT gateway.
///
/// # Errors
/// Each of [`Error`].
pub async fn snat_entries(client: &Client, nat_gateway: &str) -> Result<Vec<SnatEntry>, Error> {
    list(client, "DescribeSnatTableEntries", ("NatGatewayId", Some(nat_gateway)), 50).await
}

/// All EIPs, or those that are bound to one thing.
///
/// # Errors
/// Each of [`Error`].
pub async fn eips(client: &Client, instance: Option<&str>) -> Result<Vec<Eip>, Error> {
    list(client, "DescribeEipAddresses", ("AssociatedInstanceId", instance), 100).await
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    snat_entry_id: String,
}

/// So often a new entry is looked at.
const LOOKS: u32 = 60;

/// Creates an SNAT entry and waits until it works; returns its id. A gateway takes one new entry at a time, so callers
/// create one after another.
///
/// # Errors
/// Each of [`Error`]; [`Error::Job`] when the entry does not come to work in time.
pub async fn create_snat(
    client: &Client,
    table: &str,
    source: &Source<'_>,
    addresses: &[String],
    name: Option<&str>,
) -> Result<String, Error> {
    let (field, value) = match source {
        Source::Cidr(cidr) => ("SourceCIDR", *cidr),
        Source::VSwitch(id) => ("SourceVSwitchId", *id),
    };
    let parameters = Parameters::default()
        .with("RegionId", client.region())
        .with("SnatTableId", table)
        .with(field, value)
        .with("SnatIp", addresses.join(","))
        .with_some("SnatEntryName", name);
    let call = Call::write(&VPC, "CreateSnatEntry", parameters, Repeat::ByToken);
    let id = client.call::<Created>(&call).await?.snat_entry_id;
    let look =
        Parameters::default().with("RegionId", client.region()).with("SnatTableId", table).with("SnatEntryId", &id);
    let look = Call::read(&VPC, "DescribeSnatTableEntries", look);
    for _ in 0..LOOKS {
        let entries = client.call::<Listed<SnatEntry>>(&look).await?.items;
        if entries.iter().any(|entry| entry.snat_entry_id == id && entry.status == "Available") {
            return Ok(id);
        }
        sleep(client.patience()).await;
    }
    let text = "the entry does not work yet; look at it later".to_owned();
    Err(Error::Job { product: VPC.name, action: "CreateSnatEntry".to_owned(), job: id, text })
}

/// Deletes an SNAT entry. Says whether it was there.
///
/// # Errors
/// Each of [`Error`].
pub async fn delete_snat(client: &Client, table: &str, entry: &str) -> Result<bool, Error> {
    let parameters =
        Parameters::default().with("RegionId", client.region()).with("SnatTableId", table).with("SnatEntryId", entry);
    match client.call::<Done>(&Call::write(&VPC, "DeleteSnatEntry", parameters, Repeat::ByToken)).await {
        Ok(Done {}) => Ok(true),
        Err(error) if error.is(&["InvalidSnatEntryId.NotFound", "InvalidSnatTableId.NotFound"]) => Ok(false),
        Err(error) => Err(error),
    }
}
