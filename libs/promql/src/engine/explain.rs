//! The plan of a query, to be printed: what the engine would do for it, with nothing of it done.
//!
//! It is made of what evaluation is made of, the prepared tree and the [`Reads`] that loading makes of it, so it cannot tell another
//! story. Reads and fragments are named once and referred to by their place: parts of the query that ask for the same share one.

use std::fmt;

use narthex_model::TimeRange;

use super::{
    EngineConfig,
    column::Steps,
    load::{Need, Reads, Wish, address, call_address, node_address},
    subquery_steps,
};
use crate::ast::{Expr, ExprKind};

/// What an engine would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// When the query is evaluated.
    pub steps: PlannedSteps,
    /// Most samples that it may hold at one time.
    pub max_samples: usize,
    /// Aggregations that are asked for where their series are.
    pub fragments: Vec<PlannedFragment>,
    /// Samples that are read, those of refused fragments after the others.
    pub reads: Vec<PlannedRead>,
    /// The outermost operation.
    pub root: PlannedNode,
}

/// Times of evaluation in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedSteps {
    /// The first.
    pub first_ms: i64,
    /// The last.
    pub last_ms: i64,
    /// From one to the next; means nothing if there is one.
    pub step_ms: i64,
    /// How many.
    pub count: usize,
}

/// An aggregation that the source is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFragment {
    /// The part of the query, as it stands there first.
    pub expr: String,
    /// Samples that are looked at.
    pub range: TimeRange,
    /// In how many places of the query it stands.
    pub used: usize,
    /// Places in the list of reads: what is read if it is refused.
    pub otherwise: Vec<usize>,
}

/// Samples that the source is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRead {
    /// The matchers as a selector.
    pub selector: String,
    /// Samples that are read, `offset`, `@`, ranges and the look-back taken into account.
    pub range: TimeRange,
    /// How many selectors of the query it is for.
    pub used: usize,
    /// Only if a fragment is refused.
    pub only_if_refused: bool,
}

/// An operation and what it works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedNode {
    /// The operation.
    pub name: String,
    /// The part of the query, with what is the same for the whole query put in.
    pub expr: String,
    /// When it is evaluated, if that is not when the node above is.
    pub steps: Option<PlannedSteps>,
    /// Its value is the same at all steps, so it is evaluated at one.
    pub once: bool,
    /// The place of its read.
    pub read: Option<usize>,
    /// Of aggregations alone: where they are computed.
    pub pushed_down: Option<PushDown>,
    /// What it works on.
    pub children: Vec<PlannedNode>,
}

/// Where an aggregation is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushDown {
    /// Where the series are: the place of its fragment.
    Fragment(usize),
    /// Here, for this reason.
    No(&'static str),
}

impl From<Steps> for PlannedSteps {
    fn from(steps: Steps) -> Self {
        Self { first_ms: steps.start, last_ms: steps.end(), step_ms: steps.step, count: steps.count }
    }
}

/// The plan of a prepared tree and its reads.
pub(super) fn explain(expr: &Expr, steps: Steps, reads: &Reads, config: &EngineConfig) -> Explanation {
    let refused = reads.wishes.iter().flat_map(|wish| &wish.otherwise);
    let needs: Vec<&Need> = reads.needs.iter().chain(refused).collect();
    let planner = Planner { reads, needs, config };
    let mut fragments: Vec<_> = reads.wishes.iter().map(|wish| planner.fragment(wish)).collect();
    let root = planner.node(expr, steps, &mut fragments);
    Explanation {
        steps: steps.into(),
        max_samples: config.max_samples,
        fragments,
        reads: (0..planner.needs.len()).map(|at| planner.read(at)).collect(),
        root,
    }
}

struct Planner<'a> {
    reads: &'a Reads,
    needs: Vec<&'a Need>,
    config: &'a EngineConfig,
}

