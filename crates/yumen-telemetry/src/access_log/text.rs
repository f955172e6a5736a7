//! A line for people.

use yumen_core::write_address;

use super::line::{escaped, millis, number, timestamp};
use super::record::Record;
use crate::civil::WallClock;
use crate::measures::ByCode;

const DIM: &[u8] = b"\x1b[2m";
const PLAIN: &[u8] = b"\x1b[0m";
const RED: &[u8] = b"\x1b[31m";

/// Appends the line, such as
/// `2026-01-31T12:00:00.123Z web 10.0.0.1 "GET example.com/a HTTP/1.1" 200 api > pool/10.0.0.2:80 1.234ms in=0 out=5`.
pub(super) fn write(out: &mut Vec<u8>, record: &Record<'_>, clock: &mut WallClock, colours: bool) {
    let paint = |out: &mut Vec<u8>, colour: &[u8]| {
        if colours {
            out.extend_from_slice(colour);
        }
    };
    paint(out, DIM);
    timestamp(out, clock.at(record.started));
    paint(out, PLAIN);
    word(out, b" ", record.conn.listener.name());
    out.push(b' ');
    write_address(out, record.client);
    request(out, record);
    if record.status != 0 {
        out.push(b' ');
        paint(out, colour_of(record.status));
        number(out, u64::from(record.status));
        paint(out, PLAIN);
    }
    if let Some((rpc, status)) = record.rpc.and_then(|rpc| Some((rpc, rpc.status()?))) {
        word(out, b" grpc=", ByCode::name(status));
        rpc.with_message(|message| {
            if !message.is_empty() {
                word(out, b" (", message);
                out.push(b')');
            }
        });
    }
    way(out, record);
    out.push(b' ');
    millis(out, record.duration);
    out.extend_from_slice(b"ms in=");
    number(out, record.bytes_in);
    out.extend_from_slice(b" out=");
    number(out, record.bytes_out);
    if let Some((received, sent)) = record.datagrams {
        out.extend_from_slice(b" datagrams=");
        number(out, received);
        out.push(b'/');
        number(out, sent);
    }
    if let Some(id) = record.request_id {
        word(out, b" id=", id);
    }
    if let Some(user) = record.user {
        word(out, b" user=", user);
    }
    if let Some(client) = record.conn.tls.as_ref().and_then(|tls| tls.client.as_deref()) {
        word(out, b" cert=", &client.subject);
    }
    if let Some(proxied) = &record.conn.proxied {
        out.extend_from_slice(b" proxy=");
        write_address(out, proxied.by.ip());
    }
    if let Some(failure) = record.failure {
        out.push(b' ');
        paint(out, RED);
        word(out, b"", failure.reason.code());
        paint(out, PLAIN);
        word(out, b" (", failure.side.as_str());
        word(out, b"/", failure.stage.as_str());
        out.push(b')');
        if !failure.detail.is_empty() {
            word(out, b": ", &failure.detail);
        }
    }
    out.push(b'\n');
}

/// What was asked for.
fn request(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(b" \"");
    if !record.method.is_empty() {
        word(out, b"", record.method);
        word(out, b" ", record.host);
        word(out, b"", record.path);
        out.push(b' ');
    }
    word(out, b"", record.protocol);
    if let Some(sni) = record.sni.filter(|_| record.method.is_empty()) {
        word(out, b" ", sni);
    }
    out.push(b'"');
}

/// Route, upstream and endpoint.
fn way(out: &mut Vec<u8>, record: &Record<'_>) {
    if let Some(route) = record.route {
        word(out, b" ", route);
    }
    if let Some(upstream) = record.upstream {
        word(out, b" > ", upstream);
    }
    if let Some(endpoint) = record.endpoint {
        word(out, b"/", endpoint);
    }
    if record.attempts > 1 {
        out.extend_from_slice(b" attempts=");
        number(out, u64::from(record.attempts));
    }
}

fn word(out: &mut Vec<u8>, before: &[u8], text: &str) {
    out.extend_from_slice(before);
    escaped(out, text);
}

fn colour_of(status: u16) -> &'static [u8] {
    match status {
        500.. => RED,
        400..=499 => b"\x1b[33m",
        300..=399 => b"\x1b[36m",
        _ => b"\x1b[32m",
    }
}
