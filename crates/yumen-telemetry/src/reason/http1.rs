//! Codes of what the HTTP/1.1 parser refuses. The same codes appear when an endpoint's answer breaks the rule; the side
//! is then upstream and the status 502.

super::declare! {
    BARE_CR = "bare_cr" Client Route 400
        "a CR stands without LF (RFC 9112 section 2.2)",
        "a broken client, or an attempt to smuggle a request",
        "correct the sender; such a message is never passed on";
    BARE_LF = "bare_lf" Client Route 400
        "a LF stands without CR (RFC 9112 section 2.2)",
        "a hand-made client or health check, or an attempt to smuggle a request",
        "end every line with CR LF; such a message is never passed on";
    LEADING_EMPTY_LINES = "leading_empty_lines" Client Route 400
        "more than two empty lines stand before the request line (RFC 9112 section 2.2)",
        "a client that miscounts the content it sent before, or a scanner",
        "correct the client";
    INVALID_METHOD = "invalid_method" Client Route 400
        "the method is empty or not a token (RFC 9110 section 9.1)",
        "another protocol on this port, often TLS on a plain listener",
        "use http in the client's address, or send the client to the TLS listener";
    REQUEST_LINE_SPACING = "request_line_spacing" Client Route 400
        "the parts of the request line are not divided by exactly one space (RFC 9112 section 3)",
        "a space in a URL that was not encoded, or another protocol on this port",
        "encode the URL in the client";
    REQUEST_LINE_TOO_LONG = "request_line_too_long" Client Route 414
        "the request line is longer than the limit",
        "a very long URL, often a form sent with GET",
        "raise the listener's limit of the request line, or let the application use POST";
    HTTP_09 = "http_09" Client Route 505
        "the request line has no version: HTTP/0.9",
        "a very old client or a scanner",
        "let the client use HTTP/1.1";
    MALFORMED_VERSION = "malformed_version" Client Route 400
        "what stands in the place of the version is not one (RFC 9112 section 2.3)",
        "a space in a URL that was not encoded, or another protocol on this port",
        "encode the URL in the client";
    UNSUPPORTED_VERSION = "unsupported_version" Client Route 505
        "the version is neither HTTP/1.0 nor HTTP/1.1",
        "a client that speaks HTTP/2 without having agreed on it, or a scanner",
        "let the client use HTTP/1.1";
    INVALID_TARGET_BYTE = "invalid_target_byte" Client Route 400
        "the request target holds a control byte, a tab or a byte beyond ASCII (RFC 9112 section 3.2)",
        "a client that does not encode what it puts into a URL",
        "encode the URL in the client";
    FRAGMENT_IN_TARGET = "fragment_in_target" Client Route 400
        "the request target holds a fragment (RFC 9110 section 4.2.5)",
        "a client that sends the part of a URL after the number sign",
        "remove the fragment in the client, or encode the number sign as %23";
    BACKSLASH_IN_PATH = "backslash_in_path" Client Route 400
        "the path holds a backslash, which some services read as a slash",
        "a client that builds URLs from Windows paths, or an attack",
        "use slashes, or encode the backslash as %5C";
    INVALID_TARGET_FORM = "invalid_target_form" Client Route 400
        "the request target has none of the forms its method allows (RFC 9112 section 3.2)",
        "a path that does not begin with a slash, or a scanner",
        "correct the client";
    UNSUPPORTED_SCHEME = "unsupported_scheme" Client Route 400
        "the URL in the request line is neither http nor https",
        "a client that takes the gateway for a forward proxy",
        "remove the proxy setting of the client";
    USERINFO_IN_TARGET = "userinfo_in_target" Client Route 400
        "the URL in the request line holds user information (RFC 9110 section 4.2.4)",
        "a client that sends name and password in a URL",
        "send credentials in Authorization";
    INVALID_AUTHORITY = "invalid_authority" Client Route 400
        "the host in the request target is empty or malformed",
        "a broken client or a scanner",
        "correct the client";
    ASTERISK_WITHOUT_OPTIONS = "asterisk_without_options" Client Route 400
        "the target is an asterisk and the method is not OPTIONS (RFC 9112 section 3.2.4)",
        "a broken client or a scanner",
        "correct the client";
    CONNECT_TARGET = "connect_target" Client Route 400
        "CONNECT without a target of the form host:port (RFC 9112 section 3.2.3)",
        "a client that takes the gateway for a forward proxy, or a scanner",
        "remove the proxy setting of the client";
    CONNECT_WITH_BODY = "connect_with_body" Client Route 400
        "CONNECT announces content (RFC 9110 section 9.3.6)",
        "an attempt to smuggle a request, or a broken client",
        "correct the sender; such a message is never passed on";
    MALFORMED_STATUS_LINE = "malformed_status_line" Upstream Receive 502
        "the status line of the endpoint's answer is malformed (RFC 9112 section 4)",
        "a service that does not speak HTTP/1.1 on this port",
        "check the endpoint's port and protocol, and whether it wants TLS";
    INVALID_STATUS = "invalid_status" Upstream Receive 502
        "the status of the endpoint's answer is not a number from 100 (RFC 9110 section 15)",
        "a service that invents status codes",
        "correct the service";
    STATUS_LINE_TOO_LONG = "status_line_too_long" Upstream Receive 502
        "the status line of the endpoint's answer is longer than the limit",
        "a service that puts whole messages into the reason phrase",
        "correct the service";
    INVALID_REASON = "invalid_reason" Upstream Receive 502
        "the reason phrase of the endpoint's answer holds a control byte (RFC 9112 section 4)",
        "a service that puts arbitrary text into the reason phrase",
        "correct the service";
    INVALID_UPGRADE = "invalid_upgrade" Upstream Receive 502
        "the endpoint answered 101 without the fields that belong to it (RFC 9110 section 15.2.2)",
        "a service, or a proxy before it, that breaks the rules of Upgrade",
        "look at what the service answers to the Upgrade field";
    BODY_NOT_ALLOWED = "body_not_allowed" Upstream Receive 502
        "an answer that cannot have content announces some (RFC 9110 section 8.6)",
        "a service that sends Content-Length or Transfer-Encoding with 1xx or 204",
        "correct the service";
    HEAD_TOO_LARGE = "head_too_large" Client Route 431
        "the head of the message is larger than the limit",
        "large or many cookies, or large tokens",
        "raise the listener's limit of the head, and look at what fills it";
    TRAILERS_TOO_LARGE = "trailers_too_large" Client Send 431
        "the trailer section is larger than the limit (RFC 9112 section 7.1.2)",
        "hardly anything but an attack sends that many",
        "send less in trailers, or raise the listener's limit of the head";
    TOO_MANY_FIELDS = "too_many_fields" Client Route 431
        "the message has more header fields than the limit",
        "a client or a chain of proxies that adds very many fields",
        "raise the listener's limit of fields, and look at what adds them";
    SPACE_BEFORE_FIELDS = "space_before_fields" Client Route 400
        "white space stands before the first field line (RFC 9112 section 2.2)",
        "an attempt to smuggle a request, or a broken client",
        "correct the sender; such a message is never passed on";
    OBS_FOLD = "obs_fold" Client Route 400
        "a field line continues the one before (RFC 9112 section 5.2)",
        "a very old client, or an attempt to hide a field",
        "let the client send each field on one line";
    SPACE_BEFORE_COLON = "space_before_colon" Client Route 400
        "white space stands before the colon of a field (RFC 9112 section 5.1)",
        "an attempt to smuggle a request, or a broken client",
        "correct the sender; such a message is never passed on";
    EMPTY_FIELD_NAME = "empty_field_name" Client Route 400
        "a field line begins with its colon (RFC 9110 section 5.1)",
        "an attempt to smuggle a request, or a broken client",
        "correct the sender; such a message is never passed on";
    INVALID_FIELD_NAME = "invalid_field_name" Client Route 400
        "a field name is not a token (RFC 9110 section 5.1)",
        "a program that makes field names from arbitrary text",
        "let the client use letters, digits and hyphens";
    MISSING_COLON = "missing_colon" Client Route 400
        "a field line has no colon (RFC 9112 section 5)",
        "a broken client, or bytes that are not HTTP",
        "correct the client";
    INVALID_FIELD_VALUE = "invalid_field_value" Client Route 400
        "a field value holds a control byte (RFC 9110 section 5.5)",
        "a program that puts arbitrary text into a field",
        "encode the value in the client";
    CONFLICTING_LENGTH = "conflicting_length" Client Route 400
        "the message has both Content-Length and Transfer-Encoding (RFC 9112 section 6.1)",
        "an attempt to smuggle a request, or a broken client",
        "let the sender use one of them; such a message is never passed on";
    DUPLICATE_CONTENT_LENGTH = "duplicate_content_length" Client Route 400
        "the message has more than one Content-Length (RFC 9112 section 6.3)",
        "a proxy before us that adds a second one, or an attempt to smuggle a request",
        "send exactly one; such a message is never passed on";
    LIST_CONTENT_LENGTH = "list_content_length" Client Route 400
        "the Content-Length is a list (RFC 9110 section 8.6)",
        "a proxy before us that joined two of them, or an attempt to smuggle a request",
        "send exactly one number; such a message is never passed on";
    MALFORMED_CONTENT_LENGTH = "malformed_content_length" Client Route 400
        "the Content-Length is not a plain decimal number (RFC 9110 section 8.6)",
        "an attempt to smuggle a request, or a broken client",
        "correct the sender; such a message is never passed on";
    CONTENT_LENGTH_OVERFLOW = "content_length_overflow" Client Route 400
        "the Content-Length is too large to be true (RFC 9110 section 8.6)",
        "an attempt to smuggle a request, or a broken client",
        "correct the sender; such a message is never passed on";
    UNKNOWN_TRANSFER_CODING = "unknown_transfer_coding" Client Route 501
        "the transfer coding is not chunked (RFC 9112 section 6.1)",
        "a client that compresses the transfer instead of the content",
        "use Content-Encoding for compression";
    MALFORMED_TRANSFER_ENCODING = "malformed_transfer_encoding" Client Route 400
        "the Transfer-Encoding is empty, no list of tokens, or looks like chunked without being it (RFC 9112 section 6.1)",
        "an attempt to smuggle a request, or a broken client",
        "correct the sender; such a message is never passed on";
    REPEATED_TRANSFER_ENCODING = "repeated_transfer_encoding" Client Route 400
        "the Transfer-Encoding is there twice, or names chunked twice (RFC 9112 section 6.1)",
        "an attempt to smuggle a request, or a broken client",
        "correct the sender; such a message is never passed on";
    CHUNKED_NOT_LAST = "chunked_not_last" Client Route 400
        "chunked is not the last transfer coding (RFC 9112 section 6.3)",
        "an attempt to smuggle a request, or a broken client",
        "correct the sender; such a message is never passed on";
    TRANSFER_ENCODING_IN_HTTP10 = "transfer_encoding_in_http10" Client Route 400
        "an HTTP/1.0 message has a Transfer-Encoding (RFC 9112 section 6.1)",
        "an attempt to smuggle a request, or a broken client",
        "correct the sender; such a message is never passed on";
    INVALID_CONNECTION = "invalid_connection" Client Route 400
        "the Connection field holds something that is not a token (RFC 9110 section 7.6.1)",
        "a broken client or proxy before us",
        "correct the sender";
    UNKNOWN_EXPECTATION = "unknown_expectation" Client Route 417
        "the Expect field asks for something other than 100-continue (RFC 9110 section 10.1.1)",
        "a client with an expectation of its own invention",
        "remove the Expect field in the client";
    MISSING_HOST = "missing_host" Client Route 400
        "an HTTP/1.1 request has no Host field (RFC 9112 section 3.2)",
        "a hand-made client or health check",
        "send a Host field";
    DUPLICATE_HOST = "duplicate_host" Client Route 400
        "the request has more than one Host field (RFC 9112 section 3.2)",
        "a proxy before us that adds a second one, or an attack",
        "send exactly one Host field";
    INVALID_HOST = "invalid_host" Client Route 400
        "the Host field is not a host with an optional port (RFC 9110 section 7.2)",
        "a scanner, or a client that sends a URL there",
        "send only the host and, if it is not the usual one, the port";
    HOST_MISMATCH = "host_mismatch" Client Route 400
        "the Host field and the request target name different hosts",
        "an attempt to be routed by one and served by the other",
        "let the client send the same host in both";
    INVALID_CHUNK_SIZE = "invalid_chunk_size" Client Send 400
        "the size of a chunk is not a plain hexadecimal number (RFC 9112 section 7.1)",
        "an attempt to smuggle a request, or a broken client",
        "correct the sender; such a message is never passed on";
    CHUNK_SIZE_OVERFLOW = "chunk_size_overflow" Client Send 400
        "the size of a chunk is too large to be true (RFC 9112 section 7.1)",
        "an attempt to smuggle a request, or a broken client",
        "correct the sender; such a message is never passed on";
    INVALID_CHUNK_EXTENSION = "invalid_chunk_extension" Client Send 400
        "a chunk extension is malformed (RFC 9112 section 7.1.1)",
        "an attempt to smuggle a request, or a broken client",
        "correct the sender; such a message is never passed on";
    CHUNK_EXTENSION_TOO_LONG = "chunk_extension_too_long" Client Send 400
        "chunk extensions are longer than the limit (RFC 9112 section 7.1.1)",
        "hardly anything but an attack uses them",
        "leave chunk extensions out";
    CHUNK_DATA_END = "chunk_data_end" Client Send 400
        "the data of a chunk is not followed by CR LF (RFC 9112 section 7.1)",
        "a sender that miscounts, or an attempt to smuggle a request",
        "correct the sender; such a message is never passed on";
}
