//! Dynamic DNS.

use std::net::IpAddr;
use std::time::Duration;

use super::account::Accounts;
use crate::config::{AddressSource, DynamicDns, MetadataAddress, Want};
use crate::keys;
use crate::lower::ctx::Ctx;
use crate::lower::section::Section;
use crate::lower::value;
use crate::yaml::{Node, Value};

/// The longest TTL that AliDNS takes.
const LONGEST_TTL: Duration = Duration::from_secs(86_400);

pub(super) fn dynamic_dns(section: &Section<'_>, accounts: &Accounts<'_>) -> Option<DynamicDns> {
    let account = accounts.of(section);
    let names = names(section);
    let (a, aaaa) = wants(section);
    let source = match section.sub("source", &keys::ADDRESS_SOURCE) {
        Some(source) => self::source(&source),
        None => section.need("source", |_, _| None),
    };
    let says_private = matches!(source, Some(AddressSource::Metadata(MetadataAddress::Private)));
    let private = section.read("private", value::boolean).unwrap_or(says_private);
    if let (Some(AddressSource::Addresses(addresses)), Some(node)) = (&source, section.get("source")) {
        for address in addresses.iter().filter(|address| !private && is_private(**address)) {
            let help = "add `private: true` if clients of this name are in that network";
            let message = format!("{address} is of no use to the rest of the world");
            section.ctx.error_help(node.place, "private_address", message, help);
        }
    }
    let text = |ctx: &Ctx<'_>, node: &Node| value::wanted(ctx, node, "a text", some);
    // All of it is read before anything that is missing ends it, so that every complaint is heard.
    let (zone, ttl, interval) =
        (section.read("zone", host), section.read("ttl", ttl), section.read("interval", interval));
    let line = section.read("line", text).unwrap_or_else(|| "default".to_owned());
    let exclusive = section.read("exclusive", value::boolean).unwrap_or(false);
    let interval = interval.unwrap_or(Duration::from_secs(300));
    let (account, names, source) = (account?, names?, source?);
    Some(DynamicDns { account, names, zone, a, aaaa, source, ttl, interval, line, exclusive, private })
}

fn names(section: &Section<'_>) -> Option<Vec<String>> {
    section.need("names", |_, _| Some(()))?;
    if let Some(node) = section.get("names")
        && matches!(&node.value, Value::List(items) if items.is_empty())
    {
        section.ctx.error_help(node.place, "empty_list", "`names` is empty", "name at least one");
    }
    Some(section.set("names", host)).filter(|names| !names.is_empty())
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.trim().is_empty())
}

/// A full name: AliDNS has no zones of one label, and no dot at the end.
fn host(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    value::wanted(ctx, node, "a full name such as `home.example.com`", |text| {
        let text = text.strip_suffix('.').unwrap_or(text);
        // A wildcard is a name like any other, for those who hold it.
        let (star, rest) = text.strip_prefix("*.").map_or(("", text), |rest| ("*.", rest));
        let fine = |label: &str| {
            let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            (1..=63).contains(&label.len()) && label.bytes().all(inside)
        };
        let is_name = rest.len() <= 253 && rest.contains('.') && rest.split('.').all(fine);
        (is_name && rest.parse::<IpAddr>().is_err()).then(|| format!("{star}{}", rest.to_ascii_lowercase()))
    })
}

fn wants(section: &Section<'_>) -> (Want, Want) {
    if section.get("types").is_none() {
        return (Want::Maybe, Want::Maybe);
    }
    let types = section.some("types", |ctx, node| value::one_of(ctx, node, &[("A", "A"), ("AAAA", "AAAA")]));
    let want = |kind| if types.contains(&kind) { Want::Must } else { Want::Never };
    (want("A"), want("AAAA"))
}

