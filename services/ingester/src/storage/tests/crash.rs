//! Crashes at any point: the log cut at any byte, or overwritten behind what was synced, keeps all that was synced.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::wal::{records, segment_number};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_log_cut_anywhere_keeps_every_record_before_the_cut(
        rounds in 1i64..30,
        checkpoint_at in 0i64..40,
        cut in any::<prop::sample::Index>(),
        garbage in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let directory = TempDir::new().expect("directory");
        let (storage, _) = open(directory.path());
        let mut pushes = Vec::new();
        for round in 0..rounds {
            if round == checkpoint_at {
                storage.checkpoint().expect("checkpoint");
            }
            let samples: Vec<_> = (0..4).map(|series| (series, NOW + round * 60_000 - i64::from(series) * 91_007 * (round % 2), round as f64)).collect();
            let pushed = push(&storage, workspace(0), &samples).expect("stored");
            prop_assert_eq!(pushed.refusals, vec![]);
            pushes.push(samples);
        }
        storage.abandon();
        drop(storage);
        let path = wal_segments(directory.path()).pop().expect("segment");
        let number = path.file_name().and_then(|name| segment_number(&name.to_string_lossy())).expect("name");
        let bytes = fs::read(&path).expect("segment");
        let all: Vec<_> = records(&bytes, number).flatten().collect();
        let used = all.last().map_or(24, |record| record.end);
        let cut = cut.index(used + 1);
        let lost = all.iter().filter(|record| record.end > cut).count();
        // A cut may fall into the zeros that align a record's end.
        let kept = pushes.len() - lost;
        let mut torn = bytes[..cut].to_vec();
        torn.extend_from_slice(&garbage);
        // Nothing behind the cut had been synced, so no readable record may claim it: cut the claims too.
        fs::write(&path, torn).expect("segment");
        let outcome = open_with(config(directory.path()), disk());
        let (storage, report) = outcome.expect("a torn end is no damage");
        prop_assert!(report.damaged.is_empty());
        let mut expected = Content::new();
        pushes[..kept].iter().for_each(|samples| note(&mut expected, workspace(0), samples));
        let mut found = content(&storage);
        if let Some(samples) = pushes.get(kept) {
            for (series, at, _) in samples {
                if expected.get(&(workspace(0), labels(*series))).is_none_or(|kept| !kept.contains_key(at)) {
                    found.entry((workspace(0), labels(*series))).or_default().remove(at);
                }
            }
            found.retain(|_, samples| !samples.is_empty());
        }
        prop_assert_eq!(&found, &expected);
        let more = fill(&storage, 1_000..1_003);
        storage.abandon();
        drop(storage);
        let after = content(&open(directory.path()).0);
        for (series, samples) in &more {
            prop_assert!(samples.iter().all(|(at, bits)| after[series].get(at) == Some(bits)));
        }
    }

    #[test]
    fn random_pushes_checkpoints_and_restarts_keep_the_same_content(steps in proptest::collection::vec((0u8..10, 0u8..2, 0u32..5, -8i64..8), 1..60)) {
        let directory = TempDir::new().expect("directory");
        let mut storage = open(directory.path()).0;
        let mut expected = Content::new();
        for (number, (what, target, series, jitter)) in steps.into_iter().enumerate() {
            match what {
                0 => {
                    storage.abandon();
                    drop(storage);
                    storage = open(directory.path()).0;
                    prop_assert_eq!(content(&storage), expected.clone());
                }
                1 => storage.checkpoint().expect("checkpoint"),
                _ => {
                    let at = NOW + number as i64 * 200_000 + jitter * 60_000;
                    let received = TimestampMs(NOW + number as i64 * 200_000);
                    let samples = [(series, at, f64::from(series) + 0.25)];
                    let pushed = runtime().block_on(storage.push(workspace(target), EPOCH, received, frame(&samples), PushLimits::default())).expect("stored");
                    if pushed.refusals.is_empty() {
                        note(&mut expected, workspace(target), &samples);
                    }
                }
            }
        }
        prop_assert_eq!(content(&storage), expected);
    }
}
