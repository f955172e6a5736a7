//! Connections that end before anything was asked on them: the reason, the figures and the line in the log, whatever
//! carries them.

use std::time::Instant;

use yumen_core::{Conn, Error, Finished, Reason, Side, Stage};
use yumen_net::rt;
use yumen_net::tls::{ClientFault, TlsError};
use yumen_telemetry::{ListenerMetrics, StreamRecord, reasons};

use crate::view::Worker;

/// Writes the line of a connection that ended before anything was asked on it.
pub(crate) fn write(
    worker: &Worker,
    conn: &Conn,
    (started, protocol, sni): (Instant, &'static str, Option<&str>),
    error: &Error,
) {
    let failure = Finished {
        side: error.side(),
        stage: error.stage(),
        reason: error.reason(),
        detail: error.explanation().into(),
    };
    worker.log.write_stream(&StreamRecord {
        datagrams: None,
        conn,
        protocol,
        route: None,
        upstream: None,
        endpoint: None,
        attempts: 0,
        sni,
        started,
        duration: rt::now().saturating_duration_since(started),
        connect: None,
        bytes_in: 0,
        bytes_out: 0,
        failure: Some(&failure),
    });
}

/// Counts a handshake that failed.
pub(crate) fn count(metrics: &ListenerMetrics, worker: usize, error: &Error) {
    metrics.handshake_failures.inc(worker);
    if CERTIFICATE.contains(&error.reason()) {
        metrics.client_cert_failures.inc(worker);
    }
}

/// The reasons that are about a client's certificate.
const CERTIFICATE: [Reason; 5] = [
    reasons::CLIENT_CERT_MISSING,
    reasons::CLIENT_CERT_UNTRUSTED,
    reasons::CLIENT_CERT_EXPIRED,
    reasons::CLIENT_CERT_REVOKED,
    reasons::CLIENT_CERT_REFUSED,
];

/// A handshake that failed.
pub(crate) fn handshake(e: &TlsError) -> Error {
    let reason = of(e);
    let side = if reason == reasons::NO_CERTIFICATE { Side::Us } else { Side::Client };
    Error::new(side, Stage::Handshake, reason).detail(format!("handshake failed: {e}"))
}

/// The reason of a handshake that failed.
fn of(e: &TlsError) -> Reason {
    let fault = match e {
        TlsError::Client { fault, .. } => fault,
        TlsError::NoCertificate { .. } => return reasons::NO_CERTIFICATE,
        _ => return reasons::HANDSHAKE_FAILED,
    };
    match fault {
        ClientFault::NotTls => reasons::NOT_TLS,
        ClientFault::CertificateMissing => reasons::CLIENT_CERT_MISSING,
        ClientFault::CertificateUntrusted => reasons::CLIENT_CERT_UNTRUSTED,
        ClientFault::CertificateExpired => reasons::CLIENT_CERT_EXPIRED,
        ClientFault::CertificateRevoked => reasons::CLIENT_CERT_REVOKED,
        ClientFault::CertificateRefused => reasons::CLIENT_CERT_REFUSED,
        ClientFault::Other => reasons::HANDSHAKE_FAILED,
    }
}
