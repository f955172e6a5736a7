//! Tests of the transport.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::future::poll_fn;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;

pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (a, b) = tokio::join!(TcpStream::connect(addr), listener.accept());
    (a.unwrap(), b.unwrap().0)
}

/// Waits until the state is other than quiet.
async fn disturbed(transport: &mut Transport) -> IdleState {
    loop {
        poll_fn(|cx| transport.poll_read_ready(cx)).await.unwrap();
        match transport.check_idle() {
            IdleState::Quiet => {}
            state => return state,
        }
    }
}

#[test]
fn idle_plain_transport_is_small() {
    assert!(size_of::<Transport>() <= 48, "{}", size_of::<Transport>());
    assert!(size_of::<crate::rt::Deadline>() <= 32, "{}", size_of::<crate::rt::Deadline>());
}

#[tokio::test]
async fn idle_states_are_told_apart() {
    let (a, mut b) = pair().await;
    let mut a = Transport::from(a);
    assert_eq!(a.check_idle(), IdleState::Quiet);
    b.write_all(b"unasked").await.unwrap();
    assert_eq!(disturbed(&mut a).await, IdleState::UnaskedBytes);

    let (a, b) = pair().await;
    let mut a = Transport::from(a);
    drop(b);
    assert_eq!(disturbed(&mut a).await, IdleState::Closed);

    let (a, b) = pair().await;
    let (mut a, b) = (Transport::from(a), Transport::from(b));
    b.set_linger_zero();
    drop(b);
    assert_eq!(disturbed(&mut a).await, IdleState::Closed);
}

#[tokio::test]
async fn peeked_bytes_stay_and_more_are_waited_for() {
    let (a, mut b) = pair().await;
    let mut a = Transport::from(a);
    let mut buf = [0; 16];
    b.write_all(b"abc").await.unwrap();
    assert_eq!(a.peek(&mut buf, 0).await.unwrap(), 3);
    {
        let mut more = pin!(a.peek(&mut buf, 3));
        assert!(
            poll_fn(|cx| Poll::Ready(more.as_mut().poll(cx).is_pending())).await,
            "the same bytes do not count twice"
        );
        b.write_all(b"def").await.unwrap();
        assert_eq!(more.await.unwrap(), 6);
    }
    let mut read = [0; 16];
    assert_eq!(poll_fn(|cx| a.poll_read(cx, &mut read)).await.unwrap(), 6);
    assert_eq!(&read[..6], b"abcdef");
}

#[tokio::test]
async fn end_behind_peeked_bytes_is_told() {
    let (a, mut b) = pair().await;
    let mut a = Transport::from(a);
    let mut buf = [0; 16];
    b.write_all(b"abc").await.unwrap();
    assert_eq!(a.peek(&mut buf, 0).await.unwrap(), 3);
    b.shutdown().await.unwrap();
    assert_eq!(a.peek(&mut buf, 3).await.unwrap(), 3, "no more than seen is the end");
    assert_eq!(poll_fn(|cx| a.poll_read(cx, &mut buf)).await.unwrap(), 3);
    assert_eq!(poll_fn(|cx| a.poll_read(cx, &mut buf)).await.unwrap(), 0);
}

#[tokio::test]
async fn growing_buffer_is_read_behind_its_content() {
    let (a, mut b) = pair().await;
    let mut a = Transport::from(a);
    b.write_all(b"world").await.unwrap();
    let mut buf = bytes::BytesMut::from(&b"hello "[..]);
    buf.reserve(100);
    assert_eq!(poll_fn(|cx| a.poll_read_buf(cx, &mut buf)).await.unwrap(), 5);
    assert_eq!(&buf[..], b"hello world");
}
