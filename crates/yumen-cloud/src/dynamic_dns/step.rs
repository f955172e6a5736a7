//! From the records that are there to those that shall be, in the fewest steps.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use yumen_alibaba::api::dns::{DEFAULT_LINE, Record};

/// What the records of one name and type shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Below the zone.
    pub(super) rr: &'a str,
    /// `A` or `AAAA`.
    pub(super) kind: &'static str,
    /// The addresses; never empty.
    pub(super) addresses: Vec<IpAddr>,
    /// In seconds; `None`: any will do.
    pub(super) ttl: Option<u32>,
    /// Records of other lines are nothing to us.
    pub(super) line: &'a str,
    /// Whether records that are not ours go.
    pub(super) exclusive: bool,
}

/// One change of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A record is missing.
    Add(IpAddr),
    /// A record says something else.
    Update { id: String, from: String, to: IpAddr },
    /// A record has another TTL, in seconds.
    Keep { id: String, value: IpAddr, from: i64, to: u32 },
    /// A record of an address that is no longer ours.
    Delete { id: String, value: String },
}

/// What is to be done, and what was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// In this order; nothing is deleted before all the rest is there.
    pub(super) steps: Vec<Step>,
    /// Records that say what they shall: ours from now on, whoever made them.
    pub(super) kept: Vec<String>,
    /// Those of them that somebody has turned off.
    pub(super) disabled: Vec<String>,
}

/// Compares; `ours` are the ids of records that we made or took over.
pub(super) fn steps(target: &Target<'_>, there: &[Record], ours: &BTreeSet<String>) -> Found {
    let line = |record: &&Record| record.line == target.line || (record.line.is_empty() && target.line == DEFAULT_LINE);
    let is_ours = |record: &Record| target.exclusive || ours.contains(&record.record_id);
    let mut found = Found::default();
    let mut missing: Vec<IpAddr> = target.addresses.clone();
    let (mut stale, mut seen): (Vec<&Record>, HashSet<IpAddr>) = (Vec::new(), HashSet::new());
    for record in there.iter().filter(line) {
        let address: Option<IpAddr> = record.value.trim().parse().ok();
        let Some(wanted) = address.filter(|address| target.addresses.contains(address)) else {
            if is_ours(record) {
                stale.push(record);
            }
            continue;
        };
        missing.retain(|address| *address != wanted);
        if !seen.insert(wanted) {
            // The same address twice, spelt differently.
            if is_ours(record) {
                stale.push(record);
            }
            continue;
        }
        found.kept.push(record.record_id.clone());
        if record.status.eq_ignore_ascii_case("DISABLE") {
            found.disabled.push(record.value.clone());
        }
        if let Some(to) = target.ttl.filter(|ttl| i64::from(*ttl) != record.ttl) {
            found.steps.push(Step::Keep { id: record.record_id.clone(), value: wanted, from: record.ttl, to });
        }
    }
    let mut stale = stale.into_iter();
    for address in missing {
        found.steps.push(match stale.next() {
            // In place, so that no resolver sees both or neither.
            Some(record) => Step::Update { id: record.record_id.clone(), from: record.value.clone(), to: address },
            None => Step::Add(address),
        });
    }
    let delete = |record: &Record| Step::Delete { id: record.record_id.clone(), value: record.value.clone() };
    found.steps.extend(stale.map(delete));
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn record(id: &str, value: &str) -> Record {
        Record {
            record_id: id.into(),
            value: value.into(),
            ttl: 600,
            line: "default".into(),
            status: "ENABLE".into(),
            ..Record::default()
        }
    }

    fn target(addresses: &[&str]) -> Target<'static> {
        Target {
            rr: "www",
            kind: "A",
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            ttl: None,
            line: "default",
            exclusive: false,
        }
    }

    fn ours(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn update(id: &str, from: &str, to: &str) -> Step {
        Step::Update { id: id.into(), from: from.into(), to: to.parse().unwrap() }
    }

    fn delete(id: &str, value: &str) -> Step {
        Step::Delete { id: id.into(), value: value.into() }
    }

    #[test]
    fn nothing_is_done_when_all_is_as_it_shall_be() {
        let found = steps(&target(&["192.0.2.1"]), &[record("1", "192.0.2.1")], &ours(&[]));
        assert_eq!(found, Found { kept: vec!["1".into()], ..Found::default() });
    }

    #[test]
    fn our_record_follows_the_address_and_records_of_others_stay() {
        let there = [record("1", "192.0.2.1"), record("2", "192.0.2.9")];
        let found = steps(&target(&["192.0.2.2"]), &there, &ours(&["1"]));
        assert_eq!(found.steps, [update("1", "192.0.2.1", "192.0.2.2")]);
        let found = steps(&target(&["192.0.2.2"]), &there, &ours(&[]));
        assert_eq!(found.steps, [Step::Add("192.0.2.2".parse().unwrap())]);
    }

    #[test]
    fn only_an_exclusive_name_loses_the_records_of_others() {
        let there = [record("1", "192.0.2.1"), record("2", "192.0.2.9"), record("3", "text of somebody")];
        let found = steps(&Target { exclusive: true, ..target(&["192.0.2.1"]) }, &there, &ours(&[]));
        assert_eq!(found.steps, [delete("2", "192.0.2.9"), delete("3", "text of somebody")]);
    }

    #[test]
    fn several_addresses_come_and_go() {
        let there = [record("1", "192.0.2.1"), record("2", "192.0.2.2"), record("3", "192.0.2.3")];
        let found = steps(&target(&["192.0.2.2", "192.0.2.4"]), &there, &ours(&["1", "2", "3"]));
        assert_eq!(found.steps, [update("1", "192.0.2.1", "192.0.2.4"), delete("3", "192.0.2.3")]);
        assert_eq!(found.kept, ["2"]);
    }

    #[test]
    fn a_ttl_that_was_asked_for_is_kept_up() {
        let found = steps(&Target { ttl: Some(60), ..target(&["192.0.2.1"]) }, &[record("1", "192.0.2.1")], &ours(&[]));
        let value = "192.0.2.1".parse().unwrap();
        assert_eq!(found.steps, [Step::Keep { id: "1".into(), value, from: 600, to: 60 }]);
    }

    #[test]
    fn other_lines_are_nothing_to_us() {
        let other = Record { line: "telecom".into(), ..record("1", "192.0.2.1") };
        let found = steps(&Target { exclusive: true, ..target(&["192.0.2.1"]) }, &[other], &ours(&["1"]));
        assert_eq!(found.steps, [Step::Add("192.0.2.1".parse().unwrap())]);
    }

    #[test]
    fn two_spellings_of_an_address_are_one_and_a_record_that_is_off_is_told() {
        let off = Record { status: "DISABLE".into(), ..record("1", "2001:db8::1") };
        let there = [off, record("2", "2001:0db8::0001")];
        let found = |ids: &[&str]| steps(&Target { kind: "AAAA", ..target(&["2001:db8::1"]) }, &there, &ours(ids));
        assert_eq!(found(&["2"]).steps, [delete("2", "2001:0db8::0001")]);
        let found = found(&[]);
        assert_eq!(found.steps, []);
        assert_eq!(found.disabled, ["2001:db8::1"]);
    }
}