impl Planner<'_> {
    fn read(&self, at: usize) -> PlannedRead {
        let Need { selection, addresses, .. } = self.needs[at];
        let matchers: Vec<String> = selection.matchers.iter().map(ToString::to_string).collect();
        PlannedRead {
            selector: format!("{{{}}}", matchers.join(",")),
            range: selection.range,
            used: addresses.len(),
            only_if_refused: at >= self.reads.needs.len(),
        }
    }

    fn fragment(&self, wish: &Wish) -> PlannedFragment {
        let is_own = |need: &&Need| wish.otherwise.iter().any(|own| std::ptr::eq(*need, own));
        let otherwise = self.needs.iter().enumerate().filter(|(_, need)| is_own(need)).map(|(at, _)| at);
        PlannedFragment {
            expr: String::new(),
            range: wish.fragment.range(),
            used: wish.nodes.len(),
            otherwise: otherwise.collect(),
        }
    }

    fn read_of(&self, address: usize) -> Option<usize> {
        self.needs.iter().position(|need| need.addresses.contains(&address))
    }

    fn push_down(&self, node: usize) -> Option<PushDown> {
        let stands = |wish: &Wish| wish.nodes.iter().any(|(at, _)| *at == node);
        let fragment = self.reads.wishes.iter().position(stands).map(PushDown::Fragment);
        fragment.or_else(|| self.reads.kept.get(&node).copied().map(PushDown::No))
    }

    fn node(&self, expr: &Expr, steps: Steps, fragments: &mut [PlannedFragment]) -> PlannedNode {
        let (mut read, mut pushed_down, mut inner) = (None, None, steps);
        match &expr.kind {
            ExprKind::Paren(within) | ExprKind::Unary(false, within) => {
                return self.node(within, steps, fragments);
            }
            ExprKind::StepInvariant(within) => {
                return PlannedNode { once: true, ..self.node(within, steps.single(), fragments) };
            }
            ExprKind::Vector(selector) => read = self.read_of(address(selector)),
            ExprKind::Matrix(matrix) => read = self.read_of(address(&matrix.selector)),
            ExprKind::Call(call) if call.function == "info" => read = self.read_of(call_address(call)),
            ExprKind::Subquery(subquery) => inner = subquery_steps(subquery, steps, self.config),
            ExprKind::Aggregate(aggregate) => {
                pushed_down = self.push_down(node_address(aggregate));
                if let Some(PushDown::Fragment(at)) = pushed_down
                    && fragments[at].expr.is_empty()
                {
                    fragments[at].expr = expr.to_string();
                }
            }
            _ => {}
        }
        let mut children: Vec<_> =
            expr.children().into_iter().map(|child| self.node(child, inner, fragments)).collect();
        if matches!(&expr.kind, ExprKind::Call(call) if call.function == "info") {
            // The second argument only says which labels are wanted.
            children.truncate(1);
        }
        if matches!(expr.kind, ExprKind::Subquery(_)) {
            children.iter_mut().for_each(|child| child.steps = Some(inner.into()));
        }
        PlannedNode {
            name: name(expr),
            expr: expr.to_string(),
            steps: None,
            once: false,
            read,
            pushed_down,
            children,
        }
    }
}

/// What an operation is called.
fn name(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Number { .. } => "number".into(),
        ExprKind::String(_) | ExprKind::Bytes(_) => "text".into(),
        ExprKind::Vector(_) => "instant selector".into(),
        ExprKind::Matrix(_) => "range selector".into(),
        ExprKind::Subquery(_) => "subquery".into(),
        ExprKind::Unary(..) => "negation".into(),
        ExprKind::Binary(binary) => binary.op.to_string(),
        ExprKind::Aggregate(aggregate) => aggregate.op.as_str().into(),
        ExprKind::Call(call) => call.function.into(),
        ExprKind::Paren(inner) | ExprKind::StepInvariant(inner) => name(inner),
    }
}

impl fmt::Display for PlannedSteps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            0 => write!(f, "at no time"),
            1 => write!(f, "at {} ms", self.first_ms),
            count => {
                write!(
                    f,
                    "at {count} steps of {} ms from {} to {} ms",
                    self.step_ms, self.first_ms, self.last_ms
                )
            }
        }
    }
}

/// A line for each operation, indented below the one that it is for, then one for each fragment and each read.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, max_samples, fragments, reads, root } = self;
        writeln!(f, "evaluated {steps}, with at most {max_samples} samples held at one time")?;
        root.write(f, 0)?;
        for (at, fragment) in fragments.iter().enumerate() {
            let PlannedFragment { expr, range, used, otherwise } = fragment;
            let otherwise: Vec<String> = otherwise.iter().map(|at| format!("read {at}")).collect();
            let (min, max, otherwise) = (range.min.0, range.max.0, otherwise.join(", "));
            writeln!(f, "fragment {at}: {expr}, {min} to {max} ms, used {used}x, if refused {otherwise}")?;
        }
        for (at, read) in reads.iter().enumerate() {
            let PlannedRead { selector, range, used, only_if_refused } = read;
            let when = if *only_if_refused { ", only if its fragment is refused" } else { "" };
            writeln!(f, "read {at}: {selector}, {} to {} ms, used {used}x{when}", range.min.0, range.max.0)?;
        }
        Ok(())
    }
}

impl PlannedNode {
    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "{:depth$}{}: {}", "", self.name, self.expr, depth = 2 * depth)?;
        if self.once {
            write!(f, ", once")?;
        }
        if let Some(steps) = &self.steps {
            write!(f, ", {steps}")?;
        }
        match self.pushed_down {
            Some(PushDown::Fragment(at)) => write!(f, ", asked for as fragment {at}")?,
            Some(PushDown::No(reason)) => write!(f, ", computed here: {reason}")?,
            None => {}
        }
        if let Some(at) = self.read {
            write!(f, ", read {at}")?;
        }
        writeln!(f)?;
        self.children.iter().try_for_each(|child| child.write(f, depth + 1))
    }
}

#[cfg(test)]
mod tests {
    use narthex_model::TimestampMs;

    use super::*;
    use crate::{Engine, parse};

