//! Every quota of the management API over the wire: what comes up to it is accepted, one more is refused with the documented error.
//! Once with the documented numbers, once with an operator's own.

mod bench;
mod documents;
mod rates;
mod resources;

use anyhow::{Context, Result, ensure};
use narthex_integration_tests::sandbox::{ControlPlane, binary, long, scenario};

use self::bench::Bench;

/// A quota.
struct Quota {
    /// The flag that sets it.
    flag: &'static str,
    /// The documented number, as `--help` shows it.
    default: &'static str,
    /// Another number.
    low: u64,
    /// Tries it.
    check: Check,
}

/// The function that brings something to its quota, and beyond it.
#[derive(Debug, Clone, Copy)]
enum Check {
    Workspaces,
    Rules,
    RuleGroupsNamespaces,
    RuleFileBytes,
    DefinitionBytes,
    Templates,
    RoutingNodes,
    InhibitionRules,
    LabelSets,
    OutOfOrderWindow,
    Scrapers,
    AnomalyDetectors,
    ScrapeConfigurationBytes,
    Tags,
    RuleInterval,
    ScrapeInterval,
    Retention,
}

/// The quotas, the row of quotas-and-errors.md or of the service model behind each.
#[rustfmt::skip]
const QUOTAS: [Quota; 17] = [
    // QUO-31
    Quota { flag: "limits.rules", default: "2000", low: 4, check: Check::Rules },
    // A bound of our own: files without rules count in no other quota.
    Quota { flag: "limits.rule-groups-namespaces", default: "2000", low: 3, check: Check::RuleGroupsNamespaces },
    // QUO-30
    Quota { flag: "limits.rule-file-bytes", default: "1000000", low: 900, check: Check::RuleFileBytes },
    // QUO-4
    Quota { flag: "limits.alertmanager-definition-bytes", default: "1000000", low: 900, check: Check::DefinitionBytes },
    // QUO-33
    Quota { flag: "limits.alertmanager-templates", default: "100", low: 2, check: Check::Templates },
    // QUO-15
    Quota { flag: "limits.alertmanager-routing-nodes", default: "100", low: 3, check: Check::RoutingNodes },
    // QUO-9
    Quota { flag: "limits.alertmanager-inhibition-rules", default: "100", low: 2, check: Check::InhibitionRules },
    // QUO-11
    Quota { flag: "limits.label-sets", default: "100", low: 2, check: Check::LabelSets },
    // QUO-22
    Quota { flag: "limits.max-out-of-order-window", default: "10m", low: 900, check: Check::OutOfOrderWindow },
    // A bound of our own.
    Quota { flag: "limits.anomaly-detectors", default: "500", low: 2, check: Check::AnomalyDetectors },
    // A bound of our own.
    Quota { flag: "limits.scrape-configuration-bytes", default: "1000000", low: 700, check: Check::ScrapeConfigurationBytes },
    // TAG-3, and the model's TagMap
    Quota { flag: "limits.tags", default: "50", low: 3, check: Check::Tags },
    // QUO-29
    Quota { flag: "limits.min-rule-interval", default: "30s", low: 7, check: Check::RuleInterval },
    // Section 10
    Quota { flag: "limits.min-scrape-interval", default: "30s", low: 7, check: Check::ScrapeInterval },
    // Section 6: 150 days where nothing else is set, and 1 to 1,095 can be.
    Quota { flag: "limits.retention-days", default: "150", low: 40, check: Check::Retention },
    // Section 10: behind those that need a scraper for a moment.
    Quota { flag: "limits.scrapers", default: "10", low: 2, check: Check::Scrapers },
    // QUO-34: last, since the others need workspaces.
    Quota { flag: "limits.workspaces", default: "25", low: 20, check: Check::Workspaces },
];

