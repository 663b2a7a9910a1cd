//! Sends an answer piece by piece as the client takes it, for a bounded time.
//!
//! The memory of the answer is held until the last piece is handed on or the client goes away. One that takes too long is cut
//! off: what was not sent is freed at once, though the client reads nothing, and the connection ends in an error, so that nobody
//! takes a part for the whole.

use std::{
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use narthex_promql::Reservation;
use narthex_service::SharedClock;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use tokio::task::AbortHandle;

type Pieces = Box<dyn Iterator<Item = Bytes> + Send>;

/// What is left to send.
enum Rest {
    Pieces(Pieces, #[expect(dead_code, reason = "held, not read")] Reservation),
    Sent,
    CutOff,
}

/// Bounds of sending.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) limit: Duration,
    pub(crate) clock: SharedClock,
    /// Answers that were cut off.
    pub(crate) cut_off: Counter,
}

impl Sending {
    /// A body of pieces. One piece is sent as it is, with its length.
    pub(crate) fn body(
        self,
        mut pieces: impl Iterator<Item = Bytes> + Send + 'static,
        memory: Reservation,
    ) -> Body {
        let first = pieces.next().unwrap_or_default();
        let Some(second) = pieces.next() else { return first.into() };
        let all: Pieces = Box::new([first, second].into_iter().chain(pieces));
        let rest = Arc::new(Mutex::new(Rest::Pieces(all, memory)));
        let watch = self.watch(Arc::downgrade(&rest));
        Body::from_stream(stream::unfold((rest, watch), async |(rest, watch)| {
            let piece = next(&rest)?;
            Some((piece, (rest, watch)))
        }))
    }

    /// Frees the rest when time is up.
    fn watch(self, rest: Weak<Mutex<Rest>>) -> Watch {
        let Self { limit, clock, cut_off } = self;
        let watch = tokio::spawn(async move {
            clock.sleep(limit).await;
            if let Some(rest) = rest.upgrade() {
                let mut rest = rest.lock();
                if matches!(*rest, Rest::Pieces(..)) {
                    cut_off.inc();
                    *rest = Rest::CutOff;
                }
            }
        });
        Watch(watch.abort_handle())
    }
}

fn next(rest: &Mutex<Rest>) -> Option<io::Result<Bytes>> {
    let mut rest = rest.lock();
    match &mut *rest {
        Rest::Pieces(pieces, _) => {
            let piece = pieces.next();
            if piece.is_none() {
                *rest = Rest::Sent;
            }
            piece.map(Ok)
        }
        Rest::Sent => None,
        Rest::CutOff => Some(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client did not take the answer in time (--query.send-timeout)",
        ))),
    }
}

/// The watch over a body; ends with it.
struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::to_bytes;
    use futures::StreamExt;
    use narthex_promql::{Memory, SourceError};
    use narthex_service::SystemClock;

    use super::*;

    #[derive(Debug, Default)]
    struct Taken(AtomicUsize);

    impl Memory for Taken {
        fn grow(&self, bytes: usize) -> Result<(), SourceError> {
            self.0.fetch_add(bytes, Ordering::Relaxed);
            Ok(())
        }

        fn shrink(&self, bytes: usize) {
            self.0.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    fn body(limit: Duration, pieces: &'static [&'static [u8]]) -> (Body, Arc<Taken>, Counter) {
        let (taken, cut_off) = (Arc::new(Taken::default()), Counter::default());
        let memory = Reservation::of(Arc::clone(&taken) as Arc<dyn Memory>);
        memory.grow(10).expect("granted");
        let sending = Sending { limit, clock: SystemClock::shared(), cut_off: cut_off.clone() };
        (sending.body(pieces.iter().map(|piece| Bytes::from_static(piece)), memory), taken, cut_off)
    }

    #[tokio::test]
    async fn an_answer_arrives_whole_and_frees_its_memory() {
        let (one, taken, _) = body(Duration::from_secs(60), &[b"ab", b"cd", b"e"]);
        assert_eq!(taken.0.load(Ordering::Relaxed), 10);
        assert_eq!(to_bytes(one, 100).await.expect("a body"), "abcde");
        assert_eq!(taken.0.load(Ordering::Relaxed), 0);
        let (small, taken, _) = body(Duration::from_secs(60), &[b"ab"]);
        assert_eq!(taken.0.load(Ordering::Relaxed), 0, "a single piece is not counted");
        assert_eq!(to_bytes(small, 100).await.expect("a body"), "ab");
    }

    #[tokio::test]
    async fn a_client_that_takes_too_long_is_cut_off_and_its_memory_freed() {
        let (slow, taken, cut_off) = body(Duration::from_millis(1), &[b"ab", b"cd", b"e"]);
        let mut pieces = slow.into_data_stream();
        assert!(pieces.next().await.is_some_and(|piece| piece.is_ok()));
        while cut_off.get() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(taken.0.load(Ordering::Relaxed), 0);
        assert!(pieces.next().await.is_some_and(|piece| piece.is_err()), "no end that looks like one");
    }
}
