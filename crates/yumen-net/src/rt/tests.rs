//! Tests of the seam.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::rc::Rc;
use std::sync::mpsc;

use super::*;

fn poll_once(deadline: &mut Deadline) -> impl Future<Output = bool> {
    std::future::poll_fn(move |cx| Poll::Ready(deadline.poll_expired(cx).is_ready()))
}

#[tokio::test(start_paused = true)]
async fn deadline_costs_no_timer_until_it_is_waited_for() {
    let mut deadline = Deadline::new();
    assert!(!poll_once(&mut deadline).await);
    deadline.set_in(Duration::from_secs(1));
    assert!(deadline.timer.is_none());
    assert!(!poll_once(&mut deadline).await);
    assert!(deadline.timer.is_some());
}

#[tokio::test(start_paused = true)]
async fn deadline_put_off_rearms_when_the_timer_fires() {
    let start = now();
    let mut deadline = Deadline::new();
    deadline.set_in(Duration::from_secs(1));
    assert!(!poll_once(&mut deadline).await);
    deadline.set_in(Duration::from_secs(5));
    deadline.expired().await;
    assert_eq!((now() - start).as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn deadline_brought_nearer_resets_the_timer() {
    let start = now();
    let mut deadline = Deadline::new();
    deadline.set_in(Duration::from_secs(100));
    assert!(!poll_once(&mut deadline).await);
    deadline.set_in(Duration::from_secs(2));
    deadline.expired().await;
    assert_eq!((now() - start).as_secs(), 2);
    assert!(poll_once(&mut deadline).await, "it stays expired");
    deadline.set_in(Duration::from_secs(3));
    assert!(!poll_once(&mut deadline).await, "and can be set again");
    deadline.set(None);
    assert!(timeout(Duration::from_secs(60), deadline.expired()).await.is_err(), "cleared, it never expires");
}

#[test]
fn worker_runs_local_tasks_and_contains_their_panics() {
    let (tell, told) = mpsc::channel();
    let worker = spawn_worker("test", 3, Some(0), move || async move {
        let shared = Rc::new(Cell::new(0));
        let ok = spawn_local({
            let shared = Rc::clone(&shared);
            async move { shared.set(7) }
        });
        assert_eq!(ok.await, Ok(()));
        let bad = spawn_local(async { panic!("on purpose") });
        let stuck = spawn_local(std::future::pending::<()>());
        stuck.abort();
        tell.send((shared.get(), bad.await, stuck.await, thread::current().name().map(str::to_owned))).unwrap();
    })
    .unwrap();
    let (seven, bad, stuck, name) = told.recv().unwrap();
    assert_eq!(seven, 7);
    assert_eq!(bad, Err(TaskError::Panicked("on purpose".to_owned())));
    assert_eq!(stuck, Err(TaskError::Aborted));
    assert_eq!(name.as_deref(), Some("test-3"));
    worker.join().unwrap();
}

#[test]
fn worker_that_panics_says_so_when_joined() {
    let worker = spawn_worker("test", 1, None, || async { panic!("deep inside") }).unwrap();
    assert!(worker.join().unwrap_err().to_string().contains("deep inside"));
}

#[test]
fn control_runs_tasks_of_other_threads() {
    let control = Control::start(1).unwrap();
    let task = control.spawn(async { 5 });
    assert_eq!(control.block_on(task), Ok(5));
    control.stop(Duration::from_secs(1));
}
