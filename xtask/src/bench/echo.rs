//! WebSockets and datagrams: the servers that send back what they get, and the clients that measure how much goes through.
//!
//! The clients use the plain sockets of the system, and so cost little more than their system calls.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::load::connect;
use super::newer::WEBSOCKET_PATH;

/// The example of RFC 6455 section 1.3. A measuring client may always send the same key.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Bytes of a message, and of a datagram.
const PAYLOAD: usize = 64;
/// Heads of the frames of a message: two bytes, and the mask of a client (RFC 6455 section 5.2).
const FROM_CLIENT: usize = 6;
const FROM_SERVER: usize = 2;
/// Messages under way at once: one on each connection.
const SOCKETS: usize = 64;
/// Clients of UDP, and datagrams of each under way at once.
const SESSIONS: usize = 32;
const BURST: usize = 4;
/// A datagram that is not back after this time is lost.
const LOST: Duration = Duration::from_millis(200);

/// How much went there and back.
pub(crate) struct Echoed {
    pub(crate) count: f64,
    pub(crate) lost: f64,
    pub(crate) seconds: f64,
}

/// Starts the server of WebSockets, for as long as the program lives: one thread for all of them, so that the scheduler has
/// little to say.
pub(crate) fn start_websocket_server() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot bind a loopback port")?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            // A connection that breaks shows as a failure at its client.
            while let Ok((socket, _)) = listener.accept().await {
                drop(tokio::spawn(serve_websocket(socket)));
            }
        });
    });
    Ok(port)
}

async fn serve_websocket(mut socket: tokio::net::TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await?);
    }
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    socket.write_all(answer.as_bytes()).await?;
    let (mut message, mut echo) = ([0; FROM_CLIENT + PAYLOAD], [0; FROM_SERVER + PAYLOAD]);
    echo[..FROM_SERVER].copy_from_slice(&[0x82, PAYLOAD as u8]);
    loop {
        socket.read_exact(&mut message).await?;
        let (head, masked) = message.split_at(FROM_CLIENT);
        let mask = head[2..].iter().cycle();
        for ((out, byte), key) in echo[FROM_SERVER..].iter_mut().zip(masked).zip(mask) {
            *out = byte ^ key;
        }
        socket.write_all(&echo).await?;
    }
}

fn read_head(socket: &mut TcpStream) -> std::io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Opens a WebSocket and sends a message there and back.
pub(crate) fn open_websocket(port: u16) -> Result<TcpStream> {
    let mut socket = connect(port)?;
    let request = format!(
        "GET {WEBSOCKET_PATH} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let head = read_head(&mut socket).context("the upgrade was not answered")?;
    ensure!(head.starts_with("HTTP/1.1 101 ") && head.contains(ACCEPT), "the upgrade was refused: {head}");
    send_message(&mut socket)?;
    receive_message(&mut socket)?;
    Ok(socket)
}

fn send_message(socket: &mut TcpStream) -> Result<()> {
    const MASK: u8 = 0x55;
    let mut frame = [b'm' ^ MASK; FROM_CLIENT + PAYLOAD];
    frame[..FROM_CLIENT].copy_from_slice(&[0x82, 0x80 | PAYLOAD as u8, MASK, MASK, MASK, MASK]);
    socket.write_all(&frame).context("a message could not be sent")
}

fn receive_message(socket: &mut TcpStream) -> Result<()> {
    let mut frame = [0; FROM_SERVER + PAYLOAD];
    socket.read_exact(&mut frame).context("a message did not come back")?;
    ensure!(frame[FROM_SERVER..].iter().all(|byte| *byte == b'm'), "a message came back changed");
    Ok(())
}

/// Sends messages through the WebSockets of `port`, one on each of 64 at a time.
pub(crate) fn websockets(port: u16, seconds: u64) -> Result<Echoed> {
    let mut sockets = (0..SOCKETS).map(|_| open_websocket(port)).collect::<Result<Vec<_>>>()?;
    let (begin, limit, mut count) = (Instant::now(), Duration::from_secs(seconds), 0);
    while begin.elapsed() < limit {
        for socket in &mut sockets {
            send_message(socket)?;
        }
        for socket in &mut sockets {
            receive_message(socket)?;
            count += 1;
        }
    }
    Ok(Echoed { count: f64::from(count), lost: 0.0, seconds: begin.elapsed().as_secs_f64() })
}

/// Starts the server of datagrams, for as long as the program lives.
pub(crate) fn start_udp_server() -> Result<u16> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).context("cannot bind a loopback port")?;
    let port = socket.local_addr()?.port();
    std::thread::spawn(move || {
        let mut datagram = [0; 2048];
        // An error is that of one sender who is gone.
        loop {
            if let Ok((length, from)) = socket.recv_from(&mut datagram) {
                drop(socket.send_to(&datagram[..length], from));
            }
        }
    });
    Ok(port)
}

/// Sends datagrams through `port`, from 32 clients with 4 each at a time.
pub(crate) fn datagrams(port: u16, seconds: u64) -> Result<Echoed> {
    let sockets = (0..SESSIONS).map(|_| open_udp(port)).collect::<Result<Vec<_>>>()?;
    let (begin, limit) = (Instant::now(), Duration::from_secs(seconds));
    let (mut count, mut lost, mut datagram) = (0_u32, 0_u32, [b'd'; PAYLOAD]);
    while begin.elapsed() < limit {
        for socket in &sockets {
            for _ in 0..BURST {
                socket.send(&datagram).context("a datagram could not be sent")?;
            }
        }
        for socket in &sockets {
            for _ in 0..BURST {
                match socket.recv(&mut datagram) {
                    Ok(PAYLOAD) => count += 1,
                    Ok(length) => bail!("a datagram came back with {length} bytes"),
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => lost += 1,
                    Err(error) => return Err(error).context("a datagram did not come back"),
                }
            }
        }
    }
    ensure!(count > 0, "no datagram came back");
    Ok(Echoed { count: f64::from(count), lost: f64::from(lost), seconds: begin.elapsed().as_secs_f64() })
}

fn open_udp(port: u16) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).context("cannot bind a loopback port")?;
    socket.connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(LOST))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn messages_and_datagrams_come_back() {
        drop(open_websocket(start_websocket_server().unwrap()).unwrap());
        let echoed = datagrams(start_udp_server().unwrap(), 0);
        assert!(echoed.is_err(), "no time, no datagram");
        let socket = open_udp(start_udp_server().unwrap()).unwrap();
        socket.send(b"x").unwrap();
        assert_eq!(socket.recv(&mut [0; 9]).unwrap(), 1);
    }
}
