//! An upstream.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::cloud::account::Accounts;
use super::ctx::Ctx;
use super::section::Section;
use super::{discover, listener, value};
use crate::config::{
    Balance, Certificate, Discover, Dns, Endpoint, Health, HealthCheck, ListenerHttp2, Pool, Upstream, UpstreamHttp2,
    UpstreamName, UpstreamProtocol, UpstreamTimeouts, UpstreamTls,
};
use crate::keys;
use crate::yaml::{Node, Value};

pub(super) fn upstream(section: &Section<'_>, name: &str, accounts: &Accounts<'_>) -> Option<Upstream> {
    let discover = section.entry("discover").map(|(_, node)| {
        Section::open(section.ctx, node, &keys::DISCOVER).and_then(|s| discover::discover(&s, accounts))
    });
    let endpoints = endpoints(section, discover.is_some() || section.was_meant("discover"));
    let discover = discover.flatten();
    let uses_tls = |endpoints: &[Endpoint]| endpoints.iter().any(|e| e.tls) || discover.as_ref().is_some_and(|d| d.tls);
    let health = match section.get("health") {
        Some(node) if !value::is_off(section.ctx, node) => {
            Section::open(section.ctx, node, &keys::HEALTH).and_then(|s| health(&s))
        }
        _ => None,
    };
    let tls_entry = section.entry("tls");
    if let (Some((name, _)), Some(endpoints)) = (tls_entry, &endpoints)
        && !uses_tls(endpoints)
    {
        let help = "write the endpoints as `https://HOST:PORT`, or remove `tls`".to_owned();
        section.ctx.error_help(name.place, "no_effect", "`tls` has no effect: no endpoint uses TLS", help);
    }
    let proxy_protocol = section.limit("proxy_protocol", None, listener::proxy_version);
    let protocol = section.read("protocol", protocol).unwrap_or_default();
    if let (Some((name, _)), Some(endpoints)) = (section.entry("protocol"), &endpoints)
        && let Some((problem, help)) = misfit(protocol, (endpoints, discover.as_ref()), proxy_protocol.is_some())
    {
        section.ctx.error_help(name.place, "conflict", problem, help.to_owned());
    }
    if let (Some((name, _)), None) = (section.entry("panic_threshold"), section.get("health")) {
        let help = "add `health`; without checks every endpoint counts as healthy";
        section.ctx.warn(name.place, "no_effect", "`panic_threshold` has no effect without `health`", help);
    }
    if let (Some((name, _)), Some(endpoints)) = (section.entry("dns"), &endpoints)
        && endpoints.iter().all(|e| e.address.parse::<IpAddr>().is_ok())
    {
        let help = "remove `dns`; it is about the names of endpoints";
        section.ctx.warn(name.place, "no_effect", "`dns` has no effect: every endpoint is an address", help);
    }
    Some(Upstream {
        name: UpstreamName::from(name),
        balance: section.read("balance", balance).unwrap_or_default(),
        health,
        panic_threshold: section.read("panic_threshold", value::percent).unwrap_or(Upstream::PANIC_THRESHOLD),
        pool: section.sub("pool", &keys::POOL).map(|s| pool(&s, proxy_protocol.is_some())).unwrap_or_default(),
        proxy_protocol,
        timeouts: section.sub("timeouts", &keys::UPSTREAM_TIMEOUTS).map(|s| timeouts(&s)).unwrap_or_default(),
        tls: section.sub("tls", &keys::UPSTREAM_TLS).map(|s| tls(&s)).unwrap_or_default(),
        protocol,
        http2: section.sub("http2", &keys::UPSTREAM_HTTP2).map(|s| http2(&s)).unwrap_or_default(),
        dns: section.sub("dns", &keys::DNS).map(|s| dns(&s)).unwrap_or_default(),
        max_connections: section.limit("max_connections", None, value::count),
        // Last, so that a wrong endpoint does not hide the other complaints.
        endpoints: endpoints?,
        discover: discover.map(Arc::new),
    })
}

