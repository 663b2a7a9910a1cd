//! Chunks of every encoding as another owner might send them.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use narthex_chunk::check_chunk;

fuzz_target!(|input: (u8, u16, i64, i64, Vec<u8>)| {
    let (tag, samples, min_ms, max_ms, data) = input;
    let _ = check_chunk(u32::from(tag % 8), u32::from(samples), min_ms, max_ms, Bytes::from(data));
});
