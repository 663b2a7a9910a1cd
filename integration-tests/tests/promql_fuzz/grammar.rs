//! Random expressions, typed, over the metrics of `data`.
//!
//! Each expression is built around one feature, so that every feature has its turn; what else it uses is chance. What was used
//! is kept beside the text.

mod calls;
mod operators;

use std::collections::BTreeSet;

use crate::promql_fuzz::{
    data::{END, START},
    dice::Dice,
    features::{Feature, HISTOGRAM_RANGES, MATHS, RANGES},
};

/// An expression and what it uses.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    pub(crate) text: String,
    pub(crate) used: BTreeSet<Feature>,
}

/// What a vector holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Histogram,
}

const FLOATS: [&str; 12] = [
    "requests_total",
    "requests_total",
    "requests_total",
    "errors_total",
    "temperature",
    "temperature",
    "special",
    "latency_bucket",
    "latency_count",
    "target_info",
    "only",
    "traffic_bytes_total",
];
const HISTOGRAMS: [&str; 6] = ["duration", "duration", "duration", "sizes", "sizes", "levels"];
const NUMBERS: [&str; 14] =
    ["0", "1", "2", "0.5", "-1", "3.7", "10", "NaN", "Inf", "-Inf", "1e3", "0.9", "100", "0x1F"];

/// An expression around `feature`, with only `known` features.
pub(crate) fn expression(dice: &Dice, feature: Feature, known: &BTreeSet<Feature>) -> Expression {
    let mut grammar = Grammar { dice, known, used: BTreeSet::new() };
    let inner = grammar.around(feature);
    let text = if dice.chance(25) { grammar.wrapped(inner) } else { inner };
    Expression { text, used: grammar.used }
}

struct Grammar<'a> {
    dice: &'a Dice,
    known: &'a BTreeSet<Feature>,
    used: BTreeSet<Feature>,
}

