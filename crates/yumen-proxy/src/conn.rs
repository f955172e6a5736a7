//! One connection, from accept to its end: may it come in, who is it for, does it speak TLS, is it HTTP or a stream.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;
use yumen_config::config::{Protocol, ProxyProtocol, ProxyVersion};
use yumen_core::{Conn, Error, Proxied, Reason, Side, Stage, TlsFacts};
use yumen_net::drain::DrainWatch;
use yumen_net::proxy_header::{self, Fault, Header, Origin, ReadError, Versions, kind};
use yumen_net::rt;
use yumen_net::tls::{self, ServerTls, TlsError};
use yumen_net::transport::{self, Transport};
use yumen_telemetry::reasons;

use crate::snapshot::{Door, Listener};
use crate::view::{Key, Worker, next_id};
use crate::{http, l4, middleware, refusal};

/// Serves a connection from now on. The listener is that of this moment: a connection taken out of the queue of a
/// listener that is being closed is still served by it.
pub(crate) fn serve(
    worker: &Rc<Worker>,
    key: &Key,
    stream: TcpStream,
    ends: (SocketAddr, SocketAddr),
    drain: DrainWatch,
) {
    let view = worker.view();
    let Some(name) = view.listener_at(key) else { return };
    let Some(listener) = view.snapshot.listener(&name) else { return };
    let metrics = &listener.metrics;
    metrics.accepted.inc(worker.index);
    if listener.config.limits.connections.is_some_and(|max| metrics.active.value() >= i64::from(max)) {
        metrics.refused.inc(worker.index);
        return;
    }
    let ((peer, local), generation) = (ends, view.snapshot.generation);
    let door: Arc<Door> = Arc::clone(&listener.door);
    let conn = Rc::new(Conn { id: next_id(), peer, local, listener: door, generation, proxied: None, tls: None });
    let open = Open::new(listener, worker.index);
    drop(rt::spawn_local(run(Rc::clone(worker), conn, open, stream, drain)));
}

#[expect(clippy::manual_async_fn, reason = "that would hold all of these twice for as long as a connection rests")]
fn run(
    worker: Rc<Worker>,
    mut conn: Rc<Conn>,
    open: Open,
    mut stream: TcpStream,
    drain: DrainWatch,
) -> impl Future<Output = ()> {
    async move {
        let listener = &open.listener;
        let metrics = &listener.metrics;
        if let Some(policy) = &listener.config.proxy_protocol {
            let started = rt::now();
            // Boxed, as the handshake is.
            if let Err(error) = Box::pin(greet(policy, Rc::make_mut(&mut conn), &mut stream)).await {
                let Some(error) = error else { return };
                metrics.proxy_failures.inc(worker.index);
                tracing::debug!(peer = %conn.peer, listener = %conn.listener.name(), "{error}");
                return refusal::write(&worker, &conn, (started, "tcp", None), &error);
            }
        }
        // The address may be another one now.
        if !middleware::is_allowed(&listener.config.access, conn.peer.ip()) {
            metrics.refused.inc(worker.index);
            return;
        }
        let transport = match &listener.tls {
            None => Transport::plain(stream),
            // Boxed: a connection at rest should not carry the room of a handshake or a relay.
            Some(server) => {
                let started = rt::now();
                let mut sni = None;
                match Box::pin(shake(listener, server, stream, &mut sni)).await {
                    Ok((transport, facts)) => {
                        Rc::make_mut(&mut conn).tls = Some(facts);
                        transport
                    }
                    Err(None) => return,
                    Err(Some(error)) => {
                        tracing::debug!(peer = %conn.peer, listener = %conn.listener.name(), "{}", error.explanation());
                        refusal::count(metrics, worker.index, &error);
                        return refusal::write(&worker, &conn, (started, "tls", sni.as_deref()), &error);
                    }
                }
            }
        };
        match listener.config.protocol {
            Protocol::Http => http::serve(worker, conn, transport, Arc::clone(listener), drain).await,
            // Datagrams do not come by connections.
            Protocol::Tcp | Protocol::TlsPassthrough | Protocol::Udp => {
                Box::pin(l4::serve(&worker, &conn, listener, transport, drain)).await
            }
        }
    }
}

