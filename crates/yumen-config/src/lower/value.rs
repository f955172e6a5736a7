//! Single values: each reader returns the value, or complains and returns nothing.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::ctx::{Ctx, is_from_environment};
use super::nearest;
use crate::config::{HostPattern, KmsSecret, Secret, Text, is_htpasswd_hash};
use crate::yaml::{Node, Value};

/// Free text: of any form, so what the environment puts into it may be a secret.
pub(super) fn text(ctx: &Ctx<'_>, node: &Node) -> Option<Text> {
    ctx.text(node).map(|text| free(node, text.into_owned()))
}

/// Free text that was read already.
pub(super) fn free(node: &Node, text: String) -> Text {
    if is_from_environment(node) { Text::hidden(text) } else { Text::from(text) }
}

/// A value that was not understood, as it may be shown: what the environment holds may have come to the wrong key.
pub(super) fn found(node: &Node) -> String {
    match is_from_environment(node) {
        true => format!("what `{}` stands for", node.written()),
        false => format!("`{}`", node.written().replace("$$", "$")),
    }
}

/// The help line for a value that was not understood.
pub(super) fn help_for(node: &Node, known: Option<String>) -> Option<String> {
    match is_from_environment(node) {
        true => Some("values from the environment are not shown; look at the variable itself".to_owned()),
        false => known,
    }
}

fn complain(ctx: &Ctx<'_>, node: &Node, message: String, help: Option<String>) {
    match help_for(node, help) {
        Some(help) => ctx.error_help(node.place, "bad_value", message, help),
        None => ctx.error(node.place, "bad_value", message),
    }
}

/// Reads text with a function that says what it wants when it gets something else.
pub(super) fn wanted<T>(ctx: &Ctx<'_>, node: &Node, want: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    advised(ctx, node, want, |_| None, read)
}

/// As [`wanted`], with a remedy for the mistakes that are often made.
fn advised<T>(
    ctx: &Ctx<'_>,
    node: &Node,
    want: &str,
    advice: impl Fn(&str) -> Option<String>,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let text = ctx.text(node)?;
    let value = read(&text);
    if value.is_none() {
        complain(ctx, node, format!("expected {want}, found {}", found(node)), advice(&text));
    }
    value
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Digits only: Rust's own parse would take `+5` too. A leading zero is refused, because YAML 1.1 reads `010` as 8.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    let plain = is_digits(text) && (text.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// What is meant by a number in a form that is not taken.
fn number_advice(text: &str) -> Option<String> {
    let bare: String = text.chars().filter(|c| !matches!(c, '_' | ',' | '\'' | ' ')).collect();
    let number = bare.trim_start_matches('0');
    let meant = if number.is_empty() && !bare.is_empty() { "0" } else { number };
    (is_digits(meant) && meant != text).then(|| format!("write `{meant}`"))
}

pub(super) fn boolean(ctx: &Ctx<'_>, node: &Node) -> Option<bool> {
    let advice = |text: &str| match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "on" | "true" | "1" => Some("YAML 1.2 has one word for it: write `true`".to_owned()),
        "no" | "n" | "off" | "false" | "0" => Some("YAML 1.2 has one word for it: write `false`".to_owned()),
        _ => None,
    };
    advised(ctx, node, "`true` or `false`", advice, |text| text.parse().ok())
}

/// A whole number from 1.
pub(super) fn count(ctx: &Ctx<'_>, node: &Node) -> Option<u32> {
    advised(ctx, node, "a whole number from 1", number_advice, |text| digits(text).filter(|n| *n > 0))
}

/// A whole number from 0.
pub(super) fn number(ctx: &Ctx<'_>, node: &Node) -> Option<u32> {
    advised(ctx, node, "a whole number", number_advice, digits)
}

/// A whole number from 1 as a size in memory.
pub(super) fn amount(ctx: &Ctx<'_>, node: &Node) -> Option<usize> {
    count(ctx, node).and_then(|n| usize::try_from(n).ok())
}

