//! A configuration written out again: everything that is in force, defaults included, in the form of a file.
//!
//! Every section is taken apart field by field without `..`: a new field that is not shown does not compile. That the
//! keys are those of a file is shown by reading the result again (`tests/config.rs`).

mod cloud;
mod discover;
mod dynamic_dns;
mod log_output;
mod metric_output;
mod registration;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::{
    AbsoluteForm, Accept, Access, AccessLog, Admin, AdminListen, Certificate, CertificateMatch, ClientAuth,
    ClientPolicy, Cloud, Config, Cors, Dns, Endpoint, FieldEdits, FieldMatch, FieldTest, Forwarded, ForwardedEmit,
    Health, HealthCheck, Limits, Listener, ListenerHttp2, ListenerHttp3, ListenerTimeouts, Log, LogFormat, LogOutput,
    Matcher, Middleware, MiddlewareKind, PathMatch, Pool, Protocol, ProxyProtocol, QuicRetry, Retry, Rewrite, Rotate,
    Route, RouteTimeouts, Runtime, Served, Text, Tls, TlsVersion, Udp, Upstream, UpstreamHttp2, UpstreamTimeouts,
    UpstreamTls,
};

/// What stands in the place of a secret.
const MASK: &str = "***";

/// The whole configuration as a file would say it. Passwords are masked, and so is every text in which the environment
/// had a part or whose name sounds like a secret's.
pub fn show(config: &Config) -> Value {
    let Config { listeners, routes, middlewares, upstreams, runtime, admin, log, state_dir, cloud: all_cloud } = config;
    let Cloud {
        accounts,
        dynamic_dns,
        log_outputs,
        metric_outputs,
        authorities,
        dns_providers,
        certificates,
        accelerators,
        nat_gateways,
        registrations,
    } = all_cloud;
    let inline = |m: &Middleware| !middlewares.contains_key(&m.name);
    let named = |name: &dyn Display, value: Value| (name.to_string(), value);
    let all = |entries: &mut dyn Iterator<Item = (String, Value)>| Value::Object(entries.collect());
    let (made, written): (Vec<_>, Vec<_>) = listeners.values().partition(|l| l.generated_by.is_some());
    object([
        ("listeners", all(&mut written.iter().map(|l| named(&l.name, listener(l))))),
        // No file has these; `generated_by` says which section does.
        ("generated_listeners", all(&mut made.iter().map(|l| named(&l.name, generated(l))))),
        ("routes", all(&mut routes.iter().map(|r| named(&r.name, route(r, &inline))))),
        ("middlewares", all(&mut middlewares.values().map(|m| named(&m.name, middleware(m))))),
        ("upstreams", all(&mut upstreams.values().map(|u| named(&u.name, upstream(u))))),
        ("runtime", runtime_section(runtime)),
        ("admin", admin.as_ref().map_or_else(off, admin_section)),
        ("log", log_section(log)),
        ("state_dir", option(state_dir.as_ref(), |d| path(d))),
        ("certificates", all(&mut certificates.values().map(|c| named(&c.name, cloud::obtained(c))))),
        ("authorities", all(&mut authorities.values().map(|a| named(&a.name, cloud::authority(a))))),
        ("dns_providers", all(&mut dns_providers.values().map(|p| named(&p.name, cloud::dns_provider(p))))),
        ("alibaba", all(&mut accounts.values().map(|a| named(&a.name, cloud::account(a))))),
        ("registrations", all(&mut registrations.iter().map(|(n, r)| named(n, registration::registration(r))))),
        ("dynamic_dns", all(&mut dynamic_dns.iter().map(|(n, d)| named(n, dynamic_dns::dynamic_dns(d))))),
        ("log_outputs", all(&mut log_outputs.iter().map(|(n, o)| named(n, log_output::log_output(o))))),
        ("metric_outputs", all(&mut metric_outputs.iter().map(|(n, o)| named(n, metric_output::metric_output(o))))),
        ("accelerators", all(&mut accelerators.values().map(|a| named(&a.name, cloud::accelerator(a))))),
        ("nat_gateways", all(&mut nat_gateways.values().map(|n| named(&n.name, cloud::nat_gateway(n))))),
    ])
}

