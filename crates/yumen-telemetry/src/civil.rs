//! Dates in UTC, by hand: the calendar costs a few divisions, and only when the second changes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment as `2026-01-31T12:00:00`, the first part of an RFC 3339 timestamp.
pub(crate) type Stamp = [u8; 19];

/// The date and time of a second since 1970, UTC.
pub(crate) fn stamp(second: u64) -> Stamp {
    let (days, rest) = (second / 86_400, second % 86_400);
    let (year, month, day) = date(days);
    let mut out = *b"0000-00-00T00:00:00";
    digits(&mut out[0..4], year);
    digits(&mut out[5..7], month);
    digits(&mut out[8..10], day);
    digits(&mut out[11..13], rest / 3600);
    digits(&mut out[14..16], rest / 60 % 60);
    digits(&mut out[17..19], rest % 60);
    out
}

/// Year, month and day of a day since 1970-01-01, by Howard Hinnant's `civil_from_days`: years begin in March, so that
/// the leap day is the last one.
fn date(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * day_of_year + 2) / 153;
    let month = if m < 10 { m + 3 } else { m - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_year - (153 * m + 2) / 5 + 1)
}

/// Writes a number with leading zeros into all of `out`.
pub(crate) fn digits(out: &mut [u8], mut n: u64) {
    for place in out.iter_mut().rev() {
        *place = b'0' + (n % 10) as u8;
        n /= 10;
    }
}

/// The wall clock since 1970; zero when the host's clock stands before that.
pub(crate) fn since_epoch() -> Duration {
    today().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate; the room of the sockets is above it")]
pub(crate) fn today() -> SystemTime {
    SystemTime::now()
}

/// The monotonic clock of the threads that are not workers, and of the anchor below.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate; the room of the sockets is above it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Turns instants of the data path into wall-clock time without asking a clock: it is anchored anew at every flush, so
/// a step of the host's clock is followed within one tick.
pub(crate) struct WallClock {
    anchor: Instant,
    wall: Duration,
    second: u64,
    stamp: Stamp,
}

impl WallClock {
    pub(crate) fn new() -> Self {
        let wall = since_epoch();
        Self { anchor: now(), wall, second: wall.as_secs(), stamp: stamp(wall.as_secs()) }
    }

    /// Asks the clocks.
    pub(crate) fn anchor(&mut self) {
        (self.anchor, self.wall) = (now(), since_epoch());
    }

    /// The second and the milliseconds of an instant.
    pub(crate) fn at(&mut self, instant: Instant) -> (Stamp, u32) {
        let wall = match instant.checked_duration_since(self.anchor) {
            Some(later) => self.wall.saturating_add(later),
            None => self.wall.saturating_sub(self.anchor.duration_since(instant)),
        };
        if wall.as_secs() != self.second {
            self.second = wall.as_secs();
            self.stamp = stamp(self.second);
        }
        (self.stamp, wall.subsec_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(second: u64) -> String {
        String::from_utf8_lossy(&stamp(second)).into_owned()
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (second, expected) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_769_860_800, "2026-01-31T12:00:00"),
            (1_709_164_800, "2024-02-29T00:00:00"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (4_107_456_000, "2100-02-28T00:00:00"),
            (253_402_300_799, "9999-12-31T23:59:59"),
        ] {
            assert_eq!(text(second), expected);
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut last = date(0);
        for day in 1..200_000 {
            let next = date(day);
            assert!(next > last, "{last:?} {next:?}");
            assert!(next.2 == 1 || next.2 == last.2 + 1);
            last = next;
        }
    }

    #[test]
    fn instants_before_and_after_the_anchor_are_placed_right() {
        let mut clock = WallClock::new();
        clock.wall = Duration::from_millis(1_769_860_800_250);
        let at = clock.anchor;
        assert_eq!(clock.at(at + Duration::from_millis(749)), (*b"2026-01-31T12:00:00", 999));
        assert_eq!(clock.at(at + Duration::from_millis(750)), (*b"2026-01-31T12:00:01", 0));
        if let Some(before) = at.checked_sub(Duration::from_millis(251)) {
            assert_eq!(clock.at(before), (*b"2026-01-31T11:59:59", 999));
        }
    }
}
