//! Changes the path before the request goes on.

use regex::Regex;
use yumen_config::config;
use yumen_core::{Answer, Exchange, Middleware, Next, Request};

pub(super) enum Rewrite {
    Path(String),
    Regex { regex: Regex, replace: String },
}

impl Rewrite {
    pub(super) fn build(config: &config::Rewrite) -> Result<Self, regex::Error> {
        Ok(match config {
            config::Rewrite::Path(path) => Self::Path(path.clone()),
            config::Rewrite::Regex { regex, replace } => {
                Self::Regex { regex: Regex::new(regex)?, replace: replace.to_string() }
            }
        })
    }
}

impl Middleware for Rewrite {
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, mut request: Request, next: Next<'a>) -> Answer<'a> {
        let path = match self {
            Self::Path(path) => path.clone(),
            Self::Regex { regex, replace } => regex.replace(request.path(), replace.as_str()).into_owned(),
        };
        set(&mut request, &path);
        next.run(exchange, request)
    }
}

/// Removes whole segments from the front.
pub(super) struct StripPrefix(String);

impl StripPrefix {
    pub(super) fn new(prefix: &str) -> Self {
        Self(prefix.trim_end_matches('/').to_owned())
    }
}

impl Middleware for StripPrefix {
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, mut request: Request, next: Next<'a>) -> Answer<'a> {
        let rest = request.path().strip_prefix(&self.0).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        if let Some(rest) = rest.map(str::to_owned) {
            set(&mut request, &rest);
        }
        next.run(exchange, request)
    }
}

/// A path begins with a slash and holds nothing that would end it or the request line, whatever an expression made of it.
/// The `*` of `OPTIONS *` is no path and stays.
fn set(request: &mut Request, path: &str) {
    if request.path() == "*" {
        return;
    }
    let mut clean = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        clean.push('/');
    }
    for c in path.chars() {
        match c {
            '\x21'..='\x7e' if c != '#' && c != '\\' => clean.push(c),
            c => {
                let mut utf8 = [0; 4];
                clean.extend(c.encode_utf8(&mut utf8).bytes().map(|b| format!("%{b:02X}")));
            }
        }
    }
    if clean.contains('?') { request.set_target(&clean) } else { request.set_path(&clean) }
}
