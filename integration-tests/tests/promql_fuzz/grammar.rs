//! Random expressions, typed, over the metrics of `data`.
//!
//! Each expression is built around one feature, so that every feature has its turn; what else it uses is chance. What was used
//! is kept beside the text.

use std::collections::BTreeSet;

use crate::{
    data::{END, START},
    dice::Dice,
    features::{DATES, Feature, GROUPINGS, HISTOGRAM_RANGES, MATHS, RANGES},
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
                    "{job=\"api\"}",
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

    /// A call of a function of a range, and perhaps scalars.
    fn range_function(&mut self, name: &str, kind: Kind) -> String {
        let range = self.range(kind);
        match name {
            "quantile_over_time" => format!("{name}({}, {range})", self.quantile()),
            "predict_linear" => format!("{name}({range}, {})", self.pick(&["60", "-30", "3600", "0.5"])),
            "double_exponential_smoothing" => {
                let factors = ["0.3", "0.5", "0.9", "0.1", "0.3", "0.5", "1.5"];
                format!("{name}({range}, {}, {})", self.pick(&factors), self.pick(&factors))
            }
            _ => format!("{name}({range})"),
        }
    }

    fn quantile(&mut self) -> &'static str {
        self.pick(&["0.5", "0.9", "0.99", "0", "1", "0.25", "0.333", "-0.1", "1.5", "NaN"])
    }

    fn function(&mut self, name: &'static str, depth: usize) -> String {
        if RANGES.contains(&name) {
            let kind = if HISTOGRAM_RANGES.contains(&name) && self.chance(35) {
                Kind::Histogram
            } else {
                Kind::Float
            };
            return self.range_function(name, kind);
        }
        if MATHS.contains(&name) {
            let kind = if self.chance(5) { Kind::Histogram } else { Kind::Float };
            return format!("{name}({})", self.vector(depth, kind));
        }
        if DATES.contains(&name) {
            return match self.dice.below(3) {
                0 => format!("{name}()"),
                1 => format!("{name}(vector({}))", self.dice.between(-4_000_000_000, 40_000_000_000)),
                _ => format!("{name}({})", self.vector(depth, Kind::Float)),
            };
        }
        self.special_function(name, depth)
    }

    fn special_function(&mut self, name: &'static str, depth: usize) -> String {
        let kind = self.kind();
        match name {
            "time" | "pi" => format!("{name}() + {}", self.vector(depth, Kind::Float)),
            "scalar" => format!(
                "{} * {name}({})",
                self.vector(depth, Kind::Float),
                self.pick(&[
                    "only",
                    "sum(temperature)",
                    "duration",
                    "temperature{instance=\"a:1\",job=\"api\"}"
                ])
            ),
            "vector" => format!("vector({})", self.scalar(2)),
            "absent" => format!(
                "{name}({})",
                self.pick(&[
                    "missing{job=\"x\",a=~\"y\"}",
                    "missing{job=\"x\",job=\"y\"}",
                    "only",
                    "sum(missing)",
                    "only > 1e9",
                    "duration",
                    "{__name__=\"missing\",b=\"c\"}"
                ])
            ),
            "absent_over_time" => format!(
                "{name}({})",
                self.pick(&[
                    "missing{job=\"x\"}[5m]",
                    "only[1m]",
                    "missing[5m:1m]",
                    "(only > 40)[3m:30s]",
                    "duration{job=\"x\"}[2m]"
                ])
            ),
            "timestamp" => format!("{name}({})", self.vector(depth.saturating_sub(1), kind)),
            "round" if self.chance(60) => {
                let to = self.pick(&["0.1", "5", "0.5", "1e-3", "-2", "0", "NaN"]);
                format!("{name}({}, {to})", self.vector(depth, Kind::Float))
            }
            "round" => format!("{name}({})", self.vector(depth, Kind::Float)),
            "clamp" => {
                let (low, high) = (self.scalar(1), self.scalar(1));
                format!("{name}({}, {low}, {high})", self.vector(depth, Kind::Float))
            }
            "clamp_min" | "clamp_max" => {
                let to = self.scalar(1);
                format!("{name}({}, {to})", self.vector(depth, Kind::Float))
            }
            "sort" | "sort_desc" => format!("{name}({})", self.vector(depth, kind)),
            "sort_by_label" | "sort_by_label_desc" => {
                let labels =
                    self.pick(&["\"job\"", "\"instance\", \"job\"", "\"missing\", \"code\"", "\"__name__\""]);
                format!("{name}({}, {labels})", self.vector(depth, kind))
            }
            "label_replace" => self.label_replace(depth, kind),
            "label_join" => {
                let target = self.pick(&["new", "job", "__name__", "a b", ""]);
                let sources = self.pick(&[
                    "\"job\"",
                    "\"job\", \"instance\"",
                    "\"instance\", \"missing\", \"job\"",
                    "\"__name__\", \"job\"",
                ]);
                format!(
                    "{name}({}, \"{target}\", \"{}\", {sources})",
                    self.vector(depth.min(1), kind),
                    self.pick(&["-", "", ", "])
                )
            }
            "info" => self.info(),
            "histogram_quantile" => self.histogram_quantile(),
            "histogram_fraction" => {
                let ends = ["0", "1", "0.5", "-1", "2.5", "Inf", "-Inf", "NaN", "10"];
                let (low, high) = (self.pick(&ends), self.pick(&ends));
                format!("{name}({low}, {high}, {})", self.buckets())
            }
            "histogram_count" | "histogram_sum" | "histogram_avg" | "histogram_stddev"
            | "histogram_stdvar" => {
                let kind = if self.chance(8) { Kind::Float } else { Kind::Histogram };
                format!("{name}({})", self.vector(depth.min(1), kind))
            }
            _ => format!("{name}({})", self.vector(depth, Kind::Float)),
        }
    }

    fn histogram_quantile(&mut self) -> String {
        let quantile = self.quantile();
        format!("histogram_quantile({quantile}, {})", self.buckets())
    }

    /// What a quantile is taken of: classic buckets or native histograms.
    fn buckets(&mut self) -> String {
        if self.chance(55) {
            return self.vector(1, Kind::Histogram);
        }
        match self.dice.below(5) {
            0 => "latency_bucket".into(),
            1 => "rate(latency_bucket[5m])".into(),
            2 => format!("increase(latency_bucket[{}])", self.pick(&["2m", "10m"])),
            3 => "sum by (le) (rate(latency_bucket[5m]))".into(),
            _ => format!("latency_bucket{}", self.time_modifier()),
        }
    }

    fn label_replace(&mut self, depth: usize, kind: Kind) -> String {
        let target = self.pick(&["new", "job", "__name__", "instance", "~x"]);
        let replacement = self.pick(&["$1", "x-$1-$2", "${name}", "$$", "", "y", "$3", "$1x", "${1}x"]);
        let source = self.pick(&["job", "instance", "__name__", "missing", "code"]);
        let pattern = self.pick(&[
            "(.*)",
            "(.*):(.*)",
            "(?P<name>[a-z]+).*",
            "a.*",
            "",
            "x",
            "(.)(.)(.?).*",
            "(?i)API",
        ]);
        let inner = self.vector(depth.min(1), kind);
        format!("label_replace({inner}, \"{target}\", \"{replacement}\", \"{source}\", \"{pattern}\")")
    }

    fn info(&mut self) -> String {
        let inner = self.pick(&[
            "temperature",
            "requests_total",
            "rate(requests_total[5m])",
            "duration",
            "only",
            "sum by (job, instance) (errors_total)",
        ]);
        let wanted = self.pick(&[
            "",
            "",
            ", {version=~\".+\"}",
            ", {version=\"1\"}",
            ", {missing=\"\"}",
            ", {__name__=\"target_info\"}",
        ]);
        format!("info({inner}{wanted})")
    }

    fn grouping(&mut self) -> String {
        let grouping = self.pick(&GROUPINGS);
        match grouping.split_whitespace().next() {
            Some("by") => self.uses(Feature::Modifier("by")),
            Some("without") => self.uses(Feature::Modifier("without")),
            _ => {}
        }
        grouping.to_owned()
    }

    fn aggregation(&mut self, op: &'static str, depth: usize) -> String {
        let kind = if self.chance(25) { Kind::Histogram } else { Kind::Float };
        self.aggregation_of(op, depth, kind)
    }

    fn aggregation_of(&mut self, op: &'static str, depth: usize, kind: Kind) -> String {
        let grouping = self.grouping();
        let parameter = match op {
            "topk" | "bottomk" | "limitk" => {
                format!("{}, ", self.pick(&["1", "2", "3", "5", "100", "0", "-1", "2.7", "scalar(only) % 4"]))
            }
            "limit_ratio" => {
                format!("{}, ", self.pick(&["0.5", "-0.5", "0.1", "-0.9", "1", "0", "1.5", "-2"]))
            }
            "quantile" => format!("{}, ", self.quantile()),
            "count_values" => format!("{}, ", self.pick(&["\"value\"", "\"job\"", "\"a b\""])),
            _ => String::new(),
        };
        let inner = match op {
            // Values become texts: mathematics would differ in the last digit.
            "count_values" => self.selector(kind),
            _ => self.vector(depth, kind),
        };
        if self.chance(20) && !grouping.is_empty() {
            return format!("{op}({parameter}{inner}) {grouping}");
        }
        format!("{op} {grouping}({parameter}{inner})")
    }

    fn operator(&mut self, op: &'static str, depth: usize) -> String {
        let kind = self.kind();
        let set = matches!(op, "and" | "or" | "unless");
        match self.dice.below(10) {
            0..=2 if !set => {
                let bool = self.bool(op);
                let scalar = self.scalar(1);
                format!("{} {op}{bool} {scalar}", self.operand(depth, kind))
            }
            3 if !set => {
                let bool = self.bool(op);
                let scalar = self.scalar(1);
                format!("{scalar} {op}{bool} {}", self.operand(depth, kind))
            }
            4 if !set => {
                let bool = if is_comparison(op) {
                    self.uses(Feature::Modifier("bool"));
                    " bool"
                } else {
                    ""
                };
                format!("{} {op}{bool} {}", self.scalar(2), self.scalar(2))
            }
            _ => self.matched(op, depth, kind),
        }
    }

    fn operand(&mut self, depth: usize, kind: Kind) -> String {
        let inner = self.vector(depth, kind);
        if self.chance(50) { inner } else { format!("({inner})") }
    }

    fn bool(&mut self, op: &str) -> &'static str {
        if is_comparison(op) && self.chance(40) {
            self.uses(Feature::Modifier("bool"));
            return " bool";
        }
        ""
    }

    /// Two vectors that match, mostly.
    fn matched(&mut self, op: &'static str, depth: usize, kind: Kind) -> String {
        let set = matches!(op, "and" | "or" | "unless");
        let bool = if set { "" } else { self.bool(op) };
        let other = if self.chance(10) { self.kind() } else { kind };
        match self.dice.below(if set { 3 } else { 6 }) {
            // The same series at two times.
            0 => {
                let series = self.series(kind);
                let left = enclosed(format!("{series}{}", self.time_modifier()));
                let right = enclosed(format!("{series}{}", self.time_modifier()));
                format!("{left} {op}{bool} {right}")
            }
            1 => {
                self.uses(Feature::Modifier("on"));
                let labels = self.pick(&["job", "job, instance", "job, instance, code", "instance"]);
                let (left, right) = (self.grouped(labels, depth, kind), self.grouped(labels, depth, other));
                format!("{left} {op}{bool} on ({labels}) {right}")
            }
            2 => {
                self.uses(Feature::Modifier("ignoring"));
                let labels = self.pick(&["code", "version", "code, le", "missing", "job", ""]);
                let (left, right) = (self.operand(depth.min(1), kind), self.operand(depth.min(1), other));
                format!("{left} {op}{bool} ignoring ({labels}) {right}")
            }
            3 => {
                let direction = self.pick(&["group_left", "group_right"]);
                self.uses(Feature::Modifier(direction));
                self.uses(Feature::Modifier("on"));
                let extra = self.pick(&["(version)", "()", "", "(version, missing)"]);
                let (many, one) = (
                    self.many(kind),
                    self.pick(&["target_info", "target_info{version=\"1\"}", "temperature"]),
                );
                let (left, right) =
                    if direction == "group_left" { (many, one.to_owned()) } else { (one.to_owned(), many) };
                format!("{left} {op}{bool} on (job, instance) {direction} {extra} {right}")
            }
            4 => {
                let direction = self.pick(&["group_left", "group_right"]);
                self.uses(Feature::Modifier(direction));
                self.uses(Feature::Modifier("ignoring"));
                let (many, one) = (
                    self.many(kind),
                    self.pick(&["temperature", "errors_total", "sum by (job, instance) (requests_total)"]),
                );
                let (left, right) =
                    if direction == "group_left" { (many, one.to_owned()) } else { (one.to_owned(), many) };
                format!("{left} {op}{bool} ignoring (code) {direction} {right}")
            }
            _ => format!("{} {op}{bool} {}", self.operand(depth, kind), self.operand(depth, other)),
        }
    }

    fn many(&mut self, kind: Kind) -> String {
        match kind {
            Kind::Histogram => self.pick(&["duration", "levels", "sizes"]).into(),
            Kind::Float => self
                .pick(&[
                    "requests_total",
                    "rate(requests_total[5m])",
                    "temperature",
                    "increase(requests_total[2m])",
                ])
                .into(),
        }
    }

    /// A vector with these labels only, or a whole one.
    fn grouped(&mut self, labels: &str, depth: usize, kind: Kind) -> String {
        if self.chance(75) {
            let op = self.pick(&["sum", "max", "avg"]);
            let inner = self.vector(depth.min(1), kind);
            return format!("{op} by ({labels}) ({inner})");
        }
        self.series(kind)
    }

    fn modifier(&mut self, name: &'static str) -> String {
        let kind = self.kind();
        match name {
            "offset" => enclosed(format!("{}{}", self.series(kind), self.offset())),
            "@" => format!("{}{}", self.series(kind), self.at()),
            "matchers" => self.vector(1, kind),
            "subquery" => {
                let name =
                    if kind == Kind::Histogram { self.pick(&HISTOGRAM_RANGES) } else { self.pick(&RANGES) };
                let inner = if kind == Kind::Histogram { self.one_series() } else { self.vector(1, kind) };
                let step = self.pick(&["", "30s", "1m", "17s"]);
                if !self.knows(Feature::Function(name))
                    || matches!(
                        name,
                        "quantile_over_time" | "predict_linear" | "double_exponential_smoothing"
                    )
                {
                    return format!("max_over_time(({inner})[5m:{step}])");
                }
                self.uses(Feature::Function(name));
                format!(
                    "{name}(({inner})[{}:{step}]{})",
                    self.pick(&["3m", "5m", "10m"]),
                    self.time_modifier()
                )
            }
            "bool" => {
                self.uses(Feature::Operator(">="));
                format!("{} >= bool {}", self.operand(1, Kind::Float), self.number())
            }
            "by" | "without" => {
                let op = self.pick(&["sum", "avg", "max", "stddev", "group", "count"]);
                self.uses(Feature::Aggregation(op));
                let labels =
                    self.pick(&["job", "job, instance", "code", "missing", "__name__", "\"a.b\", job", ""]);
                format!("{op} {name} ({labels}) ({})", self.vector(1, kind))
            }
            "duration expression" => {
                let offset = self.pick(&["(1m+30s)", "-(30s*3)", "(2m-1)"]);
                enclosed(format!("{} offset {offset}", self.series(kind)))
            }
            "anchored" | "smoothed" => {
                let function = self.pick(&["rate", "increase", "delta"]);
                format!("{function}({}[{}] {name})", self.series(kind), self.pick(&["1m", "2m", "5m"]))
            }
            "fill" | "fill_left" | "fill_right" => {
                let op = self.pick(&["+", "-", "*", ">"]);
                format!(
                    "requests_total {op} {name}({}) requests_total offset {}",
                    self.number(),
                    self.pick(&["5m", "10m"])
                )
            }
            _ => {
                let op = self.pick(&["+", "-", "*", "/", "=="]);
                self.uses(Feature::Operator(op));
                let side = |on: bool| if on { "on (job, instance)" } else { "ignoring (code)" };
                let (many, matching) = (self.many(Kind::Float), side(name == "on" || self.chance(50)));
                match name {
                    "group_left" => format!("{many} {op} {matching} group_left temperature"),
                    "group_right" => format!("temperature {op} {matching} group_right {many}"),
                    _ => format!(
                        "sum without (code) ({many}) {op} {} temperature",
                        if name == "on" { "on (job, instance)" } else { "ignoring (code)" }
                    ),
                }
            }
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
