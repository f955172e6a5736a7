//! A middleware, named or written in its route.

use super::ctx::{Ctx, is_from_environment};
use super::listener;
use super::nearest;
use super::section::Section;
use super::value;
use crate::config::{
    Accept, Cors, Fact, FieldEdits, Middleware, MiddlewareKind, MiddlewareName, Rewrite, Text, pieces,
};
use crate::keys::{self, EDITS, MIDDLEWARE};
use crate::yaml::{Node, Value};

/// Reads a middleware; one without a name is written in the route `route`.
pub(super) fn middleware(ctx: &Ctx<'_>, node: &Node, name: Result<&str, &str>) -> Option<Middleware> {
    let section = Section::open(ctx, node, &MIDDLEWARE)?;
    let mut there = section.names();
    let (Some(first), second) = (there.next(), there.next()) else {
        // What stands there instead was complained about, if there is anything.
        if section.is_blank() {
            let words: Vec<String> = MIDDLEWARE.keys.iter().map(|k| format!("`{}`", k.name)).collect();
            let help = format!("one of {}", words.join(", "));
            ctx.error_help(node.place, "missing_key", "this middleware does nothing", help);
        }
        return None;
    };
    if let Some(second) = second {
        let message = format!("a middleware does one thing, but here are `{}` and `{}`", first.text, second.text);
        ctx.clash(second.place, "conflict", message, first.place, "make two middlewares of it");
        return None;
    }
    let kind = kind(&section, &first.text)?;
    let name = match name {
        Ok(name) => MiddlewareName::from(name),
        Err(route) => MiddlewareName::from(format!("{route}/{}", first.text).as_str()),
    };
    Some(Middleware { name, kind })
}

fn kind(section: &Section<'_>, word: &str) -> Option<MiddlewareKind> {
    Some(match word {
        "request_id" => {
            let section = section.sub("request_id", &keys::REQUEST_ID)?;
            let header = section.read("header", value::field_name);
            MiddlewareKind::RequestId {
                header: header.unwrap_or_else(|| MiddlewareKind::REQUEST_ID.to_owned()),
                accept: section.read("accept", accept).unwrap_or_default(),
            }
        }
        "headers" => headers(&section.sub("headers", &keys::HEADERS)?),
        "rewrite" => MiddlewareKind::Rewrite(rewrite(&section.sub("rewrite", &keys::REWRITE)?)?),
        "strip_prefix" => MiddlewareKind::StripPrefix(section.read("strip_prefix", value::url_path)?),
        "redirect" => {
            let section = section.sub("redirect", &keys::REDIRECT)?;
            let status = section.read("status", value::redirect_status).unwrap_or(MiddlewareKind::REDIRECT_STATUS);
            MiddlewareKind::Redirect { to: section.need("to", location)?, status }
        }
        "respond" => respond(&section.sub("respond", &keys::RESPOND)?),
        "body_limit" => MiddlewareKind::BodyLimit(section.read("body_limit", value::size)?),
        "ip" => {
            let section = section.sub("ip", &keys::ACCESS)?;
            let access = listener::access(&section);
            if section.is_blank() {
                let help = "add `allow` or `deny`".to_owned();
                section.ctx.error_help(section.place, "missing_key", "an ip middleware without addresses", help);
            }
            MiddlewareKind::Ip(access)
        }
        "basic_auth" => basic_auth(&section.sub("basic_auth", &keys::BASIC_AUTH)?),
        "timeout" => MiddlewareKind::Timeout(section.read("timeout", value::duration)?),
        "grpc_web" => {
            let section = section.sub("grpc_web", &keys::GRPC_WEB)?;
            let cors = match section.get("cors") {
                Some(_) => Some(cors(&section.sub("cors", &keys::CORS)?)?),
                None => None,
            };
            MiddlewareKind::GrpcWeb { cors }
        }
        _ => return None,
    })
}

