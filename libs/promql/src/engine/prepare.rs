//! The tree as it will be evaluated: durations computed, `start()` and the like replaced by their values, and every part
//! whose value is the same at all steps wrapped so that it is evaluated once.

use crate::{
    ast::{At, Call, DurationExpr, DurationKind, Expr, ExprKind, Span, VectorSelector},
    error::EvalError,
    parser::MAX_SECONDS,
};

/// The query's own time range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) start: i64,
    pub(super) end: i64,
    /// Zero for an instant query.
    pub(super) step: i64,
}

/// Functions whose value depends on the evaluation time even if their arguments do not.
const TIME_DEPENDENT: [&str; 15] = [
    "days_in_month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "end",
    "hour",
    "minute",
    "month",
    "year",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
];

/// A parsed tree with what depends on the query's own range replaced by its value.
pub(super) fn resolve(expr: &Expr, context: Context) -> Result<Expr, EvalError> {
    let mut expr = expr.clone();
    context.resolve(&mut expr)?;
    Ok(expr)
}

/// Prepares a parsed tree for one evaluation.
pub(super) fn prepare(expr: &Expr, context: Context) -> Result<Expr, EvalError> {
    let mut expr = resolve(expr, context)?;
    let (_, wrap) = mark(&mut expr);
    if wrap {
        wrap_invariant(&mut expr);
    }
    Ok(expr)
}

impl Context {
    fn resolve(self, expr: &mut Expr) -> Result<(), EvalError> {
        match &mut expr.kind {
            ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bytes(_) => Ok(()),
            ExprKind::Vector(selector) => self.selector(selector),
            ExprKind::Matrix(matrix) => {
                self.selector(&mut matrix.selector)?;
                self.span(&mut matrix.range, false)
            }
            ExprKind::Subquery(subquery) => {
                self.at(&mut subquery.at);
                self.span(&mut subquery.offset, true)?;
                self.span(&mut subquery.range, false)?;
                subquery.step.as_mut().map_or(Ok(()), |step| self.span(step, false))?;
                self.resolve(&mut subquery.expr)
            }
            ExprKind::Unary(_, inner) | ExprKind::Paren(inner) | ExprKind::StepInvariant(inner) => {
                self.resolve(inner)
            }
            ExprKind::Binary(binary) => {
                self.resolve(&mut binary.left)?;
                self.resolve(&mut binary.right)
            }
            ExprKind::Aggregate(aggregate) => {
                unwrap_parens(&mut aggregate.expr);
                if let Some(param) = &mut aggregate.param {
                    unwrap_parens(param);
                    self.resolve(param)?;
                }
                self.resolve(&mut aggregate.expr)
            }
            ExprKind::Call(call) => {
                if let Some(value) = self.constant(call) {
                    expr.kind = ExprKind::Number { value, duration: false };
                    return Ok(());
                }
                call.args.iter_mut().try_for_each(|arg| {
                    unwrap_parens(arg);
                    self.resolve(arg)
                })
            }
        }
    }

    fn constant(self, call: &Call) -> Option<f64> {
        match call.function {
            "start" => Some(self.start as f64 / 1000.0),
            "end" => Some(self.end as f64 / 1000.0),
            "range" => Some((self.end - self.start) as f64 / 1000.0),
            "step" => Some(if self.start == self.end { 0.0 } else { self.step as f64 / 1000.0 }),
            _ => None,
        }
    }

    fn selector(self, selector: &mut VectorSelector) -> Result<(), EvalError> {
        self.at(&mut selector.at);
        self.span(&mut selector.offset, true)
    }

    fn at(self, at: &mut Option<At>) {
        *at = match *at {
            Some(At::Start) => Some(At::Time(self.start)),
            Some(At::End) => Some(At::Time(self.end)),
            other => other,
        };
    }

    fn span(self, span: &mut Span, may_be_negative: bool) -> Result<(), EvalError> {
        let Span::Computed(expr) = span else { return Ok(()) };
        let seconds = self.seconds(expr)?;
        let fail = |text: &str| {
            Err(EvalError::Execution(format!("{}:{}: {text}", expr.position.start, expr.position.end)))
        };
        if !seconds.is_finite() {
            return fail("duration is NaN or infinite");
        }
        if seconds <= 0.0 && !may_be_negative {
            return fail("duration must be greater than 0");
        }
        if seconds.abs() > MAX_SECONDS {
            return fail("duration is out of range");
        }
        *span = Span::Fixed((seconds * 1000.0) as i64);
        Ok(())
    }