fn ttl(ctx: &Ctx<'_>, node: &Node) -> Option<u32> {
    let ttl = value::duration(ctx, node)?;
    let whole = Duration::from_secs(ttl.as_secs());
    if ttl != whole || ttl.is_zero() || ttl > LONGEST_TTL {
        ctx.error_help(node.place, "bad_value", "a TTL is whole seconds, from `1s` to `24h`", "such as `10m`");
        return None;
    }
    u32::try_from(ttl.as_secs()).ok()
}

fn interval(ctx: &Ctx<'_>, node: &Node) -> Option<Duration> {
    let interval = value::duration(ctx, node)?;
    if interval < Duration::from_secs(1) {
        ctx.error_help(
            node.place,
            "bad_value",
            "the service is not asked more often than every second",
            "such as `5m`",
        );
        return None;
    }
    Some(interval)
}

fn source(section: &Section<'_>) -> Option<AddressSource> {
    let ways = ["interface", "metadata", "url", "command", "addresses"];
    let there: Vec<&str> = ways.into_iter().filter(|way| section.get(way).is_some()).collect();
    let [way] = there.as_slice() else {
        if section.ctx.has_complaints() && there.is_empty() {
            return None;
        }
        let message = match there.as_slice() {
            [] => "it is not said where the addresses come from".to_owned(),
            several => format!("{} are there at once", several.join(" and ")),
        };
        let help = format!("write one of {}", ways.map(|way| format!("`{way}`")).join(", "));
        section.ctx.error_help(section.place, "one_way", message, help);
        return None;
    };
    if let (Some((name, _)), true) = (section.entry("field"), *way != "url") {
        section.ctx.warn(
            name.place,
            "no_effect",
            "`field` has no effect: no server is asked",
            "remove it, or add `url`",
        );
    }
    let text = |ctx: &Ctx<'_>, node: &Node| value::wanted(ctx, node, "a text", some);
    match *way {
        "interface" => section.read("interface", text).map(AddressSource::Interface),
        "metadata" => {
            let words =
                [("eip", MetadataAddress::Eip), ("private", MetadataAddress::Private), ("ipv6", MetadataAddress::Ipv6)];
            section.read("metadata", |ctx, node| value::one_of(ctx, node, &words)).map(AddressSource::Metadata)
        }
        "url" => {
            let urls = section.some("url", url);
            (!urls.is_empty()).then(|| AddressSource::Url { urls, field: section.read("field", text) })
        }
        "command" => {
            let words = section.list("command", |ctx, node| ctx.text(node).map(|text| text.into_owned()));
            let is_named = words.first().is_some_and(|program| !program.trim().is_empty());
            if !is_named && let Some(node) = section.get("command") {
                section.ctx.error_help(
                    node.place,
                    "bad_value",
                    "no program is named",
                    "such as `[/usr/bin/my-address]`",
                );
            }
            is_named.then_some(AddressSource::Command(words))
        }
        _ => {
            let addresses = section.some("addresses", |ctx, node| {
                value::wanted(ctx, node, "an IP address", |text| text.parse::<IpAddr>().ok())
            });
            (!addresses.is_empty()).then_some(AddressSource::Addresses(addresses))
        }
    }
}

/// An URL, with its scheme when it is not https.
fn url(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    value::wanted(ctx, node, "a server that answers with an address, such as `https://ip.example.com/`", |text| {
        let rest = match text.split_once("://") {
            Some(("http" | "https", rest)) => rest,
            Some(_) => return None,
            None => text,
        };
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        let is_url =
            !host.is_empty() && host.chars().all(fine) && rest.chars().all(|c| c.is_ascii_graphic() && c != '#');
        is_url.then(|| text.to_owned())
    })
}

/// Whether an address is of no use outside of one network or machine.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            let [a, b, ..] = four.octets();
            four.is_private()
                || four.is_loopback()
                || four.is_link_local()
                || four.is_unspecified()
                || four.is_multicast()
                || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(six) => {
            six.is_unique_local()
                || six.is_loopback()
                || six.is_unicast_link_local()
                || six.is_unspecified()
                || six.is_multicast()
        }
    }
}
