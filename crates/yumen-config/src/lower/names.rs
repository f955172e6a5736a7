//! Names that are declared, and finding them.

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::ctx::{Ctx, is_from_environment};
use super::{nearest, value};
use crate::yaml::{Name, Node, Place};

/// How many complaints get the nearest name when there are many names; each costs a walk through all of them.
const SEARCHES: u32 = 200;

/// The declared names of one kind of thing, and which of them were used.
pub(super) struct Known<'n> {
    noun: &'static str,
    declared: HashMap<&'n str, Declared>,
    /// The same in order, made when somebody must be told them.
    sorted: OnceCell<Vec<&'n str>>,
    searches: Cell<u32>,
}

struct Declared {
    /// Shared by all that use the name.
    name: Arc<str>,
    place: Place,
    is_used: Cell<bool>,
}

impl<'n> Known<'n> {
    pub(super) fn new(noun: &'static str, names: &[(&'n Name, &'n Node)]) -> Self {
        let declare =
            |name: &Name| Declared { name: Arc::from(&*name.text), place: name.place, is_used: Cell::new(false) };
        let declared = names.iter().map(|(name, _)| (&*name.text, declare(name))).collect();
        Self { noun, declared, sorted: OnceCell::new(), searches: Cell::new(0) }
    }

    /// The name a node holds; complains when it is not declared.
    pub(super) fn find(&self, ctx: &Ctx<'_>, node: &Node) -> Option<Arc<str>> {
        let name = ctx.text(node)?;
        if let Some(declared) = self.declared.get(&*name) {
            declared.is_used.set(true);
            return Some(Arc::clone(&declared.name));
        }
        let message = match is_from_environment(node) {
            true => format!("there is no {} of the name that `{}` stands for", self.noun, node.written()),
            false => format!("there is no {} {}", self.noun, value::found(node)),
        };
        let help = value::help_for(node, self.nearest(&name)).unwrap_or_default();
        ctx.error_help(node.place, "unknown_name", message, help);
        None
    }

    /// As [`find`](Self::find), for the key of a map.
    pub(super) fn named(&self, ctx: &Ctx<'_>, name: &Name) -> Option<Arc<str>> {
        if let Some(declared) = self.declared.get(&*name.text) {
            declared.is_used.set(true);
            return Some(Arc::clone(&declared.name));
        }
        let help = self.nearest(&name.text).unwrap_or_default();
        ctx.error_help(name.place, "unknown_name", format!("there is no {} `{}`", self.noun, name.text), help);
        None
    }

    fn nearest(&self, name: &str) -> Option<String> {
        self.searches.set(self.searches.get() + 1);
        if self.searches.get() > SEARCHES && self.declared.len() > 1000 {
            return Some(format!("declare it under `{}s`", self.noun));
        }
        let sorted = self.sorted.get_or_init(|| {
            let mut all: Vec<_> = self.declared.keys().copied().collect();
            all.sort_unstable();
            all
        });
        match sorted.is_empty() {
            true => Some(format!("there is none; declare it under `{}s`", self.noun)),
            false => Some(nearest::among(name, sorted.iter().copied())),
        }
    }

    /// Warns about names that nothing uses.
    pub(super) fn warn_unused(&self, ctx: &Ctx<'_>) {
        for declared in self.declared.values().filter(|declared| !declared.is_used.get()) {
            let message = format!("{} `{}` is not used", self.noun, declared.name);
            ctx.warn(declared.place, "unused", message, "use it in a route or listener, or remove it");
        }
    }
}

/// Whether a name can stand in logs, labels and addresses as it is.
pub(super) fn is_name(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=63).contains(&text.len()) && text.bytes().all(fine)
}
