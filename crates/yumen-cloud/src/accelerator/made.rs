//! Listeners, made of what an accelerator asks for and the templates of its section.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use yumen_config::config::{Accelerator, Listener, ListenerName, Protocol, ProxyProtocol, ProxyVersion};

use super::state::{Spoken, State, Wanted};

/// The listeners of an accelerator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    /// The listeners, in the order of the accelerator's and of their ports.
    pub listeners: Vec<Arc<Listener>>,
    /// The accelerator's listeners that could not be made.
    pub problems: Vec<Problem>,
}

/// A listener of an accelerator that is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its id.
    pub listener: String,
    /// Why, for operators.
    pub text: String,
}

/// Makes the listeners. The same state and section make the same ones.
#[must_use]
pub fn listeners(section: &Accelerator, state: &State) -> Made {
    let mut made = Made::default();
    for (id, wanted) in &state.listeners {
        match pattern(section, wanted) {
            Ok(pattern) => {
                let one = |port| Arc::new(on_port(section, &pattern, id, port));
                made.listeners.extend(wanted.each_port().map(one));
            }
            Err(text) => made.problems.push(Problem { listener: id.clone(), text }),
        }
    }
    made
}

/// What all ports of a listener have in common.
fn pattern(section: &Accelerator, wanted: &Wanted) -> Result<Listener, String> {
    if let Some(problem) = &wanted.problem {
        return Err(problem.clone());
    }
    let count = wanted.count();
    if count > section.max_ports {
        return Err(format!("it has {count} ports, more than `max_ports: {}` allows", section.max_ports));
    }
    let template = match wanted.spoken {
        Spoken::Tcp => &section.template.tcp,
        Spoken::Udp => &section.template.udp,
        Spoken::Http => &section.template.http,
        Spoken::Https => &section.template.https,
    };
    let word = wanted.spoken.as_str();
    let template = template.as_ref().ok_or_else(|| format!("it speaks {word}, and `template` has no `{word}`"))?;
    let mut listener = template.clone();
    if wanted.is_proxied && listener.proxy_protocol.is_none() {
        listener.proxy_protocol = Some(proxied(&listener, wanted)?);
    }
    // The accelerator ended the client's connection and names the client in a field.
    if matches!(wanted.spoken, Spoken::Http | Spoken::Https) {
        let more: Vec<IpNet> = nets(wanted).filter(|net| !listener.forwarded.trust.contains(net)).collect();
        listener.forwarded.trust.extend(more);
    }
    if wanted.by_source
        && let Some(other) = listener.upstream.as_ref().and_then(|upstream| section.by_source.get(upstream))
    {
        listener.upstream = Some(other.clone());
    }
    Ok(listener)
}

fn proxied(listener: &Listener, wanted: &Wanted) -> Result<ProxyProtocol, String> {
    if listener.protocol == Protocol::Udp {
        return Err("its datagrams begin with PROXY headers, which are understood on connections only".to_owned());
    }
    if listener.http3.is_some() {
        return Err("its connections begin with PROXY headers, and the template has `http3`".to_owned());
    }
    if wanted.from.is_empty() {
        return Err(
            "its connections begin with PROXY headers, but its endpoint groups name no addresses that they come \
                    from"
                .to_owned(),
        );
    }
    Ok(ProxyProtocol {
        from: nets(wanted).collect(),
        timeout: ProxyProtocol::TIMEOUT,
        versions: vec![ProxyVersion::V2],
    })
}

fn nets(wanted: &Wanted) -> impl Iterator<Item = IpNet> {
    wanted.from.iter().map(|address: &IpAddr| IpNet::from(*address))
}

