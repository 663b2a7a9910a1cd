//! The operations on anomaly detectors (section 5.9).
//!
//! Decisions where the specification is silent: a detector that is made by PutAnomalyDetector, which has no alias, gets its id for
//! one; the list is in order of creation; defaults are written into what is stored, so that a description shows them.

use narthex_amp::{
    AnomalyDetectorConfiguration, AnomalyDetectorMissingDataAction, CreateAnomalyDetectorRequest,
    DeleteAnomalyDetectorRequest, DescribeAnomalyDetectorRequest, IgnoreNearExpected,
    ListAnomalyDetectorsRequest, PutAnomalyDetectorRequest, Resource,
};
use narthex_edge::AwsError;
use narthex_model::{AccountId, WorkspaceId};
use serde_json::{Value, json};

use super::{
    Api, Call, Outcome,
    documents::detector_query,
    errors::{Subject, damaged},
    page::created,
    view::{status, with_times},
    workspaces::paged,
};
use crate::{
    quota::Quota,
    state::{
        AnomalyDetector, ChangeKind, Changed, Content, Exact, Expected, Limit, RandomCutForest, ResourceId,
        ResourceKind, ResourceRecord, Tolerance,
    },
};

/// Defaults of the model (API-C-89).
const INTERVAL_SECONDS: u32 = 60;
const SHINGLE_SIZE: u32 = 8;
const SAMPLE_SIZE: u32 = 256;

fn id_of(workspace: WorkspaceId, detector: &str) -> ResourceId {
    ResourceId::in_workspace(ResourceKind::AnomalyDetector, workspace, detector)
}

fn stored(
    alias: String,
    interval: Option<u32>,
    missing_data_action: Option<AnomalyDetectorMissingDataAction>,
    configuration: AnomalyDetectorConfiguration,
    labels: std::collections::BTreeMap<String, String>,
) -> Result<Content, AwsError> {
    let AnomalyDetectorConfiguration::RandomCutForest(forest) = configuration;
    detector_query(&forest.query)?;
    let tolerance = |ignore| match ignore {
        IgnoreNearExpected::Amount(amount) => Tolerance::Amount(Exact(amount)),
        IgnoreNearExpected::Ratio(ratio) => Tolerance::Ratio(Exact(ratio)),
    };
    let random_cut_forest = RandomCutForest {
        query: forest.query,
        shingle_size: forest.shingle_size.unwrap_or(SHINGLE_SIZE),
        sample_size: forest.sample_size.unwrap_or(SAMPLE_SIZE),
        ignore_near_expected_from_above: forest.ignore_near_expected_from_above.map(tolerance),
        ignore_near_expected_from_below: forest.ignore_near_expected_from_below.map(tolerance),
    };
    let evaluation_interval_in_seconds = interval.unwrap_or(INTERVAL_SECONDS);
    Ok(Content::AnomalyDetector(Box::new(AnomalyDetector {
        alias,
        evaluation_interval_in_seconds,
        missing_data_action,
        random_cut_forest,
        labels,
    })))
}

impl Api {
    pub(super) async fn create_anomaly_detector(
        &self,
        call: &Call,
        request: CreateAnomalyDetectorRequest,
    ) -> Outcome {
        let workspace = Call::workspace_id(&request.workspace_id)?;
        let id = id_of(workspace, &self.new_id("ad-"));
        let content = stored(
            request.alias,
            request.evaluation_interval_in_seconds,
            request.missing_data_action,
            request.configuration,
            request.labels,
        )?;
        let limits = self.detector_limits();
        let what = ChangeKind::Create { id: id.clone(), content, tags: request.tags, limits };
        let subject = Subject::resource(&call.account, &id);
        let changed = self.change(call, &subject, request.client_token, what).await?;
        Ok(call.reply(self.changed_detector(&call.account, workspace, changed)))
    }

    pub(super) async fn put_anomaly_detector(
        &self,
        call: &Call,
        request: PutAnomalyDetectorRequest,
    ) -> Outcome {
        let workspace = Call::workspace_id(&request.workspace_id)?;
        let id = id_of(workspace, &request.anomaly_detector_id);
        let content = stored(
            request.anomaly_detector_id,
            request.evaluation_interval_in_seconds,
            request.missing_data_action,
            request.configuration,
            request.labels,
        )?;
        let subject = Subject::resource(&call.account, &id);
        let limits = self.detector_limits();
        let what = ChangeKind::Put { id, content, or_create: true, expected: Expected::Anything, limits };
        let changed = self.change(call, &subject, request.client_token, what).await?;
        Ok(call.reply(self.changed_detector(&call.account, workspace, changed)))
    }

