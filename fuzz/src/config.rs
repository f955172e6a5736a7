//! What must hold of the reading of a configuration whatever the text.
//!
//! It ends, with a configuration or with complaints that can be shown; the same text means the same twice; and what a
//! variable of the environment holds is in no complaint. What is written out again reads the same, unless something in it is
//! masked; and so does the text with other line ends and a comment, which mean nothing.

use yumen_config::{Diagnostic, Loaded, diff, parse_str, render, show, to_json};

/// What every variable holds: of no form that any key but free text takes, so it must never be shown.
const HELD: &str = "s3cr3t <held> \u{fc}";

/// Judges bytes as the text of a configuration.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Files of this machine have no part in it, and reading a pipe would not end.
    if text.contains("include") {
        return;
    }
    let first = read(&text);
    match (&first, read(&text)) {
        (Ok(first), Ok(again)) => {
            assert_eq!((&first.config, &first.digest), (&again.config, &again.digest));
            assert!(diff(&first.config, &again.config).is_empty());
            judge(&text, &first.warnings);
            assert!(!format!("{:?}", first.config.middlewares).contains("<held>"), "a variable in Debug");
            assert!(first.warnings.iter().all(|d| !d.is_error()));
            let written = show(&first.config).to_string();
            if !written.contains("***") {
                match read(&written.replace('$', "$$")) {
                    Ok(again) => assert_eq!(first.config, again.config, "written out: {written}"),
                    Err(found) => panic!("what is written out is refused: {written}\n{}", render(&found)),
                }
            }
        }
        (Err(first), Err(again)) => {
            assert_eq!(*first, again);
            assert!(first.iter().any(Diagnostic::is_error), "refused without a reason");
            judge(&text, first);
        }
        _ => panic!("taken once and refused once"),
    }
    // A text that is quoted over several lines keeps its line ends, and a lone CR ends a line.
    if let Ok(first) = &first
        && !text.contains(['\r', '|', '>', '"', '\'', '\u{feff}'])
    {
        let Ok(other) = read(&format!("# comment\r\n{}", text.replace('\n', "\r\n"))) else {
            panic!("other line ends are refused")
        };
        assert_eq!(first.config, other.config);
    }
}

fn read(text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    parse_str("fuzz", text, &|_| Some(HELD.to_owned()))
}

/// Complaints stand in the text, can be shown, and keep what must be kept.
fn judge(text: &str, found: &[Diagnostic]) {
    let lines = text.split(['\n', '\r']).count() as u32;
    for diagnostic in found {
        for span in std::iter::once(&diagnostic.span).chain(diagnostic.related.iter().map(|(span, _)| span)) {
            assert!((1..=lines).contains(&span.line), "line {} of {lines}: {}", span.line, diagnostic.message);
            assert!(span.column >= 1 && span.end_column > span.column && span.text_column <= span.column);
        }
    }
    let (people, machines) = (render(found), to_json(found).to_string());
    assert!(!people.contains("<held>") && !machines.contains("<held>"), "a variable is shown: {people}");
    assert!(!people.contains(|c: char| c.is_control() && c != '\n'), "a control character is shown");
}
