//! One look at an accelerator: everything that is needed, or an error.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use yumen_alibaba::Client;
use yumen_alibaba::api::ga;
use yumen_config::config::Accelerator;

use super::state::{Spoken, Wanted};

/// What one complete answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The id of the accelerator.
    pub accelerator: String,
    /// Whether it has listeners at all, before any were left out.
    pub has_listeners: bool,
    /// Whether it has endpoint groups at all.
    pub has_groups: bool,
    /// Its listeners by id.
    pub listeners: BTreeMap<String, Wanted>,
}

/// Looks.
///
/// # Errors
/// For operators: a call failed, a list was not whole, or not exactly one accelerator is meant.
pub(super) async fn survey(section: &Accelerator, client: &Client) -> Result<Survey, String> {
    let all = ga::accelerators(client).await.map_err(|error| error.to_string())?;
    let id = meant(section, &all)?.accelerator_id.clone();
    let listeners = ga::listeners(client, &id).await.map_err(|error| error.to_string())?;
    let groups = ga::endpoint_groups(client, &id).await.map_err(|error| error.to_string())?;
    let mut survey = Survey {
        accelerator: id,
        has_listeners: !listeners.is_empty(),
        has_groups: !groups.is_empty(),
        listeners: BTreeMap::new(),
    };
    // One that is being deleted is as good as gone.
    for listener in listeners.iter().filter(|listener| listener.state != "deleting") {
        let own: Vec<&ga::EndpointGroup> = groups
            .iter()
            .filter(|group| group.listener_id == listener.listener_id && group.state != "deleting")
            .filter(|group| section.endpoint.is_empty() || ours(section, group).next().is_some())
            .collect();
        // Without a group of which this machine is one, nothing comes here.
        if own.is_empty() && !section.endpoint.is_empty() {
            continue;
        }
        survey.listeners.insert(listener.listener_id.clone(), wanted(section, listener, &own)?);
    }
    Ok(survey)
}

/// The accelerator that a section means.
fn meant<'a>(section: &Accelerator, all: &'a [ga::Accelerator]) -> Result<&'a ga::Accelerator, String> {
    let fits = |one: &&ga::Accelerator| {
        let has = |(key, value): (&String, &String)| one.tags.iter().any(|t| t.key == *key && t.value == *value);
        section.id.as_ref().is_none_or(|id| *id == one.accelerator_id)
            && section.title.as_ref().is_none_or(|title| *title == one.name)
            && section.tags.iter().all(has)
            && one.state != "deleting"
    };
    let found: Vec<&ga::Accelerator> = all.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(format!("none of the {} accelerators of the account is the one that is meant", all.len())),
        several => {
            let ids: Vec<&str> = several.iter().map(|one| one.accelerator_id.as_str()).collect();
            Err(format!("several accelerators could be meant ({}); name one by `id`", ids.join(", ")))
        }
    }
}

/// The endpoints of a group that are this machine; all of them when it is not said which that is.
fn ours<'g>(section: &'g Accelerator, group: &'g ga::EndpointGroup) -> impl Iterator<Item = &'g ga::Destination> {
    let all = group.endpoint_configurations.iter();
    all.filter(|one| section.endpoint.is_empty() || section.endpoint.contains(&one.endpoint))
}