pub(super) fn weight(ctx: &Ctx<'_>, node: &Node) -> Option<u32> {
    wanted(ctx, node, "a weight of 0 to 65535", |text| digits(text).filter(|n| *n <= 65535))
}

pub(super) fn percent(ctx: &Ctx<'_>, node: &Node) -> Option<u8> {
    wanted(ctx, node, "a percentage such as `50%`", |text| {
        digits(text.strip_suffix('%').unwrap_or(text)).filter(|n| *n <= 100)
    })
}

pub(super) fn status(ctx: &Ctx<'_>, node: &Node) -> Option<u16> {
    wanted(ctx, node, "a final status code of 200 to 599", |text| digits(text).filter(|n| (200..=599).contains(n)))
}

pub(super) fn redirect_status(ctx: &Ctx<'_>, node: &Node) -> Option<u16> {
    wanted(ctx, node, "a redirect status: 301, 302, 303, 307 or 308", |text| {
        digits(text).filter(|n| matches!(n, 301 | 302 | 303 | 307 | 308))
    })
}

pub(super) fn duration(ctx: &Ctx<'_>, node: &Node) -> Option<Duration> {
    let advice = |text: &str| is_digits(text).then(|| format!("the unit is missing: write `{text}s` for seconds"));
    advised(ctx, node, "a duration such as `500ms`, `5s`, `2m` or `1h30m`, above zero", advice, parse_duration)
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut millis = 0_u64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (amount, tail) = rest.split_at(end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        millis = millis.checked_add(digits::<u64>(amount)?.checked_mul(factor)?)?;
        rest = tail;
    }
    // Ten years: beyond it clocks could overflow when it is added to an instant.
    (1..=315_360_000_000).contains(&millis).then(|| Duration::from_millis(millis))
}

pub(super) fn size(ctx: &Ctx<'_>, node: &Node) -> Option<u64> {
    advised(ctx, node, "a size such as `512`, `8KiB`, `10MiB` or `1GiB`", size_advice, parse_size)
}

fn size_advice(text: &str) -> Option<String> {
    let number = text.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G']).filter(|n| is_digits(n));
    if let (Some(number), Some(unit)) = (number, text.chars().last()) {
        let unit = unit.to_ascii_uppercase();
        return Some(format!("write `{number}{unit}iB` for units of 1024, `{number}{unit}B` for units of 1000"));
    }
    text.contains('.').then(|| "write a whole number in a smaller unit".to_owned())
}

/// Bytes per second.
pub(super) fn rate(ctx: &Ctx<'_>, node: &Node) -> Option<u64> {
    let advice = |text: &str| parse_size(text).map(|_| format!("write `{text}/s`"));
    advised(ctx, node, "a rate such as `100B/s` or `1KiB/s`", advice, |text| parse_size(text.strip_suffix("/s")?))
}

/// A size of something held in memory: at least 1 byte and at most 1 GiB.
pub(super) fn buffer(ctx: &Ctx<'_>, node: &Node) -> Option<usize> {
    wanted(ctx, node, "a size of 64 to `1GiB`, such as `8KiB`", |text| {
        parse_size(text).filter(|n| (64..=1 << 30).contains(n)).and_then(|n| usize::try_from(n).ok())
    })
}

fn parse_size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (amount, unit) = text.split_at(end);
    let factor = match unit.trim() {
        "" | "B" => 1_u64,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    digits::<u64>(amount)?.checked_mul(factor)
}

pub(super) fn path(ctx: &Ctx<'_>, node: &Node) -> Option<PathBuf> {
    let text = wanted(ctx, node, "the path of a file", |text| (!text.is_empty()).then(|| text.to_owned()))?;
    ctx.name_file(node.place, &text)
}

/// Files that are included, as a pattern.
pub(super) fn pattern(ctx: &Ctx<'_>, node: &Node) -> Option<PathBuf> {
    let text = wanted(ctx, node, "the path of a file", |text| (!text.is_empty()).then(|| text.to_owned()))?;
    ctx.resolve(node.place, &text)
}

