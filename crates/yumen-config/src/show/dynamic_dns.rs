//! Dynamic DNS, written out again.

use serde_json::{Value, json};

use super::{object, option, time};
use crate::config::{AddressSource, DynamicDns, MetadataAddress, Want};

pub(super) fn dynamic_dns(section: &DynamicDns) -> Value {
    let DynamicDns { account, names, zone, a, aaaa, source, ttl, interval, line, exclusive, private } = section;
    let types: Vec<&str> =
        [("A", a), ("AAAA", aaaa)].into_iter().filter(|(_, want)| **want == Want::Must).map(|(kind, _)| kind).collect();
    object([
        ("account", json!(account.name.as_str())),
        ("names", json!(names)),
        ("zone", json!(zone)),
        ("types", if types.is_empty() { Value::Null } else { json!(types) }),
        ("source", self::source(source)),
        ("ttl", option(*ttl, |ttl| json!(format!("{ttl}s")))),
        ("interval", time(*interval)),
        ("line", json!(line)),
        ("exclusive", json!(exclusive)),
        ("private", json!(private)),
    ])
}

fn source(source: &AddressSource) -> Value {
    match source {
        AddressSource::Interface(name) => json!({"interface": name}),
        AddressSource::Metadata(item) => json!({"metadata": match item {
            MetadataAddress::Private => "private",
            MetadataAddress::Eip => "eip",
            MetadataAddress::Ipv6 => "ipv6",
        }}),
        AddressSource::Url { urls, field } => object([("url", json!(urls)), ("field", json!(field))]),
        AddressSource::Command(words) => json!({"command": words}),
        AddressSource::Addresses(addresses) => json!({"addresses": addresses}),
    }
}
