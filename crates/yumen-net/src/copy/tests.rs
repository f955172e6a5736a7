//! Tests of the relay, over real sockets. The peers run in the same runtime, so both ends make progress by turns.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::rt;

const MIB: usize = 1 << 20;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr: SocketAddr = listener.local_addr().unwrap();
    let (a, b) = tokio::join!(TcpStream::connect(addr), listener.accept());
    (a.unwrap(), b.unwrap().0)
}

/// A client and a server with the relay's two transports between them.
struct Wired {
    client: TcpStream,
    a: Transport,
    b: Transport,
    server: TcpStream,
}

async fn wired() -> Wired {
    let ((client, a), (b, server)) = (pair().await, pair().await);
    Wired { client, a: a.into(), b: b.into(), server }
}

/// Runs the relay in a task of its own, which owns the transports as a connection's task does.
fn started(
    mut a: Transport,
    mut b: Transport,
    options: RelayOptions,
) -> impl Future<Output = (Result<RelayEnd, RelayError>, u64, u64)> {
    let task = tokio::task::spawn_local(async move {
        let counters = RelayCounters::default();
        let end = relay(&mut a, &mut b, &options, &counters).await;
        (end, counters.a_to_b.get(), counters.b_to_a.get())
    });
    async { task.await.unwrap() }
}

fn copying() -> RelayOptions {
    RelayOptions { splice: false, ..RelayOptions::default() }
}

/// Sends `len` bytes that no shift or gap leaves unnoticed and gives their hash.
async fn send(to: &mut (impl AsyncWrite + Unpin), len: usize, seed: u64) -> Vec<u8> {
    let (mut hash, mut state, mut left) = (Sha256::new(), seed, len);
    let mut block = vec![0; 100_003];
    while left > 0 {
        for chunk in block.chunks_mut(8) {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(seed | 1);
            chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
        }
        let n = left.min(block.len());
        hash.update(&block[..n]);
        to.write_all(&block[..n]).await.unwrap();
        left -= n;
    }
    to.flush().await.unwrap();
    hash.finalize().to_vec()
}

/// Reads to the end and gives the hash and the length.
async fn receive(from: &mut (impl AsyncRead + Unpin)) -> (Vec<u8>, usize) {
    let (mut hash, mut buf, mut len) = (Sha256::new(), vec![0; 128 * 1024], 0);
    loop {
        match from.read(&mut buf).await.unwrap() {
            0 => return (hash.finalize().to_vec(), len),
            n => {
                hash.update(&buf[..n]);
                len += n;
            }
        }
    }
}

/// Request in full, half-close, answer in full.
async fn half_close_carries(options: RelayOptions, len: usize) {
    let Wired { mut client, a, b, mut server } = wired().await;
    let relay = started(a, b, options);
    let client = async {
        let sent = send(&mut client, len, 3).await;
        client.shutdown().await.unwrap();
        (sent, receive(&mut client).await)
    };
    let server = async {
        let got = receive(&mut server).await;
        let sent = send(&mut server, len, 5).await;
        server.shutdown().await.unwrap();
        (sent, got)
    };
    let ((sent_up, got_down), (sent_down, got_up), (end, up, down)) = tokio::join!(client, server, relay);
    assert_eq!((end.unwrap(), up, down), (RelayEnd::Closed, len as u64, len as u64));
    assert_eq!(got_up, (sent_up, len));
    assert_eq!(got_down, (sent_down, len));
}

#[tokio::test(flavor = "local")]
async fn hundred_megabytes_each_way_survive_half_close_spliced() {
    half_close_carries(RelayOptions::default(), 100 * MIB).await;
    assert_eq!(pipe::spare() > 0, crate::os::HAS_SPLICE, "the kernel moved the bytes and its pipe came back");
}

#[tokio::test(flavor = "local")]
async fn hundred_megabytes_each_way_survive_half_close_copied() {
    half_close_carries(copying(), 100 * MIB).await;
    assert_eq!(pipe::spare(), 0);
}