    fn plan(query: &str, config: EngineConfig) -> Explanation {
        let (start, end) = (TimestampMs(1_000_000), TimestampMs(1_120_000));
        let expr = parse(query).expect("a query");
        Engine::new(EngineConfig { max_samples: 1_000, ..config })
            .explain(&expr, start, end, 60_000)
            .expect("a plan")
    }

    fn text(query: &str) -> String {
        plan(query, EngineConfig::default()).to_string()
    }

    #[test]
    fn a_plan_tells_what_is_pushed_down_and_what_is_read() {
        let expected = "\
evaluated at 3 steps of 60000 ms from 1000000 to 1120000 ms, with at most 1000 samples held at one time
/: sum by (job) (rate(a[5m] offset 1m)) / on (job) max by (job) (b)
  sum: sum by (job) (rate(a[5m] offset 1m)), asked for as fragment 0
    rate: rate(a[5m] offset 1m)
      range selector: a[5m] offset 1m, read 0
  max: max by (job) (b), asked for as fragment 1
    instant selector: b, read 1
fragment 0: sum by (job) (rate(a[5m] offset 1m)), 640001 to 1060000 ms, used 1x, if refused read 0
fragment 1: max by (job) (b), 700001 to 1120000 ms, used 1x, if refused read 1
read 0: {__name__=\"a\"}, 640001 to 1060000 ms, used 1x, only if its fragment is refused
read 1: {__name__=\"b\"}, 700001 to 1120000 ms, used 1x, only if its fragment is refused
";
        assert_eq!(text("sum by (job) (rate(a[5m] offset 1m)) / on (job) max by (job) (b)"), expected);
    }

    #[test]
    fn what_is_the_same_at_all_steps_is_evaluated_once_and_what_is_asked_twice_is_read_once() {
        let expected = "\
evaluated at 3 steps of 60000 ms from 1000000 to 1120000 ms, with at most 1000 samples held at one time
-: m - (m + m @ 1000.000)
  instant selector: m, read 0
  +: m + m @ 1000.000
    instant selector: m, read 0
    instant selector: m @ 1000.000, once, read 1
read 0: {__name__=\"m\"}, 700001 to 1120000 ms, used 2x
read 1: {__name__=\"m\"}, 700001 to 1000000 ms, used 1x
";
        assert_eq!(text("m - (m + m @ start())"), expected);
        let twice = plan("sum(m) / 2 > sum(m)", EngineConfig::default());
        assert_eq!((twice.fragments.len(), twice.fragments[0].used), (1, 2));
        assert_eq!((twice.reads.len(), twice.reads[0].used), (1, 2));
    }

    #[test]
    fn subqueries_have_steps_of_their_own() {
        let plan = plan("max_over_time(sum(m)[2m:30s])", EngineConfig::default());
        let inner = &plan.root.children[0].children[0];
        assert_eq!((inner.name.as_str(), inner.expr.as_str()), ("sum", "sum(m)"));
        let steps = inner.steps.expect("steps of its own");
        assert_eq!((steps.first_ms, steps.last_ms, steps.count), (900_000, 1_110_000, 8));
        assert_eq!(plan.fragments[0].range.min, TimestampMs(600_001));
    }

    #[test]
    fn a_plan_tells_why_an_aggregation_is_computed_here() {
        let reason = |query: &str, push_down: bool| {
            let plan = plan(query, EngineConfig { push_down, ..EngineConfig::default() });
            match plan.root.pushed_down {
                Some(PushDown::No(reason)) => reason,
                found => panic!("{query}: {found:?}"),
            }
        };
        let states = "what comes of some of its series cannot be put together with what comes of others";
        for (query, expected) in [
            ("stddev(m)", states),
            ("count_values(\"v\", m)", states),
            ("topk(scalar(a), m)", "its parameter is not a constant"),
            ("sum(m + m)", "it is not right over a selector or a function of one"),
            ("sum(rate(m[5m:1m]))", "it is not right over a selector or a function of one"),
            ("sum(rate(m[5m] smoothed))", "its selector is anchored or smoothed"),
            ("sum(absent_over_time(m[5m]))", "its function looks at all series together"),
            ("sum(quantile_over_time(scalar(a), m[5m]))", "an argument of its function is not a constant"),
        ] {
            assert_eq!(reason(query, true), expected, "{query}");
        }
        assert_eq!(reason("sum(m)", false), "aggregations are not pushed down here");
    }

    #[test]
    fn info_reads_series_beside_those_of_its_argument() {
        let plan = plan("info(m, {version=~\".+\"})", EngineConfig::default());
        assert_eq!(plan.root.children.len(), 1);
        assert_ne!(plan.root.read, plan.root.children[0].read);
        assert_eq!(plan.reads.len(), 2);
    }

    #[test]
    fn what_cannot_be_evaluated_has_no_plan() {
        let expr = parse("m[5m]").expect("a query");
        let (start, end) = (TimestampMs(0), TimestampMs(60_000));
        assert!(Engine::default().explain(&expr, start, end, 1_000).is_err(), "a range query of a range");
        assert!(Engine::default().explain(&expr, start, start, 0).is_ok(), "an instant query of one");
    }
}
