#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| yumen_fuzz::http1::request_head(data));
