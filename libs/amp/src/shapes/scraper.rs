//! Scrapers and their logs (sections 5.6 and 5.7).

use super::{
    common::{IDEMPOTENCY_TOKEN, PAGINATION_TOKEN, STRING, TAG_MAP, TIMESTAMP, WORKSPACE_ARN},
    logging::CLOUD_WATCH_LOG_DESTINATION,
};
use crate::rules;
use crate::shape::{
    Shape, UNBOUNDED, blob, integer, list, map, one_of, optional, path, pattern, query, query_rest, required,
    string, structure, union,
};

pub(super) static CLOUD_WATCH_DATASET_ARN: Shape = string("CloudWatchDatasetArn")
    .matching(pattern!(r"arn:aws[-a-z]*:cloudwatch:[-a-z0-9]+:[0-9]{12}:dataset\/.+"));
pub(super) static CLUSTER_ARN: Shape =
    string("ClusterArn").matching(pattern!(r"arn:aws[-a-z]*:eks:[-a-z0-9]+:[0-9]{12}:cluster/.+"));
pub(super) static FILTER_KEY: Shape = string("FilterKey").chars(1, 256).rule(rules::filter_key);
pub(super) static FILTER_VALUE: Shape = string("FilterValue").chars(1, 256);
pub(super) static IAM_ROLE_ARN: Shape =
    string("IamRoleArn").matching(pattern!(r"arn:aws[-a-z]*:iam::[0-9]{12}:role/.+"));
pub(super) static KAFKA_EXPORTER_FILTER: Shape =
    string("KafkaExporterFilter").chars(1, 256).rule(rules::kafka_filter);
pub(super) static MSK_CLUSTER_ARN: Shape =
    string("MskClusterArn").matching(pattern!(r"arn:aws[-a-z]*:kafka:[-a-z0-9]+:[0-9]{12}:cluster\/.+"));
pub(super) static OPEN_SEARCH_DOMAIN_ARN: Shape =
    string("OpenSearchDomainArn").matching(pattern!(r"arn:aws[-a-z]*:es:[-a-z0-9]+:[0-9]{12}:domain\/.+"));
pub(super) static SCRAPER_ALIAS: Shape =
    string("ScraperAlias").chars(1, 100).matching(pattern!(r"[0-9A-Za-z][-.0-9A-Z_a-z]*"));
pub(super) static SCRAPER_ARN: Shape = string("ScraperArn");
pub(super) static SCRAPER_COMPONENT_TYPE: Shape =
    one_of("ScraperComponentType", &["SERVICE_DISCOVERY", "COLLECTOR", "EXPORTER"]);
pub(super) static SCRAPER_ID: Shape =
    string("ScraperId").chars(1, 64).matching(pattern!(r"[0-9A-Za-z][-.0-9A-Z_a-z]*"));
pub(super) static SCRAPER_LOGGING_CONFIGURATION_STATUS_CODE: Shape = one_of(
    "ScraperLoggingConfigurationStatusCode",
    &["CREATING", "ACTIVE", "UPDATING", "DELETING", "CREATION_FAILED", "UPDATE_FAILED"],
);
pub(super) static SCRAPER_STATUS_CODE: Shape = one_of(
    "ScraperStatusCode",
    &["CREATING", "UPDATING", "ACTIVE", "DELETING", "CREATION_FAILED", "UPDATE_FAILED", "DELETION_FAILED"],
);
pub(super) static SECURITY_GROUP_ID: Shape =
    string("SecurityGroupId").chars(0, 255).matching(pattern!(r"sg-[0-9a-z]+"));
pub(super) static STATUS_REASON: Shape = string("StatusReason").chars(1, 256);
pub(super) static SUBNET_ID: Shape = string("SubnetId").chars(0, 255).matching(pattern!(r"subnet-[0-9a-z]+"));
pub(super) static BLOB: Shape = blob("Blob");
pub(super) static LIST_SCRAPERS_REQUEST_MAX_RESULTS_INTEGER: Shape =
    integer("ListScrapersRequestMaxResultsInteger", 1, 1000);
