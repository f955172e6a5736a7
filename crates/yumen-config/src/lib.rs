//! Configuration of Yumen: text in, a valid immutable [`config::Config`] or a list of diagnostics out.
//!
//! [`load`] goes the whole way: YAML text becomes a tree with places, the tree becomes a configuration
//! with every default filled in, and every mistake on the way becomes a [`Diagnostic`].

mod overlay;
mod quick;
mod show;
mod files;

mod load;
mod reference;

mod lower;

mod disk;
mod keys;
mod yaml;

mod diff;

pub mod config;
mod diagnostic;

pub use diagnostic::{Diagnostic, Severity, Span, render, to_json};
pub use diff::{Change, Diff, Part, diff};
pub use disk::leads_away;
pub use files::check_files;
pub use load::{Loaded, load, load_kept, parse_str};
pub use overlay::{Conflict, overlay};
pub use quick::quick;
pub use reference::{reference_markdown, schema};
pub use show::show;
