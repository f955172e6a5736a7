//! Which route takes a request: host, then path, then conditions; most specific first.
//!
//! The rule: an exact host before `*.` (longest first) before any host; an exact path before a template (compared segment
//! by segment from the left: text before `{name}` before `{name...}`) before a regex before a prefix (longest first); under
//! one pattern, and among regexes, the route with more conditions first; regexes that are still equal in the order of the
//! file. When a candidate's conditions do not hold the next less specific one is asked.

pub(crate) mod why;
pub(crate) mod table;
mod matcher;
mod identity;
mod host;
mod path;

pub(crate) use table::{Route, Table};
