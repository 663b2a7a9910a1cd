//! Calls of functions, each with arguments that mean something to it.

use super::{Grammar, Kind};
use crate::promql_fuzz::features::{DATES, HISTOGRAM_RANGES, MATHS, RANGES};

impl Grammar<'_> {
    /// A call of a function of a range, and perhaps scalars.
    pub(super) fn range_function(&mut self, name: &str, kind: Kind) -> String {
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

    pub(super) fn quantile(&mut self) -> &'static str {
        self.pick(&["0.5", "0.9", "0.99", "0", "1", "0.25", "0.333", "-0.1", "1.5", "NaN"])
    }

    pub(super) fn function(&mut self, name: &'static str, depth: usize) -> String {
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

    pub(super) fn special_function(&mut self, name: &'static str, depth: usize) -> String {
        let kind = self.kind();
        match name {
            "time" | "pi" | "start" | "end" | "range" | "step" => {
                format!("{name}() + {}", self.vector(depth, Kind::Float))
            }
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
            "max_of" | "min_of" => format!("vector({name}({}, {}))", self.scalar(1), self.scalar(1)),
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
            _ if name.starts_with("histogram_") => self.histogram_function(name, depth),
            _ => format!("{name}({})", self.vector(depth, Kind::Float)),
        }
    }

    fn histogram_function(&mut self, name: &str, depth: usize) -> String {
        match name {
            "histogram_quantile" => self.histogram_quantile(),
            "histogram_quantiles" => {
                let quantiles = self.pick(&["0.5", "0.9, 0.99", "0, 0.5, 1", "-1, 2"]);
                format!("{name}({}, \"q\", {quantiles})", self.buckets())
            }
            "histogram_fraction" => {
                let ends = ["0", "1", "0.5", "-1", "2.5", "Inf", "-Inf", "NaN", "10"];
                let (low, high) = (self.pick(&ends), self.pick(&ends));
                format!("{name}({low}, {high}, {})", self.buckets())
            }
            _ => {
                let kind = if self.chance(8) { Kind::Float } else { Kind::Histogram };
                format!("{name}({})", self.vector(depth.min(1), kind))
            }
        }
    }

    pub(super) fn histogram_quantile(&mut self) -> String {
        let quantile = self.quantile();
        format!("histogram_quantile({quantile}, {})", self.buckets())
    }

    /// What a quantile is taken of: classic buckets or native histograms.
    pub(super) fn buckets(&mut self) -> String {
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

    pub(super) fn label_replace(&mut self, depth: usize, kind: Kind) -> String {
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

    pub(super) fn info(&mut self) -> String {
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
}
