//! Walks the tables of a snapshot for one request, without traffic, and tells each decision.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use yumen_config::config::{ClientAuth, Listener, MiddlewareKind, Protocol};
use yumen_core::{Caller, ExplainRequest, Fields, Method, Request, Scheme};
use yumen_grpc::Kind;
use yumen_net::tls::describe_client;
use yumen_telemetry::reasons;

use crate::grpc;
use crate::middleware::is_allowed;
use crate::route::{Route, why};
use crate::snapshot::Snapshot;
use crate::upstream::{Endpoint, Upstream};

/// How many of the nearest routes with another host or path are told.
const NEAR: usize = 5;

/// Explains what a request would meet.
///
/// # Errors
/// What is wrong with the question: the URL, or a listener that is not there.
pub fn explain(snapshot: &Snapshot, ask: &ExplainRequest, live: bool) -> Result<Value, String> {
    let (request, port) = request_of(ask)?;
    let https = request.scheme == Scheme::Https;
    let fits = |l: &Listener| {
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
            None => (http().next().ok_or("there is no http listener")?, "no listener has this scheme"),
        },
    };
    let listener = snapshot.listener(section.name.as_str()).ok_or("the listener is not running")?;
    // As on the data path: an IPv4 client of a socket for both families is written as IPv6.
    let client = ask.source.unwrap_or(IpAddr::from([127, 0, 0, 1])).to_canonical();
    let certificate = ask.client_cert.as_deref().map(describe_client).transpose()?;
    let caller = Caller { address: client, certificate: certificate.as_ref() };
    let steps = listener.table.explain(&request, caller);
    let taken = steps.last().filter(|s| s.refused.is_empty());
    debug_assert!(
        taken.map(|step| Arc::as_ptr(&step.route)) == listener.table.find(&request, caller).map(Arc::as_ptr),
        "explained is what would be done"
    );
    let refused = steps.iter().filter(|s| !s.refused.is_empty()).map(|s| miss(&s.route, &s.refused));
    let (near, more) = why::nearest(&listener.table, (&request, caller), section, taken.map(|step| &step.route), NEAR);
    // Those that the table offered come first: of them only a condition failed.
    let refused: Vec<Value> = refused.chain(near.iter().map(|m| miss(&m.route, &m.why))).collect();
    let binds: Vec<String> = section.bind.iter().map(ToString::to_string).collect();
    let mut answer = json!({
        "generation": snapshot.generation,
        "request": {"method": request.method.as_str(), "host": request.host(), "target": request.target(),
            "client": client.to_string()},
        "listener": {"name": section.name.as_str(), "bind": binds, "why": why},
        "refused": refused,
        "more_refused": more,
    });
    if let Some(by) = &section.generated_by {
        answer["listener"]["generated_by"] = json!(by.as_str());
    }
    if !is_allowed(&section.access, client) {
        answer["listener"]["refuses"] = json!(format!("its `access` does not let {client} connect"));
    }
    if let Some(certificate) = &certificate {
        answer["request"]["client_cert"] = json!(&*certificate.subject);
    }
    if section.protocol == Protocol::Http {
        answer["listener"]["versions"] = json!(versions(section));
    }
    if let Some(policy) = &section.proxy_protocol {
        let from: Vec<String> = policy.from.iter().map(ToString::to_string).collect();
        answer["listener"]["proxy_protocol"] = json!(from);
    }
    if let Some(clients) = section.tls.as_ref().and_then(|tls| tls.clients.as_ref()) {
        answer["listener"]["client_certificate"] = json!(asked(clients, request.host()));
    }
    answer["route"] = match taken {
        None if section.protocol != Protocol::Http => json!({"name": null, "why": relayed(section),
            "upstream": listener.upstream.as_ref().map(|upstream| upstream_of(upstream, live))}),
        None => json!({"name": null, "why": format!("no route takes it: {} is answered", section.default_status),
            "reason": "no_route"}),
        Some(step) => route_of(&step.route, live),
    };
    if let Some((kind, _)) = grpc::detect(&request) {
        answer["request"]["call"] = json!(kind.media_type());
        if let Some(step) = taken {
            answer["route"]["call"] = json!(call_of(&step.route, kind));
        }
    }
    Ok(answer)
}

