//! From lines of JSON to logs of the service.

use std::time::Duration;

use serde_json::{Map, Value};
use yumen_alibaba::Timestamp;
use yumen_alibaba::api::sls::{Log, LogGroup};

/// The service takes no more logs in one request.
const MOST: usize = 4096;

/// Lines in groups of at most `size` bytes, with how many are in each. Fields become contents, `ts` the time. What is no JSON
/// is left out; `now` is the time of a line without one.
pub(super) fn groups(lines: &[u8], size: usize, now: Duration, like: &LogGroup) -> Vec<(LogGroup, u64)> {
    let (mut all, mut group, mut bytes) = (Vec::new(), like.clone(), 0);
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Some(log) = log(line, now) else { continue };
        if !group.logs.is_empty() && (bytes + line.len() > size || group.logs.len() == MOST) {
            let full = std::mem::replace(&mut group, like.clone());
            let count = full.logs.len() as u64;
            all.push((full, count));
            bytes = 0;
        }
        bytes += line.len();
        group.logs.push(log);
    }
    if !group.logs.is_empty() {
        let count = group.logs.len() as u64;
        all.push((group, count));
    }
    all
}

fn log(line: &[u8], now: Duration) -> Option<Log> {
    let fields: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let time = fields.get("ts").and_then(Value::as_str).and_then(time);
    let contents = fields.into_iter().filter(|(name, _)| name != "ts" || time.is_none());
    let contents = contents.map(|(name, value)| (name, text(value))).collect();
    Some(Log { time: time.unwrap_or(now), contents })
}

/// A text as it is; everything else as JSON.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The time of a line, with its milliseconds.
fn time(text: &str) -> Option<Duration> {
    let seconds = Timestamp::parse_iso(text)?.unix();
    let fraction = text.split_once('.').and_then(|(_, rest)| rest.strip_suffix('Z'));
    let millis = fraction.and_then(|digits| digits.parse().ok()).filter(|millis| *millis < 1000).unwrap_or(0);
    Some(Duration::from_secs(seconds) + Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_contents_and_the_time_keeps_its_milliseconds() {
        let line =
            br#"{"ts":"2026-01-02T03:04:05.678Z","path":"/a?b","status":200,"early_data":true,"cert_san":["a","b"]}"#;
        let now = Duration::from_secs(1);
        let groups =
            groups(&[line.as_slice(), b"no JSON", b"{\"x\":1}"].join(&b'\n'), 1 << 20, now, &LogGroup::default());
        let [(group, 2)] = groups.as_slice() else { panic!("{groups:?}") };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let contents = vec![
            pair("path", "/a?b"),
            pair("status", "200"),
            pair("early_data", "true"),
            pair("cert_san", "[\"a\",\"b\"]"),
        ];
        assert_eq!(group.logs[0], Log { time: Duration::new(1_767_323_045, 678_000_000), contents });
        assert_eq!(group.logs[1], Log { time: now, contents: vec![pair("x", "1")] });
    }

    #[test]
    fn a_group_has_its_limits() {
        let lines = b"{\"a\":1}\n".repeat(MOST * 2 + 1);
        let counts = |size| {
            let all = groups(&lines, size, Duration::ZERO, &LogGroup::default());
            all.iter().map(|(_, count)| *count).collect::<Vec<_>>()
        };
        assert_eq!(counts(1 << 20), [4096, 4096, 1]);
        assert_eq!(counts(7 * 3000)[..3], [3000, 3000, 2193]);
    }
}
