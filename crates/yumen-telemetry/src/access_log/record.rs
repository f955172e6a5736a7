//! What a line says, gathered from an exchange or a stream; nothing is copied.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use yumen_core::{Conn, Exchange, Finished, Rpc};

/// A TCP connection or a session of datagrams that was relayed without looking into it, or a connection that ended before
/// anything was asked on it, when it is over.
pub struct StreamRecord<'a> {
    /// The client's connection.
    pub conn: &'a Conn,
    /// What was spoken: `tcp`, `udp`, or `tls` when the connection ended in the handshake.
    pub protocol: &'static str,
    /// The route that was met.
    pub route: Option<&'a str>,
    /// The upstream it was relayed to.
    pub upstream: Option<&'a str>,
    /// The endpoint it was relayed to.
    pub endpoint: Option<&'a str>,
    /// How many connections to endpoints were tried.
    pub attempts: u32,
    /// The server name seen in a TLS handshake that was passed through; that of [`Conn::tls`] goes before.
    pub sni: Option<&'a str>,
    /// When it began.
    pub started: Instant,
    /// How long it lasted.
    pub duration: Duration,
    /// How long it took to connect to the endpoint.
    pub connect: Option<Duration>,
    /// Bytes received from the client.
    pub bytes_in: u64,
    /// Bytes sent to the client.
    pub bytes_out: u64,
    /// Datagrams received from the client and sent to it; `None` for TCP.
    pub datagrams: Option<(u64, u64)>,
    /// Why it did not end as meant.
    pub failure: Option<&'a Finished>,
}

/// A line to be written. Empty texts and zero counts of attempts and status are absent values.
pub(super) struct Record<'a> {
    pub(super) started: Instant,
    pub(super) conn: &'a Conn,
    pub(super) client: IpAddr,
    pub(super) method: &'a str,
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    pub(super) protocol: &'static str,
    pub(super) early: bool,
    pub(super) status: u16,
    pub(super) rpc: Option<&'a Rpc>,
    pub(super) route: Option<&'a str>,
    pub(super) upstream: Option<&'a str>,
    pub(super) endpoint: Option<&'a str>,
    pub(super) attempts: u32,
    pub(super) duration: Duration,
    pub(super) connect: Option<Duration>,
    pub(super) head: Option<Duration>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) datagrams: Option<(u64, u64)>,
    pub(super) request_id: Option<&'a str>,
    pub(super) trace_id: Option<&'a [u8; 32]>,
    pub(super) sni: Option<&'a str>,
    pub(super) user: Option<&'a str>,
    pub(super) failure: Option<&'a Finished>,
}

impl<'a> From<&'a Exchange> for Record<'a> {
    fn from(ex: &'a Exchange) -> Self {
        Self {
            started: ex.started,
            conn: &ex.conn,
            client: ex.client,
            method: ex.method.as_ref().map(|m| m.as_str()).unwrap_or_default(),
            host: ex.authority(),
            path: ex.path(),
            protocol: ex.version.as_str(),
            early: ex.early,
            status: ex.status,
            rpc: ex.rpc.as_deref(),
            route: ex.route.as_deref().map(|met| met.name()),
            upstream: ex.upstream.as_deref().map(|met| met.name()),
            endpoint: ex.endpoint.as_deref().map(|met| met.name()),
            attempts: ex.attempts,
            duration: ex.timings.total,
            connect: ex.timings.connect,
            head: ex.timings.head,
            bytes_in: ex.bytes_in,
            bytes_out: ex.bytes_out,
            datagrams: None,
            request_id: ex.request_id.as_deref(),
            trace_id: ex.trace_id.as_ref(),
            sni: sni_of(&ex.conn),
            user: ex.user.as_deref(),
            failure: ex.failure.as_ref(),
        }
    }
}

impl<'a> From<&'a StreamRecord<'a>> for Record<'a> {
    fn from(stream: &'a StreamRecord<'a>) -> Self {
        Self {
            started: stream.started,
            conn: stream.conn,
            client: stream.conn.peer.ip(),
            method: "",
            host: "",
            path: "",
            protocol: stream.protocol,
            early: false,
            status: 0,
            rpc: None,
            route: stream.route,
            upstream: stream.upstream,
            endpoint: stream.endpoint,
            attempts: stream.attempts,
            duration: stream.duration,
            connect: stream.connect,
            head: None,
            bytes_in: stream.bytes_in,
            bytes_out: stream.bytes_out,
            datagrams: stream.datagrams,
            request_id: None,
            trace_id: None,
            sni: sni_of(stream.conn).or(stream.sni),
            user: None,
            failure: stream.failure,
        }
    }
}

fn sni_of(conn: &Conn) -> Option<&str> {
    conn.tls.as_ref().and_then(|tls| tls.sni.as_deref())
}
