//! Which operations of a query answer differently, each by itself.
//!
//! What differs at the root may come from deep inside. So an operation is evaluated by our engine with the very operands that the
//! reference has for it: an answer that then is the same is no difference of the operation, however its operands differ and however
//! steep it is, and the operands that differ are looked at in the same way. What is left are the operations that rules must explain.
//!
//! Native histograms come back from the API in a form that operands cannot be made of. Then an operation counts as a culprit only
//! if none of its operands differs.

use futures::{FutureExt, future::BoxFuture};
use narthex_integration_tests::{
    compare_answers::{Answer, Point, TOLERANCE, differences},
    reference::Question,
};
use narthex_model::{Labels, TimestampMs};
use narthex_promql::{
    Engine, EngineConfig, Expr, PlannedNode, SelectedSeries, Selection, SeriesData, SeriesSource,
    SourceError,
    ast::{AggregateOp, Call, ExprKind, ValueType},
    parse,
    promqltest::MemorySource,
};

use tonic::async_trait;

use crate::promql_fuzz::{DRAWS, Fuzz, ours, rules::same_but_names};

/// What the selectors of operands are called.
const OPERAND: &str = "operand_";

/// When something is evaluated.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    Instant(i64),
    Range { start: i64, end: i64, step: i64 },
}

impl When {
    /// The question what a query says then.
    pub(crate) fn question(self, query: &str) -> Question<'_> {
        match self {
            Self::Instant(at) => Question::Instant { query, at },
            Self::Range { start, end, step } => Question::Range { query, start, end, step },
        }
    }

    /// First and last time, and the step, which is zero for one time.
    fn steps(self) -> (TimestampMs, TimestampMs, i64) {
        match self {
            Self::Instant(at) => (TimestampMs(at), TimestampMs(at), 0),
            Self::Range { start, end, step } => (TimestampMs(start), TimestampMs(end), step),
        }
    }
}

/// An operation that answers differently.
#[derive(Debug, Clone)]
pub(crate) struct Culprit {
    pub(crate) expr: Expr,
    /// The first time that it is evaluated for, in milliseconds.
    pub(crate) start: i64,
    pub(crate) expected: Answer,
    /// Our answers: of our operands, and of the reference's where they are known.
    pub(crate) found: Vec<Answer>,
    /// The greatest number among the operands.
    pub(crate) largest: f64,
}

/// Something that an operation works on, and when it is evaluated.
struct Operand {
    expr: Expr,
    when: When,
}

/// What was found out about the operations of a query.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Those that answer differently.
    pub(crate) culprits: Vec<Culprit>,
    /// Of some it is not known: the reference's operands may have been others when it evaluated the whole.
    pub(crate) unknown: bool,
}

