//! A listener.

use std::collections::HashMap;

use super::ctx::Ctx;
use super::section::Section;
use super::{client, names, value};
use crate::config::{
    AbsoluteForm, Access, Certificate, CertificateName, Forwarded, ForwardedEmit, HostPattern, Limits, Listener,
    ListenerHttp2, ListenerHttp3, ListenerName, ListenerTimeouts, Protocol, ProxyProtocol, ProxyVersion, QuicRetry,
    Served, Tls, TlsVersion, Udp, UpstreamName,
};
use crate::keys;
use crate::yaml::{Name, Node, Value};

/// The upstreams and the certificates that there are.
pub(super) type Names<'k, 'u, 'c> = (&'k names::Known<'u>, &'k names::Known<'c>);

/// Reads a listener; `upstreams` and `certificates` are the names there are.
pub(super) fn listener(
    section: &Section<'_>,
    name: &str,
    upstreams: &names::Known<'_>,
    certificates: &names::Known<'_>,
) -> Option<Listener> {
    let bind = section.need("bind", |ctx, node| value::each(ctx, node, value::address));
    if let (Some(bind), Some(node)) = (&bind, section.get("bind"))
        && bind.is_empty()
    {
        section.ctx.error(node.place, "empty_list", "a listener needs at least one address");
    }
    let protocol = section.read("protocol", protocol).unwrap_or_default();
    let rest = template(section, &format!("listener `{name}`"), protocol, (upstreams, certificates));
    // Last, so that a wrong address does not hide the other complaints.
    Some(Listener { name: ListenerName::from(name), bind: bind?, ..rest })
}

/// Reads all keys of a listener but its addresses and its protocol. It has no name and no address yet; complaints call it
/// `what`.
pub(super) fn template(
    section: &Section<'_>,
    what: &str,
    protocol: Protocol,
    (upstreams, certificates): Names<'_, '_, '_>,
) -> Listener {
    protocol_fits(section, protocol);
    let sni = sni(section, upstreams);
    let upstream = section.read("upstream", |ctx, node| upstreams.find(ctx, node)).map(UpstreamName::from);
    leads_somewhere(section, what, protocol);
    let tls = match section.entry("tls") {
        Some((_, node)) => Section::open(section.ctx, node, &keys::TLS).and_then(|s| tls(&s, protocol, certificates)),
        None => None,
    };
    let absolute = |ctx: &Ctx<'_>, node: &Node| {
        value::one_of(ctx, node, &[("allow", AbsoluteForm::SameHost), ("refuse", AbsoluteForm::Refuse)])
    };
    let http3 = http3(section, tls.as_ref());
    Listener {
        name: ListenerName::from(""),
        bind: Vec::new(),
        protocol,
        proxy_protocol: proxy_protocol(section),
        tls,
        limits: section.sub("limits", &keys::LIMITS).map(|s| limits(&s)).unwrap_or_default(),
        timeouts: timeouts(section, protocol),
        http2: http2(section),
        http3,
        forwarded: section.sub("forwarded", &keys::FORWARDED).map(|s| forwarded(&s)).unwrap_or_default(),
        absolute_form: section.read("absolute_form", absolute).unwrap_or_default(),
        default_status: section.read("default_status", value::status).unwrap_or(404),
        upstream,
        sni,
        access: section.sub("access", &keys::ACCESS).map(|s| access(&s)).unwrap_or_default(),
        udp: section.sub("udp", &keys::UDP).map(|s| udp(&s)).unwrap_or_default(),
        generated_by: None,
    }
}

/// A listener that reads no requests says itself where its traffic goes.
fn leads_somewhere(section: &Section<'_>, what: &str, protocol: Protocol) {
    let absent = |key| section.get(key).is_none() && !section.was_meant(key);
    if matches!(protocol, Protocol::Tcp | Protocol::Udp) && absent("upstream") {
        let help = "add `upstream: NAME`".to_owned();
        let message = format!("{} {what} has no upstream", protocol.as_str());
        section.ctx.error_help(section.place, "missing_upstream", message, help);
    }
    if protocol == Protocol::TlsPassthrough && absent("upstream") && absent("sni") {
        let help = "add `sni: {HOST: NAME}` or `upstream: NAME`".to_owned();
        let message = format!("tls_passthrough {what} leads nowhere");
        section.ctx.error_help(section.place, "missing_upstream", message, help);
    }
}

