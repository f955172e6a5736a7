//! Writes the Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write};

use crate::catalogue::{Family, Kind};
use crate::metric::{BUCKETS, Spread};

/// A page being written. Writing to a `String` cannot fail, so the results of `write!` carry nothing.
pub(crate) struct Page {
    text: String,
}

impl Page {
    pub(crate) fn new() -> Self {
        Self { text: String::with_capacity(16 * 1024) }
    }

    /// Begins a family; its samples follow.
    pub(crate) fn family(&mut self, family: &Family) {
        self.text.push_str("# HELP ");
        self.text.push_str(family.name);
        self.text.push(' ');
        escape(&mut self.text, family.help, false);
        self.put(format_args!("\n# TYPE {} {}\n", family.name, family.kind.as_str()));
    }

    /// One sample of a counter or gauge; `labels` are the values in the order of the family's labels.
    pub(crate) fn sample(&mut self, family: &Family, labels: &[&str], value: impl Display) {
        debug_assert!(family.kind != Kind::Histogram);
        self.text.push_str(family.name);
        self.labels(family, labels, None);
        self.put(format_args!(" {value}\n"));
    }

    /// The samples of one histogram.
    pub(crate) fn histogram(&mut self, family: &Family, labels: &[&str], spread: &Spread) {
        let mut count = 0;
        let bounds = BUCKETS.iter().map(|(_, text)| *text).chain(["+Inf"]);
        for (n, bound) in spread.buckets.iter().zip(bounds) {
            count += n;
            self.put(format_args!("{}_bucket", family.name));
            self.labels(family, labels, Some(bound));
            self.put(format_args!(" {count}\n"));
        }
        self.put(format_args!("{}_sum", family.name));
        self.labels(family, labels, None);
        self.put(format_args!(" {}\n{}_count", spread.sum.as_secs_f64(), family.name));
        self.labels(family, labels, None);
        self.put(format_args!(" {count}\n"));
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).unwrap_or_default();
    }

    fn labels(&mut self, family: &Family, values: &[&str], bound: Option<&str>) {
        debug_assert_eq!(family.labels.len(), values.len());
        let pairs = family.labels.iter().copied().zip(values.iter().copied()).chain(bound.map(|b| ("le", b)));
        let mut open = false;
        for (name, value) in pairs {
            self.text.push(if open { ',' } else { '{' });
            open = true;
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(&mut self.text, value, true);
            self.text.push('"');
        }
        if open {
            self.text.push('}');
        }
    }
}

/// Escapes as the format asks: backslash and line feed everywhere, the quote in label values.
fn escape(out: &mut String, text: &str, quoted: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quoted => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::LISTENER_ACCEPTED;

    #[test]
    fn label_values_are_escaped() {
        let mut page = Page::new();
        page.sample(&LISTENER_ACCEPTED, &["a\"b\\c\nd"], 1);
        assert_eq!(page.finish(), "yumen_listener_connections_total{listener=\"a\\\"b\\\\c\\nd\"} 1\n");
    }
}