impl Quota {
    /// Its documented number; of a duration its seconds.
    fn documented(&self) -> Result<u64> {
        let (digits, unit) = match self.default.trim_end_matches(['s', 'm']) {
            digits if self.default.ends_with('m') => (digits, 60),
            digits => (digits, 1),
        };
        Ok(digits.parse::<u64>()? * unit)
    }

    /// The flag with the other number.
    fn lowered(&self) -> String {
        let unit = if self.default.ends_with(['s', 'm']) { "s" } else { "" };
        format!("--{}={}{unit}", self.flag, self.low)
    }

    async fn try_it(&self, bench: &Bench<'_>, limit: u64) -> Result<()> {
        let size = usize::try_from(limit)?;
        match self.check {
            Check::Workspaces => resources::workspaces(bench, size).await,
            Check::Rules => documents::rules(bench, size).await,
            Check::RuleGroupsNamespaces => resources::namespaces(bench, size).await,
            Check::RuleFileBytes => documents::rule_file_bytes(bench, size).await,
            Check::DefinitionBytes => documents::definition_bytes(bench, size).await,
            Check::Templates => documents::templates(bench, size).await,
            Check::RoutingNodes => documents::routing_nodes(bench, size).await,
            Check::InhibitionRules => documents::inhibition_rules(bench, size).await,
            Check::LabelSets => resources::label_sets(bench, size).await,
            Check::OutOfOrderWindow => resources::out_of_order_window(bench, limit).await,
            Check::Scrapers => resources::scrapers(bench, size).await,
            Check::AnomalyDetectors => resources::detectors(bench, size).await,
            Check::ScrapeConfigurationBytes => documents::scrape_bytes(bench, size).await,
            Check::Tags => resources::tags(bench, size).await,
            Check::RuleInterval => documents::rule_interval(bench, limit).await,
            Check::ScrapeInterval => documents::scrape_interval(bench, limit).await,
            Check::Retention => resources::retention(bench, limit).await,
        }
        .with_context(|| format!("{} at {limit}", self.flag))
    }
}

#[test]
fn the_defaults_are_the_documented_numbers() -> Result<()> {
    let output = std::process::Command::new(binary("narthex-control-plane")?)
        .arg("--help")
        .env("COLUMNS", "120")
        .output()?;
    let help = String::from_utf8(output.stdout)?;
    let rates = [
        // QUO-16 to QUO-20
        ("edge.management-rate", "10"),
        ("edge.labels-rate", "10"),
        ("edge.query-rate", "300"),
        ("edge.remote-write-rate", "3000"),
        ("edge.other-rate", "100"),
        // QUO-2
        ("limits.active-series", "50000000"),
        ("limits.out-of-order-window", "10m"),
    ];
    for (flag, default) in QUOTAS.iter().map(|quota| (quota.flag, quota.default)).chain(rates) {
        let (_, after) = help.split_once(&format!("--{flag} ")).with_context(|| format!("no --{flag}"))?;
        let about = after.split("\n      --").next().unwrap_or_default();
        ensure!(about.contains(&format!("[default: {default}]")), "--{flag} is not {default}: {about}");
    }
    Ok(())
}

#[test]
fn the_documented_quotas_are_kept() {
    scenario(async |sandbox| {
        let plane = ControlPlane::start(sandbox, &[]).await?;
        let bench = Bench { sandbox, plane: &plane };
        for quota in &QUOTAS {
            let many = matches!(quota.check, Check::RuleGroupsNamespaces | Check::AnomalyDetectors);
            if !many || long() {
                quota.try_it(&bench, quota.documented()?).await?;
            }
        }
        Ok(())
    });
}

#[test]
fn the_quotas_of_an_operator_are_kept() {
    scenario(async |sandbox| {
        let flags: Vec<String> = QUOTAS.iter().map(Quota::lowered).collect();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let plane = ControlPlane::start(sandbox, &flags).await?;
        let bench = Bench { sandbox, plane: &plane };
        for quota in &QUOTAS {
            quota.try_it(&bench, quota.low).await?;
        }
        Ok(())
    });
}