pub(super) fn protocol(ctx: &Ctx<'_>, node: &Node) -> Option<Protocol> {
    let all = [Protocol::Http, Protocol::Tcp, Protocol::TlsPassthrough, Protocol::Udp];
    value::one_of(ctx, node, &all.map(|p| (p.as_str(), p)))
}

fn proxy_protocol(section: &Section<'_>) -> Option<ProxyProtocol> {
    let (_, node) = section.entry("proxy_protocol")?;
    let section = Section::open(section.ctx, node, &keys::PROXY_PROTOCOL)?;
    // One that must be there and an empty one are told apart.
    let from = section.need("from", |ctx, node| {
        if matches!(&node.value, Value::List(all) if all.is_empty()) {
            let help = "name the addresses of the proxies in front, or remove `proxy_protocol`";
            ctx.error_help(node.place, "empty_list", "`from` is empty: nobody could connect", help);
        }
        Some(section.set("from", value::cidr))
    })?;
    if let Some(all) = from.iter().find(|net| net.prefix_len() == 0) {
        let help = "name the addresses of the proxies; whoever may send a header can claim any address";
        section.ctx.warn(
            section.place,
            "trusts_everybody",
            format!("`from` has {all}: every client is believed"),
            help,
        );
    }
    let versions = section.some("versions", proxy_version);
    Some(ProxyProtocol {
        from,
        timeout: section.read("timeout", value::duration).unwrap_or(ProxyProtocol::TIMEOUT),
        versions: if versions.is_empty() { vec![ProxyVersion::V1, ProxyVersion::V2] } else { versions },
    })
}

pub(super) fn proxy_version(ctx: &Ctx<'_>, node: &Node) -> Option<ProxyVersion> {
    value::one_of(ctx, node, &[ProxyVersion::V1, ProxyVersion::V2].map(|v| (v.as_str(), v)))
}

/// Settings that mean nothing for the protocol are refused, not ignored.
fn protocol_fits(section: &Section<'_>, protocol: Protocol) {
    let refused: &[&str] = match protocol {
        Protocol::Http => &["upstream", "sni", "udp"],
        Protocol::Tcp => &["sni", "forwarded", "http2", "http3", "absolute_form", "default_status", "udp"],
        Protocol::TlsPassthrough => &["tls", "forwarded", "http2", "http3", "absolute_form", "default_status", "udp"],
        Protocol::Udp => {
            &["proxy_protocol", "tls", "sni", "forwarded", "http2", "http3", "absolute_form", "default_status"]
        }
    };
    for name in section.names().filter(|name| refused.contains(&&*name.text)) {
        let help = match &*name.text {
            "upstream" => "give the upstream to a route instead",
            "sni" => "`sni` is for `protocol: tls_passthrough`",
            "udp" => "it is for `protocol: udp`",
            "proxy_protocol" => "datagrams have no connections that it could begin",
            "tls" if protocol == Protocol::Udp => "datagrams are handed on as they are; DTLS is not ended here",
            "tls" => "TLS is not ended here; use `protocol: tcp` to end it",
            _ => "it is for `protocol: http`",
        };
        misfit(section.ctx, name, protocol, help);
    }
    let of_http = &["request_line", "head", "fields", "body", "requests_per_connection"][..];
    let (limits, times) = match protocol {
        Protocol::Http => (vec!["sessions"], vec![]),
        Protocol::Tcp | Protocol::TlsPassthrough => {
            ([of_http, &["sessions"]].concat(), vec!["head", "body_idle", "min_body_rate"])
        }
        Protocol::Udp => (
            [of_http, &["connections"]].concat(),
            vec!["handshake", "head", "body_idle", "write_idle", "min_body_rate"],
        ),
    };
    for (key, names) in [("limits", limits), ("timeouts", times)] {
        for (name, _) in section.map(key).into_iter().filter(|(name, _)| names.contains(&&*name.text)) {
            let help = match &*name.text {
                "sessions" => "it is for `protocol: udp`",
                "connections" => "datagrams have no connections; `sessions` limits their sessions",
                "handshake" | "write_idle" => "datagrams have no connections",
                _ => "it is for `protocol: http`",
            };
            misfit(section.ctx, name, protocol, help);
        }
    }
}

