//! From YAML events to a tree, bounded in depth and in size.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

use super::{Name, Node, Place, Value};

/// Deeper than any configuration; keeps recursion off the end of the stack.
const DEPTH: usize = 32;
/// More nodes than 100,000 routes need; keeps aliases of aliases from growing without end.
const NODES: u32 = 8_000_000;

/// A complaint about the syntax.
pub(crate) struct Broken {
    pub(crate) place: Place,
    pub(crate) message: String,
    /// What to do about it, where that is known.
    pub(crate) help: Option<&'static str>,
}

/// The tree of a text, `file` being its number; `None` for a text with nothing in it.
pub(crate) fn parse(file: u32, text: &str) -> Result<Option<Rc<Node>>, Broken> {
    if let Some(broken) = control(file, text) {
        return Err(broken);
    }
    let mut tree = Tree {
        parser: Parser::new_from_str(text),
        file,
        anchors: HashMap::new(),
        items: Vec::new(),
        entries: Vec::new(),
    };
    let mut root = None;
    loop {
        let (event, span) = tree.next()?;
        match event {
            Event::StreamEnd => return Ok(root),
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if root.is_some() => {
                let help = "remove the `---`, or move what follows to a file of its own and `include` it";
                return Err(tree.helped(span, "a second document begins here, but a file holds one", help));
            }
            event => root = Some(tree.node(event, span, 0)?),
        }
    }
}

/// A control character, which YAML 1.2 section 5.1 does not allow. The parser would take some for the end of the text.
fn control(file: u32, text: &str) -> Option<Broken> {
    let at = text.find(|c: char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\x7f'))?;
    let (before, rest) = text.split_at(at);
    let (mut line, mut column) = (1, 1);
    let mut last = ' ';
    for c in before.chars() {
        match c {
            '\n' if last == '\r' => {}
            '\n' | '\r' => (line, column) = (line + 1, 1),
            _ => column += 1,
        }
        last = c;
    }
    let code = rest.chars().next().map_or(0, u32::from);
    let message = format!("the control character U+{code:04X} cannot stand in YAML");
    let help = Some("remove it; in a text in double quotes it can be written as `\\xHH`");
    Some(Broken { place: Place { file, line, column, end: column + 1, last: line }, message, help })
}

/// What to do about what the parser said, by words of its messages.
const HELP: &[(&str, &str)] = &[
    ("tabs ", "indent with spaces; YAML allows no tabs there"),
    (
        "mapping values are not allowed",
        "quote values that contain `: `, and give the keys of one map the same indentation",
    ),
    ("unknown anchor", "a value that begins with `*` is written in quotes: `\"*.example.com\"`"),
    ("flow mapping", "is a `{` before it not closed, or a comma missing?"),
    ("flow sequence", "is a `[` before it not closed, or a comma missing?"),
    ("unexpected end of stream", "the quote that begins here is not closed"),
    ("did not find expected key", "give the keys of one map the same indentation"),
    ("block collection", "give the entries of one list the same indentation"),
    ("expected <document start>", "each line is `key: value`, or belongs to the one before it by its indentation"),
    ("trailing content", "quote the whole value, or is a comma missing?"),
    ("quoted scalar", "indent the lines of a quoted text further than its key, or close the quote"),
    ("cannot start any token", "a value that begins with this character is written in quotes"),
    ("simple key", "a key needs a `:` with a space after it"),
];

/// The items of a sequence.
type Items = Box<[Rc<Node>]>;
/// The entries of a mapping in their order.
type Entries = Box<[(Name, Rc<Node>)]>;

fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn boxed(text: std::borrow::Cow<'_, str>) -> Box<str> {
    text.into_owned().into_boxed_str()
}

struct Tree<'t> {
    parser: Parser<'t, StrInput<'t>>,
    file: u32,
    anchors: HashMap<usize, Rc<Node>>,
    /// What the lists and maps that are still open hold so far, the inner ones last. Each takes its own when it ends, so
    /// it is allocated once and in its right size.
    items: Vec<Rc<Node>>,
    entries: Vec<(Name, Rc<Node>)>,
}

