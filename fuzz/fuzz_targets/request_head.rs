//! The property of the same name, which the tests of yumen-http1 share.
#![no_main]
#![allow(dead_code, reason = "each target uses one property of the file")]

#[path = "../../crates/yumen-http1/tests/it/properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| properties::request_head(input));