impl Fuzz<'_> {
    /// The operations of a query whose answers differ.
    pub(crate) async fn culprits(
        &self,
        query: &str,
        when: When,
        expected: &Answer,
        found: &Answer,
    ) -> anyhow::Result<Findings> {
        let (start, end, step) = when.steps();
        let whole = parse(query).ok().and_then(|expr| Engine::resolve(&expr, start, end, step).ok());
        let Some(whole) = whole else {
            let (expr, found) = (parse("0")?, vec![found.clone()]);
            let culprits =
                vec![Culprit { expr, start: start.0, expected: expected.clone(), found, largest: 0.0 }];
            return Ok(Findings { culprits, unknown: false });
        };
        self.look(whole, when, expected.clone(), found.clone()).await
    }

    fn look(
        &self,
        expr: Expr,
        when: When,
        expected: Answer,
        found: Answer,
    ) -> BoxFuture<'_, anyhow::Result<Findings>> {
        async move {
            let expr = expr.unwrapped().clone();
            let (mut operation, mut operands) = (expr.clone(), Vec::new());
            let replaced = take_operands(&mut operation, when, &mut operands);
            let (mut findings, mut differs) = (Findings::default(), false);
            let mut theirs = self.theirs(&operands).await?;
            let largest = theirs.iter().map(largest_of).fold(0.0, f64::max);
            for (operand, theirs) in operands.iter().zip(&theirs) {
                let text = operand.expr.to_string();
                let ours = ours::ask(&self.source, &operand.when.question(&text)).await;
                if !is_same(theirs, &ours) {
                    differs = true;
                    let within = self.look(operand.expr.clone(), operand.when, theirs.clone(), ours).await?;
                    findings.culprits.extend(within.culprits);
                    findings.unknown |= within.unknown;
                }
            }
            if !replaced || operands.is_empty() {
                theirs.clear();
            }
            let again = self.again(&operation, when, &theirs).await;
            // An operand that is asked for alone has lost its name, which a comparison would still know.
            let explains =
                |again: &Answer| is_same(&expected, again) || differs && same_but_names(&expected, again);
            let mut is_explained = again.as_ref().map_or(differs, explains);
            if differs && !is_explained && is_by_chance(&expr) {
                is_explained = true;
                findings.unknown |= !self.draw(&operation, when, &operands, &expected).await?;
            }
            if !is_explained {
                let found = [found].into_iter().chain(again).collect();
                let start = when.steps().0.0;
                findings.culprits.push(Culprit { expr, start, expected, found, largest });
            }
            Ok(findings)
        }
        .boxed()
    }

    /// The reference's values of operands.
    async fn theirs(&self, operands: &[Operand]) -> anyhow::Result<Vec<Answer>> {
        let mut answers = Vec::new();
        for operand in operands {
            let text = operand.expr.to_string();
            answers.push(self.prometheus.ask(self.sandbox, &operand.when.question(&text)).await?);
        }
        Ok(answers)
    }

    /// Our answer of an operation whose operands have these values, if it can be had.
    async fn again(&self, operation: &Expr, when: When, operands: &[Answer]) -> Option<Answer> {
        let values: Vec<_> = operands.iter().map(values_of).collect::<Option<_>>()?;
        if values.is_empty() {
            return None;
        }
        let source = WithOperands { samples: &self.source, values };
        // An operand has its value at the step, not after it.
        let engine = Engine::new(EngineConfig { lookback_delta_ms: 1, ..EngineConfig::default() });
        let query = operation.to_string();
        Some(ours::answer_of(&engine, &source, operation, &when.question(&query)).await)
    }

    /// Whether the reference gives operands, one of many times, of which the operation has the expected answer.
    async fn draw(
        &self,
        operation: &Expr,
        when: When,
        operands: &[Operand],
        expected: &Answer,
    ) -> anyhow::Result<bool> {
        for _ in 0..DRAWS {
            let theirs = self.theirs(operands).await?;
            if self.again(operation, when, &theirs).await.is_some_and(|again| is_same(expected, &again)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether the reference may answer an operation's operands otherwise the next time: it goes through series in any order, which
/// matters to what chooses some and to what is rounded; or whether names matter, which an operand has lost when it is asked for alone.
fn is_by_chance(expr: &Expr) -> bool {
    fn in_any_order(expr: &Expr) -> bool {
        use AggregateOp::{BottomK, LimitK, Stddev, Stdvar, TopK};
        let is = matches!(&expr.kind, ExprKind::Aggregate(node) if matches!(node.op, TopK | BottomK | LimitK | Stddev | Stdvar));
        is || expr.children().into_iter().any(in_any_order)
    }
    // limit_ratio chooses by all labels, the name included as long as it is only marked as dropped.
    let chooses_by_name = matches!(&expr.kind, ExprKind::Aggregate(node)
        if node.op == AggregateOp::LimitRatio && !matches!(node.expr.unwrapped().kind, ExprKind::Vector(_)));
    chooses_by_name || expr.children().into_iter().any(in_any_order) || expr.to_string().contains("__name__")
}

fn largest_of(answer: &Answer) -> f64 {
    let points =
        answer.outcome.iter().flat_map(|data| &data.series).flat_map(|series| series.points.values());
    points.fold(0.0, |largest, point| match point {
        Point::Float(value) if value.is_finite() => value.abs().max(largest),
        _ => largest,
    })
}

/// Whether data are the same, or both fail for the same reason.
fn is_same(expected: &Answer, found: &Answer) -> bool {
    match (&expected.outcome, &found.outcome) {
        (Err(expected), Err(found)) => expected == found,
        _ => differences(expected, found, TOLERANCE).is_empty(),
    }
}

/// Takes the operands out of an operation and puts selectors of them in their places; false if it must have its own.
fn take_operands(operation: &mut Expr, when: When, operands: &mut Vec<Operand>) -> bool {
    let inner = subquery_steps(operation, when);
    match &mut operation.kind {
        ExprKind::Paren(within) | ExprKind::Unary(_, within) => take(within, when, operands),
        ExprKind::Binary(binary) => {
            take(&mut binary.left, when, operands);
            take(&mut binary.right, when, operands);
        }
        ExprKind::Aggregate(aggregate) => {
            aggregate.param.iter_mut().for_each(|param| take(param, when, operands));
            take(&mut aggregate.expr, when, operands);
        }
        ExprKind::Subquery(subquery) => {
            inner.into_iter().for_each(|inner| take(&mut subquery.expr, inner, operands));
        }
        ExprKind::Call(call) if call.function == "info" => {
            take(&mut call.args[0], when, operands);
            return false;
        }
        ExprKind::Call(call) if looks_at_selectors(call) => return false,
        ExprKind::Call(call) => {
            for arg in &mut call.args {
                match &mut arg.kind {
                    ExprKind::Matrix(_) => {}
                    ExprKind::Subquery(subquery) => {
                        inner.into_iter().for_each(|inner| take(&mut subquery.expr, inner, operands));
                    }
                    _ => take(arg, when, operands),
                }
            }
        }
        _ => {}
    }
    true
}

/// Whether a call asks its argument for more than values.
fn looks_at_selectors(call: &Call) -> bool {
    let of_selector = call.args.iter().any(|arg| matches!(arg.unwrapped().kind, ExprKind::Vector(_)));
    match call.function {
        "timestamp" | "start_timestamp" => of_selector,
        "absent" | "absent_over_time" => true,
        _ => false,
    }
}

fn take(expr: &mut Expr, when: When, operands: &mut Vec<Operand>) {
    match &mut expr.kind {
        ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bytes(_) => return,
        ExprKind::Paren(inner) => return take(inner, when, operands),
        _ => {}
    }
    let selector = format!("{OPERAND}{}", operands.len());
    let text = match expr.value_type() {
        ValueType::Scalar => format!("scalar({selector})"),
        _ => selector,
    };
    let stands_for = parse(&text).expect("a selector");
    operands.push(Operand { expr: std::mem::replace(expr, stands_for), when });
}

/// When the inside of the subquery is evaluated that an expression has as itself or as an argument.
fn subquery_steps(expr: &Expr, when: When) -> Option<When> {
    fn find(node: &PlannedNode) -> Option<When> {
        let inner = node.children.first().filter(|_| node.name == "subquery").and_then(|inner| inner.steps);
        let when = inner.filter(|steps| steps.count > 0).map(|steps| When::Range {
            start: steps.first_ms,
            end: steps.last_ms,
            step: steps.step_ms,
        });
        when.or_else(|| node.children.iter().find_map(find))
    }
    let (start, end, step) = when.steps();
    let plan = Engine::default().explain(expr, start, end, step).ok()?;
    find(&plan.root)
}

/// The series of an answer, if all their points are floats.
fn values_of(answer: &Answer) -> Option<Vec<SeriesData>> {
    let mut all = Vec::new();
    for series in &answer.outcome.as_ref().ok()?.series {
        let mut data = SeriesData { labels: Labels::from_pairs(&series.pairs), ..SeriesData::default() };
        for (at, point) in &series.points {
            let Point::Float(value) = point else { return None };
            data.timestamps.push(*at);
            data.values.push(*value);
        }
        all.push(data);
    }
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    Some(all)
}

/// Samples, and operands beside them.
struct WithOperands<'a> {
    samples: &'a MemorySource,
    values: Vec<Vec<SeriesData>>,
}

#[async_trait]
impl SeriesSource for WithOperands<'_> {
    async fn select(&self, request: &Selection) -> Result<SelectedSeries, SourceError> {
        let name = request.matchers.iter().find(|matcher| matcher.name() == "__name__");
        let number = name.and_then(|name| name.value().strip_prefix(OPERAND)?.parse::<usize>().ok());
        match number {
            Some(number) => {
                let series = self.values[number].clone();
                Ok(SelectedSeries { series, ..SelectedSeries::default() })
            }
            None => self.samples.select(request).await,
        }
    }
}
