//! Configuration of Yumen: text in, a valid immutable [`config::Config`] or a list of diagnostics out.

pub mod config;
