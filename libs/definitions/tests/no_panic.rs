//! No bytes make a parser panic: arbitrary ones, and documents that are accepted with bytes changed, cut out or put in. What is
//! refused is refused with bounded problems whose places are in the file.

use std::{fs, path::Path, sync::LazyLock};

use narthex_definitions::{Invalid, alertmanager, rules, scrape};
use proptest::prelude::*;

static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let files = fs::read_dir(folder).expect("the folder of samples").flatten();
    let mut samples: Vec<Vec<u8>> = files.map(|file| fs::read(file.path()).expect("a sample")).collect();
    samples.push(scrape::DEFAULT.as_bytes().to_vec());
    samples
});

fn check(bytes: &[u8]) {
    let answers = [
        rules::parse(bytes, "n", &Default::default()).map(drop),
        alertmanager::parse(bytes, &Default::default()).map(drop),
        scrape::parse(bytes, scrape::SourceKind::Kubernetes, &Default::default()).map(drop),
        scrape::parse(bytes, scrape::SourceKind::Vpc, &Default::default()).map(drop),
    ];
    // Places are in the document, which is another one than the blob where that is base64.
    let lines = narthex_definitions::document(bytes).iter().filter(|byte| **byte == b'\n').count() + 1;
    for Invalid { problems, .. } in answers.into_iter().filter_map(Result::err) {
        assert!((1..=20).contains(&problems.len()));
        for problem in problems {
            assert!(problem.message.chars().count() <= 503 && !problem.message.contains('\n'), "{problem}");
            if let Some(at) = problem.at {
                assert!(at.line >= 1 && at.column >= 1 && at.line as usize <= lines + 1, "{problem}");
            }
        }
    }
}

/// Pieces that mean something in YAML, templates and expressions.
const PIECES: [&str; 24] = [
    "\n", "  ", "- ", ": ", "{", "}", "[", "]", "{{", "}}", "'", "\"", "|", ">", "&a ", "*a", "<<: ",
    "!!str ", "#", "\t", "---\n", "é", "\u{feff}", "null",
];

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn arbitrary_pieces(pieces in proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..40)) {
        check(pieces.concat().as_bytes());
        check(format!("alertmanager_config: |\n  {}", pieces.concat()).as_bytes());
    }

    #[test]
    fn samples_with_changes(
        sample in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..20, proptest::sample::select(PIECES.to_vec())), 1..4),
    ) {
        let mut bytes = sample.get(&SAMPLES).clone();
        for (at, length, piece) in changes {
            let at = at.index(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, piece.bytes());
        }
        check(&bytes);
    }
}