fn misfit(ctx: &Ctx<'_>, name: &Name, protocol: Protocol, help: &str) {
    let message = format!("`{}` means nothing for `protocol: {}`", name.text, protocol.as_str());
    ctx.error_help(name.place, "wrong_protocol", message, help.to_owned());
}

fn sni(section: &Section<'_>, upstreams: &names::Known<'_>) -> Vec<(HostPattern, UpstreamName)> {
    let mut all: Vec<(HostPattern, UpstreamName)> = Vec::new();
    let mut first = HashMap::new();
    for (name, node) in section.map("sni") {
        let upstream = upstreams.find(section.ctx, node);
        let Some(host) = value::parse_host_pattern(&name.text) else {
            let message = format!("`{}` is not a server name", name.text);
            let help = "such as `db.example.com`, `*.example.com` or `*`".to_owned();
            section.ctx.error_help(name.place, "bad_value", message, help);
            continue;
        };
        if let Some(before) = first.insert(host.clone(), name.place) {
            let message = format!("the server name `{host}` is there twice");
            section.ctx.clash(name.place, "duplicate_key", message, before, "keep one of them");
        } else if let Some(upstream) = upstream {
            all.push((host, UpstreamName::from(upstream)));
        }
    }
    all
}

fn tls(section: &Section<'_>, protocol: Protocol, known: &names::Known<'_>) -> Option<Tls> {
    let certificates = section.need("certificates", |ctx, node| {
        let all = value::each(ctx, node, |ctx, node| certificate(ctx, node, known))?;
        if all.is_empty() {
            ctx.error(node.place, "empty_list", "TLS needs at least one certificate");
        }
        Some(all)
    })?;
    let version =
        |ctx: &Ctx<'_>, node: &Node| value::one_of(ctx, node, &[("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13)]);
    let alpn = match section.get("alpn") {
        Some(_) => section.list("alpn", |ctx, node| alpn(ctx, node, protocol)),
        None if protocol == Protocol::Http => vec!["h2".to_owned(), "http/1.1".to_owned()],
        None => Vec::new(),
    };
    let clients = section.read("client_auth", |ctx, node| client::client_auth(ctx, node, protocol));
    let on_or_off = |ctx: &Ctx<'_>, node: &Node| value::one_of(ctx, node, &[("on", true), ("off", false)]);
    Some(Tls {
        certificates,
        min_version: section.read("min_version", version).unwrap_or_default(),
        alpn,
        clients,
        ocsp: section.read("ocsp", on_or_off).unwrap_or(true),
    })
}

fn alpn(ctx: &Ctx<'_>, node: &Node, protocol: Protocol) -> Option<String> {
    let text = ctx.text(node)?;
    // A client would be told yes and then not be understood.
    if protocol == Protocol::Http && !matches!(&*text, "h2" | "http/1.1") {
        let message = format!("an http listener does not speak {}", value::found(node));
        ctx.error_help(node.place, "bad_value", message, "`h2` and `http/1.1` are possible here".to_owned());
        return None;
    }
    if text.is_empty() || text.len() > 255 {
        ctx.error(node.place, "bad_value", "an ALPN protocol has 1 to 255 bytes");
        return None;
    }
    Some(text.into_owned())
}