/// A section. What is `null` or empty is not set, and has no default that could be written.
fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let is_set = |name: &str, value: &Value| match value {
        Value::Null => false,
        Value::Array(all) => !all.is_empty(),
        // `tcp: {}` and `grpc: {}` are whole health checks, and `grpc_web: {}` is a middleware.
        Value::Object(all) => ["tcp", "grpc", "grpc_web", "alidns"].contains(&name) || !all.is_empty(),
        _ => true,
    };
    let there = entries.into_iter().filter(|(name, value)| is_set(name, value));
    Value::Object(there.map(|(name, value)| (name.to_owned(), value)).collect())
}

fn off() -> Value {
    json!("off")
}

fn option<T>(value: Option<T>, show: impl Fn(T) -> Value) -> Value {
    value.map_or(Value::Null, show)
}

fn or_off<T>(value: Option<T>, show: impl Fn(T) -> Value) -> Value {
    value.map_or_else(off, show)
}

fn path(path: &Path) -> Value {
    json!(path.display().to_string())
}

fn text(value: impl Display) -> Value {
    json!(value.to_string())
}

fn texts<T: Display>(values: &[T]) -> Value {
    values.iter().map(text).collect()
}

fn time(value: Duration) -> Value {
    match value.subsec_millis() {
        0 => json!(format!("{}s", value.as_secs())),
        _ => json!(format!("{}ms", value.as_millis())),
    }
}

fn percent(value: u8) -> Value {
    json!(format!("{value}%"))
}

fn listener(listener: &Listener) -> Value {
    let Listener {
        name: _,
        bind,
        protocol,
        proxy_protocol,
        tls,
        limits,
        timeouts,
        http2,
        http3,
        forwarded,
        absolute_form,
        default_status,
        upstream,
        sni,
        access,
        udp: Udp { responses },
        generated_by: _,
    } = listener;
    let is_udp = *protocol == Protocol::Udp;
    let is_http = *protocol == Protocol::Http;
    // What means nothing for a protocol is not in force.
    let http = |value: Value| if is_http { value } else { Value::Null };
    let absolute_form = match absolute_form {
        AbsoluteForm::SameHost => "allow",
        AbsoluteForm::Refuse => "refuse",
    };
    let sni: Map<String, Value> = sni.iter().map(|(host, name)| (host.to_string(), text(name))).collect();
    object([
        ("bind", texts(bind)),
        ("protocol", json!(protocol.as_str())),
        ("proxy_protocol", option(proxy_protocol.as_ref(), proxy_section)),
        ("tls", option(tls.as_ref(), tls_section)),
        ("limits", limits_section(limits, *protocol)),
        ("timeouts", listener_timeouts(timeouts, *protocol)),
        ("http2", http(listener_http2(http2, tls.is_some()))),
        ("http3", option(http3.as_ref(), listener_http3)),
        ("forwarded", http(forwarded_section(forwarded))),
        ("absolute_form", http(json!(absolute_form))),
        ("default_status", http(json!(default_status))),
        ("upstream", option(upstream.as_ref(), text)),
        ("sni", if sni.is_empty() { Value::Null } else { Value::Object(sni) }),
        ("access", access_section(access)),
        ("udp", if is_udp { object([("responses", or_off(*responses, |n| json!(n)))]) } else { Value::Null }),
    ])
}

fn generated(made: &Listener) -> Value {
    let mut shown = listener(made);
    shown["generated_by"] = option(made.generated_by.as_ref(), text);
    shown
}

fn proxy_section(ProxyProtocol { from, timeout, versions }: &ProxyProtocol) -> Value {
    let versions: Value = versions.iter().map(|v| json!(v.as_str())).collect();
    object([("from", texts(from)), ("timeout", time(*timeout)), ("versions", versions)])
}

