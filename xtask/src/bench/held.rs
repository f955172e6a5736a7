//! Connections that are held open and do nothing, to see what they cost.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::echo;
use super::load::{connect, exchange};
use super::proxies::{Proxy, Site};

/// What an idle connection did before it fell silent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idle {
    Silent,
    AfterRequest,
    TlsAfterRequest,
    /// One request over HTTP/2.
    Http2,
    Http2Tls,
    /// One message there and back.
    WebSocket,
}

impl Idle {
    pub(crate) const HTTP1: [Self; 3] = [Self::Silent, Self::AfterRequest, Self::TlsAfterRequest];
    pub(crate) const NEWER: [Self; 3] = [Self::Http2, Self::Http2Tls, Self::WebSocket];

    /// The row of the table.
    pub(crate) fn row(self) -> &'static str {
        match self {
            Self::Silent => "idle silent",
            Self::AfterRequest => "idle used",
            Self::TlsAfterRequest => "idle tls",
            Self::Http2 => "idle h2",
            Self::Http2Tls => "idle h2 tls",
            Self::WebSocket => "idle websocket",
        }
    }

    fn port(self, proxy: &Proxy) -> u16 {
        let ports = proxy.ports;
        match self {
            Self::Silent | Self::AfterRequest => ports.web,
            Self::TlsAfterRequest => ports.tls,
            Self::Http2 => ports.newer.h2,
            Self::Http2Tls => ports.newer.h2_tls,
            Self::WebSocket => ports.newer.websocket,
        }
    }

    fn alpn(self) -> Option<&'static [u8]> {
        (self == Self::Http2Tls).then_some(b"h2")
    }
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// An open connection; it closes when dropped.
pub(crate) enum Held {
    Plain(#[expect(dead_code, reason = "held open, not used")] TcpStream),
    Tls(#[expect(dead_code, reason = "held open, not used")] Box<Tls>),
}

/// Opens `count` connections to `proxy` that end up idle.
pub(crate) fn hold(site: &Site, proxy: &Proxy, kind: Idle, count: usize) -> Result<Vec<Held>> {
    let config = client_config(site, kind.alpn())?;
    (0..count).map(|_| hold_one(&config, kind.port(proxy), kind)).collect()
}

fn hold_one(config: &Arc<ClientConfig>, port: u16, kind: Idle) -> Result<Held> {
    let failed = |failure: super::load::Failure| anyhow::anyhow!("{}", failure.text());
    match kind {
        Idle::Silent => Ok(Held::Plain(connect(port)?)),
        Idle::AfterRequest => {
            let mut socket = connect(port)?;
            exchange(&mut socket, "/small").map_err(failed)?;
            Ok(Held::Plain(socket))
        }
        Idle::TlsAfterRequest => {
            let mut stream = connect_tls(config, port)?;
            exchange(&mut stream, "/small").map_err(failed)?;
            Ok(Held::Tls(Box::new(stream)))
        }
        Idle::Http2 => {
            let mut socket = connect(port)?;
            http2_request(&mut socket, false)?;
            Ok(Held::Plain(socket))
        }
        Idle::Http2Tls => {
            let mut stream = connect_tls(config, port)?;
            http2_request(&mut stream, true)?;
            Ok(Held::Tls(Box::new(stream)))
        }
        Idle::WebSocket => Ok(Held::Plain(echo::open_websocket(port)?)),
    }
}

fn connect_tls(config: &Arc<ClientConfig>, port: u16) -> Result<Tls> {
    let mut socket = connect(port)?;
    let name = ServerName::try_from("localhost").context("localhost is a name")?;
    let mut session = ClientConnection::new(Arc::clone(config), name)?;
    while session.is_handshaking() {
        session.complete_io(&mut socket).context("the TLS handshake failed")?;
    }
    Ok(StreamOwned::new(session, socket))
}

/// A client of TLS that trusts the certificate of the run.
pub(crate) fn client_config(site: &Site, alpn: Option<&[u8]>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(site.folder.join("cert.pem")).context("cannot read cert.pem")?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.into_iter().map(<[u8]>::to_vec).collect();
    Ok(Arc::new(config))
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Types and flags of frames (RFC 9113 section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Begins HTTP/2 on a connection, as little as there can be of it, and makes one request.
fn http2_request(stream: &mut (impl Read + Write), tls: bool) -> Result<()> {
    let mut begin = PREFACE.to_vec();
    begin.extend(frame(SETTINGS, 0, 0, &[]));
    // RFC 7541: `:method: GET` and `:scheme` are indexed, `:path` and `:authority` literals with indexed names.
    let mut head = vec![0x82, if tls { 0x87 } else { 0x86 }, 0x04, 6];
    head.extend(b"/small");
    head.extend([0x01, 9]);
    head.extend(b"localhost");
    begin.extend(frame(HEADERS, END_STREAM | END_HEADERS, 1, &head));
    stream.write_all(&begin)?;
    let (mut answered, mut settled) = (false, false);
    while !(answered && settled) {
        let mut head = [0; 9];
        stream.read_exact(&mut head).context("the connection broke off")?;
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)];
        stream.read_exact(&mut payload).context("the connection broke off")?;
        match kind {
            SETTINGS if flags & ACK == 0 => stream.write_all(&frame(SETTINGS, ACK, 0, &[]))?,
            SETTINGS => settled = true,
            // `:status: 200` is the eighth entry of the static table.
            HEADERS => ensure!(payload.first() == Some(&0x88), "the answer is an error"),
            RST_STREAM | GOAWAY => bail!("the request was refused"),
            _ => {}
        }
        answered |= matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
    }
    stream.flush().context("the connection broke off")
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    // Ours are short.
    let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream];
    frame.extend(payload);
    frame
}
