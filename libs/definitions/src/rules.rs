//! Rule files: Prometheus's format, strictly (RUL-4), with the service's limits.
//!
//! A file is what one rule groups namespace holds. Group labels are merged into the rules, defaults are filled in, expressions
//! and templates are parsed: the ruler needs to look at nothing again. Texts of problems are Prometheus's where it has any.

mod group;
mod rule;

use std::{collections::BTreeMap, time::Duration};

use narthex_promql::Expr;

use crate::{
    Invalid, MAX_BYTES, blob,
    cursor::Cursor,
    problem::Problems,
    template::Template,
    yaml::{self, Origin},
};

/// What bounds a rule file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleLimits {
    /// Largest file (QUO-30).
    pub max_bytes: usize,
    /// Shortest evaluation interval (RUL-7); a group below it is refused.
    pub min_interval: Duration,
    /// Interval of groups that have none (RUL-6).
    pub default_interval: Duration,
    /// Most bytes of the names of namespace and group together (API-C-78).
    pub max_name_bytes: usize,
}

impl Default for RuleLimits {
    fn default() -> Self {
        Self {
            max_bytes: MAX_BYTES,
            min_interval: Duration::from_secs(30),
            default_interval: Duration::from_secs(60),
            max_name_bytes: 721,
        }
    }
}

/// The rule groups of a namespace, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleFile {
    /// Names are unique.
    pub groups: Vec<RuleGroup>,
}

/// Rules that are evaluated together, top to bottom (RUL-8).
#[derive(Debug, Clone, PartialEq)]
pub struct RuleGroup {
    /// Never empty.
    pub name: String,
    /// Time between evaluations.
    pub interval: Duration,
    /// How far back evaluations look, where the group says it; else the workspace's setting holds.
    pub query_offset: Option<Duration>,
    /// Most series or alerts of one rule, beyond which the rule fails; 0 for no limit.
    pub limit: u64,
    /// In the order of evaluation.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The expression as written, without white space around it.
    pub expr: String,
    /// The expression parsed.
    pub query: Expr,
    /// What becomes of the result.
    pub kind: RuleKind,
}

/// What becomes of the result of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleKind {
    /// It is stored.
    Recording {
        /// Name of the new metric.
        record: String,
        /// Set on every series.
        labels: BTreeMap<String, String>,
    },
    /// Each of its series is an alert.
    Alerting {
        /// Name of the alert.
        alert: String,
        /// `for`: how long the condition holds until the alert fires.
        hold: Duration,
        /// How long the alert still fires when the condition no longer holds.
        keep_firing: Duration,
        /// Set on every alert.
        labels: BTreeMap<String, Template>,
        /// Information for people.
        annotations: BTreeMap<String, Template>,
    },
}

impl RuleFile {
    /// How many rules there are, which counts against the workspace's quota (QUO-31).
    pub fn rule_count(&self) -> usize {
        self.groups.iter().map(|group| group.rules.len()).sum()
    }
}

impl Rule {
    /// The name of the metric or alert.
    pub fn name(&self) -> &str {
        match &self.kind {
            RuleKind::Recording { record, .. } => record,
            RuleKind::Alerting { alert, .. } => alert,
        }
    }
}

/// Reads the rule file of `namespace` from a blob of the API. An empty file has no groups, as in Prometheus.
pub fn parse(blob: &[u8], namespace: &str, limits: &RuleLimits) -> Result<RuleFile, Invalid> {
    let document = blob::document(blob);
    let problems = Problems::default();
    let file = read(&document, namespace, limits, &problems);
    problems.finish(file)
}

fn read(document: &[u8], namespace: &str, limits: &RuleLimits, problems: &Problems) -> Option<RuleFile> {
    let text = blob::text(document, limits.max_bytes, problems)?;
    let Some(root) = yaml::load(text, Origin::FILE, "", problems).filter(|root| !root.is_null()) else {
        return Some(RuleFile { groups: Vec::new() });
    };
    let fields = Cursor::new(&root, String::new(), problems).fields(&["groups"], &[])?;
    Some(RuleFile { groups: group::read_all(&fields.items("groups"), namespace, limits) })
}

#[cfg(test)]
mod rules_test;