    fn seconds(self, expr: &DurationExpr) -> Result<f64, EvalError> {
        use crate::ast::BinaryOp::{Add, Div, Mod, Mul, Pow, Sub};
        let place = || format!("{}:{}", expr.position.start, expr.position.end);
        Ok(match &expr.kind {
            DurationKind::Number(value, _) => *value,
            DurationKind::Step => self.step as f64 / 1000.0,
            DurationKind::Range => (self.end - self.start) as f64 / 1000.0,
            DurationKind::Unary(negative, inner) => {
                let value = self.seconds(inner)?;
                if *negative { -value } else { value }
            }
            DurationKind::Paren(inner) => self.seconds(inner)?,
            DurationKind::Max(left, right) => {
                super::functions::go_max(self.seconds(left)?, self.seconds(right)?)
            }
            DurationKind::Min(left, right) => {
                super::functions::go_min(self.seconds(left)?, self.seconds(right)?)
            }
            DurationKind::Binary(op, left, right) => {
                let (left, right) = (self.seconds(left)?, self.seconds(right)?);
                match op {
                    Add => left + right,
                    Sub => left - right,
                    Mul => left * right,
                    Div if right == 0.0 => {
                        return Err(EvalError::Execution(format!("{}: division by zero", place())));
                    }
                    Div => left / right,
                    Mod if right == 0.0 => {
                        return Err(EvalError::Execution(format!("{}: modulo by zero", place())));
                    }
                    Mod => left % right,
                    Pow => left.powf(right),
                    other => {
                        return Err(EvalError::Execution(format!(
                            "{}: operator {other} in a duration",
                            place()
                        )));
                    }
                }
            }
        })
    }
}

fn unwrap_parens(expr: &mut Expr) {
    while let ExprKind::Paren(inner) = &mut expr.kind {
        let nothing = Expr { kind: ExprKind::String(String::new()), position: inner.position };
        *expr = std::mem::replace(&mut **inner, nothing);
    }
}

fn wrap_invariant(expr: &mut Expr) {
    let position = expr.position;
    let nothing = Expr { kind: ExprKind::String(String::new()), position };
    let inner = std::mem::replace(expr, nothing);
    *expr = Expr { kind: ExprKind::StepInvariant(Box::new(inner)), position };
}

/// Wraps the highest invariant parts below `expr`. Tells whether `expr` itself is invariant, and whether wrapping it helps.
fn mark(expr: &mut Expr) -> (bool, bool) {
    match &mut expr.kind {
        ExprKind::Number { .. } | ExprKind::String(_) | ExprKind::Bytes(_) => (true, false),
        ExprKind::Vector(selector) => (selector.at.is_some(), selector.at.is_some()),
        // Range vectors are evaluated by the function around them.
        ExprKind::Matrix(matrix) => (matrix.selector.at.is_some(), false),
        ExprKind::Subquery(subquery) => {
            let (invariant, _) = mark(&mut subquery.expr);
            if invariant {
                wrap_invariant(&mut subquery.expr);
            }
            (subquery.at.is_some(), false)
        }
        ExprKind::Unary(_, inner) | ExprKind::Paren(inner) | ExprKind::StepInvariant(inner) => mark(inner),
        ExprKind::Aggregate(aggregate) => {
            let (param_invariant, wrap_param) = aggregate.param.as_mut().map_or((true, false), mark);
            let (invariant, wrap) = mark(&mut aggregate.expr);
            if param_invariant && invariant {
                return (true, wrap || wrap_param);
            }
            if wrap {
                wrap_invariant(&mut aggregate.expr);
            }
            if let Some(param) = aggregate.param.as_mut().filter(|_| wrap_param) {
                wrap_invariant(param);
            }
            (false, false)
        }
        ExprKind::Binary(binary) => {
            let sides = [&mut binary.left, &mut binary.right];
            let marks = sides.map(mark);
            if marks.iter().all(|(invariant, _)| *invariant) {
                return (true, true);
            }
            for (side, (_, wrap)) in [&mut binary.left, &mut binary.right].into_iter().zip(marks) {
                if wrap {
                    wrap_invariant(side);
                }
            }
            (false, false)
        }
        ExprKind::Call(call) => mark_call(call),
    }
}

/// Times of a selector with `@` are those at that time: Prometheus leaves its offset out.
fn forget_offset(call: &mut Call) {
    if let Some(ExprKind::Vector(selector)) = call.args.first_mut().map(|arg| &mut arg.kind)
        && selector.at.is_some()
    {
        selector.offset = Span::ZERO;
    }
}

fn mark_call(call: &mut Call) -> (bool, bool) {
    let marks: Vec<_> = call.args.iter_mut().map(mark).collect();
    let all_invariant = marks.iter().all(|(invariant, _)| *invariant);
    // The timestamp of a selected sample does not move, that of a computed value does.
    let pinned_timestamp =
        call.function == "timestamp" && call.args.iter().all(|arg| matches!(arg.kind, ExprKind::Vector(_)));
    if matches!(call.function, "timestamp" | "start_timestamp") {
        forget_offset(call);
    }
    if all_invariant && (!TIME_DEPENDENT.contains(&call.function) || pinned_timestamp) {
        return (true, true);
    }
    for (arg, (_, wrap)) in call.args.iter_mut().zip(marks) {
        if wrap {
            wrap_invariant(arg);
        }
    }
    (false, false)
}
