//! A map with known keys, read key by key. What its table does not know is refused.

use super::ctx::Ctx;
use super::{nearest, value};
use crate::keys::Table;
use crate::yaml::{Name, Node, Place, Value};

/// A section that is being read.
pub(super) struct Section<'s> {
    pub(super) ctx: &'s Ctx<'s>,
    pub(super) place: Place,
    table: &'static Table,
    entries: Vec<(&'s Name, &'s Node)>,
    blank: bool,
}

impl<'s> Section<'s> {
    /// Opens a node as a section: complains about keys that are unknown or there twice.
    pub(super) fn open(ctx: &'s Ctx<'s>, node: &'s Node, table: &'static Table) -> Option<Self> {
        let mut entries = Vec::new();
        for (name, node) in map(ctx, node)? {
            if table.keys.iter().any(|key| key.name == name.text) {
                // Taking it for absent would turn a half-written `tls:` into plain text.
                if matches!(node.value, Value::Null) {
                    let help = "write a value, or remove the key to get its default".to_owned();
                    ctx.error_help(name.place, "missing_value", format!("`{}` has no value", name.text), help);
                } else {
                    entries.push((name, node));
                }
                continue;
            }
            let help = nearest::among(&name.text, table.keys.iter().map(|key| key.name));
            ctx.error_help(name.place, "unknown_key", format!("unknown key `{}` in {}", name.text, table.name), help);
        }
        Some(Self { ctx, place: node.place, table, entries, blank: is_blank(node) })
    }

    /// Opens the section under a key; one that is not there reads as empty.
    pub(super) fn sub(&self, key: &'static str, table: &'static Table) -> Option<Self> {
        match self.get(key) {
            Some(node) => Section::open(self.ctx, node, table),
            None => Some(Section { ctx: self.ctx, place: self.place, table, entries: Vec::new(), blank: true }),
        }
    }

    pub(super) fn entry(&self, key: &'static str) -> Option<(&'s Name, &'s Node)> {
        debug_assert!(self.table.keys.iter().any(|k| k.name == key), "{key} is not in {}", self.table.name);
        self.entries.iter().find(|(name, _)| name.text == key).copied()
    }

    pub(super) fn get(&self, key: &'static str) -> Option<&'s Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// Whether nothing was written in it, not even something wrong.
    pub(super) fn is_blank(&self) -> bool {
        self.blank
    }

    /// The keys that are there.
    pub(super) fn names(&self) -> impl Iterator<Item = &'s Name> + '_ {
        self.entries.iter().map(|(name, _)| *name)
    }

    /// The value of a key; `None` when it is not there, and when it is wrong, which was complained about.
    pub(super) fn read<T>(&self, key: &'static str, read: impl Fn(&Ctx<'_>, &Node) -> Option<T>) -> Option<T> {
        read(self.ctx, self.get(key)?)
    }

    /// The value of a key that must be there.
    pub(super) fn need<T>(&self, key: &'static str, read: impl Fn(&Ctx<'_>, &Node) -> Option<T>) -> Option<T> {
        let Some(node) = self.get(key) else {
            let message = format!("{} needs `{key}`", self.table.name);
            let doc = self.table.keys.iter().find(|k| k.name == key).map_or("", |k| k.doc);
            self.ctx.error_help(self.place, "missing_key", message, format!("`{key}`: {doc}"));
            return None;
        };
        read(self.ctx, node)
    }

    /// The value of a key that takes `off`.
    pub(super) fn limit<T>(
        &self,
        key: &'static str,
        default: Option<T>,
        read: impl Fn(&Ctx<'_>, &Node) -> Option<T>,
    ) -> Option<T> {
        match self.get(key) {
            None => default,
            Some(node) if value::is_off(node) => None,
            Some(node) => read(self.ctx, node),
        }
    }

    /// A value or a list of values; empty when not there.
    pub(super) fn list<T>(&self, key: &'static str, read: impl Fn(&Ctx<'_>, &Node) -> Option<T>) -> Vec<T> {
        self.read(key, |ctx, node| value::each(ctx, node, &read)).unwrap_or_default()
    }

    /// The entries of a map under a key, in their order.
    pub(super) fn map(&self, key: &'static str) -> Vec<(&'s Name, &'s Node)> {
        self.get(key).and_then(|node| map(self.ctx, node)).unwrap_or_default()
    }
}

fn is_blank(node: &Node) -> bool {
    match &node.value {
        Value::Map(entries) => entries.is_empty(),
        value => matches!(value, Value::Null),
    }
}

/// The entries of a map; complains about other values and about a key that is there twice.
pub(super) fn map<'s>(ctx: &Ctx<'_>, node: &'s Node) -> Option<Vec<(&'s Name, &'s Node)>> {
    let entries = match &node.value {
        Value::Map(entries) => entries,
        Value::Null => return Some(Vec::new()),
        other => {
            ctx.error(node.place, "wrong_kind", format!("expected a map, found {}", other.describe()));
            return None;
        }
    };
    let mut first = std::collections::HashMap::new();
    let mut kept = Vec::with_capacity(entries.len());
    for (name, node) in entries {
        if let Some(before) = first.insert(name.text.as_str(), name.place) {
            first.insert(&name.text, before);
            let message = format!("`{}` is there twice", name.text);
            ctx.clash(name.place, "duplicate_key", message, before, "keep one of them");
        } else {
            kept.push((name, node.as_ref()));
        }
    }
    Some(kept)
}