fn on_port(section: &Accelerator, pattern: &Listener, id: &str, port: u16) -> Listener {
    Listener {
        name: ListenerName::from(format!("{}-{id}-{port}", section.name).as_str()),
        bind: section.bind.iter().map(|address| SocketAddr::new(*address, port)).collect(),
        generated_by: Some(section.name.clone()),
        ..pattern.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// An accelerator whose section has these keys beside its id.
    fn section(keys: &str) -> Arc<Accelerator> {
        let text = format!(
            "alibaba: {{default: {{region: cn-hangzhou}}}}\naccelerators: {{edge: {{id: ga-1, {keys}}}}}\n\
             upstreams: {{u: {{endpoints: \"h:1\"}}, s: {{endpoints: \"h:1\", balance: ip_hash}}}}\n"
        );
        let read = yumen_config::parse_str("t", &text, &|_| None).map_err(|e| yumen_config::render(&e)).unwrap();
        read.config.cloud.accelerators.values().next().unwrap().clone()
    }

    fn wanted(spoken: Spoken, ports: (u16, u16)) -> Wanted {
        let from = vec!["198.51.100.1".parse().unwrap()];
        Wanted { spoken, ports: vec![ports], by_source: false, is_proxied: false, from, problem: None }
    }

    fn made(section: &Accelerator, wanted: Wanted) -> Made {
        listeners(section, &State { listeners: [("lsr-1".to_owned(), wanted)].into(), ..State::default() })
    }

    fn problem(section: &Accelerator, wanted: Wanted) -> String {
        let made = made(section, wanted);
        assert_eq!(made.listeners, []);
        made.problems.into_iter().next().unwrap().text
    }

    #[test]
    fn each_port_becomes_a_listener_of_its_template() {
        let section = section("bind: [192.0.2.1, \"::1\"], template: {tcp: {upstream: u, limits: {connections: 5}}}");
        let made = made(&section, wanted(Spoken::Tcp, (80, 81)));
        let names: Vec<&str> = made.listeners.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(names, ["edge-lsr-1-80", "edge-lsr-1-81"]);
        let first = &made.listeners[0];
        assert_eq!(first.bind, ["192.0.2.1:80".parse().unwrap(), "[::1]:80".parse().unwrap()]);
        assert_eq!((first.limits.connections, first.generated_by.as_ref().unwrap().as_str()), (Some(5), "edge"));
        assert_eq!(first.proxy_protocol, None);
    }

    #[test]
    fn what_cannot_be_made_is_told() {
        let section = section("max_ports: 2, template: {tcp: {upstream: u}, udp: {upstream: u}}");
        assert!(problem(&section, wanted(Spoken::Tcp, (1, 3))).contains("3 ports, more than `max_ports: 2`"));
        assert!(problem(&section, wanted(Spoken::Tcp, (1, u16::MAX))).contains("65535 ports"));
        assert!(problem(&section, wanted(Spoken::Https, (1, 1))).contains("`template` has no `https`"));
        let proxied = |spoken| Wanted { is_proxied: true, ..wanted(spoken, (1, 1)) };
        assert!(problem(&section, proxied(Spoken::Udp)).contains("on connections only"));
        let from_nowhere = Wanted { from: Vec::new(), ..proxied(Spoken::Tcp) };
        assert!(problem(&section, from_nowhere).contains("name no addresses"));
        let told = Wanted { problem: Some("odd".to_owned()), ..wanted(Spoken::Tcp, (1, 1)) };
        assert_eq!(problem(&section, told), "odd");
    }

    #[test]
    fn headers_and_fields_are_believed_from_the_addresses_of_the_accelerator_only() {
        let net: IpNet = "198.51.100.1/32".parse().unwrap();
        let section = section("template: {tcp: {upstream: u}, http: {forwarded: {trust: 10.0.0.0/8}}}");
        let proxied = made(&section, Wanted { is_proxied: true, ..wanted(Spoken::Tcp, (1, 1)) });
        let proxy = proxied.listeners[0].proxy_protocol.clone().unwrap();
        assert_eq!((proxy.from, proxy.versions), (vec![net], vec![ProxyVersion::V2]));
        let http = made(&section, wanted(Spoken::Http, (1, 1)));
        assert_eq!(http.listeners[0].forwarded.trust, ["10.0.0.0/8".parse().unwrap(), net]);
        let bytes = made(&section, wanted(Spoken::Tcp, (1, 1)));
        assert_eq!(bytes.listeners[0].forwarded.trust, [], "who speaks through it is anybody");
    }

    #[test]
    fn listener_with_affinity_gets_the_upstream_that_stands_in() {
        let section = section("template: {tcp: {upstream: u}}, by_source: {u: s}");
        let upstream = |by_source| {
            let made = made(&section, Wanted { by_source, ..wanted(Spoken::Tcp, (1, 1)) });
            made.listeners[0].upstream.as_ref().unwrap().to_string()
        };
        assert_eq!((upstream(false), upstream(true)), ("u".to_owned(), "s".to_owned()));
    }
}
