//! Every command of the API from AWS's SDK for Rust, with its own waiters and retries.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_sdk_amp::{
    Client,
    client::Waiters as _,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{
        AmpConfiguration, AnomalyDetectorConfiguration, CloudWatchLogDestination, ComponentConfig,
        Destination, EksConfiguration, IgnoreNearExpected, LimitsPerLabelSet, LimitsPerLabelSetEntry,
        LoggingDestination, LoggingFilter, RandomCutForestConfiguration, ScrapeConfiguration,
        ScraperComponent, ScraperComponentType, ScraperLoggingDestination, Source,
    },
};
use narthex_integration_tests::sandbox::{ClientEnv, DEADLINE, until};
use narthex_service::SharedClock;

use super::commands::{DEFINITION, EKS, GROUP, RULES, policy_document};

/// What a waiter may take.
const WAIT: Duration = Duration::from_secs(120);

const NAMESPACE: &str = "rules file/1";
const NAME: &str = "rust-sdk";

/// A client that speaks plain HTTP to `base` and tries `attempts` times.
pub(crate) fn client(env: &ClientEnv, base: &str, attempts: u32) -> Result<Client> {
    let keys = (env.get("AWS_ACCESS_KEY_ID")?, env.get("AWS_SECRET_ACCESS_KEY")?);
    let config = aws_sdk_amp::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(env.get("AWS_REGION")?.to_owned()))
        .credentials_provider(Credentials::from_keys(keys.0, keys.1, None))
        .endpoint_url(base)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::standard().with_max_attempts(attempts));
    Ok(Client::from_conf(config.build()))
}

/// Every command on a new workspace, which is gone in the end.
pub(crate) async fn every_command(amp: &Client, clock: &SharedClock) -> Result<()> {
    let created = amp.create_workspace().alias(NAME).tags("team", "core").send().await?;
    let (id, arn) = (created.workspace_id(), created.arn());
    amp.wait_until_workspace_active().workspace_id(id).wait(WAIT).await?;
    let listed = amp.list_workspaces().alias(NAME).send().await?;
    only(listed.workspaces().iter().map(|found| found.workspace_id()), id)?;
    amp.update_workspace_alias().workspace_id(id).alias("rust-sdk again").send().await?;
    let described = amp.describe_workspace().workspace_id(id).send().await?;
    let alias = described.workspace().and_then(|workspace| workspace.alias());
    ensure!(alias == Some("rust-sdk again"), "{described:?}");

    let calls = Calls { amp, clock, id, arn };
    calls.configuration().await?;
    calls.rule_groups().await?;
    calls.alert_manager().await?;
    calls.logging().await?;
    calls.query_logging().await?;
    calls.policy().await?;
    calls.detectors().await?;
    calls.scrapers().await?;
    calls.tags().await?;
    amp.delete_workspace().workspace_id(id).send().await?;
    amp.wait_until_workspace_deleted().workspace_id(id).wait(WAIT).await?;
    Ok(())
}

fn only<'a>(found: impl Iterator<Item = &'a str>, expected: &str) -> Result<()> {
    let found: Vec<_> = found.collect();
    ensure!(found == [expected], "expected {expected} alone, found {found:?}");
    Ok(())
}

/// Reads until the status is there that `status` takes out of the reply.
async fn until_active<O, E>(
    clock: &SharedClock,
    read: impl AsyncFn() -> Result<O, E>,
    status: impl Fn(&O) -> Option<&str>,
) -> Result<O>
where
    O: std::fmt::Debug,
    E: std::error::Error + Send + Sync + 'static,
{
    until(clock, "ACTIVE", DEADLINE, async || {
        let shown = read().await?;
        let active = status(&shown) == Some("ACTIVE");
        Ok(if active { Ok(shown) } else { Err(format!("{shown:?}")) })
    })
    .await
}

/// Reads until nothing is found.
async fn until_gone<O, E>(clock: &SharedClock, read: impl AsyncFn() -> Result<O, SdkError<E>>) -> Result<()>
where
    O: std::fmt::Debug,
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    until(clock, "nothing to be found", DEADLINE, async || match read().await {
        Ok(shown) => Ok(Err(format!("{shown:?}"))),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(Ok(())),
        Err(error) => Err(error.into()),
    })
    .await
}

/// What the calls of one workspace have in common.
struct Calls<'a> {
    amp: &'a Client,
    clock: &'a SharedClock,
    id: &'a str,
    arn: &'a str,
}