fn cors(section: &Section<'_>) -> Option<Cors> {
    let origins = section.need("origins", |ctx, node| {
        let all = value::each(ctx, node, origin)?;
        if all.is_empty() {
            ctx.error_help(node.place, "empty_list", "no origin may call", "add one, or remove `cors`");
        }
        if all.len() > 1 && all.iter().any(|origin| origin == "*") {
            ctx.error_help(node.place, "conflict", "`*` is every origin", "leave out the others, or the `*`");
        }
        Some(all)
    });
    let credentials = section.read("credentials", value::boolean).unwrap_or_default();
    if let (Some((name, _)), Some(origins)) = (section.entry("credentials"), &origins)
        && credentials
        && origins.iter().any(|origin| origin == "*")
    {
        let help = "name the origins; with `*` every page in the world could call in the name of its visitor";
        section.ctx.error_help(name.place, "conflict", "`credentials` does not go with `*`", help);
    }
    Some(Cors {
        credentials,
        expose: section.list("expose", value::field_name),
        max_age: section.read("max_age", value::duration).unwrap_or(Cors::MAX_AGE),
        origins: origins?,
    })
}

/// `*`, or a scheme, a host and perhaps a port as a browser sends them: in lower case and without a path (RFC 6454
/// section 6.2).
fn origin(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    let text = ctx.text(node)?;
    let is_one = |text: &str| {
        let (scheme, rest) = text.split_once("://")?;
        let is_scheme = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_lowercase() || b"+-.".contains(&b));
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let is_port = port.is_none_or(|p| !p.starts_with('0') && p.parse::<u16>().is_ok() && !p.starts_with('+'));
        let is_host = value::parse_host(host).is_some_and(|same| *same == *host);
        (is_scheme && is_host && is_port).then_some(())
    };
    if text == "*" || is_one(&text).is_some() {
        return Some(text.to_string());
    }
    let help = "such as `https://app.example.com` or `http://localhost:3000`, in lower case and without a path";
    let message = format!("{} is not an origin", value::found(node));
    ctx.error_help(node.place, "bad_value", message, value::help_for(node, Some(help.to_owned())).unwrap_or_default());
    None
}

fn headers(section: &Section<'_>) -> MiddlewareKind {
    if section.is_blank() {
        let help = "add `request` or `response`".to_owned();
        section.ctx.error_help(section.place, "missing_key", "a headers middleware without changes", help);
    }
    let request = section.sub("request", &EDITS).map(|s| edits(&s)).unwrap_or_default();
    let response = section.sub("response", &EDITS).map(|s| edits(&s)).unwrap_or_default();
    MiddlewareKind::Headers { request, response }
}

fn respond(section: &Section<'_>) -> MiddlewareKind {
    let status = section.read("status", value::status).unwrap_or(200);
    let body = section.read("body", value::text).unwrap_or_else(|| Text::from(""));
    if let (Some((name, _)), 204 | 205 | 304) = (section.entry("body"), status) {
        let message = format!("an answer with status {status} has no body");
        section.ctx.error_help(name.place, "conflict", message, "remove `body`, or use another status".to_owned());
    }
    let content_type = section.read("content_type", value::field_value);
    MiddlewareKind::Respond {
        status,
        body,
        content_type: content_type.unwrap_or_else(|| Text::from(MiddlewareKind::CONTENT_TYPE)),
        headers: fields(section, "headers", value::field_value),
    }
}

/// The target of a redirect; a placeholder nobody fills in would end up in `Location` as it is.
fn location(ctx: &Ctx<'_>, node: &Node) -> Option<Text> {
    let known = ["scheme", "host", "path", "query"];
    let text = value::field_value(ctx, node)?;
    let opened = text.split('{').skip(1).map(|rest| rest.split_once('}').map_or(rest, |(name, _)| name));
    for name in opened.filter(|name| !known.contains(name)) {
        unknown_placeholder(ctx, node, name, known.into_iter());
    }
    Some(text)
}

fn accept(ctx: &Ctx<'_>, node: &Node) -> Option<Accept> {
    let words = [("true", Accept::Always), ("trusted", Accept::Trusted), ("false", Accept::Never)];
    value::one_of(ctx, node, &words)
}

