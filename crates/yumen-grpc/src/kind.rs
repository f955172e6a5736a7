//! What a content type says about a call.

/// How a call is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// gRPC over HTTP/2: the status stands in trailers.
    Grpc,
    /// gRPC-Web: the status stands in a last frame of the body.
    Web,
    /// gRPC-Web with a body in base64.
    WebText,
}

impl Kind {
    /// Its media type without a suffix.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Grpc => "application/grpc",
            Self::Web => "application/grpc-web",
            Self::WebText => "application/grpc-web-text",
        }
    }
}

/// The kind that the value of a Content-Type names and the suffix for the messages, such as `+proto`, which may be empty.
/// Parameters behind a `;` are left out. `None` when it is another type.
pub fn content_type(value: &[u8]) -> Option<(Kind, &[u8])> {
    // The longest name first: each begins with the next.
    for kind in [Kind::WebText, Kind::Web, Kind::Grpc] {
        let name = kind.media_type().as_bytes();
        let Some((head, rest)) = value.split_at_checked(name.len()) else { continue };
        if !head.eq_ignore_ascii_case(name) {
            continue;
        }
        let end = rest.iter().position(|b| matches!(b, b';' | b' ' | b'\t')).unwrap_or(rest.len());
        let (suffix, parameters) = rest.split_at(end);
        let is_over = parameters.trim_ascii_start().first().is_none_or(|b| *b == b';');
        let is_suffix = match suffix {
            [] => true,
            [b'+', name @ ..] => {
                !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
            }
            _ => false,
        };
        return (is_over && is_suffix).then_some((kind, suffix));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_calls_are_told_apart_and_others_are_none() {
        for (value, expected) in [
            ("application/grpc", Some((Kind::Grpc, ""))),
            ("Application/GRPC+proto", Some((Kind::Grpc, "+proto"))),
            ("application/grpc+json; charset=utf-8", Some((Kind::Grpc, "+json"))),
            ("application/grpc ;x=y", Some((Kind::Grpc, ""))),
            ("application/grpc-web", Some((Kind::Web, ""))),
            ("application/grpc-web+proto", Some((Kind::Web, "+proto"))),
            ("application/grpc-web-text+proto", Some((Kind::WebText, "+proto"))),
            ("application/grpc-web-texts", None),
            ("application/grpcx", None),
            ("application/grpc+", None),
            ("application/grpc+a b", None),
            ("application/grpc, application/json", None),
            ("application/json", None),
            ("", None),
        ] {
            let found = content_type(value.as_bytes());
            assert_eq!(found, expected.map(|(kind, suffix)| (kind, suffix.as_bytes())), "{value}");
        }
    }
}
