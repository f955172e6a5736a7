#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| yumen_fuzz::fields::fields(data));
