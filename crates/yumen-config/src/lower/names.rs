//! Names that are declared, and finding them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::ctx::Ctx;
use super::nearest;
use crate::yaml::{Node, Place};

/// The declared names of one kind of thing, and which of them were used.
pub(super) struct Known {
    noun: &'static str,
    declared: BTreeMap<String, Place>,
    used: RefCell<BTreeSet<String>>,
}

impl Known {
    pub(super) fn new<'n>(noun: &'static str, names: impl Iterator<Item = (&'n str, Place)>) -> Self {
        let declared = names.map(|(name, place)| (name.to_owned(), place)).collect();
        Self { noun, declared, used: RefCell::default() }
    }

    /// The name a node holds; complains when it is not declared.
    pub(super) fn find(&self, ctx: &Ctx<'_>, node: &Node) -> Option<String> {
        let name = ctx.text(node)?;
        if self.declared.contains_key(&name) {
            self.used.borrow_mut().insert(name.clone());
            return Some(name);
        }
        let help = nearest::among(&name, self.declared.keys().map(String::as_str));
        ctx.error_help(node.place, "unknown_name", format!("there is no {} `{name}`", self.noun), help);
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.declared.is_empty()
    }

    /// Warns about names that nothing uses.
    pub(super) fn warn_unused(&self, ctx: &Ctx<'_>) {
        let used = self.used.borrow();
        for (name, place) in self.declared.iter().filter(|(name, _)| !used.contains(*name)) {
            let message = format!("{} `{name}` is not used", self.noun);
            ctx.warn(*place, "unused", message, "use it in a route or listener, or remove it");
        }
    }
}

/// Whether a name can stand in logs, labels and addresses as it is.
pub(super) fn is_name(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=63).contains(&text.len()) && text.bytes().all(fine)
}
