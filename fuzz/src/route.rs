//! What must hold of the compiled route tables: they choose what a walk through all routes would choose.
//!
//! An input has lines. `R HOST KIND PATTERN [m:METHOD] [h:NAME=VALUE] [q:NAME=VALUE] [s:NETWORK]` is a route, `KIND` being
//! `exact`, `prefix`, `template` or `regex`; `? METHOD HOST TARGET [CLIENT] [NAME=VALUE]…` is a request. Other lines mean
//! nothing, and neither does a route that the configuration refuses beside those before it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use yumen_config::config::{Config, FieldMatch, FieldTest, HostPattern, PathMatch, Route};
use yumen_config::parse_str;
use yumen_core::ExplainRequest;
use yumen_net::dial::Resolver;
use yumen_net::rt::Control;
use yumen_proxy::{Origin, Ports, Snapshot};
use yumen_telemetry::Registry;

/// More routes make an input slower, not sharper.
const ROUTES: usize = 8;

/// Judges bytes as routes and requests.
pub fn route(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut routes = String::new();
    let mut config = None;
    let mut requests = Vec::new();
    for line in text.lines().take(64) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["R", host, kind, pattern, conditions @ ..] => {
                let number = routes.lines().count();
                if number < ROUTES {
                    let more = format!("{routes}{}\n", section(number, host, kind, pattern, conditions));
                    if let Some(read) = read(&more) {
                        (routes, config) = (more, Some(read));
                    }
                }
            }
            ["?", method, host, target, rest @ ..] => requests.extend(ask(method, host, target, rest)),
            _ => {}
        }
    }
    let Some(config) = config.filter(|_| !requests.is_empty()) else { return };
    let (control, ports) = surroundings();
    let origin = Origin { source: "fuzz".to_owned(), digest: String::new() };
    let empty = Snapshot::empty();
    let built = control.block_on(Snapshot::build(Arc::clone(&config), origin, ports, &empty));
    let Ok(snapshot) = built else { panic!("a valid configuration does not compile: {routes}") };
    for (request, plain) in &requests {
        // A target or field that could not be sent is refused by the question.
        let Ok(answer) = yumen_proxy::explain(&snapshot, request, false) else { continue };
        let taken = answer["route"]["name"].as_str();
        assert_eq!(taken, choose(&config, plain).map(|r| r.name.as_str()), "{request:?} in\n{routes}");
    }
}

/// A request as the reference sees it.
struct Plain {
    method: String,
    host: String,
    path: String,
    query: Option<String>,
    client: IpAddr,
    fields: Vec<(String, String)>,
}

fn ask(method: &str, host: &str, target: &str, rest: &[&str]) -> Option<(ExplainRequest, Plain)> {
    if host.contains([':', '/', '?', '[']) || !target.starts_with('/') {
        return None;
    }
    let client = rest.iter().find_map(|word| word.parse::<IpAddr>().ok()).unwrap_or(IpAddr::from([127, 0, 0, 1]));
    let fields: Vec<(String, String)> =
        rest.iter().filter_map(|w| w.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let request = ExplainRequest {
        method: method.to_owned(),
        url: format!("http://{host}{target}"),
        fields: fields.clone(),
        client_cert: None,
        source: Some(client),
        listener: Some("web".to_owned()),
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let (method, path) = (method.to_owned(), path.to_owned());
    Some((request, Plain { method, host, path, query, client: client.to_canonical(), fields }))
}

fn quoted(text: &str) -> String {
    format!("{:?}", text.replace('$', "$$")).replace("\\'", "'")
}

fn section(number: usize, host: &str, kind: &str, pattern: &str, conditions: &[&str]) -> String {
    let mut matcher = format!("path: {{{}: {}}}", quoted(kind), quoted(pattern));
    let mut maps: BTreeMap<&str, String> = BTreeMap::new();
    for condition in conditions {
        let (to, entry) = match condition.split_once(':') {
            Some(("m", method)) => ("methods", quoted(method)),
            Some(("s", network)) => ("source", quoted(network)),
            Some((place @ ("h" | "q"), pair)) => {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                let test = match value {
                    "+" => "{present: true}".to_owned(),
                    "-" => "{absent: true}".to_owned(),
                    value => quoted(value),
                };
                (if place == "h" { "headers" } else { "query" }, format!("{}: {test}", quoted(name)))
            }
            _ => continue,
        };
        let all = maps.entry(to).or_default();
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(&entry);
    }
    for (key, all) in maps {
        let all = if matches!(key, "methods" | "source") { format!("[{all}]") } else { format!("{{{all}}}") };
        matcher.push_str(&format!(", {key}: {all}"));
    }
    format!("  r{number}: {{hosts: {}, match: {{{matcher}}}, middlewares: [{{respond: {{}}}}]}}", quoted(host))
}

fn read(routes: &str) -> Option<Arc<Config>> {
    let text = format!("listeners: {{web: {{bind: \"127.0.0.1:80\"}}}}\nroutes:\n{routes}");
    parse_str("fuzz", &text, &|_| None).ok().map(|loaded| Arc::new(loaded.config))
}

fn surroundings() -> (&'static Control, &'static Ports) {
    static ALL: OnceLock<(Control, Ports)> = OnceLock::new();
    let (control, ports) = ALL.get_or_init(|| {
        let Ok(control) = Control::start(1) else { panic!("no thread") };
        let (registry, resolver) = (Arc::new(Registry::new(1)), Arc::new(Resolver::start()));
        let ports = Ports::alone(registry, resolver);
        (control, ports)
    });
    (control, ports)
}

/// The route that should take a request: of all that do, the one most specific by host, then path, then conditions.
fn choose<'c>(config: &'c Config, request: &Plain) -> Option<&'c Route> {
    let taking = config.routes.iter().enumerate().filter_map(|(at, route)| {
        let host = route.hosts.iter().filter(|pattern| takes_host(pattern, &request.host)).map(host_rank).max()?;
        let matcher = &route.matcher;
        let sources = &matcher.source;
        let holds = takes_path(&matcher.path, &request.path)
            && (matcher.methods.is_empty() || matcher.methods.contains(&request.method))
            && matcher.headers.iter().all(|f| holds(f, field(request, &f.name).as_deref()))
            && matcher.query.iter().all(|f| holds(f, parameter(request, &f.name).as_deref()))
            && (sources.is_empty() || sources.iter().any(|net| net.contains(&request.client)));
        let count = usize::from(!matcher.methods.is_empty())
            + matcher.headers.len()
            + matcher.query.len()
            + usize::from(!sources.is_empty());
        // Of equals, which are expressions only, the first of the file.
        holds.then_some(((host, path_rank(&matcher.path), count, usize::MAX - at), route))
    });
    taking.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, route)| &**route)
}

