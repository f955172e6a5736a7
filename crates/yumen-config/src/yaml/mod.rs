//! What was written: a tree of nodes with their places, nothing checked but the syntax, and the lines they stand in.

mod node;
mod text;
mod tree;

pub(crate) use node::{Name, Node, Place, Value};
pub(crate) use text::{Excerpts, Source};
pub(crate) use tree::parse;
