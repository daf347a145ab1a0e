//! See `hsmtrail_fuzz::filter`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hsmtrail_fuzz::filter::check(data));
