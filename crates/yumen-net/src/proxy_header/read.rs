//! A header taken out of a socket, and not one byte more.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{Fault, Header, LIMIT, Parsed, Versions, parse};

/// Why no header came.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Something else came.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The connection ended before the header did.
    #[error("the connection ended within the PROXY header")]
    Ended,
    /// It ended before anything came.
    #[error("the connection ended before the PROXY header")]
    Silent,
    /// It broke.
    #[error("the connection broke before the PROXY header was complete: {0}")]
    Io(#[source] io::Error),
}

/// How much is looked at before it is known how much there will be. Nearly every header is shorter.
const GLANCE: usize = 256;

/// Reads a header from the front of a connection. Bound it with [`crate::rt::timeout`].
///
/// The bytes are looked at before they are taken, so what stands behind the header stays in the socket: the TLS handshake
/// or the relay that follows reads it as if there had been no header.
///
/// # Errors
/// [`ReadError`]; what was taken is lost.
pub async fn read(tcp: &mut TcpStream, versions: Versions) -> Result<Header, ReadError> {
    let mut bytes = Vec::new();
    let mut wanted = GLANCE;
    loop {
        let taken = bytes.len();
        bytes.resize(taken + wanted.clamp(GLANCE, LIMIT), 0);
        let seen = match tcp.peek(bytes.get_mut(taken..).unwrap_or_default()).await {
            // Some load balancers end their look at a port with a reset.
            Err(e) if taken == 0 && e.kind() == io::ErrorKind::ConnectionReset => return Err(ReadError::Silent),
            seen => seen.map_err(ReadError::Io)?,
        };
        if seen == 0 {
            return Err(if taken == 0 { ReadError::Silent } else { ReadError::Ended });
        }
        bytes.truncate(taken + seen);
        let (ours, complete) = match parse(&bytes, versions)? {
            Parsed::Complete(header, length) => (length.saturating_sub(taken), Some(header)),
            Parsed::NeedMore(more) => {
                wanted = more;
                (seen, None)
            }
        };
        // They are there: this waits for nothing.
        let place = bytes.get_mut(taken..taken + ours).unwrap_or_default();
        tcp.read_exact(place).await.map_err(ReadError::Io)?;
        if let Some(header) = complete {
            return Ok(*header);
        }
    }
}
