//! Every way a message can be refused.

/// Why a message was refused. One variant per cause; [`Fault::reason`] is its stable code.
///
/// After any fault the position of the next message is unknown: the connection must be closed.
#[derive(thiserror::Error, Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// A CR that no LF follows (RFC 9112 2.2).
    #[error("carriage return without line feed")]
    BareCr,
    /// A LF that no CR precedes (RFC 9112 2.2 lets a recipient accept it; we do not).
    #[error("line feed without carriage return")]
    BareLf,
    /// More than two empty lines before the request line (RFC 9112 2.2).
    #[error("too many empty lines before the request line")]
    LeadingEmptyLines,

    /// The method is empty or holds a byte that is not a token character (RFC 9110 9.1).
    #[error("method is not a token")]
    InvalidMethod,
    /// Something other than exactly one space between the parts of the request line (RFC 9112 3).
    #[error("request line parts are not separated by exactly one space")]
    RequestLineSpacing,
    /// The request line is longer than the limit.
    #[error("request line is longer than the limit")]
    RequestLineTooLong,
    /// A request line without a version: HTTP/0.9.
    #[error("request line has no version (HTTP/0.9), which is not supported")]
    Http09,
    /// The version is not written as `HTTP/d.d` (RFC 9112 2.3).
    #[error("version is malformed")]
    MalformedVersion,
    /// A well-written version other than 1.0 and 1.1.
    #[error("version is neither HTTP/1.0 nor HTTP/1.1")]
    UnsupportedVersion,

    /// A control byte, tab or non-ASCII byte in the request target (RFC 9112 3.2).
    #[error("request target holds a byte that is not allowed there")]
    InvalidTargetByte,
    /// `#` in the request target: fragments are never sent (RFC 9110 4.2.5).
    #[error("request target holds a fragment")]
    FragmentInTarget,
    /// A backslash in the path, which some origins read as a slash.
    #[error("request target holds a backslash in its path")]
    BackslashInPath,
    /// The target fits none of the four forms, or not the one the method asks for (RFC 9112 3.2).
    #[error("request target has none of the forms its method allows")]
    InvalidTargetForm,
    /// An absolute-form target whose scheme is neither http nor https.
    #[error("request target has a scheme other than http and https")]
    UnsupportedScheme,
    /// User information in the target's authority (RFC 9110 4.2.4).
    #[error("request target holds user information")]
    UserinfoInTarget,
    /// The authority of the target is empty or malformed.
    #[error("request target has an invalid authority")]
    InvalidAuthority,
    /// `*` with a method other than OPTIONS (RFC 9112 3.2.4).
    #[error("target * is allowed with OPTIONS only")]
    AsteriskWithoutOptions,
    /// CONNECT with anything but `host:port` (RFC 9112 3.2.3).
    #[error("CONNECT needs a target of the form host:port")]
    ConnectTarget,
    /// CONNECT that announces a body (RFC 9110 9.3.6).
    #[error("CONNECT announces a body")]
    ConnectWithBody,

    /// The status line does not have the form `HTTP/d.d ddd reason` (RFC 9112 4).
    #[error("status line is malformed")]
    MalformedStatusLine,
    /// The status is not three digits from 100 (RFC 9110 15).
    #[error("status is not a number from 100 to 999")]
    InvalidStatus,
    /// The status line is longer than the limit.
    #[error("status line is longer than the limit")]
    StatusLineTooLong,
    /// A control byte in the reason phrase (RFC 9112 4).
    #[error("reason phrase holds a control byte")]
    InvalidReason,
    /// 101 without an Upgrade field, or in HTTP/1.0 (RFC 9110 15.2.2).
    #[error("101 without an Upgrade field or in HTTP/1.0")]
    InvalidUpgrade,
    /// 1xx or 204 that announces a body (RFC 9112 6.1, RFC 9110 8.6).
    #[error("a response that can have no body announces one")]
    BodyNotAllowed,

    /// The head is longer than the limit.
    #[error("head is longer than the limit")]
    HeadTooLarge,
    /// The trailer section is longer than the limit.
    #[error("trailer section is longer than the limit")]
    TrailersTooLarge,
    /// More field lines than the limit.
    #[error("more field lines than the limit")]
    TooManyFields,
    /// White space before the first field line (RFC 9112 2.2).
    #[error("white space before the first field line")]
    SpaceBeforeFields,
    /// A folded field line (RFC 9112 5.2).
    #[error("field line is folded")]
    ObsFold,
    /// White space between field name and colon (RFC 9112 5.1).
    #[error("white space between field name and colon")]
    SpaceBeforeColon,
    /// A field line that starts with its colon.
    #[error("field name is empty")]
    EmptyFieldName,
    /// A field name with a byte that is not a token character (RFC 9110 5.1).
    #[error("field name is not a token")]
    InvalidFieldName,
    /// A field line without colon.
    #[error("field line has no colon")]
    MissingColon,
    /// A control byte in a field value (RFC 9110 5.5).
    #[error("field value holds a control byte")]
    InvalidFieldValue,

    /// Content-Length and Transfer-Encoding in one message (RFC 9112 6.1).
    #[error("both Content-Length and Transfer-Encoding are present")]
    ConflictingLength,
    /// More than one Content-Length line, equal or not (RFC 9112 6.3).
    #[error("more than one Content-Length")]
    DuplicateContentLength,
    /// Content-Length with a comma (RFC 9110 8.6).
    #[error("Content-Length is a list")]
    ListContentLength,
    /// Content-Length that is not one or more digits.
    #[error("Content-Length is not a plain decimal number")]
    MalformedContentLength,
    /// Content-Length above 2^63-1.
    #[error("Content-Length is too large")]
    ContentLengthOverflow,
    /// A transfer coding other than chunked (RFC 9112 6.1).
    #[error("transfer coding is not supported")]
    UnknownTransferCoding,
    /// A Transfer-Encoding that is empty, not a list of tokens, or looks like `chunked` without being it.
    #[error("Transfer-Encoding is malformed")]
    MalformedTransferEncoding,
    /// `chunked` named twice, or two Transfer-Encoding lines (RFC 9112 6.1).
    #[error("Transfer-Encoding is repeated")]
    RepeatedTransferEncoding,
    /// `chunked` is not the last coding (RFC 9112 6.3).
    #[error("chunked is not the final transfer coding")]
    ChunkedNotLast,
    /// Transfer-Encoding in an HTTP/1.0 message (RFC 9112 6.1).
    #[error("Transfer-Encoding in an HTTP/1.0 message")]
    TransferEncodingInHttp10,
    /// A Connection field with something that is not a token (RFC 9110 7.6.1).
    #[error("Connection holds something that is not a token")]
    InvalidConnection,
    /// An Expect other than 100-continue (RFC 9110 10.1.1).
    #[error("Expect asks for something other than 100-continue")]
    UnknownExpectation,

    /// An HTTP/1.1 request without Host (RFC 9112 3.2).
    #[error("Host is missing")]
    MissingHost,
    /// More than one Host line (RFC 9112 3.2).
    #[error("more than one Host")]
    DuplicateHost,
    /// A Host that is no `name`, `address` or `[address]` with optional port (RFC 9110 7.2).
    #[error("Host is not valid")]
    InvalidHost,
    /// Host and the authority of the target name different hosts.
    #[error("Host and request target name different hosts")]
    HostMismatch,

    /// A chunk size that is not one or more hex digits (RFC 9112 7.1).
    #[error("chunk size is not a plain hexadecimal number")]
    InvalidChunkSize,
    /// A chunk size of more than 16 digits or above 2^63-1.
    #[error("chunk size is too large")]
    ChunkSizeOverflow,
    /// A chunk extension outside the grammar (RFC 9112 7.1.1).
    #[error("chunk extension is malformed")]
    InvalidChunkExtension,
    /// Chunk extensions longer than the cap, in one chunk or in sum.
    #[error("chunk extensions are longer than the limit")]
    ChunkExtensionTooLong,
    /// Chunk data that no CRLF follows.
    #[error("chunk data is not followed by a line end")]
    ChunkDataEnd,
}

