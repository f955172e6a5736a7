//! Which endpoint takes the next request.
//!
//! Every policy chooses among the endpoints that may be chosen; whether an endpoint may is decided by the caller. The
//! smooth weighted round robin keeps its state per worker ([`Turn`]), so that workers share nothing.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use rand::Rng;
use rand::rngs::SmallRng;
use yumen_config::config::Balance;

use super::endpoint::Endpoint;

/// Where a worker stands in its round.
#[derive(Default)]
pub(crate) struct Turn {
    next: usize,
    current: Vec<i64>,
}

/// Chooses one of `from`; `None` when it is empty or every weight is zero.
pub(crate) fn choose<'a>(
    policy: Balance,
    from: &'a [Arc<Endpoint>],
    turn: &mut Turn,
    client: IpAddr,
    rng: &mut SmallRng,
) -> Option<&'a Arc<Endpoint>> {
    match from {
        [] => return None,
        [only] => return Some(only),
        _ => {}
    }
    match policy {
        Balance::RoundRobin if even(from) => {
            turn.next = turn.next.wrapping_add(1);
            from.get(turn.next % from.len())
        }
        Balance::RoundRobin | Balance::WeightedRoundRobin => smooth(from, turn),
        Balance::LeastConnections => least(from, rng),
        Balance::P2cEwma => two_choices(from, rng),
        Balance::IpHash => by_address(from, client),
    }
}

fn even(from: &[Arc<Endpoint>]) -> bool {
    from.windows(2).all(|pair| matches!(pair, [a, b] if a.weight() == b.weight()))
}

/// Smooth weighted round robin: everyone gains its weight, the richest goes and pays the sum. The turns of a heavy
/// endpoint are spread out instead of coming in a burst.
fn smooth<'a>(from: &'a [Arc<Endpoint>], turn: &mut Turn) -> Option<&'a Arc<Endpoint>> {
    if turn.current.len() != from.len() {
        turn.current = vec![0; from.len()];
    }
    let sum: i64 = from.iter().map(|e| i64::from(e.weight())).sum();
    let mut best = 0;
    for (i, endpoint) in from.iter().enumerate() {
        turn.current[i] += i64::from(endpoint.weight());
        if turn.current[i] > turn.current[best] {
            best = i;
        }
    }
    turn.current[best] -= sum;
    from.get(best)
}

/// The fewest in flight for its weight; equals are drawn by lot, else every worker would favour the first.
fn least<'a>(from: &'a [Arc<Endpoint>], rng: &mut SmallRng) -> Option<&'a Arc<Endpoint>> {
    let load = |e: &Endpoint| (u64::from(e.active()) + 1) * 1_000_000 / u64::from(e.weight().max(1));
    let start = rng.random_range(0..from.len());
    (0..from.len()).filter_map(|i| from.get((start + i) % from.len())).min_by_key(|e| load(e))
}

/// The cheaper of two drawn by lot (Mitzenmacher's power of two choices).
fn two_choices<'a>(from: &'a [Arc<Endpoint>], rng: &mut SmallRng) -> Option<&'a Arc<Endpoint>> {
    let first = rng.random_range(0..from.len());
    let second = (first + rng.random_range(1..from.len())) % from.len();
    let (a, b) = (from.get(first)?, from.get(second)?);
    let cost = |e: &Endpoint| e.cost() / u64::from(e.weight().max(1));
    Some(if cost(b) < cost(a) { b } else { a })
}

/// Rendezvous hashing: a client keeps its endpoint, and when one leaves only its own clients move.
fn by_address(from: &[Arc<Endpoint>], client: IpAddr) -> Option<&Arc<Endpoint>> {
    from.iter().max_by(|a, b| score(a, client).total_cmp(&score(b, client)))
}

fn score(endpoint: &Endpoint, client: IpAddr) -> f64 {
    let mut hasher = DefaultHasher::new();
    client.to_canonical().hash(&mut hasher);
    endpoint.name.hash(&mut hasher);
    // A draw in (0, 1); the logarithm makes the chance of winning proportional to the weight.
    let draw = ((hasher.finish() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    f64::from(endpoint.weight()) / -draw.ln()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeMap;

    use rand::SeedableRng;

    use super::*;
    use crate::upstream::endpoint::tests::endpoint;

    fn tally(policy: Balance, weights: &[u32], rounds: usize) -> Vec<usize> {
        let all: Vec<_> = weights.iter().enumerate().map(|(i, w)| Arc::new(endpoint(&format!("e{i}"), *w))).collect();
        let from = all;
        let (mut turn, mut rng) = (Turn::default(), SmallRng::seed_from_u64(7));
        let mut counts = BTreeMap::new();
        for n in 0..rounds {
            let client = IpAddr::from([10, 0, (n >> 8) as u8, n as u8]);
            let chosen = choose(policy, &from, &mut turn, client, &mut rng).unwrap();
            *counts.entry(chosen.name.to_string()).or_insert(0) += 1;
        }
        (0..weights.len()).map(|i| counts.get(&format!("e{i}")).copied().unwrap_or(0)).collect()
    }

    #[test]
    fn round_robin_is_exactly_even() {
        assert_eq!(tally(Balance::RoundRobin, &[1, 1, 1], 300), [100, 100, 100]);
    }

    #[test]
    fn weights_are_kept_exactly_and_without_bursts() {
        assert_eq!(tally(Balance::WeightedRoundRobin, &[5, 1, 1], 700), [500, 100, 100]);
        let all: Vec<_> = [5, 1, 1].iter().enumerate().map(|(i, w)| Arc::new(endpoint(&format!("e{i}"), *w))).collect();
        let from = all;
        let mut turn = Turn::default();
        let order: String = (0..7).map(|_| smooth(&from, &mut turn).unwrap().name.chars().last().unwrap()).collect();
        assert_eq!(order, "0010200");
    }

    #[test]
    fn address_hash_follows_weights_and_moves_only_the_clients_of_the_one_that_left() {
        let counts = tally(Balance::IpHash, &[1, 3], 4000);
        assert!((2800..3200).contains(&counts[1]), "{counts:?}");
        let all: Vec<_> = (0..4).map(|i| Arc::new(endpoint(&format!("e{i}"), 1))).collect();
        let four = all.clone();
        let three = all[..3].to_vec();
        for n in 0..500u32 {
            let client = IpAddr::from(n.to_be_bytes());
            let before = by_address(&four, client).unwrap();
            if before.name.as_ref() != "e3" {
                assert_eq!(before.id, by_address(&three, client).unwrap().id);
            }
        }
    }

    #[test]
    fn busy_and_slow_endpoints_get_less() {
        let (a, b) = (Arc::new(endpoint("a", 1)), Arc::new(endpoint("b", 1)));
        let _busy = (a.enter(), a.enter());
        let from = [Arc::clone(&a), Arc::clone(&b)];
        let mut rng = SmallRng::seed_from_u64(1);
        for _ in 0..50 {
            assert_eq!(least(&from, &mut rng).unwrap().id, b.id);
            assert_eq!(two_choices(&from, &mut rng).unwrap().id, b.id);
        }
    }
}
