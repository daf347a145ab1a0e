//! See `hsmtrail_fuzz::framing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hsmtrail_fuzz::framing::check(data));
