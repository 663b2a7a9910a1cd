//! A stream of answers that ends at its deadline. Dropping it cancels the call at the source.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::{Stream, StreamExt};
use narthex_service::SharedClock;
use tonic::Status;

use crate::RpcError;

/// A stream as the source gives it.
type ServerStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers of one source, in its order. After an error nothing follows.
pub struct Answers<T> {
    stream: Option<ServerStream<T>>,
    expiry: Pin<Box<dyn Future<Output = ()> + Send>>,
    address: String,
    deadline: Duration,
}

impl<T> Answers<T> {
    pub(super) fn new(
        stream: ServerStream<T>,
        address: &str,
        clock: &SharedClock,
        began: Duration,
        deadline: Duration,
    ) -> Self {
        let left = deadline.saturating_sub(clock.monotonic().saturating_sub(began));
        Self { stream: Some(stream), expiry: clock.sleep(left), address: address.to_owned(), deadline }
    }

    /// The next answer; `None` after the last one. Safe to cancel.
    pub async fn message(&mut self) -> Result<Option<T>, RpcError> {
        self.next().await.transpose()
    }
}

impl<T> Stream for Answers<T> {
    type Item = Result<T, RpcError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let answer = match stream.poll_next_unpin(context) {
            Poll::Ready(Some(Ok(answer))) => return Poll::Ready(Some(Ok(answer))),
            Poll::Ready(Some(Err(status))) => Some(Err(RpcError::from(status))),
            Poll::Ready(None) => None,
            Poll::Pending if self.expiry.as_mut().poll(context).is_pending() => return Poll::Pending,
            Poll::Pending => {
                let text = format!("{}: stream not finished after {:?}", self.address, self.deadline);
                Some(Err(RpcError::DeadlineExceeded(text)))
            }
        };
        self.stream = None;
        Poll::Ready(answer)
    }
}

impl<T> fmt::Debug for Answers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("address", &self.address).finish_non_exhaustive()
    }
}
