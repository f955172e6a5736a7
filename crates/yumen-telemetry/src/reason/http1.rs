//! Codes of what the HTTP/1.1 parser refuses. The same codes appear when an endpoint's answer breaks the rule; the side
//! is then upstream and the status 502.

super::declare! {
    BARE_CR = "bare_cr" Client Route 400
        "a CR without LF stands in the head (RFC 9112 section 2.2)",
        "a broken client, or an attempt to smuggle a request",
        "correct the client; such bytes are never passed on";
}
