//! Conditions of a route besides host and path.

use std::borrow::Cow;

use ipnet::IpNet;
use regex::Regex;
use yumen_config::config::{CertificateMatch, FieldMatch, FieldTest, Matcher, Text};
use yumen_core::{Caller, Request};

use super::identity;

/// Conditions, compiled.
#[derive(Debug)]
pub(crate) struct Conditions {
    methods: Vec<String>,
    headers: Vec<Condition>,
    query: Vec<Condition>,
    source: Vec<IpNet>,
    client_cert: Option<CertificateMatch>,
}

#[derive(Debug)]
struct Condition {
    name: Box<str>,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Equals(Text),
    /// The expression, and how people are shown it.
    Regex(Regex, Text),
    Present,
    Absent,
}

impl Conditions {
    pub(crate) fn build(matcher: &Matcher) -> Result<Self, regex::Error> {
        let all = |from: &[FieldMatch]| from.iter().map(Condition::build).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            methods: matcher.methods.clone(),
            headers: all(&matcher.headers)?,
            query: all(&matcher.query)?,
            source: matcher.source.clone(),
            client_cert: matcher.client_cert.clone(),
        })
    }

    /// How many there are: the more, the more specific.
    pub(crate) fn count(&self) -> usize {
        usize::from(!self.methods.is_empty())
            + self.headers.len()
            + self.query.len()
            + usize::from(!self.source.is_empty())
            + usize::from(self.client_cert.is_some())
    }

    /// Those that do not hold, in words for `explain`.
    pub(crate) fn failing(&self, request: &Request, caller: Caller<'_>) -> Vec<String> {
        let mut all = Vec::new();
        let method = request.method.as_str();
        if !self.methods.is_empty() && !self.methods.iter().any(|m| m == method) {
            all.push(format!("method {method} is not one of {}", self.methods.join(", ")));
        }
        let fields = self.headers.iter().map(|c| ("header", c, header(request, &c.name).map(Cow::Borrowed)));
        let query = self.query.iter().map(|c| ("query parameter", c, parameter(request, &c.name)));
        for (noun, condition, value) in fields.chain(query) {
            if !condition.holds(value.as_deref()) {
                all.push(format!("{noun} {} {}", condition.name, condition.test.complaint(value.as_deref())));
            }
        }
        let client = caller.address;
        if !self.source.is_empty() && !self.source.iter().any(|net| net.contains(&client)) {
            let nets: Vec<String> = self.source.iter().take(3).map(ToString::to_string).collect();
            let more = if self.source.len() > 3 { " and others" } else { "" };
            all.push(format!("client address {client} is not in {}{more}", nets.join(", ")));
        }
        if let Some(wanted) = &self.client_cert {
            all.extend(identity::complaint(wanted, caller.certificate));
        }
        all
    }

    /// Whether all hold.
    pub(crate) fn holds(&self, request: &Request, caller: Caller<'_>) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|m| m == request.method.as_str()))
            && self.headers.iter().all(|c| c.holds(header(request, &c.name)))
            && self.query.iter().all(|c| c.holds(parameter(request, &c.name).as_deref()))
            && (self.source.is_empty() || self.source.iter().any(|net| net.contains(&caller.address)))
            && self.client_cert.as_ref().is_none_or(|wanted| identity::fits(wanted, caller.certificate))
    }
}

impl Condition {
    fn build(of: &FieldMatch) -> Result<Self, regex::Error> {
        let test = match &of.test {
            FieldTest::Equals(value) => Test::Equals(value.clone()),
            FieldTest::Regex(regex) => Test::Regex(Regex::new(regex)?, regex.clone()),
            FieldTest::Present => Test::Present,
            FieldTest::Absent => Test::Absent,
        };
        Ok(Self { name: of.name.clone(), test })
    }

    fn holds(&self, value: Option<&str>) -> bool {
        match (&self.test, value) {
            (Test::Absent, value) => value.is_none(),
            (_, None) => false,
            (Test::Present, Some(_)) => true,
            (Test::Equals(wanted), Some(value)) => **wanted == *value,
            (Test::Regex(regex, _), Some(value)) => regex.is_match(value),
        }
    }
}

impl Test {
    fn complaint(&self, found: Option<&str>) -> String {
        let wanted = match self {
            Self::Equals(value) if value.is_hidden() => "what the environment holds".to_owned(),
            Self::Equals(value) => format!("{:?}", &**value),
            Self::Regex(_, regex) if regex.is_hidden() => "the expression that the environment holds".to_owned(),
            Self::Regex(_, regex) => regex.to_string(),
            Self::Present | Self::Absent => String::new(),
        };
        match (self, found) {
            (Self::Absent, _) => "is present".to_owned(),
            (Self::Present, _) => "is missing".to_owned(),
            (Self::Equals(_), None) => format!("is missing; {wanted} is wanted"),
            (Self::Equals(_), Some(value)) => format!("is {value:?}, not {wanted}"),
            (Self::Regex(..), None) => format!("is missing; it must match {wanted}"),
            (Self::Regex(..), Some(value)) => format!("is {value:?}, which does not match {wanted}"),
        }
    }
}

/// A field's value; one that is not text counts as empty, not as absent.
fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.fields.first(name).map(|v| std::str::from_utf8(v).unwrap_or_default())
}

/// The first parameter of a name, percent and plus decoded.
fn parameter<'a>(request: &'a Request, name: &str) -> Option<Cow<'a, str>> {
    let pairs = request.query()?.split('&');
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(n, _)| decode(n) == name)
        .map(|(_, v)| decode(v))
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let escaped = || {
            let mut ahead = bytes.clone();
            let digit = |b: Option<u8>| b.and_then(|b| (b as char).to_digit(16));
            Some((digit(ahead.next())? * 16 + digit(ahead.next())?) as u8)
        };
        match (b, escaped()) {
            (b'%', Some(byte)) => {
                out.push(byte);
                bytes.nth(1);
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(b),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_before_they_are_compared() {
        assert_eq!(decode("a%20b+c%zz%4"), "a b c%zz%4");
        assert_eq!(decode("plain"), "plain");
    }
}
