#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| yumen_fuzz::alibaba::acs3(data));
