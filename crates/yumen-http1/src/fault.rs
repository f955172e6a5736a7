//! Why a message was refused.

/// One cause of refusal. [`Fault::reason`] is its stable code.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The request line is longer than allowed.
    #[error("the request line is longer than the limit")]
    RequestLineTooLong,
    /// The head is larger, or has more fields, than allowed.
    #[error("the head is larger than the limit")]
    HeadTooLarge,
    /// More field lines than allowed.
    #[error("there are more header fields than the limit")]
    TooManyFields,
    /// A line feed without carriage return, or the reverse (RFC 9112 section 2.2).
    #[error("a line does not end in CRLF")]
    BareLineEnd,
    /// A control byte where none may be.
    #[error("a control byte in the head")]
    ControlByte,
    /// The request line does not have three parts divided by single spaces (RFC 9112 section 3).
    #[error("the request line is malformed")]
    RequestLine,
    /// The method is not a token.
    #[error("the method is not a token")]
    Method,
    /// The target has bytes it may not have, or the wrong form for the method (RFC 9112 section 3.2).
    #[error("the request target is malformed")]
    Target,
    /// Not `HTTP/1.0` or `HTTP/1.1`.
    #[error("the version is not supported")]
    Version,
    /// The version is not even written as one.
    #[error("the version is malformed")]
    VersionSyntax,
    /// The status line is malformed (RFC 9112 section 4).
    #[error("the status line is malformed")]
    StatusLine,
    /// A field line that continues the one before (RFC 9112 section 5.2).
    #[error("a folded field line")]
    ObsFold,
    /// White space before the colon (RFC 9112 section 5.1).
    #[error("white space before the colon of a field")]
    SpaceBeforeColon,
    /// The name is empty or not a token.
    #[error("a field name is not a token")]
    FieldName,
    /// No colon in a field line.
    #[error("a field line without a colon")]
    FieldLine,
    /// A value with control bytes.
    #[error("a field value with a control byte")]
    FieldValue,
    /// No Host in HTTP/1.1 (RFC 9112 section 3.2).
    #[error("no Host field")]
    HostMissing,
    /// More than one Host.
    #[error("more than one Host field")]
    HostDuplicate,
    /// Host is not a host with an optional port.
    #[error("the Host field is not a host and port")]
    HostInvalid,
    /// Host and the authority of the target differ.
    #[error("the Host field and the request target disagree")]
    HostMismatch,
    /// Content-Length is not a number, or too large (RFC 9110 section 8.6).
    #[error("the Content-Length is malformed")]
    LengthInvalid,
    /// More than one Content-Length.
    #[error("more than one Content-Length")]
    LengthDuplicate,
    /// Content-Length beside Transfer-Encoding (RFC 9112 section 6.3).
    #[error("both Content-Length and Transfer-Encoding")]
    LengthAndCoding,
    /// A transfer coding other than chunked.
    #[error("a transfer coding that is not known")]
    CodingUnknown,
    /// Transfer-Encoding that is malformed, repeated, or not meant for this version (RFC 9112 section 6.1).
    #[error("the Transfer-Encoding is malformed")]
    CodingInvalid,
    /// A message that cannot have content says it has.
    #[error("framing in a message that has no content")]
    FramingForbidden,
    /// The size of a chunk is malformed or too large (RFC 9112 section 7.1).
    #[error("a chunk size is malformed")]
    ChunkSize,
    /// Chunk extensions beyond the limit.
    #[error("chunk extensions beyond the limit")]
    ChunkExtension,
    /// The data of a chunk does not end in CRLF.
    #[error("a chunk does not end where it should")]
    ChunkEnd,
    /// The trailer section is beyond the limit.
    #[error("the trailer section is larger than the limit")]
    TrailerTooLarge,
}

impl Fault {
    /// Every fault, for catalogues.
    pub const ALL: &[Self] = &[
        Self::RequestLineTooLong,
        Self::HeadTooLarge,
        Self::TooManyFields,
        Self::BareLineEnd,
        Self::ControlByte,
        Self::RequestLine,
        Self::Method,
        Self::Target,
        Self::Version,
        Self::VersionSyntax,
        Self::StatusLine,
        Self::ObsFold,
        Self::SpaceBeforeColon,
        Self::FieldName,
        Self::FieldLine,
        Self::FieldValue,
        Self::HostMissing,
        Self::HostDuplicate,
        Self::HostInvalid,
        Self::HostMismatch,
        Self::LengthInvalid,
        Self::LengthDuplicate,
        Self::LengthAndCoding,
        Self::CodingUnknown,
        Self::CodingInvalid,
        Self::FramingForbidden,
        Self::ChunkSize,
        Self::ChunkExtension,
        Self::ChunkEnd,
        Self::TrailerTooLarge,
    ];

    /// The stable code of this cause.
    pub fn reason(self) -> &'static str {
        match self {
            Self::RequestLineTooLong => "request_line_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyFields => "too_many_fields",
            Self::BareLineEnd => "bare_line_end",
            Self::ControlByte => "control_byte",
            Self::RequestLine => "request_line_invalid",
            Self::Method => "method_invalid",
            Self::Target => "target_invalid",
            Self::Version => "version_unsupported",
            Self::VersionSyntax => "version_invalid",
            Self::StatusLine => "status_line_invalid",
            Self::ObsFold => "obs_fold",
            Self::SpaceBeforeColon => "space_before_colon",
            Self::FieldName => "field_name_invalid",
            Self::FieldLine => "field_line_invalid",
            Self::FieldValue => "field_value_invalid",
            Self::HostMissing => "host_missing",
            Self::HostDuplicate => "host_duplicate",
            Self::HostInvalid => "host_invalid",
            Self::HostMismatch => "host_mismatch",
            Self::LengthInvalid => "length_invalid",
            Self::LengthDuplicate => "length_duplicate",
            Self::LengthAndCoding => "length_and_coding",
            Self::CodingUnknown => "coding_unknown",
            Self::CodingInvalid => "coding_invalid",
            Self::FramingForbidden => "framing_forbidden",
            Self::ChunkSize => "chunk_size_invalid",
            Self::ChunkExtension => "chunk_extension_too_large",
            Self::ChunkEnd => "chunk_end_invalid",
            Self::TrailerTooLarge => "trailer_too_large",
        }
    }

    /// The status a server answers with.
    pub fn status(self) -> u16 {
        match self {
            Self::RequestLineTooLong => 414,
            Self::HeadTooLarge | Self::TooManyFields | Self::TrailerTooLarge => 431,
            Self::Version => 505,
            Self::CodingUnknown => 501,
            _ => 400,
        }
    }
}
