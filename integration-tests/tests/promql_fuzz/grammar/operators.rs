//! Aggregations, operators between vectors, and modifiers.

use super::{Grammar, Kind, enclosed, is_comparison};
use crate::promql_fuzz::features::{Feature, GROUPINGS, HISTOGRAM_RANGES, RANGES};

impl Grammar<'_> {
    pub(super) fn grouping(&mut self) -> String {
        let grouping = self.pick(&GROUPINGS);
        match grouping.split_whitespace().next() {
            Some("by") => self.uses(Feature::Modifier("by")),
            Some("without") => self.uses(Feature::Modifier("without")),
            _ => {}
        }
        grouping.to_owned()
    }

    pub(super) fn aggregation(&mut self, op: &'static str, depth: usize) -> String {
        let kind = if self.chance(25) { Kind::Histogram } else { Kind::Float };
        self.aggregation_of(op, depth, kind)
    }

    pub(super) fn aggregation_of(&mut self, op: &'static str, depth: usize, kind: Kind) -> String {
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

    pub(super) fn operator(&mut self, op: &'static str, depth: usize) -> String {
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

    pub(super) fn operand(&mut self, depth: usize, kind: Kind) -> String {
        let inner = self.vector(depth, kind);
        if self.chance(50) { inner } else { format!("({inner})") }
    }

    pub(super) fn bool(&mut self, op: &str) -> &'static str {
        if is_comparison(op) && self.chance(40) {
            self.uses(Feature::Modifier("bool"));
            return " bool";
        }
        ""
    }

    /// Two vectors that match, mostly.
    pub(super) fn matched(&mut self, op: &'static str, depth: usize, kind: Kind) -> String {
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

    pub(super) fn many(&mut self, kind: Kind) -> String {
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
    pub(super) fn grouped(&mut self, labels: &str, depth: usize, kind: Kind) -> String {
        if self.chance(75) {
            let op = self.pick(&["sum", "max", "avg"]);
            let inner = self.vector(depth.min(1), kind);
            return format!("{op} by ({labels}) ({inner})");
        }
        self.series(kind)
    }

    pub(super) fn modifier(&mut self, name: &'static str) -> String {
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
            "step() in durations" => {
                let offset =
                    self.pick(&["(step()*2)", "(range()/2)", "min(step(),1m)", "max(30s,range()/4)"]);
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
