//! Header fields: ordered, case preserved, in one block of memory.
//!
//! A received head is copied once into the block and each field is two ranges of it; a field that is added or changed
//! is appended to the block. So no field costs an allocation, the order and the letter case the sender chose reach the
//! other side, and the block can be used again for the next message.

/// A range of the block of a [`Fields`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The range `start..end`.
    pub fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// Whether the range is empty.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

#[derive(Clone, Copy)]
struct Entry {
    name: Span,
    value: Span,
}

/// The fields of one head or trailer section (RFC 9110 section 5).
#[derive(Clone, Default)]
pub struct Fields {
    block: Vec<u8>,
    entries: Vec<Entry>,
}

impl Fields {
    /// No fields, no memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything, keeps the memory, and takes `head`, which has so many `lines`, as the new block. Room is made
    /// for the handful of fields that a gateway adds, so that the common message costs one allocation for each of the two.
    pub fn reset(&mut self, head: &[u8], lines: usize) {
        self.prepare(lines, head.len());
        self.block.extend_from_slice(head);
    }

    /// Forgets everything, keeps the memory, and makes room for so many lines with so many bytes in all, and for the handful
    /// of fields that a gateway adds.
    pub fn prepare(&mut self, lines: usize, bytes: usize) {
        self.block.clear();
        self.entries.clear();
        self.block.reserve(bytes + 256);
        self.entries.reserve(lines + 6);
    }

    /// Names fields that already stand in the block, by their names and values.
    pub fn extend_spans(&mut self, fields: impl Iterator<Item = (Span, Span)>) {
        self.entries.extend(fields.map(|(name, value)| Entry { name, value }));
    }

    /// Appends text to the block and says where it went.
    pub fn intern(&mut self, text: &[u8]) -> Span {
        let start = self.block.len() as u32;
        self.block.extend_from_slice(text);
        Span { start, end: self.block.len() as u32 }
    }

    /// The bytes of a range; empty when the range is not of this block.
    pub fn bytes(&self, span: Span) -> &[u8] {
        self.block.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// The text of a range; empty when it is not UTF-8.
    pub fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes(span)).unwrap_or_default()
    }

    /// How many field lines there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every field line in order, as (name, value).
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|e| (self.bytes(e.name), self.bytes(e.value)))
    }

    /// The first value of a name, in any letter case.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The first value of a name as text; `None` when it is absent or not UTF-8.
    pub fn first_text(&self, name: &str) -> Option<&str> {
        self.first(name).and_then(|v| std::str::from_utf8(v).ok())
    }

    /// Every value of a name, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().filter(move |e| self.is_named(e, name)).map(|e| self.bytes(e.value))
    }

    /// Whether a name is present.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.iter().any(|e| self.is_named(e, name))
    }

    /// Appends a field line. The caller has checked the name and the value.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        let name = self.intern(name.as_bytes());
        let value = self.intern(value);
        self.entries.push(Entry { name, value });
    }

    /// Appends a field line as it goes on the wire, which is how [`Fields::write_lines`] copies it fastest. The caller has
    /// checked the name and the value.
    pub fn add_line(&mut self, name: &[u8], value: &[u8]) {
        let name = self.intern(name);
        self.block.extend_from_slice(b": ");
        let value = self.intern(value);
        self.block.extend_from_slice(b"\r\n");
        self.entries.push(Entry { name, value });
    }

    /// Appends a field line whose value `write` puts behind what it is given. The caller has checked both.
    pub fn add_with(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let name = self.intern(name.as_bytes());
        let start = self.block.len() as u32;
        write(&mut self.block);
        self.entries.push(Entry { name, value: Span { start, end: self.block.len() as u32 } });
    }

    /// Appends a field line whose value stands in the block already.
    pub fn add_span(&mut self, name: &str, value: Span) {
        let name = self.intern(name.as_bytes());
        self.entries.push(Entry { name, value });
    }

    /// Replaces every line of a name by one line, in the place of the first, or appends it.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        let value = self.intern(value);
        let Some(first) = self.entries.iter().position(|e| self.is_named(e, name)) else {
            let name = self.intern(name.as_bytes());
            self.entries.push(Entry { name, value });
            return;
        };
        self.entries[first].value = value;
        let mut index = 0;
        self.retain(|n, _| {
            index += 1;
            index <= first + 1 || !n.eq_ignore_ascii_case(name.as_bytes())
        });
    }

    /// Removes every line of a name; says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.entries.len();
        self.retain(|n, _| !n.eq_ignore_ascii_case(name.as_bytes()));
        before != self.entries.len()
    }

    /// Keeps the lines for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let block = &self.block;
        let of = |s: Span| block.get(s.start as usize..s.end as usize).unwrap_or_default();
        self.entries.retain(|e| keep(of(e.name), of(e.value)));
    }

    /// Appends every line as it goes on the wire, `name: value` and a line end. What stands in the block in this very form,
    /// which is nearly all of a received head, is copied in runs.
    pub fn write_lines(&self, out: &mut Vec<u8>) {
        let mut run = Span::default();
        for entry in &self.entries {
            let line = Span { start: entry.name.start, end: entry.value.end + 2 };
            if !self.is_line(entry) {
                out.extend_from_slice(self.bytes(std::mem::take(&mut run)));
                for part in [self.bytes(entry.name), b": ", self.bytes(entry.value), b"\r\n"] {
                    out.extend_from_slice(part);
                }
            } else if line.start == run.end {
                run.end = line.end;
            } else {
                out.extend_from_slice(self.bytes(std::mem::replace(&mut run, line)));
            }
        }
        out.extend_from_slice(self.bytes(run));
    }

    /// Whether a field stands in the block exactly as it is written.
    fn is_line(&self, entry: &Entry) -> bool {
        entry.name.end + 2 == entry.value.start
            && self.bytes(Span { start: entry.name.end, end: entry.value.start }) == b": "
            && self.bytes(Span { start: entry.value.end, end: entry.value.end + 2 }) == b"\r\n"
    }

    /// How much memory it holds, in bytes of the block.
    pub fn capacity(&self) -> usize {
        self.block.capacity()
    }

    #[inline]
    fn is_named(&self, entry: &Entry, name: &str) -> bool {
        (entry.name.end - entry.name.start) as usize == name.len()
            && self.bytes(entry.name).eq_ignore_ascii_case(name.as_bytes())
    }
}