fn tls_section(tls: &Tls) -> Value {
    let Tls { certificates, min_version, alpn, clients, ocsp } = tls;
    let served = |served: &Served| match served {
        Served::Files(Certificate { cert, key }) => json!({"cert": path(cert), "key": path(key)}),
        Served::Obtained(name) => json!({"name": name.as_str()}),
    };
    let min_version = match min_version {
        TlsVersion::V12 => "1.2",
        TlsVersion::V13 => "1.3",
    };
    object([
        ("certificates", certificates.iter().map(served).collect()),
        ("min_version", json!(min_version)),
        ("alpn", json!(alpn)),
        ("ocsp", json!(if *ocsp { "on" } else { "off" })),
        ("client_auth", option(clients.as_ref(), client_auth)),
    ])
}

fn client_auth(ClientAuth { default, hosts, forward }: &ClientAuth) -> Value {
    let others = hosts.iter().map(|(host, policy)| (host.to_string(), client_policy(policy.as_ref())));
    let mut all = client_policy(default.as_ref());
    if !hosts.is_empty() {
        all["hosts"] = Value::Object(others.collect());
    }
    all["forward"] = json!(forward);
    all
}

fn client_policy(policy: Option<&ClientPolicy>) -> Value {
    let Some(ClientPolicy { required, ca, crl, expired_crl }) = policy else { return json!({ "mode": "off" }) };
    let paths = |all: &[PathBuf]| all.iter().map(|p| path(p)).collect::<Value>();
    let expired = if *expired_crl { "accept" } else { "refuse" };
    object([
        ("mode", json!(if *required { "required" } else { "optional" })),
        ("ca", paths(ca)),
        ("crl", paths(crl)),
        ("expired_crl", if crl.is_empty() { Value::Null } else { json!(expired) }),
    ])
}

fn limits_section(limits: &Limits, protocol: Protocol) -> Value {
    let Limits { request_line, head, fields, body, connections, requests_per_connection, sessions } = limits;
    let only = |is_in_force: bool, value: Value| if is_in_force { value } else { Value::Null };
    let http = |value: Value| only(protocol == Protocol::Http, value);
    let is_udp = protocol == Protocol::Udp;
    object([
        ("request_line", http(json!(request_line))),
        ("head", http(json!(head))),
        ("fields", http(json!(fields))),
        ("body", http(or_off(*body, |n| json!(n)))),
        ("connections", only(!is_udp, or_off(*connections, |n| json!(n)))),
        ("sessions", only(is_udp, json!(sessions))),
        ("requests_per_connection", http(or_off(*requests_per_connection, |n| json!(n)))),
    ])
}

fn listener_timeouts(timeouts: &ListenerTimeouts, protocol: Protocol) -> Value {
    let ListenerTimeouts { handshake, head, idle, body_idle, write_idle, min_body_rate } = timeouts;
    let http = |value: Value| if protocol == Protocol::Http { value } else { Value::Null };
    let stream = |value: Value| if protocol == Protocol::Udp { Value::Null } else { value };
    let rate = Some(*min_body_rate).filter(|n| *n > 0);
    object([
        ("handshake", stream(time(*handshake))),
        ("head", http(time(*head))),
        ("idle", time(*idle)),
        ("body_idle", http(time(*body_idle))),
        ("write_idle", stream(time(*write_idle))),
        ("min_body_rate", http(or_off(rate, |n| json!(format!("{n}B/s"))))),
    ])
}

fn listener_http3(http3: &ListenerHttp3) -> Value {
    let ListenerHttp3 { max_concurrent_streams, initial_window, connection_window, alt_svc, retry, early_data } = http3;
    let retry = match retry {
        QuicRetry::Auto => "auto",
        QuicRetry::Always => "always",
    };
    object([
        ("max_concurrent_streams", json!(max_concurrent_streams)),
        ("initial_window", json!(initial_window)),
        ("connection_window", json!(connection_window)),
        ("alt_svc", or_off(*alt_svc, time)),
        ("retry", json!(retry)),
        ("early_data", json!(early_data)),
    ])
}

fn listener_http2(http2: &ListenerHttp2, has_tls: bool) -> Value {
    let ListenerHttp2 {
        cleartext,
        max_concurrent_streams,
        initial_window,
        connection_window,
        max_frame_size,
        max_header_list,
        send_buffer,
    } = http2;
    object([
        ("cleartext", if has_tls { Value::Null } else { json!(cleartext) }),
        ("max_concurrent_streams", json!(max_concurrent_streams)),
        ("initial_window", json!(initial_window)),
        ("connection_window", json!(connection_window)),
        ("max_frame_size", json!(max_frame_size)),
        ("max_header_list", json!(max_header_list)),
        ("send_buffer", json!(send_buffer)),
    ])
}