fn wanted(section: &Accelerator, listener: &ga::Listener, groups: &[&ga::EndpointGroup]) -> Result<Wanted, String> {
    let own = |group: &&ga::EndpointGroup| {
        let spoken = spoken(&listener.protocol, &group.endpoint_request_protocol);
        let proxied: BTreeSet<bool> = ours(section, group).map(|one| one.enable_proxy_protocol).collect();
        (spoken, overridden(listener, group), proxied)
    };
    let said: Vec<_> = groups.iter().map(own).collect();
    let words: BTreeSet<Option<Spoken>> = said.iter().map(|(spoken, ..)| *spoken).collect();
    let ports: BTreeSet<_> = said.iter().map(|(_, ports, _)| ports.clone()).collect();
    let proxied: BTreeSet<bool> = said.into_iter().flat_map(|(.., proxied)| proxied).collect();
    let agree = words.len() <= 1 && ports.len() <= 1 && proxied.len() <= 1;
    let spoken = words.first().copied().unwrap_or_else(|| spoken(&listener.protocol, ""));
    let problem = match (spoken, listener.kind.as_str()) {
        (None, _) => Some(format!("its protocol {:?} is not known", listener.protocol)),
        (_, "CustomRouting") => {
            Some("it is of the type CustomRouting, whose ports are made up by the accelerator".to_owned())
        }
        _ if !agree => Some(
            "its endpoint groups do not agree in protocol, ports or PROXY headers; say by `endpoint` which machine this is"
                .to_owned(),
        ),
        _ => None,
    };
    let ports = ports.into_iter().next().unwrap_or_else(|| whole(listener));
    // A number that is no port is a damaged answer.
    let ports =
        ports.ok_or_else(|| format!("listener {} has a range of ports that cannot be", listener.listener_id))?;
    let from: BTreeSet<IpAddr> =
        groups.iter().flat_map(|group| &group.endpoint_group_ip_list).filter_map(|text| text.parse().ok()).collect();
    Ok(Wanted {
        // Of one with a problem it does not matter.
        spoken: spoken.unwrap_or(Spoken::Tcp),
        ports,
        by_source: listener.client_affinity == "SOURCE_IP",
        is_proxied: proxied.contains(&true),
        from: from.into_iter().collect(),
        problem,
    })
}

/// What is spoken to endpoints: of HTTPS a group may take the encryption off.
fn spoken(protocol: &str, of_group: &str) -> Option<Spoken> {
    match (protocol.to_ascii_uppercase().as_str(), of_group.to_ascii_uppercase().as_str()) {
        ("TCP", _) => Some(Spoken::Tcp),
        ("UDP", _) => Some(Spoken::Udp),
        ("HTTP" | "HTTPS", "HTTP") | ("HTTP", "") => Some(Spoken::Http),
        ("HTTP" | "HTTPS", "HTTPS") | ("HTTPS", "") => Some(Spoken::Https),
        _ => None,
    }
}

type Ports = Option<Vec<(u16, u16)>>;

/// The ports of a listener, joined where they touch; `None`: one cannot be a port.
fn whole(listener: &ga::Listener) -> Ports {
    let mut ports = Vec::new();
    for range in &listener.port_ranges {
        let (from, to) = (port(range.from_port)?, port(range.to_port)?);
        if from > to {
            return None;
        }
        ports.push((from, to));
    }
    Some(joined(ports))
}

/// The ports that a group connects to: some of a listener's may be others at its endpoints.
fn overridden(listener: &ga::Listener, group: &ga::EndpointGroup) -> Ports {
    let mut ports = whole(listener)?;
    for one in &group.port_overrides {
        let (at, to) = (port(one.listener_port)?, port(one.endpoint_port)?);
        let mut rest = Vec::new();
        for (a, b) in ports {
            if a <= at && at <= b {
                rest.extend((a < at).then(|| (a, at - 1)));
                rest.extend((at < b).then(|| (at + 1, b)));
                rest.push((to, to));
            } else {
                rest.push((a, b));
            }
        }
        ports = rest;
    }
    Some(joined(ports))
}

fn port(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|port| *port > 0)
}

