//! Tasks by name, each for a section of the configuration; one runs for as long as its section stays the same.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

/// The tasks of one kind of section.
pub(crate) struct Roster<S> {
    running: Mutex<BTreeMap<String, (Arc<S>, Task)>>,
}

/// A task that ends with this.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<S> Default for Roster<S> {
    fn default() -> Self {
        Self { running: Mutex::default() }
    }
}

impl<S: PartialEq> Roster<S> {
    /// Runs these and no others: stops what is gone or not the same, then starts what is new. To be called on the control
    /// runtime.
    pub(crate) fn set<F: Future<Output = ()> + Send + 'static>(
        &self,
        wanted: impl IntoIterator<Item = (String, Arc<S>)>,
        mut start: impl FnMut(&str, &Arc<S>) -> F,
    ) {
        let wanted: BTreeMap<String, Arc<S>> = wanted.into_iter().collect();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|name, (section, _)| wanted.get(name) == Some(section));
        for (name, section) in wanted {
            let Entry::Vacant(place) = running.entry(name) else { continue };
            let task = Task(tokio::spawn(start(place.key(), &section)));
            place.insert((section, task));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn what_stays_the_same_runs_on_and_what_is_gone_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (started, ended) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let roster = Roster::<u32>::default();
            let set = |sections: &[(&str, u32)]| {
                roster.set(sections.iter().map(|(name, n)| ((*name).to_owned(), Arc::new(*n))), |_, _| {
                    started.fetch_add(1, Ordering::Relaxed);
                    let guard = OnDrop(Arc::clone(&ended));
                    async move {
                        std::future::pending::<()>().await;
                        drop(guard);
                    }
                });
            };
            set(&[("a", 1), ("b", 1)]);
            set(&[("a", 1), ("b", 2)]);
            while ended.load(Ordering::Relaxed) < 1 {
                tokio::task::yield_now().await;
            }
            assert_eq!(started.load(Ordering::Relaxed), 3, "a was kept, b started anew");
            set(&[]);
            while ended.load(Ordering::Relaxed) < 3 {
                tokio::task::yield_now().await;
            }
        });
    }

    struct OnDrop(Arc<AtomicU32>);

    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