fn forwarded_section(forwarded: &Forwarded) -> Value {
    let Forwarded { trust, emit, via } = forwarded;
    let emit = match emit {
        ForwardedEmit::Off => "off",
        ForwardedEmit::XForwarded => "x_forwarded",
        ForwardedEmit::Forwarded => "forwarded",
        ForwardedEmit::Both => "both",
    };
    object([("trust", texts(trust)), ("emit", json!(emit)), ("via", or_off(via.as_ref(), |v| json!(v)))])
}

fn access_section(Access { allow, deny }: &Access) -> Value {
    object([("allow", texts(allow)), ("deny", texts(deny))])
}

/// The value of something with a name that may give it away.
fn field(name: &str, value: &Text) -> Value {
    let words = ["auth", "cookie", "token", "secret", "password", "key", "credential", "session"];
    let name = name.to_ascii_lowercase();
    if words.iter().any(|word| name.contains(word)) { json!(MASK) } else { json!(value.shown()) }
}

fn route(route: &Route, is_inline: &dyn Fn(&Middleware) -> bool) -> Value {
    let Route { name: _, listeners, hosts, matcher, middlewares, upstream, upstream_protocol, timeouts, retry, grpc } =
        route;
    let RouteTimeouts { connect, head, idle, request, tunnel_idle } = timeouts;
    let Retry { idle_race } = retry;
    let step = |m: &std::sync::Arc<Middleware>| if is_inline(m) { middleware(m) } else { text(&m.name) };
    object([
        ("listeners", texts(listeners)),
        ("hosts", texts(hosts)),
        ("match", match_section(matcher)),
        ("middlewares", middlewares.iter().map(step).collect()),
        ("upstream", option(upstream.as_ref(), text)),
        ("upstream_protocol", option(*upstream_protocol, |p| json!(p.as_str()))),
        (
            "timeouts",
            object([
                ("connect", option(*connect, time)),
                ("head", option(*head, time)),
                ("idle", option(*idle, time)),
                ("request", option(*request, time)),
                ("tunnel_idle", option(*tunnel_idle, time)),
            ]),
        ),
        ("retry", object([("idle_race", json!(idle_race))])),
        ("grpc", grpc.max_timeout.map_or(Value::Null, |max| object([("max_timeout", time(max))]))),
    ])
}

fn match_section(Matcher { path, methods, headers, query, source, client_cert }: &Matcher) -> Value {
    let path = match path {
        PathMatch::Exact(text) => json!({ "exact": text }),
        PathMatch::Prefix(text) => json!({ "prefix": text }),
        PathMatch::Template(text) => json!({ "template": text }),
        PathMatch::Regex(text) => json!({ "regex": text }),
    };
    object([
        ("path", path),
        ("methods", json!(methods)),
        ("headers", tests(headers)),
        ("query", tests(query)),
        ("source", texts(source)),
        ("client_cert", option(client_cert.as_ref(), certificate_match)),
    ])
}

fn certificate_match(wanted: &CertificateMatch) -> Value {
    let shown = |all: &[Text]| all.iter().map(|text| json!(text.shown())).collect::<Value>();
    let CertificateMatch { present, subject, issuer, san, fingerprint, serial } = wanted;
    object([
        ("present", json!(present)),
        ("subject", shown(subject)),
        ("issuer", shown(issuer)),
        ("san", shown(san)),
        ("fingerprint", json!(fingerprint)),
        ("serial", json!(serial)),
    ])
}

fn tests(fields: &[FieldMatch]) -> Value {
    let test = |FieldMatch { name, test }: &FieldMatch| {
        let test = match test {
            FieldTest::Equals(value) => json!({ "equals": field(name, value) }),
            FieldTest::Regex(value) => json!({ "regex": field(name, value) }),
            FieldTest::Present => json!({ "present": true }),
            FieldTest::Absent => json!({ "absent": true }),
        };
        (name.to_string(), test)
    };
    Value::Object(fields.iter().map(test).collect())
}

