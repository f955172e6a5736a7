//! Certificates that are obtained, the authorities that sign them, and the DNS providers that prove names.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::account::Accounts;
use crate::config::{
    Authority, AuthorityName, CertificateKey, CertificateName, Challenge, DnsProvider, DnsProviderKind,
    DnsProviderName, ExternalAccount, HostPattern, Listener, Obtained, Propagation, Protocol, Route, Served,
    TsigAlgorithm, TsigKey,
};
use crate::keys;
use crate::lower::ctx::Ctx;
use crate::lower::names::Known;
use crate::lower::section::Section;
use crate::lower::{named, value};
use crate::yaml::{Name, Node, Place};

/// The authority that a certificate takes when it names none.
const DEFAULT: &str = "default";
/// How long a program may run.
const EXEC_TIMEOUT: Duration = Duration::from_secs(120);
/// The port of DNS.
const DNS_PORT: u16 = 53;

/// All of them by name.
#[derive(Default)]
pub(super) struct Certificates {
    pub(super) authorities: BTreeMap<AuthorityName, Arc<Authority>>,
    pub(super) dns_providers: BTreeMap<DnsProviderName, Arc<DnsProvider>>,
    pub(super) certificates: BTreeMap<CertificateName, Arc<Obtained>>,
}

/// What certificates refer to.
struct Declared<'n> {
    authorities: (Known<'n>, BTreeMap<AuthorityName, Arc<Authority>>, bool),
    providers: (Known<'n>, BTreeMap<DnsProviderName, Arc<DnsProvider>>),
}

impl Certificates {
    pub(super) fn read(ctx: &Ctx<'_>, files: &[Section<'_>], accounts: &Accounts<'_>) -> Self {
        let nodes = named(ctx, files, "authorities");
        let authorities: BTreeMap<_, _> = nodes
            .iter()
            .filter_map(|(name, node)| authority(&Section::open(ctx, node, &keys::AUTHORITY)?, &name.text))
            .map(|authority| (authority.name.clone(), Arc::new(authority)))
            .collect();
        let is_broken = authorities.len() < nodes.len() || files.iter().any(|file| file.was_meant("authorities"));
        let authorities = (Known::new("authority", &nodes), authorities, is_broken);
        let nodes = named(ctx, files, "dns_providers");
        let providers: BTreeMap<_, _> = nodes
            .iter()
            .filter_map(|(name, node)| {
                dns_provider(&Section::open(ctx, node, &keys::DNS_PROVIDER)?, &name.text, accounts)
            })
            .map(|provider| (provider.name.clone(), Arc::new(provider)))
            .collect();
        let declared = Declared { authorities, providers: (Known::new("dns_provider", &nodes), providers) };
        let nodes = named(ctx, files, "certificates");
        nodes.iter().for_each(|(name, _)| file_name(ctx, name));
        let certificates = nodes
            .iter()
            .filter_map(|(name, node)| obtained(&Section::open(ctx, node, &keys::OBTAINED)?, &name.text, &declared))
            .map(|certificate| (certificate.name.clone(), Arc::new(certificate)))
            .collect();
        declared.providers.0.warn_unused(ctx);
        let (dns_providers, authorities) = (declared.providers.1, declared.authorities.1);
        Self { authorities, dns_providers, certificates }
    }
}

/// A certificate is kept in a file of its name, which has to be one on every system.
fn file_name(ctx: &Ctx<'_>, name: &Name) {
    let stem = name.text.split('.').next().unwrap_or_default();
    let is_port = |kind: &str| stem.strip_prefix(kind).is_some_and(|rest| rest.len() == 1);
    let is_device = ["con", "prn", "aux", "nul"].contains(&stem) || ["com", "lpt"].into_iter().any(is_port);
    if stem.is_empty() || is_device || name.text.bytes().any(|b| b.is_ascii_uppercase()) {
        let help = "small letters, digits, `-`, `_` and `.`, and no name of a device of Windows";
        let message = format!("`{}` cannot be the name of a certificate: it becomes the name of a file", name.text);
        ctx.error_help(name.place, "bad_name", message, help);
    }
}

