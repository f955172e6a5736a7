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
