//! What was written: a tree of nodes with their places, nothing checked but the syntax.

mod node;
mod tree;

pub(crate) use node::{Name, Node, Place, Value};
pub(crate) use tree::parse;
