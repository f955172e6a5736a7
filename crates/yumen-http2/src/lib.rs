//! HTTP/2 frames seen from outside (RFC 9113 section 4): their heads as the bytes pass by, and limits on how many of a kind
//! may come.
//!
//! The protocol itself is spoken by the `h2` crate. What stands here watches the bytes on their way to it and from it, so
//! that a flood is named and ended before it costs work: [`Walker`] finds the heads of frames in a stream of bytes however
//! it is cut, [`Meter`] judges them and says [`Excess`] when there are too many of a kind. Nothing here reads a socket,
//! waits, keeps payloads or allocates, and nothing here knows the rest of Yumen; the time comes from the caller.
//!
//! ```
//! use std::time::Instant;
//! use yumen_http2::{Budgets, Excess, Meter};
//!
//! let mut meter = Meter::new(Budgets { settings: (1, 0), ..Budgets::default() });
//! let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
//! let now = Instant::now();
//! let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
//! assert_eq!(meter.received(preface, || now), Ok(()));
//! assert_eq!(meter.received(&settings, || now), Ok(()));
//! assert_eq!(meter.received(&settings, || now).unwrap_err().excess, Excess::Settings);
//! ```

mod meter;
mod bucket;
mod frame;

pub use frame::{FLAG_ACK, FLAG_END_HEADERS, FLAG_END_STREAM, FLAG_PADDED, Head, Kind, PREFACE, Walker};
pub use meter::{Budgets, Excess, Meter, Over, Tally};
