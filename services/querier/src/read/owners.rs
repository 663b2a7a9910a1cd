//! How owners are reached: one method per call of the `SeriesSource` service.
//!
//! The seam between the reader and the network: the process uses channels (or the ingester in the same process), tests and
//! simulations their own.

use async_trait::async_trait;
use futures::stream::BoxStream;
use narthex_ring::Owner;
use narthex_rpc::v1;
use tonic::Status;

/// Messages of a streaming answer. Dropping it ends the call.
pub type MessageStream<T> = BoxStream<'static, Result<T, Status>>;

/// The read side of all owners. Dropping a future cancels the call.
#[async_trait]
pub trait Owners: Send + Sync + 'static {
    /// Labels and chunks.
    async fn select(
        &self,
        owner: &Owner,
        request: v1::SelectRequest,
    ) -> Result<MessageStream<v1::SelectResponse>, Status>;

    /// Names of labels.
    async fn label_names(
        &self,
        owner: &Owner,
        request: v1::LabelNamesRequest,
    ) -> Result<v1::LabelsResponse, Status>;

    /// Values of a label.
    async fn label_values(
        &self,
        owner: &Owner,
        request: v1::LabelValuesRequest,
    ) -> Result<v1::LabelsResponse, Status>;

    /// Label sets.
    async fn series(
        &self,
        owner: &Owner,
        request: v1::SeriesRequest,
    ) -> Result<MessageStream<v1::SeriesResponse>, Status>;

    /// Metric metadata.
    async fn metadata(
        &self,
        owner: &Owner,
        request: v1::MetadataRequest,
    ) -> Result<v1::MetadataResponse, Status>;
}