/// The endpoints that are written down. `others`: some are found elsewhere.
fn endpoints(section: &Section<'_>, others: bool) -> Option<Vec<Endpoint>> {
    let read = |ctx: &Ctx<'_>, node: &Node| {
        let all = value::each(ctx, node, endpoint)?;
        if all.is_empty() {
            ctx.error(node.place, "empty_list", "an upstream needs at least one endpoint");
        }
        twice(ctx, node, &all);
        if !others && !all.is_empty() && all.iter().all(|e| e.weight == 0) {
            let help = "give at least one endpoint a weight above 0".to_owned();
            ctx.error_help(node.place, "no_weight", "every endpoint has weight 0, so none gets anything", help);
        }
        Some(all)
    };
    match others && section.get("endpoints").is_none() {
        true => Some(Vec::new()),
        false => section.need("endpoints", read),
    }
}

pub(super) fn protocol(ctx: &Ctx<'_>, node: &Node) -> Option<UpstreamProtocol> {
    value::one_of(ctx, node, &UpstreamProtocol::ALL.map(|p| (p.as_str(), p)))
}

/// Why a protocol cannot be spoken to all of these endpoints, and what to do.
/// `introduces` says that connections begin with a PROXY header.
pub(super) fn misfit(
    protocol: UpstreamProtocol,
    (endpoints, discover): (&[Endpoint], Option<&Discover>),
    introduces: bool,
) -> Option<(String, &'static str)> {
    let (with, help) = match protocol {
        UpstreamProtocol::Http2 => (false, "write them as `https://HOST:PORT`, or use `h2c`"),
        UpstreamProtocol::H2c => (true, "write them as `http://HOST:PORT`, or use `http2`"),
        UpstreamProtocol::Auto | UpstreamProtocol::Http1 => return None,
    };
    if introduces {
        let problem = format!("`{}` does not go with `proxy_protocol`", protocol.as_str());
        return Some((problem, "a connection of HTTP/2 carries requests of many clients, and the header names one"));
    }
    let has = if with { "TLS" } else { "no TLS" };
    if discover.is_some_and(|discover| discover.tls == with) {
        let problem = format!("`{}` is not for endpoints that are discovered and have {has}", protocol.as_str());
        return Some((problem, if with { "remove `tls` from `discover`" } else { "write `tls: true` in `discover`" }));
    }
    let one = endpoints.iter().find(|endpoint| endpoint.tls == with)?;
    Some((format!("`{}` is not for endpoint `{}`, which has {has}", protocol.as_str(), one.text), help))
}

fn http2(section: &Section<'_>) -> UpstreamHttp2 {
    let default = UpstreamHttp2::default();
    let window = |ctx: &Ctx<'_>, node: &Node| listener::within(ctx, node, ListenerHttp2::WINDOWS);
    UpstreamHttp2 {
        max_concurrent_streams: section
            .read("max_concurrent_streams", value::count)
            .unwrap_or(default.max_concurrent_streams),
        initial_window: section.read("initial_window", window).unwrap_or(default.initial_window),
        connection_window: section.read("connection_window", window).unwrap_or(default.connection_window),
        ping: section.limit("ping", default.ping, value::duration),
        ping_timeout: section.read("ping_timeout", value::duration).unwrap_or(default.ping_timeout),
    }
}

fn twice(ctx: &Ctx<'_>, node: &Node, endpoints: &[Endpoint]) {
    let Value::List(items) = &node.value else { return };
    let mut first = std::collections::HashMap::new();
    for (endpoint, item) in endpoints.iter().zip(items) {
        if let Some(before) = first.insert(endpoint.text.as_ref(), item.place) {
            let message = "this endpoint is there twice";
            ctx.clash(item.place, "duplicate_endpoint", message, before, "give it a `weight` for a greater share");
        }
    }
}

fn balance(ctx: &Ctx<'_>, node: &Node) -> Option<Balance> {
    let all = [
        Balance::RoundRobin,
        Balance::WeightedRoundRobin,
        Balance::LeastConnections,
        Balance::P2cEwma,
        Balance::IpHash,
    ];
    value::one_of(ctx, node, &all.map(|b| (b.as_str(), b)))
}

