//! Tells an endpoint whose connection it gets, by the PROXY protocol.

use yumen_config::config::ProxyVersion;
use yumen_core::Conn;
use yumen_net::proxy_header::{Header, Origin, Tlvs, Version, encode, kind};

use super::Upstream;

/// Facts of a connection that do not stand in its [`Conn`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Beside<'a> {
    /// The server name of a handshake that is passed through.
    pub(crate) sni: Option<&'a str>,
    /// The id of the request.
    pub(crate) request_id: Option<&'a str>,
}

/// What a connection to an endpoint begins with for this client: nothing unless the upstream says so.
pub(crate) fn introduce(upstream: &Upstream, conn: &Conn, beside: Beside<'_>) -> Vec<u8> {
    let Some(version) = upstream.config.proxy_protocol else { return Vec::new() };
    let destination = conn.proxied.as_ref().map_or(conn.local, |proxied| proxied.destination);
    let origin = Origin::Inet { source: conn.peer, destination, datagrams: false };
    let (version, tlvs) = match version {
        ProxyVersion::V1 => (Version::V1, Tlvs::default()),
        ProxyVersion::V2 => (Version::V2, tlvs(conn, beside)),
    };
    encode(&Header { version, origin, tlvs }).unwrap_or_default()
}

/// What a connection of our own begins with, such as a health check.
pub(crate) fn own(version: Option<ProxyVersion>) -> Vec<u8> {
    let (version, origin) = match version {
        None => return Vec::new(),
        // Version 1 has no word for it; an unknown client is what its specification asks for.
        Some(ProxyVersion::V1) => (Version::V1, Origin::Unknown),
        Some(ProxyVersion::V2) => (Version::V2, Origin::Local),
    };
    encode(&Header { version, origin, tlvs: Tlvs::default() }).unwrap_or_default()
}

/// What is known of the connection; where TLS ended at a proxy in front, what that one said.
fn tlvs(conn: &Conn, beside: Beside<'_>) -> Tlvs {
    let (tls, proxied) = (conn.tls.as_ref(), conn.proxied.as_deref());
    let mut tlvs = Tlvs::default();
    let alpn = tls.and_then(|t| t.alpn.as_deref()).map(str::as_bytes);
    if let Some(alpn) = alpn.or_else(|| proxied.and_then(|p| p.alpn.as_deref())) {
        tlvs.push(kind::ALPN, alpn);
    }
    let sni = tls.and_then(|t| t.sni.as_deref()).or(beside.sni);
    if let Some(name) = sni.or_else(|| proxied.and_then(|p| p.authority.as_deref())) {
        tlvs.push(kind::AUTHORITY, name.as_bytes());
    }
    let number = conn.id.to_string();
    let given = proxied.and_then(|p| p.unique_id.as_deref());
    let id = beside.request_id.map(str::as_bytes).or(given).unwrap_or(number.as_bytes());
    // The specification allows no more.
    tlvs.push(kind::UNIQUE_ID, if id.len() <= 128 { id } else { number.as_bytes() });
    if let Some(tls) = tls {
        let mut fields = vec![(kind::SSL_VERSION, tls.version), (kind::SSL_CIPHER, tls.cipher)];
        match &tls.client {
            Some(client) => {
                fields.extend(client.common_name.as_deref().map(|name| (kind::SSL_CN, name)));
                let now = if tls.resumed { 0 } else { CERTIFICATE };
                tlvs.push_ssl(SPOKEN | SESSION | now, 0, &fields);
            }
            None => tlvs.push_ssl(SPOKEN, UNVERIFIED, &fields),
        }
    } else if let Some((proxied, version)) = proxied.and_then(|p| Some((p, p.tls.as_deref()?))) {
        match &proxied.common_name {
            Some(name) => {
                tlvs.push_ssl(SPOKEN | CERTIFICATE | SESSION, 0, &[(kind::SSL_VERSION, version), (kind::SSL_CN, name)])
            }
            None => tlvs.push_ssl(SPOKEN, UNVERIFIED, &[(kind::SSL_VERSION, version)]),
        }
    }
    tlvs
}

/// The client speaks TLS.
const SPOKEN: u8 = 1;
/// It showed a certificate on this connection.
const CERTIFICATE: u8 = 2;
/// It showed one within this session.
const SESSION: u8 = 4;
/// No certificate was shown and found good.
const UNVERIFIED: u32 = 1;
