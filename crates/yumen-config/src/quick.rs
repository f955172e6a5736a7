//! A configuration without a file: one listener in front of one upstream.

use crate::diagnostic::Diagnostic;
use crate::load::{Loaded, parse_str};

/// One http listener on `from` with one route to the endpoints `to`.
///
/// # Errors
/// Complaints about the addresses, with their place in the text that was made of them.
pub fn quick(from: &str, to: &[String]) -> Result<Loaded, Vec<Diagnostic>> {
    let endpoints: Vec<String> = to.iter().map(|e| quoted(e)).collect();
    let text = format!(
        "listeners:\n  proxy:\n    bind: {}\nroutes:\n  all:\n    upstream: endpoints\nupstreams:\n  endpoints:\n    \
         endpoints: [{}]\n",
        quoted(from),
        endpoints.join(", ")
    );
    parse_str("command line", &text, &|_| None)
}

/// The text as a YAML scalar that means exactly it; JSON strings are YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace('$', "$$")).to_string()
}
