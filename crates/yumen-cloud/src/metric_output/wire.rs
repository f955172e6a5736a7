//! A `WriteRequest` of Prometheus remote write 1.0: protobuf, compressed by snappy.
//!
//! `WriteRequest { timeseries = 1 }`, `TimeSeries { labels = 1, samples = 2 }`, `Label { name = 1, value = 2 }`,
//! `Sample { value = 1 (double), timestamp = 2 (int64, milliseconds) }`. Labels are sorted by name, and none is empty.

use std::collections::BTreeMap;

use yumen_alibaba::protobuf::{bytes_field, varint};

use super::page::Series;

/// A request with all series at one moment, `millis` since 1970. Labels of a series win over those of all series.
pub(super) fn request(all: &[Series], labels: &BTreeMap<String, String>, millis: u64) -> Result<Vec<u8>, snap::Error> {
    let mut out = Vec::new();
    for series in all {
        bytes_field(&mut out, 1, &encode(series, labels, millis));
    }
    snap::raw::Encoder::new().compress_vec(&out)
}

fn encode(series: &Series, labels: &BTreeMap<String, String>, millis: u64) -> Vec<u8> {
    let mut sorted: BTreeMap<&str, &str> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    sorted.extend(series.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    sorted.insert("__name__", &series.name);
    let mut out = Vec::new();
    for (name, value) in sorted.into_iter().filter(|(_, value)| !value.is_empty()) {
        let mut label = Vec::with_capacity(name.len() + value.len() + 4);
        bytes_field(&mut label, 1, name.as_bytes());
        bytes_field(&mut label, 2, value.as_bytes());
        bytes_field(&mut out, 1, &label);
    }
    let mut sample = vec![1 << 3 | 1];
    sample.extend_from_slice(&series.value.to_le_bytes());
    sample.push(2 << 3);
    varint(&mut sample, millis);
    bytes_field(&mut out, 2, &sample);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_request_is_protobuf_with_sorted_labels() {
        let text = |text: &str| text.to_owned();
        let series = Series {
            name: text("up"),
            labels: vec![(text("z"), text("1")), (text("b"), text("own")), (text("e"), text(""))],
            value: 1.5,
        };
        let labels = BTreeMap::from([(text("b"), text("all")), (text("a"), text("x"))]);
        let body = request(&[series], &labels, 300).unwrap();
        let plain = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        let mut expected = Vec::new();
        for (name, value) in [("__name__", "up"), ("a", "x"), ("b", "own"), ("z", "1")] {
            let (n, v) = (name.len() as u8, value.len() as u8);
            expected.extend([0x0a, n + v + 4, 0x0a, n]);
            expected.extend(name.bytes());
            expected.extend([0x12, v]);
            expected.extend(value.bytes());
        }
        expected.extend([0x12, 12, 0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x10, 0xac, 0x02]);
        expected.splice(0..0, [0x0a, expected.len() as u8]);
        assert_eq!(plain, expected);
    }
}
