//! What a new configuration changes: which parts would be kept, added, removed or changed.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::{
    Accelerator, Access, AccessLog, Account, Admin, Authority, Config, Dns, DnsProvider, DynamicDns, Forwarded, Limits,
    Listener, ListenerHttp2, ListenerTimeouts, Log, Matcher, MetricOutput, Middleware, NatGateway, Obtained, Pool,
    Protocol, Registration, Retry, Rotate, Route, RouteGrpc, RouteTimeouts, Runtime, SlsOutput, Udp, Upstream,
    UpstreamHttp2, UpstreamTimeouts, UpstreamTls,
};

/// What happens to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is the same and carried over as it runs.
    Kept,
    /// It is new.
    Added,
    /// It is no longer there.
    Removed,
    /// It is there in both but not the same.
    Changed,
}

impl Change {
    /// `kept`, `added`, `removed` or `changed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Kept => ' ',
            Self::Added => '+',
            Self::Removed => '-',
            Self::Changed => '~',
        }
    }
}

/// One part and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `listener`, `route`, `middleware`, `upstream` or `section`.
    pub noun: &'static str,
    /// Its name.
    pub name: String,
    /// What happens to it.
    pub change: Change,
    /// Which keys are not the same, when it is changed: `limits.head`.
    pub fields: Vec<String>,
    /// Addresses that a listener opens and closes; those of a listener that are in neither are kept.
    pub opens: Vec<SocketAddr>,
    /// See `opens`.
    pub closes: Vec<SocketAddr>,
}

impl Part {
    fn new(noun: &'static str, name: &str, change: Change, fields: Vec<String>) -> Self {
        Self { noun, name: name.to_owned(), change, fields, opens: Vec::new(), closes: Vec::new() }
    }

    /// Whether it is a listener that stays on its sockets: connections and those that wait are untouched.
    pub fn keeps_socket(&self) -> bool {
        self.noun == "listener"
            && matches!(self.change, Change::Kept | Change::Changed)
            && self.opens.is_empty()
            && self.closes.is_empty()
    }
}

/// The keys in which two sections differ.
trait Fields: PartialEq {
    fn fields(&self, other: &Self) -> Vec<String>;
}

macro_rules! fields {
    ($type:ty: $($field:ident $(as $key:literal)? $(.$deep:tt)?),*) => {
        impl Fields for $type {
            fn fields(&self, other: &Self) -> Vec<String> {
                // Destructured without `..`, so that a new key cannot be forgotten here.
                let Self { $($field: _),* } = self;
                let mut changed = Vec::new();
                $(if self.$field != other.$field {
                    let key = [$($key,)? stringify!($field)][0];
                    let inner: Vec<String> = fields!(@ $($deep)? self.$field, other.$field);
                    match inner.is_empty() {
                        true => changed.push(key.to_owned()),
                        false => changed.extend(inner.iter().map(|below| format!("{key}.{below}"))),
                    }
                })*
                changed
            }
        }
    };
    // `.*` behind a key: it is a section whose keys are told too.
    (@ * $old:expr, $new:expr) => { $old.fields(&$new) };
    (@ $old:expr, $new:expr) => { Vec::new() };
}

