//! Tests of draining.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use super::*;

#[tokio::test(start_paused = true)]
async fn drain_ends_when_the_last_holder_leaves() {
    let drain = Drain::new();
    let (a, b) = (drain.watch(), drain.watch());
    let c = b.clone();
    assert_eq!(drain.holders(), 3);
    assert!(!a.is_draining());
    let signaled = tokio::spawn(a.signaled());
    tokio::task::yield_now().await;
    drain.start(None);
    signaled.await.unwrap();
    assert!(a.is_draining() && b.is_draining() && c.is_draining() && !a.is_forced());
    c.signaled().await;
    let wait = tokio::spawn({
        let drain = drain.clone();
        async move { drain.wait().await }
    });
    drop((a, b));
    assert!(rt::timeout(Duration::from_secs(60), std::future::pending::<()>()).await.is_err());
    assert!(!wait.is_finished(), "one is left");
    drop(c);
    assert_eq!(wait.await.unwrap(), DrainReport { remaining: 0 });
}

#[tokio::test(start_paused = true)]
async fn drain_forces_the_rest_at_its_deadline() {
    let start = rt::now();
    let drain = Drain::new();
    let watch = drain.watch();
    let forced = tokio::spawn(watch.forced());
    drain.start(Some(start + Duration::from_secs(60)));
    drain.start(Some(start + Duration::from_secs(10)));
    drain.start(Some(start + Duration::from_secs(90)));
    assert_eq!(drain.wait().await, DrainReport { remaining: 1 });
    assert_eq!((rt::now() - start).as_secs(), 10);
    forced.await.unwrap();
    assert!(watch.is_forced());
}

#[tokio::test]
async fn drain_without_holders_is_over_at_once_but_not_before_it_starts() {
    let drain = Drain::new();
    let mut wait = Box::pin(drain.wait());
    assert!(std::future::poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_pending())).await);
    drain.start(None);
    assert_eq!(wait.await, DrainReport { remaining: 0 });
}

#[tokio::test(start_paused = true)]
async fn everyone_who_waits_is_told_how_many_were_cut_off() {
    let drain = Drain::new();
    let watch = drain.watch();
    let cut = tokio::spawn(async move { watch.forced().await });
    drain.start(Some(rt::now() + Duration::from_secs(1)));
    assert_eq!(drain.wait().await, DrainReport { remaining: 1 });
    cut.await.unwrap();
    assert_eq!(drain.holders(), 0);
    assert_eq!(drain.wait().await, DrainReport { remaining: 1 });
}

#[test]
fn drain_crosses_threads() {
    for _ in 0..200 {
        let drain = Drain::new();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let watch = drain.watch();
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(watch.signaled());
                })
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        drain.start(None);
        assert_eq!(runtime.block_on(drain.wait()).remaining, 0);
        threads.into_iter().for_each(|t| t.join().unwrap());
        assert!(drain.shared.waiting().wakers.is_empty());
    }
}