    pub(super) fn describe_anomaly_detector(
        &self,
        call: &Call,
        request: &DescribeAnomalyDetectorRequest,
    ) -> Outcome {
        let workspace = Call::workspace_id(&request.workspace_id)?;
        let id = id_of(workspace, &request.anomaly_detector_id);
        self.read(|state| {
            let record = call.resource(state, &id)?;
            let detector = content(&id, record)?;
            let mut members = self.detector(workspace, &id, record)?;
            members["evaluationIntervalInSeconds"] = detector.evaluation_interval_in_seconds.into();
            if let Some(action) = &detector.missing_data_action {
                members["missingDataAction"] = json!(action);
            }
            members["configuration"] = json!({ "randomCutForest": forest(&detector.random_cut_forest) });
            if !detector.labels.is_empty() {
                members["labels"] = json!(detector.labels);
            }
            Ok(call.reply(json!({ "anomalyDetector": members })))
        })
    }

    pub(super) fn list_anomaly_detectors(
        &self,
        call: &Call,
        request: &ListAnomalyDetectorsRequest,
    ) -> Outcome {
        self.read(|state| {
            let (workspace, _) = call.workspace(state, &request.workspace_id)?;
            let mut items = Vec::new();
            for (id, record) in state.resources_in(ResourceKind::AnomalyDetector, workspace) {
                let alias = &content(id, record)?.alias;
                if request.alias.as_ref().is_none_or(|wanted| wanted == alias) {
                    items.push((created(record.created_at, id.name.as_bytes()), (id, record)));
                }
            }
            let filters = json!([workspace, request.alias]).to_string();
            let (page, next) = call.listing(state, &filters).page(&request.page, items)?;
            let summary = |(id, record)| self.detector(workspace, id, record);
            let summaries = page.into_iter().map(summary).collect::<Result<_, _>>()?;
            Ok(call.reply(paged("anomalyDetectors", summaries, next)))
        })
    }

    pub(super) async fn delete_anomaly_detector(
        &self,
        call: &Call,
        request: DeleteAnomalyDetectorRequest,
    ) -> Outcome {
        let workspace = Call::workspace_id(&request.workspace_id)?;
        let id = id_of(workspace, &request.anomaly_detector_id);
        self.delete_resource(call, id, request.client_token).await
    }

    fn detector_limits(&self) -> Vec<Limit> {
        vec![Limit { quota: Quota::AnomalyDetectors, limit: self.limits.anomaly_detectors.into() }]
    }

    fn detector_arn(&self, account: &AccountId, workspace: WorkspaceId, detector: &str) -> String {
        let (workspace, detector) = (workspace.to_string(), detector.to_owned());
        self.arn(account, Resource::AnomalyDetector { workspace, detector })
    }

    fn changed_detector(&self, account: &AccountId, workspace: WorkspaceId, changed: Changed) -> Value {
        json!({
            "anomalyDetectorId": changed.name,
            "arn": self.detector_arn(account, workspace, &changed.name),
            "status": { "statusCode": changed.status.as_str() },
            "tags": changed.tags,
        })
    }

    /// AnomalyDetectorSummary.
    fn detector(
        &self,
        workspace: WorkspaceId,
        id: &ResourceId,
        record: &ResourceRecord,
    ) -> Result<Value, AwsError> {
        let members = json!({
            "arn": self.detector_arn(&record.account, workspace, &id.name),
            "anomalyDetectorId": id.name,
            "alias": content(id, record)?.alias,
            "status": status(record),
            "tags": record.tags,
        });
        Ok(with_times(members, record))
    }
}

fn content<'a>(id: &ResourceId, record: &'a ResourceRecord) -> Result<&'a AnomalyDetector, AwsError> {
    match record.newest().map(|version| &version.content) {
        Some(Content::AnomalyDetector(detector)) => Ok(detector),
        _ => Err(damaged(id)),
    }
}

/// RandomCutForestConfiguration, with its numbers as numbers.
fn forest(forest: &RandomCutForest) -> Value {
    let mut members = json!({
        "query": forest.query,
        "shingleSize": forest.shingle_size,
        "sampleSize": forest.sample_size,
    });
    let mut add = |name: &str, tolerance: Option<Tolerance>| match tolerance {
        Some(Tolerance::Amount(Exact(amount))) => members[name] = json!({ "amount": amount }),
        Some(Tolerance::Ratio(Exact(ratio))) => members[name] = json!({ "ratio": ratio }),
        None => {}
    };
    add("ignoreNearExpectedFromAbove", forest.ignore_near_expected_from_above);
    add("ignoreNearExpectedFromBelow", forest.ignore_near_expected_from_below);
    members
}
