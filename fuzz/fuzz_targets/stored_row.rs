#![no_main]
#![allow(missing_docs, reason = "the target's function tells what it does")]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wheesht_fuzz::stored_row(data));
