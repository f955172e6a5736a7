//! A middleware, named or written in its route.

use super::ctx::Ctx;
use super::listener;
use super::section::Section;
use super::value;
use crate::config::{Accept, FieldEdits, Middleware, MiddlewareKind, MiddlewareName, Rewrite};
use crate::keys::{EDITS, MIDDLEWARE, MIDDLEWARE_KINDS};
use crate::yaml::Node;

/// The keys each kind takes, in the order of `MIDDLEWARE_KINDS`.
const TAKES: [&[&str]; 10] = [
    &["header", "accept"],
    &["request", "response"],
    &["path", "regex", "replace"],
    &["prefix"],
    &["to", "status"],
    &["status", "body", "content_type", "headers"],
    &["size"],
    &["allow", "deny"],
    &["file", "users", "realm"],
    &["after"],
];

/// Reads a middleware; one without a name is written in the route `route`.
pub(super) fn middleware(ctx: &Ctx<'_>, node: &Node, name: Result<&str, &str>) -> Option<Middleware> {
    let section = Section::open(ctx, node, &MIDDLEWARE)?;
    let index = section.need("kind", |ctx, node| {
        let words: Vec<(&str, usize)> = MIDDLEWARE_KINDS.iter().enumerate().map(|(i, k)| (*k, i)).collect();
        value::one_of(ctx, node, &words)
    })?;
    let word = MIDDLEWARE_KINDS.get(index)?;
    let takes = TAKES.get(index)?;
    for key in section.names().filter(|n| n.text != "kind" && !takes.contains(&n.text.as_str())) {
        let list: Vec<String> = takes.iter().map(|k| format!("`{k}`")).collect();
        let message = format!("`{}` means nothing for `kind: {word}`", key.text);
        ctx.error_help(key.place, "unknown_key", message, format!("it takes {}", list.join(", ")));
    }
    let kind = kind(&section, word)?;
    let name = match name {
        Ok(name) => MiddlewareName::from(name),
        Err(route) => MiddlewareName::from(format!("{route}/{word}").as_str()),
    };
    Some(Middleware { name, kind })
}

fn kind(section: &Section<'_>, word: &str) -> Option<MiddlewareKind> {
    Some(match word {
        "request_id" => MiddlewareKind::RequestId {
            header: section.read("header", value::field_name).unwrap_or_else(|| MiddlewareKind::REQUEST_ID.to_owned()),
            accept: section.read("accept", accept).unwrap_or_default(),
        },
        "headers" => {
            let request = section.sub("request", &EDITS).map(|s| edits(&s)).unwrap_or_default();
            let response = section.sub("response", &EDITS).map(|s| edits(&s)).unwrap_or_default();
            MiddlewareKind::Headers { request, response }
        }
        "rewrite" => MiddlewareKind::Rewrite(rewrite(section)?),
        "strip_prefix" => MiddlewareKind::StripPrefix(section.need("prefix", value::url_path)?),
        "redirect" => MiddlewareKind::Redirect {
            to: section.need("to", value::field_value)?,
            status: section.read("status", value::redirect_status).unwrap_or(MiddlewareKind::REDIRECT_STATUS),
        },
        "respond" => MiddlewareKind::Respond {
            status: section.read("status", value::status).unwrap_or(200),
            body: section.read("body", value::text).unwrap_or_default(),
            content_type: section
                .read("content_type", value::field_value)
                .unwrap_or_else(|| MiddlewareKind::CONTENT_TYPE.to_owned()),
            headers: fields(section, "headers"),
        },
        "body_limit" => MiddlewareKind::BodyLimit(section.need("size", value::size)?),
        "ip" => {
            let access = listener::access(section);
            if access.allow.is_empty() && access.deny.is_empty() {
                let help = "add `allow` or `deny`".to_owned();
                section.ctx.error_help(section.place, "missing_key", "an ip middleware without addresses", help);
            }
            MiddlewareKind::Ip(access)
        }
        "basic_auth" => basic_auth(section),
        "timeout" => MiddlewareKind::Timeout(section.need("after", value::duration)?),
        _ => return None,
    })
}

fn accept(ctx: &Ctx<'_>, node: &Node) -> Option<Accept> {
    let words = [("always", Accept::Always), ("trusted", Accept::Trusted), ("never", Accept::Never)];
    value::one_of(ctx, node, &words)
}

fn edits(section: &Section<'_>) -> FieldEdits {
    let edits = FieldEdits {
        set: fields(section, "set"),
        add: fields(section, "add"),
        remove: section.list("remove", value::field_name),
    };
    // Changing these would let the framing of a message disagree with its body.
    let framing = ["content-length", "transfer-encoding", "connection", "te", "upgrade", "host"];
    let names = edits.set.iter().chain(&edits.add).map(|(name, _)| name).chain(&edits.remove);
    for name in names.filter(|name| framing.contains(&name.to_ascii_lowercase().as_str())) {
        let message = format!("`{name}` belongs to the connection and cannot be changed here");
        section.ctx.error(section.place, "protected_field", message);
    }
    edits
}

fn fields(section: &Section<'_>, key: &'static str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, node) in section.map(key) {
        if !value::is_token(&name.text) {
            let message = format!("`{}` is not the name of a header field", name.text);
            section.ctx.error(name.place, "bad_value", message);
        } else if let Some(values) = value::each(section.ctx, node, value::field_value) {
            all.extend(values.into_iter().map(|value| (name.text.clone(), value)));
        }
    }
    all
}

fn rewrite(section: &Section<'_>) -> Option<Rewrite> {
    match (section.get("path"), section.get("regex")) {
        (Some(_), None) => section.read("path", value::url_path).map(Rewrite::Path),
        (None, Some(_)) => {
            let (regex, replace) = (section.read("regex", value::regex), section.need("replace", value::text));
            Some(Rewrite::Regex { regex: regex?, replace: replace? })
        }
        _ => {
            let help = "`path`, or `regex` with `replace`".to_owned();
            section.ctx.error_help(section.place, "missing_key", "a rewrite takes one of two forms", help);
            None
        }
    }
}

fn basic_auth(section: &Section<'_>) -> MiddlewareKind {
    if section.get("file").is_none() && section.get("users").is_none() {
        let help = "add `file` or `users`".to_owned();
        section.ctx.error_help(section.place, "missing_key", "basic_auth lets nobody in", help);
    }
    let realm = |ctx: &Ctx<'_>, node: &Node| {
        let text = value::field_value(ctx, node)?;
        if text.contains(['"', '\\']) {
            ctx.error(node.place, "bad_value", "a realm has no quotes and no backslashes");
        }
        Some(text)
    };
    MiddlewareKind::BasicAuth {
        file: section.read("file", value::path),
        users: section.list("users", value::secret),
        realm: section.read("realm", realm).unwrap_or_else(|| MiddlewareKind::REALM.to_owned()),
    }
}