fn obtained(section: &Section<'_>, name: &str, declared: &Declared<'_>) -> Option<Obtained> {
    let ctx = section.ctx;
    let names = section.need("names", |ctx, node| {
        let all = section.set("names", certified_name);
        if matches!(value::each(ctx, node, |_, _| Some(())), Some(items) if items.is_empty()) {
            ctx.error(node.place, "empty_list", "a certificate needs at least one name");
        }
        (!all.is_empty()).then_some(all)
    });
    let authority = declared.authority(section);
    let providers: Vec<Option<Arc<DnsProvider>>> = section.list("dns_provider", |ctx, node| {
        let found = declared.providers.0.find(ctx, node)?;
        Some(declared.providers.1.get(&*found).cloned())
    });
    let key = |ctx: &Ctx<'_>, node: &Node| {
        let all = [CertificateKey::P256, CertificateKey::P384, CertificateKey::Rsa2048];
        value::one_of(ctx, node, &all.map(|key| (key.as_str(), key)))
    };
    let challenges = challenges(section);
    if let (Some(names), Some(star)) = (&names, names.iter().flatten().find(|name| name.starts_with("*.")))
        && !challenges.contains(&Challenge::Dns01)
        && !names.is_empty()
    {
        let place = section.get("names").map_or(section.place, |node| node.place);
        let help = "add `dns_provider: NAME`, and `dns-01` to `challenges` if they are listed";
        let message = format!("the wildcard `{star}` can be proved by `dns-01` only");
        ctx.error_help(place, "wildcard_without_dns", message, help);
    }
    let certificate = Obtained {
        name: CertificateName::from(name),
        names: names?,
        authority: authority?,
        challenges,
        dns_providers: providers.into_iter().flatten().collect(),
        key: section.read("key", key).unwrap_or_default(),
    };
    Some(certificate)
}

fn challenges(section: &Section<'_>) -> Vec<Challenge> {
    let challenge = |ctx: &Ctx<'_>, node: &Node| {
        let all = [Challenge::Http01, Challenge::TlsAlpn01, Challenge::Dns01];
        value::one_of(ctx, node, &all.map(|challenge| (challenge.as_str(), challenge)))
    };
    let all = section.some("challenges", challenge);
    let has_provider = section.get("dns_provider").is_some() || section.was_meant("dns_provider");
    if all.is_empty() {
        return match has_provider {
            true => vec![Challenge::Dns01],
            false => vec![Challenge::Http01, Challenge::TlsAlpn01],
        };
    }
    match (all.contains(&Challenge::Dns01), section.entry("dns_provider"), section.entry("challenges")) {
        (true, _, Some((_, node))) if !has_provider => {
            let help = "add `dns_provider: NAME`, one of `dns_providers`";
            section.ctx.error_help(node.place, "missing_key", "`dns-01` needs a `dns_provider`", help);
        }
        (false, Some((name, _)), _) => {
            let help = "add `dns-01` to `challenges`, or remove one of the two keys";
            section.ctx.warn(name.place, "no_effect", "`dns_provider` has no effect without `dns-01`", help);
        }
        _ => {}
    }
    all
}

impl Declared<'_> {
    /// The authority that a certificate names, or the one it takes without.
    fn authority(&self, section: &Section<'_>) -> Option<Arc<Authority>> {
        let (known, all, is_broken) = &self.authorities;
        if let Some(node) = section.get("authority") {
            return all.get(&*known.find(section.ctx, node)?).cloned();
        }
        let only = || all.values().next().filter(|_| all.len() == 1);
        if let Some(authority) = all.get(DEFAULT).or_else(only) {
            return Some(Arc::clone(authority));
        }
        if *is_broken {
            return None;
        }
        let (message, help) = match all.is_empty() {
            true => (
                "a certificate needs an authority that signs it, and there is none",
                "declare one: `authorities: {default: {directory: letsencrypt, contact: MAIL}}`",
            ),
            false => (
                "which authority is meant? There are several, and none is called `default`",
                "name one by `authority`, or call one `default`",
            ),
        };
        section.ctx.error_help(section.place, "no_authority", message, help);
        None
    }
}

/// A name that a CA can sign: a host in its one spelling, with more than one label, or a wildcard below one.
fn certified_name(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    let text = match value::host_pattern(ctx, node)? {
        HostPattern::Exact(host) => host.to_string(),
        HostPattern::Below(host) => format!("*.{host}"),
        HostPattern::Any => "*".to_owned(),
    };
    let bare = text.strip_prefix("*.").unwrap_or(&text);
    let is_host = bare.contains('.') && !bare.contains(['[', '_', '*']) && bare.parse::<IpAddr>().is_err();
    if !is_host {
        let help = "take a full host name such as `www.example.com`, or `*.example.com`";
        let message = format!("no CA signs for {}", value::found(node));
        ctx.error_help(
            node.place,
            "bad_value",
            message,
            value::help_for(node, Some(help.to_owned())).unwrap_or_default(),
        );
        return None;
    }
    Some(text)
}

