//! One table per section: every key with its kind, default and meaning. The section reader knows its
//! keys from here, and so do the reference page and the JSON Schema; they cannot disagree.

mod cloud;
mod discover;
mod middleware;
mod process;
mod proxy;
mod udp;

pub(crate) use cloud::*;
pub(crate) use discover::*;
pub(crate) use middleware::*;
pub(crate) use process::{ACCESS_LOG, ADMIN, LOG, ROOT, ROTATE, RUNTIME};
pub(crate) use proxy::*;
pub(crate) use udp::*;

/// A section: a map with known keys.
pub(crate) struct Table {
    /// As it is called in messages and in the reference: `listener`, `listener limits`.
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Key],
}

/// A key of a section.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// As written in a file; `required` when there must be one, empty when there is none.
    pub(crate) default: &'static str,
    pub(crate) doc: &'static str,
}

/// What a key holds.
pub(crate) enum Kind {
    Text,
    Bool,
    Number,
    Duration,
    Size,
    Rate,
    Percent,
    Path,
    Address,
    Network,
    Host,
    Regex,
    Secret,
    OneOf(&'static [&'static str]),
    /// `off` or that.
    OrOff(&'static Kind),
    /// One or a list of them.
    List(&'static Kind),
    /// Names to values.
    Map(&'static Kind),
    /// Either of these.
    Either(&'static [Kind]),
    Section(&'static Table),
}

/// A key, in the fewest words.
pub(crate) const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default, doc }
}
