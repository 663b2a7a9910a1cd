//! Anomaly detectors (section 5.9).

use super::common::{IDEMPOTENCY_TOKEN, PAGINATION_TOKEN, STRING, TAG_MAP, TIMESTAMP, WORKSPACE_ID};
use crate::shape::{
    Shape, boolean, double, integer, list, map, one_of, optional, path, pattern, query, required, string,
    structure, union,
};

pub(super) static ANOMALY_DETECTOR_ALIAS: Shape =
    string("AnomalyDetectorAlias").chars(1, 64).matching(pattern!(r"[0-9A-Za-z][-.0-9A-Z_a-z]*"));
pub(super) static ANOMALY_DETECTOR_ARN: Shape = string("AnomalyDetectorArn")
    .matching(pattern!(r"arn:aws[-a-z]*:aps:[-a-z0-9]+:[0-9]{12}:anomalydetector/ws-.+/ad-.+"));
pub(super) static ANOMALY_DETECTOR_ID: Shape =
    string("AnomalyDetectorId").chars(1, 64).matching(pattern!(r"ad-[0-9A-Za-z][-.0-9A-Z_a-z]*"));
pub(super) static ANOMALY_DETECTOR_STATUS_CODE: Shape = one_of(
    "AnomalyDetectorStatusCode",
    &["CREATING", "ACTIVE", "UPDATING", "DELETING", "CREATION_FAILED", "UPDATE_FAILED", "DELETION_FAILED"],
);
pub(super) static PROMETHEUS_METRIC_LABEL_KEY: Shape =
    string("PrometheusMetricLabelKey").chars(1, 7168).matching(pattern!(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*"));
pub(super) static PROMETHEUS_METRIC_LABEL_VALUE: Shape = string("PrometheusMetricLabelValue").chars(1, 7168);
pub(super) static RANDOM_CUT_FOREST_QUERY: Shape = string("RandomCutForestQuery").chars(1, 8192);
pub(super) static ANOMALY_DETECTOR_EVALUATION_INTERVAL: Shape =
    integer("AnomalyDetectorEvaluationInterval", 30, 86400);
pub(super) static BOOLEAN: Shape = boolean("Boolean");
pub(super) static IGNORE_NEAR_EXPECTED_AMOUNT_DOUBLE: Shape = double("IgnoreNearExpectedAmountDouble", 0.0);
pub(super) static IGNORE_NEAR_EXPECTED_RATIO_DOUBLE: Shape = double("IgnoreNearExpectedRatioDouble", 0.0);
pub(super) static LIST_ANOMALY_DETECTORS_REQUEST_MAX_RESULTS_INTEGER: Shape =
    integer("ListAnomalyDetectorsRequestMaxResultsInteger", 1, 1000);
pub(super) static RANDOM_CUT_FOREST_CONFIGURATION_SAMPLE_SIZE_INTEGER: Shape =
    integer("RandomCutForestConfigurationSampleSizeInteger", 256, 1024);
pub(super) static RANDOM_CUT_FOREST_CONFIGURATION_SHINGLE_SIZE_INTEGER: Shape =
    integer("RandomCutForestConfigurationShingleSizeInteger", 2, 1024);
pub(super) static ANOMALY_DETECTOR_SUMMARY_LIST: Shape =
    list("AnomalyDetectorSummaryList", &ANOMALY_DETECTOR_SUMMARY);
pub(super) static CREATE_ANOMALY_DETECTOR_REQUEST_LABELS_MAP: Shape = map(
    "CreateAnomalyDetectorRequestLabelsMap",
    &PROMETHEUS_METRIC_LABEL_KEY,
    &PROMETHEUS_METRIC_LABEL_VALUE,
)
.entries(0, 140);
pub(super) static PROMETHEUS_METRIC_LABEL_MAP: Shape =
    map("PrometheusMetricLabelMap", &PROMETHEUS_METRIC_LABEL_KEY, &PROMETHEUS_METRIC_LABEL_VALUE);

pub(super) static ANOMALY_DETECTOR_CONFIGURATION: Shape =
    union("AnomalyDetectorConfiguration", &[optional("randomCutForest", &RANDOM_CUT_FOREST_CONFIGURATION)]);
pub(super) static ANOMALY_DETECTOR_DESCRIPTION: Shape = structure(
    "AnomalyDetectorDescription",
    &[
        required("arn", &ANOMALY_DETECTOR_ARN),
        required("anomalyDetectorId", &ANOMALY_DETECTOR_ID),
        required("alias", &ANOMALY_DETECTOR_ALIAS),
        optional("evaluationIntervalInSeconds", &ANOMALY_DETECTOR_EVALUATION_INTERVAL),
        optional("missingDataAction", &ANOMALY_DETECTOR_MISSING_DATA_ACTION),
        optional("configuration", &ANOMALY_DETECTOR_CONFIGURATION),
        optional("labels", &PROMETHEUS_METRIC_LABEL_MAP),
        required("status", &ANOMALY_DETECTOR_STATUS),
        required("createdAt", &TIMESTAMP),
        required("modifiedAt", &TIMESTAMP),
        optional("tags", &TAG_MAP),
    ],
);
pub(super) static ANOMALY_DETECTOR_MISSING_DATA_ACTION: Shape = union(
    "AnomalyDetectorMissingDataAction",
    &[optional("markAsAnomaly", &BOOLEAN), optional("skip", &BOOLEAN)],
);
pub(super) static ANOMALY_DETECTOR_STATUS: Shape = structure(
    "AnomalyDetectorStatus",
    &[required("statusCode", &ANOMALY_DETECTOR_STATUS_CODE), optional("statusReason", &STRING)],
);
pub(super) static ANOMALY_DETECTOR_SUMMARY: Shape = structure(
    "AnomalyDetectorSummary",
    &[
        required("arn", &ANOMALY_DETECTOR_ARN),
        required("anomalyDetectorId", &ANOMALY_DETECTOR_ID),
        required("alias", &ANOMALY_DETECTOR_ALIAS),
        required("status", &ANOMALY_DETECTOR_STATUS),
        required("createdAt", &TIMESTAMP),
        required("modifiedAt", &TIMESTAMP),
        optional("tags", &TAG_MAP),
    ],
);
pub(super) static IGNORE_NEAR_EXPECTED: Shape = union(
    "IgnoreNearExpected",
    &[
        optional("amount", &IGNORE_NEAR_EXPECTED_AMOUNT_DOUBLE),
        optional("ratio", &IGNORE_NEAR_EXPECTED_RATIO_DOUBLE),
    ],
);
pub(super) static RANDOM_CUT_FOREST_CONFIGURATION: Shape = structure(
    "RandomCutForestConfiguration",
    &[
        required("query", &RANDOM_CUT_FOREST_QUERY),
        optional("shingleSize", &RANDOM_CUT_FOREST_CONFIGURATION_SHINGLE_SIZE_INTEGER),
        optional("sampleSize", &RANDOM_CUT_FOREST_CONFIGURATION_SAMPLE_SIZE_INTEGER),
        optional("ignoreNearExpectedFromAbove", &IGNORE_NEAR_EXPECTED),
        optional("ignoreNearExpectedFromBelow", &IGNORE_NEAR_EXPECTED),
    ],
);

pub(super) static CREATE_ANOMALY_DETECTOR_REQUEST: Shape = structure(
    "CreateAnomalyDetectorRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        required("alias", &ANOMALY_DETECTOR_ALIAS),
        optional("evaluationIntervalInSeconds", &ANOMALY_DETECTOR_EVALUATION_INTERVAL),
        optional("missingDataAction", &ANOMALY_DETECTOR_MISSING_DATA_ACTION),
        required("configuration", &ANOMALY_DETECTOR_CONFIGURATION),
        optional("labels", &CREATE_ANOMALY_DETECTOR_REQUEST_LABELS_MAP),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
        optional("tags", &TAG_MAP),
    ],
);
pub(super) static CREATE_ANOMALY_DETECTOR_RESPONSE: Shape = structure(
    "CreateAnomalyDetectorResponse",
    &[
        required("anomalyDetectorId", &ANOMALY_DETECTOR_ID),
        required("arn", &ANOMALY_DETECTOR_ARN),
        required("status", &ANOMALY_DETECTOR_STATUS),
        optional("tags", &TAG_MAP),
    ],
);

pub(super) static DELETE_ANOMALY_DETECTOR_REQUEST: Shape = structure(
    "DeleteAnomalyDetectorRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        path("anomalyDetectorId", &ANOMALY_DETECTOR_ID),
        query("clientToken", &IDEMPOTENCY_TOKEN),
    ],
);