fn authority(section: &Section<'_>, name: &str) -> Option<Authority> {
    let external = section.entry("external_account").and_then(|(_, node)| {
        let section = Section::open(section.ctx, node, &keys::EXTERNAL_ACCOUNT)?;
        let (id, secret) = (section.need("id", value::text), section.need("secret", value::settled_secret));
        Some(ExternalAccount { id: id?.to_string(), secret: secret? })
    });
    let plain = |key| section.read(key, value::text).map(|text| text.to_string());
    Some(Authority {
        name: AuthorityName::from(name),
        contact: section.set("contact", contact),
        external_account: external,
        roots: section.read("roots", value::path),
        preferred_chain: plain("preferred_chain"),
        profile: plain("profile"),
        store: section.read("store", value::output),
        directory: section.need("directory", directory)?,
    })
}

fn directory(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    let text = ctx.text(node)?;
    if let Some((_, url)) = Authority::KNOWN.iter().find(|(word, _)| *word == text) {
        return Some((*url).to_owned());
    }
    // RFC 8555 section 6.1: nothing goes without TLS.
    let rest =
        text.strip_prefix("https://").filter(|rest| rest.contains('/') && rest.bytes().all(|b| b.is_ascii_graphic()));
    if rest.is_none() {
        let words = Authority::KNOWN.map(|(word, _)| format!("`{word}`")).join(", ");
        let help = format!("write one of {words}, or a URL such as `https://ca.example.com/acme/directory`");
        let message = format!("{} is no directory of a CA", value::found(node));
        ctx.error_help(node.place, "bad_value", message, value::help_for(node, Some(help)).unwrap_or_default());
        return None;
    }
    Some(text.into_owned())
}

/// An address of mail, as a URL.
fn contact(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    value::wanted(ctx, node, "an address of mail such as `hostmaster@example.com`", |text| {
        let mail = text.strip_prefix("mailto:").unwrap_or(text);
        let (local, domain) = mail.rsplit_once('@')?;
        let is_plain = mail.bytes().all(|b| b.is_ascii_graphic() && b != b',' && b != b':' && b != b'?');
        (!local.is_empty() && domain.contains('.') && is_plain).then(|| format!("mailto:{mail}"))
    })
}

fn dns_provider(section: &Section<'_>, name: &str, accounts: &Accounts<'_>) -> Option<DnsProvider> {
    let kinds = ["alidns", "rfc2136", "exec"];
    let there: Vec<&str> = kinds.into_iter().filter(|kind| section.get(kind).is_some()).collect();
    let [kind] = there.as_slice() else {
        if !kinds.iter().any(|kind| section.was_meant(kind)) {
            let message = match there.as_slice() {
                [] => format!("it is not said who the DNS provider `{name}` is"),
                several => format!("{} are there at once", several.join(" and ")),
            };
            let help = "write one of `alidns`, `rfc2136` and `exec`, such as `alidns: {}`";
            section.ctx.error_help(section.place, "one_kind", message, help);
        }
        return None;
    };
    let kind = match *kind {
        "alidns" => alidns(&section.sub("alidns", &keys::ALIDNS)?, accounts),
        "rfc2136" => rfc2136(&section.sub("rfc2136", &keys::RFC2136)?),
        _ => exec(&section.sub("exec", &keys::EXEC)?),
    };
    let propagation = section.sub("propagation", &keys::PROPAGATION).map(|s| propagation(&s));
    let names = section.some("names", value::server_name);
    Some(DnsProvider {
        name: DnsProviderName::from(name),
        names,
        kind: kind?,
        propagation: propagation.unwrap_or_default(),
    })
}

fn alidns(section: &Section<'_>, accounts: &Accounts<'_>) -> Option<DnsProviderKind> {
    let zone = section.read("zone", value::server_name);
    Some(DnsProviderKind::AliDns { account: accounts.of(section)?, zone })
}

fn rfc2136(section: &Section<'_>) -> Option<DnsProviderKind> {
    let key = match section.entry("key") {
        Some((_, node)) => Some(tsig(&Section::open(section.ctx, node, &keys::TSIG)?)?),
        None => None,
    };
    let server = section.need("server", name_server);
    Some(DnsProviderKind::Rfc2136 { server: server?, zone: section.read("zone", value::server_name), key })
}

fn tsig(section: &Section<'_>) -> Option<TsigKey> {
    let algorithm = |ctx: &Ctx<'_>, node: &Node| {
        let all = [TsigAlgorithm::Sha256, TsigAlgorithm::Sha384, TsigAlgorithm::Sha512];
        value::one_of(ctx, node, &all.map(|algorithm| (algorithm.as_str(), algorithm)))
    };
    let (name, secret) = (section.need("name", value::server_name), section.need("secret", value::settled_secret));
    let algorithm = section.read("algorithm", algorithm).unwrap_or_default();
    Some(TsigKey { name: name?, algorithm, secret: secret? })
}

