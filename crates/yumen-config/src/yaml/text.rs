//! The text of a file, and its lines for excerpts.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Place;

/// The longest line that is shown whole; generated files can have all they hold on one.
const WHOLE: usize = 400;
/// What is shown before the column of a longer line.
const BEFORE: usize = 60;

/// A text and where it comes from.
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    /// What relative paths in it are relative to.
    pub(crate) folder: PathBuf,
    pub(crate) text: String,
    /// Where lines begin and end; needed for complaints only.
    lines: OnceCell<Vec<(usize, usize)>>,
}

impl Source {
    pub(crate) fn new(name: &str, folder: &Path, text: String) -> Self {
        Self { name: Arc::from(name), folder: folder.to_owned(), text, lines: OnceCell::new() }
    }

    /// A line, counted from 1; empty when there is none.
    pub(crate) fn line(&self, number: u32) -> &str {
        let lines = self.lines.get_or_init(|| lines(&self.text));
        let range = lines.get((number as usize).wrapping_sub(1));
        range.and_then(|(start, end)| self.text.get(*start..*end)).unwrap_or_default()
    }
}

impl Source {
    /// The place itself, or the end of the last line before it with something on it: where a text ends too early, the
    /// end of the file shows nobody what is missing.
    pub(crate) fn at_text(&self, place: Place) -> Place {
        let lines = self.lines.get_or_init(|| lines(&self.text)).len();
        let mut line = place.line.min(u32::try_from(lines).unwrap_or(u32::MAX));
        if line == place.line && !self.line(line).trim().is_empty() {
            return place;
        }
        while line > 1 && self.line(line).trim().is_empty() {
            line -= 1;
        }
        let column = u32::try_from(self.line(line).trim_end().chars().count()).unwrap_or(u32::MAX - 1) + 1;
        Place { line, column, end: column + 1, last: line, ..place }
    }
}

/// YAML ends a line at `\n`, `\r\n` and `\r` alone, YAML 1.2 section 5.4.
fn lines(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut all = Vec::new();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let ends = *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        if ends {
            let end = if *byte == b'\n' && at > start && bytes.get(at - 1) == Some(&b'\r') { at - 1 } else { at };
            all.push((start, end));
            start = at + 1;
        }
    }
    all.push((start, bytes.len()));
    all
}

/// A line as it is shown. What kind it is, is found out once: there can be many complaints about one long line.
enum Shown {
    Short(Arc<str>),
    /// A column is a byte.
    Ascii(String),
    Wide(Vec<char>),
}

/// Lines with the parts that must not be seen replaced by stars.
#[derive(Default)]
pub(crate) struct Excerpts {
    lines: HashMap<(u32, u32), Shown>,
}

impl Excerpts {
    /// The part of a line around a column, and the column that this part begins with. `mask` gives a line with what is
    /// not to be seen hidden; it is asked once for each line.
    pub(crate) fn around(
        &mut self,
        (file, number): (u32, u32),
        line: &str,
        column: u32,
        mask: &dyn Fn(&str) -> Option<String>,
    ) -> (Arc<str>, u32) {
        let shown = self.lines.entry((file, number)).or_insert_with(|| {
            let line = mask(line).unwrap_or_else(|| line.to_owned());
            match () {
                () if line.len() <= WHOLE => Shown::Short(Arc::from(line)),
                () if line.is_ascii() => Shown::Ascii(line),
                () => Shown::Wide(line.chars().collect()),
            }
        });
        let skipped = (column as usize).saturating_sub(1 + BEFORE);
        let part = |len: usize| skipped.min(len)..(skipped + WHOLE).min(len);
        let text: Arc<str> = match shown {
            Shown::Short(line) => return (Arc::clone(line), 1),
            Shown::Ascii(line) => Arc::from(line.get(part(line.len())).unwrap_or_default()),
            Shown::Wide(line) => {
                let part = line.get(part(line.len())).unwrap_or_default();
                Arc::from(part.iter().collect::<String>())
            }
        };
        (text, u32::try_from(skipped + 1).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_ends_a_line() {
        let source = Source::new("t", Path::new(""), "a\nb\r\nc\rd\r\n\re\n".to_owned());
        let lines: Vec<_> = (0..10).map(|n| source.line(n)).collect();
        assert_eq!(lines, ["", "a", "b", "c", "d", "", "e", "", "", ""]);
    }

    #[test]
    fn a_long_line_is_cut_around_the_column() {
        let mut excerpts = Excerpts::default();
        let long = format!("{}x{}", "a".repeat(1000), "b".repeat(1000));
        let (part, first) = excerpts.around((0, 1), &long, 1001, &|_| None);
        assert_eq!((first, part.find('x'), part.len()), (941, Some(60), 400));
        let (part, first) = excerpts.around((0, 2), &long.replace('a', "ä"), 1001, &|_| None);
        assert_eq!((first, part.chars().position(|c| c == 'x')), (941, Some(60)));
    }
}
