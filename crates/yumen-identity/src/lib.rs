//! THE KEYS. Certificates that are obtained and renewed by ACME (RFC 8555).
//!
//! [`Acme`] is one CA and who we are there; [`Acme::ensure`] gives a good certificate for a [`Wish`], from the disk or by an
//! order. Names are proved by [`challenge`]s: HTTP-01 and TLS-ALPN-01 are tables that whoever serves the names asks, DNS-01
//! edits a zone through a provider ([`dns`]). [`Store`] keeps accounts, certificates and orders on the disk, shared by
//! processes through a lock; [`renewal`] says when a certificate is due.
//!
//! What never stands here: listeners, configuration text, and who serves a certificate. All of it belongs to the control
//! side: it waits, and it blocks for as long as the disk takes, so nothing here may be called from a worker.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//! use yumen_identity::challenge::Http01;
//! use yumen_identity::{Acme, Authority, Error, KeyKind, Label, Store, Way, When, Wish};
//!
//! # async fn run() -> Result<(), Error> {
//! let store = Store::open(Path::new("/var/lib/yumen/identity"))?;
//! // The server of port 80 has a clone of the table and asks it before its routes.
//! let table = Http01::default();
//! let authority = Authority::new("https://acme-staging-v02.api.letsencrypt.org/directory");
//! let acme = Acme::new(authority, store, vec![Way::for_all(Arc::new(table.clone()))])?;
//! let wish = Wish::new(Label::parse("www")?, &["www.example.com".to_owned()], KeyKind::P256)?;
//! let ensured = acme.ensure(&wish, When::Due).await?;
//! println!("good until {:?}, renewed at {:?}", ensured.certificate.facts().not_after, ensured.renewal.at);
//! # Ok(())
//! # }
//! ```

pub mod acme;
pub mod dns;
pub mod challenge;
pub mod renewal;
pub mod store;
pub mod deploy;
pub mod ocsp;
pub mod certificate;
mod error;

pub use acme::{Acme, Authority, Ensured, KeyKind, Way, When, Wish};
pub use certificate::{Certificate, Facts};
pub use error::{Error, Part, Refusal};
pub use store::{Label, Store};