impl Fault {
    /// Short, stable, snake_case code for logs, metrics and tests.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Fault::BareCr => "bare_cr",
            Fault::BareLf => "bare_lf",
            Fault::LeadingEmptyLines => "leading_empty_lines",
            Fault::InvalidMethod => "invalid_method",
            Fault::RequestLineSpacing => "request_line_spacing",
            Fault::RequestLineTooLong => "request_line_too_long",
            Fault::Http09 => "http_09",
            Fault::MalformedVersion => "malformed_version",
            Fault::UnsupportedVersion => "unsupported_version",
            Fault::InvalidTargetByte => "invalid_target_byte",
            Fault::FragmentInTarget => "fragment_in_target",
            Fault::BackslashInPath => "backslash_in_path",
            Fault::InvalidTargetForm => "invalid_target_form",
            Fault::UnsupportedScheme => "unsupported_scheme",
            Fault::UserinfoInTarget => "userinfo_in_target",
            Fault::InvalidAuthority => "invalid_authority",
            Fault::AsteriskWithoutOptions => "asterisk_without_options",
            Fault::ConnectTarget => "connect_target",
            Fault::ConnectWithBody => "connect_with_body",
            Fault::MalformedStatusLine => "malformed_status_line",
            Fault::InvalidStatus => "invalid_status",
            Fault::StatusLineTooLong => "status_line_too_long",
            Fault::InvalidReason => "invalid_reason",
            Fault::InvalidUpgrade => "invalid_upgrade",
            Fault::BodyNotAllowed => "body_not_allowed",
            Fault::HeadTooLarge => "head_too_large",
            Fault::TrailersTooLarge => "trailers_too_large",
            Fault::TooManyFields => "too_many_fields",
            Fault::SpaceBeforeFields => "space_before_fields",
            Fault::ObsFold => "obs_fold",
            Fault::SpaceBeforeColon => "space_before_colon",
            Fault::EmptyFieldName => "empty_field_name",
            Fault::InvalidFieldName => "invalid_field_name",
            Fault::MissingColon => "missing_colon",
            Fault::InvalidFieldValue => "invalid_field_value",
            other => other.framing_reason(),
        }
    }

    /// The second half of [`Fault::reason`]: framing, host and chunks.
    fn framing_reason(self) -> &'static str {
        match self {
            Fault::ConflictingLength => "conflicting_length",
            Fault::DuplicateContentLength => "duplicate_content_length",
            Fault::ListContentLength => "list_content_length",
            Fault::MalformedContentLength => "malformed_content_length",
            Fault::ContentLengthOverflow => "content_length_overflow",
            Fault::UnknownTransferCoding => "unknown_transfer_coding",
            Fault::MalformedTransferEncoding => "malformed_transfer_encoding",
            Fault::RepeatedTransferEncoding => "repeated_transfer_encoding",
            Fault::ChunkedNotLast => "chunked_not_last",
            Fault::TransferEncodingInHttp10 => "transfer_encoding_in_http10",
            Fault::InvalidConnection => "invalid_connection",
            Fault::UnknownExpectation => "unknown_expectation",
            Fault::MissingHost => "missing_host",
            Fault::DuplicateHost => "duplicate_host",
            Fault::InvalidHost => "invalid_host",
            Fault::HostMismatch => "host_mismatch",
            Fault::InvalidChunkSize => "invalid_chunk_size",
            Fault::ChunkSizeOverflow => "chunk_size_overflow",
            Fault::InvalidChunkExtension => "invalid_chunk_extension",
            Fault::ChunkExtensionTooLong => "chunk_extension_too_long",
            Fault::ChunkDataEnd => "chunk_data_end",
            _ => "malformed_message",
        }
    }

    /// The status a server answers with when a *request* has this fault. A proxy that finds it in a response answers
    /// 502 instead.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Fault::RequestLineTooLong => 414,
            Fault::UnknownExpectation => 417,
            Fault::HeadTooLarge | Fault::TooManyFields | Fault::TrailersTooLarge => 431,
            Fault::UnknownTransferCoding => 501,
            Fault::Http09 | Fault::UnsupportedVersion => 505,
            _ => 400,
        }
    }
}
