//! Connections to other control-plane nodes, one per address, made when first used.
//!
//! Here it is said, once each way, that a node does not answer and that it answers again; consensus itself tries several times a
//! second and says so every time, which is why its own log is off by default.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

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
pub(crate) struct Channels(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    channels: HashMap<String, Channel>,
    /// Addresses whose last message was not answered.
    silent: HashSet<String>,
}

impl Channels {
    /// A client of the node at `address` (`host:port`).
    pub(crate) fn client(&self, address: &str) -> Result<RaftClient<Channel>, Status> {
        let channels = &mut self.0.lock().channels;
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

    /// Notes how a message to a node went; whether that is news.
    pub(crate) fn note(&self, address: &str, failure: Option<&Status>) -> bool {
        let silent = &mut self.0.lock().silent;
        match failure {
            Some(status) if !silent.contains(address) => {
                silent.insert(address.to_owned());
                let reason = status.message();
                tracing::warn!(address, reason, "another control-plane node does not answer");
                true
            }
            None if silent.remove(address) => {
                tracing::info!(address, "the other control-plane node answers again");
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_its_end_are_news_once_each() {
        let channels = Channels::default();
        let failure = Status::unavailable("tcp connect error");
        let note = |address, failure| channels.note(address, failure);
        assert!(!note("a:1", None), "that a node answers is no news");
        assert!(note("a:1", Some(&failure)) && !note("a:1", Some(&failure)));
        assert!(note("b:1", Some(&failure)), "each node by itself");
        assert!(note("a:1", None) && !note("a:1", None));
    }
}