/// The path of a file that is made when it is needed.
pub(super) fn output(ctx: &Ctx<'_>, node: &Node) -> Option<PathBuf> {
    pattern(ctx, node)
}

pub(super) fn address(ctx: &Ctx<'_>, node: &Node) -> Option<SocketAddr> {
    let advice = |text: &str| {
        if is_digits(text) {
            return Some(format!("write `:{text}` to listen on every address"));
        }
        let (host, _) = text.rsplit_once(':')?;
        parse_host(host).map(|_| "a name cannot be listened on; write the address".to_owned())
    };
    advised(ctx, node, "an address such as `:8080`, `127.0.0.1:8080` or `[::1]:8080`", advice, |text| {
        match text.strip_prefix(':') {
            Some(port) => digits(port).map(|port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))),
            None => text.parse().ok(),
        }
    })
}

/// An address without a port.
pub(super) fn ip(ctx: &Ctx<'_>, node: &Node) -> Option<IpAddr> {
    wanted(ctx, node, "an address without port such as `192.0.2.1` or `::`", |text| {
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    })
}

pub(super) fn cidr(ctx: &Ctx<'_>, node: &Node) -> Option<IpNet> {
    // Bits beyond the prefix are a slip in one of the two numbers; which one cannot be known.
    let advice = |text: &str| {
        let net = text.parse::<IpNet>().ok()?.trunc();
        Some(format!("it has bits beyond its prefix: did you mean `{net}`?"))
    };
    advised(ctx, node, "an address or a network such as `10.0.0.0/8`", advice, |text| {
        let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        net.filter(|net| net.trunc() == *net)
    })
}

pub(super) fn host_pattern(ctx: &Ctx<'_>, node: &Node) -> Option<HostPattern> {
    advised(ctx, node, "a host such as `api.example.com`, `*.example.com` or `*`", host_advice, parse_host_pattern)
}

fn host_advice(text: &str) -> Option<String> {
    if let Some((name, port)) = text.rsplit_once(':')
        && is_digits(port)
        && parse_host_pattern(name).is_some()
    {
        return Some(format!("hosts are matched without their port: write `{name}`"));
    }
    if text.contains('*') {
        return Some("a star stands for whole labels and only at the beginning: `*.example.com`".to_owned());
    }
    (!text.is_ascii()).then(|| "write the name in its ASCII form, `xn--…`".to_owned())
}

pub(super) fn parse_host_pattern(text: &str) -> Option<HostPattern> {
    if text == "*" {
        return Some(HostPattern::Any);
    }
    match text.strip_prefix("*.") {
        Some(below) => parse_host(below).map(HostPattern::Below),
        None => parse_host(text).map(HostPattern::Exact),
    }
}

/// A host in its one spelling: lower case, no trailing dot, IPv6 in brackets.
pub(super) fn parse_host(text: &str) -> Option<Box<str>> {
    if let Some(inside) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return inside.parse::<Ipv6Addr>().ok().map(|a| format!("[{a}]").into_boxed_str());
    }
    let host = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    (host.len() <= 253 && host.split('.').all(label)).then(|| host.into_boxed_str())
}

/// A token of RFC 9110 section 5.6.2: names of fields and methods.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// A value a header field may have, RFC 9110 section 5.5.
pub(super) fn is_field_value(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f)) && text.trim_matches([' ', '\t']) == text
}

pub(super) fn field_name(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    wanted(ctx, node, "the name of a header field", |text| is_token(text).then(|| text.to_owned()))
}

pub(super) fn field_value(ctx: &Ctx<'_>, node: &Node) -> Option<Text> {
    let text = wanted(ctx, node, "a header value without control characters or space around it", |text| {
        is_field_value(text).then(|| text.to_owned())
    })?;
    Some(free(node, text))
}

pub(super) fn method(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    let advice = |text: &str| is_token(text).then(|| format!("write `{}`", text.to_ascii_uppercase()));
    advised(ctx, node, "a method in capitals such as `GET`", advice, |text| {
        (is_token(text) && !text.bytes().any(|b| b.is_ascii_lowercase())).then(|| text.to_owned())
    })
}