fn middleware(Middleware { name: _, kind }: &Middleware) -> Value {
    let inside = match kind {
        MiddlewareKind::RequestId { header, accept } => {
            let accept = match accept {
                Accept::Always => "true",
                Accept::Trusted => "trusted",
                Accept::Never => "false",
            };
            json!({ "header": header, "accept": accept })
        }
        MiddlewareKind::Headers { request, response } => {
            object([("request", edits(request)), ("response", edits(response))])
        }
        MiddlewareKind::Rewrite(Rewrite::Path(to)) => json!({ "path": to }),
        MiddlewareKind::Rewrite(Rewrite::Regex { regex, replace }) => {
            json!({ "regex": regex.shown(), "replace": replace.shown() })
        }
        MiddlewareKind::StripPrefix(prefix) => json!(prefix),
        MiddlewareKind::Redirect { to, status } => json!({ "to": to.shown(), "status": status }),
        MiddlewareKind::Respond { status, body, content_type, headers } => object([
            ("status", json!(status)),
            ("body", if body.is_empty() { Value::Null } else { json!(body.shown()) }),
            ("content_type", json!(content_type.shown())),
            ("headers", fields(headers)),
        ]),
        MiddlewareKind::BodyLimit(size) => json!(size),
        MiddlewareKind::Ip(access) => access_section(access),
        MiddlewareKind::BasicAuth { file, users, realm } => object([
            ("file", option(file.as_ref(), |f| path(f))),
            ("users", users.iter().map(cloud::secret).collect()),
            ("realm", json!(realm.shown())),
        ]),
        MiddlewareKind::Timeout(after) => time(*after),
        MiddlewareKind::GrpcWeb { cors } => object([("cors", option(cors.as_ref(), cors_section))]),
    };
    object([(kind.as_str(), inside)])
}

fn cors_section(Cors { origins, credentials, expose, max_age }: &Cors) -> Value {
    object([
        ("origins", json!(origins)),
        ("credentials", json!(credentials)),
        ("expose", json!(expose)),
        ("max_age", time(*max_age)),
    ])
}

fn edits(FieldEdits { set, add, remove }: &FieldEdits) -> Value {
    object([("set", fields(set)), ("add", fields(add)), ("remove", json!(remove))])
}

fn fields(fields: &[(String, Text)]) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in fields {
        let values = all.entry(name.as_str()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(field(name, value));
        }
    }
    Value::Object(all)
}

fn upstream(upstream: &Upstream) -> Value {
    let Upstream {
        name: _,
        endpoints,
        discover,
        balance,
        health,
        panic_threshold,
        pool,
        timeouts,
        proxy_protocol,
        tls,
        protocol,
        http2,
        dns,
        max_connections,
    } = upstream;
    let endpoint = |Endpoint { address: _, port: _, tls, weight, text }: &Endpoint| {
        let scheme = if *tls { "https" } else { "http" };
        json!({ "address": format!("{scheme}://{text}"), "weight": weight })
    };
    let Pool { idle, idle_timeout, max_requests } = pool;
    let Dns { servers, min, max } = dns;
    let servers = if servers.is_empty() { Value::Null } else { texts(servers) };
    object([
        ("endpoints", endpoints.iter().map(endpoint).collect()),
        ("discover", option(discover.as_deref(), discover::discover)),
        ("balance", json!(balance.as_str())),
        ("health", or_off(health.as_ref(), health_section)),
        ("panic_threshold", percent(*panic_threshold)),
        (
            "pool",
            object([
                ("idle", json!(idle)),
                ("idle_timeout", time(*idle_timeout)),
                ("max_requests", or_off(*max_requests, |n| json!(n))),
            ]),
        ),
        ("timeouts", upstream_timeouts(timeouts)),
        ("proxy_protocol", or_off(*proxy_protocol, |v| json!(v.as_str()))),
        ("tls", if upstream.uses_tls() { upstream_tls(tls) } else { Value::Null }),
        ("protocol", json!(protocol.as_str())),
        ("http2", upstream_http2(http2)),
        ("dns", object([("servers", servers), ("min", time(*min)), ("max", time(*max))])),
        ("max_connections", or_off(*max_connections, |n| json!(n))),
    ])
}

