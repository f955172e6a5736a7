//! What is known of many peers that never say goodbye: found by a key, forgotten when it has been silent for too long.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use slab::Slab;

/// Nobody.
const NONE: usize = usize::MAX;

/// Entries by key, and by how long they have been silent.
///
/// It has no clock and no limit: the caller tells the time, which may stand still but not go back, and asks for room
/// with [`Table::give_way`] when it has set itself a limit. Entries that were never answered stand apart from the others,
/// so that a flood of false senders displaces itself and not who is served. Every operation takes constant time.
#[derive(Debug)]
pub struct Table<K, V> {
    /// Keys come from clients, so they are hashed with a secret.
    places: HashMap<K, usize>,
    entries: Slab<Entry<K, V>>,
    /// By silence, the longest first: those that were not answered, and those that were.
    queues: [Queue; 2],
}

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    heard: Instant,
    answered: bool,
    before: usize,
    after: usize,
}

#[derive(Clone, Copy, Debug)]
struct Queue {
    first: usize,
    last: usize,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        let empty = Queue { first: NONE, last: NONE };
        Self { places: HashMap::new(), entries: Slab::new(), queues: [empty; 2] }
    }
}

impl<K: Copy + Eq + Hash, V> Table<K, V> {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// An entry, as it is.
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(*self.places.get(key)?).map(|entry| &entry.value)
    }

    /// An entry that was heard of at this moment.
    pub fn hear(&mut self, key: &K, now: Instant) -> Option<&V> {
        let at = *self.places.get(key)?;
        self.renew(at, now, None);
        self.entries.get(at).map(|entry| &entry.value)
    }

    /// An entry got its answer at this moment.
    pub fn answer(&mut self, key: &K, now: Instant) {
        if let Some(at) = self.places.get(key) {
            self.renew(*at, now, Some(true));
        }
    }

    /// Puts an entry in, not answered yet; gives back the one that had this key.
    pub fn insert(&mut self, key: K, value: V, now: Instant) -> Option<V> {
        let before = self.remove(&key);
        let entry = Entry { key, value, heard: now, answered: false, before: NONE, after: NONE };
        let at = self.entries.insert(entry);
        self.places.insert(key, at);
        self.enqueue(at);
        before
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.places.remove(key)?;
        self.dequeue(at);
        self.entries.try_remove(at).map(|entry| entry.value)
    }

    /// Takes out the entry that has been silent for longest, if it has been for `idle`.
    pub fn expire(&mut self, now: Instant, idle: Duration) -> Option<(K, V)> {
        let at = self.silent()?;
        let is_over = now.saturating_duration_since(self.entries.get(at)?.heard) >= idle;
        if is_over { self.take(at) } else { None }
    }

    /// When the next entry will have been silent for `idle`; `None` while there is none.
    pub fn next_expiry(&self, idle: Duration) -> Option<Instant> {
        self.entries.get(self.silent()?)?.heard.checked_add(idle)
    }

    /// Takes out the entry that has waited longest for its first answer, to make room for another one.
    pub fn give_way(&mut self) -> Option<(K, V)> {
        let [unanswered, _] = self.queues;
        self.take(unanswered.first)
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(_, entry)| (&entry.key, &entry.value))
    }

    /// The one that has been silent for longest.
    fn silent(&self) -> Option<usize> {
        let firsts = self.queues.iter().filter_map(|q| Some((self.entries.get(q.first)?.heard, q.first)));
        firsts.min().map(|(_, at)| at)
    }

    fn take(&mut self, at: usize) -> Option<(K, V)> {
        let key = self.entries.get(at)?.key;
        self.remove(&key).map(|value| (key, value))
    }

    fn renew(&mut self, at: usize, now: Instant, answered: Option<bool>) {
        self.dequeue(at);
        if let Some(entry) = self.entries.get_mut(at) {
            entry.heard = now;
            entry.answered = answered.unwrap_or(entry.answered);
        }
        self.enqueue(at);
    }

    /// Appends an entry to its queue, where nobody was heard of later.
    fn enqueue(&mut self, at: usize) {
        let Some(entry) = self.entries.get_mut(at) else { return };
        let queue = &mut self.queues[usize::from(entry.answered)];
        let last = std::mem::replace(&mut queue.last, at);
        (entry.before, entry.after) = (last, NONE);
        match self.entries.get_mut(last) {
            Some(before) => before.after = at,
            None => queue.first = at,
        }
    }

    fn dequeue(&mut self, at: usize) {
        let Some(entry) = self.entries.get(at) else { return };
        let (before, after, queue) = (entry.before, entry.after, &mut self.queues[usize::from(entry.answered)]);
        match self.entries.get_mut(before) {
            Some(entry) => entry.after = after,
            None => queue.first = after,
        }
        match self.entries.get_mut(after) {
            Some(entry) => entry.before = before,
            None => queue.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const IDLE: Duration = Duration::from_secs(10);

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn entry_expires_when_nothing_was_heard_of_it_for_the_whole_time() {
        let (mut table, start) = (Table::new(), crate::rt::now());
        table.insert('a', 1, start);
        table.insert('b', 2, at(start, 1));
        assert_eq!(table.hear(&'a', at(start, 5)), Some(&1));
        assert_eq!(table.next_expiry(IDLE), Some(at(start, 11)));
        assert_eq!(table.expire(at(start, 10), IDLE), None);
        assert_eq!(table.expire(at(start, 11), IDLE), Some(('b', 2)));
        assert_eq!(table.expire(at(start, 11), IDLE), None);
        assert_eq!(table.expire(at(start, 15), IDLE), Some(('a', 1)));
        assert!(table.is_empty() && table.next_expiry(IDLE).is_none());
    }

    #[test]
    fn who_was_never_answered_gives_way_and_who_was_does_not() {
        let (mut table, start) = (Table::new(), crate::rt::now());
        for (second, key) in ['a', 'b', 'c'].into_iter().enumerate() {
            table.insert(key, (), at(start, second as u64));
        }
        table.answer(&'a', at(start, 3));
        // Sending again is no answer.
        table.hear(&'b', at(start, 4));
        assert_eq!(table.give_way(), Some(('c', ())));
        assert_eq!(table.give_way(), Some(('b', ())));
        assert_eq!(table.give_way(), None);
        assert!(table.peek(&'a').is_some());
    }

    #[test]
    fn key_that_comes_again_takes_the_place_of_the_old_entry() {
        let (mut table, start) = (Table::new(), crate::rt::now());
        assert_eq!(table.insert('a', 1, start), None);
        table.answer(&'a', start);
        assert_eq!(table.insert('a', 2, at(start, 1)), Some(1));
        assert_eq!((table.len(), table.remove(&'a'), table.remove(&'a')), (1, Some(2), None));
        assert_eq!(table.give_way(), None);
    }
}