pub(super) static DESCRIBE_ANOMALY_DETECTOR_REQUEST: Shape = structure(
    "DescribeAnomalyDetectorRequest",
    &[path("workspaceId", &WORKSPACE_ID), path("anomalyDetectorId", &ANOMALY_DETECTOR_ID)],
);
pub(super) static DESCRIBE_ANOMALY_DETECTOR_RESPONSE: Shape = structure(
    "DescribeAnomalyDetectorResponse",
    &[required("anomalyDetector", &ANOMALY_DETECTOR_DESCRIPTION)],
);

pub(super) static LIST_ANOMALY_DETECTORS_REQUEST: Shape = structure(
    "ListAnomalyDetectorsRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        query("alias", &ANOMALY_DETECTOR_ALIAS),
        query("maxResults", &LIST_ANOMALY_DETECTORS_REQUEST_MAX_RESULTS_INTEGER),
        query("nextToken", &PAGINATION_TOKEN),
    ],
);
pub(super) static LIST_ANOMALY_DETECTORS_RESPONSE: Shape = structure(
    "ListAnomalyDetectorsResponse",
    &[required("anomalyDetectors", &ANOMALY_DETECTOR_SUMMARY_LIST), optional("nextToken", &PAGINATION_TOKEN)],
);

pub(super) static PUT_ANOMALY_DETECTOR_REQUEST: Shape = structure(
    "PutAnomalyDetectorRequest",
    &[
        path("workspaceId", &WORKSPACE_ID),
        path("anomalyDetectorId", &ANOMALY_DETECTOR_ID),
        optional("evaluationIntervalInSeconds", &ANOMALY_DETECTOR_EVALUATION_INTERVAL),
        optional("missingDataAction", &ANOMALY_DETECTOR_MISSING_DATA_ACTION),
        required("configuration", &ANOMALY_DETECTOR_CONFIGURATION),
        optional("labels", &PROMETHEUS_METRIC_LABEL_MAP),
        optional("clientToken", &IDEMPOTENCY_TOKEN),
    ],
);
pub(super) static PUT_ANOMALY_DETECTOR_RESPONSE: Shape = structure(
    "PutAnomalyDetectorResponse",
    &[
        required("anomalyDetectorId", &ANOMALY_DETECTOR_ID),
        required("arn", &ANOMALY_DETECTOR_ARN),
        required("status", &ANOMALY_DETECTOR_STATUS),
        optional("tags", &TAG_MAP),
    ],
);
