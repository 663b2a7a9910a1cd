//! Judges answers against the reference's, and counts.
//!
//! The reference may be older than the version whose semantics Narthex has. A rule names a change in Prometheus since then and
//! takes out of both answers' notes what that change explains; what is left must be the same, or the test fails. What Narthex answers
//! instead is pinned by the scenario files of `libs/promql`.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::compare_answers::{Answer, TOLERANCE, differences, note_differences};

/// How many failures a report shows.
const SHOWN: usize = 40;

/// A change in Prometheus that an older reference does not have.
#[derive(Debug, Clone, Copy)]
struct Rule {
    /// What it is called in the report.
    name: &'static str,
    /// The change in Prometheus.
    change: &'static str,
    /// The first version (major, minor) of Prometheus that has it.
    since: (u32, u32),
    /// Takes out of both answers' notes what the change explains.
    forgive: fn(expected: &mut Answer, found: &mut Answer),
}

const RULES: &[Rule] = &[
    Rule {
        name: "sort in a range query",
        change: "#18498: sort functions warn in range queries",
        since: (3, 12),
        forgive: |_, found| {
            found.warnings.retain(|text| !text.contains("sort is ineffective for range queries"));
        },
    },
    Rule {
        name: "details of repaired buckets",
        change: "#15578: the note on repaired classic histograms tells how much was repaired",
        since: (3, 10),
        forgive: |_, found| {
            found.infos = found.infos.iter().map(|text| without_details(text)).collect();
        },
    },
    Rule {
        name: "empty names in notes",
        change: "#16794: notes leave out the metric name where there is none",
        since: (3, 7),
        forgive: |expected, _| {
            let strip = |text: &String| text.replace(" for metric name \"\"", "");
            expected.warnings = expected.warnings.iter().map(strip).collect();
            expected.infos = expected.infos.iter().map(strip).collect();
        },
    },
];

/// A note on repaired buckets without the buckets, how much and when.
fn without_details(text: &str) -> String {
    match (text.find(", from buckets "), text.rfind(" (")) {
        (Some(from), Some(place)) if text.contains("fixed for monotonicity") && from < place => {
            format!("{}{}", &text[..from], &text[place..])
        }
        _ => text.to_owned(),
    }
}

/// Counts of what was judged.
#[derive(Debug)]
pub struct Tally {
    rules: Vec<Rule>,
    passed: usize,
    failed: usize,
    explained: BTreeMap<&'static str, (usize, String)>,
    failures: Vec<String>,
}

impl Tally {
    /// Nothing judged yet. `version` is the reference's: changes that it has explain nothing.
    pub fn new(version: (u32, u32)) -> Self {
        Self {
            rules: RULES.iter().filter(|rule| version < rule.since).copied().collect(),
            passed: 0,
            failed: 0,
            explained: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// Judges an answer. `what` says who was asked and how.
    pub fn judge(&mut self, query: &str, what: &str, expected: &Answer, found: &Answer) {
        let (mut expected, mut found) = (expected.clone(), found.clone());
        let mut applied = Vec::new();
        let mut lines = compared(&expected, &found);
        for rule in &self.rules {
            if lines.is_empty() {
                break;
            }
            let notes = |answer: &Answer| (answer.warnings.clone(), answer.infos.clone());
            let before = (notes(&expected), notes(&found));
            (rule.forgive)(&mut expected, &mut found);
            if before != (notes(&expected), notes(&found)) {
                applied.push(rule.name);
                lines = compared(&expected, &found);
            }
        }
        if !lines.is_empty() {
            return self.fail(query, what, &lines);
        }
        self.passed += 1;
        for name in applied {
            self.explained.entry(name).or_insert_with(|| (0, query.to_owned())).0 += 1;
        }
    }

    /// Records a failure.
    pub fn fail(&mut self, query: &str, what: &str, lines: &[String]) {
        self.failed += 1;
        let shown: Vec<String> = lines.iter().take(3).map(|line| line.chars().take(700).collect()).collect();
        self.failures.push(format!(
            "{query}\n    {what}, {} differences:\n      {}",
            lines.len(),
            shown.join("\n      ")
        ));
    }

    /// `passed N of M`, and what the rules explained.
    pub fn report(&self) -> String {
        let mut report = format!("passed {} of {}", self.passed, self.passed + self.failed);
        for rule in &self.rules {
            if let Some((count, example)) = self.explained.get(rule.name) {
                let (name, change, (major, minor)) = (rule.name, rule.change, rule.since);
                let example = example.split_whitespace().collect::<Vec<_>>().join(" ");
                report += &format!(
                    "\n  {count} but for \"{name}\" ({change}, since {major}.{minor}), as in {example}"
                );
            }
        }
        report
    }

    /// Prints the report, and fails with what failed.
    pub fn finish(self, what: &str) -> Result<()> {
        eprintln!("{what}: {}", self.report());
        if self.failures.is_empty() {
            return Ok(());
        }
        let shown = &self.failures[..self.failures.len().min(SHOWN)];
        bail!("{} of {what} fail:\n  {}", self.failed, shown.join("\n  "))
    }
}

/// All that is different.
fn compared(expected: &Answer, found: &Answer) -> Vec<String> {
    let mut lines = differences(expected, found, TOLERANCE);
    lines.extend(note_differences(expected, found));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(warning: &str, value: &str) -> Answer {
        let data = json!({"resultType": "scalar", "result": [1, value]});
        Answer::of(&json!({"status": "success", "data": data, "warnings": [warning]})).unwrap()
    }

    #[test]
    fn a_change_since_the_reference_explains_its_own_difference_alone() {
        let warned = "PromQL warning: sort is ineffective for range queries since results are always ordered by labels (1:1)";
        let [plain, other] = ["1", "2"].map(|value| {
            let data = json!({"resultType": "scalar", "result": [1, value]});
            Answer::of(&json!({"status": "success", "data": data})).unwrap()
        });
        let passed = |version, expected: &Answer| {
            let mut tally = Tally::new(version);
            tally.judge("sort(x)", "a server", expected, &answer(warned, "1"));
            tally.finish("answers").is_ok()
        };
        assert!(passed((3, 5), &plain));
        assert!(!passed((3, 5), &other));
        assert!(!passed((3, 12), &plain));
        assert_eq!(
            without_details(
                "needed to be fixed for monotonicity (see x), from buckets 1 to 2, with a max diff of 1 (1:2)"
            ),
            "needed to be fixed for monotonicity (see x) (1:2)"
        );
    }
}