fields!(Listener: name, bind, protocol, proxy_protocol, tls, limits.*, timeouts.*, http2.*, http3, forwarded.*, absolute_form, default_status, upstream, sni, access.*, udp.*, generated_by);
fields!(Limits: request_line, head, fields, body, connections, requests_per_connection, sessions);
fields!(ListenerHttp2: cleartext, max_concurrent_streams, initial_window, connection_window, max_frame_size, max_header_list, send_buffer);
fields!(Udp: responses);
fields!(ListenerTimeouts: handshake, head, idle, body_idle, write_idle, min_body_rate);
fields!(Forwarded: trust, emit, via);
fields!(Access: allow, deny);
fields!(Route: name, listeners, hosts, matcher as "match".*, middlewares, upstream, upstream_protocol, timeouts.*, retry.*, grpc.*);
fields!(Matcher: path, methods, headers, query, source, client_cert);
fields!(RouteTimeouts: connect, head, idle, request, tunnel_idle);
fields!(Retry: idle_race);
fields!(RouteGrpc: max_timeout);
fields!(Middleware: name, kind);
fields!(Upstream: name, endpoints, discover, balance, health, panic_threshold, pool.*, timeouts.*, proxy_protocol, tls.*, protocol, http2.*, dns.*, max_connections);
fields!(UpstreamHttp2: max_concurrent_streams, initial_window, connection_window, ping, ping_timeout);
fields!(Pool: idle, idle_timeout, max_requests);
fields!(UpstreamTimeouts: connect, head, idle, request, tunnel_idle);
fields!(UpstreamTls: sni, ca, client, verify);
fields!(Dns: servers, min, max);
fields!(Accelerator: name, account, id, title, tags, endpoint, interval, bind, max_ports, template, by_source);
fields!(NatGateway: name, account, gateway, entries, egress, create, interval);
fields!(Account: name, region, keys, roles as "assume_role", signature, private, endpoints);
fields!(DynamicDns: account, names, zone, a as "types", aaaa as "types", source, ttl, interval, line, exclusive, private);
fields!(Obtained: name, names, authority, challenges, dns_providers as "dns_provider", key);
fields!(Authority: name, directory, contact, external_account, roots, preferred_chain, profile, store);
fields!(DnsProvider: name, names, kind, propagation);
fields!(Registration: account, kind, group, balancer, server as "instance", port, weight, description, health, listener_id, interval, settle, leave_timeout);
fields!(SlsOutput: account, project, store, topic, source, batch_size as "batch.size", batch_time as "batch.time", spill);
fields!(MetricOutput: url, interval, login, headers, labels);
fields!(Runtime: workers, drain_timeout);
fields!(Admin: listen, token_file);
fields!(Log: level, access.*);
fields!(AccessLog: output, format, rotate.*);
fields!(Rotate: size, age, keep);

/// All parts of two configurations, by kind and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// The parts.
    pub parts: Vec<Part>,
}

impl Diff {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|p| p.change == Change::Kept)
    }

    /// How many parts have this change.
    pub fn count(&self, change: Change) -> usize {
        self.parts.iter().filter(|p| p.change == change).count()
    }

    /// For machines: `{"changes": bool, "parts": [{"kind", "name", "change", "fields", "socket_stays", "opens", "closes"}]}`, the
    /// last three for listeners only.
    pub fn to_json(&self) -> Value {
        let parts: Vec<_> = self
            .parts
            .iter()
            .map(|p| {
                let mut part =
                    json!({ "kind": p.noun, "name": p.name, "change": p.change.as_str(), "fields": p.fields });
                if p.noun == "listener" {
                    let texts = |all: &[SocketAddr]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
                    part["socket_stays"] = json!(p.keeps_socket());
                    part["opens"] = json!(texts(&p.opens));
                    part["closes"] = json!(texts(&p.closes));
                }
                part
            })
            .collect();
        json!({ "changes": !self.is_empty(), "parts": parts })
    }

    fn compare<T: Fields>(&mut self, noun: &'static str, old: BTreeMap<&str, &T>, mut new: BTreeMap<&str, &T>) {
        let mut parts = Vec::new();
        for (name, old) in old {
            let (change, fields) = match new.remove(name) {
                None => (Change::Removed, Vec::new()),
                Some(new) if new == old => (Change::Kept, Vec::new()),
                Some(new) => (Change::Changed, old.fields(new)),
            };
            parts.push(Part::new(noun, name, change, fields));
        }
        parts.extend(new.into_keys().map(|name| Part::new(noun, name, Change::Added, Vec::new())));
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        self.parts.append(&mut parts);
    }

    /// What becomes of the sockets: one stays when somebody is on its address before and after. Port 0 is a new port for
    /// each listener, and a port of UDP is another one than that of TCP.
    fn sockets(&mut self, old: &Config, new: &Config) {
        type Place = (SocketAddr, bool);
        let of = |l: &Listener| -> Vec<Place> { l.bind.iter().map(|a| (*a, l.protocol == Protocol::Udp)).collect() };
        let all = |config: &Config| -> HashSet<Place> {
            config.listeners.values().flat_map(|l| of(l)).filter(|(a, _)| a.port() != 0).collect()
        };
        let (before, after) = (all(old), all(new));
        for part in self.parts.iter_mut().filter(|part| part.noun == "listener") {
            let own = |config: &Config| config.listeners.get(part.name.as_str()).map(|l| of(l)).unwrap_or_default();
            let (had, has) = (own(old), own(new));
            let not_in = |of: &[Place], own: &[Place], there: &HashSet<Place>| {
                of.iter().filter(|a| !own.contains(a) && !there.contains(a)).map(|(a, _)| *a).collect::<Vec<_>>()
            };
            part.opens = not_in(&has, &had, &before);
            part.closes = not_in(&had, &has, &after);
        }
    }

    fn section<T: Fields>(&mut self, name: &str, old: Option<&T>, new: Option<&T>) {
        let (change, fields) = match (old, new) {
            (Some(old), Some(new)) if old != new => (Change::Changed, old.fields(new)),
            (Some(_), None) => (Change::Removed, Vec::new()),
            (None, Some(_)) => (Change::Added, Vec::new()),
            _ => (Change::Kept, Vec::new()),
        };
        self.parts.push(Part::new("section", name, change, fields));
    }
}

