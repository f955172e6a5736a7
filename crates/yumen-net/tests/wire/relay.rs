use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use yumen_net::copy::{End, RelayCounters, RelayEnd, RelayError, RelayOptions, relay};
use yumen_net::transport::Transport;

use crate::pair;

const BULK: usize = 64 << 20;

/// Runs a relay between the far ends; what the near ends do is up to the test.
async fn relayed(
    a: TcpStream,
    b: TcpStream,
    options: RelayOptions,
    counters: &RelayCounters,
) -> Result<RelayEnd, RelayError> {
    let (mut a, mut b) = (Transport::plain(a), Transport::plain(b));
    relay(&mut a, &mut b, &options, counters).await
}

fn byte(at: usize) -> u8 {
    (at.wrapping_mul(2_654_435_761) >> 13) as u8
}

async fn write_pattern(to: &mut (impl tokio::io::AsyncWrite + Unpin), len: usize) {
    let mut at = 0;
    while at < len {
        let part: Vec<u8> = (at..len.min(at + 100_003)).map(byte).collect();
        to.write_all(&part).await.unwrap();
        at += part.len();
    }
    to.shutdown().await.unwrap();
}

/// Reads to the end and checks every byte.
async fn read_pattern(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> usize {
    let mut buf = vec![0; 128 * 1024];
    let mut at = 0;
    loop {
        let n = from.read(&mut buf).await.unwrap();
        if n == 0 {
            return at;
        }
        assert!(buf[..n].iter().enumerate().all(|(i, b)| *b == byte(at + i)), "bytes differ after {at}");
        at += n;
    }
}

async fn both_ways(splice: bool) {
    let ((mut client, a), (mut server, b)) = (pair().await, pair().await);
    let counters = RelayCounters::default();
    let options = RelayOptions { splice, ..RelayOptions::default() };
    // The server answers only after the client has ended its side: the half-close must come through.
    let peers = tokio::spawn(async move {
        let up = async {
            write_pattern(&mut client, BULK).await;
            read_pattern(&mut client).await
        };
        let down = async {
            let n = read_pattern(&mut server).await;
            write_pattern(&mut server, BULK).await;
            n
        };
        tokio::join!(up, down)
    });
    let end = relayed(a, b, options, &counters).await.unwrap();
    assert_eq!(end, RelayEnd::Closed);
    assert_eq!(peers.await.unwrap(), (BULK, BULK));
    assert_eq!((counters.a_to_b.get(), counters.b_to_a.get()), (BULK as u64, BULK as u64));
}

#[tokio::test]
async fn bulk_and_half_close_through_the_kernel() {
    both_ways(true).await;
}

#[tokio::test]
async fn bulk_and_half_close_by_copying() {
    both_ways(false).await;
}

async fn reset_from(first: bool) {
    let ((client, a), (server, b)) = (pair().await, pair().await);
    let (breaker, mut other) = if first { (client, server) } else { (server, client) };
    breaker.set_zero_linger().unwrap();
    drop(breaker);
    let end = relayed(a, b, RelayOptions::default(), &RelayCounters::default()).await.unwrap();
    assert_eq!(end, RelayEnd::Reset(if first { End::A } else { End::B }));
    let seen = other.read(&mut [0]).await.unwrap_err();
    assert_eq!(seen.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reset_of_the_client_reaches_the_server() {
    reset_from(true).await;
}

#[tokio::test]
async fn a_reset_of_the_server_reaches_the_client() {
    reset_from(false).await;
}

#[tokio::test]
async fn a_peer_that_never_reads_stops_the_sender() {
    let ((client, a), (_server, b)) = (pair().await, pair().await);
    let counters = RelayCounters::default();
    let part = vec![7; 256 * 1024];
    let mut accepted = 0;
    let sending = async {
        // No room for so long means that all buffers on the way are full.
        while tokio::time::timeout(Duration::from_millis(500), client.writable()).await.is_ok() {
            match client.try_write(&part) {
                Ok(n) => accepted += n,
                Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
            }
            assert!(accepted < 64 << 20, "nothing bounds what the relay takes");
        }
    };
    tokio::select! {
        end = relayed(a, b, RelayOptions::default(), &counters) => panic!("ended: {end:?}"),
        () = sending => {}
    }
    assert!(accepted > 0);
}

#[tokio::test]
async fn an_idle_relay_ends() {
    let ((_client, a), (_server, b)) = (pair().await, pair().await);
    let options = RelayOptions { idle: Some(Duration::from_millis(20)), ..RelayOptions::default() };
    assert_eq!(relayed(a, b, options, &RelayCounters::default()).await.unwrap(), RelayEnd::Idle);
}
