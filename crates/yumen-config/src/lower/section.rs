//! A map with known keys, read key by key. What its table does not know is refused.

use std::collections::HashMap;
use std::hash::Hash;

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
    /// Keys that were meant by words that are none: what is missing then was complained about.
    meant: Vec<&'static str>,
    blank: bool,
}

impl<'s> Section<'s> {
    /// Opens a node as a section: complains about keys that are unknown or there twice.
    pub(super) fn open(ctx: &'s Ctx<'s>, node: &'s Node, table: &'static Table) -> Option<Self> {
        let mut entries = map(ctx, node)?;
        let mut meant = Vec::new();
        entries.retain(|(name, node)| {
            let Some(key) = table.keys.iter().find(|key| key.name == &*name.text) else {
                meant.extend(nearest::word(&name.text, table.keys.iter().map(|key| key.name)));
                let help = nearest::among(&name.text, table.keys.iter().map(|key| key.name));
                let message = format!("unknown key `{}` in {}", name.text, table.name);
                ctx.error_help(name.place, "unknown_key", message, help);
                return false;
            };
            // Taking it for absent would turn a half-written `tls:` into plain text.
            if matches!(node.value, Value::Null) {
                meant.push(key.name);
                let help = "write a value, or remove the key to get its default";
                ctx.error_help(name.place, "missing_value", format!("`{}` has no value", name.text), help);
                return false;
            }
            true
        });
        Some(Self { ctx, place: node.place, table, entries, meant, blank: node.is_blank() })
    }

    /// Opens the section under a key; one that is not there reads as empty.
    pub(super) fn sub(&self, key: &'static str, table: &'static Table) -> Option<Self> {
        match self.get(key) {
            Some(node) => Section::open(self.ctx, node, table),
            None => {
                let (ctx, place) = (self.ctx, self.place);
                Some(Section { ctx, place, table, entries: Vec::new(), meant: Vec::new(), blank: true })
            }
        }
    }

    pub(super) fn entry(&self, key: &'static str) -> Option<(&'s Name, &'s Node)> {
        debug_assert!(self.table.keys.iter().any(|k| k.name == key), "{key} is not in {}", self.table.name);
        self.entries.iter().find(|(name, _)| &*name.text == key).copied()
    }

    pub(super) fn get(&self, key: &'static str) -> Option<&'s Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// Whether a key is not there because it was misspelt or left without a value.
    pub(super) fn was_meant(&self, key: &'static str) -> bool {
        self.meant.contains(&key) && self.get(key).is_none()
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
        if self.was_meant(key) {
            return None;
        }
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
            Some(node) if value::is_off(self.ctx, node) => None,
            Some(node) => read(self.ctx, node),
        }
    }

    /// A value or a list of values; empty when not there.
    pub(super) fn list<T>(&self, key: &'static str, read: impl Fn(&Ctx<'_>, &Node) -> Option<T>) -> Vec<T> {
        self.read(key, |ctx, node| value::each(ctx, node, &read)).unwrap_or_default()
    }

    /// As [`list`](Self::list), each value once.
    pub(super) fn set<T: Eq + Hash>(&self, key: &'static str, read: impl Fn(&Ctx<'_>, &Node) -> Option<T>) -> Vec<T> {
        let placed = self.list(key, |ctx, node| read(ctx, node).map(|value| (value, node.place)));
        if placed.len() < 2 {
            return placed.into_iter().map(|(value, _)| value).collect();
        }
        let mut first = HashMap::with_capacity(placed.len());
        for (value, place) in &placed {
            match first.get(value) {
                Some(before) => self.ctx.twice(*place, format!("`{key}` has this twice"), *before),
                None => drop(first.insert(value, *place)),
            }
        }
        let kept: Vec<bool> = placed.iter().map(|(value, place)| first.get(value) == Some(place)).collect();
        placed.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|((value, _), _)| value).collect()
    }

    /// As [`set`](Self::set), for keys whose absence means everything: an empty list would mean that too, where whoever
    /// wrote it, or the program that did, meant nothing.
    pub(super) fn some<T: Eq + Hash>(&self, key: &'static str, read: impl Fn(&Ctx<'_>, &Node) -> Option<T>) -> Vec<T> {
        if let Some(node) = self.get(key)
            && matches!(&node.value, Value::List(items) if items.is_empty())
        {
            let help = "name at least one, or remove the key to take all";
            self.ctx.error_help(node.place, "empty_list", format!("`{key}` is empty"), help);
        }
        self.set(key, read)
    }

    /// The entries of a map under a key, in their order.
    pub(super) fn map(&self, key: &'static str) -> Vec<(&'s Name, &'s Node)> {
        self.get(key).and_then(|node| map(self.ctx, node)).unwrap_or_default()
    }
}

/// The entries of a map; complains about other values and about a key that is there twice.
pub(super) fn map<'s>(ctx: &Ctx<'_>, node: &'s Node) -> Option<Vec<(&'s Name, &'s Node)>> {
    let entries = match &node.value {
        Value::Map(entries) => entries,
        Value::Null => return Some(Vec::new()),
        other => {
            let help = match other {
                Value::List(_) => "write `name: …` without the dash; a map has keys instead of positions",
                _ => "a map has lines `key: value`, or is written `{key: value}`",
            };
            ctx.error_help(node.place, "wrong_kind", format!("expected a map, found {}", other.describe()), help);
            return None;
        }
    };
    if entries.len() <= FEW {
        let mut kept: Vec<(&Name, &Node)> = Vec::with_capacity(entries.len());
        for (name, node) in entries {
            match kept.iter().find(|(before, _)| before.text == name.text) {
                Some((before, _)) => twice(ctx, name, before.place),
                None => kept.push((name, node)),
            }
        }
        return Some(kept);
    }
    let mut first = HashMap::with_capacity(entries.len());
    let mut kept = Vec::with_capacity(entries.len());
    for (name, node) in entries {
        match first.get(&*name.text) {
            Some(before) => twice(ctx, name, *before),
            None => {
                first.insert(&*name.text, name.place);
                kept.push((name, node.as_ref()));
            }
        }
    }
    Some(kept)
}

/// Maps of so few entries are faster searched than hashed.
const FEW: usize = 12;

fn twice(ctx: &Ctx<'_>, name: &Name, before: Place) {
    ctx.clash(name.place, "duplicate_key", format!("`{}` is there twice", name.text), before, "keep one of them");
}
