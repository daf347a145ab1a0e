//! See `hsmtrail_fuzz::wrappers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hsmtrail_fuzz::wrappers::check(data));