fn joined(mut ports: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ports.sort_unstable();
    let mut all: Vec<(u16, u16)> = Vec::new();
    for (from, to) in ports {
        match all.last_mut() {
            Some((_, last)) if from <= last.saturating_add(1) => *last = to.max(*last),
            _ => all.push((from, to)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn ranges_that_touch_are_one_and_overridden_ports_are_taken_out_of_them() {
        assert_eq!(joined(vec![(90, 99), (1, 2), (3, 5), (80, 91)]), [(1, 5), (80, 99)]);
        let range = |from_port, to_port| ga::PortRange { from_port, to_port };
        let listener = |port_ranges| ga::Listener { port_ranges, ..ga::Listener::default() };
        let group = |pairs: &[(i64, i64)]| ga::EndpointGroup {
            port_overrides: pairs
                .iter()
                .map(|(l, e)| ga::PortOverride { listener_port: *l, endpoint_port: *e })
                .collect(),
            ..ga::EndpointGroup::default()
        };
        let one = listener(vec![range(80, 82)]);
        assert_eq!(overridden(&one, &group(&[(81, 8080), (443, 8443)])).unwrap(), [(80, 80), (82, 82), (8080, 8080)]);
        for wrong in [range(0, 5), range(5, 70_000), range(9, 8)] {
            assert_eq!(whole(&listener(vec![wrong])), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_group_may_take_the_encryption_off() {
        assert_eq!(spoken("HTTPS", ""), Some(Spoken::Https));
        assert_eq!(spoken("HTTPS", "HTTP"), Some(Spoken::Http));
        assert_eq!(spoken("UDP", ""), Some(Spoken::Udp));
        assert_eq!(spoken("QUIC", ""), None);
    }

    fn accelerator(keys: &str) -> std::sync::Arc<Accelerator> {
        let text = format!(
            "alibaba: {{default: {{region: cn-hangzhou}}}}\naccelerators: {{edge: {{template: {{http: {{}}}}, {keys}}}}}\n\
             routes: {{r: {{middlewares: [respond: {{status: 200}}]}}}}\n"
        );
        let read = yumen_config::parse_str("t", &text, &|_| None).map_err(|e| yumen_config::render(&e)).unwrap();
        read.config.cloud.accelerators.values().next().unwrap().clone()
    }

    #[test]
    fn exactly_one_accelerator_has_to_fit() {
        let one = |id: &str, name: &str, env: &str, state: &str| ga::Accelerator {
            accelerator_id: id.to_owned(),
            name: name.to_owned(),
            state: state.to_owned(),
            tags: vec![yumen_alibaba::api::Tag { key: "env".to_owned(), value: env.to_owned() }],
            ..ga::Accelerator::default()
        };
        let all = [
            one("ga-1", "edge", "prod", "active"),
            one("ga-2", "edge", "test", "active"),
            one("ga-3", "edge", "old", "deleting"),
        ];
        let found = |keys: &str| meant(&accelerator(keys), &all).map(|one| one.accelerator_id.clone());
        assert_eq!(found("id: ga-2"), Ok("ga-2".to_owned()));
        assert_eq!(found("title: edge, tags: {env: prod}"), Ok("ga-1".to_owned()));
        assert!(found("title: edge").unwrap_err().contains("several accelerators could be meant (ga-1, ga-2)"));
        assert!(found("tags: {env: old}").unwrap_err().contains("none of the 3 accelerators"));
    }

    #[test]
    fn groups_that_do_not_agree_are_told_unless_it_is_said_which_machine_this_is() {
        let listener = ga::Listener {
            listener_id: "lsr-1".to_owned(),
            protocol: "HTTP".to_owned(),
            port_ranges: vec![ga::PortRange { from_port: 80, to_port: 80 }],
            ..ga::Listener::default()
        };
        let group = |endpoint: &str, proxied: bool, to: i64| ga::EndpointGroup {
            endpoint_group_ip_list: vec!["198.51.100.2".to_owned(), "198.51.100.1".to_owned()],
            endpoint_configurations: vec![ga::Destination {
                endpoint: endpoint.to_owned(),
                enable_proxy_protocol: proxied,
                ..ga::Destination::default()
            }],
            port_overrides: vec![ga::PortOverride { listener_port: 80, endpoint_port: to }],
            ..ga::EndpointGroup::default()
        };
        let (ours, theirs) = (group("192.0.2.1", true, 8080), group("192.0.2.2", false, 8081));
        let both = wanted(&accelerator("id: ga-1"), &listener, &[&ours, &theirs]).unwrap();
        assert!(both.problem.unwrap().contains("do not agree"));
        let one = wanted(&accelerator("id: ga-1, endpoint: 192.0.2.1"), &listener, &[&ours]).unwrap();
        assert_eq!((one.problem, one.is_proxied, one.ports), (None, true, vec![(8080, 8080)]));
        assert_eq!(one.from, ["198.51.100.1".parse::<IpAddr>().unwrap(), "198.51.100.2".parse().unwrap()]);
        let odd = ga::Listener { protocol: "QUIC".to_owned(), ..listener };
        assert!(wanted(&accelerator("id: ga-1"), &odd, &[]).unwrap().problem.unwrap().contains("is not known"));
    }
}
