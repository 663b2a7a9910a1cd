//! A segment of the write-ahead log in any state, and its bytes taken as one record, so that decoding is reached past the checksum.
#![no_main]

use libfuzzer_sys::fuzz_target;
use narthex_ingester::storage::read_any_wal;

fuzz_target!(|input: &[u8]| {
    let _ = read_any_wal(input);
});