/// What `new` changes of `old`.
pub fn diff(old: &Config, new: &Config) -> Diff {
    let mut diff = Diff::default();
    macro_rules! named {
        ($noun:literal, $field:ident) => {
            diff.compare(
                $noun,
                old.$field.iter().map(|(n, v)| (n.as_str(), Arc::as_ref(v))).collect(),
                new.$field.iter().map(|(n, v)| (n.as_str(), Arc::as_ref(v))).collect(),
            )
        };
    }
    named!("listener", listeners);
    diff.compare(
        "route",
        old.routes.iter().map(|r| (r.name.as_str(), Arc::as_ref(r))).collect(),
        new.routes.iter().map(|r| (r.name.as_str(), Arc::as_ref(r))).collect(),
    );
    named!("middleware", middlewares);
    named!("upstream", upstreams);
    diff.sockets(old, new);
    macro_rules! cloud {
        ($noun:literal, $field:ident) => {
            diff.compare(
                $noun,
                old.cloud.$field.iter().map(|(n, v)| (n.as_str(), Arc::as_ref(v))).collect(),
                new.cloud.$field.iter().map(|(n, v)| (n.as_str(), Arc::as_ref(v))).collect(),
            )
        };
    }
    cloud!("certificate", certificates);
    cloud!("authority", authorities);
    cloud!("dns_provider", dns_providers);
    cloud!("account", accounts);
    cloud!("dynamic_dns", dynamic_dns);
    cloud!("log_output", log_outputs);
    cloud!("metric_output", metric_outputs);
    cloud!("registration", registrations);
    cloud!("accelerator", accelerators);
    cloud!("nat_gateway", nat_gateways);
    diff.section("runtime", Some(&old.runtime), Some(&new.runtime));
    diff.section("admin", old.admin.as_ref(), new.admin.as_ref());
    diff.section("log", Some(&old.log), Some(&new.log));
    let change = if old.state_dir == new.state_dir { Change::Kept } else { Change::Changed };
    diff.parts.push(Part::new("section", "state_dir", change, Vec::new()));
    diff
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.parts.iter().filter(|p| p.noun != "section" || p.change != Change::Kept) {
            write!(f, "{} {} {}: {}", part.change.sign(), part.noun, part.name, part.change.as_str())?;
            if !part.fields.is_empty() {
                write!(f, " {}", part.fields.join(", "))?;
            }
            let list = |all: &[SocketAddr]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let notes = match part.keeps_socket() {
                true => vec!["socket stays".to_owned()],
                false => [("opens", &part.opens), ("closes", &part.closes)]
                    .into_iter()
                    .filter(|(_, all)| !all.is_empty())
                    .map(|(word, all)| format!("{word} {}", list(all)))
                    .collect(),
            };
            f.write_str(&if notes.is_empty() { "\n".to_owned() } else { format!(" ({})\n", notes.join("; ")) })?;
        }
        let count = |change| self.count(change);
        write!(
            f,
            "{} added, {} removed, {} changed, {} kept",
            count(Change::Added),
            count(Change::Removed),
            count(Change::Changed),
            count(Change::Kept)
        )
    }
}
