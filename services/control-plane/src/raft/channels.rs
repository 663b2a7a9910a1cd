//! Connections to other control-plane nodes, one per address, made when first used.

use std::{collections::HashMap, sync::Arc, time::Duration};

use narthex_rpc::v1::raft_client::RaftClient;
use parking_lot::Mutex;
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

/// Largest message between nodes, in bytes; snapshots travel in smaller chunks.
pub(crate) const MAX_MESSAGE: usize = 64 << 20;

const CONNECT_TIMEOUT: Duration = Duration::from_millis(700);

/// A shared pool of channels.
#[derive(Debug, Clone, Default)]
pub(crate) struct Channels(Arc<Mutex<HashMap<String, Channel>>>);

impl Channels {
    /// A client of the node at `address` (`host:port`).
    pub(crate) fn client(&self, address: &str) -> Result<RaftClient<Channel>, Status> {
        let mut channels = self.0.lock();
        let channel = match channels.get(address) {
            Some(channel) => channel.clone(),
            None => {
                let endpoint = Endpoint::from_shared(format!("http://{address}"))
                    .map_err(|error| Status::invalid_argument(format!("{address} is no address: {error}")))?;
                let channel = endpoint
                    .connect_timeout(CONNECT_TIMEOUT)
                    .http2_keep_alive_interval(Duration::from_secs(5))
                    .keep_alive_timeout(Duration::from_secs(5))
                    .tcp_nodelay(true)
                    .connect_lazy();
                channels.insert(address.to_owned(), channel.clone());
                channel
            }
        };
        let client = RaftClient::new(channel);
        Ok(client.max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE))
    }
}
