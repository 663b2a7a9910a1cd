//! How owners are reached: one method per call of the `SeriesSource` service.
//!
//! The seam between the reader and the network: the process uses channels (or the ingester in the same process), tests and
//! simulations their own.

use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use narthex_ring::Owner;
use narthex_rpc::{Peers, RpcError, v1};

/// Messages of a streaming answer. Dropping it ends the call.
pub type MessageStream<T> = BoxStream<'static, Result<T, RpcError>>;

/// The read side of all owners. Dropping a future cancels the call.
#[async_trait]
pub trait Owners: Send + Sync + 'static {
    /// Labels and chunks.
    async fn select(
        &self,
        owner: &Owner,
        request: v1::SelectRequest,
    ) -> Result<MessageStream<v1::SelectResponse>, RpcError>;

    /// An aggregation, or digests.
    async fn aggregate(
        &self,
        owner: &Owner,
        request: v1::AggregateRequest,
    ) -> Result<MessageStream<v1::AggregateResponse>, RpcError>;

    /// Names of labels.
    async fn label_names(
        &self,
        owner: &Owner,
        request: v1::LabelNamesRequest,
    ) -> Result<v1::LabelsResponse, RpcError>;

    /// Values of a label.
    async fn label_values(
        &self,
        owner: &Owner,
        request: v1::LabelValuesRequest,
    ) -> Result<v1::LabelsResponse, RpcError>;

    /// Label sets.
    async fn series(
        &self,
        owner: &Owner,
        request: v1::SeriesRequest,
    ) -> Result<MessageStream<v1::SeriesResponse>, RpcError>;

    /// Metric metadata.
    async fn metadata(
        &self,
        owner: &Owner,
        request: v1::MetadataRequest,
    ) -> Result<v1::MetadataResponse, RpcError>;
}

/// Owners behind the process's pool of peers.
#[derive(Debug, Clone)]
pub struct PeerOwners {
    /// The pool.
    pub peers: Peers,
    /// Longest time of a call; the query's own time limit ends it earlier.
    pub deadline: Duration,
}

#[async_trait]
impl Owners for PeerOwners {
    async fn select(
        &self,
        owner: &Owner,
        request: v1::SelectRequest,
    ) -> Result<MessageStream<v1::SelectResponse>, RpcError> {
        Ok(self.peers.select(&owner.address, request, self.deadline).await?.boxed())
    }

    async fn aggregate(
        &self,
        owner: &Owner,
        request: v1::AggregateRequest,
    ) -> Result<MessageStream<v1::AggregateResponse>, RpcError> {
        Ok(self.peers.aggregate(&owner.address, request, self.deadline).await?.boxed())
    }

    async fn label_names(
        &self,
        owner: &Owner,
        request: v1::LabelNamesRequest,
    ) -> Result<v1::LabelsResponse, RpcError> {
        self.peers.label_names(&owner.address, request, self.deadline).await
    }

    async fn label_values(
        &self,
        owner: &Owner,
        request: v1::LabelValuesRequest,
    ) -> Result<v1::LabelsResponse, RpcError> {
        self.peers.label_values(&owner.address, request, self.deadline).await
    }

    async fn series(
        &self,
        owner: &Owner,
        request: v1::SeriesRequest,
    ) -> Result<MessageStream<v1::SeriesResponse>, RpcError> {
        Ok(self.peers.series(&owner.address, request, self.deadline).await?.boxed())
    }

    async fn metadata(
        &self,
        owner: &Owner,
        request: v1::MetadataRequest,
    ) -> Result<v1::MetadataResponse, RpcError> {
        self.peers.metadata(&owner.address, request, self.deadline).await
    }
}