#[tokio::test(flavor = "local")]
async fn many_short_relays_lose_nothing() {
    for len in [0, 1, 100, 16 * 1024, 16 * 1024 + 1, 32 * 1024, 50_000, 300_000] {
        half_close_carries(RelayOptions::default(), len).await;
        half_close_carries(copying(), len).await;
    }
}

#[tokio::test(flavor = "local")]
async fn both_directions_at_once_do_not_disturb_each_other() {
    let len = 30 * MIB;
    for options in [RelayOptions::default(), copying()] {
        let Wired { client, a, b, server } = wired().await;
        let relay = started(a, b, options);
        let peer = |stream: TcpStream, seed| async move {
            let (mut read, mut write) = stream.into_split();
            let sending = async {
                let sent = send(&mut write, len, seed).await;
                write.shutdown().await.unwrap();
                sent
            };
            tokio::join!(sending, receive(&mut read))
        };
        let ((up, got_down), (down, got_up), (end, ..)) = tokio::join!(peer(client, 7), peer(server, 11), relay);
        assert_eq!(end.unwrap(), RelayEnd::Closed);
        assert_eq!((got_up, got_down), ((up, len), (down, len)));
    }
}

#[tokio::test(flavor = "local")]
async fn small_messages_pass_after_bulk() {
    let Wired { mut client, a, b, mut server } = wired().await;
    let relay = started(a, b, RelayOptions::default());
    let talk = async {
        let mut bulk = vec![0; 2 * MIB];
        tokio::join!(send(&mut client, 2 * MIB, 1), async { server.read_exact(&mut bulk).await.unwrap() });
        for round in 0..40u8 {
            client.write_all(&[round]).await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), round);
            server.write_all(&[round + 1]).await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), round + 1);
        }
        drop((client, server));
    };
    let ((), (end, up, down)) = tokio::join!(talk, relay);
    assert_eq!((end.unwrap(), up, down), (RelayEnd::Closed, 2 * MIB as u64 + 40, 40));
}

#[tokio::test(flavor = "local")]
async fn data_sent_before_the_relay_starts_is_delivered() {
    let Wired { mut client, a, b, mut server } = wired().await;
    client.write_all(b"early request").await.unwrap();
    client.shutdown().await.unwrap();
    server.write_all(b"early greeting").await.unwrap();
    server.shutdown().await.unwrap();
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let (end, ..) = started(a, b, RelayOptions::default()).await;
    assert_eq!(end.unwrap(), RelayEnd::Closed);
    server.read_to_end(&mut up).await.unwrap();
    client.read_to_end(&mut down).await.unwrap();
    assert_eq!((up.as_slice(), down.as_slice()), (&b"early request"[..], &b"early greeting"[..]));
}

#[tokio::test(flavor = "local")]
async fn reset_of_either_side_reaches_the_other() {
    for side in [End::A, End::B] {
        for bulk in [0, 3 * MIB] {
            let Wired { mut client, a, b, mut server } = wired().await;
            let relay = started(a, b, RelayOptions::default());
            let (breaks, feels) = if side == End::A { (&mut client, &mut server) } else { (&mut server, &mut client) };
            let mut sink = vec![0; bulk];
            tokio::join!(send(breaks, bulk, 1), async { feels.read_exact(&mut sink).await.unwrap() });
            breaks.set_zero_linger().unwrap();
            let (gone, mut stays) = if side == End::A { (client, server) } else { (server, client) };
            drop(gone);
            let (end, ..) = relay.await;
            assert_eq!(end.unwrap(), RelayEnd::Reset(side));
            let felt = stays.read(&mut [0; 16]).await.unwrap_err();
            assert_eq!(felt.kind(), io::ErrorKind::ConnectionReset);
        }
    }
}

#[tokio::test(flavor = "local")]
async fn answer_before_a_reset_is_still_delivered() {
    let Wired { mut client, a, b, mut server } = wired().await;
    server.write_all(b"too large").await.unwrap();
    client.write_all(b"request").await.unwrap();
    server.read_exact(&mut [0; 0]).await.unwrap();
    let relay = started(a, b, RelayOptions::default());
    let mut answer = [0; 9];
    let (got, ..) = tokio::join!(client.read_exact(&mut answer), async {
        server.readable().await.unwrap();
        // Closing with the request unread resets the connection.
        drop(server);
    });
    got.unwrap();
    assert_eq!(&answer, b"too large");
    drop(client);
    assert!(relay.await.0.is_ok());
}

