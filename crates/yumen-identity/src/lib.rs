//! THE KEYS. Certificates that are obtained and renewed by ACME (RFC 8555).
//!
//! [`Store`] keeps accounts, certificates and orders on the disk, shared by processes through a lock; [`renewal`] says when
//! a certificate is due.
//!
//! What never stands here: listeners, configuration text, and who serves a certificate. All of it belongs to the control
//! side; nothing here may be called from a worker.

pub mod renewal;
pub mod store;
pub mod certificate;
mod error;

pub use certificate::{Certificate, Facts};
pub use error::{Error, Part, Refusal};
pub use store::{Label, Store};