impl Grammar<'_> {
    fn uses(&mut self, feature: Feature) {
        self.used.insert(feature);
    }

    fn knows(&self, feature: Feature) -> bool {
        self.known.contains(&feature)
    }

    fn pick<T: Copy>(&self, choices: &[T]) -> T {
        self.dice.pick(choices)
    }

    fn chance(&self, percent: usize) -> bool {
        self.dice.chance(percent)
    }

    /// An expression whose outermost part, nearly, is the feature.
    fn around(&mut self, feature: Feature) -> String {
        self.uses(feature);
        match feature {
            Feature::Function(name) => self.function(name, 2),
            Feature::Aggregation(op) => self.aggregation(op, 2),
            Feature::Operator(op) => self.operator(op, 2),
            Feature::Modifier(name) => self.modifier(name),
        }
    }

    /// Something around a vector that keeps most of it.
    fn wrapped(&mut self, inner: String) -> String {
        match self.dice.below(6) {
            0 => format!("({inner}) {} {}", self.pick(&["+", "*", "-", ">", "!="]), self.number()),
            1 => format!("sum({inner})"),
            2 => format!("-({inner})"),
            3 => format!("count by (job) ({inner})"),
            4 => format!("({inner})"),
            _ => format!("sort({inner})"),
        }
    }

    fn kind(&self) -> Kind {
        if self.chance(25) { Kind::Histogram } else { Kind::Float }
    }

    fn vector(&mut self, depth: usize, kind: Kind) -> String {
        if depth == 0 || self.chance(35) {
            return self.leaf(kind);
        }
        match self.dice.below(8) {
            0 | 1 if kind == Kind::Float => {
                let name = self.pick(&MATHS);
                self.uses(Feature::Function(name));
                self.function(name, depth - 1)
            }
            2 => {
                let op = self.pick(&["sum", "avg", "sum", "max", "min", "count"]);
                self.uses(Feature::Aggregation(op));
                self.aggregation_of(op, depth - 1, kind)
            }
            3 => {
                let op = self.pick(&["+", "-", "*", "/"]);
                self.uses(Feature::Operator(op));
                format!("({} {op} {})", self.vector(depth - 1, kind), self.number())
            }
            4 => {
                let op = self.pick(&["+", "-", "or", "and", "unless"]);
                self.uses(Feature::Operator(op));
                self.matched(op, depth - 1, kind)
            }
            5 => format!("-{}", self.vector(depth - 1, kind)),
            6 => format!("({})", self.vector(depth - 1, kind)),
            _ => self.leaf(kind),
        }
    }

    /// A selector or a function of a range.
    fn leaf(&mut self, kind: Kind) -> String {
        if self.chance(50) {
            return self.selector(kind);
        }
        let name = match kind {
            Kind::Float => self.pick(&RANGES),
            Kind::Histogram => self.pick(&HISTOGRAM_RANGES),
        };
        if !self.knows(Feature::Function(name)) {
            return self.selector(kind);
        }
        self.uses(Feature::Function(name));
        self.range_function(name, kind)
    }

    fn selector(&mut self, kind: Kind) -> String {
        let plain = self.series(kind);
        enclosed(format!("{plain}{}", self.time_modifier()))
    }

    fn series(&mut self, kind: Kind) -> String {
        if self.chance(3) {
            return "mixed".into();
        }
        if self.chance(2) {
            return self
                .pick(&[
                    "{\"my.metric\"}",
                    "{\"my.metric\",\"a.b\"=~\"x.*\"}",
                    "{__name__=~\"temp.*|on.y\"}",
                    "missing",
                    "{__name__=~\"temperature|requests_total\",job=\"api\"}",
                ])
                .into();
        }
        let metric = if kind == Kind::Float { self.pick(&FLOATS) } else { self.pick(&HISTOGRAMS) };
        let matcher = match self.dice.below(12) {
            0 => "{job=\"api\"}",
            1 => "{job!=\"api\"}",
            2 => "{instance=~\"a.*|b:1\"}",
            3 => "{instance!~\"(a|c).*\",job=\"db\"}",
            4 => "{missing=\"\"}",
            _ => "",
        };
        if !matcher.is_empty() {
            self.uses(Feature::Modifier("matchers"));
        }
        format!("{metric}{matcher}")
    }

    fn time_modifier(&mut self) -> String {
        match self.dice.below(14) {
            0 => self.offset(),
            1 => self.at(),
            2 if self.chance(50) => format!("{}{}", self.offset(), self.at()),
            _ => String::new(),
        }
    }

    fn offset(&mut self) -> String {
        self.uses(Feature::Modifier("offset"));
        if self.knows(Feature::Modifier("duration expression")) && self.chance(15) {
            self.uses(Feature::Modifier("duration expression"));
            let expression = ["(1m+30s)", "(2*45s)", "(5m-200)", "-(1m/2)", "(2m%50s)", "(2^6)"];
            return format!(" offset {}", self.pick(&expression));
        }
        let offsets = ["30s", "1m", "2m30s", "5m", "-1m", "-90s", "10", "1m500ms"];
        format!(" offset {}", self.pick(&offsets))
    }

    fn at(&mut self) -> String {
        self.uses(Feature::Modifier("@"));
        match self.dice.below(4) {
            0 => " @ start()".into(),
            1 => " @ end()".into(),
            _ => {
                let at = self.dice.between(START, END);
                format!(" @ {}.{:03}", at / 1000, at % 1000 / 100 * 100)
            }
        }
    }

    fn range(&mut self, kind: Kind) -> String {
        let lengths = ["1m", "90s", "2m", "5m", "5m", "10m", "61s", "3m30s", "600"];
        let mut length = self.pick(&lengths).to_owned();
        if self.knows(Feature::Modifier("duration expression")) && self.chance(4) {
            self.uses(Feature::Modifier("duration expression"));
            length = self.pick(&["2m+30s", "2*90s", "(10m-3m)/2", "-30s+5m", "60*3", "2^7"]).into();
        }
        if self.chance(20) {
            self.uses(Feature::Modifier("subquery"));
            let step = self.pick(&["", "30s", "1m", "17s", "45s"]);
            let depth = self.dice.below(2);
            let inner = if kind == Kind::Histogram { self.one_series() } else { self.vector(depth, kind) };
            return format!("({inner})[{length}:{step}]{}", self.time_modifier());
        }
        let series = if kind == Kind::Histogram { self.one_series() } else { self.series(kind) };
        format!("{series}[{length}]{}", self.time_modifier())
    }

    /// One series of histograms: Prometheus 3.5 mixes up the buckets of several where it reads a range of each.
    fn one_series(&mut self) -> String {
        let (metric, instance, job) =
            (self.pick(&HISTOGRAMS), self.pick(&["a:1", "b:1", "c:1"]), self.pick(&["api", "db"]));
        format!("{metric}{{instance=\"{instance}\",job=\"{job}\"}}")
    }

    fn number(&mut self) -> String {
        self.pick(&NUMBERS).into()
    }

    fn scalar(&mut self, depth: usize) -> String {
        if depth == 0 || self.chance(60) {
            return self.number();
        }
        match self.dice.below(6) {
            0 => {
                self.uses(Feature::Function("scalar"));
                format!("scalar({})", self.pick(&["only", "sum(temperature)", "temperature", "missing"]))
            }
            1 => {
                self.uses(Feature::Function("time"));
                "(time() % 60)".into()
            }
            2 => {
                self.uses(Feature::Function("pi"));
                "pi()".into()
            }
            3 => format!(
                "({} {} {})",
                self.number(),
                self.pick(&["+", "-", "*", "/", "%", "^"]),
                self.number()
            ),
            4 => format!("-{}", self.pick(&["1", "0.25", "2"])),
            _ => format!("({} {} bool {})", self.number(), self.pick(&["<", ">=", "=="]), self.number()),
        }
    }
}

/// In parentheses if it ends with a duration in parentheses, since some versions take what follows for the rest of it.
fn enclosed(selector: String) -> String {
    if selector.contains("offset (") || selector.contains("offset -(") {
        format!("({selector})")
    } else {
        selector
    }
}

fn is_comparison(op: &str) -> bool {
    matches!(op, "==" | "!=" | ">" | "<" | ">=" | "<=")
}