fn takes_host(pattern: &HostPattern, host: &str) -> bool {
    match pattern {
        HostPattern::Exact(name) => **name == *host,
        HostPattern::Below(name) => host.len() > name.len() + 1 && host.ends_with(&format!(".{name}")),
        HostPattern::Any => true,
    }
}

fn host_rank(pattern: &HostPattern) -> (u8, usize) {
    match pattern {
        HostPattern::Exact(_) => (2, 0),
        HostPattern::Below(name) => (1, name.len()),
        HostPattern::Any => (0, 0),
    }
}

fn takes_path(pattern: &PathMatch, path: &str) -> bool {
    match pattern {
        PathMatch::Exact(text) => **text == *path,
        PathMatch::Prefix(text) => {
            let bare = text.strip_suffix('/').unwrap_or(text);
            path == bare || path.starts_with(&format!("{bare}/"))
        }
        PathMatch::Regex(text) => regex::Regex::new(text).is_ok_and(|regex| regex.is_match(path)),
        PathMatch::Template(text) => {
            let (wanted, given): (Vec<&str>, Vec<&str>) = (text.split('/').collect(), path.split('/').collect());
            for (at, segment) in wanted.iter().enumerate() {
                let Some(here) = given.get(at) else { return false };
                match segment.strip_prefix('{') {
                    Some(name) if name.ends_with("...}") => return !given[at..].join("/").is_empty(),
                    Some(_) if here.is_empty() => return false,
                    None if here != segment => return false,
                    _ => {}
                }
            }
            wanted.len() == given.len()
        }
    }
}

/// Templates by their segments from left to right: text, then `{name}`, then `{name...}`.
fn path_rank(pattern: &PathMatch) -> (u8, Vec<u8>, usize) {
    let kind = |segment: &str| match segment.starts_with('{') {
        true if segment.ends_with("...}") => 0,
        true => 1,
        false => 2,
    };
    match pattern {
        PathMatch::Exact(_) => (3, Vec::new(), 0),
        PathMatch::Template(text) => (2, text.split('/').map(kind).collect(), 0),
        PathMatch::Regex(_) => (1, Vec::new(), 0),
        PathMatch::Prefix(text) => (0, Vec::new(), text.strip_suffix('/').unwrap_or(text).len()),
    }
}

fn holds(condition: &FieldMatch, value: Option<&str>) -> bool {
    match &condition.test {
        FieldTest::Equals(wanted) => value == Some(wanted),
        FieldTest::Regex(regex) => value.is_some_and(|v| regex::Regex::new(regex).is_ok_and(|r| r.is_match(v))),
        FieldTest::Present => value.is_some(),
        FieldTest::Absent => value.is_none(),
    }
}

fn field(request: &Plain, name: &str) -> Option<String> {
    request.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}

fn parameter(request: &Plain, name: &str) -> Option<String> {
    let pairs = request.query.as_ref()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(n, v)| (decoded(n), decoded(v))).find(|(n, _)| n == name).map(|(_, value)| value)
}

fn decoded(text: &str) -> String {
    let bytes: Vec<u8> = text.bytes().map(|b| if b == b'+' { b' ' } else { b }).collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|hex| bytes[at] == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        match hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
