//! A route.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cloud::accelerator::is_http;
use super::ctx::Ctx;
use super::names::Known;
use super::section::Section;
use super::{client, middleware, value};
use crate::config::{
    Accelerator, FieldMatch, FieldTest, HostPattern, Listener, ListenerName, Matcher, Middleware, MiddlewareName,
    PathMatch, Protocol, Retry, Route, RouteGrpc, RouteName, RouteTimeouts, UpstreamName,
};
use crate::keys;
use crate::yaml::{Node, Place, Value};

/// What a route may name.
pub(super) struct Names<'n> {
    pub(super) listeners: &'n BTreeMap<ListenerName, Arc<Listener>>,
    /// A route means all listeners of one by its name.
    pub(super) accelerators: &'n BTreeMap<ListenerName, Arc<Accelerator>>,
    pub(super) listener_names: Known<'n>,
    pub(super) middlewares: &'n BTreeMap<MiddlewareName, Arc<Middleware>>,
    pub(super) middleware_names: Known<'n>,
    pub(super) upstreams: &'n Known<'n>,
}

pub(super) fn route(section: &Section<'_>, name: &str, names: &Names<'_>) -> Route {
    let ctx = section.ctx;
    let middlewares = section.list("middlewares", |ctx, node| one(ctx, node, name, names));
    let upstream = section.read("upstream", |ctx, node| names.upstreams.find(ctx, node));
    let answers = middlewares.iter().any(|m| m.kind.answers());
    let absent = |key| section.get(key).is_none() && !section.was_meant(key);
    let help = match () {
        () if !absent("upstream") || answers => None,
        () if absent("middlewares") => Some("add `upstream: NAME`, or a `redirect` or `respond` middleware"),
        // With none that could be read, it is not known whether one would have answered.
        () if middlewares.is_empty() => None,
        () => Some("add `upstream: NAME`; none of its middlewares answers"),
    };
    if let Some(help) = help {
        ctx.error_help(section.place, "missing_upstream", format!("route `{name}` leads nowhere"), help);
    }
    if let (Some((key, _)), true) = (section.entry("upstream"), answers) {
        let help = "a middleware of this route answers every request";
        ctx.warn(key.place, "no_effect", format!("no request of route `{name}` gets to its upstream"), help);
    }
    if section.get("upstream").is_none() {
        for (key, _) in
            ["timeouts", "retry", "upstream_protocol", "grpc"].into_iter().filter_map(|key| section.entry(key))
        {
            let help = "it is about the upstream of a route, and this one has none";
            ctx.warn(key.place, "no_effect", format!("`{}` has no effect on route `{name}`", key.text), help);
        }
    }
    order(section, &middlewares);
    let hosts = section.some("hosts", value::host_pattern);
    Route {
        name: RouteName::from(name),
        listeners: listeners(section, names),
        hosts: if hosts.is_empty() { vec![HostPattern::Any] } else { hosts },
        matcher: section.sub("match", &keys::MATCH).map(|s| matcher(&s)).unwrap_or_default(),
        middlewares,
        upstream: upstream.map(UpstreamName::from),
        upstream_protocol: section.read("upstream_protocol", super::upstream::protocol),
        timeouts: section.sub("timeouts", &keys::ROUTE_TIMEOUTS).map(|s| timeouts(&s)).unwrap_or_default(),
        retry: section.sub("retry", &keys::RETRY).map(|s| retry(&s)).unwrap_or_default(),
        grpc: section.sub("grpc", &keys::ROUTE_GRPC).map(|s| grpc(&s)).unwrap_or_default(),
    }
}

/// What stands after a middleware that answers every request is never reached.
fn order(section: &Section<'_>, middlewares: &[Arc<Middleware>]) {
    let Some(at) = middlewares.iter().position(|m| m.kind.answers()) else { return };
    let Some(Node { value: Value::List(items), .. }) = section.get("middlewares") else { return };
    if let (Some(answers), Some(first), Some(after)) = (middlewares.get(at), items.get(at), items.get(at + 1)) {
        let message = format!("no request gets here: `{}` before it answers every one", answers.kind.as_str());
        section.ctx.clash(after.place, "unreachable", message, first.place, "put the one that answers last");
    }
}

fn retry(section: &Section<'_>) -> Retry {
    Retry { idle_race: section.read("idle_race", value::boolean).unwrap_or(Retry::default().idle_race) }
}

fn grpc(section: &Section<'_>) -> RouteGrpc {
    RouteGrpc { max_timeout: section.read("max_timeout", value::duration) }
}

/// A middleware by name or in place.
fn one(ctx: &Ctx<'_>, node: &Node, route: &str, names: &Names<'_>) -> Option<Arc<Middleware>> {
    if matches!(node.value, Value::Map(_)) {
        return middleware::middleware(ctx, node, Err(route)).map(Arc::new);
    }
    let name = names.middleware_names.find(ctx, node)?;
    names.middlewares.get(&*name).cloned()
}

fn listeners(section: &Section<'_>, names: &Names<'_>) -> Vec<ListenerName> {
    let http = |name: &str| match (names.listeners.get(name), names.accelerators.get(name)) {
        (Some(listener), _) => listener.protocol == Protocol::Http,
        (None, Some(accelerator)) => is_http(accelerator),
        (None, None) => true,
    };
    if section.get("listeners").is_none() {
        let declared = names.listeners.keys().chain(names.accelerators.keys());
        let mut all: Vec<_> = declared.filter(|n| http(n.as_str())).cloned().collect();
        all.sort();
        // With no listener at all there is one complaint about that, not one for each route.
        if all.is_empty() && !(names.listeners.is_empty() && names.accelerators.is_empty()) {
            let help = "add one with `protocol: http` under `listeners`".to_owned();
            section.ctx.error_help(section.place, "no_listener", "there is no http listener for this route", help);
        }
        return all;
    }
    let mut all = section.some("listeners", |ctx, node| {
        let name = names.listener_names.find(ctx, node)?;
        if !http(&name) {
            let help = "routes are for http listeners; a tcp or udp one has `upstream`, a tls_passthrough one `sni`"
                .to_owned();
            ctx.error_help(node.place, "wrong_protocol", format!("listener `{name}` does not speak HTTP"), help);
        }
        Some(ListenerName::from(name))
    });
    all.sort();
    all
}

