//! The HTTP client beneath every provider: TLS by rustls and ring, and the retry budget.
//!
//! object_store repeats requests itself (it knows which may be repeated); the budget decides whether it may. A failure that
//! could be retried while no retry is left is turned into one that is not: the caller hears of it at once.

use std::sync::{Arc, atomic::AtomicU64};

use async_trait::async_trait;
use http::{Method, StatusCode};
use narthex_service::SharedRegistry;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
        ReqwestConnector,
    },
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

use crate::budget::RetryBudget;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    status: u16,
}

/// The budget and what is counted of it. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Retries {
    budget: Arc<RetryBudget>,
    requests: Family<RequestLabels, Counter>,
    left: Gauge<u64, AtomicU64>,
    failures: Counter,
    refused: Counter,
}

impl Retries {
    pub(crate) fn new(retries: u32, registry: &SharedRegistry) -> Self {
        let this = Self {
            budget: Arc::new(RetryBudget::new(retries)),
            requests: Family::default(),
            left: Gauge::default(),
            failures: Counter::default(),
            refused: Counter::default(),
        };
        this.left.set(this.budget.left());
        let mut registry = registry.lock();
        let registry = registry.sub_registry_with_prefix("narthex_bucket");
        registry.register("http_requests", "Requests sent to the provider, by status", this.requests.clone());
        registry.register("retry_budget", "Retries in store", this.left.clone());
        registry.register(
            "retryable_failures",
            "Requests that failed in a way that may pass: 5xx, throttling, time-outs, lost connections",
            this.failures.clone(),
        );
        registry.register(
            "retries_refused",
            "Failures reported at once because the retry budget was spent",
            this.refused.clone(),
        );
        this
    }

    /// Counts what was sent; status 0 stands for no answer.
    fn sent(&self, method: &'static str, result: &Result<HttpResponse, HttpError>) {
        let status = result.as_ref().map_or(0, |response| response.status().as_u16());
        self.requests.get_or_create(&RequestLabels { method, status }).inc();
    }

    fn succeeded(&self) {
        self.budget.succeeded();
        self.left.set(self.budget.left());
    }

    fn may_retry(&self) -> bool {
        self.failures.inc();
        let may = self.budget.take();
        self.left.set(self.budget.left());
        if !may {
            self.refused.inc();
        }
        may
    }
}

/// Makes clients whose retries are paid from one budget.
#[derive(Debug)]
pub(crate) struct Budgeted<C> {
    pub(crate) connector: C,
    pub(crate) retries: Retries,
}

impl Budgeted<ReqwestConnector> {
    pub(crate) fn new(retries: Retries) -> Self {
        // reqwest asks rustls for the process's provider of cryptography. An Err means that one is installed already.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        Self { connector: ReqwestConnector::default(), retries }
    }
}

impl<C: HttpConnector> HttpConnector for Budgeted<C> {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = self.connector.connect(options)?;
        Ok(HttpClient::new(BudgetedService { client, retries: self.retries.clone() }))
    }
}

#[derive(Debug)]
struct BudgetedService {
    client: HttpClient,
    retries: Retries,
}

/// What became of a failure that could have been retried.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the server answered {0}, and this process has no retries left (--bucket.retry-budget)")]
    Status(StatusCode),
    #[error("{0}; this process has no retries left (--bucket.retry-budget)")]
    Transport(#[source] HttpError),
}

#[async_trait]
impl HttpService for BudgetedService {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let method = method_name(request.method());
        let result = self.client.execute(request).await;
        self.retries.sent(method, &result);
        match result {
            Ok(response) if !may_pass(response.status()) => {
                self.retries.succeeded();
                Ok(response)
            }
            Err(error) if matches!(error.kind(), HttpErrorKind::Decode | HttpErrorKind::Unknown) => {
                Err(error)
            }
            failure if self.retries.may_retry() => failure,
            Ok(response) => Err(HttpError::new(HttpErrorKind::Unknown, Refused::Status(response.status()))),
            Err(error) => Err(HttpError::new(HttpErrorKind::Unknown, Refused::Transport(error))),
        }
    }
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}

/// The answers that object_store repeats a request after.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
}

#[cfg(test)]
mod tests;
