//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is taken, but something in it is probably not meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The file as it was named when it was opened.
    pub file: Arc<str>,
    /// The line, from 1; 0 when the file as a whole is meant.
    pub line: u32,
    /// The first column, from 1, counted in characters.
    pub column: u32,
    /// The column after the last.
    pub end_column: u32,
    /// The line itself, without its end; of a very long one the part around the column.
    pub text: Arc<str>,
    /// The column that `text` begins with; 1 unless only a part of the line is there.
    pub text_column: u32,
}

impl Span {
    /// A file as a whole.
    pub fn of_file(file: Arc<str>) -> Self {
        Self { file, line: 0, column: 0, end_column: 0, text: Arc::from(""), text_column: 1 }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// One complaint. Its `Display` is several lines for people; see [`to_json`](Self::to_json) for machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of mistake, stable across versions: `unknown_key`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What to do.
    pub help: Option<String>,
    /// Other places that matter, each with what is there.
    pub related: Vec<(Span, String)>,
}

impl Diagnostic {
    /// Whether the configuration is refused for it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// For machines: `{severity, code, message, file, line, column, end_column, text, text_column, help, related: [{…, message}]}`.
    pub fn to_json(&self) -> Value {
        let related: Vec<_> = self.related.iter().map(|(span, note)| place(span, note)).collect();
        let mut out = place(&self.span, &self.message);
        if let Some(out) = out.as_object_mut() {
            out.insert("severity".to_owned(), json!(self.severity.as_str()));
            out.insert("code".to_owned(), json!(self.code));
            out.insert("help".to_owned(), json!(self.help));
            out.insert("related".to_owned(), json!(related));
        }
        out
    }
}

fn place(span: &Span, message: &str) -> Value {
    json!({
        "message": message,
        "file": &*span.file,
        "line": span.line,
        "column": span.column,
        "end_column": span.end_column,
        "text": &*span.text,
        "text_column": span.text_column,
    })
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}[{}]: {}", self.severity.as_str(), self.code, Shown(&self.message))?;
        let width = self.related.iter().map(|(span, _)| span.line).fold(self.span.line, u32::max).to_string().len();
        excerpt(f, &self.span, width, "", "^")?;
        for (span, note) in &self.related {
            excerpt(f, span, width, note, "-")?;
        }
        if let Some(help) = &self.help {
            writeln!(f, "{:width$} = help: {}", "", Shown(help))?;
        }
        Ok(())
    }
}

/// The longest piece of a line that is shown.
const WIDTH: usize = 140;

fn excerpt(f: &mut fmt::Formatter<'_>, span: &Span, width: usize, note: &str, mark: &str) -> fmt::Result {
    writeln!(f, "{:width$}--> {span}", "")?;
    if span.line == 0 {
        return if note.is_empty() { Ok(()) } else { writeln!(f, "{:width$}   {}", "", Shown(note)) };
    }
    let column = span.column.saturating_sub(span.text_column.max(1)) as usize;
    let skipped = if column + 40 > WIDTH { column - 40 } else { 0 };
    let text: String = span.text.chars().skip(skipped).take(WIDTH).collect();
    let before = column - skipped;
    let wide = (span.end_column.saturating_sub(span.column) as usize).clamp(1, WIDTH.saturating_sub(before).max(1));
    writeln!(f, "{:width$} |", "")?;
    writeln!(f, "{:>width$} | {}", span.line, Shown(text.trim_end()))?;
    let note = if note.is_empty() { String::new() } else { format!(" {}", Shown(note)) };
    writeln!(f, "{:width$} | {:before$}{}{note}", "", "", mark.repeat(wide))
}

/// Text from a file on its way to a terminal: control characters would be obeyed there, so they are blanked.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        self.0.chars().try_for_each(|c| match c {
            '\t' => f.write_char(' '),
            c if c.is_control() => f.write_char(char::REPLACEMENT_CHARACTER),
            c => f.write_char(c),
        })
    }
}

/// All of them for people, one after the other, with a count at the end.
pub fn render(diagnostics: &[Diagnostic]) -> String {
    use fmt::Write as _;
    let mut out = String::new();
    for diagnostic in diagnostics {
        // Writing to a string cannot fail.
        _ = writeln!(out, "{diagnostic}");
    }
    let errors = diagnostics.iter().filter(|d| d.is_error()).count();
    let warnings = diagnostics.len() - errors;
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => {}
        (0, w) => _ = writeln!(out, "{}", count(w, "warning")),
        (e, 0) => _ = writeln!(out, "{}", count(e, "error")),
        (e, w) => _ = writeln!(out, "{}, {}", count(e, "error"), count(w, "warning")),
    }
    out
}

/// All of them for machines: a list of what [`Diagnostic::to_json`] gives.
pub fn to_json(diagnostics: &[Diagnostic]) -> Value {
    diagnostics.iter().map(Diagnostic::to_json).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_under_what_is_meant_and_escapes_never_reach_the_terminal() {
        let span = Span {
            file: "y.yaml".into(),
            line: 12,
            column: 5,
            end_column: 11,
            text: "  - äadress: \u{1b}[31m".into(),
            text_column: 1,
        };
        let d = Diagnostic {
            severity: Severity::Error,
            code: "unknown_key",
            message: "unknown key `adress`".to_owned(),
            related: vec![(Span { line: 3, ..span.clone() }, "first here".to_owned())],
            span,
            help: Some("did you mean `address`?".to_owned()),
        };
        let text = d.to_string();
        assert!(
            text.starts_with("error[unknown_key]: unknown key `adress`\n  --> y.yaml:12:5\n   |\n12 |   - äadress")
        );
        assert!(text.contains("   |     ^^^^^^\n"), "{text}");
        assert!(text.contains("------ first here\n   = help: did"), "{text}");
        assert!(!text.contains('\u{1b}'));
        assert_eq!(d.to_json()["end_column"], 11);
    }
}