fn exec(section: &Section<'_>) -> Option<DnsProviderKind> {
    // A name without a slash is looked up as a shell would, so it is no file beside the configuration.
    let program = |ctx: &Ctx<'_>, node: &Node| match ctx.text(node)?.contains(['/', '\\']) {
        true => value::path(ctx, node),
        false => value::text(ctx, node).map(|text| text.to_string().into()),
    };
    Some(DnsProviderKind::Exec {
        program: section.need("program", program)?,
        arguments: section.list("arguments", |ctx, node| value::text(ctx, node).map(|text| text.to_string())),
        timeout: section.read("timeout", value::duration).unwrap_or(EXEC_TIMEOUT),
    })
}

fn propagation(section: &Section<'_>) -> Propagation {
    let default = Propagation::default();
    let delay = section.read("delay", value::duration);
    for key in ["servers", "timeout", "settle"] {
        if let (Some((name, _)), true) = (section.entry(key), delay.is_some()) {
            let help = "with `delay` no name server is asked; remove one of the two keys";
            section.ctx.warn(name.place, "no_effect", format!("`{key}` has no effect with `delay`"), help);
        }
    }
    Propagation {
        resolvers: section.set("resolvers", name_server),
        servers: section.set("servers", name_server),
        delay,
        timeout: section.read("timeout", value::duration).unwrap_or(default.timeout),
        settle: section.limit("settle", Some(default.settle), value::duration).unwrap_or(Duration::ZERO),
    }
}

/// An address, with the port of DNS where none is given.
fn name_server(ctx: &Ctx<'_>, node: &Node) -> Option<SocketAddr> {
    value::wanted(ctx, node, "the address of a name server, such as `10.0.0.2` or `[::1]:5353`", |text| {
        let bare = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DNS_PORT));
        text.parse::<SocketAddr>().ok().or_else(bare).filter(|address| address.port() > 0)
    })
}

/// Hosts of routes that no certificate of a listener will be good for, where all of its certificates are obtained; of those
/// in files it is known once they are read.
pub(in crate::lower) fn covered(
    ctx: &Ctx<'_>,
    certificates: &BTreeMap<CertificateName, Arc<Obtained>>,
    listeners: &[(Arc<Listener>, Place)],
    routes: &[(Route, Place)],
) {
    for (listener, place) in listeners {
        let Some(tls) = &listener.tls else { continue };
        let all: Option<Vec<_>> = tls
            .certificates
            .iter()
            .map(|served| match served {
                Served::Files(_) => None,
                Served::Obtained(name) => certificates.get(name),
            })
            .collect();
        let Some(all) = all else { continue };
        let hosts = routes
            .iter()
            .filter(|(route, _)| route.listeners.contains(&listener.name))
            .flat_map(|(route, _)| &route.hosts);
        let bare = hosts.filter(|host| !all.iter().any(|certificate| certificate.covers(host))).min();
        if let Some(host) = bare {
            let message = format!("no certificate of listener `{}` is for `{host}`", listener.name);
            let help = "add the host to the `names` of one, or take it from the routes of this listener";
            ctx.warn(*place, "host_without_certificate", message, help);
        }
    }
}

/// Where a CA will look, and may find nobody.
pub(in crate::lower) fn reachable(
    ctx: &Ctx<'_>,
    nodes: &[(&Name, &Node)],
    certificates: &BTreeMap<CertificateName, Arc<Obtained>>,
    listeners: &[(Arc<Listener>, Place)],
) {
    let is_on = |port: u16, with_tls: bool| {
        listeners.iter().any(|(listener, _)| {
            let fits = match with_tls {
                true => listener.tls.is_some(),
                false => listener.tls.is_none() && listener.protocol == Protocol::Http,
            };
            fits && listener.bind.iter().any(|address| address.port() == port)
        })
    };
    let (http, tls) = (is_on(80, false), is_on(443, true));
    for (name, _) in nodes {
        let Some(certificate) = certificates.get(&*name.text) else { continue };
        let uses = |challenge| certificate.challenges.contains(&challenge);
        let (with_http, with_tls) = (uses(Challenge::Http01), uses(Challenge::TlsAlpn01));
        // One way is enough.
        if uses(Challenge::Dns01) || (with_http && http) || (with_tls && tls) {
            continue;
        }
        let message = match (with_http, with_tls) {
            (true, true) => "a CA looks on port 80 and 443, and no listener is there",
            (true, false) => "a CA looks on port 80, and no listener without `tls` is there",
            _ => "a CA looks on port 443, and no listener with `tls` is there",
        };
        let help = "add such a listener, or see that what stands in front maps the port to one of this gateway; or use `dns-01`";
        ctx.warn(name.place, "challenge_unreachable", format!("`{}`: {message}", name.text), help);
    }
}
