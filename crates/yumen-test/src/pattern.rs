//! Bytes as text with escapes, and what bytes must look like.

use std::fmt::Write;

/// What some bytes must be: all of them given, but for the places that differ from run to run. It always has one length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Bytes(Vec<u8>),
    /// `{date}`: `Sun, 06 Nov 1994 08:49:37 GMT`.
    Date,
    /// `{trace}`: a value of the field `traceparent`.
    Trace,
}

const DATE: usize = 29;
const TRACE: usize = 55;

impl Pattern {
    /// Reads text: `\r`, `\n`, `\t`, `\\`, `\{`, `\xHH` as usual, `{N*text}` is a repetition, `{date}` and `{trace}` are
    /// the places that differ.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pattern = Self::default();
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '{']) {
            let (plain, special) = rest.split_at(at);
            pattern.push(plain.as_bytes());
            rest = match special.strip_prefix('\\') {
                Some(escape) => pattern.escape(escape)?,
                None => pattern.place(special)?,
            };
        }
        pattern.push(rest.as_bytes());
        Ok(pattern)
    }

    /// The bytes, when no place of them differs.
    ///
    /// # Errors
    /// There is such a place.
    pub fn into_bytes(self) -> Result<Vec<u8>, String> {
        let bytes = |piece| match piece {
            Piece::Bytes(bytes) => Ok(bytes),
            Piece::Date | Piece::Trace => Err("{date} and {trace} stand only where bytes are expected".to_owned()),
        };
        self.pieces.into_iter().map(bytes).collect::<Result<Vec<_>, _>>().map(|all| all.concat())
    }

    /// Appends what `more` asks for.
    pub fn extend(&mut self, more: Self) {
        for piece in more.pieces {
            match piece {
                Piece::Bytes(bytes) => self.push(&bytes),
                place => self.pieces.push(place),
            }
        }
    }

    /// How many bytes it asks for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Whether it asks for none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Says nothing when the bytes fit, else shows what was expected and what came.
    ///
    /// # Errors
    /// The difference, for people.
    pub fn check(&self, came: &[u8]) -> Result<(), String> {
        // Each place that looks as it should is replaced by its name in both, so that the rest can be compared as it is.
        let (mut expected, mut seen, mut at) = (Vec::new(), Vec::new(), 0);
        for piece in &self.pieces {
            let end = at + piece.len();
            let part = came.get(at..end.min(came.len())).unwrap_or_default();
            match piece {
                Piece::Bytes(bytes) => {
                    expected.extend_from_slice(bytes);
                    seen.extend_from_slice(part);
                }
                place => {
                    expected.extend_from_slice(place.name());
                    seen.extend_from_slice(if place.fits(part) { place.name() } else { part });
                }
            }
            at = end;
        }
        seen.extend_from_slice(came.get(at..).unwrap_or_default());
        if expected == seen { Ok(()) } else { Err(diff(&expected, &seen)) }
    }

    fn push(&mut self, more: &[u8]) {
        match self.pieces.last_mut() {
            Some(Piece::Bytes(bytes)) => bytes.extend_from_slice(more),
            _ if more.is_empty() => {}
            _ => self.pieces.push(Piece::Bytes(more.to_vec())),
        }
    }

    /// What stands behind a backslash; gives the rest.
    fn escape<'a>(&mut self, text: &'a str) -> Result<&'a str, String> {
        let mut chars = text.chars();
        let byte = match chars.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('\\') => b'\\',
            Some('{') => b'{',
            Some('x') => {
                let digits = text.get(1..3).ok_or("\\x needs two hex digits")?;
                let byte = u8::from_str_radix(digits, 16).map_err(|_| format!("\\x{digits} is no byte"))?;
                self.push(&[byte]);
                return Ok(text.get(3..).unwrap_or_default());
            }
            other => return Err(format!("unknown escape \\{}", other.map(String::from).unwrap_or_default())),
        };
        self.push(&[byte]);
        Ok(chars.as_str())
    }

    /// What stands in braces; gives the rest.
    fn place<'a>(&mut self, text: &'a str) -> Result<&'a str, String> {
        let (inner, rest) = text.get(1..).and_then(|t| t.split_once('}')).ok_or("a brace is not closed; write \\{")?;
        match inner {
            "date" => self.pieces.push(Piece::Date),
            "trace" => self.pieces.push(Piece::Trace),
            _ => {
                let (count, what) = inner.split_once('*').ok_or(format!("{{{inner}}} is unknown; write \\{{"))?;
                let count = count.parse().map_err(|_| format!("{count} is no count"))?;
                let once = Self::parse(what)?.into_bytes()?;
                self.push(&once.repeat(count));
            }
        }
        Ok(rest)
    }
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Date => DATE,
            Self::Trace => TRACE,
        }
    }

    fn name(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Date => b"{date}",
            Self::Trace => b"{trace}",
        }
    }

    fn fits(&self, part: &[u8]) -> bool {
        // `9` stands for a digit, `a` for a letter or digit.
        let shape: &[u8] = match self {
            Self::Bytes(bytes) => return bytes == part,
            Self::Date => b"aaa, 99 aaa 9999 99:99:99 GMT",
            Self::Trace => b"00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-aaaaaaaaaaaaaaaa-0a",
        };
        let fits = |(wanted, byte): (&u8, &u8)| match wanted {
            b'9' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_alphanumeric(),
            _ => wanted == byte,
        };
        shape.len() == part.len() && shape.iter().zip(part).all(fits)
    }
}

