//! The paper: text in; a valid, immutable [`config::Config`] or a list of [`Diagnostic`]s out.
//!
//! Three phases. `document` mirrors what was written, with the place of every key and value. `lower` fills in defaults,
//! resolves names, checks ranges and rules between sections, and collects every complaint. [`config`] is what is meant:
//! typed, complete, comparable. The JSON Schema, the reference page and the decoding come from one declaration per
//! section.
//!
//! Nothing here opens a socket or knows what is running. Only `load` and `files` touch the disk. The binary calls
//! [`load`](load()) at start and at every reload, [`diff`](diff()) to say what will change, and [`quick`] for a proxy
//! without a file.

pub mod quick;

mod load;

mod files;

mod reference;

mod diff;

mod lower;

mod document;

mod report;

mod text;

pub mod diagnostic;

pub mod config;

pub use diagnostic::{Diagnostic, Severity, Span, render, to_json};
pub use diff::{Change, Diff, Fate, Kind, diff};
pub use document::Env;
pub use files::check_files;
pub use load::{Loaded, load, parse_str};
pub use reference::{reference_markdown, schema};
