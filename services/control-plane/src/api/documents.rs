//! Documents that users upload: checked in full, then compressed for the state.
//!
//! What breaks a quota is told as that (402), everything else as an invalid member, with line and column. Sizes are of the document
//! itself, behind a second layer of base64 if there is one (section 9, item 9).

use axum::body::Bytes;
use narthex_amp::{Blob, Source};
use narthex_definitions::{
    alertmanager::{self, DefinitionLimits, Route},
    document,
    rules::{self, RuleLimits},
    scrape::{self, ScrapeLimits, SourceKind},
};
use narthex_edge::AwsError;
use narthex_promql::ast::{AggregateOp, Expr, ExprKind};

use super::{
    Api,
    errors::{Subject, damaged},
};
use crate::{
    Limits,
    quota::Quota,
    state::{Body, Content, RuleFile},
};

/// Checks documents against an operator's limits.
pub(super) struct Documents<'a> {
    limits: &'a Limits,
}

impl Api {
    pub(super) fn documents(&self) -> Documents<'_> {
        Documents { limits: &self.limits }
    }
}

impl Documents<'_> {
    /// A file of rules for a namespace.
    pub(super) fn rules(&self, subject: &Subject, namespace: &str, blob: &Blob) -> Result<Content, AwsError> {
        let file = document(&blob.0);
        within(subject, Quota::RuleFileSize, file.len(), self.limits.rule_file_bytes)?;
        let limits = RuleLimits {
            max_bytes: usize::MAX,
            min_interval: self.limits.min_rule_interval.get(),
            ..RuleLimits::default()
        };
        let parsed = rules::parse(&file, namespace, &limits)
            .map_err(|error| AwsError::field("data", error.to_string()))?;
        let rules = u32::try_from(parsed.rule_count()).unwrap_or(u32::MAX);
        Ok(Content::Rules(RuleFile { data: compressed(&file)?, rules }))
    }

    /// An alert manager definition.
    pub(super) fn alert_manager(&self, subject: &Subject, blob: &Blob) -> Result<Content, AwsError> {
        let file = document(&blob.0);
        within(subject, Quota::DefinitionSize, file.len(), self.limits.definition_bytes)?;
        let limits = DefinitionLimits {
            max_bytes: usize::MAX,
            max_templates: usize::MAX,
            max_inhibit_rules: usize::MAX,
            max_routes: usize::MAX,
            account: Some(subject.account.clone()),
        };
        let parsed = alertmanager::parse(&file, &limits)
            .map_err(|error| AwsError::field("data", error.to_string()))?;
        within(subject, Quota::Templates, parsed.template_files.len(), self.limits.templates)?;
        let inhibitions = parsed.config.inhibit_rules.len();
        within(subject, Quota::InhibitionRules, inhibitions, self.limits.inhibition_rules)?;
        within(subject, Quota::RoutingTreeNodes, nodes(&parsed.config.route), self.limits.routing_nodes)?;
        Ok(Content::AlertManager(compressed(&file)?))
    }

    /// A scrape configuration for a kind of source.
    pub(super) fn scrape(&self, blob: &Blob, source: &Source) -> Result<Body, AwsError> {
        let file = document(&blob.0);
        let kind = match source {
            Source::EksConfiguration(_) => SourceKind::Kubernetes,
            Source::VpcConfiguration(_) => SourceKind::Vpc,
        };
        let limits = ScrapeLimits {
            max_bytes: self.limits.scrape_configuration_bytes as usize,
            min_interval: self.limits.min_scrape_interval.get(),
        };
        scrape::parse(&file, kind, &limits)
            .map_err(|error| AwsError::field("scrapeConfiguration.configurationBlob", error.to_string()))?;
        compressed(&file)
    }
}

/// Nodes of a routing tree, its root included. The reader bounds its depth.
fn nodes(route: &Route) -> usize {
    1 + route.routes.iter().map(nodes).sum::<usize>()
}

fn within(subject: &Subject, quota: Quota, count: usize, limit: u32) -> Result<(), AwsError> {
    if count > limit as usize { Err(subject.over(quota, limit.into())) } else { Ok(()) }
}

/// The query of a detector: PromQL whose outermost part is one of nine aggregations (API-C-90).
pub(super) fn detector_query(query: &str) -> Result<(), AwsError> {
    const MEMBER: &str = "configuration.randomCutForest.query";
    let parsed = narthex_promql::parse(query).map_err(|error| AwsError::field(MEMBER, error.to_string()))?;
    if is_aggregation(&parsed) {
        return Ok(());
    }
    let text = "must be wrapped in one of avg, count, group, max, min, quantile, stddev, stdvar, sum";
    Err(AwsError::field(MEMBER, text))
}

fn is_aggregation(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Paren(inner) => is_aggregation(inner),
        ExprKind::Aggregate(aggregate) => matches!(
            aggregate.op,
            AggregateOp::Avg
                | AggregateOp::Count
                | AggregateOp::Group
                | AggregateOp::Max
                | AggregateOp::Min
                | AggregateOp::Quantile
                | AggregateOp::Stddev
                | AggregateOp::Stdvar
                | AggregateOp::Sum
        ),
        _ => false,
    }
}

/// A document as the state keeps it.
pub(super) fn compressed(file: &[u8]) -> Result<Body, AwsError> {
    Body::new(file).map_err(damaged)
}

/// A kept document as replies carry it.
pub(super) fn file(body: &Body) -> Result<Blob, AwsError> {
    body.file().map(|bytes| Blob(Bytes::from(bytes))).map_err(damaged)
}

/// A kept document that is text.
pub(super) fn text(body: &Body) -> Result<String, AwsError> {
    String::from_utf8(body.file().map_err(damaged)?).map_err(damaged)
}
