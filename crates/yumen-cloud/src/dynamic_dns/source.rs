//! Where the addresses of this machine are learned.

use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;

use yumen_alibaba::Draft;
use yumen_alibaba::transport::{Endpoint, Outgoing, Timeouts};
use yumen_config::config::{AddressSource, MetadataAddress};
use yumen_net::{os, rt};

use super::Means;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of an answer is read: an address is short.
const LONGEST: usize = 64 * 1024;

/// The addresses that a source tells now; the error says what failed and what to do.
pub(super) async fn addresses(source: &AddressSource, means: &Means) -> Result<Vec<IpAddr>, String> {
    match source {
        AddressSource::Addresses(addresses) => Ok(addresses.clone()),
        AddressSource::Interface(name) => interface(name).await,
        AddressSource::Metadata(item) => metadata(*item, means).await,
        AddressSource::Command(words) => command(words).await,
        AddressSource::Url { urls, field } => {
            let mut all = Vec::new();
            for url in urls {
                let text = fetch(url, means).await?;
                all.extend(answered(&text, field.as_deref()).map_err(|why| format!("{url} {why}"))?);
            }
            Ok(all)
        }
    }
}

/// The lasting addresses of an interface; none when it has none.
pub(super) async fn interface(name: &str) -> Result<Vec<IpAddr>, String> {
    let all = rt::compute(os::interface_addresses).await.map_err(|error| error.to_string())?;
    let all = all.map_err(|error| format!("the network interfaces cannot be listed: {error}"))?;
    let own: Vec<_> = all.iter().filter(|entry| entry.interface == name).collect();
    if own.is_empty() {
        let mut names: Vec<&str> = all.iter().map(|entry| entry.interface.as_str()).collect();
        names.dedup();
        return Err(format!("no interface `{name}` is up with an address; there are {}", names.join(", ")));
    }
    Ok(own.into_iter().filter(|entry| entry.is_lasting).map(|entry| entry.address).collect())
}

async fn metadata(item: MetadataAddress, means: &Means) -> Result<Vec<IpAddr>, String> {
    let ask = async |item: &str| {
        let answer = means.metadata.item(item).await;
        answer.map_err(|error| format!("the metadata service of this instance cannot be asked: {error}"))
    };
    let (text, missing) = match item {
        MetadataAddress::Private => (ask("private-ipv4").await?, "this instance has no private address"),
        MetadataAddress::Eip => (
            ask("eipv4").await?,
            "no elastic IP address is bound to this instance; bind one, or take the address from a `url`",
        ),
        MetadataAddress::Ipv6 => {
            let mac = ask("mac").await?.unwrap_or_default();
            let item = format!("network/interfaces/macs/{mac}/ipv6s");
            (ask(&item).await?, "the primary network interface of this instance has no IPv6 address")
        }
    };
    let text = text.ok_or_else(|| missing.to_owned())?;
    let found = found(&text);
    if found.is_empty() {
        Err(format!("the metadata service answered no address: {}", short(&text)))
    } else {
        Ok(found)
    }
}

async fn command(words: &[String]) -> Result<Vec<IpAddr>, String> {
    let Some((program, arguments)) = words.split_first() else { return Err("no program is named".to_owned()) };
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    let output = rt::timeout(PATIENCE, child.wait_with_output())
        .await
        .map_err(|_| format!("{program} did not end within {} s and was killed", PATIENCE.as_secs()))?
        .map_err(|error| format!("{program} is lost: {error}"))?;
    if !output.status.success() {
        let words = short(&String::from_utf8_lossy(&output.stderr));
        return Err(format!("{program} failed ({}): {words}", output.status));
    }
    let text = String::from_utf8_lossy(output.stdout.get(..LONGEST).unwrap_or(&output.stdout)).into_owned();
    answered(&text, None).map_err(|why| format!("{program} {why}"))
}

/// What a server answers. Redirects are not followed: who answers is who was named.
async fn fetch(url: &str, means: &Means) -> Result<String, String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let (authority, target) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let endpoint = Endpoint::parse(&format!("{scheme}://{authority}"))?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut draft = Draft::new("GET", endpoint.authority.clone(), if path.is_empty() { "/" } else { path });
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        draft.query.push((plain(name), plain(value)));
    }
    draft.headers.set("accept", "text/plain, application/json");
    let outgoing = Outgoing { endpoint, draft, timeouts: Timeouts::default() };
    let answer = means.transport.send(outgoing).await.map_err(|error| error.text)?;
    if (300..400).contains(&answer.status) {
        let location = answer.headers.value("location").unwrap_or("somewhere else");
        return Err(format!("{url} leads to {}; write the address that answers", short(location)));
    }
    if answer.status != 200 {
        return Err(format!("{url} answered with status {}", answer.status));
    }
    if answer.body.len() > LONGEST {
        return Err(format!("{url} answered with {} bytes, which is no address", answer.body.len()));
    }
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}

/// A part of a query as it is meant: it is encoded again when it is sent.
fn plain(text: &str) -> String {
    let bytes = yumen_alibaba::encode::decode(text);
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| text.to_owned())
}

/// The addresses in a text, or in a field of JSON; the error continues a sentence about who answered.
fn answered(text: &str, field: Option<&str>) -> Result<Vec<IpAddr>, String> {
    let text = match field {
        None if text.trim_start().starts_with('{') => {
            return Err("answered JSON; name by `field` where the address stands in it".to_owned());
        }
        None => text.to_owned(),
        Some(field) => {
            let json: serde_json::Value =
                serde_json::from_str(text).map_err(|_| format!("answered no JSON: {}", short(text)))?;
            let value = field.split('.').try_fold(&json, |value, name| value.get(name));
            match value {
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(list @ serde_json::Value::Array(_)) => list.to_string(),
                _ => return Err(format!("answered JSON without `{field}`")),
            }
        }
    };
    let found = found(&text);
    if found.is_empty() { Err(format!("answered no address: {}", short(&text))) } else { Ok(found) }
}

/// Every word that is an address, whatever stands between them: spaces, commas, brackets and quotes of lists.
fn found(text: &str) -> Vec<IpAddr> {
    text.split(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':')))
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// A text of somebody, fit for a log: one line, not too long.
fn short(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(120).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn addresses_are_found_in_texts_lists_and_fields() {
        let list = |texts: &[&str]| Ok(texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>());
        assert_eq!(answered("203.0.113.7\n", None), list(&["203.0.113.7"]));
        assert_eq!(answered("[2001:db8::1, 2001:db8::2]", None), list(&["2001:db8::1", "2001:db8::2"]));
        assert_eq!(answered(r#"{"a":{"ip":"203.0.113.7"}}"#, Some("a.ip")), list(&["203.0.113.7"]));
        assert_eq!(answered(r#"{"ips":["203.0.113.7","::1"]}"#, Some("ips")), list(&["203.0.113.7", "::1"]));
    }

    #[test]
    fn an_answer_without_an_address_says_what_to_do() {
        let why = |text: &str, field| answered(text, field).unwrap_err();
        assert_eq!(
            why(r#"{"ip":"203.0.113.7"}"#, None),
            "answered JSON; name by `field` where the address stands in it"
        );
        assert_eq!(why("<html>\nlog in", None), "answered no address: <html> log in");
        assert_eq!(why("text", Some("ip")), "answered no JSON: text");
        assert_eq!(why(r#"{"ip":7}"#, Some("ip")), "answered JSON without `ip`");
        assert_eq!(why("", None), "answered no address: ");
    }
}
