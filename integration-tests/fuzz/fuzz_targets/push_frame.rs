//! The push frame between distributors and ingesters: a valid frame with some bytes overwritten, cut or appended. Whatever still parses
//! can be read to its end.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use narthex_model::{Histogram, Labels, MetricType};
use narthex_rpc::frame::{Frame, FrameBuilder};

fuzz_target!(|input: (Vec<(u16, u8)>, u16, Vec<u8>)| {
    let (patches, keep, tail) = input;
    let mut bytes = valid();
    for (at, byte) in patches {
        let at = usize::from(at) % bytes.len();
        bytes[at] = byte;
    }
    if keep != 0 {
        bytes.truncate(usize::from(keep));
    }
    bytes.extend(tail);
    let Ok(frame) = Frame::parse(Bytes::from(bytes)) else { return };
    let mut samples = 0;
    for series in frame.series() {
        let _ = series.check_labels();
        samples += series.floats().count();
        for (_, bytes) in series.histograms() {
            let _ = Histogram::from_bytes(bytes);
            samples += 1;
        }
    }
    assert_eq!(samples, frame.sample_count());
    let _ = frame.metadata().count();
});

fn valid() -> Vec<u8> {
    let mut builder = FrameBuilder::new();
    for number in 0..3 {
        let labels = Labels::from_pairs([("__name__", "up"), ("number", &number.to_string())]);
        builder.series(labels.series_hash(), labels.as_bytes());
        builder.float(1_000 + number, 1.5);
        builder.float(2_000 + number, f64::NAN);
        builder.histogram(3_000, &Histogram::default().to_bytes());
    }
    builder.metadata(MetricType::Counter, "up", "help", "");
    builder.finish().to_vec()
}
