//! See `hsmtrail_fuzz::decode_enrich`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hsmtrail_fuzz::decode_enrich::check(data));