fn endpoint(ctx: &Ctx<'_>, node: &Node) -> Option<Endpoint> {
    if !matches!(node.value, Value::Map(_)) {
        return address(ctx, node);
    }
    let section = Section::open(ctx, node, &keys::ENDPOINT)?;
    let mut endpoint = section.need("address", address);
    if let (Some(endpoint), Some(weight)) = (&mut endpoint, section.read("weight", value::weight)) {
        endpoint.weight = weight;
    }
    endpoint
}

fn address(ctx: &Ctx<'_>, node: &Node) -> Option<Endpoint> {
    let text = ctx.text(node)?;
    let found = parse_address(&text);
    if found.is_none() {
        let help = "such as `10.0.0.1:8080`, `http://app:3000` or `https://api.example.com`; a path is not possible";
        let message = format!("{} is not an endpoint", value::found(node));
        let help = value::help_for(node, Some(help.to_owned())).unwrap_or_default();
        ctx.error_help(node.place, "bad_value", message, help);
    }
    found
}

fn parse_address(text: &str) -> Option<Endpoint> {
    let (rest, tls, default) = if let Some(rest) = text.strip_prefix("https://") {
        (rest.strip_suffix('/').unwrap_or(rest), true, Some(443))
    } else if let Some(rest) = text.strip_prefix("http://") {
        (rest.strip_suffix('/').unwrap_or(rest), false, Some(80))
    } else {
        (text, false, None)
    };
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
            (host, digits.then(|| port.parse::<u16>().ok()).flatten()?)
        }
        _ => (rest, default?),
    };
    let shown = value::parse_host(host)?;
    let bare = shown.trim_start_matches('[').trim_end_matches(']');
    (port > 0).then(|| Endpoint {
        address: Box::from(bare),
        port,
        tls,
        weight: 1,
        text: format!("{shown}:{port}").into_boxed_str(),
    })
}

fn health(section: &Section<'_>) -> Option<Health> {
    let check = health_check(section)?;
    let interval = section.read("interval", value::duration).unwrap_or(Health::INTERVAL);
    let timeout = section.read("timeout", value::duration).unwrap_or(Health::TIMEOUT);
    if timeout > interval {
        let help = "give `timeout` a smaller value than `interval`".to_owned();
        let message = "a check would still run when the next one begins: its timeout is longer than the interval";
        section.ctx.error_help(
            section.entry("timeout").map_or(section.place, |(name, _)| name.place),
            "conflict",
            message,
            help,
        );
    }
    Some(Health {
        check,
        interval,
        timeout,
        rise: section.read("rise", value::count).unwrap_or(Health::RISE),
        fall: section.read("fall", value::count).unwrap_or(Health::FALL),
        jitter: section.read("jitter", value::percent).unwrap_or(Health::JITTER),
    })
}

fn health_check(section: &Section<'_>) -> Option<HealthCheck> {
    let mut there = ["http", "grpc", "tcp"].into_iter().filter_map(|key| Some((key, section.entry(key)?)));
    let Some((key, (_, node))) = there.next() else {
        let help = "add `http: {path: /health}`, `grpc: {}` or `tcp: {}`".to_owned();
        section.ctx.error_help(section.place, "missing_key", "`health` needs `http`, `grpc` or `tcp`", help);
        return None;
    };
    if let Some((_, (name, _))) = there.next() {
        section.ctx.error(name.place, "conflict", "a health check is one of `http`, `grpc` and `tcp`");
        return None;
    }
    match key {
        "http" => Section::open(section.ctx, node, &keys::HEALTH_HTTP).map(|s| health_http(&s)),
        "grpc" => Section::open(section.ctx, node, &keys::HEALTH_GRPC).map(|s| HealthCheck::Grpc {
            service: s.read("service", value::text).map(|service| service.to_string()).unwrap_or_default(),
            host: s.read("host", value::field_value).map(|host| host.to_string()),
        }),
        _ => Section::open(section.ctx, node, &keys::HEALTH_TCP).map(|_| HealthCheck::Tcp),
    }
}

fn health_http(section: &Section<'_>) -> HealthCheck {
    let expect = section.list("expect", |ctx, node| {
        let text = ctx.text(node)?;
        let range = parse_range(&text);
        if range.is_none() {
            let message = format!("expected a status or a range such as `200-399`, found {}", value::found(node));
            ctx.error(node.place, "bad_value", message);
        }
        range
    });
    HealthCheck::Http {
        path: section.read("path", value::origin_form).unwrap_or_else(|| Health::PATH.to_owned()),
        expect: if expect.is_empty() { vec![Health::EXPECT] } else { expect },
        host: section.read("host", value::field_value).map(|host| host.to_string()),
    }
}

