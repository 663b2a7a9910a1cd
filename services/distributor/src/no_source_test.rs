//! A read side that answers nothing.

use narthex_rpc::{
    SelectStream, SeriesStream,
    v1::{
        LabelNamesRequest, LabelValuesRequest, LabelsResponse, MetadataRequest, MetadataResponse,
        SelectRequest, SeriesRequest, series_source_server::SeriesSource,
    },
};
use tonic::{Request, Response, Status};

use super::NoSource;

fn none<T>() -> Result<T, Status> {
    Err(Status::unimplemented("writes only"))
}

#[tonic::async_trait]
impl SeriesSource for NoSource {
    type SelectStream = SelectStream;
    type SeriesStream = SeriesStream;

    async fn select(&self, _: Request<SelectRequest>) -> Result<Response<SelectStream>, Status> {
        none()
    }

    async fn label_names(&self, _: Request<LabelNamesRequest>) -> Result<Response<LabelsResponse>, Status> {
        none()
    }

    async fn label_values(&self, _: Request<LabelValuesRequest>) -> Result<Response<LabelsResponse>, Status> {
        none()
    }

    async fn series(&self, _: Request<SeriesRequest>) -> Result<Response<SeriesStream>, Status> {
        none()
    }

    async fn metadata(&self, _: Request<MetadataRequest>) -> Result<Response<MetadataResponse>, Status> {
        none()
    }
}
