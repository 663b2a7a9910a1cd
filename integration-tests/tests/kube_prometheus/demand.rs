//! Which metrics with which labels a set of expressions needs, read from their syntax trees.
//!
//! A selector's metric needs the labels that its matchers name, and those that the expression around it groups by, joins on,
//! copies, or reads. Operands that are matched on all their labels need the same ones: those are added until nothing changes.

use std::collections::{BTreeMap, BTreeSet};

use narthex_model::Matcher;
use narthex_promql::{
    Expr,
    ast::{Aggregate, Binary, Call, ExprKind, MatchCardinality, VectorSelector},
};

use super::world::metric_name;

type LabelNames = BTreeSet<String>;

/// What is asked of one metric.
#[derive(Debug, Default)]
pub(crate) struct Metric {
    /// Labels that its series have.
    pub(crate) labels: LabelNames,
    /// The conditions of each selector, without that on the name.
    pub(crate) selectors: Vec<Vec<Matcher>>,
    /// Whether something asks how fast it grows.
    pub(crate) counter: bool,
}

/// What is asked of all metrics.
#[derive(Debug, Default)]
pub(crate) struct Demand(pub(crate) BTreeMap<String, Metric>);

impl Demand {
    /// What some expressions need.
    pub(crate) fn of<'e>(expressions: impl Iterator<Item = &'e Expr> + Clone) -> Self {
        let mut demand = Self::default();
        for expression in expressions.clone() {
            demand.read(expression, &LabelNames::new(), false);
        }
        // Each round can only add; labels move by one operator in a round.
        for _ in 0..8 {
            for expression in expressions.clone() {
                demand.unify(expression);
            }
        }
        demand
    }

    /// Notes what an expression needs when `wanted` labels of its result are read.
    fn read(&mut self, expr: &Expr, wanted: &LabelNames, counter: bool) {
        match &expr.kind {
            ExprKind::Vector(selector) => self.select(selector, wanted, counter),
            ExprKind::Matrix(matrix) => self.select(&matrix.selector, wanted, counter),
            ExprKind::Aggregate(aggregate) => {
                if let Some(param) = &aggregate.param {
                    self.read(param, &LabelNames::new(), false);
                }
                let mut inner: LabelNames = aggregate.grouping.iter().cloned().collect();
                if aggregate.without || aggregate.op.selects_series() {
                    inner.extend(wanted.iter().cloned());
                }
                self.read(&aggregate.expr, &inner, counter);
            }
            ExprKind::Binary(binary) => self.read_binary(binary, wanted),
            ExprKind::Call(call) => self.read_call(call, wanted, counter),
            _ => {
                for child in expr.children() {
                    self.read(child, wanted, counter);
                }
            }
        }
    }

    fn select(&mut self, selector: &VectorSelector, wanted: &LabelNames, counter: bool) {
        let Some(name) = metric_name(selector) else { return };
        let metric = self.0.entry(name.to_owned()).or_default();
        let matchers: Vec<Matcher> =
            selector.matchers.iter().filter(|matcher| matcher.name() != "__name__").cloned().collect();
        metric.labels.extend(wanted.iter().cloned());
        metric.labels.extend(matchers.iter().map(|matcher| matcher.name().to_owned()));
        metric.labels.remove("__name__");
        metric.counter |= counter;
        let texts = |matchers: &[Matcher]| matchers.iter().map(|m| format!("{m:?}")).collect::<BTreeSet<_>>();
        if !metric.selectors.iter().any(|known| texts(known) == texts(&matchers)) {
            metric.selectors.push(matchers);
        }
    }

    fn read_binary(&mut self, binary: &Binary, wanted: &LabelNames) {
        let Some(matching) = &binary.matching else {
            self.read(&binary.left, wanted, false);
            return self.read(&binary.right, wanted, false);
        };
        let keys: LabelNames = matching.labels.iter().cloned().collect();
        let copied: LabelNames = matching.include.iter().cloned().collect();
        let both = if matching.on { keys.clone() } else { LabelNames::new() };
        let passed: LabelNames = wanted.difference(&copied).cloned().collect();
        // Labels to ignore are those that tell the many apart.
        let many: LabelNames = passed.union(&keys).cloned().collect();
        let one: LabelNames = both.union(&copied).cloned().collect();
        let equal: LabelNames = passed.union(&both).cloned().collect();
        let (left, right) = match matching.cardinality {
            MatchCardinality::ManyToOne => (many, one),
            MatchCardinality::OneToMany => (one, many),
            _ => (equal.clone(), equal),
        };
        self.read(&binary.left, &left, false);
        self.read(&binary.right, &right, false);
    }

    fn read_call(&mut self, call: &Call, wanted: &LabelNames, counter: bool) {
        let mut wanted = wanted.clone();
        let text = |number: usize| match call.args.get(number).map(|arg| &arg.unwrapped().kind) {
            Some(ExprKind::String(text)) => Some(text.clone()),
            _ => None,
        };
        let mut counter = counter;
        match call.function {
            "label_replace" => {
                wanted.remove(&text(1).unwrap_or_default());
                wanted.extend(text(3));
            }
            "label_join" => {
                wanted.remove(&text(1).unwrap_or_default());
                wanted.extend((3..call.args.len()).filter_map(text));
            }
            "histogram_quantile" | "histogram_fraction" => wanted.extend(["le".to_owned()]),
            "rate" | "irate" | "increase" | "resets" => counter = true,
            "absent" | "absent_over_time" | "scalar" => wanted.clear(),
            _ => {}
        }
        for arg in &call.args {
            self.read(arg, &wanted, counter);
        }
    }

    /// Gives operands that are matched on all their labels the same ones.
    fn unify(&mut self, expr: &Expr) {
        for child in expr.children() {
            self.unify(child);
        }
        let ExprKind::Binary(binary) = &expr.kind else { return };
        let Some(matching) = binary.matching.as_ref().filter(|matching| !matching.on) else { return };
        let ignored: LabelNames = matching.labels.iter().cloned().collect();
        let compared = |labels: LabelNames| labels.difference(&ignored).cloned().collect::<LabelNames>();
        let left = compared(self.labels_of(&binary.left));
        let right = compared(self.labels_of(&binary.right));
        self.add(&binary.left, &right);
        self.add(&binary.right, &left);
    }

    /// The labels that the series of a result have.
    fn labels_of(&self, expr: &Expr) -> LabelNames {
        let of = |selector: &VectorSelector| {
            let metric = metric_name(selector).and_then(|name| self.0.get(name));
            metric.map(|metric| metric.labels.clone()).unwrap_or_default()
        };
        match &expr.kind {
            ExprKind::Vector(selector) => of(selector),
            ExprKind::Matrix(matrix) => of(&matrix.selector),
            ExprKind::Aggregate(aggregate) => self.labels_of_aggregate(aggregate),
            ExprKind::Binary(binary) => match &binary.matching {
                None => [&binary.left, &binary.right].iter().flat_map(|side| self.labels_of(side)).collect(),
                Some(matching) => {
                    let (many, _) = match matching.cardinality {
                        MatchCardinality::OneToMany => (&binary.right, &binary.left),
                        _ => (&binary.left, &binary.right),
                    };
                    self.labels_of(many).into_iter().chain(matching.include.iter().cloned()).collect()
                }
            },
            ExprKind::Call(call) if ["scalar", "vector", "time", "absent"].contains(&call.function) => {
                LabelNames::new()
            }
            _ => expr.children().iter().flat_map(|child| self.labels_of(child)).collect(),
        }
    }

    fn labels_of_aggregate(&self, aggregate: &Aggregate) -> LabelNames {
        let grouping: LabelNames = aggregate.grouping.iter().cloned().collect();
        match (aggregate.op.selects_series(), aggregate.without) {
            (true, _) => self.labels_of(&aggregate.expr),
            (false, true) => self.labels_of(&aggregate.expr).difference(&grouping).cloned().collect(),
            (false, false) => grouping,
        }
    }

    /// Gives the metrics whose labels reach a result these labels too.
    fn add(&mut self, expr: &Expr, labels: &LabelNames) {
        let mut to = |selector: &VectorSelector| {
            if let Some(metric) = metric_name(selector).and_then(|name| self.0.get_mut(name)) {
                metric.labels.extend(labels.iter().cloned());
            }
        };
        match &expr.kind {
            ExprKind::Vector(selector) => to(selector),
            ExprKind::Matrix(matrix) => to(&matrix.selector),
            ExprKind::Aggregate(aggregate) if aggregate.without => {
                let grouping: LabelNames = aggregate.grouping.iter().cloned().collect();
                self.add(&aggregate.expr, &labels.difference(&grouping).cloned().collect());
            }
            ExprKind::Aggregate(aggregate) if aggregate.op.selects_series() => {
                self.add(&aggregate.expr, labels)
            }
            ExprKind::Aggregate(_) => {}
            ExprKind::Call(call) if ["scalar", "absent"].contains(&call.function) => {}
            _ => {
                for child in expr.children() {
                    self.add(child, labels);
                }
            }
        }
    }
}
