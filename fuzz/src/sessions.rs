//! What must hold of the table of sessions whatever is done with it, judged beside a model that is slow and plain.
//!
//! An input is a row of pairs of bytes: what is done, and with whom. The upper bits of the first byte let time pass.

use std::time::{Duration, Instant};

use yumen_net::udp::Table;

const IDLE: Duration = Duration::from_millis(100);

/// An entry of the model; later in the list is heard of later.
struct Known {
    key: u8,
    value: usize,
    heard: Instant,
    answered: bool,
}

/// Judges a row of operations.
pub fn sessions(data: &[u8]) {
    let mut table = Table::new();
    let mut model: Vec<Known> = Vec::new();
    let mut now = yumen_net::rt::now();
    for (step, pair) in data.chunks_exact(2).enumerate() {
        let key = pair[1] % 32;
        now += Duration::from_millis(u64::from(pair[0] >> 3));
        let at = model.iter().position(|k| k.key == key);
        match pair[0] & 7 {
            0 | 1 => {
                let before = at.map(|at| model.remove(at).value);
                assert_eq!(table.insert(key, step, now), before);
                model.push(Known { key, value: step, heard: now, answered: false });
            }
            2 => {
                let heard = table.hear(&key, now).copied();
                assert_eq!(heard, at.map(|at| renew(&mut model, at, now, false)));
            }
            3 => {
                table.answer(&key, now);
                at.map(|at| renew(&mut model, at, now, true));
            }
            4 => assert_eq!(table.remove(&key), at.map(|at| model.remove(at).value)),
            5 => {
                let first = model.iter().position(|k| !k.answered).map(|at| model.remove(at));
                assert_eq!(table.give_way(), first.map(|k| (k.key, k.value)));
            }
            _ => expire(&mut table, &mut model, now),
        }
        agree(&table, &model);
    }
}

fn renew(model: &mut Vec<Known>, at: usize, now: Instant, answered: bool) -> usize {
    let known = model.remove(at);
    let value = known.value;
    model.push(Known { heard: now, answered: known.answered || answered, ..known });
    value
}

/// Of those that were heard of at the same moment either may go first.
fn expire(table: &mut Table<u8, usize>, model: &mut Vec<Known>, now: Instant) {
    match table.expire(now, IDLE) {
        None => assert!(model.iter().all(|k| now - k.heard < IDLE)),
        Some((key, value)) => {
            let at = model.iter().position(|k| (k.key, k.value) == (key, value));
            let gone = model.remove(at.expect("only what was put in comes out"));
            assert!(now - gone.heard >= IDLE && model.iter().all(|k| k.heard >= gone.heard));
        }
    }
}

fn agree(table: &Table<u8, usize>, model: &[Known]) {
    assert_eq!((table.len(), table.is_empty()), (model.len(), model.is_empty()));
    assert_eq!(table.next_expiry(IDLE), model.iter().map(|k| k.heard + IDLE).min());
    for known in model {
        assert_eq!(table.peek(&known.key), Some(&known.value));
    }
    assert_eq!(table.iter().count(), model.len());
}