/// A path as a request carries it, without query; one with the wildcards of other products is refused, since it would
/// match nothing that anybody asks for.
pub(super) fn plain_path(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    let text = url_path(ctx, node)?;
    for wild in ["/*", "/**", "/..."] {
        if let Some(before) = text.strip_suffix(wild) {
            let prefix = if before.is_empty() { "/" } else { before };
            let message = format!("{} is no pattern: this path is taken as it is written", found(node));
            let help = help_for(node, Some(format!("write `{{prefix: {prefix}}}` for the path and all below it")));
            ctx.error_help(node.place, "not_a_pattern", message, help.unwrap_or_default());
            return None;
        }
    }
    Some(text)
}

/// A path as a request carries it, without query.
pub(super) fn url_path(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    let advice = |text: &str| match text.split_once('?') {
        Some((path, _)) => Some(format!("write `{path}`, and the parameters under `match.query`")),
        None if !text.starts_with('/') => Some(format!("write `/{text}`")),
        None => None,
    };
    advised(ctx, node, "a path that begins with `/`, without query, spaces or `#`", advice, |text| {
        let fine = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#');
        fine.then(|| text.to_owned())
    })
}

pub(super) fn regex(ctx: &Ctx<'_>, node: &Node) -> Option<Text> {
    let text = ctx.text(node)?;
    // Tighter than the default bounds the data path compiles with, so what passes here compiles there.
    match regex::RegexBuilder::new(&text).size_limit(1 << 20).nest_limit(64).build() {
        Ok(_) => Some(free(node, text.into_owned())),
        Err(e) => {
            let said = e.to_string();
            let why = said.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
            ctx.error(node.place, "bad_regex", format!("not a regular expression: {why}"));
            None
        }
    }
}

/// What stands in `${kind:…}` when that is the whole value.
fn referred<'n>(node: &'n Node, kind: &str) -> Option<&'n str> {
    let Value::Text(text) = &node.value else { return None };
    text.strip_prefix("${")?.strip_prefix(kind)?.strip_prefix(':')?.strip_suffix('}').filter(|t| !t.contains('}'))
}

/// A secret that must be there before KMS can be asked: those of an account. As [`secret`], without `${kms:…}`.
pub(super) fn own_secret(ctx: &Ctx<'_>, node: &Node) -> Option<Secret> {
    if referred(node, "kms").is_some() {
        let message = "what signs requests to KMS cannot be read from it";
        let help = "use `keys: {ecs_role: auto}`, another way without a key, or `${file:PATH}`";
        ctx.error_help(node.place, "bad_reference", message, help);
        return None;
    }
    secret(ctx, node)
}

/// A secret of something that does not follow KMS. As [`secret`], without `${kms:…}`.
pub(super) fn settled_secret(ctx: &Ctx<'_>, node: &Node) -> Option<Secret> {
    if referred(node, "kms").is_some() {
        let message = "a secret of KMS cannot be used here: only `users` of basic_auth follow one";
        ctx.error_help(node.place, "bad_reference", message, "use `${file:PATH}` or `${NAME}`");
        return None;
    }
    secret(ctx, node)
}

/// A secret: text, or as the whole value `${file:PATH}`, `${kms:NAME}`, `${kms:ACCOUNT/NAME}`, the last two perhaps with
/// `#FIELD`. The names of secrets have slashes in them too: what stands before the first one is an account when there is
/// one of that name, and else a part of the name.
pub(super) fn secret(ctx: &Ctx<'_>, node: &Node) -> Option<Secret> {
    if let Some(inside) = referred(node, "kms") {
        return kms(ctx, node, inside).map(Secret::Kms);
    }
    if let Value::Text(text) = &node.value
        && let Some(path) = text.strip_prefix("${file:").and_then(|t| t.strip_suffix('}'))
    {
        return ctx.name_file(node.place, path).map(Secret::File);
    }
    let text = ctx.text(node)?;
    Some(Secret::Literal(text.into_owned().into_boxed_str()))
}

