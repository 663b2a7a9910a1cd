//! The push frame between distributors and ingesters: a frame that parses can be read to its end.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use narthex_rpc::frame::Frame;

fuzz_target!(|input: &[u8]| {
    let Ok(frame) = Frame::parse(Bytes::copy_from_slice(input)) else { return };
    let mut samples = 0;
    for series in frame.series() {
        let _ = series.check_labels();
        samples += series.floats().count();
        for (_, bytes) in series.histograms() {
            let _ = narthex_model::Histogram::from_bytes(bytes);
            samples += 1;
        }
    }
    assert_eq!(samples, frame.sample_count());
    let _ = frame.metadata().count();
});