pub(super) static EXPORTER_LIST: Shape = list("ExporterList", &EXPORTER_CONFIGURATION).items(0, 1);
pub(super) static FILTER_VALUES: Shape = list("FilterValues", &FILTER_VALUE).items(1, 20);
pub(super) static SCRAPER_COMPONENTS: Shape =
    list("ScraperComponents", &SCRAPER_COMPONENT).items(1, UNBOUNDED);
pub(super) static SCRAPER_FILTERS: Shape = map("ScraperFilters", &FILTER_KEY, &FILTER_VALUES).entries(1, 4);
pub(super) static SCRAPER_SUMMARY_LIST: Shape = list("ScraperSummaryList", &SCRAPER_SUMMARY);
pub(super) static SECURITY_GROUP_IDS: Shape = list("SecurityGroupIds", &SECURITY_GROUP_ID).items(1, 5);
pub(super) static STRING_MAP: Shape = map("StringMap", &STRING, &STRING);
pub(super) static SUBNET_IDS: Shape = list("SubnetIds", &SUBNET_ID).items(1, 5);

pub(super) static AMP_CONFIGURATION: Shape =
    structure("AmpConfiguration", &[required("workspaceArn", &WORKSPACE_ARN)]);
pub(super) static CLOUD_WATCH_CONFIGURATION: Shape =
    structure("CloudWatchConfiguration", &[required("datasetArn", &CLOUD_WATCH_DATASET_ARN)]);
pub(super) static COMPONENT_CONFIG: Shape = structure("ComponentConfig", &[optional("options", &STRING_MAP)]);
pub(super) static DESTINATION: Shape = union(
    "Destination",
    &[
        optional("ampConfiguration", &AMP_CONFIGURATION),
        optional("cloudWatchConfiguration", &CLOUD_WATCH_CONFIGURATION),
    ],
);
pub(super) static EKS_CONFIGURATION: Shape = structure(
    "EksConfiguration",
    &[
        required("clusterArn", &CLUSTER_ARN),
        optional("securityGroupIds", &SECURITY_GROUP_IDS),
        required("subnetIds", &SUBNET_IDS),
    ],
);
pub(super) static EXPORTER_CONFIGURATION: Shape = union(
    "ExporterConfiguration",
    &[
        optional("openSearchConfiguration", &OPEN_SEARCH_EXPORTER_CONFIGURATION),
        optional("kafkaConfiguration", &KAFKA_EXPORTER_CONFIGURATION),
    ],
);
pub(super) static KAFKA_EXPORTER_CONFIGURATION: Shape = structure(
    "KafkaExporterConfiguration",
    &[
        required("clusterArn", &MSK_CLUSTER_ARN),
        optional("topicFilter", &KAFKA_EXPORTER_FILTER),
        optional("consumerGroupFilter", &KAFKA_EXPORTER_FILTER),
    ],
);
pub(super) static OPEN_SEARCH_EXPORTER_CONFIGURATION: Shape =
    structure("OpenSearchExporterConfiguration", &[required("domainArn", &OPEN_SEARCH_DOMAIN_ARN)]);
pub(super) static ROLE_CONFIGURATION: Shape = structure(
    "RoleConfiguration",
    &[optional("sourceRoleArn", &IAM_ROLE_ARN), optional("targetRoleArn", &IAM_ROLE_ARN)],
);
pub(super) static SCRAPE_CONFIGURATION: Shape =
    union("ScrapeConfiguration", &[optional("configurationBlob", &BLOB)]);
