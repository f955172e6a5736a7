//! A line as JSON. The order of the keys is part of the format; absent values are left out.

use yumen_core::{AlternativeName, ClientCertificate, Proxied, write_address};

use super::line::{escaped, millis, number, text_or_hex, timestamp};
use super::record::Record;
use crate::civil::WallClock;

/// `,"key":` as bytes.
macro_rules! key {
    ($key:literal) => {
        concat!(",\"", $key, "\":").as_bytes()
    };
}

/// Appends the line.
pub(super) fn write(out: &mut Vec<u8>, record: &Record<'_>, clock: &mut WallClock) {
    out.extend_from_slice(b"{\"ts\":\"");
    timestamp(out, clock.at(record.started));
    out.push(b'"');
    string(out, key!("listener"), record.conn.listener.name());
    out.extend_from_slice(b",\"client\":\"");
    write_address(out, record.client);
    out.push(b'"');
    present(out, key!("method"), record.method);
    present(out, key!("host"), record.host);
    present(out, key!("path"), record.path);
    string(out, key!("protocol"), record.protocol);
    if record.early {
        out.extend_from_slice(b",\"early_data\":true");
    }
    if record.status != 0 {
        count(out, key!("status"), u64::from(record.status));
    }
    if let Some((rpc, status)) = record.rpc.and_then(|rpc| Some((rpc, rpc.status()?))) {
        count(out, key!("grpc_status"), u64::from(status));
        rpc.with_message(|message| present(out, key!("grpc_message"), message));
    }
    optional(out, key!("route"), record.route);
    optional(out, key!("upstream"), record.upstream);
    optional(out, key!("endpoint"), record.endpoint);
    if record.attempts != 0 {
        count(out, key!("attempts"), u64::from(record.attempts));
    }
    figures(out, record);
    optional(out, key!("request_id"), record.request_id);
    if let Some(id) = record.trace_id {
        present(out, key!("trace_id"), std::str::from_utf8(id).unwrap_or_default());
    }
    if let Some(tls) = &record.conn.tls {
        present(out, key!("tls"), tls.version);
    }
    optional(out, key!("sni"), record.sni);
    optional(out, key!("user"), record.user);
    if let Some(client) = record.conn.tls.as_ref().and_then(|tls| tls.client.as_deref()) {
        certificate(out, client);
    }
    if let Some(proxied) = &record.conn.proxied {
        proxy(out, proxied);
    }
    count(out, key!("conn"), record.conn.id);
    count(out, key!("generation"), record.conn.generation);
    if let Some(failure) = record.failure {
        string(out, key!("side"), failure.side.as_str());
        string(out, key!("stage"), failure.stage.as_str());
        string(out, key!("reason"), failure.reason.code());
        present(out, key!("detail"), &failure.detail);
    }
    out.extend_from_slice(b"}\n");
}

/// The certificate of the client.
fn certificate(out: &mut Vec<u8>, client: &ClientCertificate) {
    string(out, key!("cert_subject"), &client.subject);
    if !client.names.is_empty() {
        out.extend_from_slice(key!("cert_san"));
        for (at, name) in client.names.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"[\"" } else { b",\"" });
            match name {
                AlternativeName::Dns(name) | AlternativeName::Uri(name) | AlternativeName::Email(name) => {
                    escaped(out, name);
                }
                AlternativeName::Ip(ip) => write_address(out, *ip),
            }
            out.push(b'"');
        }
        out.push(b']');
    }
    string(out, key!("cert_issuer"), &client.issuer);
    string(out, key!("cert_serial"), &client.serial);
    string(out, key!("cert_fingerprint"), &client.fingerprint);
}

/// What a proxy in front said by the PROXY protocol.
fn proxy(out: &mut Vec<u8>, proxied: &Proxied) {
    out.extend_from_slice(key!("proxy"));
    out.push(b'"');
    write_address(out, proxied.by.ip());
    out.push(b'"');
    optional(out, key!("proxy_authority"), proxied.authority.as_deref());
    if let Some(id) = &proxied.unique_id {
        out.extend_from_slice(key!("proxy_id"));
        out.push(b'"');
        text_or_hex(out, id);
        out.push(b'"');
    }
    optional(out, key!("proxy_tls"), proxied.tls.as_deref());
    optional(out, key!("proxy_cn"), proxied.common_name.as_deref());
    optional(out, key!("proxy_endpoint"), proxied.endpoint.as_deref());
    optional(out, key!("proxy_vpc"), proxied.vpc.as_deref());
}

fn figures(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(key!("duration_ms"));
    millis(out, record.duration);
    if let Some(connect) = record.connect {
        out.extend_from_slice(key!("connect_ms"));
        millis(out, connect);
    }
    if let Some(head) = record.head {
        out.extend_from_slice(key!("head_ms"));
        millis(out, head);
    }
    count(out, key!("bytes_in"), record.bytes_in);
    count(out, key!("bytes_out"), record.bytes_out);
    if let Some((received, sent)) = record.datagrams {
        count(out, key!("datagrams_in"), received);
        count(out, key!("datagrams_out"), sent);
    }
}

// Inlined always: with the key known, its copy is a store or two instead of a call.
#[inline(always)]
fn string(out: &mut Vec<u8>, key: &[u8], value: &str) {
    out.extend_from_slice(key);
    out.push(b'"');
    escaped(out, value);
    out.push(b'"');
}

#[inline(always)]
fn present(out: &mut Vec<u8>, key: &[u8], value: &str) {
    if !value.is_empty() {
        string(out, key, value);
    }
}

#[inline(always)]
fn optional(out: &mut Vec<u8>, key: &[u8], value: Option<&str>) {
    if let Some(value) = value {
        string(out, key, value);
    }
}

#[inline(always)]
fn count(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    number(out, value);
}
