//! The `grpc-timeout` field: `TimeoutValue TimeoutUnit`, at most eight digits and one letter.

use std::time::Duration;

/// Reads a value; `None` when it is none.
pub fn parse_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = digits.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(n * 3600),
        b'M' => Duration::from_secs(n * 60),
        b'S' => Duration::from_secs(n),
        b'm' => Duration::from_millis(n),
        b'u' => Duration::from_micros(n),
        b'n' => Duration::from_nanos(n),
        _ => return None,
    })
}

/// Writes a duration in the finest unit that has room for it. It never becomes longer, nor nothing: what is less than a
/// nanosecond is one.
pub fn encode_timeout(timeout: Duration) -> String {
    const ROOM: u128 = 100_000_000;
    let nanos = timeout.as_nanos();
    let units = [("n", 1), ("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000), ("M", 60_000_000_000)];
    for (unit, size) in units {
        let n = nanos / size;
        if n < ROOM {
            return format!("{}{unit}", n.max(1));
        }
    }
    format!("{}H", (nanos / 3_600_000_000_000).min(ROOM - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_the_grammar_allows_is_a_timeout() {
        assert_eq!(parse_timeout(b"1H"), Some(Duration::from_secs(3600)));
        assert_eq!(parse_timeout(b"2M"), Some(Duration::from_secs(120)));
        assert_eq!(parse_timeout(b"00000003S"), Some(Duration::from_secs(3)));
        assert_eq!(parse_timeout(b"0n"), Some(Duration::ZERO));
        assert_eq!(parse_timeout(b"99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for value in
            ["", "S", "1", "1s", "1h", "+1S", "-1S", "1 S", " 1S", "1S ", "123456789S", "1.5S", "1mS", "\u{661}S"]
        {
            assert_eq!(parse_timeout(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn timeout_is_written_in_the_finest_unit_with_room() {
        for (timeout, text) in [
            (Duration::ZERO, "1n"),
            (Duration::from_micros(99_999), "99999000n"),
            (Duration::from_millis(100), "100000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(100_000_000), "1666666M"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(encode_timeout(timeout), text);
        }
    }

    proptest! {
        #[test]
        fn timeout_survives_writing_and_reading_but_for_its_last_digits(nanos in 1u64..) {
            let timeout = Duration::from_nanos(nanos);
            let again = parse_timeout(encode_timeout(timeout).as_bytes());
            prop_assert!(again.is_some_and(|again| again <= timeout && timeout - again <= timeout / 10_000));
        }

        #[test]
        fn timeout_reader_takes_any_bytes(value in proptest::collection::vec(any::<u8>(), 0..12)) {
            let is_one = value.len() >= 2
                && value.len() <= 9
                && value[..value.len() - 1].iter().all(u8::is_ascii_digit)
                && b"HMSmun".contains(&value[value.len() - 1]);
            prop_assert_eq!(parse_timeout(&value).is_some(), is_one);
        }
    }
}
