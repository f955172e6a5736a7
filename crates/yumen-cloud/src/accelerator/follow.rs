//! From one answer to the next: what is believed at once, and what has to be said twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::state::{State, Wanted};
use super::survey::Survey;

/// What is believed so far.
pub(super) struct Follow {
    target: String,
    state: Option<Arc<State>>,
    /// What the last complete answer said where that takes something away: `None`: that a listener is gone.
    doubtful: BTreeMap<String, Option<Wanted>>,
}

/// What an answer did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing.
    Same,
    /// There is another state now.
    Changed(Arc<State>),
    /// Nothing yet: these listeners are gone or have less than before, which the next answer has to say too.
    Doubtful(Vec<String>),
    /// Nothing: there is none of these any more, where there were some. It may be a fault of the service.
    Empty(&'static str),
}

impl Follow {
    pub(super) fn new(target: String, state: Option<Arc<State>>) -> Self {
        Self { target, state, doubtful: BTreeMap::new() }
    }

    pub(super) fn state(&self) -> Option<&Arc<State>> {
        self.state.as_ref()
    }

    /// Takes a complete answer.
    pub(super) fn see(&mut self, survey: Survey, now: SystemTime) -> Seen {
        let before = self.state.clone().unwrap_or_default();
        if !survey.has_listeners && !before.listeners.is_empty() {
            return Seen::Empty("listeners");
        }
        if !survey.has_groups && before.listeners.values().any(|old| !old.from.is_empty()) {
            return Seen::Empty("endpoint groups");
        }
        let mut listeners = before.listeners.clone();
        let doubtful = std::mem::take(&mut self.doubtful);
        for (id, old) in &before.listeners {
            let new = survey.listeners.get(id);
            if !takes_away(old, new) || doubtful.get(id).is_some_and(|said| said.as_ref() == new) {
                match new {
                    Some(new) => drop(listeners.insert(id.clone(), new.clone())),
                    None => drop(listeners.remove(id)),
                }
            } else {
                self.doubtful.insert(id.clone(), new.cloned());
            }
        }
        let fresh = survey.listeners.into_iter().filter(|(id, _)| !before.listeners.contains_key(id));
        listeners.extend(fresh);
        let is_same = self.state.is_some() && listeners == before.listeners && survey.accelerator == before.accelerator;
        if !is_same {
            let time = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            let (target, accelerator) = (self.target.clone(), survey.accelerator);
            let state = Arc::new(State { target, accelerator, version: before.version + 1, time, listeners });
            self.state = Some(Arc::clone(&state));
            return Seen::Changed(state);
        }
        match self.doubtful.is_empty() {
            true => Seen::Same,
            false => Seen::Doubtful(self.doubtful.keys().cloned().collect()),
        }
    }
}

/// Whether a listener that changes so would lose clients of before: it is gone, or has fewer ports, is connected to from
/// fewer addresses, or begins its connections in another way.
fn takes_away(old: &Wanted, new: Option<&Wanted>) -> bool {
    let Some(new) = new else { return true };
    let fewer = old.from.iter().any(|address| !new.from.contains(address));
    fewer
        || !new.covers(old)
        || new.spoken != old.spoken
        || new.is_proxied != old.is_proxied
        || (new.problem.is_some() && old.problem.is_none())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::state::Spoken;
    use super::*;

    fn wanted(ports: &[(u16, u16)]) -> Wanted {
        let from = vec!["198.51.100.1".parse().unwrap()];
        Wanted { spoken: Spoken::Tcp, ports: ports.to_vec(), by_source: false, is_proxied: true, from, problem: None }
    }

    fn survey(listeners: &[(&str, &[(u16, u16)])]) -> Survey {
        let listeners: BTreeMap<_, _> = listeners.iter().map(|(id, ports)| ((*id).to_owned(), wanted(ports))).collect();
        Survey { accelerator: "ga-1".to_owned(), has_listeners: true, has_groups: true, listeners }
    }

    fn ids(seen: &Seen) -> Vec<&str> {
        let Seen::Changed(state) = seen else { panic!("{seen:?}") };
        state.listeners.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_listener_goes_only_when_two_complete_answers_in_a_row_lack_it() {
        let mut follow = Follow::new(String::new(), None);
        let mut see = |survey| follow.see(survey, SystemTime::UNIX_EPOCH);
        let both: [(&str, &[(u16, u16)]); 2] = [("a", &[(1, 1)]), ("b", &[(2, 2)])];
        assert_eq!(ids(&see(survey(&both))), ["a", "b"]);
        assert_eq!(see(survey(&both[..1])), Seen::Doubtful(vec!["b".to_owned()]));
        // It came back, so that the count begins anew.
        assert_eq!(see(survey(&both)), Seen::Same);
        assert_eq!(see(survey(&both[..1])), Seen::Doubtful(vec!["b".to_owned()]));
        let gone = see(survey(&both[..1]));
        assert_eq!(ids(&gone), ["a"]);
        let Seen::Changed(state) = gone else { panic!() };
        assert_eq!(state.version, 2);
    }

    #[test]
    fn what_comes_new_is_there_at_once_and_ports_go_as_listeners_do() {
        let mut follow = Follow::new(String::new(), None);
        let mut see = |survey| follow.see(survey, SystemTime::UNIX_EPOCH);
        see(survey(&[("a", &[(1, 5)])]));
        assert_eq!(ids(&see(survey(&[("a", &[(1, 6)]), ("b", &[(9, 9)])]))), ["a", "b"]);
        let less: [(&str, &[(u16, u16)]); 2] = [("a", &[(1, 3)]), ("b", &[(9, 9)])];
        assert!(matches!(see(survey(&less)), Seen::Doubtful(_)));
        // Another answer that takes something else away is the first of its kind.
        let other: [(&str, &[(u16, u16)]); 2] = [("a", &[(1, 2)]), ("b", &[(9, 9)])];
        assert!(matches!(see(survey(&other)), Seen::Doubtful(_)));
        let Seen::Changed(state) = see(survey(&other)) else { panic!() };
        assert_eq!(state.listeners["a"].ports, [(1, 2)]);
    }

    #[test]
    fn an_empty_answer_takes_nothing_away_however_often_it_comes() {
        let mut follow = Follow::new(String::new(), None);
        follow.see(survey(&[("a", &[(1, 1)])]), SystemTime::UNIX_EPOCH);
        for _ in 0..3 {
            let empty = Survey { has_listeners: false, ..survey(&[]) };
            assert_eq!(follow.see(empty, SystemTime::UNIX_EPOCH), Seen::Empty("listeners"));
            let groupless = Survey { has_groups: false, ..survey(&[("a", &[(1, 1)])]) };
            assert_eq!(follow.see(groupless, SystemTime::UNIX_EPOCH), Seen::Empty("endpoint groups"));
        }
        assert_eq!(follow.state().unwrap().listeners.len(), 1);
        // An accelerator that never had any is a good answer.
        let mut fresh = Follow::new(String::new(), None);
        let empty = Survey { has_listeners: false, has_groups: false, ..survey(&[]) };
        assert!(matches!(fresh.see(empty, SystemTime::UNIX_EPOCH), Seen::Changed(_)));
    }
}
