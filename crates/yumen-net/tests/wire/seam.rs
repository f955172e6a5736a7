use std::future::poll_fn;
use std::time::Duration;

use yumen_net::drain::Drain;
use yumen_net::rt::{self, Deadline};

#[tokio::test(start_paused = true)]
async fn a_deadline_follows_where_it_is_put() {
    let begun = rt::now();
    let mut deadline = Deadline::new();
    let wait = |d: Duration| rt::timeout(d, poll_fn(|_| std::task::Poll::<()>::Pending));
    assert!(rt::timeout(Duration::from_secs(1), deadline.expired()).await.is_err(), "none never expires");
    deadline.set(Some(begun + Duration::from_secs(10)));
    assert!(rt::timeout(Duration::from_secs(2), deadline.expired()).await.is_err());
    // Later: the timer made for 10 s must not fire.
    deadline.set(Some(begun + Duration::from_secs(20)));
    deadline.expired().await;
    assert_eq!(rt::now() - begun, Duration::from_secs(20));
    // Nearer than the timer: it must not wait for the old moment.
    deadline.set(Some(begun + Duration::from_secs(100)));
    assert!(rt::timeout(Duration::from_secs(1), deadline.expired()).await.is_err());
    deadline.set(Some(begun + Duration::from_secs(30)));
    deadline.expired().await;
    assert_eq!(rt::now() - begun, Duration::from_secs(30));
    deadline.set(None);
    assert!(rt::timeout(Duration::from_secs(500), deadline.expired()).await.is_err());
    assert!(wait(Duration::from_secs(1)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_its_holders() {
    let drain = Drain::new();
    let (first, second) = (drain.watch(), drain.watch());
    let third = second.clone();
    assert_eq!(drain.holders(), 3);
    assert!(!first.is_draining());
    drain.start(None);
    for watch in [&first, &third] {
        assert!(watch.is_draining());
        watch.signaled().await;
    }
    drop((first, second));
    assert!(rt::timeout(Duration::from_secs(60), drain.wait()).await.is_err(), "one is left");
    drop(third);
    assert_eq!(drain.wait().await.remaining, 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_at_its_deadline() {
    let drain = Drain::new();
    let watch = drain.watch();
    let begun = rt::now();
    drain.start(Some(begun + Duration::from_secs(5)));
    assert_eq!(drain.wait().await.remaining, 1);
    assert_eq!(rt::now() - begun, Duration::from_secs(5));
    assert!(watch.is_forced());
}
