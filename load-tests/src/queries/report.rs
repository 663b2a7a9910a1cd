//! What was measured, as data for a file and as a table.

use std::{fmt::Write, time::Duration};

use serde::{Deserialize, Serialize};

/// The report of a run over one data set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// The data set.
    pub scale: String,
    /// Servers and versions, in the order of the columns.
    pub servers: Vec<String>,
    /// A row for each question.
    pub rows: Vec<Row>,
}

/// One question.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub question: String,
    /// The query.
    pub query: String,
    /// What each server took.
    pub figures: Vec<Figures>,
    /// How many series Narthex and Prometheus disagree about.
    pub differing: usize,
    /// The first of these, and which of the two failed.
    pub differences: Vec<String>,
    /// What VictoriaMetrics does not answer.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What one server took for one question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figures {
    /// The server.
    pub server: String,
    /// Series (or items) of its answer; `None` if it refused.
    pub series: Option<usize>,
    /// Bytes of its answer.
    pub bytes: usize,
    /// CPU milliseconds of each run.
    pub cpu_ms: Vec<f64>,
    /// Milliseconds from request to the end of the reply, of each run.
    pub latency_ms: Vec<f64>,
}

impl Figures {
    pub(super) fn new(server: &str, bytes: usize) -> Self {
        Self { server: server.to_owned(), series: None, bytes, cpu_ms: Vec::new(), latency_ms: Vec::new() }
    }

    pub(super) fn record(&mut self, cpu: Duration, latency: Duration) {
        self.cpu_ms.push(cpu.as_secs_f64() * 1000.0);
        self.latency_ms.push(latency.as_secs_f64() * 1000.0);
    }

    fn median_cpu(&self) -> f64 {
        quantile(&self.cpu_ms, 0.5)
    }

    fn mean_cpu(&self) -> f64 {
        self.cpu_ms.iter().sum::<f64>() / self.cpu_ms.len().max(1) as f64
    }
}

/// The value that a share of all do not exceed.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

impl Report {
    /// Takes what servers that were not asked now did in an earlier run.
    pub fn fill_from(&mut self, earlier: &Self) {
        for row in &mut self.rows {
            let Some(old) = earlier.rows.iter().find(|old| old.question == row.question) else { continue };
            let missing =
                old.figures.iter().filter(|old| row.figures.iter().all(|now| now.server != old.server));
            row.figures.extend(missing.cloned().collect::<Vec<_>>());
        }
    }

    /// Questions whose answers differ or failed.
    pub fn wrong(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.differences.is_empty())
    }

    /// A table in markdown: medians of CPU time, ratios to the first server, latencies, and sums. Below it, what differs.
    pub fn markdown(&self) -> String {
        let Some(first) = self.rows.first() else { return "nothing was asked\n".to_owned() };
        let names: Vec<&str> = first.figures.iter().map(|figures| figures.server.as_str()).collect();
        let mut text = format!("{}: {}\n\n| query | series |", self.scale, self.servers.join(", "));
        for name in &names {
            let _ = write!(text, " {name} CPU ms |");
        }
        for name in names.iter().skip(1) {
            let _ = write!(text, " {name} / {} |", names[0]);
        }
        for name in &names {
            let _ = write!(text, " {name} p50 / p99 ms |");
        }
        let columns = 1 + 3 * names.len();
        let _ = writeln!(text, "\n|---|{}", "---:|".repeat(columns));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text.push_str(&self.totals("median", names.len(), Figures::median_cpu));
        text.push_str(&self.totals("mean", names.len(), Figures::mean_cpu));
        for row in self.wrong() {
            let _ = writeln!(text, "\n{}: {} series differ\n    {}", row.question, row.differing, row.query);
            for difference in &row.differences {
                let _ = writeln!(text, "    {}", difference.chars().take(600).collect::<String>());
            }
        }
        for row in self.rows.iter().filter(|row| !row.notes.is_empty()) {
            let notes = row.notes.join(" ");
            let _ = writeln!(text, "\n{}: {}", row.question, notes.chars().take(300).collect::<String>());
        }
        text
    }

    /// Sums over all questions, and ratios over those that both servers answer with something.
    fn totals(&self, what: &str, servers: usize, of: impl Fn(&Figures) -> f64) -> String {
        let sum = |server: usize| {
            let figures = self.rows.iter().filter_map(|row| row.figures.get(server));
            figures.filter(|figures| figures.series.is_some()).map(&of).sum::<f64>()
        };
        let mut text = format!("| **all, {what}** | |");
        for server in 0..servers {
            let _ = write!(text, " **{:.1}** |", sum(server));
        }
        for server in 1..servers {
            let rows = self.rows.iter().filter(|row| row.comparable(server));
            let pairs: Vec<(f64, f64)> =
                rows.map(|row| (of(&row.figures[0]), of(&row.figures[server]))).collect();
            let (mine, theirs) = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
            let logarithms = pairs.iter().map(|(mine, theirs)| (theirs / mine).ln()).sum::<f64>();
            let each = (logarithms / pairs.len().max(1) as f64).exp();
            let _ = write!(text, " **{:.2}** (each {each:.2}) |", theirs / mine);
        }
        text.push_str(&" |".repeat(servers));
        text.push('\n');
        text
    }
}

