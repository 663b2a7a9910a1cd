use bytes::Bytes;
use narthex_model::{Labels, METRIC_NAME};
use proptest::{collection::vec, prelude::*};

use super::*;

type RawLabel<'a> = (&'a [u8], &'a [u8]);

fn series<'a>(labels: &[RawLabel<'a>]) -> Series<'a> {
    let mut series = Series::new(150);
    series.labels.extend(labels.iter().map(|(name, value)| Label { name, value }).take(151));
    series.label_count = labels.len();
    series
}

fn canonicalize(labels: &[RawLabel<'_>]) -> Result<(Vec<u8>, SeriesHash), (&'static str, String)> {
    let (mut canonicalizer, mut series) = (Canonicalizer::new(LabelLimits::default()), series(labels));
    match canonicalizer.canonicalize(&mut series) {
        Ok(canonical) => Ok((canonical.bytes.to_vec(), canonical.hash)),
        Err(fault) => Err((fault.reason(), fault.describe(&series.labels))),
    }
}

proptest! {
    #[test]
    fn high_bytes_are_counted_exactly(bytes in vec(any::<u8>(), 0..100), copies in 1usize..60) {
        let bytes = bytes.repeat(copies);
        prop_assert_eq!(count_high(&bytes), bytes.iter().filter(|byte| **byte > 0x7F).count());
    }

    #[test]
    fn canonical_bytes_are_those_of_the_model(
        mut labels in vec(("[a-c]{1,3}|ä|a\\.b", "[a-cß]{0,3}"), 0..6),
        metric in "[a-zü]{1,4}",
    ) {
        labels.push((METRIC_NAME.to_owned(), metric));
        let mut names: Vec<_> = labels.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let unique = names.windows(2).all(|pair| pair[0] != pair[1]);
        let raw: Vec<_> = labels.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        match canonicalize(&raw) {
            Ok((bytes, hash)) => {
                let model = Labels::from_pairs(labels.iter().map(|(n, v)| (n.as_str(), v.as_str())));
                prop_assert_eq!(&bytes[..], &model.as_bytes()[..]);
                prop_assert_eq!(hash, model.series_hash());
                prop_assert!(unique);
            }
            Err(error) => {
                prop_assert_eq!(error.0, "duplicate_label_names");
                prop_assert!(!unique);
            }
        }
    }

    #[test]
    fn what_is_accepted_is_canonical(labels in vec((vec(any::<u8>(), 0..4), vec(any::<u8>(), 0..4)), 0..5)) {
        let mut raw: Vec<_> = labels.iter().map(|(n, v)| (&n[..], &v[..])).collect();
        raw.push((b"__name__", b"up"));
        if let Ok((bytes, _)) = canonicalize(&raw) {
            prop_assert!(Labels::from_canonical(Bytes::from(bytes)).is_ok());
        }
    }
}

#[test]
fn refusals_name_the_reason_and_the_series() {
    let long = vec![b'v'; 2049];
    let wide = "ß".repeat(2048);
    let kilobyte = vec![b'k'; 2000];
    let cases: [(&[RawLabel<'_>], &str, &str); 8] = [
        (
            &[(b"job", b"x")],
            "missing_metric_name",
            r#"invalid metric name or labels, got {job="x"}: missing metric name"#,
        ),
        (&[(b"__name__", b""), (b"job", b"x")], "missing_metric_name", "missing metric name"),
        (&[(b"__name__", b"\xC0up")], "metric_name_invalid", "got {__name__=\"\u{FFFD}up\"}"),
        (&[(b"__name__", b"up"), (b"a", b"\xFF")], "label_invalid", "invalid label \"a\""),
        (&[(b"", b"x"), (b"__name__", b"up")], "label_invalid", "invalid label \"\""),
        (
            &[(b"a", b"1"), (b"__name__", b"up"), (b"a", b"2")],
            "duplicate_label_names",
            r#"invalid labels for series, labels {__name__="up", a="1", a="2"}, duplicated label a"#,
        ),
        (
            &[(b"__name__", b"up"), (b"a", &long)],
            "label_value_too_long",
            "label: 'a' series: '{__name__=\"up\", a=\"vvv",
        ),
        (
            &[
                (b"__name__", b"up"),
                (b"a", &kilobyte),
                (b"b", &kilobyte),
                (b"c", &kilobyte),
                (b"d", &kilobyte),
            ],
            "label_value_too_long",
            "exceed the limit of 7168 bytes (actual: 8014)",
        ),
    ];
    for (labels, reason, text) in cases {
        let (found, full) = canonicalize(labels).expect_err(reason);
        assert_eq!(found, reason);
        assert!(full.contains(text), "{full}");
        assert!(full.len() < 1000, "{full}");
    }
    assert!(
        canonicalize(&[(b"__name__", b"up"), (b"a", wide.as_bytes())]).is_ok(),
        "the limit counts characters"
    );
}

#[test]
fn only_labels_with_a_value_count_against_the_limit() {
    let names: Vec<_> = (0..150).map(|at| format!("label_{at:03}")).collect();
    let mut labels: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), &b"x"[..])).collect();
    labels.insert(0, (b"__name__", b"up"));
    let (_, text) = canonicalize(&labels).expect_err("151 labels");
    assert!(
        text.starts_with("series has too many labels (actual: 151, limit: 150) series: '{__name__=\"up\"")
    );
    labels[150].1 = b"";
    assert!(canonicalize(&labels).is_ok(), "150 labels and an empty one");
}
