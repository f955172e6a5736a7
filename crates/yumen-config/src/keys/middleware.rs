//! Middlewares.

use super::proxy::ACCESS;
use super::{Kind, Table, key};

pub(crate) static MIDDLEWARE: Table = Table {
    name: "middleware",
    doc: "A step on the way of a request; exactly one of these.",
    keys: &[
        key("request_id", Kind::Section(&REQUEST_ID), "", "Gives every request an id; `{}` for the defaults."),
        key("headers", Kind::Section(&HEADERS), "", "Changes header fields."),
        key("rewrite", Kind::Section(&REWRITE), "", "Changes the path; the query stays."),
        key("strip_prefix", Kind::Text, "", "Takes this off the path, by whole segments."),
        key("redirect", Kind::Section(&REDIRECT), "", "Answers with a redirect."),
        key("respond", Kind::Section(&RESPOND), "", "Answers with a fixed response."),
        key("body_limit", Kind::Size, "", "The most a request body may have; beyond it 413."),
        key("ip", Kind::Section(&ACCESS), "", "Refuses clients by address with 403."),
        key("basic_auth", Kind::Section(&BASIC_AUTH), "", "Asks for a name and a password, RFC 7617."),
        key("timeout", Kind::Duration, "", "The time after which a request ends with 504."),
        key("grpc_web", Kind::Section(&GRPC_WEB), "", "Makes gRPC of gRPC-Web; `{}` for the defaults."),
    ],
};

pub(crate) static GRPC_WEB: Table = Table {
    name: "middleware grpc_web",
    doc: "Makes gRPC of the gRPC-Web that browsers speak, and the answers the other way round.",
    keys: &[key("cors", Kind::Section(&CORS), "", "Lets pages of other origins call, and answers their preflights.")],
};

pub(crate) static CORS: Table = Table {
    name: "middleware grpc_web cors",
    doc: "Which pages of other origins may call.",
    keys: &[
        key(
            "origins",
            Kind::List(&Kind::Text),
            "required",
            "Origins such as `https://app.example.com`, or `*` for every one.",
        ),
        key("credentials", Kind::Bool, "false", "Whether they may send cookies; not with `*`."),
        key(
            "expose",
            Kind::List(&Kind::Text),
            "",
            "Fields of answers that they may read beside the status of the call.",
        ),
        key("max_age", Kind::Duration, "2h", "How long a browser may remember the answer to a preflight."),
    ],
};

pub(crate) static REQUEST_ID: Table = Table {
    name: "middleware request_id",
    doc: "Gives every request an id.",
    keys: &[
        key("header", Kind::Text, "X-Request-ID", "The field that carries the id."),
        key(
            "accept",
            Kind::OneOf(&["true", "trusted", "false"]),
            "trusted",
            "Whose ids are taken over: everybody's, those of `forwarded.trust`, nobody's.",
        ),
    ],
};

pub(crate) static HEADERS: Table = Table {
    name: "middleware headers",
    doc: "Changes header fields.",
    keys: &[
        key("request", Kind::Section(&EDITS), "", "Changes of the request."),
        key("response", Kind::Section(&EDITS), "", "Changes of the answer."),
    ],
};

pub(crate) static REWRITE: Table = Table {
    name: "middleware rewrite",
    doc: "Changes the path: `path`, or `regex` with `replace`.",
    keys: &[
        key("path", Kind::Text, "", "The new path."),
        key("regex", Kind::Regex, "", "What is replaced in the path, once."),
        key("replace", Kind::Text, "", "What is put in its place, with `$1` or `$${name}` for a group."),
    ],
};

pub(crate) static REDIRECT: Table = Table {
    name: "middleware redirect",
    doc: "Answers with a redirect.",
    keys: &[
        key(
            "to",
            Kind::Text,
            "required",
            "The new address; `{scheme}`, `{host}`, `{path}` and `{query}` are replaced.",
        ),
        key("status", Kind::Number, "308", "301, 302, 303, 307 or 308."),
    ],
};

pub(crate) static RESPOND: Table = Table {
    name: "middleware respond",
    doc: "Answers with a fixed response.",
    keys: &[
        key("status", Kind::Number, "200", "The status."),
        key("body", Kind::Text, "", "The body."),
        key("content_type", Kind::Text, "text/plain; charset=utf-8", "The type of the body."),
        key("headers", Kind::Map(&Kind::Text), "", "More fields."),
    ],
};

pub(crate) static BASIC_AUTH: Table = Table {
    name: "middleware basic_auth",
    doc: "Asks for a name and a password: `file`, `users` or both.",
    keys: &[
        key("file", Kind::Path, "", "An htpasswd file with bcrypt or argon2 hashes, as of `htpasswd -B`."),
        key(
            "users",
            Kind::List(&Kind::Secret),
            "",
            "Lines of such a file, `name:hash`; `${file:PATH}` reads them, `${kms:NAME}` follows a secret of KMS.",
        ),
        key("realm", Kind::Text, "yumen", "What the password is for."),
    ],
};

pub(crate) static EDITS: Table = Table {
    name: "header edits",
    doc: "Changes of header fields, made in the order remove, set, add.",
    keys: &[
        key(
            "set",
            Kind::Map(&Kind::Text),
            "",
            "Fields that are replaced, or added where missing. A value may have `{client_ip}`, and `{client_cert.subject}`, \
             `common_name`, `issuer`, `san`, `serial` or `fingerprint` in it; without a certificate such a field is removed.",
        ),
        key(
            "add",
            Kind::Map(&Kind::Text),
            "",
            "Fields that are added; values as in `set`, and what has a place for a certificate that is not there is not added.",
        ),
        key("remove", Kind::List(&Kind::Text), "", "Fields that are removed."),
    ],
};