/// The versions of HTTP that clients may speak.
fn versions(section: &Listener) -> Vec<&'static str> {
    let offers = |protocol: &str| section.tls.as_ref().is_some_and(|tls| tls.alpn.iter().any(|one| one == protocol));
    let all = [
        ("HTTP/1.1", section.tls.is_none() || offers("http/1.1")),
        ("HTTP/2", section.http2.cleartext && section.tls.is_none() || offers("h2")),
        ("HTTP/3", section.http3.is_some()),
    ];
    all.into_iter().filter(|(_, spoken)| *spoken).map(|(version, _)| version).collect()
}

/// Whether a client of a host has to show a certificate.
fn asked(clients: &ClientAuth, host: &str) -> &'static str {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    match crate::snapshot::client_auth(clients).choose(Some(&host)) {
        None => "off",
        Some(policy) if policy.required => "required",
        Some(_) => "optional",
    }
}

/// What becomes of connections to a listener that reads no requests.
fn relayed(section: &Listener) -> String {
    let protocol = section.protocol.as_str();
    let what = if section.protocol == Protocol::Udp { "datagrams" } else { "connections" };
    match &section.upstream {
        Some(upstream) if section.sni.is_empty() => {
            format!("a {protocol} listener reads no requests; its {what} go to upstream {upstream}")
        }
        _ => format!("a {protocol} listener reads no requests; its {what} go to an upstream by server name"),
    }
}

fn miss(route: &Route, why: &[String]) -> Value {
    json!({"route": &*route.name, "pattern": pattern(route), "why": why})
}

fn pattern(route: &Route) -> String {
    let all = &route.config.hosts;
    let hosts: Vec<String> = all.iter().take(3).map(ToString::to_string).collect();
    let more = if all.len() > 3 { format!(" and {} more", all.len() - 3) } else { String::new() };
    format!("host {}{more}, {}", hosts.join(", "), route.config.matcher.path)
}

fn route_of(route: &Route, live: bool) -> Value {
    let middlewares = route.config.middlewares.iter();
    let chain: Vec<Value> = middlewares.map(|m| json!({"name": m.name.as_str(), "kind": m.kind.as_str()})).collect();
    let upstream = route.upstream.as_ref().map(|upstream| {
        let mut told = upstream_of(upstream, live);
        told["protocol"] = json!(route.phase.protocol.as_str());
        told
    });
    json!({"name": &*route.name, "pattern": pattern(route), "middlewares": chain, "upstream": upstream})
}

/// What holds for a call on a route.
fn call_of(route: &Route, kind: Kind) -> Vec<String> {
    let mut told = Vec::new();
    let is_translated = route.config.middlewares.iter().any(|m| matches!(m.kind, MiddlewareKind::GrpcWeb { .. }));
    if kind != Kind::Grpc && !is_translated {
        told.push("gRPC-Web is passed on as it is; the middleware grpc_web would make gRPC of it".to_owned());
    } else if let Some(upstream) = &route.upstream {
        told.push(match upstream.bars_http2(route.phase.protocol) {
            Some(why) => format!("it fails ({}): the upstream has `{why}`", reasons::GRPC_NEEDS_HTTP2),
            None => "it goes to the endpoint over HTTP/2".to_owned(),
        });
    }
    if let Some(max) = route.config.grpc.max_timeout {
        told.push(format!("its deadline is at most {max:?}"));
    }
    told
}

fn upstream_of(upstream: &Upstream, live: bool) -> Value {
    let endpoint = |e: &Arc<Endpoint>| {
        let mut one = json!({"address": &*e.name, "weight": e.weight()});
        let labels = e.labels();
        if !labels.is_empty() {
            one["labels"] = json!(*labels);
        }
        if live {
            one["healthy"] = json!(e.is_healthy());
            one["active"] = json!(e.active());
        }
        one
    };
    let endpoints: Vec<Value> = upstream.endpoints().iter().map(endpoint).collect();
    let mut told =
        json!({"name": upstream.name(), "balance": upstream.config.balance.as_str(), "endpoints": endpoints});
    if let Some(version) = upstream.config.proxy_protocol {
        told["proxy_protocol"] = json!(version.as_str());
    }
    told
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
    let target = match target {
        // RFC 9110 section 4.2.3.
        "" if ask.method == "OPTIONS" => "*".to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        query => format!("/{query}"),
    };
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
