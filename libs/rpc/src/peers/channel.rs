//! A connection to another process, with one client for each service that a peer can have.

use narthex_service::server::MAX_GRPC_MESSAGE_BYTES;
use narthex_telemetry::InjectTrace;
use tonic::transport::{Channel, Endpoint};

use super::PeerOptions;
use crate::{
    RpcError,
    v1::{cuts_client::CutsClient, push_client::PushClient, series_source_client::SeriesSourceClient},
};

/// Bytes in flight of one stream and of all: a frame fits, so that a push is not held up by round trips.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 32 << 20;

/// Clients over one connection, which is made when it is first used. Cloning a client shares the connection.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) push: PushClient<InjectTrace<Channel>>,
    pub(super) source: SeriesSourceClient<InjectTrace<Channel>>,
    pub(super) cuts: CutsClient<InjectTrace<Channel>>,
}

impl Remote {
    pub(super) fn new(address: &str, options: &PeerOptions) -> Result<Self, RpcError> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| RpcError::Internal(format!("{address:?} is no address: {error}")))?;
        let channel = endpoint
            .connect_timeout(options.connect_timeout)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(options.keep_alive_interval)
            .keep_alive_timeout(options.keep_alive_timeout)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .connect_lazy();
        let traced = InjectTrace(channel);
        Ok(Self {
            push: PushClient::new(traced.clone())
                .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES),
            source: SeriesSourceClient::new(traced.clone())
                .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES),
            cuts: CutsClient::new(traced)
                .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES),
        })
    }
}
