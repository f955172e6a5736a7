//! Every way a message can be refused.

/// One line per cause: variant, stable code, status of the answer to a request, message.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $reason:literal $status:literal $message:literal;)*) => {
        /// Why a message was refused. One variant per cause; [`Fault::reason`] is its stable code.
        ///
        /// After any fault the position of the next message is unknown: the connection must be closed.
        #[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])* #[error($message)] $name,)*
        }

        impl Fault {
            /// All faults, in the order of their declaration.
            pub const ALL: &'static [Fault] = &[$(Fault::$name),*];

            /// Short, stable, snake_case code for logs, metrics and tests.
            #[must_use]
            pub fn reason(self) -> &'static str {
                match self { $(Fault::$name => $reason),* }
            }

            /// The status a server answers with when a *request* has this fault: 400, 414, 417, 431, 501 or 505. A
            /// proxy that finds the fault in a response answers 502 instead.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Fault::$name => $status),* }
            }
        }
    };
}

faults! {
    /// A CR that no LF follows (RFC 9112 2.2).
    BareCr = "bare_cr" 400 "carriage return without line feed";
    /// A LF that no CR precedes (RFC 9112 2.2 lets a recipient accept it; we do not).
    BareLf = "bare_lf" 400 "line feed without carriage return";
    /// More than two empty lines before the request line (RFC 9112 2.2).
    LeadingEmptyLines = "leading_empty_lines" 400 "too many empty lines before the request line";

    /// The method is empty or holds a byte that is not a token character (RFC 9110 9.1).
    InvalidMethod = "invalid_method" 400 "method is not a token";
    /// Something other than exactly one space between the parts of the request line (RFC 9112 3).
    RequestLineSpacing = "request_line_spacing" 400 "request line parts are not separated by exactly one space";
    /// The request line is longer than the limit.
    RequestLineTooLong = "request_line_too_long" 414 "request line is longer than the limit";
    /// A request line without a version: HTTP/0.9.
    Http09 = "http_09" 505 "request line has no version (HTTP/0.9), which is not supported";
    /// The version is not written as `HTTP/d.d` (RFC 9112 2.3).
    MalformedVersion = "malformed_version" 400 "version is malformed";
    /// A well-written version other than 1.0 and 1.1.
    UnsupportedVersion = "unsupported_version" 505 "version is neither HTTP/1.0 nor HTTP/1.1";

    /// A control byte, tab or non-ASCII byte in the request target (RFC 9112 3.2).
    InvalidTargetByte = "invalid_target_byte" 400 "request target holds a byte that is not allowed there";
    /// `#` in the request target: fragments are never sent (RFC 9110 4.2.5).
    FragmentInTarget = "fragment_in_target" 400 "request target holds a fragment";
    /// A backslash in the path, which some origins read as a slash.
    BackslashInPath = "backslash_in_path" 400 "request target holds a backslash in its path";
    /// The target fits none of the four forms, or not the one the method asks for (RFC 9112 3.2).
    InvalidTargetForm = "invalid_target_form" 400 "request target has none of the forms its method allows";
    /// An absolute-form target whose scheme is neither http nor https.
    UnsupportedScheme = "unsupported_scheme" 400 "request target has a scheme other than http and https";
    /// User information in the target's authority (RFC 9110 4.2.4).
    UserinfoInTarget = "userinfo_in_target" 400 "request target holds user information";
    /// The authority of the target is empty or malformed.
    InvalidAuthority = "invalid_authority" 400 "request target has an invalid authority";
    /// `*` with a method other than OPTIONS (RFC 9112 3.2.4).
    AsteriskWithoutOptions = "asterisk_without_options" 400 "target * is allowed with OPTIONS only";
    /// CONNECT with anything but `host:port` (RFC 9112 3.2.3).
    ConnectTarget = "connect_target" 400 "CONNECT needs a target of the form host:port";
    /// CONNECT that announces a body (RFC 9110 9.3.6).
    ConnectWithBody = "connect_with_body" 400 "CONNECT announces a body";

    /// The status line does not have the form `HTTP/d.d ddd reason` (RFC 9112 4).
    MalformedStatusLine = "malformed_status_line" 400 "status line is malformed";
    /// The status is not three digits from 100 (RFC 9110 15).
    InvalidStatus = "invalid_status" 400 "status is not a number from 100 to 999";
    /// The status line is longer than the limit.
    StatusLineTooLong = "status_line_too_long" 400 "status line is longer than the limit";
    /// A control byte in the reason phrase (RFC 9112 4).
    InvalidReason = "invalid_reason" 400 "reason phrase holds a control byte";
    /// 101 without Upgrade and Connection: upgrade, or in HTTP/1.0 (RFC 9110 15.2.2).
    InvalidUpgrade = "invalid_upgrade" 400 "101 without Upgrade and Connection: upgrade, or in HTTP/1.0";
    /// 1xx or 204 that announces a body (RFC 9112 6.1, RFC 9110 8.6).
    BodyNotAllowed = "body_not_allowed" 400 "a response that can have no body announces one";

    /// The head is longer than the limit.
    HeadTooLarge = "head_too_large" 431 "head is longer than the limit";
    /// The trailer section is longer than the limit.
    TrailersTooLarge = "trailers_too_large" 431 "trailer section is longer than the limit";
    /// More field lines than the limit.
    TooManyFields = "too_many_fields" 431 "more field lines than the limit";
    /// White space before the first field line (RFC 9112 2.2).
    SpaceBeforeFields = "space_before_fields" 400 "white space before the first field line";
    /// A folded field line (RFC 9112 5.2).
    ObsFold = "obs_fold" 400 "field line is folded";
    /// White space between field name and colon (RFC 9112 5.1).
    SpaceBeforeColon = "space_before_colon" 400 "white space between field name and colon";
    /// A field line that starts with its colon.
    EmptyFieldName = "empty_field_name" 400 "field name is empty";
    /// A field name with a byte that is not a token character (RFC 9110 5.1).
    InvalidFieldName = "invalid_field_name" 400 "field name is not a token";
    /// A field line without colon.
    MissingColon = "missing_colon" 400 "field line has no colon";
    /// A control byte in a field value (RFC 9110 5.5).
    InvalidFieldValue = "invalid_field_value" 400 "field value holds a control byte";

    /// Content-Length and Transfer-Encoding in one message (RFC 9112 6.1).
    ConflictingLength = "conflicting_length" 400 "both Content-Length and Transfer-Encoding are present";
    /// More than one Content-Length line, equal or not (RFC 9112 6.3).
    DuplicateContentLength = "duplicate_content_length" 400 "more than one Content-Length";
    /// Content-Length with a comma (RFC 9110 8.6).
    ListContentLength = "list_content_length" 400 "Content-Length is a list";
    /// Content-Length that is not one or more digits.
    MalformedContentLength = "malformed_content_length" 400 "Content-Length is not a plain decimal number";
    /// Content-Length above 2^63-1.
    ContentLengthOverflow = "content_length_overflow" 400 "Content-Length is too large";
    /// A transfer coding other than chunked (RFC 9112 6.1).
    UnknownTransferCoding = "unknown_transfer_coding" 501 "transfer coding is not supported";
    /// A Transfer-Encoding that is empty, not a list of tokens, or looks like `chunked` without being it.
    MalformedTransferEncoding = "malformed_transfer_encoding" 400 "Transfer-Encoding is malformed";
    /// `chunked` named twice, or two Transfer-Encoding lines (RFC 9112 6.1).
    RepeatedTransferEncoding = "repeated_transfer_encoding" 400 "Transfer-Encoding is repeated";
    /// `chunked` is not the last coding (RFC 9112 6.3).
    ChunkedNotLast = "chunked_not_last" 400 "chunked is not the final transfer coding";
    /// Transfer-Encoding in an HTTP/1.0 message (RFC 9112 6.1).
    TransferEncodingInHttp10 = "transfer_encoding_in_http10" 400 "Transfer-Encoding in an HTTP/1.0 message";
    /// A Connection field with something that is not a token (RFC 9110 7.6.1).
    InvalidConnection = "invalid_connection" 400 "Connection holds something that is not a token";
    /// An Expect other than 100-continue (RFC 9110 10.1.1).
    UnknownExpectation = "unknown_expectation" 417 "Expect asks for something other than 100-continue";

    /// An HTTP/1.1 request without Host (RFC 9112 3.2).
    MissingHost = "missing_host" 400 "Host is missing";
    /// More than one Host line (RFC 9112 3.2).
    DuplicateHost = "duplicate_host" 400 "more than one Host";
    /// A Host that is no `name`, `address` or `[address]` with optional port (RFC 9110 7.2).
    InvalidHost = "invalid_host" 400 "Host is not valid";
    /// Host and the authority of the target name different hosts.
    HostMismatch = "host_mismatch" 400 "Host and request target name different hosts";

    /// A chunk size that is not one or more hex digits (RFC 9112 7.1).
    InvalidChunkSize = "invalid_chunk_size" 400 "chunk size is not a plain hexadecimal number";
    /// A chunk size of more than 16 digits or above 2^63-1.
    ChunkSizeOverflow = "chunk_size_overflow" 400 "chunk size is too large";
    /// A chunk extension outside the grammar (RFC 9112 7.1.1).
    InvalidChunkExtension = "invalid_chunk_extension" 400 "chunk extension is malformed";
    /// Chunk extensions longer than the cap, in one chunk or in sum.
    ChunkExtensionTooLong = "chunk_extension_too_long" 400 "chunk extensions are longer than the limit";
    /// Chunk data that no CRLF follows.
    ChunkDataEnd = "chunk_data_end" 400 "chunk data is not followed by a line end";
}
