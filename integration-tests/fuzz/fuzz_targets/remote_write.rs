//! Remote write 1.0: the snappy block and, so that the protobuf walk is reached, the same bytes taken as already decompressed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use narthex_remote_write::{Canonicalizer, Decompressor, Entry, HistogramMessage, LabelLimits, Series, WriteRequest};

const LIMIT: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let mut decompressor = Decompressor::new();
    if let Ok(body) = decompressor.decompress(input, LIMIT) {
        assert!(body.len() <= LIMIT);
        walk(body);
    }
    walk(input);
});

fn walk(body: &[u8]) {
    let mut request = WriteRequest::new(body);
    let mut series = Series::new(150);
    let mut canonicalizer = Canonicalizer::new(LabelLimits::default());
    while let Ok(Some(entry)) = request.next_entry(&mut series) {
        if let Entry::Series = entry {
            series.histograms.iter().map(HistogramMessage::decode).for_each(|decoded| drop(decoded.map(|(_, h)| h.validate())));
            if let Ok(canonical) = canonicalizer.canonicalize(&mut series) {
                narthex_model::Labels::from_canonical(canonical.bytes.to_vec().into()).expect("canonical bytes are canonical");
            }
        }
    }
}
