//! What came of all questions: how much was tried, and what differs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail, ensure};
use narthex_integration_tests::compare_answers::{
    Series, TOLERANCE, differences, note_differences, order_differs,
};

use crate::promql_fuzz::{
    Asked,
    culprits::{Culprit, Findings},
    features::Feature,
    rules::{RULES, Rule},
};

/// How often each feature must be tried, of a hundred thousand expressions.
const LEAST_USES: usize = 200;
/// How many differences a report shows.
const SHOWN: usize = 200;
/// What counts where all operations answer the same of the same operands.
const SAME_OF_THE_SAME: &str = "steepness";
/// What counts where it is not known what the reference's operands were.
const UNKNOWN: &str = "chance";

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

    /// Judges an answer by what was found out about its operations. An error is what no rule explains.
    pub(crate) fn judge(
        &mut self,
        asked: &Asked,
        Findings { culprits, unknown }: &Findings,
    ) -> std::result::Result<(), Vec<String>> {
        let (mut names, mut lines) = (BTreeSet::new(), Vec::new());
        for culprit in culprits {
            match self.rules.iter().find(|rule| rule.explains(culprit)) {
                Some(rule) => {
                    names.insert(rule.name);
                }
                None => lines.extend(described(culprit)),
            }
        }
        if culprits.is_empty() && asked.data_differ() {
            names.insert(if *unknown { UNKNOWN } else { SAME_OF_THE_SAME });
        }
        // A failure has no notes.
        if asked.expected.outcome.is_ok() && asked.found.outcome.is_ok() {
            match self.notes_explained(asked) {
                Ok(rules) => names.extend(rules),
                Err(left) => lines.extend(left),
            }
        }
        if asked.order_differs() {
            lines.push("is in another order".to_owned());
        }
        if !lines.is_empty() {
            return Err(lines);
        }
        self.same += usize::from(names.is_empty());
        for name in names {
            *self.explained.entry(name).or_default() += 1;
        }
        Ok(())
    }

    /// The rules that take all differences out of the notes: one, if one is enough.
    fn notes_explained(&self, asked: &Asked) -> std::result::Result<Vec<&'static str>, Vec<String>> {
        let left = |rules: &[&Rule]| {
            let (mut expected, mut found) = (asked.expected.clone(), asked.found.clone());
            rules.iter().for_each(|rule| rule.forgive(&asked.expression.text, &mut expected, &mut found));
            note_differences(&expected, &found)
        };
        if left(&[]).is_empty() {
            return Ok(Vec::new());
        }
        if let Some(rule) = self.rules.iter().find(|rule| left(&[rule]).is_empty()) {
            return Ok(vec![rule.name]);
        }
        let lines = left(&self.rules);
        if lines.is_empty() { Ok(vec!["several rules on notes"]) } else { Err(lines) }
    }

    /// Keeps a difference for the report; `again` is how the question is asked again.
    pub(crate) fn fail(&mut self, asked: &Asked, again: &str, lines: &[String]) {
        let query = &asked.expression.text;
        let shown: Vec<String> = lines.iter().take(3).map(|line| line.chars().take(700).collect()).collect();
        self.left.push(format!("{query}\n    {again}: {:?}\n      {}", asked.when, shown.join("\n      ")));
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

impl Asked {
    /// Whether data differ, or one fails and the other does not, or both for different reasons.
    pub(crate) fn data_differ(&self) -> bool {
        match (&self.expected.outcome, &self.found.outcome) {
            (Err(expected), Err(found)) => expected != found,
            _ => !differences(&self.expected, &self.found, TOLERANCE).is_empty(),
        }
    }

    /// Whether what is sorted by labels is in another order. Where some series lack a label, Prometheus's order is by chance.
    fn order_differs(&self) -> bool {
        let names = |series: &Series| series.pairs.keys().cloned().collect::<Vec<_>>();
        let all = self.expected.outcome.iter().flat_map(|data| &data.series);
        let kinds: BTreeSet<_> = all.map(names).collect();
        self.expression.text.starts_with("sort_by_label")
            && kinds.len() == 1
            && order_differs(&self.expected, &self.found)
    }
}

/// How an operation differs.
fn described(culprit: &Culprit) -> Vec<String> {
    let Culprit { expr, expected, found, .. } = culprit;
    let mut lines = Vec::new();
    for found in found {
        lines.extend(differences(expected, found, TOLERANCE));
        if let (Err(expected), Err(found)) = (&expected.outcome, &found.outcome) {
            lines.push(format!("fails with {found:?}, expected {expected:?}"));
        }
    }
    lines.iter().map(|line| format!("{expr}: {line}")).collect()
}
