//! What the language has: functions, aggregations, operators, modifiers.

/// One thing that an expression can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Feature {
    Function(&'static str),
    Aggregation(&'static str),
    Operator(&'static str),
    Modifier(&'static str),
}

impl Feature {
    /// As reports call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Function(name) | Self::Aggregation(name) | Self::Operator(name) | Self::Modifier(name) => {
                name
            }
        }
    }

    /// A query that only a server parses that knows it; none if every server does.
    pub(crate) fn probe(self) -> Option<String> {
        Some(match self {
            Self::Function(name) if RANGES.contains(&name) => match name {
                "quantile_over_time" => "quantile_over_time(1, x[5m])".into(),
                "predict_linear" => "predict_linear(x[5m], 1)".into(),
                "double_exponential_smoothing" => "double_exponential_smoothing(x[5m], 0.5, 0.5)".into(),
                _ => format!("{name}(x[5m])"),
            },
            Self::Function("start_timestamp") => "start_timestamp(x)".into(),
            Self::Function("histogram_quantiles") => "histogram_quantiles(x, \"q\", 0.5)".into(),
            Self::Function(name @ ("max_of" | "min_of")) => format!("{name}(1, 2)"),
            Self::Function(name @ ("start" | "end" | "range" | "step")) => format!("{name}()"),
            Self::Modifier("step() in durations") => "x offset (step()*2)".into(),
            Self::Operator("</") => "x </ 1".into(),
            Self::Operator(">/") => "x >/ 1".into(),
            Self::Modifier("duration expression") => "x offset (1m+1m)".into(),
            Self::Modifier(name @ ("anchored" | "smoothed")) => format!("rate(x[5m] {name})"),
            Self::Modifier(name @ ("fill" | "fill_left" | "fill_right")) => format!("x + {name}(1) x"),
            _ => return None,
        })
    }
}

/// Functions of one vector of floats.
pub(crate) const MATHS: [&str; 24] = [
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "deg", "exp", "floor",
    "ln", "log10", "log2", "rad", "sgn", "sin", "sinh", "sqrt", "tan", "tanh", "abs",
];

/// Functions of times.
pub(crate) const DATES: [&str; 8] =
    ["days_in_month", "day_of_month", "day_of_week", "day_of_year", "hour", "minute", "month", "year"];

/// Functions of a range of floats, and perhaps scalars.
pub(crate) const RANGES: [&str; 27] = [
    "avg_over_time",
    "changes",
    "count_over_time",
    "delta",
    "deriv",
    "double_exponential_smoothing",
    "first_over_time",
    "idelta",
    "increase",
    "irate",
    "last_over_time",
    "mad_over_time",
    "max_over_time",
    "min_over_time",
    "predict_linear",
    "present_over_time",
    "quantile_over_time",
    "rate",
    "rate",
    "resets",
    "stddev_over_time",
    "stdvar_over_time",
    "sum_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
];

/// Those that have a meaning for histograms.
pub(crate) const HISTOGRAM_RANGES: [&str; 15] = [
    "avg_over_time",
    "changes",
    "count_over_time",
    "delta",
    "first_over_time",
    "idelta",
    "increase",
    "irate",
    "last_over_time",
    "present_over_time",
    "rate",
    "rate",
    "resets",
    "sum_over_time",
    "increase",
];

const OTHERS: [&str; 33] = [
    "absent",
    "absent_over_time",
    "clamp",
    "clamp_max",
    "clamp_min",
    "end",
    "histogram_avg",
    "histogram_count",
    "histogram_fraction",
    "histogram_quantile",
    "histogram_quantiles",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_sum",
    "info",
    "label_join",
    "label_replace",
    "max_of",
    "min_of",
    "pi",
    "range",
    "round",
    "scalar",
    "sort",
    "sort_by_label",
    "sort_by_label_desc",
    "sort_desc",
    "start",
    "start_timestamp",
    "step",
    "time",
    "timestamp",
    "vector",
];

const AGGREGATIONS: [&str; 14] = [
    "avg",
    "bottomk",
    "count",
    "count_values",
    "group",
    "limit_ratio",
    "limitk",
    "max",
    "min",
    "quantile",
    "stddev",
    "stdvar",
    "sum",
    "topk",
];

const OPERATORS: [&str; 18] = [
    "!=", "%", "*", "+", "-", "/", "<", "</", "<=", "==", ">", ">/", ">=", "^", "and", "atan2", "or",
    "unless",
];

const MODIFIERS: [&str; 19] = [
    "@",
    "anchored",
    "bool",
    "by",
    "duration expression",
    "fill",
    "fill_left",
    "fill_right",
    "group_left",
    "group_right",
    "ignoring",
    "matchers",
    "offset",
    "on",
    "smoothed",
    "step() in durations",
    "subquery",
    "without",
    "on",
];

/// What aggregations group by.
pub(crate) const GROUPINGS: [&str; 9] = [
    "",
    "",
    "by (job) ",
    "by (job) ",
    "by (job, instance) ",
    "without (instance) ",
    "without (instance, code) ",
    "by () ",
    "without () ",
];

/// All, each once.
pub(crate) fn all() -> Vec<Feature> {
    let functions = MATHS.iter().chain(&DATES).chain(&RANGES).chain(&OTHERS).copied().map(Feature::Function);
    let mut all: Vec<Feature> = functions
        .chain(AGGREGATIONS.map(Feature::Aggregation))
        .chain(OPERATORS.map(Feature::Operator))
        .chain(MODIFIERS.map(Feature::Modifier))
        .collect();
    all.sort();
    all.dedup();
    all
}