impl std::fmt::Debug for Fields {
    /// Names only: values may hold credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|(n, _)| String::from_utf8_lossy(n).into_owned())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Fields {
        let mut f = Fields::new();
        f.add("Host", b"a");
        f.add("X-A", b"1");
        f.add("x-a", b"2");
        f.add("Accept", b"*/*");
        f
    }

    fn lines(f: &Fields) -> Vec<String> {
        f.iter().map(|(n, v)| format!("{}: {}", String::from_utf8_lossy(n), String::from_utf8_lossy(v))).collect()
    }

    #[test]
    fn order_and_case_are_kept() {
        assert_eq!(lines(&sample()), ["Host: a", "X-A: 1", "x-a: 2", "Accept: */*"]);
        assert_eq!(sample().all("x-A").count(), 2);
    }

    #[test]
    fn set_replaces_all_lines_in_the_place_of_the_first() {
        let mut f = sample();
        f.set("X-A", b"3");
        assert_eq!(lines(&f), ["Host: a", "X-A: 3", "Accept: */*"]);
        f.set("New", b"n");
        assert_eq!(lines(&f).last().map(String::as_str), Some("New: n"));
    }

    #[test]
    fn lines_are_written_the_same_in_runs_and_one_by_one() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Odd:  two spaces\r\nX-Trail: v \r\nA: 1\r\nB: 2\r\nEmpty: \r\n\r\n";
        let text = std::str::from_utf8(head).unwrap_or_default();
        let find = |part: &str| {
            let start = text.find(part).unwrap_or_default() as u32;
            Span::new(start, start + part.len() as u32)
        };
        let after = |span: Span| Span::new(span.end + 2, span.end + 2);
        for removed in ["", "Host", "X-Odd", "X-Trail", "A", "B", "Empty"] {
            let mut f = Fields::new();
            f.reset(head, 6);
            let lines = [("Host", "a"), ("X-Odd", "two spaces"), ("X-Trail", "v"), ("A", "1"), ("B", "2")];
            f.extend_spans(lines.iter().map(|(name, value)| {
                let at = find(&format!("\r\n{name}:"));
                let name = Span::new(at.start + 2, at.end - 1);
                let rest = text.get(name.end as usize..).unwrap_or_default();
                let value_at = rest.find(value).unwrap_or_default() as u32 + name.end;
                (name, Span::new(value_at, value_at + value.len() as u32))
            }));
            let empty = find("Empty");
            f.extend_spans(std::iter::once((empty, after(empty))));
            f.add("Added", b"x");
            f.set("A", b"changed");
            f.remove(removed);
            let mut wanted = Vec::new();
            for (name, value) in f.iter() {
                wanted.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
            }
            let mut out = Vec::new();
            f.write_lines(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&wanted), "without {removed}");
        }
    }

    #[test]
    fn debug_never_shows_values() {
        assert_eq!(format!("{:?}", sample()), r#"["Host", "X-A", "x-a", "Accept"]"#);
    }

    #[test]
    fn foreign_span_is_empty_not_a_panic() {
        assert_eq!(Fields::new().bytes(Span::new(3, 9)), b"");
    }
}