fn certificate(ctx: &Ctx<'_>, node: &Node, known: &names::Known<'_>) -> Option<Served> {
    let section = Section::open(ctx, node, &keys::CERTIFICATE)?;
    if let Some((name, node)) = section.entry("name") {
        if section.get("cert").is_some() || section.get("key").is_some() {
            let help = "write `{name: NAME}`, or `{cert: FILE, key: FILE}`";
            ctx.error_help(name.place, "conflict", "a certificate is obtained or lies in files, not both", help);
        }
        return known.find(ctx, node).map(|name| Served::Obtained(CertificateName::from(name)));
    }
    if section.was_meant("name") {
        return None;
    }
    let (cert, key) = (section.need("cert", value::path), section.need("key", value::path));
    Some(Served::Files(Certificate { cert: cert?, key: key? }))
}

fn limits(section: &Section<'_>) -> Limits {
    let default = Limits::default();
    let limits = Limits {
        request_line: section.read("request_line", value::buffer).unwrap_or(default.request_line),
        head: section.read("head", value::buffer).unwrap_or(default.head),
        fields: section.read("fields", value::amount).unwrap_or(default.fields),
        body: section.limit("body", None, value::size),
        connections: section.limit("connections", None, value::count),
        requests_per_connection: section.limit("requests_per_connection", None, value::count),
        sessions: section.read("sessions", value::count).unwrap_or(default.sessions),
    };
    if limits.request_line > limits.head {
        let help = "give `head` at least the size of `request_line`".to_owned();
        let message = "the request line may be larger than the head it stands in";
        section.ctx.error_help(section.place, "conflict", message, help);
    }
    limits
}

fn timeouts(section: &Section<'_>, protocol: Protocol) -> ListenerTimeouts {
    let default = ListenerTimeouts::of(protocol);
    let Some(section) = section.sub("timeouts", &keys::LISTENER_TIMEOUTS) else { return default };
    ListenerTimeouts {
        handshake: section.read("handshake", value::duration).unwrap_or(default.handshake),
        head: section.read("head", value::duration).unwrap_or(default.head),
        idle: section.read("idle", value::duration).unwrap_or(default.idle),
        body_idle: section.read("body_idle", value::duration).unwrap_or(default.body_idle),
        write_idle: section.read("write_idle", value::duration).unwrap_or(default.write_idle),
        min_body_rate: section.limit("min_body_rate", Some(default.min_body_rate), value::rate).unwrap_or(0),
    }
}

fn http2(section: &Section<'_>) -> ListenerHttp2 {
    let default = ListenerHttp2::default();
    if let (Some((name, _)), true) = (section.entry("http2"), section.get("tls").is_some())
        && section
            .sub("http2", &keys::LISTENER_HTTP2)
            .is_some_and(|s| s.read("cleartext", value::boolean) == Some(true))
    {
        let help = "with TLS the client chooses the version by `tls.alpn`; remove `cleartext`";
        section.ctx.warn(name.place, "no_effect", "`http2.cleartext` has no effect with `tls`", help);
    }
    let Some(section) = section.sub("http2", &keys::LISTENER_HTTP2) else { return default };
    let window = |ctx: &Ctx<'_>, node: &Node| within(ctx, node, ListenerHttp2::WINDOWS);
    let frame = |ctx: &Ctx<'_>, node: &Node| within(ctx, node, ListenerHttp2::FRAME_SIZES);
    ListenerHttp2 {
        cleartext: section.read("cleartext", value::boolean).unwrap_or(default.cleartext),
        max_concurrent_streams: section
            .read("max_concurrent_streams", value::count)
            .unwrap_or(default.max_concurrent_streams),
        initial_window: section.read("initial_window", window).unwrap_or(default.initial_window),
        connection_window: section.read("connection_window", window).unwrap_or(default.connection_window),
        max_frame_size: section.read("max_frame_size", frame).unwrap_or(default.max_frame_size),
        max_header_list: section.read("max_header_list", value::buffer),
        send_buffer: section.read("send_buffer", value::buffer).unwrap_or(default.send_buffer),
    }
}

