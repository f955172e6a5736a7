//! Hosts: exact, then `*.` by the longest suffix, then any.

use rustc_hash::FxHashMap;

/// A host pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pattern {
    /// This host, lower case.
    Exact(Box<str>),
    /// Every host below this one (one label or more); the text is what follows `*.`, lower case.
    Below(Box<str>),
    /// Any host, or none.
    Any,
}

/// What each host pattern leads to.
#[derive(Debug, Default)]
pub(crate) struct Hosts<V> {
    exact: FxHashMap<Box<str>, V>,
    below: FxHashMap<Box<str>, V>,
    any: Option<V>,
}

impl<V: Default> Hosts<V> {
    /// The place of a pattern, made when missing.
    pub(crate) fn entry(&mut self, pattern: &Pattern) -> &mut V {
        match pattern {
            Pattern::Exact(host) => self.exact.entry(host.clone()).or_default(),
            Pattern::Below(host) => self.below.entry(host.clone()).or_default(),
            Pattern::Any => self.any.get_or_insert_default(),
        }
    }

    /// The value of any host, when there is no other pattern.
    pub(crate) fn only_any(&self) -> Option<&V> {
        if self.exact.is_empty() && self.below.is_empty() { self.any.as_ref() } else { None }
    }

    /// Offers every place that takes `host`, most specific first, until `accept` finds something there.
    pub(crate) fn find<T>(&self, host: &str, accept: &mut dyn FnMut(&V) -> Option<T>) -> Option<T> {
        let mut lower = [0u8; 256];
        let host = lower_case(host, &mut lower);
        if let Some(found) = self.exact.get(host).and_then(&mut *accept) {
            return Some(found);
        }
        if !self.below.is_empty() {
            let mut rest = host;
            while let Some((_, parent)) = rest.split_once('.') {
                if let Some(found) = self.below.get(parent).and_then(&mut *accept) {
                    return Some(found);
                }
                rest = parent;
            }
        }
        self.any.as_ref().and_then(accept)
    }
}

/// The host in lower case and without a final dot; one that is too long for a name matches nothing but `Any`.
fn lower_case<'a>(host: &str, into: &'a mut [u8; 256]) -> &'a str {
    let bytes = host.as_bytes();
    let bytes = bytes.strip_suffix(b".").unwrap_or(bytes);
    let Some(place) = into.get_mut(..bytes.len()) else { return "" };
    place.copy_from_slice(bytes);
    place.make_ascii_lowercase();
    std::str::from_utf8(place).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_beats_the_longest_suffix_beats_any() {
        let mut hosts: Hosts<&str> = Hosts::default();
        *hosts.entry(&Pattern::Exact("a.example.com".into())) = "exact";
        *hosts.entry(&Pattern::Below("example.com".into())) = "below";
        *hosts.entry(&Pattern::Below("b.example.com".into())) = "deeper";
        *hosts.entry(&Pattern::Any) = "any";
        for (host, to) in [
            ("a.example.com", "exact"),
            ("A.Example.COM", "exact"),
            ("a.example.com.", "exact"),
            ("x.example.com", "below"),
            ("x.b.example.com", "deeper"),
            ("b.example.com", "below"),
            ("example.com", "any"),
            ("", "any"),
            (&"x".repeat(300), "any"),
        ] {
            assert_eq!(hosts.find(host, &mut |v| Some(*v)), Some(to), "{host}");
        }
    }
}