/// A peer that never reads stops the sender after what the socket buffers and one buffer of ours hold; nothing is lost
/// when it reads at last.
#[tokio::test(flavor = "local")]
async fn peer_that_never_reads_bounds_what_is_taken() {
    for options in [RelayOptions::default(), copying()] {
        let Wired { mut client, a, b, mut server } = wired().await;
        let relay = started(a, b, options);
        let block = vec![7; MIB];
        let mut taken = 0;
        while let Ok(n) = rt::timeout(Duration::from_millis(200), client.write(&block)).await {
            taken += n.unwrap();
            assert!(taken < 64 * MIB, "no backpressure");
        }
        client.shutdown().await.unwrap();
        let drained = async {
            let mut all = Vec::new();
            server.read_to_end(&mut all).await.unwrap();
            server.shutdown().await.unwrap();
            all
        };
        let (all, (end, up, _)) = tokio::join!(drained, relay);
        assert_eq!(end.unwrap(), RelayEnd::Closed);
        assert_eq!((all.len(), up), (taken, taken as u64));
        assert!(all.iter().all(|&b| b == 7));
    }
}

#[tokio::test(flavor = "local")]
async fn slow_reader_gets_every_byte() {
    let Wired { mut client, a, b, mut server } = wired().await;
    let relay = started(a, b, RelayOptions::default());
    let sending = async {
        let sent = send(&mut client, 5 * MIB, 9).await;
        client.shutdown().await.unwrap();
        sent
    };
    let reading = async {
        let mut hash = Sha256::new();
        let mut buf = [0; 1999];
        loop {
            match server.read(&mut buf).await.unwrap() {
                0 => break,
                n => hash.update(&buf[..n]),
            }
            rt::yield_now().await;
        }
        server.shutdown().await.unwrap();
        hash.finalize().to_vec()
    };
    let (sent, got, (end, ..)) = tokio::join!(sending, reading, relay);
    assert_eq!(end.unwrap(), RelayEnd::Closed);
    assert_eq!(sent, got);
}

#[tokio::test(flavor = "local")]
async fn silence_ends_the_relay_and_traffic_puts_that_off() {
    let Wired { mut client, a, b, mut server } = wired().await;
    // Far more than a tick, so that a busy machine is not taken for silence.
    let idle = Duration::from_millis(600);
    let start = rt::now();
    let relay = started(a, b, RelayOptions { idle: Some(idle), ..RelayOptions::default() });
    let talk = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..8 {
            ticks.tick().await;
            client.write_all(b"x").await.unwrap();
            assert_eq!(server.read_u8().await.unwrap(), b'x');
        }
        rt::now()
    };
    let (last, (end, ..)) = tokio::join!(talk, relay);
    assert_eq!(end.unwrap(), RelayEnd::Idle);
    assert!(last - start > idle && rt::now() - last >= idle, "it ended too early");
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(flavor = "local")]
async fn waiting_relay_holds_no_memory() {
    let Wired { client, mut a, mut b, server } = wired().await;
    let counters = RelayCounters::default();
    let options = RelayOptions::default();
    let mut waiting = Box::pin(relay(&mut a, &mut b, &options, &counters));
    assert!(std::future::poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await);
    assert!(size_of_val(&*waiting) < 768, "{}", size_of_val(&*waiting));
    drop((client, server));
    assert_eq!(waiting.await.unwrap(), RelayEnd::Closed);
}

