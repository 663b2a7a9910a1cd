//! Judges answers against the reference's, and counts.
//!
//! The reference may be older than the version whose semantics Narthex has. Where its answer differs for that reason, a
//! [`Rule`] names the change in Prometheus; a difference that no rule explains fails the test.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::compare_answers::{Answer, TOLERANCE, differences, note_differences};

/// How many failures a report shows.
const SHOWN: usize = 40;

/// A difference that a change in Prometheus after the reference's version explains.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// What it is called in the report.
    pub name: &'static str,
    /// The change in Prometheus.
    pub change: &'static str,
    /// The first version (major, minor) of Prometheus that has it.
    pub since: (u32, u32),
    /// Whether it explains all that is different between the reference's answer to a query and ours.
    pub explains: fn(query: &str, expected: &Answer, found: &Answer) -> bool,
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
    /// Nothing judged yet. `version` is the reference's; rules of what it has already are left out.
    pub fn new(rules: &[Rule], version: (u32, u32)) -> Self {
        Self {
            rules: rules.iter().filter(|rule| version < rule.since).copied().collect(),
            passed: 0,
            failed: 0,
            explained: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// Judges an answer. `what` says who was asked and how.
    pub fn judge(&mut self, query: &str, what: &str, expected: &Answer, found: &Answer) {
        let mut lines = differences(expected, found, TOLERANCE);
        lines.extend(note_differences(expected, found));
        if lines.is_empty() {
            self.passed += 1;
            return;
        }
        if let Some(rule) = self.rules.iter().find(|rule| (rule.explains)(query, expected, found)) {
            let (count, _) = self.explained.entry(rule.name).or_insert_with(|| (0, query.to_owned()));
            *count += 1;
            self.passed += 1;
            return;
        }
        self.fail(query, what, &lines);
    }

    /// Records a failure.
    pub fn fail(&mut self, query: &str, what: &str, lines: &[String]) {
        self.failed += 1;
        let shown = lines.iter().take(3).map(|line| line.chars().take(700).collect::<String>());
        let shown: Vec<String> = shown.collect();
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
                report += &format!(
                    "\n  {count} differ by the rule {}, as in {example}\n    {}",
                    rule.name, rule.change
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
