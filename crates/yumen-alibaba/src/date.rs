//! Points in time and the three spellings in which the cloud wants them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time, to the second, from the year 1970 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// The last second of the year 9999: later ones have no spelling.
const LAST: u64 = 253_402_300_799;

impl Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z; what lies after the year 9999 becomes its last second.
    #[must_use]
    pub fn from_unix(seconds: u64) -> Self {
        Self(seconds.min(LAST))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix(self) -> u64 {
        self.0
    }

    /// `2026-01-02T03:04:05Z`, the form of ACS3 and of RPC.
    #[must_use]
    pub fn iso(self) -> String {
        let (year, month, day) = self.day();
        let (hour, minute, second) = self.time();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// `20260102T030405Z`, the form of the signatures of version 4.
    #[must_use]
    pub fn compact(self) -> String {
        let (year, month, day) = self.day();
        let (hour, minute, second) = self.time();
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }

    /// `20260102`, the day in the scope of a signature of version 4.
    #[must_use]
    pub fn compact_day(self) -> String {
        let (year, month, day) = self.day();
        format!("{year:04}{month:02}{day:02}")
    }

    /// `Fri, 02 Jan 2026 03:04:05 GMT`, RFC 9110 section 5.6.7.
    #[must_use]
    pub fn http(self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(self.0))
    }

    /// Reads the form of RFC 9110 section 5.6.7.
    #[must_use]
    pub fn parse_http(text: &str) -> Option<Self> {
        let time = httpdate::parse_http_date(text.trim()).ok()?;
        Some(Self::of(time))
    }

    /// Reads `2026-01-02T03:04:05Z`; a fraction of the second is dropped, and `2026-01-02T03:04Z` is taken too, since some
    /// products leave the seconds out.
    #[must_use]
    pub fn parse_iso(text: &str) -> Option<Self> {
        let (date, time) = text.trim().strip_suffix('Z')?.split_once('T')?;
        let (year, month, day) = numbers(date, '-')?;
        let time = time.split_once('.').map_or(time, |(whole, _)| whole);
        let (hour, minute, second) = match time.matches(':').count() {
            1 => numbers(&format!("{time}:00"), ':')?,
            _ => numbers(time, ':')?,
        };
        let is_valid = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_of(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        let days = is_valid.then(|| days_until(year, month, day))?;
        Some(Self::from_unix(days * 86_400 + hour * 3600 + minute * 60 + second))
    }

    /// The second in which `time` lies; what lies before 1970 becomes 1970.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        Self::from_unix(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }

    /// How long from `self` to `later`; zero when it is past.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_secs(later.0.saturating_sub(self.0))
    }

    /// The point in time `by` later.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self::from_unix(self.0.saturating_add(by.as_secs()))
    }

    fn time(self) -> (u64, u64, u64) {
        let second = self.0 % 86_400;
        (second / 3600, second / 60 % 60, second % 60)
    }

    fn day(self) -> (u64, u64, u64) {
        let mut left = self.0 / 86_400;
        // A whole cycle of the Gregorian calendar first, then years: at most four hundred steps.
        let mut year = 1970 + left / 146_097 * 400;
        left %= 146_097;
        while left >= days_in(year) {
            left -= days_in(year);
            year += 1;
        }
        let mut month = 1;
        while left >= days_of(year, month) {
            left -= days_of(year, month);
            month += 1;
        }
        (year, month, left + 1)
    }
}

fn numbers(text: &str, separator: char) -> Option<(u64, u64, u64)> {
    let mut parts = text.split(separator).map(|part| {
        let is_number = (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse::<u64>().ok()).flatten()
    });
    let numbers = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(numbers)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_until(year: u64, month: u64, day: u64) -> u64 {
    let years: u64 = (1970..year).map(days_in).sum();
    let months: u64 = (1..month).map(|month| days_of(year, month)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_second_has_four_spellings() {
        let time = Timestamp::from_unix(1_767_323_045);
        assert_eq!(time.iso(), "2026-01-02T03:04:05Z");
        assert_eq!(time.compact(), "20260102T030405Z");
        assert_eq!(time.compact_day(), "20260102");
        assert_eq!(time.http(), "Fri, 02 Jan 2026 03:04:05 GMT");
    }

    #[test]
    fn every_day_is_read_as_it_is_written() {
        for day in (0..200_000u64).step_by(7) {
            let time = Timestamp::from_unix(day * 86_400 + day % 86_400);
            assert_eq!(Timestamp::parse_iso(&time.iso()), Some(time), "{}", time.iso());
        }
        let time = Timestamp::from_unix(LAST);
        assert_eq!(time.iso(), "9999-12-31T23:59:59Z");
        assert_eq!(Timestamp::from_unix(u64::MAX), time);
        assert_eq!(Timestamp::parse_http(&time.http()), Some(time));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "Z",
            "2026-01-02",
            "2026-13-02T03:04:05Z",
            "2026-02-29T03:04:05Z",
            "2026-01-00T03:04:05Z",
            "2026-01-02T24:04:05Z",
            "2026-01-02T03:04:05",
            "2026-01-02T03:04:05:06Z",
            "1969-12-31T23:59:59Z",
            "2026-01-02T+3:04:05Z",
        ] {
            assert_eq!(Timestamp::parse_iso(text), None, "{text}");
        }
        assert!(Timestamp::parse_iso("2026-01-02T03:04Z").is_some());
        assert_eq!(Timestamp::parse_iso("2026-01-02T03:04:05.999Z"), Some(Timestamp::from_unix(1_767_323_045)));
    }
}
