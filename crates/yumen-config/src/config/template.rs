//! Values of header fields with places for what is known of the client.

use super::Text;

/// What can stand in a value, and how it is written there, between braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The address of the client, or what a trusted proxy says it is.
    ClientIp,
    /// The subject of the client's certificate as RFC 4514 writes it.
    Subject,
    /// The last common name of the subject.
    CommonName,
    /// The issuer as RFC 4514 writes it.
    Issuer,
    /// The alternative names, with commas between them.
    Names,
    /// The serial number in lower-case hexadecimal.
    Serial,
    /// SHA-256 of the certificate in lower-case hexadecimal.
    Fingerprint,
}

impl Fact {
    /// All, by their names.
    pub const ALL: [(&'static str, Self); 7] = [
        ("client_ip", Self::ClientIp),
        ("client_cert.subject", Self::Subject),
        ("client_cert.common_name", Self::CommonName),
        ("client_cert.issuer", Self::Issuer),
        ("client_cert.san", Self::Names),
        ("client_cert.serial", Self::Serial),
        ("client_cert.fingerprint", Self::Fingerprint),
    ];
}

/// A piece of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Text(Box<str>),
    /// To be filled in.
    Fact(Fact),
}

/// The pieces of a value. Braces around anything else are text: values of header fields may be JSON.
///
/// # Errors
/// A name that begins as one of the facts do and is none.
pub fn pieces(value: &Text) -> Result<Vec<Piece>, String> {
    let (mut all, mut rest, mut text) = (Vec::new(), &**value, String::new());
    while let Some((before, behind)) = rest.split_once('{') {
        text.push_str(before);
        let name = behind.split_once('}').map(|(name, _)| name).unwrap_or_default();
        match Fact::ALL.iter().find(|(known, _)| *known == name) {
            Some((_, fact)) => {
                if !text.is_empty() {
                    all.push(Piece::Text(std::mem::take(&mut text).into()));
                }
                all.push(Piece::Fact(*fact));
                rest = behind.get(name.len() + 1..).unwrap_or_default();
            }
            None if name.starts_with("client_") => return Err(name.to_owned()),
            None => {
                text.push('{');
                rest = behind;
            }
        }
    }
    text.push_str(rest);
    if !text.is_empty() {
        all.push(Piece::Text(text.into()));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_text_unless_a_fact_stands_in_them() {
        let text = |text: &str| Piece::Text(text.into());
        for (value, expected) in [
            ("plain", vec![text("plain")]),
            ("{client_ip}", vec![Piece::Fact(Fact::ClientIp)]),
            ("a {client_cert.san}-b", vec![text("a "), Piece::Fact(Fact::Names), text("-b")]),
            (r#"{"group":"default","max_age":1}"#, vec![text(r#"{"group":"default","max_age":1}"#)]),
            ("{{client_ip}}", vec![text("{"), Piece::Fact(Fact::ClientIp), text("}")]),
            ("{client_ip", vec![text("{client_ip")]),
            ("{}", vec![text("{}")]),
        ] {
            assert_eq!(pieces(&value.into()), Ok(expected), "{value}");
        }
        assert_eq!(pieces(&"x {client_cert.sans}".into()), Err("client_cert.sans".to_owned()));
    }
}