fn edits(section: &Section<'_>) -> FieldEdits {
    let edits = FieldEdits {
        set: fields(section, "set", filled_value),
        add: fields(section, "add", filled_value),
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

/// The value of a field that may have places for what is known of the client.
fn filled_value(ctx: &Ctx<'_>, node: &Node) -> Option<Text> {
    let text = value::field_value(ctx, node)?;
    if let Err(name) = pieces(&text) {
        unknown_placeholder(ctx, node, &name, Fact::ALL.into_iter().map(|(known, _)| known));
    }
    Some(text)
}

fn unknown_placeholder<'k>(ctx: &Ctx<'_>, node: &Node, name: &str, known: impl Iterator<Item = &'k str> + Clone) {
    let help = value::help_for(node, Some(nearest::among(name, known))).unwrap_or_default();
    let message = match is_from_environment(node) {
        true => format!("{} has a placeholder that stands for nothing", value::found(node)),
        false => format!("`{{{name}}}` stands for nothing"),
    };
    ctx.error_help(node.place, "unknown_placeholder", message, help);
}

type Reader = fn(&Ctx<'_>, &Node) -> Option<Text>;

fn fields(section: &Section<'_>, key: &'static str, read: Reader) -> Vec<(String, Text)> {
    let mut all = Vec::new();
    for (name, node) in section.map(key) {
        if !value::is_token(&name.text) {
            let message = format!("`{}` is not the name of a header field", name.text);
            section.ctx.error(name.place, "bad_value", message);
        } else if let Some(values) = value::each(section.ctx, node, read) {
            all.extend(values.into_iter().map(|value| (name.text.to_string(), value)));
        }
    }
    all
}

fn rewrite(section: &Section<'_>) -> Option<Rewrite> {
    match (section.get("path"), section.get("regex")) {
        (Some(_), None) => section.read("path", value::url_path).map(Rewrite::Path),
        (None, Some(_)) => {
            let (regex, replace) = (section.read("regex", value::regex), section.need("replace", value::text));
            let (regex, replace) = (regex?, replace?);
            if let (Some(name), Some(node)) = (unknown_group(&regex, &replace), section.get("replace")) {
                let message = match is_from_environment(node) {
                    true => "the expression has no such group".to_owned(),
                    false => format!("the expression has no group `{name}`"),
                };
                let help = "groups are numbered from 1; `$$` is a dollar sign, written `$$$$` here".to_owned();
                section.ctx.error_help(node.place, "unknown_group", message, help);
            }
            Some(Rewrite::Regex { regex, replace })
        }
        _ => {
            let help = "`path`, or `regex` with `replace`".to_owned();
            section.ctx.error_help(section.place, "missing_key", "a rewrite takes one of two forms", help);
            None
        }
    }
}

/// The first group that a replacement names and the expression does not have; it would be replaced by nothing.
fn unknown_group(regex: &str, replace: &str) -> Option<String> {
    let regex = regex::Regex::new(regex).ok()?;
    let mut rest = replace;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = match after.strip_prefix('{') {
            Some(inside) => inside.split_once('}').map(|(name, _)| name).unwrap_or_default(),
            None => after.split(|c: char| !plain(c)).next().unwrap_or_default(),
        };
        let there = match name.parse::<usize>() {
            Ok(number) => number < regex.captures_len(),
            Err(_) => name.is_empty() || regex.capture_names().flatten().any(|n| n == name),
        };
        if !there {
            return Some(name.to_owned());
        }
        rest = after;
    }
    None
}

fn basic_auth(section: &Section<'_>) -> MiddlewareKind {
    let somebody = |key| section.get(key).is_some() || section.was_meant(key);
    if !somebody("file") && !somebody("users") {
        let help = "add `file` or `users`".to_owned();
        section.ctx.error_help(section.place, "missing_key", "basic_auth lets nobody in", help);
    }
    if section.get("file").is_none()
        && let Some(node) = section.get("users")
        && matches!(&node.value, Value::List(items) if items.is_empty())
    {
        section.ctx.error_help(node.place, "empty_list", "basic_auth lets nobody in", "add a user, or `file`");
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
        users: section.list("users", value::user),
        realm: section.read("realm", realm).unwrap_or_else(|| Text::from(MiddlewareKind::REALM)),
    }
}
