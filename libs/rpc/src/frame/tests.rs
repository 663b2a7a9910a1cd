use bytes::Bytes;
use narthex_model::{Labels, MetricType};
use proptest::{collection::vec, prelude::*};

use super::*;

#[derive(Debug, Clone)]
struct Series {
    labels: Labels,
    floats: Vec<(i64, u64)>,
    histograms: Vec<(i64, Vec<u8>)>,
}

fn series() -> impl Strategy<Value = Series> {
    let labels = vec(("[a-z]{1,3}", "[a-zß]{0,4}"), 0..4).prop_map(Labels::from_pairs);
    let histograms = vec((any::<i64>(), vec(any::<u8>(), 0..9)), 0..3);
    (labels, vec(any::<(i64, u64)>(), 0..4), histograms).prop_map(|(labels, floats, histograms)| Series {
        labels,
        floats,
        histograms,
    })
}

fn build(builder: &mut FrameBuilder, all: &[Series], metadata: &[(String, String)]) -> Bytes {
    for series in all {
        builder.series(series.labels.series_hash(), series.labels.as_bytes());
        series.floats.iter().for_each(|(time, bits)| builder.float(*time, f64::from_bits(*bits)));
        series.histograms.iter().for_each(|(time, encoded)| builder.histogram(*time, encoded));
    }
    for (metric, help) in metadata {
        builder.metadata(MetricType::Gauge, metric, help, "s");
    }
    builder.finish()
}

proptest! {
    #[test]
    fn frames_read_back_bit_by_bit(all in vec(series(), 0..6), metadata in vec(("[a-z]{0,4}", ".{0,4}"), 0..3)) {
        let mut builder = FrameBuilder::new();
        build(&mut builder, &all, &metadata);
        prop_assert!(builder.is_empty());
        let bytes = build(&mut builder, &all, &metadata);
        let unpacked = Frame::parse(compress(&bytes)).expect("own compressed bytes");
        prop_assert_eq!(unpacked.as_bytes(), &bytes);
        let frame = Frame::parse(bytes).expect("own bytes");
        prop_assert_eq!(frame.series_count(), all.len());
        let mut number = 0;
        for (read, written) in frame.series().zip(&all) {
            prop_assert_eq!(read.check_labels().expect("canonical"), written.labels.clone());
            prop_assert_eq!(read.first_sample as usize, number);
            let floats: Vec<_> = read.floats().map(|(time, value)| (time, value.to_bits())).collect();
            prop_assert_eq!(&floats, &written.floats);
            let histograms: Vec<_> = read.histograms().map(|(time, encoded)| (time, encoded.to_vec())).collect();
            prop_assert_eq!(&histograms, &written.histograms);
            number += floats.len() + histograms.len();
        }
        prop_assert_eq!(frame.sample_count(), number);
        let read: Vec<_> = frame.metadata().map(|entry| (entry.metric.to_owned(), entry.help.to_owned())).collect();
        prop_assert_eq!(read, metadata);
    }

    #[test]
    fn outside_bytes_never_panic(
        all in vec(series(), 0..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        packed in any::<bool>(),
    ) {
        let plain = build(&mut FrameBuilder::new(), &all, &[("m".into(), "h".into())]);
        let mut bytes = if packed { compress(&plain) } else { plain }.to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_all(bytes.clone());
        bytes.truncate(cut.index(bytes.len()));
        read_all(bytes);
    }
}

fn read_all(bytes: Vec<u8>) {
    if let Ok(frame) = Frame::parse(bytes.into()) {
        for series in frame.series() {
            let _ = (series.check_labels(), series.floats().count(), series.histograms().count());
        }
        assert_eq!(frame.metadata().count(), frame.metadata_count());
    }
}

#[test]
fn damaged_frames_are_refused_with_a_reason() {
    let labels = Labels::from_pairs([("__name__", "up")]);
    let all = [Series { labels, floats: vec![(1, 2)], histograms: vec![] }];
    let bytes = build(&mut FrameBuilder::new(), &all, &[]).to_vec();
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Frame::parse(bytes.into()).map(|_| ())
    };
    assert_eq!(with(3, 9), Err(FrameError::Version(u32::from_le_bytes(*b"NXF\x09"))));
    assert!(matches!(with(7, 255), Err(FrameError::Length { .. })));
    assert_eq!(with(HEADER + 24, 200), Err(FrameError::Offsets("label ends")));
    assert!(matches!(Frame::parse(Bytes::new()), Err(FrameError::Length { have: 0, .. })));
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(Frame::parse(longer.into()), Err(FrameError::Length { .. })));
    let bomb = [&b"NXZ\x01"[..], &[0x80, 0x80, 0x80, 0x40, 0]].concat();
    assert!(matches!(Frame::parse(bomb.into()), Err(FrameError::Compression(_))));
    let mut wrong_hash = bytes;
    wrong_hash[HEADER] ^= 1;
    let frame = Frame::parse(wrong_hash.into()).expect("the hash is checked with the labels");
    assert!(matches!(frame.at(0).check_labels(), Err(FrameError::Labels(_))));
}
