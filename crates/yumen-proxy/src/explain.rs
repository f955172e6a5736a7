//! Walks the tables of a snapshot for one request, without traffic, and tells each decision.

use std::net::IpAddr;

use serde_json::{Value, json};
use yumen_config::config::Protocol;
use yumen_core::{ExplainRequest, Fields, Method, Request, Scheme};

use crate::route::Step;
use crate::snapshot::Snapshot;

/// Explains what a request would meet.
///
/// # Errors
/// What is wrong with the question: the URL, or a listener that is not there.
pub fn explain(snapshot: &Snapshot, ask: &ExplainRequest, live: bool) -> Result<Value, String> {
    let (request, port) = request_of(ask)?;
    let https = request.scheme == Scheme::Https;
    let fits = |l: &yumen_config::config::Listener| {
        l.protocol == Protocol::Http && l.tls.is_some() == https && l.bind.iter().any(|b| b.port() == port)
    };
    let http = || snapshot.config.listeners.values().filter(|l| l.protocol == Protocol::Http);
    let (section, why) = match &ask.listener {
        Some(name) => {
            let found = snapshot.config.listeners.values().find(|l| l.name.as_str() == name);
            (found.ok_or_else(|| format!("there is no listener {name}"))?, "named in the question")
        }
        None => match http().find(|l| fits(l)).or_else(|| http().find(|l| l.tls.is_some() == https)) {
            Some(l) if fits(l) => (l, "scheme and port"),
            Some(l) => (l, "scheme; no listener has this port"),
            None => (http().next().ok_or("there is no http listener")?, "the only kind there is"),
        },
    };
    let listener = snapshot.listener(section.name.as_str()).ok_or("the listener is not running")?;
    let client = ask.source.unwrap_or(IpAddr::from([127, 0, 0, 1]));
    let steps = listener.table.explain(&request, client);
    let taken = steps.last().filter(|s| s.refused.is_none());
    let refused: Vec<Value> = steps
        .iter()
        .filter_map(|s| Some(json!({"route": &*s.route.name, "pattern": pattern(s), "why": s.refused.as_ref()?})))
        .collect();
    let mut answer = json!({
        "generation": snapshot.generation,
        "request": {"method": request.method.as_str(), "host": request.host(), "target": request.target(),
            "client": client.to_string()},
        "listener": {"name": section.name.as_str(), "why": why},
        "refused": refused,
    });
    answer["route"] = match taken {
        None => json!({"name": null, "why": format!("no route takes it: {} is answered", section.default_status),
            "reason": "no_route"}),
        Some(step) => route_of(step, live),
    };
    Ok(answer)
}

fn pattern(step: &Step) -> String {
    let hosts: Vec<String> = step.route.config.hosts.iter().map(ToString::to_string).collect();
    format!("{} {}", hosts.join(","), step.route.config.matcher.path)
}

fn route_of(step: &Step, live: bool) -> Value {
    let route = &step.route;
    let chain: Vec<&str> = route.config.middlewares.iter().map(|m| m.name.as_str()).collect();
    let upstream = route.upstream.as_ref().map(|upstream| {
        let endpoints: Vec<Value> = upstream
            .endpoints()
            .iter()
            .map(|e| {
                let mut one = json!({"address": &*e.name, "weight": e.weight});
                if live {
                    one["healthy"] = json!(e.is_healthy());
                    one["active"] = json!(e.active());
                }
                one
            })
            .collect();
        json!({"name": upstream.name(), "balance": upstream.config.balance.as_str(), "endpoints": endpoints})
    });
    json!({"name": &*route.name, "pattern": pattern(step), "middlewares": chain, "upstream": upstream})
}

fn request_of(ask: &ExplainRequest) -> Result<(Request, u16), String> {
    let (scheme, rest) = match ask.url.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        _ => return Err(format!("{} is not an absolute URL; write http://host/path or https://host/path", ask.url)),
    };
    let split = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(split);
    if !yumen_http1::is_valid_host(authority.as_bytes()) {
        return Err(format!("{authority} is not a host with an optional port"));
    }
    let default = if scheme == Scheme::Https { 443 } else { 80 };
    let port = match authority.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse().unwrap_or(default),
        _ => default,
    };
    let mut fields = Fields::new();
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    let target = fields.intern(target.as_bytes());
    let authority = fields.intern(authority.as_bytes());
    for (name, value) in &ask.fields {
        if !yumen_http1::is_token(name.as_bytes()) || !yumen_http1::is_field_value(value.as_bytes()) {
            return Err(format!("{name} is not a header field that could be sent"));
        }
        fields.add(name, value.as_bytes());
    }
    let method = if ask.method.is_empty() { Method::Get } else { Method::from_token(ask.method.as_bytes()) };
    Ok((Request::new(method, scheme, fields, target, authority), port))
}