pub(super) static SCRAPER_COMPONENT: Shape = structure(
    "ScraperComponent",
    &[required("type", &SCRAPER_COMPONENT_TYPE), optional("config", &COMPONENT_CONFIG)],
);
pub(super) static SCRAPER_DESCRIPTION: Shape = structure(
    "ScraperDescription",
    &[
        optional("alias", &SCRAPER_ALIAS),
        required("scraperId", &SCRAPER_ID),
        required("arn", &SCRAPER_ARN),
        required("roleArn", &IAM_ROLE_ARN),
        required("status", &SCRAPER_STATUS),
        required("createdAt", &TIMESTAMP),
        required("lastModifiedAt", &TIMESTAMP),
        optional("tags", &TAG_MAP),
        optional("statusReason", &STATUS_REASON),
        required("scrapeConfiguration", &SCRAPE_CONFIGURATION),
        required("source", &SOURCE),
        required("destination", &DESTINATION),
        optional("roleConfiguration", &ROLE_CONFIGURATION),
        optional("exporters", &EXPORTER_LIST),
    ],
);
pub(super) static SCRAPER_LOGGING_CONFIGURATION_STATUS: Shape = structure(
    "ScraperLoggingConfigurationStatus",
    &[required("statusCode", &SCRAPER_LOGGING_CONFIGURATION_STATUS_CODE), optional("statusReason", &STRING)],
);
pub(super) static SCRAPER_LOGGING_DESTINATION: Shape =
    union("ScraperLoggingDestination", &[optional("cloudWatchLogs", &CLOUD_WATCH_LOG_DESTINATION)]);
pub(super) static SCRAPER_STATUS: Shape =
    structure("ScraperStatus", &[required("statusCode", &SCRAPER_STATUS_CODE)]);
pub(super) static SCRAPER_SUMMARY: Shape = structure(
    "ScraperSummary",
    &[
        optional("alias", &SCRAPER_ALIAS),
        required("scraperId", &SCRAPER_ID),
        required("arn", &SCRAPER_ARN),
        required("roleArn", &IAM_ROLE_ARN),
        required("status", &SCRAPER_STATUS),
        required("createdAt", &TIMESTAMP),
        required("lastModifiedAt", &TIMESTAMP),
        optional("tags", &TAG_MAP),
        optional("statusReason", &STATUS_REASON),
        required("source", &SOURCE),
        required("destination", &DESTINATION),
        optional("roleConfiguration", &ROLE_CONFIGURATION),
        optional("exporters", &EXPORTER_LIST),
    ],
);
pub(super) static SOURCE: Shape = union(
    "Source",
    &[optional("eksConfiguration", &EKS_CONFIGURATION), optional("vpcConfiguration", &VPC_CONFIGURATION)],
);
pub(super) static VPC_CONFIGURATION: Shape = structure(
    "VpcConfiguration",
    &[required("securityGroupIds", &SECURITY_GROUP_IDS), required("subnetIds", &SUBNET_IDS)],
);

pub(super) static CREATE_SCRAPER_REQUEST: Shape = structure(
    "CreateScraperRequest",
    &[
        optional("alias", &SCRAPER_ALIAS),
        required("scrapeConfiguration", &SCRAPE_CONFIGURATION),
        required("source", &SOURCE),
        required("destination", &DESTINATION),
        optional("roleConfiguration", &ROLE_CONFIGURATION),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
        optional("tags", &TAG_MAP),
        optional("exporters", &EXPORTER_LIST),
    ],
)
.rule(rules::kafka_needs_vpc);
pub(super) static CREATE_SCRAPER_RESPONSE: Shape = structure(
    "CreateScraperResponse",
    &[
        required("scraperId", &SCRAPER_ID),
        required("arn", &SCRAPER_ARN),
        required("status", &SCRAPER_STATUS),
        optional("tags", &TAG_MAP),
    ],
);

pub(super) static DELETE_SCRAPER_LOGGING_CONFIGURATION_REQUEST: Shape = structure(
    "DeleteScraperLoggingConfigurationRequest",
    &[path("scraperId", &SCRAPER_ID), query("clientToken", &IDEMPOTENCY_TOKEN)],
);

