//! A client of Alibaba Cloud.
//!
//! It signs requests ([`sign`]): ACS3-HMAC-SHA256, which every product of the OpenAPI takes, the older RPC and ROA
//! signatures of version 1, version 4 of the object store OSS (in headers and in presigned URLs), and versions 4 and 1 of
//! the log service SLS.
//!
//! It finds keys where the vendor's libraries find them ([`credential`]) and keeps them fresh, and it brings its own HTTP
//! client, which can be replaced ([`transport`]). A [`Client`] repeats calls where that is safe, keeps to limits, leaves a
//! service alone that is down, and reads lists to their end; the operations that a gateway needs have types ([`api`]), and
//! every other one can be called by name.
//!
//! It knows nothing of the program that uses it, and nothing of the operating system apart from the rights of files.
//! Key material is never part of a `Debug` output, of an error or of a URL, presigned URLs apart, where the service wants
//! the session token.
//!
//! ```no_run
//! use std::sync::Arc;
//! use yumen_alibaba::api::dns::{Dns, Wish};
//! use yumen_alibaba::credential::{self, Credentials, Surroundings};
//! use yumen_alibaba::transport::HttpTransport;
//! use yumen_alibaba::{Client, Clock, Setup};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let (transport, clock) = (Arc::new(HttpTransport::new()?), Clock::default());
//! let surroundings = Surroundings::new(transport.clone(), clock.clone());
//! let credentials = Credentials::new(credential::chain(&surroundings), clock.clone());
//! let client = Client::new(Setup::new("cn-hangzhou", transport, credentials, clock));
//! let wish = Wish { rr: "_acme-challenge", kind: "TXT", value: "token", ttl: Some(600), line: None };
//! let added = Dns::new(client).add("example.com", &wish).await?;
//! println!("record {}", added.id());
//! # Ok(())
//! # }
//! ```
//!
//! Signing alone needs no client:
//!
//! ```
//! use yumen_alibaba::{AccessKey, Draft, Operation, Stamp, Timestamp, sign};
//!
//! let key = AccessKey::new("key-id", "key-secret");
//! let mut draft = Draft::new("POST", "alidns.aliyuncs.com", "/");
//! draft.query.push(("DomainName".to_owned(), "example.com".to_owned()));
//! let operation = Operation { version: "2015-01-09", action: "DescribeDomainRecords" };
//! let stamp = Stamp { time: Timestamp::from_unix(1_767_323_045), nonce: "n-1".to_owned() };
//! sign::acs3::sign(&mut draft, &key, &operation, &stamp);
//! let authorization = draft.headers.value("authorization").unwrap_or_default();
//! assert!(authorization.starts_with("ACS3-HMAC-SHA256 Credential=key-id,"));
//! ```

pub mod api;
pub mod policy;
pub mod client;
pub mod product;
mod error;
pub mod credential;
pub mod transport;
pub mod sign;
mod flexible;
mod os;
mod draft;
mod clock;
mod key;
mod date;
pub mod encode;
pub mod protobuf;

pub use client::{Call, Client, Parameters, Repeat, Retry, Scheme, Setup};
pub use clock::{Clock, Stamp, nonce};
pub use credential::{CredentialError, CredentialStatus, Credentials, Surroundings};
pub use date::Timestamp;
pub use draft::{Draft, Headers, Operation};
pub use error::{Error, ServiceError};
pub use key::{AccessKey, Secret};