fn health_section(Health { check, interval, timeout, rise, fall, jitter }: &Health) -> Value {
    let (http, grpc, tcp) = match check {
        HealthCheck::Http { path, expect, host } => {
            let ranges: Value = expect.iter().map(|(from, to)| text(format_args!("{from}-{to}"))).collect();
            let http = [("path", json!(path)), ("expect", ranges), ("host", option(host.as_ref(), |h| json!(h)))];
            (object(http), Value::Null, Value::Null)
        }
        HealthCheck::Grpc { service, host } => {
            let service = if service.is_empty() { Value::Null } else { json!(service) };
            let grpc = object([("service", service), ("host", option(host.as_ref(), |h| json!(h)))]);
            (Value::Null, grpc, Value::Null)
        }
        HealthCheck::Tcp => (Value::Null, Value::Null, json!({})),
    };
    object([
        ("http", http),
        ("grpc", grpc),
        ("tcp", tcp),
        ("interval", time(*interval)),
        ("timeout", time(*timeout)),
        ("rise", json!(rise)),
        ("fall", json!(fall)),
        ("jitter", percent(*jitter)),
    ])
}

fn upstream_http2(http2: &UpstreamHttp2) -> Value {
    let UpstreamHttp2 { max_concurrent_streams, initial_window, connection_window, ping, ping_timeout } = http2;
    object([
        ("max_concurrent_streams", json!(max_concurrent_streams)),
        ("initial_window", json!(initial_window)),
        ("connection_window", json!(connection_window)),
        ("ping", or_off(*ping, time)),
        ("ping_timeout", time(*ping_timeout)),
    ])
}

fn upstream_timeouts(timeouts: &UpstreamTimeouts) -> Value {
    let UpstreamTimeouts { connect, head, idle, request, tunnel_idle } = timeouts;
    object([
        ("connect", time(*connect)),
        ("head", or_off(*head, time)),
        ("idle", or_off(*idle, time)),
        ("request", or_off(*request, time)),
        ("tunnel_idle", or_off(*tunnel_idle, time)),
    ])
}

fn upstream_tls(UpstreamTls { sni, ca, client, verify }: &UpstreamTls) -> Value {
    let client = client.as_ref();
    object([
        ("sni", option(sni.as_ref(), |s| json!(s))),
        ("ca", option(ca.as_ref(), |p| path(p))),
        ("cert", option(client, |c| path(&c.cert))),
        ("key", option(client, |c| path(&c.key))),
        ("verify", json!(verify)),
    ])
}

fn runtime_section(Runtime { workers, drain_timeout }: &Runtime) -> Value {
    object([("workers", workers.map_or_else(|| json!("auto"), |n| json!(n))), ("drain_timeout", time(*drain_timeout))])
}

fn admin_section(Admin { listen, token_file }: &Admin) -> Value {
    let listen = match listen {
        AdminListen::Tcp(address) => address.to_string(),
        AdminListen::Unix(path) => format!("unix:{}", path.display()),
        AdminListen::Pipe(name) => format!("pipe:{name}"),
    };
    object([("listen", json!(listen)), ("token_file", option(token_file.as_ref(), |f| path(f)))])
}

fn log_section(Log { level, access }: &Log) -> Value {
    let AccessLog { output, format, rotate } = access;
    let Rotate { size, age, keep } = rotate;
    let format = match format {
        LogFormat::Auto => "auto",
        LogFormat::Json => "json",
        LogFormat::Text => "text",
    };
    let (output, rotate) = match output {
        LogOutput::Stdout => (json!("stdout"), Value::Null),
        LogOutput::Off => (off(), Value::Null),
        LogOutput::File(file) => {
            (path(file), object([("size", json!(size)), ("age", time(*age)), ("keep", json!(keep))]))
        }
    };
    let access = object([("output", output), ("format", json!(format)), ("rotate", rotate)]);
    object([("level", json!(level)), ("access", access)])
}
