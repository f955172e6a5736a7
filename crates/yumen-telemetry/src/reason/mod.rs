//! Every reason code of the access log: what it means, what usually causes it, what to do. The page
//! `docs/guide/reasons.md` is written from here.

mod grpc;
mod http1;
mod http2;
mod proxy;

use yumen_core::{Reason, Side, Stage};

/// One reason code.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The code itself.
    pub reason: Reason,
    /// The side at fault; where it depends on the case, the usual one.
    pub side: Side,
    /// The stage it happens in; where it depends on the case, the usual one.
    pub stage: Stage,
    /// The status the client is sent, when it can still be sent one; `None` when the connection just ends.
    pub status: Option<u16>,
    /// What happened.
    pub meaning: &'static str,
    /// What usually causes it.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// Declares codes as constants and as a table. A status of 0 stands for none.
macro_rules! declare {
    ($($id:ident = $code:literal $side:ident $stage:ident $status:literal
        $meaning:literal, $cause:literal, $remedy:literal;)*) => {
        $(#[doc = $meaning]
        pub const $id: yumen_core::Reason = yumen_core::Reason::new($code);)*

        pub(super) const TABLE: &[super::Entry] = &[$(super::Entry {
            reason: $id,
            side: yumen_core::Side::$side,
            stage: yumen_core::Stage::$stage,
            status: if $status == 0 { None } else { Some($status) },
            meaning: $meaning,
            cause: $cause,
            remedy: $remedy,
        }),*];
    };
}
use declare;

/// The codes as constants.
pub mod reasons {
    pub use super::grpc::*;
    pub use super::http1::*;
    pub use super::http2::*;
    pub use super::proxy::*;
}

/// Every code, grouped by what it is about.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    proxy::TABLE.iter().chain(http1::TABLE).chain(http2::TABLE).chain(grpc::TABLE)
}

/// The entry of a code.
pub fn explain(code: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.reason.code() == code)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_snake_case_and_explained() {
        let mut seen = HashSet::new();
        for entry in all() {
            let code = entry.reason.code();
            assert!(seen.insert(code), "{code} twice");
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{code}");
            for text in [entry.meaning, entry.cause, entry.remedy] {
                assert!(text.len() > 8 && !text.contains('|') && !text.contains('\n'), "{code}: {text}");
            }
            assert!(entry.status.is_none_or(|s| (400..600).contains(&s)), "{code}");
        }
    }

    #[test]
    fn fault_of_the_client_is_never_blamed_on_the_server() {
        for entry in all().filter(|e| e.side == Side::Client) {
            // 501 and 505 are what the RFCs say for codings and versions nobody here speaks.
            assert!(entry.status.is_none_or(|s| s < 500 || s == 501 || s == 505), "{}", entry.reason);
        }
    }

    #[test]
    fn code_is_found_by_its_name() {
        assert!(explain("no_route").is_some_and(|e| e.status == Some(404)));
        assert!(explain("no_such_code").is_none());
    }
}