fn kms(ctx: &Ctx<'_>, node: &Node, inside: &str) -> Option<KmsSecret> {
    let (whole, field) = match inside.split_once('#') {
        Some((whole, field)) => (whole, Some(field)),
        None => (inside, None),
    };
    let of_account = whole.split_once('/').filter(|(account, _)| ctx.account(account).is_some());
    let (account, name) = match of_account {
        Some((account, name)) => (ctx.account(account), name),
        None => (None, whole),
    };
    let is_arn = name.starts_with("acs:kms:");
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_/+=.@-".contains(&b) || (is_arn && b == b':');
    if name.is_empty() || name.len() > 256 || !name.bytes().all(fits) || field.is_some_and(str::is_empty) {
        let help = "write `${kms:NAME}` or `${kms:ACCOUNT/NAME}`; `#FIELD` behind the name takes one field of JSON";
        ctx.error_help(node.place, "bad_reference", "this is not the name of a secret of KMS", help);
        return None;
    }
    let account = match account {
        Some(account) => account,
        None => ctx.usual_account(node.place, "a secret of KMS")?,
    };
    Some(KmsSecret { account, name: name.into(), field: field.map(Into::into) })
}

/// A line of an htpasswd file; a password that is not hashed is refused, since it would never match.
pub(super) fn user(ctx: &Ctx<'_>, node: &Node) -> Option<Secret> {
    let secret = secret(ctx, node)?;
    if let Secret::Literal(line) = &secret
        && !is_htpasswd_hash(line)
    {
        let help = "make it with `htpasswd -nB NAME`; other kinds of hash are not supported";
        ctx.error_help(node.place, "not_a_hash", "this is not `name:hash` with a bcrypt or argon2 hash", help);
        return None;
    }
    Some(secret)
}

/// One of the given words; complains with the nearest.
pub(super) fn one_of<T: Copy>(ctx: &Ctx<'_>, node: &Node, words: &[(&str, T)]) -> Option<T> {
    let text = ctx.text(node)?;
    let value = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if value.is_none() {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = nearest::among(&text, names.iter().copied());
        complain(ctx, node, format!("{} is not one of the values", found(node)), Some(help));
    }
    value
}

/// One value or a list of values.
pub(super) fn each<T>(ctx: &Ctx<'_>, node: &Node, read: impl Fn(&Ctx<'_>, &Node) -> Option<T>) -> Option<Vec<T>> {
    match &node.value {
        // Every item is read before one failing ends it, so that all complaints are made.
        Value::List(items) => {
            let read: Vec<_> = items.iter().map(|item| read(ctx, item)).collect();
            read.into_iter().collect()
        }
        Value::Null => Some(Vec::new()),
        _ => read(ctx, node).map(|value| vec![value]),
    }
}

/// Whether a node is the word `off` or `none`: for a limit they mean the same.
pub(super) fn is_off(ctx: &Ctx<'_>, node: &Node) -> bool {
    is_word(ctx, node, "off") || is_word(ctx, node, "none")
}

/// Whether a node is this word.
pub(super) fn is_word(ctx: &Ctx<'_>, node: &Node, word: &str) -> bool {
    matches!(&node.value, Value::Text(_)) && ctx.text(node).is_some_and(|text| text == word)
}

/// A request target in origin form: a path, perhaps with a query.
pub(super) fn origin_form(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    wanted(ctx, node, "a path that begins with `/`, without spaces or `#`", |text| {
        let fine = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        fine.then(|| text.to_owned())
    })
}

pub(super) fn server_name(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    wanted(ctx, node, "a host name", |text| parse_host(text).map(String::from))
}

/// A server as an URL without a path: `https://host:port`. Without a scheme it is https.
pub(super) fn origin(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    wanted(ctx, node, "a server such as `https://ecs.example.com`, without a path", |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        (!rest.is_empty() && !rest.contains("://") && rest.chars().all(fine)).then(|| text.to_owned())
    })
}