fn parse_range(text: &str) -> Option<(u16, u16)> {
    let status = |t: &str| {
        let fine = t.len() == 3 && t.bytes().all(|b| b.is_ascii_digit());
        fine.then(|| t.parse::<u16>().ok()).flatten().filter(|s| (100..=599).contains(s))
    };
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (status(from.trim())?, status(to.trim())?);
    (from <= to).then_some((from, to))
}

fn pool(section: &Section<'_>, introduced: bool) -> Pool {
    let mut default = Pool::default();
    let mut idle = section.read("idle", value::number).and_then(|n| usize::try_from(n).ok());
    if introduced {
        // A connection names one client and can serve no other.
        if let (Some((name, _)), Some(1..)) = (section.entry("idle"), idle) {
            let help = "remove it; a connection that names its client by `proxy_protocol` serves no other one";
            section.ctx.warn(name.place, "no_effect", "`pool.idle` has no effect: connections are not kept", help);
        }
        (default.idle, idle) = (0, None);
    }
    Pool {
        idle: idle.unwrap_or(default.idle),
        idle_timeout: section.read("idle_timeout", value::duration).unwrap_or(default.idle_timeout),
        max_requests: section.limit("max_requests", None, value::count),
    }
}

fn timeouts(section: &Section<'_>) -> UpstreamTimeouts {
    let default = UpstreamTimeouts::default();
    UpstreamTimeouts {
        connect: section.read("connect", value::duration).unwrap_or(default.connect),
        head: section.limit("head", default.head, value::duration),
        idle: section.limit("idle", default.idle, value::duration),
        request: section.limit("request", default.request, value::duration),
        tunnel_idle: section.limit("tunnel_idle", default.tunnel_idle, value::duration),
    }
}

fn tls(section: &Section<'_>) -> UpstreamTls {
    let client = match (section.entry("cert"), section.entry("key")) {
        (Some(_), Some(_)) => section.read("cert", value::path).zip(section.read("key", value::path)),
        (Some((name, _)), None) | (None, Some((name, _))) => {
            section.ctx.error(name.place, "missing_key", "a client certificate needs both `cert` and `key`");
            None
        }
        (None, None) => None,
    };
    if let (Some((name, _)), Some(false)) = (section.entry("verify"), section.read("verify", value::boolean)) {
        let help = "trust the endpoints' own authority with `ca` instead";
        section.ctx.warn(name.place, "not_verified", "whoever answers at the endpoints' addresses is trusted", help);
    }
    UpstreamTls {
        sni: section.read("sni", value::server_name),
        ca: section.read("ca", value::path),
        client: client.map(|(cert, key)| Certificate { cert, key }),
        verify: section.read("verify", value::boolean).unwrap_or(true),
    }
}

fn dns(section: &Section<'_>) -> Dns {
    let default = Dns::default();
    let (min, max) = (section.read("min", value::duration), section.read("max", value::duration));
    let servers = section.list("servers", name_server);
    let dns = Dns { servers, min: min.unwrap_or(default.min), max: max.unwrap_or(default.max) };
    if dns.min > dns.max {
        section.ctx.error(section.place, "bad_value", "`dns.min` is above `dns.max`");
    }
    dns
}

/// An address, with the port of DNS where none is given.
fn name_server(ctx: &Ctx<'_>, node: &Node) -> Option<SocketAddr> {
    const PORT: u16 = 53;
    let text = ctx.text(node)?;
    let bare = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT));
    let found = text.parse::<SocketAddr>().or_else(|_| bare()).ok().filter(|addr| addr.port() > 0);
    if found.is_none() {
        let help =
            "such as `10.0.0.2`, `127.0.0.1:8600` or `[::1]:53`; a name server is asked by its address".to_owned();
        ctx.error_help(node.place, "bad_value", format!("`{text}` is not the address of a name server"), help);
    }
    found
}
