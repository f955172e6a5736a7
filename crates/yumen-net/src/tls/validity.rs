//! The validity of a certificate, read from its DER (RFC 5280 section 4.1). rustls checks it for certificates of others
//! but does not tell it, and of our own we want to warn before clients complain.

/// Not before and not after, in seconds since 1970; `None` when the certificate is malformed.
pub(super) fn validity(certificate: &[u8]) -> Option<(i64, i64)> {
    let (tbs, _) = element(certificate, 0x30).and_then(|(outer, _)| element(outer, 0x30))?;
    // The version is optional, serial, signature algorithm and issuer are not.
    let rest = element(tbs, 0xa0).map_or(tbs, |(_, rest)| rest);
    let (_, rest) = element(rest, 0x02)?;
    let (_, rest) = element(rest, 0x30)?;
    let (_, rest) = element(rest, 0x30)?;
    let (validity, _) = element(rest, 0x30)?;
    let (not_before, rest) = time(validity)?;
    let (not_after, _) = time(rest)?;
    Some((not_before, not_after))
}

/// The content of the element at the front, which must have this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first != tag {
        return None;
    }
    let (&len, rest) = rest.split_first()?;
    let (len, rest) = match len {
        0..=0x7f => (usize::from(len), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(len & 0x7f))?;
            (digits.iter().fold(0usize, |n, &d| n << 8 | usize::from(d)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(len)
}

/// UTCTime or GeneralizedTime in the only forms RFC 5280 section 4.1.2.5 allows.
fn time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    if let Some((text, rest)) = element(bytes, 0x17) {
        let year = digits(text.get(..2)?)?;
        let century = if year >= 50 { 1900 } else { 2000 };
        return Some((moment(century + year, text.get(2..)?)?, rest));
    }
    let (text, rest) = element(bytes, 0x18)?;
    Some((moment(digits(text.get(..4)?)?, text.get(4..)?)?, rest))
}

fn moment(year: i64, text: &[u8]) -> Option<i64> {
    if text.len() != 11 || text[10] != b'Z' {
        return None;
    }
    let at = |i: usize| digits(&text[i..i + 2]);
    let (month, day) = (at(0)?, at(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days(year, month, day) * 86_400 + at(4)? * 3600 + at(6)? * 60 + at(8)?)
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

/// Days from 1970-01-01 in the Gregorian calendar, counting years from March so that the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let in_era = year.rem_euclid(400);
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719_468
}

/// `2026-01-31` for a moment, in UTC.
pub(super) fn date(seconds: u64) -> String {
    let day = i64::try_from(seconds / 86_400).unwrap_or(i64::MAX / 2) + 719_468;
    let in_era = day.rem_euclid(146_097);
    let year_in_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_in_era + year_in_era / 4 - year_in_era / 100);
    let shifted = (5 * in_year + 2) / 153;
    let day_of_month = in_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_in_era + day.div_euclid(146_097) * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}
