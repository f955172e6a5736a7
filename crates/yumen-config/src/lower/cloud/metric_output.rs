//! Outputs of metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use super::account::Accounts;
use crate::config::{MetricLogin, MetricOutput};
use crate::keys;
use crate::lower::ctx::Ctx;
use crate::lower::section::Section;
use crate::lower::value;
use crate::yaml::Node;

/// What the protocol itself says.
const RESERVED: [&str; 6] = [
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "x-prometheus-remote-write-version",
];

pub(super) fn metric_output(section: &Section<'_>, accounts: &Accounts<'_>) -> Option<MetricOutput> {
    section.need("remote_write", |_, _| Some(()))?;
    let own = section.sub("remote_write", &keys::REMOTE_WRITE)?;
    let url = own.need("url", url);
    let login = login(&own, accounts);
    let interval = own.read("interval", interval).unwrap_or(Duration::from_secs(15));
    let (headers, labels) = (headers(&own), labels(&own));
    Some(MetricOutput { url: url?, interval, login: login?, headers, labels })
}

fn url(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    value::wanted(ctx, node, "an URL such as `https://host/api/v3/write`", |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        let is_url =
            !host.is_empty() && host.chars().all(fine) && rest.chars().all(|c| c.is_ascii_graphic() && c != '#');
        is_url.then(|| text.to_owned())
    })
}

fn login(section: &Section<'_>, accounts: &Accounts<'_>) -> Option<MetricLogin> {
    let is_basic = section.get("username").is_some() || section.get("password").is_some();
    match section.get("account") {
        Some(node) if is_basic => {
            let help = "remove `username` and `password`, or `account`";
            section.ctx.error_help(node.place, "one_way", "there is a name and an account at once", help);
            None
        }
        Some(node) => accounts.find(section.ctx, node).map(MetricLogin::Account),
        None if is_basic => {
            let user = section.need("username", value::settled_secret);
            let password = section.need("password", value::settled_secret);
            Some(MetricLogin::Basic { user: user?, password: password? })
        }
        None => Some(MetricLogin::None),
    }
}

fn interval(ctx: &Ctx<'_>, node: &Node) -> Option<Duration> {
    let interval = value::duration(ctx, node)?;
    if interval < Duration::from_secs(1) {
        ctx.error_help(node.place, "bad_value", "metrics are sent every second at most", "such as `15s`");
        return None;
    }
    Some(interval)
}

fn headers(section: &Section<'_>) -> BTreeMap<String, crate::config::Secret> {
    let mut all = BTreeMap::new();
    for (name, node) in section.map("headers") {
        let lower = name.text.to_ascii_lowercase();
        if !value::is_token(&lower) {
            let message = format!("`{}` is no name of a field", name.text);
            section.ctx.error_help(name.place, "bad_name", message, "such as `X-Scope-OrgID`");
        } else if RESERVED.contains(&lower.as_str()) {
            let message = format!("`{}` is said by the protocol itself", name.text);
            section.ctx.error_help(name.place, "bad_name", message, "remove it");
        } else {
            all.extend(value::settled_secret(section.ctx, node).map(|value| (lower, value)));
        }
    }
    all
}

fn labels(section: &Section<'_>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (name, node) in section.map("labels") {
        let fine = |at: usize, b: u8| b.is_ascii_alphabetic() || b == b'_' || (at > 0 && b.is_ascii_digit());
        let is_label = !name.text.is_empty() && name.text.bytes().enumerate().all(|(at, b)| fine(at, b));
        if !is_label || name.text.starts_with("__") {
            let message = format!("`{}` is no name of a label", name.text);
            let help = "letters, digits and `_`; `__` at the beginning is kept for Prometheus";
            section.ctx.error_help(name.place, "bad_name", message, help);
            continue;
        }
        let text = section.ctx.text(node).map(|text| text.into_owned());
        all.extend(text.map(|text| (name.text.to_string(), text)));
    }
    all
}
