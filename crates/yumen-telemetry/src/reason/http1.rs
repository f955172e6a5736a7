//! Codes of what the HTTP/1.1 parser refuses. The same codes appear when an endpoint's answer breaks the rule; the side
//! is then upstream and the status 502.

super::declare! {
    REQUEST_LINE_TOO_LONG = "request_line_too_long" Client Route 414
        "the request line is longer than the limit",
        "a very long URL, often a form sent with GET",
        "raise the listener's limit of the request line, or let the application use POST";
    HEAD_TOO_LARGE = "head_too_large" Client Route 431
        "the head of the message is larger than the limit",
        "large or many cookies, or large tokens",
        "raise the listener's limit of the head, and look at what fills it";
    TOO_MANY_FIELDS = "too_many_fields" Client Route 431
        "the message has more header fields than the limit",
        "a client or a chain of proxies that adds very many fields",
        "raise the listener's limit of fields, and look at what adds them";
    BARE_LINE_END = "bare_line_end" Client Route 400
        "a line ends in LF or CR alone (RFC 9112 section 2.2)",
        "a broken client, or an attempt to smuggle a request",
        "correct the client; such bytes are never passed on";
    CONTROL_BYTE = "control_byte" Client Route 400
        "a control byte stands in the head",
        "bytes that are not HTTP, a broken client, or an attack",
        "correct the client; such bytes are never passed on";
    REQUEST_LINE_INVALID = "request_line_invalid" Client Route 400
        "the request line is not three parts divided by single spaces (RFC 9112 section 3)",
        "a space in a URL that was not encoded, HTTP/0.9, or another protocol on this port",
        "encode the URL, or send the client to the right port";
    METHOD_INVALID = "method_invalid" Client Route 400
        "the method is not a token (RFC 9110 section 9.1)",
        "another protocol on this port, often TLS on a plain listener",
        "use http in the client's address, or send the client to the TLS listener";
    TARGET_INVALID = "target_invalid" Client Route 400
        "the request target has bytes it may not have, or the wrong form for its method (RFC 9112 section 3.2)",
        "a client that does not encode what it puts into a URL",
        "encode the URL in the client";
    VERSION_UNSUPPORTED = "version_unsupported" Client Route 505
        "the version is neither HTTP/1.0 nor HTTP/1.1",
        "a client that speaks HTTP/2 without having agreed on it, or a scanner",
        "let the client use HTTP/1.1";
    VERSION_INVALID = "version_invalid" Client Route 400
        "what stands in the place of the version is not one",
        "a space in a URL that was not encoded, or another protocol on this port",
        "encode the URL in the client";
    STATUS_LINE_INVALID = "status_line_invalid" Upstream Receive 502
        "the status line of the endpoint's answer is malformed (RFC 9112 section 4)",
        "a service that does not speak HTTP/1.1 on this port",
        "check the endpoint's port and protocol, and whether it wants TLS";
    OBS_FOLD = "obs_fold" Client Route 400
        "a field line continues the one before (RFC 9112 section 5.2)",
        "a very old client, or an attempt to hide a field",
        "let the client send each field on one line";
    SPACE_BEFORE_COLON = "space_before_colon" Client Route 400
        "white space stands before the colon of a field (RFC 9112 section 5.1)",
        "a broken client, or an attempt to smuggle a request",
        "correct the client; such bytes are never passed on";
    FIELD_NAME_INVALID = "field_name_invalid" Client Route 400
        "a field name is empty or not a token (RFC 9110 section 5.1)",
        "a program that makes field names from arbitrary text",
        "let the client use letters, digits and hyphens";
    FIELD_LINE_INVALID = "field_line_invalid" Client Route 400
        "a field line has no colon",
        "a broken client, or bytes that are not HTTP",
        "correct the client";
    FIELD_VALUE_INVALID = "field_value_invalid" Client Route 400
        "a field value holds a control byte (RFC 9110 section 5.5)",
        "a program that puts arbitrary text into a field",
        "encode the value in the client";
    HOST_MISSING = "host_missing" Client Route 400
        "an HTTP/1.1 request has no Host field (RFC 9112 section 3.2)",
        "a hand-made client or health check",
        "send a Host field";
    HOST_DUPLICATE = "host_duplicate" Client Route 400
        "the request has more than one Host field (RFC 9112 section 3.2)",
        "a proxy before us that adds a second one, or an attack",
        "send exactly one Host field";
    HOST_INVALID = "host_invalid" Client Route 400
        "the Host field is not a host with an optional port (RFC 9110 section 7.2)",
        "a scanner, or a client that sends a URL there",
        "send only the host and, if it is not the usual one, the port";
    HOST_MISMATCH = "host_mismatch" Client Route 400
        "the Host field and the request target name different hosts",
        "an attempt to be routed by one and served by the other",
        "let the client send the same host in both";
    LENGTH_INVALID = "length_invalid" Client Route 400
        "the Content-Length is not a number, or is too large (RFC 9110 section 8.6)",
        "a broken client, or an attempt to smuggle a request",
        "correct the client; such a message is never passed on";
    LENGTH_DUPLICATE = "length_duplicate" Client Route 400
        "the message has more than one Content-Length (RFC 9112 section 6.3)",
        "a proxy before us that adds a second one, or an attempt to smuggle a request",
        "send exactly one; such a message is never passed on";
    LENGTH_AND_CODING = "length_and_coding" Client Route 400
        "the message has both Content-Length and Transfer-Encoding (RFC 9112 section 6.3)",
        "an attempt to smuggle a request, or a broken client",
        "let the client send one of them; such a message is never passed on";
    CODING_UNKNOWN = "coding_unknown" Client Route 501
        "the transfer coding is not chunked (RFC 9112 section 6.1)",
        "a client that compresses the transfer instead of the content",
        "use Content-Encoding for compression";
    CODING_INVALID = "coding_invalid" Client Route 400
        "the Transfer-Encoding is malformed, repeated, or not meant for this version (RFC 9112 section 6.1)",
        "an attempt to smuggle a request, or a broken client",
        "correct the client; such a message is never passed on";
    FRAMING_FORBIDDEN = "framing_forbidden" Client Route 400
        "a message that cannot have content announces some",
        "a broken client or service, or an attempt to smuggle",
        "correct the sender; such a message is never passed on";
    CHUNK_SIZE_INVALID = "chunk_size_invalid" Client Send 400
        "the size of a chunk is malformed or too large (RFC 9112 section 7.1)",
        "a broken client, or an attempt to smuggle a request",
        "correct the sender; such content is never passed on";
    CHUNK_EXTENSION_TOO_LARGE = "chunk_extension_too_large" Client Send 400
        "chunk extensions are beyond the limit (RFC 9112 section 7.1.1)",
        "hardly anything but an attack uses them",
        "leave chunk extensions out";
    CHUNK_END_INVALID = "chunk_end_invalid" Client Send 400
        "the data of a chunk does not end in CRLF (RFC 9112 section 7.1)",
        "a broken client that miscounts, or an attempt to smuggle a request",
        "correct the sender; such content is never passed on";
    TRAILER_TOO_LARGE = "trailer_too_large" Client Send 431
        "the trailer section is larger than the limit (RFC 9112 section 7.1.2)",
        "hardly anything but an attack sends that many",
        "send less in trailers, or raise the listener's limit of the head";
}
