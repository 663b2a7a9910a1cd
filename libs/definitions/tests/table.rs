//! Tables of documents (`tests/table`): each is accepted, or refused with exactly the problems of its row, with place and path.
//! The documents of `tests/samples` are accepted as they are.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use narthex_definitions::{Invalid, alertmanager, rules, scrape};
use serde::Deserialize;

/// So many rows the tables have at least.
const ROWS: usize = 140;

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Sort {
    Rules,
    Alertmanager,
    /// Of a Kubernetes source.
    Scrape,
    /// A scrape configuration of a VPC source.
    Vpc,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    sort: Sort,
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    row: String,
    /// Rule of the specification, or whose behaviour it is.
    source: String,
    document: String,
    /// None for a document that is accepted.
    #[serde(default)]
    problems: Vec<String>,
}

/// The account of the tables' workspace.
const ACCOUNT: Option<&str> = Some("123456789012");

fn read(sort: Sort, document: &[u8], account: Option<&str>) -> Result<(), Invalid> {
    let account = account.map(|account| account.parse().expect("an account"));
    let definition = alertmanager::DefinitionLimits { account, ..Default::default() };
    let scrape = |source| scrape::parse(document, source, &Default::default()).map(drop);
    match sort {
        Sort::Rules => rules::parse(document, "namespace", &Default::default()).map(drop),
        Sort::Alertmanager => alertmanager::parse(document, &definition).map(drop),
        Sort::Scrape => scrape(scrape::SourceKind::Kubernetes),
        Sort::Vpc => scrape(scrape::SourceKind::Vpc),
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("the folder").flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

#[test]
fn every_row_has_its_answer() {
    let (mut count, mut failures) = (0, Vec::new());
    for path in files("tests/table") {
        let table: Table = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut names = BTreeSet::new();
        for row in &table.rows {
            assert!(names.insert(&row.row) && !row.source.is_empty(), "{}: {}", path.display(), row.row);
            count += 1;
            let told = read(table.sort, row.document.as_bytes(), ACCOUNT).map_err(|error| error.to_string());
            let told = told.err().unwrap_or_default();
            let expected = row.problems.join("\n");
            if told != expected {
                failures.push(format!(
                    "{}: {}\n--- told\n{told}\n--- expected\n{expected}\n",
                    path.display(),
                    row.row
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} rows fail\n\n{}", failures.len(), failures.join("\n"));
    assert!(count >= ROWS, "only {count} rows");
}

#[test]
fn the_samples_are_accepted() {
    let mut count = 0;
    for path in files("tests/samples") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let sort = match name.split('-').next().unwrap() {
            "rules" => Sort::Rules,
            "alertmanager" => Sort::Alertmanager,
            "scrape" => Sort::Scrape,
            "vpc" => Sort::Vpc,
            other => panic!("no sort {other}"),
        };
        let told = read(sort, &fs::read(&path).unwrap(), None);
        assert!(told.is_ok(), "{name}: {}", told.unwrap_err());
        count += 1;
    }
    assert!(count >= 9, "only {count} samples");
}
