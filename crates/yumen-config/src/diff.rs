//! What a new configuration changes: which parts would be kept, added, removed or changed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::{Config, Listener, Middleware, Route, Upstream};

/// What happens to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is the same and carried over as it runs.
    Kept,
    /// It is new.
    Added,
    /// It is no longer there.
    Removed,
    /// It is there in both but not the same.
    Changed,
}

impl Change {
    /// `kept`, `added`, `removed` or `changed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Kept => ' ',
            Self::Added => '+',
            Self::Removed => '-',
            Self::Changed => '~',
        }
    }
}

/// One part and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `listener`, `route`, `middleware`, `upstream` or `section`.
    pub noun: &'static str,
    /// Its name.
    pub name: String,
    /// What happens to it.
    pub change: Change,
    /// Which keys are not the same, when it is changed.
    pub fields: Vec<&'static str>,
}

impl Part {
    /// Whether it is a listener that changes but stays on its socket: connections and those that wait are untouched.
    pub fn keeps_socket(&self) -> bool {
        let socket = ["bind", "protocol"];
        self.noun == "listener"
            && matches!(self.change, Change::Kept | Change::Changed)
            && !self.fields.iter().any(|field| socket.contains(field))
    }
}

/// The keys in which two sections differ.
trait Fields: PartialEq {
    fn fields(&self, other: &Self) -> Vec<&'static str>;
}

macro_rules! fields {
    ($type:ty: $($field:ident $(as $key:literal)?),*) => {
        impl Fields for $type {
            fn fields(&self, other: &Self) -> Vec<&'static str> {
                // Destructured without `..`, so that a new key cannot be forgotten here.
                let Self { $($field: _),* } = self;
                let mut changed = Vec::new();
                $(if self.$field != other.$field {
                    changed.push([$($key,)? stringify!($field)][0]);
                })*
                changed
            }
        }
    };
}

fields!(Listener: name, bind, protocol, tls, limits, timeouts, forwarded, absolute_form, default_status, upstream, sni, access);
fields!(Route: name, listeners, hosts, matcher as "match", middlewares, upstream, timeouts, retry);
fields!(Middleware: name, kind);
fields!(Upstream: name, endpoints, balance, health, panic_threshold, pool, timeouts, tls, dns, max_connections);

/// All parts of two configurations, by kind and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// The parts.
    pub parts: Vec<Part>,
}

impl Diff {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|p| p.change == Change::Kept)
    }

    /// How many parts have this change.
    pub fn count(&self, change: Change) -> usize {
        self.parts.iter().filter(|p| p.change == change).count()
    }

    /// For machines: `{"changes": bool, "parts": [{"kind", "name", "change", "fields", "socket_stays"}]}`, the last for
    /// listeners only.
    pub fn to_json(&self) -> Value {
        let parts: Vec<_> = self
            .parts
            .iter()
            .map(|p| {
                let mut part =
                    json!({ "kind": p.noun, "name": p.name, "change": p.change.as_str(), "fields": p.fields });
                if p.noun == "listener" {
                    part["socket_stays"] = json!(p.keeps_socket());
                }
                part
            })
            .collect();
        json!({ "changes": !self.is_empty(), "parts": parts })
    }

    fn compare<T: Fields>(&mut self, noun: &'static str, old: BTreeMap<&str, &T>, mut new: BTreeMap<&str, &T>) {
        let mut parts = Vec::new();
        for (name, old) in old {
            let (change, fields) = match new.remove(name) {
                None => (Change::Removed, Vec::new()),
                Some(new) if new == old => (Change::Kept, Vec::new()),
                Some(new) => (Change::Changed, old.fields(new)),
            };
            parts.push(Part { noun, name: name.to_owned(), change, fields });
        }
        parts.extend(new.into_keys().map(|name| Part {
            noun,
            name: name.to_owned(),
            change: Change::Added,
            fields: Vec::new(),
        }));
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        self.parts.append(&mut parts);
    }

    fn section(&mut self, name: &str, same: bool) {
        let change = if same { Change::Kept } else { Change::Changed };
        self.parts.push(Part { noun: "section", name: name.to_owned(), change, fields: Vec::new() });
    }
}

/// What `new` changes of `old`.
pub fn diff(old: &Config, new: &Config) -> Diff {
    let mut diff = Diff::default();
    macro_rules! named {
        ($noun:literal, $field:ident) => {
            diff.compare(
                $noun,
                old.$field.iter().map(|(n, v)| (n.as_str(), Arc::as_ref(v))).collect(),
                new.$field.iter().map(|(n, v)| (n.as_str(), Arc::as_ref(v))).collect(),
            )
        };
    }
    named!("listener", listeners);
    diff.compare(
        "route",
        old.routes.iter().map(|r| (r.name.as_str(), Arc::as_ref(r))).collect(),
        new.routes.iter().map(|r| (r.name.as_str(), Arc::as_ref(r))).collect(),
    );
    named!("middleware", middlewares);
    named!("upstream", upstreams);
    diff.section("runtime", old.runtime == new.runtime);
    diff.section("admin", old.admin == new.admin);
    diff.section("log", old.log == new.log);
    diff.section("state_dir", old.state_dir == new.state_dir);
    diff
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.parts.iter().filter(|p| p.noun != "section" || p.change != Change::Kept) {
            write!(f, "{} {} {}: {}", part.change.sign(), part.noun, part.name, part.change.as_str())?;
            if !part.fields.is_empty() {
                write!(f, " {}", part.fields.join(", "))?;
            }
            f.write_str(if part.keeps_socket() { " (socket stays)\n" } else { "\n" })?;
        }
        let count = |change| self.count(change);
        write!(
            f,
            "{} added, {} removed, {} changed, {} kept",
            count(Change::Added),
            count(Change::Removed),
            count(Change::Changed),
            count(Change::Kept)
        )
    }
}