/// Lets the proxy in front say whose connection it is. Whether it must is decided by where it comes from, never by what it
/// says. No error when it left without a word: that was a look whether the port is open, and nothing failed.
async fn greet(policy: &ProxyProtocol, conn: &mut Conn, stream: &mut TcpStream) -> Result<(), Option<Error>> {
    let refuse = |reason: Reason| Some(Error::new(Side::Client, Stage::Accept, reason));
    let by = conn.peer.ip().to_canonical();
    if !policy.from.iter().any(|net| net.contains(&by)) {
        return Err(refuse(reasons::PROXY_SOURCE_DENIED));
    }
    let taken = |version| policy.versions.contains(&version);
    let versions = Versions { v1: taken(ProxyVersion::V1), v2: taken(ProxyVersion::V2) };
    let header = match rt::timeout(policy.timeout, proxy_header::read(stream, versions)).await {
        Ok(Ok(header)) => header,
        Ok(Err(ReadError::Silent)) => return Err(None),
        Ok(Err(ReadError::Io(e))) => return Err(refuse(gone(&e)).map(|error| error.source(e))),
        Ok(Err(e)) => {
            let is_absent = matches!(e, ReadError::Ended | ReadError::Fault(Fault::Absent));
            let reason = if is_absent { reasons::PROXY_HEADER_MISSING } else { reasons::PROXY_HEADER_INVALID };
            return Err(refuse(reason).map(|error| error.source(e)));
        }
        Err(_) => {
            let detail = format!("no whole header within {:?}", policy.timeout);
            return Err(refuse(reasons::PROXY_HEADER_TIMEOUT).map(|error| error.detail(detail)));
        }
    };
    apply(conn, &header);
    Ok(())
}

/// The reason of a connection that broke.
fn gone(e: &std::io::Error) -> Reason {
    if transport::is_reset(e) { reasons::CLIENT_RESET } else { reasons::CLIENT_GONE }
}

/// Makes the client of a header the one of the connection. Without a client's address that of the connection counts.
fn apply(conn: &mut Conn, header: &Header) {
    let Origin::Inet { source, destination, .. } = header.origin else { return };
    let text = |text: Option<&str>| text.map(Into::into);
    let tlvs = &header.tlvs;
    let ssl = tlvs.ssl().filter(|ssl| ssl.client & 1 == 1);
    let link = tlvs.private_link().unwrap_or_default();
    conn.proxied = Some(Box::new(Proxied {
        by: conn.peer,
        destination: unmapped(destination),
        authority: text(tlvs.authority()),
        alpn: tlvs.find(kind::ALPN).map(Into::into),
        unique_id: tlvs.find(kind::UNIQUE_ID).map(Into::into),
        tls: ssl.map(|ssl| ssl.text(kind::SSL_VERSION).unwrap_or("TLS").into()),
        common_name: ssl.filter(|ssl| ssl.verify == 0 && ssl.client & 6 != 0).and_then(|s| text(s.text(kind::SSL_CN))),
        endpoint: link.endpoint,
        vpc: link.vpc,
    }));
    conn.peer = unmapped(source);
}

fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The handshake. It runs in the connection's own task: nobody waits behind it. No error when the client left without a
/// word, as [`greet`] has it.
async fn shake(
    listener: &Listener,
    server: &ServerTls,
    stream: TcpStream,
    sni: &mut Option<Box<str>>,
) -> Result<(Transport, TlsFacts), Option<Error>> {
    let refuse =
        |reason: Reason, why: String| Err(Some(Error::new(Side::Client, Stage::Handshake, reason).detail(why)));
    let shaken = rt::timeout(listener.config.timeouts.handshake, tls::handshake_server(server, stream, sni)).await;
    match shaken {
        Ok(Ok(both)) => Ok(both),
        Ok(Err(TlsError::Silent)) => Err(None),
        Ok(Err(TlsError::Challenge)) => {
            tracing::debug!(listener = %listener.config.name, sni, "a CA looked whether the name is served here");
            Err(None)
        }
        Ok(Err(TlsError::Io(e))) => refuse(gone(&e), format!("handshake failed: {e}")),
        Ok(Err(e)) => Err(Some(refusal::handshake(&e))),
        Err(_) => refuse(reasons::HANDSHAKE_TIMEOUT, "handshake took too long".to_owned()),
    }
}

/// Counts a connection while it is open.
struct Open {
    listener: Arc<Listener>,
    worker: usize,
}

impl Open {
    fn new(listener: Arc<Listener>, worker: usize) -> Self {
        listener.metrics.active.inc(worker);
        Self { listener, worker }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.listener.metrics.active.dec(self.worker);
    }
}
