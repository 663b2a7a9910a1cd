//! Where blocks are read: threads of their own.
//!
//! Decoding takes processor time between awaits. In one process with ingesters and queriers it must not hold up their requests,
//! so reads run on a runtime of their own and the operating system shares the processors. On a runtime of a single thread
//! (simulations, tests) reads run there, which keeps them in one order. Work ends when its handle is dropped.

use std::{future::Future, io};

use tokio::{
    runtime::{Builder, Handle, Runtime, RuntimeFlavor},
    task::{JoinHandle, JoinSet},
};
use tracing::Instrument;

/// Work that did not come to its end: it panicked, or the process stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("reading was given up in the middle")]
pub(crate) struct Lost;

/// Runs futures.
#[derive(Debug)]
pub(crate) struct Workers {
    own: Option<Runtime>,
    handle: Handle,
}

impl Workers {
    /// Starts as many threads, unless this is called on a runtime of a single thread.
    pub(crate) fn new(threads: usize) -> io::Result<Self> {
        if let Ok(handle) = Handle::try_current()
            && handle.runtime_flavor() == RuntimeFlavor::CurrentThread
        {
            return Ok(Self { own: None, handle });
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("narthex-blocks")
            .enable_all()
            .build()?;
        Ok(Self { handle: runtime.handle().clone(), own: Some(runtime) })
    }

    /// Begins a piece of work, within the caller's span.
    pub(crate) fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Task<T> {
        Task(self.handle.spawn(work.in_current_span()))
    }

    /// Does pieces of work side by side, at most so many at a time, and gives their results in the order of the pieces. The first
    /// failure ends all others.
    pub(crate) async fn all<T, E, W>(
        &self,
        work: impl IntoIterator<Item = W>,
        at_a_time: usize,
    ) -> Result<Vec<T>, E>
    where
        W: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Lost> + Send + 'static,
    {
        let mut work = work.into_iter().enumerate();
        let (mut running, mut done) = (JoinSet::new(), Vec::new());
        loop {
            while running.len() < at_a_time.max(1)
                && let Some((number, piece)) = work.next()
            {
                done.push(None);
                let piece = async move { (number, piece.await) };
                running.spawn_on(piece.in_current_span(), &self.handle);
            }
            let Some(joined) = running.join_next().await else { break };
            let (number, result) = joined.map_err(|_| Lost)?;
            done[number] = Some(result?);
        }
        done.into_iter().map(|result| result.ok_or_else(|| Lost.into())).collect()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.own.take() {
            // The last owner may go within a runtime, where waiting for threads is not allowed.
            runtime.shutdown_background();
        }
    }
}

/// Work under way; dropping it ends the work at its next await.
#[derive(Debug)]
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T> Task<T> {
    /// What the work gave.
    pub(crate) async fn result(mut self) -> Result<T, Lost> {
        (&mut self.0).await.map_err(|_| Lost)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Failed {
        Piece(usize),
        Lost,
    }

    impl From<Lost> for Failed {
        fn from(_: Lost) -> Self {
            Self::Lost
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn results_come_in_order_and_only_so_many_run() {
        let workers = Workers::new(2).expect("threads");
        let running = Arc::new(AtomicUsize::new(0));
        let piece = |number: usize| {
            let running = Arc::clone(&running);
            async move {
                assert!(running.fetch_add(1, Ordering::SeqCst) < 3);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Failed>(number)
            }
        };
        let results = workers.all((0..50).map(piece), 3).await.expect("all well");
        assert_eq!(results, (0..50).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn the_first_failure_ends_the_rest_and_a_panic_is_one() {
        let workers = Workers::new(1).expect("this runtime");
        let piece = |number: usize| async move {
            if number == 2 { Err(Failed::Piece(2)) } else { std::future::pending::<Result<(), _>>().await }
        };
        assert_eq!(workers.all((0..5).map(piece), 8).await, Err(Failed::Piece(2)));
        let panics = [async { panic!("on purpose") }];
        assert_eq!(workers.all::<(), Failed, _>(panics, 1).await, Err(Failed::Lost));
    }
}
