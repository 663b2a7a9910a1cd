//! Bytes from a bucket are outside bytes.

use std::{collections::BTreeSet, ops::Range};

use bytes::Bytes;
use narthex_block::{BlockError, BlockSchema, Budget, OwnedSamples};
use narthex_model::{Labels, Matcher, TimeRange};
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::support::*;

/// Everything that a block tells.
#[derive(Debug, PartialEq)]
struct Answers {
    series: Vec<Labels>,
    names: BTreeSet<String>,
    values: BTreeSet<String>,
    samples: Vec<(Labels, OwnedSamples)>,
}

/// Reads everything that can be read. Must return, whatever the bytes are.
async fn read_all(bytes: Vec<u8>, footer_length: u64) -> Result<Answers, BlockError> {
    let reader = open(bytes, footer_length).await?;
    let matchers = [Matcher::equal("__name__", "m")];
    Ok(Answers {
        series: reader.series(&matchers, TimeRange::ALL, Budget::default()).await?,
        names: reader.label_names(&[], TimeRange::ALL, Budget::default()).await?,
        values: reader.label_values("b", &[], TimeRange::ALL, Budget::default()).await?,
        samples: select(&reader, &[], TimeRange::ALL).await?,
    })
}

fn sample_block(seed: u8) -> (Vec<u8>, u64) {
    let mut runner = TestRunner::new_with_rng(
        ProptestConfig::default(),
        proptest::test_runner::TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &[seed; 32]),
    );
    let content = content(8..12).new_tree(&mut runner).expect("content").current();
    let (bytes, meta) = write(&content, BlockSchema::with_labels(["ab", "b"], |_| true, true), small_pages());
    (bytes, meta.footer_length)
}

#[test]
fn a_flipped_byte_is_an_error_or_harmless_and_never_a_panic() {
    let (bytes, footer_length) = sample_block(7);
    block_on(read_all(bytes.clone(), footer_length)).expect("intact");
    let mut errors = 0;
    // More of the footer, where one number steers everything, than of the pages.
    let footer = bytes.len() - footer_length as usize;
    let places = (0..footer).step_by(47).chain((footer..bytes.len()).step_by(13));
    for at in places {
        for flip in [0x01, 0x80] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            match block_on(read_all(bytes, footer_length)) {
                Ok(_) => {}
                Err(
                    BlockError::Damaged { path: found, .. } | BlockError::NewerFormat { path: found, .. },
                ) => {
                    assert_eq!(found, path());
                    errors += 1;
                }
                // A footer that points outside of the object.
                Err(BlockError::Store { .. }) => errors += 1,
                Err(other) => panic!("byte {at}: {other}"),
            }
        }
    }
    assert!(errors > 200, "{errors}");
}

/// The bytes of a block that are pages.
fn pages(bytes: &[u8]) -> Vec<Range<usize>> {
    let reader = SerializedFileReader::new(Bytes::copy_from_slice(bytes)).expect("a file");
    let groups = reader.metadata().row_groups().iter();
    let chunks = groups.flat_map(|group| group.columns()).map(|column| column.byte_range());
    chunks.map(|(start, length)| start as usize..(start + length) as usize).collect()
}

#[test]
fn a_flipped_byte_of_a_page_is_an_error_that_names_the_page_or_harmless() {
    let (bytes, footer_length) = sample_block(7);
    let intact = block_on(read_all(bytes.clone(), footer_length)).expect("intact");
    let (mut errors, mut harmless) = (0, 0);
    for at in pages(&bytes).into_iter().flatten().step_by(11) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        match block_on(read_all(damaged, footer_length)) {
            Ok(answers) => {
                assert!(answers == intact, "byte {at} changes answers unnoticed");
                harmless += 1;
            }
            Err(BlockError::Damaged { reason, .. }) => {
                assert!(reason.starts_with("page of "), "byte {at}: {reason}");
                errors += 1;
            }
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    assert!(errors > 500 && errors > harmless, "{errors} errors, {harmless} harmless");
}

#[test]
fn a_cut_off_object_is_an_error() {
    let (bytes, footer_length) = sample_block(9);
    for length in (0..bytes.len()).step_by(11) {
        let cut = bytes[..length].to_vec();
        assert!(block_on(read_all(cut.clone(), footer_length)).is_err(), "{length} bytes");
        assert!(block_on(read_all(cut, length as u64)).is_err(), "{length} bytes, read whole");
    }
}

#[test]
fn a_newer_format_is_refused_with_its_number() {
    let (mut bytes, footer_length) = sample_block(1);
    let key = b"narthex.format";
    let at = bytes.windows(key.len()).rposition(|window| window == key).expect("the key");
    // The value follows behind its field header and length.
    let value = at + key.len() + 2;
    assert_eq!(bytes[value], b'1');
    bytes[value] = b'7';
    let error = block_on(open(bytes, footer_length)).expect_err("unknown");
    assert!(matches!(error, BlockError::NewerFormat { found: 7, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("version 7"), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let length = bytes.len() as u64;
        prop_assert!(block_on(read_all(bytes, length)).is_err());
    }
}
