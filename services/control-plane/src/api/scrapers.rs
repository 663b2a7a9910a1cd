//! The operations on scrapers (section 5.6, scrapers.md).
//!
//! Decisions where the specification is silent: cluster, scraper and workspace are of one region (L1618); one subnet is enough, as
//! in the guide's samples of roles; aliases are compared as a whole in filters; the list is in order of creation.

use narthex_amp::{
    Arn, Blob, CreateScraperRequest, DeleteScraperRequest, DescribeScraperRequest, Destination,
    ExporterConfiguration, ListScrapersRequest, Resource, ScrapeConfiguration, Source, UpdateScraperRequest,
};
use narthex_edge::AwsError;
use narthex_model::AccountId;
use serde_json::{Value, json};

use super::{
    Api, Call, Outcome,
    documents::file,
    errors::{Subject, damaged},
    page::created,
    view::seconds,
    workspaces::paged,
};
use crate::{
    quota::Quota,
    state::{
        ChangeKind, Content, Expected, Limit, ResourceId, ResourceKind, ResourceRecord, Scraper, State,
        Target,
    },
};

fn id_of(scraper: &str) -> ResourceId {
    ResourceId::of_scraper(ResourceKind::Scraper, scraper)
}

impl Api {
    pub(super) async fn create_scraper(&self, call: &Call, request: CreateScraperRequest) -> Outcome {
        let name = self.new_id("s-");
        let id = id_of(&name);
        let destination = self.target(request.destination)?;
        let subject = subject(&call.account, &id, Some(&destination));
        self.check_source(&request.source)?;
        let exporters = request.exporters.unwrap_or_default();
        check_exporters(&exporters, &request.source)?;
        let ScrapeConfiguration::ConfigurationBlob(blob) = request.scrape_configuration;
        let scraper = Scraper {
            alias: request.alias,
            role_arn: self.new_role_arn(&call.account),
            configuration: self.documents().scrape(&blob, &request.source)?,
            source: request.source,
            destination,
            role_configuration: request.role_configuration,
            exporters,
        };
        let limits = vec![Limit { quota: Quota::Scrapers, limit: self.limits.scrapers.into() }];
        let content = Content::Scraper(Box::new(scraper));
        let what = ChangeKind::Create { id, content, tags: request.tags, limits };
        let changed = self.change(call, &subject, request.client_token, what).await?;
        Ok(call.reply(json!({
            "scraperId": changed.name,
            "arn": self.scraper_arn(&call.account, &changed.name),
            "status": { "statusCode": changed.status.as_str() },
            "tags": changed.tags,
        })))
    }

    pub(super) async fn update_scraper(&self, call: &Call, request: UpdateScraperRequest) -> Outcome {
        let id = id_of(&request.scraper_id);
        let destination = request.destination.map(|destination| self.target(destination)).transpose()?;
        let subject = subject(&call.account, &id, destination.as_ref());
        // It never changes.
        let source = self.read(|state| {
            let record = call.resource(state, &id)?;
            Ok::<_, AwsError>(content(&id, record)?.source.clone())
        })?;
        check_exporters(request.exporters.as_deref().unwrap_or_default(), &source)?;
        let configuration = match request.scrape_configuration {
            Some(ScrapeConfiguration::ConfigurationBlob(blob)) => {
                Some(self.documents().scrape(&blob, &source)?)
            }
            None => None,
        };
        let what = ChangeKind::UpdateScraper {
            scraper: request.scraper_id,
            alias: request.alias,
            configuration,
            destination,
            role_configuration: request.role_configuration,
            exporters: request.exporters,
        };
        let changed = self.change(call, &subject, request.client_token, what).await?;
        Ok(call.reply(json!({
            "scraperId": changed.name,
            "arn": self.scraper_arn(&call.account, &changed.name),
            "status": { "statusCode": changed.status.as_str() },
            "tags": changed.tags,
        })))
    }

    pub(super) fn describe_scraper(&self, call: &Call, request: &DescribeScraperRequest) -> Outcome {
        let id = id_of(&request.scraper_id);
        self.read(|state| {
            let record = call.resource(state, &id)?;
            let scraper = content(&id, record)?;
            let mut members = self.scraper(&id.name, record, scraper);
            members["scrapeConfiguration"] = json!({ "configurationBlob": file(&scraper.configuration)? });
            Ok(call.reply(json!({ "scraper": members })))
        })
    }

    pub(super) fn list_scrapers(&self, call: &Call, request: &ListScrapersRequest) -> Outcome {
        self.read(|state| {
            let mut items = Vec::new();
            for (id, record) in own(state, &call.account) {
                let scraper = content(id, record)?;
                if request.filters.iter().all(|(key, values)| matches(key, values, record, scraper)) {
                    items.push((created(record.created_at, id.name.as_bytes()), (id, record, scraper)));
                }
            }
            let filters = json!(request.filters).to_string();
            let (page, next) = call.listing(state, &filters).page(&request.page, items)?;
            let summary =
                |(id, record, scraper): (&ResourceId, _, _)| self.scraper(&id.name, record, scraper);
            Ok(call.reply(paged("scrapers", page.into_iter().map(summary).collect(), next)))
        })
    }

    pub(super) fn default_scraper_configuration(call: &Call) -> Outcome {
        let blob = Blob(narthex_definitions::scrape::DEFAULT.as_bytes().into());
        Ok(call.reply(json!({ "configuration": blob })))
    }