pub(super) static DELETE_SCRAPER_REQUEST: Shape = structure(
    "DeleteScraperRequest",
    &[path("scraperId", &SCRAPER_ID), query("clientToken", &IDEMPOTENCY_TOKEN)],
);
pub(super) static DELETE_SCRAPER_RESPONSE: Shape = structure(
    "DeleteScraperResponse",
    &[required("scraperId", &SCRAPER_ID), required("status", &SCRAPER_STATUS)],
);

pub(super) static DESCRIBE_SCRAPER_LOGGING_CONFIGURATION_REQUEST: Shape =
    structure("DescribeScraperLoggingConfigurationRequest", &[path("scraperId", &SCRAPER_ID)]);
pub(super) static DESCRIBE_SCRAPER_LOGGING_CONFIGURATION_RESPONSE: Shape = structure(
    "DescribeScraperLoggingConfigurationResponse",
    &[
        required("status", &SCRAPER_LOGGING_CONFIGURATION_STATUS),
        required("scraperId", &SCRAPER_ID),
        required("loggingDestination", &SCRAPER_LOGGING_DESTINATION),
        required("scraperComponents", &SCRAPER_COMPONENTS),
        required("modifiedAt", &TIMESTAMP),
    ],
);

pub(super) static DESCRIBE_SCRAPER_REQUEST: Shape =
    structure("DescribeScraperRequest", &[path("scraperId", &SCRAPER_ID)]);
pub(super) static DESCRIBE_SCRAPER_RESPONSE: Shape =
    structure("DescribeScraperResponse", &[required("scraper", &SCRAPER_DESCRIPTION)]);

pub(super) static GET_DEFAULT_SCRAPER_CONFIGURATION_REQUEST: Shape =
    structure("GetDefaultScraperConfigurationRequest", &[]);
pub(super) static GET_DEFAULT_SCRAPER_CONFIGURATION_RESPONSE: Shape =
    structure("GetDefaultScraperConfigurationResponse", &[required("configuration", &BLOB)]);

pub(super) static LIST_SCRAPERS_REQUEST: Shape = structure(
    "ListScrapersRequest",
    &[
        query_rest("filters", &SCRAPER_FILTERS),
        query("nextToken", &PAGINATION_TOKEN),
        query("maxResults", &LIST_SCRAPERS_REQUEST_MAX_RESULTS_INTEGER),
    ],
);
pub(super) static LIST_SCRAPERS_RESPONSE: Shape = structure(
    "ListScrapersResponse",
    &[required("scrapers", &SCRAPER_SUMMARY_LIST), optional("nextToken", &PAGINATION_TOKEN)],
);

pub(super) static UPDATE_SCRAPER_LOGGING_CONFIGURATION_REQUEST: Shape = structure(
    "UpdateScraperLoggingConfigurationRequest",
    &[
        path("scraperId", &SCRAPER_ID),
        required("loggingDestination", &SCRAPER_LOGGING_DESTINATION),
        optional("scraperComponents", &SCRAPER_COMPONENTS),
    ],
);
pub(super) static UPDATE_SCRAPER_LOGGING_CONFIGURATION_RESPONSE: Shape = structure(
    "UpdateScraperLoggingConfigurationResponse",
    &[required("status", &SCRAPER_LOGGING_CONFIGURATION_STATUS)],
);

pub(super) static UPDATE_SCRAPER_REQUEST: Shape = structure(
    "UpdateScraperRequest",
    &[
        path("scraperId", &SCRAPER_ID),
        optional("alias", &SCRAPER_ALIAS),
        optional("scrapeConfiguration", &SCRAPE_CONFIGURATION),
        optional("destination", &DESTINATION),
        optional("roleConfiguration", &ROLE_CONFIGURATION),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
        optional("exporters", &EXPORTER_LIST),
    ],
);
pub(super) static UPDATE_SCRAPER_RESPONSE: Shape = structure(
    "UpdateScraperResponse",
    &[
        required("scraperId", &SCRAPER_ID),
        required("arn", &SCRAPER_ARN),
        required("status", &SCRAPER_STATUS),
        optional("tags", &TAG_MAP),
    ],
);
