//! Sets, adds and removes fields.

use std::io::Write;

use yumen_config::config::{Fact, FieldEdits, Piece, Text, pieces};
use yumen_core::{Answer, ClientCertificate, Exchange, Fields, Middleware, Next, Request, write_address};

pub(super) struct Headers {
    request: Edits,
    response: Edits,
}

impl Headers {
    pub(super) fn new(request: &FieldEdits, response: &FieldEdits) -> Self {
        Self { request: Edits::new(request), response: Edits::new(response) }
    }
}

impl Middleware for Headers {
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, mut request: Request, next: Next<'a>) -> Answer<'a> {
        self.request.make(&mut request.fields, exchange);
        Box::pin(async move {
            let mut response = next.run(exchange, request).await?;
            self.response.make(&mut response.fields, exchange);
            Ok(response)
        })
    }
}

struct Edits {
    remove: Vec<String>,
    set: Vec<(String, Value)>,
    add: Vec<(String, Value)>,
}

impl Edits {
    fn new(edits: &FieldEdits) -> Self {
        let values = |all: &[(String, Text)]| all.iter().map(|(name, text)| (name.clone(), Value::new(text))).collect();
        Self { remove: edits.remove.clone(), set: values(&edits.set), add: values(&edits.add) }
    }

    fn make(&self, fields: &mut Fields, exchange: &Exchange) {
        for name in &self.remove {
            fields.remove(name);
        }
        for (name, value) in &self.set {
            match value {
                Value::Fixed(text) => fields.set(name, text.as_bytes()),
                Value::Filled(pieces) => match fill(pieces, exchange) {
                    Some(value) => fields.set(name, &value),
                    // What a client says of itself in such a field must not pass for what is known of it.
                    None => drop(fields.remove(name)),
                },
            }
        }
        for (name, value) in &self.add {
            match value {
                Value::Fixed(text) => fields.add(name, text.as_bytes()),
                Value::Filled(pieces) => {
                    if let Some(value) = fill(pieces, exchange) {
                        fields.add(name, &value);
                    }
                }
            }
        }
    }
}

enum Value {
    Fixed(Text),
    Filled(Vec<Piece>),
}

impl Value {
    fn new(text: &Text) -> Self {
        match pieces(text) {
            Ok(pieces) if pieces.iter().any(|piece| matches!(piece, Piece::Fact(_))) => Self::Filled(pieces),
            // What cannot be taken apart was refused with the configuration.
            _ => Self::Fixed(text.clone()),
        }
    }
}

/// The value; `None` where something in it is not known.
fn fill(pieces: &[Piece], exchange: &Exchange) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Fact(Fact::ClientIp) => write_address(&mut out, exchange.client),
            Piece::Fact(fact) => {
                let certificate = exchange.conn.tls.as_ref()?.client.as_deref()?;
                escape(&mut out, said(*fact, certificate).filter(|text| !text.is_empty())?.as_bytes());
            }
        }
    }
    Some(out)
}

fn said(fact: Fact, certificate: &ClientCertificate) -> Option<String> {
    Some(match fact {
        Fact::ClientIp => return None,
        Fact::Subject => certificate.subject.to_string(),
        Fact::CommonName => certificate.common_name.as_deref()?.to_owned(),
        Fact::Issuer => certificate.issuer.to_string(),
        Fact::Serial => certificate.serial.to_string(),
        Fact::Fingerprint => certificate.fingerprint.to_string(),
        Fact::Names => {
            let names: Vec<String> = certificate.names.iter().map(|name| plain(&name.to_string())).collect();
            names.join(",")
        }
    })
}

/// A name in which no comma is left, which would begin another one.
fn plain(name: &str) -> String {
    name.replace('\\', "\\5C").replace(',', "\\2C")
}

/// Writes what stands in a certificate, with control characters as RFC 4514 section 2.4 writes them: none may end the field.
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            0..=0x1f | 0x7f => write!(out, "\\{byte:02X}").unwrap_or_default(),
            _ => out.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_certificate_ends_the_field_or_adds_a_name() {
        let mut out = Vec::new();
        escape(&mut out, "CN=a\r\nX-Admin: yes\0\u{7f}\u{e9}".as_bytes());
        assert_eq!(out, "CN=a\\0D\\0AX-Admin: yes\\00\\7F\u{e9}".as_bytes());
        assert_eq!(plain("spiffe://a/b,spiffe://a/root\\"), "spiffe://a/b\\2Cspiffe://a/root\\5C");
    }
}
