//! The small types of the tree: operators, durations, modifiers and value types.

use std::fmt;

use crate::error::PositionRange;

/// The four types of PromQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// A number.
    Scalar,
    /// A text.
    String,
    /// One sample per series.
    Vector,
    /// Many samples per series.
    Matrix,
}

impl ValueType {
    /// The name that error messages use.
    pub fn documented(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::String => "string",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
        })
    }
}

macro_rules! named_enum {
    ($(#[$meta:meta])* $name:ident { $($variant:ident => $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
        }

        impl $name {
            /// As written in a query.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The operator that is written so.
            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named_enum! {
    /// Operators between two operands.
    BinaryOp {
        Add => "+", Sub => "-", Mul => "*", Div => "/", Mod => "%", Pow => "^", Atan2 => "atan2",
        Equal => "==", NotEqual => "!=", Greater => ">", Less => "<", GreaterEqual => ">=", LessEqual => "<=",
        And => "and", Or => "or", Unless => "unless", TrimUpper => "</", TrimLower => ">/",
    }
}

impl BinaryOp {
    /// `== != > < >= <=`
    pub fn is_comparison(self) -> bool {
        use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        matches!(self, Equal | NotEqual | Greater | Less | GreaterEqual | LessEqual)
    }

    /// `and or unless`
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// Whether the metric name survives.
    pub fn keeps_metric_name(self) -> bool {
        !matches!(self, Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Mod | Self::Pow | Self::Atan2)
    }

    /// Binding strength; higher binds tighter.
    pub fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            op if op.is_comparison() => 3,
            Self::TrimUpper | Self::TrimLower => 3,
            Self::Add | Self::Sub => 4,
            Self::Pow => 6,
            _ => 5,
        }
    }
}

named_enum! {
    /// Aggregations.
    AggregateOp {
        Sum => "sum", Avg => "avg", Count => "count", Min => "min", Max => "max", Group => "group",
        Stddev => "stddev", Stdvar => "stdvar", TopK => "topk", BottomK => "bottomk", CountValues => "count_values",
        Quantile => "quantile", LimitK => "limitk", LimitRatio => "limit_ratio",
    }
}

impl AggregateOp {
    /// Whether a parameter comes before the vector.
    pub fn has_param(self) -> bool {
        use AggregateOp::{BottomK, CountValues, LimitK, LimitRatio, Quantile, TopK};
        matches!(self, TopK | BottomK | CountValues | Quantile | LimitK | LimitRatio)
    }

    /// Whether the result is a choice of the input series.
    pub fn selects_series(self) -> bool {
        matches!(self, Self::TopK | Self::BottomK | Self::LimitK | Self::LimitRatio)
    }
}

/// The `@` modifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Milliseconds since the epoch.
    Time(i64),
    /// `start()` of the query.
    Start,
    /// `end()` of the query.
    End,
}

/// A length of time that is known, or computed from the query's step and range.
#[derive(Debug, Clone, PartialEq)]
pub enum Span {
    /// Milliseconds.
    Fixed(i64),
    /// An expression.
    Computed(Box<DurationExpr>),
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self::Fixed(0);

    /// Milliseconds; zero while not yet computed.
    pub fn millis(&self) -> i64 {
        match self {
            Self::Fixed(millis) => *millis,
            Self::Computed(_) => 0,
        }
    }
}

/// A duration expression with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct DurationExpr {
    /// What it is.
    pub kind: DurationKind,
    /// Where it stands.
    pub position: PositionRange,
}

/// Arithmetic on durations, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub enum DurationKind {
    /// A literal, and whether it was written with units.
    Number(f64, bool),
    /// `step()`
    Step,
    /// `range()`
    Range,
    /// Sign; `true` negates.
    Unary(bool, Box<DurationExpr>),
    /// Arithmetic.
    Binary(BinaryOp, Box<DurationExpr>, Box<DurationExpr>),
    /// `max_of`
    Max(Box<DurationExpr>, Box<DurationExpr>),
    /// `min_of`
    Min(Box<DurationExpr>, Box<DurationExpr>),
    /// Parentheses.
    Paren(Box<DurationExpr>),
}

/// How many series of each side may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchCardinality {
    /// No grouping.
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// How series of two vectors meet.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorMatching {
    /// Cardinality.
    pub cardinality: MatchCardinality,
    /// Labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Whether `on` was written.
    pub on: bool,
    /// Labels taken from the "one" side.
    pub include: Vec<String>,
    /// Value of a missing left sample.
    pub fill_left: Option<f64>,
    /// Value of a missing right sample.
    pub fill_right: Option<f64>,
}

impl Default for VectorMatching {
    fn default() -> Self {
        Self {
            cardinality: MatchCardinality::OneToOne,
            labels: Vec::new(),
            on: false,
            include: Vec::new(),
            fill_left: None,
            fill_right: None,
        }
    }
}
