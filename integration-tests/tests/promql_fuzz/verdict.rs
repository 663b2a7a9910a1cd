//! What came of all questions: how much was tried, and what differs.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use narthex_integration_tests::compare_answers::{
    Answer, Failure, TOLERANCE, differences, note_differences, order_differs,
};

use crate::{
    Asked,
    features::Feature,
    rules::{RULES, Rule},
};

/// How often each feature must be tried, of a hundred thousand expressions.
const LEAST_USES: usize = 200;
/// How many differences a report shows.
const SHOWN: usize = 200;

/// How much was tried.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    uses: BTreeMap<Feature, usize>,
    asked: usize,
    filled: usize,
    failed: usize,
}

impl Coverage {
    /// Counts a question.
    pub(crate) fn count(&mut self, asked: &Asked) {
        self.asked += 1;
        self.filled += usize::from(asked.expected.points() > 0 && asked.found.points() > 0);
        self.failed += usize::from(asked.expected.outcome.is_err());
        for feature in &asked.expression.used {
            *self.uses.entry(*feature).or_default() += 1;
        }
    }

    /// Prints what was tried how often.
    pub(crate) fn report(&self) {
        let uses: Vec<String> =
            self.uses.iter().map(|(feature, uses)| format!("{} {uses}", feature.name())).collect();
        let share = 100.0 * self.filled as f64 / self.asked as f64;
        eprintln!("{} expressions, {share:.1} % with points on both sides, {} fail", self.asked, self.failed);
        eprintln!("least used: {:?}", self.uses.iter().min_by_key(|(_, uses)| **uses));
        eprintln!("uses: {}", uses.join(", "));
    }

    /// Fails where a feature was hardly tried, or answers are mostly empty.
    pub(crate) fn check(&self, features: &[Feature]) -> Result<()> {
        let least = (LEAST_USES * self.asked / 100_000).max(1);
        for feature in features {
            let uses = self.uses.get(feature).copied().unwrap_or_default();
            ensure!(uses >= least, "{feature:?} was tried {uses} times, not {least}");
        }
        ensure!(self.filled * 100 >= self.asked * 60, "only {} of {} have points", self.filled, self.asked);
        Ok(())
    }
}

/// What is the same, what a rule explains, and what is left.
#[derive(Debug)]
pub(crate) struct Verdict {
    rules: Vec<&'static Rule>,
    same: usize,
    explained: BTreeMap<&'static str, usize>,
    left: Vec<String>,
}

impl Verdict {
    /// Nothing judged yet. Rules of what the reference's version has already do not apply.
    pub(crate) fn new(version: (u32, u32)) -> Self {
        let rules = RULES.iter().filter(|rule| version < rule.since).collect();
        Self { rules, same: 0, explained: BTreeMap::new(), left: Vec::new() }
    }

    /// Judges an answer. An error is what differs and no rule explains.
    pub(crate) fn judge(&mut self, asked: &Asked) -> std::result::Result<(), Vec<String>> {
        let query = &asked.expression.text;
        if all_differences(query, &asked.expected, &asked.found).is_empty() {
            self.same += 1;
            return Ok(());
        }
        // One rule, if one is enough.
        for rule in &self.rules {
            if after(&[rule], asked).is_empty() {
                *self.explained.entry(rule.name).or_default() += 1;
                return Ok(());
            }
        }
        let lines = after(&self.rules, asked);
        if lines.is_empty() {
            *self.explained.entry("several together").or_default() += 1;
            return Ok(());
        }
        Err(lines)
    }

    /// Keeps a difference for the report; `again` is how the question is asked again.
    pub(crate) fn fail(&mut self, asked: &Asked, again: &str, lines: &[String]) {
        let query = &asked.expression.text;
        let shown: Vec<String> = lines.iter().take(3).map(|line| line.chars().take(700).collect()).collect();
        self.left.push(format!("{query}\n    {again}: {}\n      {}", asked.what, shown.join("\n      ")));
    }

    /// Prints the figures, and fails where a difference is left.
    pub(crate) fn finish(self) -> Result<()> {
        let total: usize = self.explained.values().sum();
        eprintln!("{} are the same, {total} explained by rules", self.same);
        for (name, count) in &self.explained {
            let change = self.rules.iter().find(|rule| rule.name == *name).map_or("", |rule| rule.change);
            eprintln!("  {count} by the rule {name:?} {change}");
        }
        if self.left.is_empty() {
            return Ok(());
        }
        bail!(
            "{} expressions fail:\n  {}",
            self.left.len(),
            self.left[..self.left.len().min(SHOWN)].join("\n  ")
        )
    }
}

/// What is left of the differences when rules have forgiven what they explain.
fn after(rules: &[&Rule], asked: &Asked) -> Vec<String> {
    let query = &asked.expression.text;
    let (mut expected, mut found) = (asked.expected.clone(), asked.found.clone());
    rules.iter().for_each(|rule| (rule.forgive)(query, &mut expected, &mut found));
    all_differences(query, &expected, &found)
}

fn all_differences(query: &str, expected: &Answer, found: &Answer) -> Vec<String> {
    let mut lines = differences(expected, found, TOLERANCE);
    lines.extend(note_differences(expected, found));
    if let (Err(expected), Err(found)) = (&expected.outcome, &found.outcome)
        && !same_failure(expected, found)
    {
        lines.push(format!("fails with {found:?}, expected {expected:?}"));
    }
    if query.starts_with("sort_by_label") && order_differs(expected, found) {
        lines.push("is in another order".to_owned());
    }
    lines
}

fn same_failure(expected: &Failure, found: &Failure) -> bool {
    expected == found
}
