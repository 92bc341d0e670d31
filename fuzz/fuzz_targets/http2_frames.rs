#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ostler_fuzzing::http2_frames(bytes));