impl Row {
    /// Whether the first server's cost and this one's are those of the same work: both found something, or neither.
    fn comparable(&self, server: usize) -> bool {
        let found = |server: usize| Some(self.figures.get(server)?.series? > 0);
        found(0).is_some() && found(0) == found(server)
    }
}

fn line(row: &Row) -> String {
    let count = |figures: &Figures| figures.series.map_or("-".to_owned(), |series| series.to_string());
    let counts: Vec<String> = row.figures.iter().map(count).collect();
    let same = counts.iter().all(|count| *count == counts[0]);
    let mark = if row.differences.is_empty() { "" } else { " **differs**" };
    let series = if same { counts[0].clone() } else { counts.join(", ") };
    let mut text = format!("| {}{mark} | {series} |", row.question);
    for figures in &row.figures {
        let _ = write!(text, " {:.2} |", figures.median_cpu());
    }
    for (server, other) in row.figures.iter().enumerate().skip(1) {
        let ratio = other.median_cpu() / row.figures[0].median_cpu();
        let _ = if row.comparable(server) { write!(text, " {ratio:.2} |") } else { write!(text, " - |") };
    }
    for figures in &row.figures {
        let at = |share| quantile(&figures.latency_ms, share);
        let _ = write!(text, " {:.1} / {:.1} |", at(0.5), at(0.99));
    }
    text.push('\n');
    text.replace("NaN / NaN", "-").replace("NaN", "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(servers: &[(&str, [f64; 3])]) -> Row {
        let figures = servers.iter().map(|(name, cpu_ms)| Figures {
            series: Some(5),
            cpu_ms: cpu_ms.to_vec(),
            latency_ms: vec![1.0, 2.0, 9.0],
            ..Figures::new(name, 100)
        });
        Row { question: "q (instant)".to_owned(), figures: figures.collect(), ..Row::default() }
    }

    #[test]
    fn the_table_has_medians_ratios_and_sums() {
        let row = row(&[("narthex", [1.0, 2.0, 9.0]), ("prometheus", [7.0, 6.0, 5.0])]);
        let report = Report { scale: "tiny".to_owned(), servers: vec![], rows: vec![row.clone(), row] };
        let table = report.markdown();
        assert!(
            table.contains("| q (instant) | 5 | 2.00 | 6.00 | 3.00 | 2.0 / 9.0 | 2.0 / 9.0 |"),
            "{table}"
        );
        assert!(table.contains("| **all, median** | | **4.0** | **12.0** | **3.00** (each 3.00) | | |"));
        assert!(table.contains("| **all, mean** | | **8.0** | **12.0** | **1.50** (each 1.50) | | |"));
    }

    #[test]
    fn what_a_peer_does_not_find_is_not_compared() {
        let mut row = row(&[("narthex", [2.0; 3]), ("prometheus", [6.0; 3]), ("victoria-metrics", [1.0; 3])]);
        row.figures[2].series = Some(0);
        let table = Report { rows: vec![row], ..Report::default() }.markdown();
        assert!(table.contains("| q (instant) | 5, 5, 0 | 2.00 | 6.00 | 1.00 | 3.00 | - |"), "{table}");
    }

    #[test]
    fn peers_are_taken_from_an_earlier_report() {
        let report = |servers: &[(&str, [f64; 3])]| Report { rows: vec![row(servers)], ..Report::default() };
        let mut now = report(&[("narthex", [1.0; 3])]);
        now.fill_from(&report(&[("narthex", [5.0; 3]), ("prometheus", [4.0; 3])]));
        assert_eq!(now.rows[0].figures.len(), 2);
        assert_eq!(now.rows[0].figures[0].cpu_ms, [1.0; 3]);
    }
}
