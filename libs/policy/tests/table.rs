//! The policy table: every row of `tests/table/*.yaml` runs against the evaluator, and every document of
//! `tests/table/documents/*.yaml` against the parser.
//!
//! A row says who asks for what under which policies, the verdict, and the rule of AWS's documentation or of the specification
//! that makes it so. All rows that fail are shown, with the message that the caller would have got.

mod support;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use support::{document::DocumentFile, row::RowFile};

/// So many rows the table has at least.
const ROWS: usize = 200;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).expect("the table's folder").flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ext| ext == "yaml")).collect();
    files.sort();
    files
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = fs::read_to_string(path).expect("a file of the table");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_row_has_its_verdict() {
    let (mut count, mut failures) = (0, Vec::new());
    for path in files("tests/table") {
        let file: RowFile = read(&path);
        let mut names = BTreeSet::new();
        for row in file.rows() {
            let row = row.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(names.insert(row.name().to_owned()), "{}: two rows {}", path.display(), row.name());
            assert!(!row.source().is_empty(), "{}: {} has no source", path.display(), row.name());
            count += 1;
            if let Err(failure) = row.check(&file) {
                failures.push(format!("{} ({}): {}\n{failure}", path.display(), file.topic, row.name()));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} rows fail\n\n{}", failures.len(), failures.join("\n"));
    assert!(count >= ROWS, "only {count} rows");
    println!("{count} rows");
}

#[test]
fn every_document_is_read_or_refused_as_it_should_be() {
    let mut failures = Vec::new();
    for path in files("tests/table/documents") {
        let file: DocumentFile = read(&path);
        assert!(!file.documents.is_empty());
        for document in &file.documents {
            if let Err(failure) = document.check() {
                failures.push(format!("{}: {}\n{failure}", path.display(), document.row));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
