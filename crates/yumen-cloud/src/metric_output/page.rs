//! The page of metrics, read back: text of Prometheus, version 0.0.4, as this program writes it.

/// One series with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// The name.
    pub(super) name: String,
    /// Names and values of labels, as they stand.
    pub(super) labels: Vec<(String, String)>,
    /// The value.
    pub(super) value: f64,
}

/// All series of a page. A line that cannot be read is left out; none is written so.
pub(super) fn series(page: &str) -> Vec<Series> {
    page.lines().filter(|line| !line.starts_with('#')).filter_map(read).collect()
}

fn read(line: &str) -> Option<Series> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = match rest.trim() {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().ok()?,
    };
    Some(Series { name: name.to_owned(), labels, value })
}

/// Labels up to their closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut all = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((all, after));
        }
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        all.push((name.to_owned(), value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}

/// A value up to its closing quote, without its escapes, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut all = text.char_indices();
    while let Some((at, c)) = all.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match all.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_their_escapes() {
        let page = "# HELP a b\n# TYPE a counter\na 1\nb{x=\"1\",y=\"a\\\"b\\\\c\\nd,}\"} 2.5\nc_bucket{le=\"+Inf\"} 3\nd +Inf\ntorn{x=\"\n";
        let one = |name: &str, labels: &[(&str, &str)], value: f64| Series {
            name: name.to_owned(),
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            value,
        };
        let expected = [
            one("a", &[], 1.0),
            one("b", &[("x", "1"), ("y", "a\"b\\c\nd,}")], 2.5),
            one("c_bucket", &[("le", "+Inf")], 3.0),
            one("d", &[], f64::INFINITY),
        ];
        assert_eq!(series(page), expected);
    }

    #[test]
    fn the_page_of_this_program_is_read_whole() {
        let registry = yumen_telemetry::Registry::new(1);
        let held = (registry.listener("we\"b"), registry.route("r"));
        let page = registry.render();
        let lines = page.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(series(&page).len(), lines);
        assert!(lines > 40, "{lines}");
        drop(held);
    }
}
