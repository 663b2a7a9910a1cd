//! The syntax tree of PromQL: what the parser makes and the engine evaluates.
//!
//! Every node knows where it stands in the text, because annotations name their cause by position. Durations are
//! milliseconds. A tree that [`crate::parse`] returned is type-checked; the engine relies on it.

mod display;
mod pretty;
mod types;

use narthex_model::Matcher;

pub(crate) use display::format_number;
pub use types::{
    AggregateOp, At, BinaryOp, DurationExpr, DurationKind, MatchCardinality, Span, ValueType, VectorMatching,
};

use crate::error::PositionRange;

/// A node with its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub position: PositionRange,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A number, or a duration used as one (in seconds).
    Number {
        /// The value.
        value: f64,
        /// Whether it was written as a duration.
        duration: bool,
    },
    /// A text.
    String(String),
    /// A text that is no UTF-8: its bytes. It can be answered, with replacement characters, but names and matches nothing.
    Bytes(Vec<u8>),
    /// An instant vector selector.
    Vector(VectorSelector),
    /// A range vector selector.
    Matrix(MatrixSelector),
    /// A subquery.
    Subquery(Box<Subquery>),
    /// Sign; `true` negates.
    Unary(bool, Box<Expr>),
    /// An operator between two expressions.
    Binary(Box<Binary>),
    /// An aggregation.
    Aggregate(Box<Aggregate>),
    /// A function call.
    Call(Call),
    /// Parentheses.
    Paren(Box<Expr>),
    /// An expression whose value is the same at every step. Made by the engine, never by the parser.
    StepInvariant(Box<Expr>),
}

/// `name{matchers} offset d @ t`.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSelector {
    /// Metric name written before the braces.
    pub name: Option<String>,
    /// All conditions, that on the name included.
    pub matchers: Vec<Matcher>,
    /// How far back to look.
    pub offset: Span,
    /// A fixed time.
    pub at: Option<At>,
    /// Range boundaries are real samples (`anchored`).
    pub anchored: bool,
    /// Range boundaries are interpolated (`smoothed`).
    pub smoothed: bool,
}

/// `selector[range]`.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixSelector {
    /// Which series.
    pub selector: VectorSelector,
    /// Where the selector alone stands.
    pub selector_position: PositionRange,
    /// How long.
    pub range: Span,
}

/// `expr[range:step] offset d @ t`.
#[derive(Debug, Clone, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Expr,
    /// How long.
    pub range: Span,
    /// How often; none is the engine's default interval.
    pub step: Option<Span>,
    /// How far back.
    pub offset: Span,
    /// A fixed time.
    pub at: Option<At>,
}

/// `left op right`.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// Where the operator stands.
    pub op_position: PositionRange,
    /// Left operand.
    pub left: Expr,
    /// Right operand.
    pub right: Expr,
    /// Comparison yields 0 or 1 instead of filtering.
    pub return_bool: bool,
    /// How series meet; none unless both sides are vectors.
    pub matching: Option<VectorMatching>,
}

/// `op by (labels) (param, expr)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Which aggregation.
    pub op: AggregateOp,
    /// What is aggregated.
    pub expr: Expr,
    /// `k`, quantile, ratio or label name.
    pub param: Option<Expr>,
    /// Grouping labels.
    pub grouping: Vec<String>,
    /// Grouping by all labels but these.
    pub without: bool,
}

/// `function(args)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Name of the function.
    pub function: &'static str,
    /// Type of its value.
    pub returns: ValueType,
    /// Arguments.
    pub args: Vec<Expr>,
}

impl Expr {
    /// The type of the value.
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number { .. } => ValueType::Scalar,
            ExprKind::String(_) | ExprKind::Bytes(_) => ValueType::String,
            ExprKind::Vector(_) | ExprKind::Aggregate(_) => ValueType::Vector,
            ExprKind::Matrix(_) | ExprKind::Subquery(_) => ValueType::Matrix,
            ExprKind::Unary(_, inner) | ExprKind::Paren(inner) | ExprKind::StepInvariant(inner) => {
                inner.value_type()
            }
            ExprKind::Binary(binary) => {
                let scalar = |expr: &Self| expr.value_type() == ValueType::Scalar;
                if scalar(&binary.left) && scalar(&binary.right) {
                    ValueType::Scalar
                } else {
                    ValueType::Vector
                }
            }
            ExprKind::Call(call) => call.returns,
        }
    }

    /// The node inside parentheses and step-invariant wrappers.
    pub fn unwrapped(&self) -> &Self {
        match &self.kind {
            ExprKind::Paren(inner) | ExprKind::StepInvariant(inner) => inner.unwrapped(),
            _ => self,
        }
    }

    /// Child nodes, left to right.
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Number { .. }
            | ExprKind::String(_)
            | ExprKind::Bytes(_)
            | ExprKind::Vector(_)
            | ExprKind::Matrix(_) => Vec::new(),
            ExprKind::Subquery(subquery) => vec![&subquery.expr],
            ExprKind::Unary(_, inner) | ExprKind::Paren(inner) | ExprKind::StepInvariant(inner) => {
                vec![inner]
            }
            ExprKind::Binary(binary) => vec![&binary.left, &binary.right],
            ExprKind::Aggregate(aggregate) => aggregate.param.iter().chain([&aggregate.expr]).collect(),
            ExprKind::Call(call) => call.args.iter().collect(),
        }
    }
}