/// A relay that is busy lets other connections of its worker have their turn.
#[tokio::test(flavor = "local")]
async fn bulk_does_not_starve_the_neighbour() {
    let Wired { mut client, a, b, mut server } = wired().await;
    let bulk = started(a, b, RelayOptions::default());
    let neighbour = wired().await;
    let quiet = started(neighbour.a, neighbour.b, RelayOptions::default());
    let (mut here, mut there) = (neighbour.client, neighbour.server);
    let talk = async {
        for _ in 0..100 {
            here.write_all(b"?").await.unwrap();
            assert_eq!(there.read_u8().await.unwrap(), b'?');
        }
        drop((here, there));
    };
    let load = async {
        let (sent, got) = tokio::join!(
            async {
                send(&mut client, 20 * MIB, 1).await;
                client.shutdown().await.unwrap();
            },
            receive(&mut server)
        );
        server.shutdown().await.unwrap();
        (sent, got.1)
    };
    let ((), ((), got), (one, ..), (two, ..)) = tokio::join!(talk, load, bulk, quiet);
    assert_eq!((one.unwrap(), two.unwrap(), got), (RelayEnd::Closed, RelayEnd::Closed, 20 * MIB));
}

/// What a conveyor does with all it may move.
async fn conveyed(from: &Transport, to: &Transport, mut left: u64) -> Result<u64, ConveyError> {
    let mut conveyor = Conveyor::default();
    let mut moved = 0;
    while left > 0 {
        let step = std::future::poll_fn(|cx| conveyor.poll_move(cx, from, to, left)).await?;
        let step = step.expect("plain sockets can be spliced where there is splice");
        (moved, left) = (moved + step, left - step);
    }
    Ok(moved)
}

#[tokio::test(flavor = "local")]
async fn conveyor_takes_exactly_what_it_may_and_leaves_the_next_message() {
    if !crate::os::HAS_SPLICE {
        return;
    }
    const LEN: usize = 5 * MIB + 12_345;
    let Wired { mut client, mut a, b, mut server } = wired().await;
    let send_all = async {
        let hash = send(&mut client, LEN, 7).await;
        client.write_all(b"next").await.unwrap();
        client.shutdown().await.unwrap();
        hash
    };
    let convey = async {
        let moved = conveyed(&a, &b, LEN as u64).await.unwrap();
        drop(b);
        moved
    };
    let (sent, moved, got) = tokio::join!(send_all, convey, receive(&mut server));
    assert_eq!((moved, got), (LEN as u64, (sent, LEN)));
    let mut rest = Vec::new();
    a.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"next");
}

#[tokio::test(flavor = "local")]
async fn conveyor_tells_a_source_that_ended_early_and_a_target_that_left() {
    if !crate::os::HAS_SPLICE {
        return;
    }
    let Wired { mut client, a, b, mut server } = wired().await;
    let cut = async {
        send(&mut client, MIB, 1).await;
        drop(client);
    };
    let convey = async {
        let end = conveyed(&a, &b, 2 * MIB as u64).await;
        drop(b);
        end.map_err(|(side, e)| (side, e.kind()))
    };
    let ((), end, (_, got)) = tokio::join!(cut, convey, receive(&mut server));
    assert_eq!((end, got), (Err((End::A, io::ErrorKind::UnexpectedEof)), MIB));

    let Wired { mut client, a, b, server } = wired().await;
    server.set_zero_linger().unwrap();
    drop(server);
    let pour = async {
        // Ends when the proxy's side is dropped, at the latest.
        while client.write_all(&[0; 65_536]).await.is_ok() {}
    };
    let convey = async {
        let end = conveyed(&a, &b, u64::MAX).await;
        drop(a);
        end.map_err(|(side, _)| side)
    };
    assert_eq!(tokio::join!(pour, convey).1, Err(End::B));
}

#[tokio::test(flavor = "local")]
async fn conveyor_waits_for_a_slow_target_without_losing_a_byte() {
    if !crate::os::HAS_SPLICE {
        return;
    }
    const LEN: usize = 3 * MIB;
    let Wired { mut client, a, b, mut server } = wired().await;
    let trickle = async {
        let (mut hash, mut buf, mut len) = (Sha256::new(), vec![0; 7_001], 0);
        loop {
            let n = server.read(&mut buf).await.unwrap();
            if n == 0 {
                return (hash.finalize().to_vec(), len);
            }
            hash.update(&buf[..n]);
            len += n;
            rt::yield_now().await;
        }
    };
    let convey = async {
        conveyed(&a, &b, LEN as u64).await.unwrap();
        drop(b);
    };
    let (sent, (), got) = tokio::join!(send(&mut client, LEN, 9), convey, trickle);
    assert_eq!(got, (sent, LEN));
}