impl<'t> Tree<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Broken> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(e)) => {
                let info = e.info();
                let help = HELP.iter().find(|(words, _)| info.contains(words)).map(|(_, help)| *help);
                Err(Broken { place: self.at(e.marker()), message: format!("not valid YAML: {info}"), help })
            }
            None => Ok((Event::StreamEnd, Span::empty(Marker::new(0, 1, 0)))),
        }
    }

    fn at(&self, mark: &Marker) -> Place {
        let (line, column) = (narrow(mark.line()), narrow(mark.col()).saturating_add(1));
        Place { file: self.file, line, column, end: column.saturating_add(1), last: line }
    }

    fn place(&self, span: Span) -> Place {
        let mut place = self.at(&span.start);
        if span.end.line() == span.start.line() {
            place.end = place.end.max(narrow(span.end.col()).saturating_add(1));
        }
        // A block of text ends where the next line begins.
        place.last = place.line.max(narrow(span.end.line()) - u32::from(span.end.col() == 0));
        place
    }

    fn broken(&self, span: Span, message: impl Into<String>) -> Broken {
        Broken { place: self.place(span), message: message.into(), help: None }
    }

    fn helped(&self, span: Span, message: impl Into<String>, help: &'static str) -> Broken {
        Broken { help: Some(help), ..self.broken(span, message) }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Rc<Node>, Broken> {
        if depth > DEPTH {
            return Err(self.broken(span, format!("nested deeper than {DEPTH} levels")));
        }
        let place = self.place(span);
        if let Event::Scalar(.., Some(tag)) | Event::SequenceStart(_, Some(tag)) | Event::MappingStart(_, Some(tag)) =
            &event
        {
            let message = format!("the tag `{tag}` has no meaning here");
            return Err(self.helped(span, message, "remove it; what a value is depends on its key alone"));
        }
        let (anchor, value, size) = match event {
            Event::Alias(id) => {
                // Unknown here means that the anchor's own value is still open: an endless tree.
                return self.anchors.get(&id).cloned().ok_or_else(|| self.broken(span, "an alias within its anchor"));
            }
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let null = plain && matches!(text.as_ref(), "" | "~" | "null");
                (anchor, if null { Value::Null } else { Value::Text(boxed(text)) }, 1)
            }
            Event::SequenceStart(anchor, _) => {
                let (items, size) = self.list(depth)?;
                (anchor, Value::List(items), size)
            }
            Event::MappingStart(anchor, _) => {
                let (entries, size) = self.map(depth)?;
                (anchor, Value::Map(entries), size)
            }
            _ => return Err(self.broken(span, "the text ends within a value")),
        };
        if size > NODES {
            return Err(self.broken(span, format!("more than {NODES} values, aliases counted")));
        }
        let node = Rc::new(Node { place, value, size });
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<(Items, u32), Broken> {
        let start = self.items.len();
        let mut size = 1_u32;
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((self.items.drain(start..).collect(), size));
            }
            let item = self.node(event, span, depth + 1)?;
            size = size.saturating_add(item.size);
            self.items.push(item);
        }
    }

    fn map(&mut self, depth: usize) -> Result<(Entries, u32), Broken> {
        let start = self.entries.len();
        let mut size = 1_u32;
        loop {
            let (event, span) = self.next()?;
            let text = match event {
                Event::MappingEnd => return Ok((self.entries.drain(start..).collect(), size)),
                Event::Scalar(text, ..) => boxed(text),
                _ => return Err(self.broken(span, "a key must be plain text")),
            };
            if &*text == "<<" {
                let help = "write the keys out, or repeat a whole value with an alias: `key: *anchor`";
                return Err(self.helped(span, "merge keys are not part of YAML 1.2 and are not supported", help));
            }
            let name = Name { text, place: self.place(span) };
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            size = size.saturating_add(value.size);
            self.entries.push((name, value));
        }
    }
}
