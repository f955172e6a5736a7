//! What a gateway does to the fields of a message on its way through (RFC 9110 section 7.6).

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use yumen_config::config::{Forwarded, ForwardedEmit};
use yumen_core::{ClientCertificate, Exchange, Fields, Request, Response, Version, write_address};
use yumen_http1::tokens;

use crate::snapshot::Listener;

/// Whether a peer is a proxy whose word about the client counts.
pub(crate) fn is_trusted(peer: IpAddr, policy: &Forwarded) -> bool {
    policy.trust.iter().any(|net| net.contains(&peer))
}

/// The address of the client: the peer, or what trusted proxies in front of us say, counted from the right.
pub(crate) fn client_address(fields: &Fields, peer: IpAddr, policy: &Forwarded) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_trusted(client, policy) {
        return client;
    }
    let mut chain: Vec<&[u8]> = fields.all("x-forwarded-for").flat_map(tokens).collect();
    while let Some(last) = chain.pop() {
        let Some(ip) = parse_address(last) else { return client };
        client = ip;
        if !is_trusted(client, policy) {
            return client;
        }
    }
    client
}

/// The response, with word that HTTP/3 is spoken on the same port (RFC 7838 section 3), where it is and the client came in
/// another way.
pub(crate) fn advertise(mut response: Response, exchange: &Exchange, listener: &Listener) -> Response {
    let age = listener.config.http3.as_ref().and_then(|http3| http3.alt_svc);
    if let Some(age) = age.filter(|_| exchange.version < Version::Http3) {
        let value = format!("h3=\":{}\"; ma={}", exchange.conn.local.port(), age.as_secs());
        response.fields.set("Alt-Svc", value.as_bytes());
    }
    response
}

/// The protocols a client offers to change to, without HTTP/2: RFC 9113 section 3.1 took the upgrade to h2c away, and
/// passed on it tunnels past every rule.
pub(crate) fn upgrade_offer(fields: &Fields) -> Vec<u8> {
    let is_http = |protocol: &[u8]| {
        let protocol = protocol.to_ascii_lowercase();
        protocol.starts_with(b"h2") || protocol.starts_with(b"http")
    };
    fields.all("upgrade").flat_map(tokens).filter(|protocol| !is_http(protocol)).collect::<Vec<_>>().join(&b", "[..])
}

fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.strip_prefix('[').and_then(|t| t.split(']').next()).unwrap_or(text);
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// Adds what the next hop should know of the client. Claims of a peer that is not trusted have been removed before.
pub(crate) fn forward(request: &mut Request, exchange: &Exchange, policy: &Forwarded, trusted: bool) {
    let peer = exchange.conn.peer.ip().to_canonical();
    let (x, standard) = match policy.emit {
        ForwardedEmit::Off => (false, false),
        ForwardedEmit::XForwarded => (true, false),
        ForwardedEmit::Forwarded => (false, true),
        ForwardedEmit::Both => (true, true),
    };
    let scheme = request.scheme.as_str();
    if x {
        let authority = request.authority_span();
        let fields = &mut request.fields;
        if trusted {
            append(fields, "X-Forwarded-For", |out| write_address(out, peer));
        } else {
            fields.add_with("X-Forwarded-For", |out| write_address(out, peer));
        }
        if !(trusted && fields.contains("X-Forwarded-Proto")) {
            fields.add("X-Forwarded-Proto", scheme.as_bytes());
        }
        let is_told = trusted && fields.contains("X-Forwarded-Host");
        if !authority.is_empty() && !is_told {
            fields.add_span("X-Forwarded-Host", authority);
        }
    }
    if standard {
        let node = if peer.is_ipv6() { format!("\"[{peer}]\"") } else { peer.to_string() };
        let host = request.authority();
        let host = if host.is_empty() { String::new() } else { format!("host=\"{host}\";") };
        let element = format!("for={node};{host}proto={scheme}");
        append(&mut request.fields, "Forwarded", |out| out.extend_from_slice(element.as_bytes()));
    }
    if let Some(via) = &policy.via {
        // The version received, not the one sent on (RFC 9110 section 7.6.3).
        let received: &[u8] = match request.version {
            Version::Http10 => b"1.0 ",
            Version::Http11 => b"1.1 ",
            // Without a minor version the zero is implied (RFC 9110 section 2.5).
            Version::Http2 => b"2.0 ",
            Version::Http3 => b"3.0 ",
        };
        append(&mut request.fields, "Via", |out| {
            out.extend_from_slice(received);
            out.extend_from_slice(via.as_bytes());
        });
    }
}

/// Tells endpoints the client's certificate (RFC 9440). What came in these fields goes, even from a proxy that is trusted:
/// it is about another connection.
pub(crate) fn forward_certificate(fields: &mut Fields, shown: Option<&ClientCertificate>) {
    for name in CERTIFICATE {
        fields.remove(name);
    }
    let Some(shown) = shown else { return };
    // A byte sequence of structured fields, RFC 9651 section 3.3.5.
    let encoded = |der: &[u8]| format!(":{}:", BASE64.encode(der));
    fields.add("Client-Cert", encoded(&shown.der).as_bytes());
    if !shown.chain.is_empty() {
        let all: Vec<String> = shown.chain.iter().map(|der| encoded(der)).collect();
        fields.add("Client-Cert-Chain", all.join(", ").as_bytes());
    }
}

const CERTIFICATE: [&str; 2] = ["client-cert", "client-cert-chain"];

/// Fields by which a proxy in front says who the client is; underscore twins become the same name in some origins.
pub(crate) fn is_claim(name: &[u8]) -> bool {
    const CLAIMS: [&[u8]; 10] = [
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-server",
        b"x-forwarded-prefix",
        b"x-real-ip",
        b"client-cert",
        b"client-cert-chain",
    ];
    let same = |claim: &[u8]| {
        name.len() == claim.len()
            && name.iter().zip(claim).all(|(a, b)| a.to_ascii_lowercase() == *b || (*a == b'_' && *b == b'-'))
    };
    // Length and first letter rule out nearly every field at once.
    matches!(name.len(), 9 | 11 | 15..=18)
        && matches!(name.first(), Some(b'f' | b'F' | b'x' | b'X' | b'c' | b'C'))
        && CLAIMS.iter().any(|claim| same(claim))
}

/// Appends an element to the list a field holds, keeping one line.
fn append(fields: &mut Fields, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
    let before: Vec<&[u8]> = fields.all(name).collect();
    if before.is_empty() {
        fields.add_with(name, write);
        return;
    }
    let mut joined = before.join(&b", "[..]);
    joined.extend_from_slice(b", ");
    write(&mut joined);
    fields.set(name, &joined);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut f = Fields::new();
        for (n, v) in lines {
            f.add(n, v.as_bytes());
        }
        f
    }

    #[test]
    fn client_is_counted_from_the_right_through_trusted_proxies_only() {
        let policy = Forwarded { trust: vec!["10.0.0.0/8".parse().unwrap()], ..Forwarded::default() };
        let f = fields(&[("X-Forwarded-For", "6.6.6.6, 1.2.3.4, 10.0.0.9")]);
        let at = |peer: &str| client_address(&f, peer.parse().unwrap(), &policy).to_string();
        assert_eq!(at("10.0.0.1"), "1.2.3.4");
        assert_eq!(at("9.9.9.9"), "9.9.9.9");
    }

    #[test]
    fn underscore_twins_of_claims_are_claims() {
        assert!(
            is_claim(b"X_Forwarded-For")
                && is_claim(b"x-real_ip")
                && is_claim(b"Client_Cert")
                && !is_claim(b"X-Forwarded")
        );
    }
}
