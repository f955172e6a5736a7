//! THE KEYS. Certificates that are obtained and renewed by ACME (RFC 8555).
//!
//! [`Acme`] is one CA and who we are there; [`Acme::ensure`] gives a good certificate for a [`Wish`], from the disk or by an
//! order. Names are proved by [`challenge`]s: HTTP-01 and TLS-ALPN-01 are tables that whoever serves the names asks, DNS-01
//! edits a zone through a provider ([`dns`]). [`Store`] keeps accounts, certificates and orders on the disk, shared by
//! processes through a lock; [`renewal`] says when a certificate is due.
//!
//! What never stands here: listeners, configuration text, and who serves a certificate. All of it belongs to the control
//! side: it waits, and it blocks for as long as the disk takes, so nothing here may be called from a worker.

pub mod acme;
pub mod dns;
pub mod challenge;
pub mod renewal;
pub mod store;
pub mod certificate;
mod error;

pub use acme::{Acme, Authority, Ensured, KeyKind, Way, When, Wish};
pub use certificate::{Certificate, Facts};
pub use error::{Error, Part, Refusal};
pub use store::{Label, Store};
