//! What listeners do by UDP.

use super::{Kind, Table, key};

pub(crate) static UDP: Table = Table {
    name: "listener udp",
    doc: "How sessions of datagrams end. A session is what one client sends to one address: it keeps its endpoint.",
    keys: &[key(
        "responses",
        Kind::OrOff(&Kind::Number),
        "off",
        "Answers to each datagram, after which the session is over; an endpoint that owes one for longer than its \
         `timeouts.head` has failed. `0`: there are none. `off`: unknown, a session ends by `timeouts.idle` only.",
    )],
};

pub(crate) static LISTENER_HTTP3: Table = Table {
    name: "listener http3",
    doc: "HTTP/3 with clients; `true` stands for all defaults.",
    keys: &[
        key("max_concurrent_streams", Kind::Number, "100", "Requests at a time on one connection."),
        key("initial_window", Kind::Size, "256KiB", "Request body under way on one stream."),
        key("connection_window", Kind::Size, "1MiB", "Request bodies under way on one connection."),
        key(
            "alt_svc",
            Kind::OrOff(&Kind::Duration),
            "24h",
            "How long clients of the other versions may remember that HTTP/3 is spoken here; `off`: they are not told.",
        ),
        key(
            "retry",
            Kind::OneOf(&["auto", "always"]),
            "auto",
            "When a client has to prove its address first: while many handshakes are under way, or always.",
        ),
        key(
            "early_data",
            Kind::Bool,
            "false",
            "Answers GET, HEAD and OPTIONS without content before the handshake is complete. Somebody else may have copied \
             such a request; endpoints are told by `Early-Data: 1`.",
        ),
    ],
};
