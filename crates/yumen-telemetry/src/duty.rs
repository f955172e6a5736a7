//! What the gateway does beside traffic: certificates that it renews, records it keeps, balancers it is registered at.
//!
//! Each such thing is a [`Duty`]. It says how it fares, and the status, the metrics and the log tell it: the log only when
//! a duty begins to fail and when it is well again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::catalogue as c;
use crate::page::Page;

/// How a duty fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fare {
    /// It was not done yet, and has not failed either.
    #[default]
    Starting,
    /// It was done the last time it was due.
    Well,
    /// It failed the last time. What was reached before goes on serving.
    Failing,
}

impl Fare {
    /// `starting`, `well` or `failing`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Well => "well",
            Self::Failing => "failing",
        }
    }
}

/// What is known of a duty.
#[derive(Clone, Debug, PartialEq)]
pub struct DutyReport {
    /// What sort of duty: `certificate`.
    pub kind: &'static str,
    /// Its name among those of its kind.
    pub name: String,
    /// How it fares.
    pub fare: Fare,
    /// Since when it fares so.
    pub since: SystemTime,
    /// When it was last done.
    pub last_success: Option<SystemTime>,
    /// When it is due again, if that is known.
    pub next: Option<SystemTime>,
    /// The latest word about it, for operators.
    pub text: String,
    /// What else there is to tell, by name: JSON.
    pub facts: BTreeMap<&'static str, String>,
}

type Reports = Arc<Mutex<BTreeMap<(&'static str, String), Held>>>;

/// A report, and which of the duties of that name wrote it: after a reload the next one begins before the last one is
/// gone.
#[derive(Debug)]
struct Held {
    report: DutyReport,
    writer: u64,
}

/// All duties of the process.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    reports: Reports,
    next: Mutex<u64>,
}

/// One thing the gateway does beside traffic. It is told until this is dropped.
#[derive(Debug)]
pub struct Duty {
    reports: Reports,
    kind: &'static str,
    name: String,
    writer: u64,
}

impl Duties {
    pub(crate) fn open(&self, kind: &'static str, name: &str) -> Duty {
        let writer = {
            let mut next = lock(&self.next);
            *next += 1;
            *next
        };
        let mut reports = lock(&self.reports);
        // A section that was changed goes on from what is known: its failure is not forgotten by a reload.
        let held = reports.entry((kind, name.to_owned())).or_insert_with(|| Held {
            report: DutyReport {
                kind,
                name: name.to_owned(),
                fare: Fare::Starting,
                since: wall(),
                last_success: None,
                next: None,
                text: String::new(),
                facts: BTreeMap::new(),
            },
            writer,
        });
        held.writer = writer;
        drop(reports);
        Duty { reports: Arc::clone(&self.reports), kind, name: name.to_owned(), writer }
    }

    pub(crate) fn list(&self) -> Vec<DutyReport> {
        lock(&self.reports).values().map(|held| held.report.clone()).collect()
    }

    pub(crate) fn render(&self, page: &mut Page) {
        let all = self.list();
        page.family(&c::DUTY_FAILING);
        for duty in &all {
            page.sample(&c::DUTY_FAILING, &[duty.kind, &duty.name], u8::from(duty.fare == Fare::Failing));
        }
        page.family(&c::DUTY_LAST_SUCCESS);
        for duty in &all {
            let seconds = duty.last_success.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
            if let Some(seconds) = seconds {
                page.sample(&c::DUTY_LAST_SUCCESS, &[duty.kind, &duty.name], seconds.as_secs());
            }
        }
    }
}

impl Duty {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It was done; `text` says what there is to say, and may be empty.
    pub fn well(&self, text: impl Into<String>) {
        let (text, now) = (text.into(), wall());
        let recovered = self.change(|report| {
            let before = report.fare;
            if before != Fare::Well {
                report.since = now;
            }
            (report.fare, report.last_success) = (Fare::Well, Some(now));
            report.text.clone_from(&text);
            before == Fare::Failing
        });
        if recovered == Some(true) {
            tracing::info!(kind = self.kind, name = self.name, "well again: {text}");
        }
    }

    /// It failed; `text` says what failed, on what, why and what to do. No secret may stand in it.
    pub fn failing(&self, text: impl Into<String>) {
        let (text, now) = (text.into(), wall());
        let is_new = self.change(|report| {
            let is_new = report.fare != Fare::Failing;
            if is_new {
                report.since = now;
            }
            report.fare = Fare::Failing;
            report.text.clone_from(&text);
            is_new
        });
        match is_new {
            Some(true) => tracing::warn!(kind = self.kind, name = self.name, "failing: {text}"),
            _ => tracing::debug!(kind = self.kind, name = self.name, "still failing: {text}"),
        }
    }

    /// When it is due again.
    pub fn next(&self, at: Option<SystemTime>) {
        self.change(|report| report.next = at);
    }

    /// Tells something else by a name; `json` is a JSON value.
    pub fn fact(&self, name: &'static str, json: impl ToString) {
        let json = json.to_string();
        self.change(|report| drop(report.facts.insert(name, json)));
    }

    /// No longer tells something.
    pub fn forget(&self, name: &str) {
        self.change(|report| drop(report.facts.remove(name)));
    }

    /// Changes the report unless another duty of this name has taken it over.
    fn change<T>(&self, change: impl FnOnce(&mut DutyReport) -> T) -> Option<T> {
        let mut reports = lock(&self.reports);
        let held = reports.get_mut(&(self.kind, self.name.clone())).filter(|held| held.writer == self.writer)?;
        Some(change(&mut held.report))
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        let key = (self.kind, self.name.clone());
        let mut reports = lock(&self.reports);
        if reports.get(&key).is_some_and(|held| held.writer == self.writer) {
            reports.remove(&key);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the date is what is told; no duration is measured with it")]
fn wall() -> SystemTime {
    SystemTime::now()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duty_is_told_until_it_is_dropped() {
        let duties = Duties::default();
        let duty = duties.open("certificate", "www");
        assert_eq!(duties.list().first().map(|d| d.fare), Some(Fare::Starting));
        duty.failing("no answer");
        let since = duties.list().first().map(|d| d.since);
        duty.failing("still no answer");
        let told = duties.list();
        assert_eq!(told.first().map(|d| (d.fare, d.text.as_str())), Some((Fare::Failing, "still no answer")));
        assert_eq!(told.first().map(|d| d.since), since, "it has been failing since the first time");
        duty.well("until tomorrow");
        assert!(duties.list().first().is_some_and(|d| d.fare == Fare::Well && d.last_success.is_some()));
        drop(duty);
        assert_eq!(duties.list(), []);
    }

    #[test]
    fn the_next_of_a_name_goes_on_and_the_last_one_is_not_heard_any_more() {
        let duties = Duties::default();
        let old = duties.open("certificate", "www");
        old.failing("no answer");
        let new = duties.open("certificate", "www");
        old.well("too late");
        drop(old);
        assert_eq!(duties.list().first().map(|d| d.fare), Some(Fare::Failing));
        new.well("");
        assert_eq!(duties.list().first().map(|d| d.fare), Some(Fare::Well));
    }
}