fn matcher(section: &Section<'_>) -> Matcher {
    let field = |text: &str| value::is_token(text).then(|| text.to_ascii_lowercase());
    Matcher {
        path: section.read("path", path).unwrap_or_default(),
        methods: section.some("methods", value::method),
        headers: fields(section, "headers", field),
        query: fields(section, "query", |text| (!text.is_empty()).then(|| text.to_owned())),
        source: section.some("source", value::cidr),
        client_cert: section.read("client_cert", client::certificate_match),
    }
}

fn path(ctx: &Ctx<'_>, node: &Node) -> Option<PathMatch> {
    if !matches!(node.value, Value::Map(_)) {
        return value::plain_path(ctx, node).map(|p| PathMatch::Exact(p.into_boxed_str()));
    }
    let section = Section::open(ctx, node, &keys::PATH)?;
    let mut there = section.names();
    let (Some(first), None) = (there.next(), there.next()) else {
        ctx.error(node.place, "conflict", "a path is one of `exact`, `prefix`, `template` and `regex`");
        return None;
    };
    match &*first.text {
        "exact" => section.need("exact", value::plain_path).map(|p| PathMatch::Exact(p.into_boxed_str())),
        "prefix" => section.need("prefix", value::plain_path).map(|p| PathMatch::Prefix(p.into_boxed_str())),
        "template" => section.need("template", template).map(|p| PathMatch::Template(p.into_boxed_str())),
        _ => {
            let regex = section.need("regex", value::regex)?;
            if regex.strip_prefix('^').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric())) {
                let help = "begin it with `^/`";
                ctx.warn(node.place, "no_effect", "every path begins with `/`, so this matches none", help);
            }
            Some(PathMatch::Regex(Box::from(&*regex)))
        }
    }
}

fn template(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    let text = value::plain_path(ctx, node)?;
    let mut names = std::collections::HashSet::new();
    let segments: Vec<&str> = text.split('/').skip(1).collect();
    for (i, segment) in segments.iter().enumerate() {
        let inside = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
        let complaint = match inside {
            None if segment.contains(['{', '}']) => "a `{name}` takes a whole segment",
            None => continue,
            Some(inside) => {
                let name = inside.strip_suffix("...").unwrap_or(inside);
                let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                if !plain {
                    "the name in a `{name}` has letters, digits and `_`"
                } else if name != inside && i + 1 != segments.len() {
                    "`{name...}` takes the rest and must be last"
                } else if !names.insert(name) {
                    "a name is there twice"
                } else {
                    continue;
                }
            }
        };
        ctx.error(node.place, "bad_template", format!("not a template: {complaint}"));
        return None;
    }
    Some(text)
}

fn fields(section: &Section<'_>, key: &'static str, read: impl Fn(&str) -> Option<String>) -> Vec<FieldMatch> {
    let mut all: Vec<FieldMatch> = Vec::new();
    let mut first: Vec<(String, Place)> = Vec::new();
    for (name, node) in section.map(key) {
        let test = test(section.ctx, node);
        let Some(text) = read(&name.text) else {
            let help = match key {
                "headers" => "it has letters, digits and `-`, without a colon",
                _ => "it is not empty",
            };
            section.ctx.error_help(name.place, "bad_value", format!("`{}` is not a name for `{key}`", name.text), help);
            continue;
        };
        if let Some((_, before)) = first.iter().find(|(other, _)| *other == text) {
            section.ctx.clash(
                name.place,
                "duplicate_key",
                format!("`{text}` is there twice"),
                *before,
                "keep one of them",
            );
            continue;
        }
        first.push((text.clone(), name.place));
        all.extend(test.map(|test| FieldMatch { name: text.into_boxed_str(), test }));
    }
    all
}

fn test(ctx: &Ctx<'_>, node: &Node) -> Option<FieldTest> {
    if !matches!(node.value, Value::Map(_)) {
        return value::text(ctx, node).map(FieldTest::Equals);
    }
    let section = Section::open(ctx, node, &keys::FIELD)?;
    let mut there = section.names();
    let (Some(first), None) = (there.next(), there.next()) else {
        ctx.error(node.place, "conflict", "a condition is one of `equals`, `regex`, `present` and `absent`");
        return None;
    };
    match &*first.text {
        "equals" => section.need("equals", value::text).map(FieldTest::Equals),
        "regex" => section.need("regex", value::regex).map(FieldTest::Regex),
        // `present: false` is the same as `absent: true`.
        "present" => section.need("present", value::boolean).map(presence),
        _ => section.need("absent", value::boolean).map(|absent| presence(!absent)),
    }
}

fn presence(present: bool) -> FieldTest {
    if present { FieldTest::Present } else { FieldTest::Absent }
}

fn timeouts(section: &Section<'_>) -> RouteTimeouts {
    RouteTimeouts {
        connect: section.read("connect", value::duration),
        head: section.read("head", value::duration),
        idle: section.read("idle", value::duration),
        request: section.read("request", value::duration),
        tunnel_idle: section.read("tunnel_idle", value::duration),
    }
}