/// Bytes as text with the escapes of [`Pattern::parse`]; long runs of one byte are written as a repetition.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let run = bytes[at..].iter().take_while(|other| **other == byte).count();
        let one = match byte {
            b'\r' => "\\r".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\t' => "\\t".to_owned(),
            b'\\' => "\\\\".to_owned(),
            0x20..0x7f => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        };
        if run > 40 {
            // Writing to a `String` cannot fail.
            write!(out, "{{{run}*{one}}}").unwrap();
            at += run;
        } else {
            out.push_str(&one);
            at += 1;
        }
    }
    out
}

/// Two texts line by line: `-` was expected, `+` came, and what stands unmarked is the same in both.
#[must_use]
pub fn diff(expected: &[u8], came: &[u8]) -> String {
    let lines = |bytes: &[u8]| bytes.split_inclusive(|b| *b == b'\n').map(shown).collect::<Vec<_>>();
    let (expected, came) = (lines(expected), lines(came));
    let same = |(a, b): &(&String, &String)| a == b;
    let head = expected.iter().zip(&came).take_while(same).count();
    let most = expected.len().min(came.len()) - head;
    let tail = expected.iter().rev().zip(came.iter().rev()).take_while(same).count().min(most);
    let (removed, added) = (&expected[head..expected.len() - tail], &came[head..came.len() - tail]);
    let mut out = String::new();
    let parts = [(' ', &expected[..head]), ('-', removed), ('+', added), (' ', &expected[expected.len() - tail..])];
    for (mark, part) in parts {
        for line in part {
            // Writing to a `String` cannot fail.
            writeln!(out, "    {mark} {line}").unwrap();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_repetitions_become_bytes() {
        let bytes = Pattern::parse(r"a\r\n\t\\\{\x00\xff{3*xy}{2*\x01}").unwrap().into_bytes().unwrap();
        assert_eq!(bytes, b"a\r\n\t\\{\x00\xffxyxyxy\x01\x01");
        for wrong in [r"\q", r"\x1", "{nothing}", "{3*x", r"\"] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn places_fit_what_looks_like_them_and_nothing_else() {
        let pattern = Pattern::parse("Date: {date};").unwrap();
        assert_eq!(pattern.len(), "Date: Sun, 06 Nov 1994 08:49:37 GMT;".len());
        assert_eq!(pattern.check(b"Date: Sun, 06 Nov 1994 08:49:37 GMT;"), Ok(()));
        assert!(pattern.check(b"Date: Sun, 06 Nov 1994 08:49:37 UTC;").is_err());
        assert!(pattern.check(b"Date: Sun").is_err());
        assert!(pattern.check(b"Date: Sun, 06 Nov 1994 08:49:37 GMT;more").is_err());
    }

    #[test]
    fn difference_marks_only_the_lines_that_differ() {
        let shown = diff(b"same\r\nold\r\nend", b"same\r\nnew\r\nmore\r\nend");
        assert_eq!(shown, "      same\\r\\n\n    - old\\r\\n\n    + new\\r\\n\n    + more\\r\\n\n      end\n");
        assert_eq!(super::shown(&[b'x'; 50]), "{50*x}");
    }
}
