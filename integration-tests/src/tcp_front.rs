//! A TCP front over several nodes, as a load balancer that knows nothing of HTTP: each connection goes to the next node
//! in turn that takes it.
//!
//! A node that is gone takes no connections, and those that it had end at the client too: what a client asked for and
//! has no answer to, it has to ask again. A front can also lose answers, which ends the connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use anyhow::Result;
use narthex_service::Random;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    task::{JoinHandle, JoinSet},
};

/// A listening front; ends, with all its connections, when dropped.
#[derive(Debug)]
pub struct TcpFront {
    /// `http://ADDRESS:PORT`.
    pub base: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    nodes: Vec<SocketAddr>,
    turn: AtomicUsize,
    loss: OnceLock<(u64, Random)>,
}

impl TcpFront {
    /// Listens on a free port before the nodes at these addresses.
    pub async fn start(nodes: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared { nodes, turn: AtomicUsize::new(0), loss: OnceLock::new() });
        let passing = shared.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = passing.clone();
                connections.spawn(async move { shared.pass(client).await });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { base, shared, task })
    }

    /// From now on, for good, one answer in so many is lost.
    pub fn lose(&self, one_in: u64, random: Random) {
        // A second call changes nothing.
        let _ = self.shared.loss.set((one_in, random));
    }
}

impl Drop for TcpFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Passes bytes both ways until either side ends. Where no node takes the connection, the client sees it closed.
    async fn pass(&self, mut client: TcpStream) {
        for _ in 0..self.nodes.len() {
            let node = self.nodes[self.turn.fetch_add(1, Relaxed) % self.nodes.len()];
            if let Ok(mut node) = TcpStream::connect(node).await {
                // Requests and replies are short: neither waits for more.
                let _ = (client.set_nodelay(true), node.set_nodelay(true));
                let ((mut asked, mut told), (mut answers, mut asks)) = (client.split(), node.split());
                // A side that breaks off is what the front is for.
                tokio::select! {
                    _ = copy(&mut asked, &mut asks) => {}
                    _ = self.answer(&mut answers, &mut told) => {}
                }
                return;
            }
        }
    }

    async fn answer(&self, answers: &mut ReadHalf<'_>, told: &mut WriteHalf<'_>) -> std::io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = answers.read(&mut buffer).await?;
            let lost = self.loss.get().is_some_and(|(one_in, random)| random.below(*one_in) == 0);
            if length == 0 || lost {
                return Ok(());
            }
            told.write_all(&buffer[..length]).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that says its name to whoever connects.
    async fn node(name: &'static [u8]) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(name).await.unwrap();
            }
        });
        (address, task)
    }

    async fn said(front: &TcpFront) -> String {
        let mut stream = TcpStream::connect(front.base.trim_start_matches("http://")).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test]
    async fn connections_go_round_and_past_a_node_that_is_gone() {
        let ((one, first), (two, second)) = (node(b"one").await, node(b"two").await);
        let front = TcpFront::start(vec![one, two]).await.unwrap();
        assert_eq!([said(&front).await, said(&front).await], ["one", "two"]);
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!([said(&front).await, said(&front).await], ["two", "two"]);
        front.lose(1, Random::from_seed(1));
        assert_eq!(said(&front).await, "");
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        assert_eq!(said(&front).await, "");
    }
}
