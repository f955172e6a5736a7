//! Certificates of clients.

use std::collections::HashMap;

use super::ctx::Ctx;
use super::section::Section;
use super::value;
use crate::config::{CertificateMatch, ClientAuth, ClientPolicy, HostPattern, Protocol};
use crate::keys;
use crate::yaml::Node;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Required,
    Optional,
    Off,
}

/// Reads who needs a certificate.
pub(super) fn client_auth(ctx: &Ctx<'_>, node: &Node, protocol: Protocol) -> Option<ClientAuth> {
    let section = Section::open(ctx, node, &keys::CLIENT_AUTH)?;
    if let (Some((name, _)), true) = (section.entry("forward"), protocol != Protocol::Http) {
        let message = format!("`forward` means nothing for `protocol: {}`", protocol.as_str());
        ctx.error_help(name.place, "wrong_protocol", message, "it is for `protocol: http`".to_owned());
    }
    let hosts = hosts(&section);
    let default = policy(&section, if hosts.is_empty() { Mode::Required } else { Mode::Off });
    Some(ClientAuth { default, hosts, forward: section.read("forward", value::boolean).unwrap_or(false) })
}

fn hosts(section: &Section<'_>) -> Vec<(HostPattern, Option<ClientPolicy>)> {
    let mut all = Vec::new();
    let mut first = HashMap::new();
    for (name, node) in section.map("hosts") {
        let policy = Section::open(section.ctx, node, &keys::CLIENT_POLICY).and_then(|s| policy(&s, Mode::Required));
        match value::parse_host_pattern(&name.text) {
            Some(HostPattern::Any) => {
                let help = "write the policy for all other names beside `hosts`".to_owned();
                section.ctx.error_help(name.place, "bad_value", "`*` is not a server name", help);
            }
            None => {
                let message = format!("`{}` is not a server name", name.text);
                let help = "such as `api.example.com` or `*.example.com`".to_owned();
                section.ctx.error_help(name.place, "bad_value", message, help);
            }
            Some(host) => match first.insert(host.clone(), name.place) {
                Some(before) => {
                    let message = format!("the server name `{host}` is there twice");
                    section.ctx.clash(name.place, "duplicate_key", message, before, "keep one of them");
                }
                None => all.push((host, policy)),
            },
        }
    }
    all
}

/// A policy; without `mode` and `ca` the one `otherwise`.
fn policy(section: &Section<'_>, otherwise: Mode) -> Option<ClientPolicy> {
    let words = [("required", Mode::Required), ("optional", Mode::Optional), ("off", Mode::Off)];
    let is_given = section.get("ca").is_some() || section.was_meant("ca");
    let mode = match section.entry("mode") {
        Some(_) => section.read("mode", |ctx, node| value::one_of(ctx, node, &words))?,
        None if is_given => Mode::Required,
        None => otherwise,
    };
    if mode == Mode::Off {
        for (name, _) in ["ca", "crl", "expired_crl"].into_iter().filter_map(|key| section.entry(key)) {
            let help = "say `mode: required` or `mode: optional`, or remove it";
            let message = format!("`{}` has no effect: no certificate is asked for", name.text);
            section.ctx.warn(name.place, "no_effect", message, help);
        }
        return None;
    }
    if !is_given {
        let help = "`ca`: the files with the authorities that issue certificates to clients".to_owned();
        section.ctx.error_help(section.place, "missing_key", "client certificates need `ca`", help);
        return None;
    }
    let crl = section.set("crl", value::path);
    if let (Some((name, _)), true) = (section.entry("expired_crl"), section.get("crl").is_none()) {
        let help = "add `crl`, or remove it";
        section.ctx.warn(name.place, "no_effect", "`expired_crl` has no effect without `crl`", help);
    }
    let expired = |ctx: &Ctx<'_>, node: &Node| value::one_of(ctx, node, &[("refuse", false), ("accept", true)]);
    Some(ClientPolicy {
        required: mode == Mode::Required,
        ca: section.some("ca", value::path),
        crl,
        expired_crl: section.read("expired_crl", expired).unwrap_or(false),
    })
}

/// Reads what a route asks about a client's certificate.
pub(super) fn certificate_match(ctx: &Ctx<'_>, node: &Node) -> Option<CertificateMatch> {
    let section = Section::open(ctx, node, &keys::CLIENT_CERT)?;
    let wanted = CertificateMatch {
        present: section.read("present", value::boolean).unwrap_or(true),
        subject: section.some("subject", value::text),
        issuer: section.some("issuer", value::text),
        san: section.some("san", value::text),
        fingerprint: section.some("fingerprint", fingerprint),
        serial: section.some("serial", serial),
    };
    let others = section.names().find(|name| &*name.text != "present");
    match (others, section.is_blank()) {
        (Some(name), _) if !wanted.present => {
            let message = format!("`{}` has no effect: only requests without a certificate are taken", name.text);
            ctx.error_help(name.place, "conflict", message, "remove it, or `present: false`".to_owned());
        }
        (_, true) => {
            let help = "such as `{san: ann@example.com}`; `{present: true}` takes every certificate".to_owned();
            ctx.error_help(node.place, "missing_key", "`client_cert` asks for nothing", help);
        }
        _ => {}
    }
    Some(wanted)
}

fn fingerprint(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    hexadecimal(ctx, node, "SHA-256 of a certificate: 64 hexadecimal digits", |digits| digits == 64)
}

fn serial(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    hexadecimal(ctx, node, "a serial number in hexadecimal, two digits for each byte", |digits| {
        digits > 0 && digits % 2 == 0
    })
}

/// Hexadecimal digits in either case, with or without colons between bytes.
fn hexadecimal(ctx: &Ctx<'_>, node: &Node, what: &str, is_fine: impl Fn(usize) -> bool) -> Option<String> {
    value::wanted(ctx, node, what, |text| {
        let digits = text.replace(':', "").to_ascii_lowercase();
        (digits.bytes().all(|b| b.is_ascii_hexdigit()) && is_fine(digits.len())).then_some(digits)
    })
}