fn http3(section: &Section<'_>, tls: Option<&Tls>) -> Option<ListenerHttp3> {
    let (name, node) = section.entry("http3")?;
    let http3 = match &node.value {
        Value::Map(_) => http3_section(&Section::open(section.ctx, node, &keys::LISTENER_HTTP3)?),
        _ => value::boolean(section.ctx, node).filter(|on| *on).map(|_| ListenerHttp3::default())?,
    };
    if section.get("tls").is_none() && !section.was_meant("tls") {
        let help = "add `tls: {certificates: …}`; QUIC is always encrypted".to_owned();
        section.ctx.error_help(name.place, "missing_key", "`http3` needs `tls`", help);
    }
    if http3.early_data && tls.is_some_and(|tls| tls.clients.is_some()) {
        let place = match &node.value {
            Value::Map(all) => all.iter().find(|(name, _)| &*name.text == "early_data").map(|(name, _)| name.place),
            _ => None,
        };
        let help = "remove `early_data`, or ask for certificates on a listener of their own".to_owned();
        let message =
            "early data does not go with `client_auth`: a copied request would come with the client's certificate";
        section.ctx.error_help(place.unwrap_or(name.place), "conflict", message, help);
    }
    if let Some((proxy, _)) = section.entry("proxy_protocol") {
        let help = "remove `http3`: a proxy in front that passes QUIC on cannot name the client".to_owned();
        section.ctx.error_help(proxy.place, "conflict", "`proxy_protocol` is not spoken over QUIC", help);
    }
    Some(http3)
}

fn http3_section(section: &Section<'_>) -> ListenerHttp3 {
    let default = ListenerHttp3::default();
    let window = |ctx: &Ctx<'_>, node: &Node| within(ctx, node, ListenerHttp2::WINDOWS);
    let retry = |ctx: &Ctx<'_>, node: &Node| {
        value::one_of(ctx, node, &[("auto", QuicRetry::Auto), ("always", QuicRetry::Always)])
    };
    ListenerHttp3 {
        max_concurrent_streams: section
            .read("max_concurrent_streams", value::count)
            .unwrap_or(default.max_concurrent_streams),
        initial_window: section.read("initial_window", window).unwrap_or(default.initial_window),
        connection_window: section.read("connection_window", window).unwrap_or(default.connection_window),
        alt_svc: section.limit("alt_svc", default.alt_svc, value::duration),
        retry: section.read("retry", retry).unwrap_or_default(),
        early_data: section.read("early_data", value::boolean).unwrap_or_default(),
    }
}

/// A size within bounds that the protocol sets.
pub(super) fn within(ctx: &Ctx<'_>, node: &Node, bounds: std::ops::RangeInclusive<u64>) -> Option<u32> {
    let size = value::size(ctx, node)?;
    let fits = u32::try_from(size).ok().filter(|_| bounds.contains(&size));
    if fits.is_none() {
        let message = format!("expected {} to {} bytes, found {size}", bounds.start(), bounds.end());
        ctx.error(node.place, "bad_value", message);
    }
    fits
}

fn forwarded(section: &Section<'_>) -> Forwarded {
    let emit = |ctx: &Ctx<'_>, node: &Node| {
        let words = [
            ("off", ForwardedEmit::Off),
            ("x_forwarded", ForwardedEmit::XForwarded),
            ("forwarded", ForwardedEmit::Forwarded),
            ("both", ForwardedEmit::Both),
        ];
        value::one_of(ctx, node, &words)
    };
    Forwarded {
        trust: section.set("trust", value::cidr),
        emit: section.read("emit", emit).unwrap_or_default(),
        via: section.limit("via", Forwarded::default().via, value::field_name),
    }
}

fn udp(section: &Section<'_>) -> Udp {
    Udp { responses: section.limit("responses", None, value::number) }
}

pub(super) fn access(section: &Section<'_>) -> Access {
    Access { allow: section.some("allow", value::cidr), deny: section.set("deny", value::cidr) }
}
