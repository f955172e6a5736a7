//! Two tiny endpoints to balance over when no configuration is given.
//!
//! The endpoints live in the control runtime on ports of the system's choice. They are a toy: they read a request up to
//! its empty line, answer a greeting, and know nothing else of HTTP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use yumen_net::rt;

/// The largest request a demo endpoint reads, in bytes.
const REQUEST_LIMIT: usize = 64 * 1024;
/// How long to wait after a failed accept: the usual cause (no file descriptor left) does not pass at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Starts the demo endpoints on the runtime it is called from; they live as long as it does.
pub(crate) async fn start() -> io::Result<[SocketAddr; 2]> {
    Ok([endpoint(1).await?, endpoint(2).await?])
}

async fn endpoint(number: usize) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    drop(rt::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(rt::spawn(greet(stream, number))),
                Err(_) => rt::sleep(ACCEPT_PAUSE).await,
            }
        }
    }));
    Ok(addr)
}

/// Serves one connection; whatever goes wrong with it ends it, and that is all there is to tell.
async fn greet(mut stream: TcpStream, number: usize) {
    let body = format!("hello from demo {number}\n");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n", body.len());
    let mut held = Vec::new();
    loop {
        let Some(end) = end_of_head(&held) else {
            if held.len() > REQUEST_LIMIT || !matches!(stream.read_buf(&mut held).await, Ok(n) if n > 0) {
                return;
            }
            continue;
        };
        let request: Vec<u8> = held.drain(..end).collect();
        let lower = request.to_ascii_lowercase();
        let holds = |words: &[u8]| lower.windows(words.len()).any(|w| w == words);
        // A body is not read: whoever sends one gets its answer and the end of the connection.
        let close = holds(b"\ncontent-length:") || holds(b"\ntransfer-encoding:") || holds(b"\nconnection: close");
        let mut answer = head.clone();
        answer.push_str(if close { "Connection: close\r\n\r\n" } else { "\r\n" });
        if !request.starts_with(b"HEAD ") {
            answer.push_str(&body);
        }
        if stream.write_all(answer.as_bytes()).await.is_err() || close {
            linger(stream).await;
            return;
        }
    }
}

/// Reads what is still coming before the socket is closed: closing over unread bytes would reset the answer away.
async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut waste = [0; 4096];
    let rest = async { while matches!(stream.read(&mut waste).await, Ok(n) if n > 0) {} };
    rt::timeout(Duration::from_secs(2), rest).await.unwrap_or_default();
}

fn end_of_head(held: &[u8]) -> Option<usize> {
    held.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn demo_endpoint_greets_with_its_number() {
        let [_, second] = start().await.unwrap();
        let mut stream = TcpStream::connect(second).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(answer.ends_with("\r\n\r\nhello from demo 2\n"));
    }
}