impl Calls<'_> {
    async fn configuration(&self) -> Result<()> {
        let read = async || self.amp.describe_workspace_configuration().workspace_id(self.id).send().await;
        let before = read().await?;
        let retention = before.workspace_configuration().and_then(|held| held.retention_period_in_days());
        ensure!(retention == Some(150), "{before:?}");
        let limits = LimitsPerLabelSet::builder()
            .limits(LimitsPerLabelSetEntry::builder().max_series(1_000_000).build())
            .label_set("team", "A")
            .build()?;
        let update = self.amp.update_workspace_configuration().workspace_id(self.id);
        update.limits_per_label_set(limits.clone()).retention_period_in_days(30).send().await?;
        let shown = until_active(self.clock, read, |shown| {
            Some(shown.workspace_configuration()?.status()?.status_code().as_str())
        })
        .await?;
        let held = shown.workspace_configuration().context("a configuration")?;
        ensure!(held.retention_period_in_days() == Some(30), "{held:?}");
        ensure!(held.limits_per_label_set() == [limits], "{held:?}");
        Ok(())
    }

    async fn rule_groups(&self) -> Result<()> {
        let create = self.amp.create_rule_groups_namespace().workspace_id(self.id).name(NAMESPACE);
        let created = create.data(Blob::new(RULES)).tags("Team", "a").send().await?;
        let read = async || {
            self.amp.describe_rule_groups_namespace().workspace_id(self.id).name(NAMESPACE).send().await
        };
        let active = async || {
            until_active(self.clock, read, |shown| {
                Some(shown.rule_groups_namespace()?.status()?.status_code().as_str())
            })
            .await
        };
        active().await?;
        let put = self.amp.put_rule_groups_namespace().workspace_id(self.id).name(NAMESPACE);
        put.data(Blob::new(RULES)).send().await?;
        let shown = active().await?;
        let data = shown.rule_groups_namespace().map(|namespace| namespace.data().as_ref());
        ensure!(data == Some(RULES.as_bytes()), "{shown:?}");
        let listed =
            self.amp.list_rule_groups_namespaces().workspace_id(self.id).name("rules").send().await?;
        only(listed.rule_groups_namespaces().iter().map(|found| found.arn()), created.arn())?;
        self.amp.delete_rule_groups_namespace().workspace_id(self.id).name(NAMESPACE).send().await?;
        until_gone(self.clock, read).await
    }

    async fn alert_manager(&self) -> Result<()> {
        let read = async || self.amp.describe_alert_manager_definition().workspace_id(self.id).send().await;
        let active = async || {
            until_active(self.clock, read, |shown| {
                Some(shown.alert_manager_definition()?.status()?.status_code().as_str())
            })
            .await
        };
        let create = self.amp.create_alert_manager_definition().workspace_id(self.id);
        create.data(Blob::new(DEFINITION)).send().await?;
        active().await?;
        let put = self.amp.put_alert_manager_definition().workspace_id(self.id);
        put.data(Blob::new(DEFINITION)).send().await?;
        active().await?;
        self.amp.delete_alert_manager_definition().workspace_id(self.id).send().await?;
        until_gone(self.clock, read).await
    }

    async fn logging(&self) -> Result<()> {
        let read = async || self.amp.describe_logging_configuration().workspace_id(self.id).send().await;
        let active = async || {
            until_active(self.clock, read, |shown| {
                Some(shown.logging_configuration()?.status()?.status_code().as_str())
            })
            .await
        };
        let create = self.amp.create_logging_configuration().workspace_id(self.id);
        create.log_group_arn(GROUP).send().await?;
        active().await?;
        let update = self.amp.update_logging_configuration().workspace_id(self.id);
        update.log_group_arn(GROUP).send().await?;
        active().await?;
        self.amp.delete_logging_configuration().workspace_id(self.id).send().await?;
        until_gone(self.clock, read).await
    }

    async fn query_logging(&self) -> Result<()> {
        let read =
            async || self.amp.describe_query_logging_configuration().workspace_id(self.id).send().await;
        let active = async || {
            until_active(self.clock, read, |shown| {
                Some(shown.query_logging_configuration()?.status()?.status_code().as_str())
            })
            .await
        };
        let destination = LoggingDestination::builder()
            .cloud_watch_logs(log_group()?)
            .filters(LoggingFilter::builder().qsp_threshold(1_000_000).build()?)
            .build();
        let create = self.amp.create_query_logging_configuration().workspace_id(self.id);
        create.destinations(destination.clone()).send().await?;
        active().await?;
        let update = self.amp.update_query_logging_configuration().workspace_id(self.id);
        update.destinations(destination).send().await?;
        active().await?;
        self.amp.delete_query_logging_configuration().workspace_id(self.id).send().await?;
        until_gone(self.clock, read).await
    }

    async fn policy(&self) -> Result<()> {
        let document = policy_document(self.arn);
        let put = self.amp.put_resource_policy().workspace_id(self.id).policy_document(&document);
        // Only the first of two such calls finds none.
        let put = put.revision_id("NO_POLICY").send().await?;
        let read = async || self.amp.describe_resource_policy().workspace_id(self.id).send().await;
        let shown = until_active(self.clock, read, |shown| Some(shown.policy_status().as_str())).await?;
        ensure!(shown.policy_document() == document && shown.revision_id() == put.revision_id(), "{shown:?}");
        let delete = self.amp.delete_resource_policy().workspace_id(self.id);
        delete.revision_id(put.revision_id()).send().await?;
        until_gone(self.clock, read).await
    }

    async fn detectors(&self) -> Result<()> {
        let forest = RandomCutForestConfiguration::builder()
            .query("avg(rate(http_requests_total[5m]))")
            .shingle_size(8)
            .ignore_near_expected_from_above(IgnoreNearExpected::Ratio(0.05));
        let create = self.amp.create_anomaly_detector().workspace_id(self.id).alias("rate");
        let create = create.configuration(AnomalyDetectorConfiguration::RandomCutForest(forest.build()?));
        let created = create.labels("severity", "high").send().await?;
        let detector = created.anomaly_detector_id();
        let active = async || {
            let wait = self.amp.wait_until_anomaly_detector_active().workspace_id(self.id);
            wait.anomaly_detector_id(detector).wait(WAIT).await
        };
        active().await?;
        let forest = RandomCutForestConfiguration::builder().query("avg(up)").build()?;
        let put = self.amp.put_anomaly_detector().workspace_id(self.id).anomaly_detector_id(detector);
        put.configuration(AnomalyDetectorConfiguration::RandomCutForest(forest)).send().await?;
        active().await?;
        let describe = self.amp.describe_anomaly_detector().workspace_id(self.id);
        let shown = describe.anomaly_detector_id(detector).send().await?;
        let alias = shown.anomaly_detector().map(|detector| detector.alias());
        ensure!(alias == Some("rate"), "{shown:?}");
        let listed = self.amp.list_anomaly_detectors().workspace_id(self.id).alias("rate").send().await?;
        only(listed.anomaly_detectors().iter().map(|found| found.arn()), created.arn())?;
        let delete = self.amp.delete_anomaly_detector().workspace_id(self.id);
        delete.anomaly_detector_id(detector).send().await?;
        let wait = self.amp.wait_until_anomaly_detector_deleted().workspace_id(self.id);
        wait.anomaly_detector_id(detector).wait(WAIT).await?;
        Ok(())
    }

    async fn scrapers(&self) -> Result<()> {
        let default = self.amp.get_default_scraper_configuration().send().await?;
        let cluster = EksConfiguration::builder().cluster_arn(EKS).subnet_ids("subnet-1").build()?;
        let workspace = AmpConfiguration::builder().workspace_arn(self.arn).build()?;
        let create = self.amp.create_scraper().alias("rust-one");
        let create = create.source(Source::EksConfiguration(cluster));
        let create = create.destination(Destination::AmpConfiguration(workspace));
        let blob = default.configuration().clone();
        let created =
            create.scrape_configuration(ScrapeConfiguration::ConfigurationBlob(blob)).send().await?;
        let id = created.scraper_id();
        self.amp.wait_until_scraper_active().scraper_id(id).wait(WAIT).await?;
        self.amp.update_scraper().scraper_id(id).alias("rust-two").set_exporters(Some(vec![])).send().await?;
        self.amp.wait_until_scraper_active().scraper_id(id).wait(WAIT).await?;
        let shown = self.amp.describe_scraper().scraper_id(id).send().await?;
        let alias = shown.scraper().and_then(|scraper| scraper.alias());
        ensure!(alias == Some("rust-two"), "{shown:?}");
        let aliases = vec!["rust-one".to_owned(), "rust-two".to_owned()];
        let listed = self.amp.list_scrapers().filters("alias", aliases).send().await?;
        only(listed.scrapers().iter().map(|found| found.arn()), created.arn())?;
        self.scraper_logging(id).await?;
        self.amp.delete_scraper().scraper_id(id).send().await?;
        self.amp.wait_until_scraper_deleted().scraper_id(id).wait(WAIT).await?;
        Ok(())
    }

    async fn scraper_logging(&self, id: &str) -> Result<()> {
        let collector = ScraperComponent::builder().r#type(ScraperComponentType::Collector).build()?;
        let exporter = ScraperComponent::builder()
            .r#type(ScraperComponentType::Exporter)
            .config(ComponentConfig::builder().build())
            .build()?;
        self.amp
            .update_scraper_logging_configuration()
            .scraper_id(id)
            .logging_destination(ScraperLoggingDestination::CloudWatchLogs(log_group()?))
            .scraper_components(collector)
            .scraper_components(exporter)
            .send()
            .await?;
        let read = async || self.amp.describe_scraper_logging_configuration().scraper_id(id).send().await;
        let shown =
            until_active(self.clock, read, |shown| Some(shown.status()?.status_code().as_str())).await?;
        ensure!(shown.scraper_components().len() == 2, "{shown:?}");
        self.amp.delete_scraper_logging_configuration().scraper_id(id).send().await?;
        Ok(())
    }

    async fn tags(&self) -> Result<()> {
        let tag = self.amp.tag_resource().resource_arn(self.arn);
        tag.tags("Status", "Secret").tags("team", "new").send().await?;
        self.amp.untag_resource().resource_arn(self.arn).tag_keys("Status").send().await?;
        let shown = self.amp.list_tags_for_resource().resource_arn(self.arn).send().await?;
        let tags = shown.tags().context("tags")?;
        ensure!(tags.len() == 1 && tags.get("team").is_some_and(|team| team == "new"), "{tags:?}");
        Ok(())
    }
}

fn log_group() -> Result<CloudWatchLogDestination> {
    Ok(CloudWatchLogDestination::builder().log_group_arn(GROUP).build()?)
}