    pub(super) async fn delete_scraper(&self, call: &Call, request: DeleteScraperRequest) -> Outcome {
        let id = id_of(&request.scraper_id);
        let subject = Subject::resource(&call.account, &id);
        let what = ChangeKind::Delete { id, expected: Expected::Anything };
        let changed = self.change(call, &subject, request.client_token, what).await?;
        let status = json!({ "statusCode": changed.status.as_str() });
        Ok(call.reply(json!({ "scraperId": request.scraper_id, "status": status })))
    }

    fn scraper_arn(&self, account: &AccountId, scraper: &str) -> String {
        self.arn(account, Resource::Scraper { scraper: scraper.to_owned() })
    }

    /// A role of the service for one scraper (security.md section 9).
    fn new_role_arn(&self, account: &AccountId) -> String {
        let digits = format!("{:032x}", self.random.bits128());
        let unique = format!("{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..13]);
        format!(
            "arn:aws:iam::{account}:role/aws-service-role/scraper.aps.amazonaws.com/\
             AWSServiceRoleForAmazonPrometheusScraper_{unique}"
        )
    }

    /// A destination and the workspace that it names.
    fn target(&self, destination: Destination) -> Result<Target, AwsError> {
        let workspace = match &destination {
            Destination::AmpConfiguration(amp) => {
                const MEMBER: &str = "destination.ampConfiguration.workspaceArn";
                let arn: Arn =
                    amp.workspace_arn.parse().map_err(|error| AwsError::field(MEMBER, format!("{error}")))?;
                self.check_region(MEMBER, &arn.region)?;
                let Resource::Workspace { workspace } = &arn.resource else {
                    return Err(AwsError::field(MEMBER, "is not the ARN of a workspace"));
                };
                Some((arn.account, Call::workspace_id(workspace)?))
            }
            Destination::CloudWatchConfiguration(_) => None,
        };
        Ok(Target { destination, workspace })
    }

    fn check_source(&self, source: &Source) -> Result<(), AwsError> {
        match source {
            Source::EksConfiguration(eks) => {
                let region = eks.cluster_arn.split(':').nth(3).unwrap_or_default();
                self.check_region("source.eksConfiguration.clusterArn", region)
            }
            Source::VpcConfiguration(_) => Ok(()),
        }
    }

    fn check_region(&self, member: &str, region: &str) -> Result<(), AwsError> {
        if region == self.region {
            return Ok(());
        }
        Err(AwsError::field(member, format!("is in region {region}; scrapers here are in {}", self.region)))
    }

    /// ScraperSummary.
    fn scraper(&self, name: &str, record: &ResourceRecord, scraper: &Scraper) -> Value {
        let mut members = json!({
            "scraperId": name,
            "arn": self.scraper_arn(&record.account, name),
            "roleArn": scraper.role_arn,
            "status": { "statusCode": record.status.as_str() },
            "createdAt": seconds(record.created_at),
            "lastModifiedAt": seconds(record.modified_at),
            "tags": record.tags,
            "source": scraper.source,
            "destination": scraper.destination.destination,
        });
        if let Some(alias) = &scraper.alias {
            members["alias"] = alias.as_str().into();
        }
        if let Some(reason) = &record.status_reason {
            members["statusReason"] = reason.chars().take(256).collect::<String>().into();
        }
        if let Some(roles) = &scraper.role_configuration {
            members["roleConfiguration"] = json!(roles);
        }
        if !scraper.exporters.is_empty() {
            members["exporters"] = json!(scraper.exporters);
        }
        members
    }
}

fn subject(account: &AccountId, id: &ResourceId, destination: Option<&Target>) -> Subject {
    let workspace = destination.and_then(|target| target.workspace.as_ref());
    Subject {
        workspace: workspace.map(|(_, workspace)| workspace.to_string()).unwrap_or_default(),
        ..Subject::resource(account, id)
    }
}

fn own<'a>(
    state: &'a State,
    account: &AccountId,
) -> impl Iterator<Item = (&'a ResourceId, &'a ResourceRecord)> {
    state.scrapers().filter(move |(_, record)| record.account == *account)
}

fn content<'a>(id: &ResourceId, record: &'a ResourceRecord) -> Result<&'a Scraper, AwsError> {
    match record.newest().map(|version| &version.content) {
        Some(Content::Scraper(scraper)) => Ok(scraper),
        _ => Err(damaged(id)),
    }
}

/// Kafka's exporter reaches its brokers through a network (model KafkaExporterConfiguration).
fn check_exporters(exporters: &[ExporterConfiguration], source: &Source) -> Result<(), AwsError> {
    let kafka =
        exporters.iter().any(|exporter| matches!(exporter, ExporterConfiguration::KafkaConfiguration(_)));
    if kafka && !matches!(source, Source::VpcConfiguration(_)) {
        let text = "a Kafka exporter needs a scraper whose source is a vpcConfiguration";
        return Err(AwsError::field("exporters", text));
    }
    Ok(())
}

/// Whether one of the values is the scraper's (API-C-53).
fn matches(key: &str, values: &[String], record: &ResourceRecord, scraper: &Scraper) -> bool {
    let own = match key {
        "status" => Some(record.status.as_str()),
        "alias" => scraper.alias.as_deref(),
        "sourceArn" => match &scraper.source {
            Source::EksConfiguration(eks) => Some(eks.cluster_arn.as_str()),
            Source::VpcConfiguration(_) => None,
        },
        "destinationArn" => Some(match &scraper.destination.destination {
            Destination::AmpConfiguration(amp) => amp.workspace_arn.as_str(),
            Destination::CloudWatchConfiguration(cloud_watch) => cloud_watch.dataset_arn.as_str(),
        }),
        _ => None,
    };
    own.is_some_and(|own| values.iter().any(|value| value == own))
}
