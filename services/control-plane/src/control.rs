//! The `Control` service: what every other service calls, over gRPC or in process.

use std::sync::Arc;

use futures::StreamExt;
use narthex_cluster::WatchStream;
use narthex_model::{PartitionId, RingRevision};
use narthex_rpc::v1::{
    AdminRequest, AdminResponse, AnnounceRequest, AnnounceResponse, CurrentRevisionRequest,
    CurrentRevisionResponse, FetchBodyRequest, FetchBodyResponse, HeartbeatRequest, HeartbeatResponse,
    LeaveRequest, LeaveResponse, ManifestHint, RegisterRequest, RegisterResponse, ReplaceNode, WatchRequest,
    admin_request::Command as AdminCommand, control_server::Control,
};
use narthex_service::Random;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    backup::{Schedule, Stored, VaultError},
    desk::{Ask, Desk, Replace, Told},
    identity,
    metrics::Metrics,
    proto,
    reconcile::Heartbeat,
    state::{Command, Refusal, Response as Applied},
    watch,
};

/// Answers on any node; changes go to the leader.
#[derive(Clone)]
pub(crate) struct ControlService {
    desk: Arc<Desk>,
    backups: Option<Schedule>,
    metrics: Metrics,
    random: Random,
    /// To all watchers of this node.
    hints: broadcast::Sender<Vec<ManifestHint>>,
    shutdown: CancellationToken,
}

/// Announcements that a slow watcher may be behind before it misses some.
const HINTS: usize = 1_024;

/// Most hints of one announcement.
const HINTS_AT_ONCE: usize = 10_000;

impl ControlService {
    pub(crate) fn new(
        desk: Arc<Desk>,
        backups: Option<Schedule>,
        metrics: Metrics,
        random: Random,
        shutdown: CancellationToken,
    ) -> Self {
        let (hints, _) = broadcast::channel(HINTS);
        Self { desk, backups, metrics, random, hints, shutdown }
    }

    fn backups(&self) -> Result<&Schedule, Status> {
        let text = "there is no bucket for backups: set --bucket.url of the control plane";
        self.backups.as_ref().ok_or_else(|| Status::failed_precondition(text))
    }

    async fn change(&self, command: Command) -> Result<Applied, Status> {
        match self.desk.propose(command).await? {
            Applied::Refused(refusal) => Err(status(&refusal)),
            response => Ok(response),
        }
    }
}

fn status(refusal: &Refusal) -> Status {
    let text = refusal.to_string();
    match refusal {
        Refusal::NotSetUp => Status::unavailable(text),
        Refusal::UnknownInstance | Refusal::UnknownPartition | Refusal::UnknownWorkspace => {
            Status::not_found(text)
        }
        Refusal::BadRegistration(_) | Refusal::UnknownZone { .. } => Status::invalid_argument(text),
        _ => Status::failed_precondition(text),
    }
}

fn revision_of(response: &Applied) -> u64 {
    match response {
        Applied::Done { revision } | Applied::Registered { revision, .. } => *revision,
        _ => 0,
    }
}

fn unexpected(told: &impl std::fmt::Debug) -> Status {
    Status::internal(format!("the leader answered something else: {told:?}"))
}

#[tonic::async_trait]
impl Control for ControlService {
    type WatchStream = WatchStream;

    async fn register(
        &self,
        request: Request<RegisterRequest>,
    ) -> Result<Response<RegisterResponse>, Status> {
        let (instance, registration) = proto::registration(request.into_inner())?;
        let role = registration.role;
        match self.change(Command::Register { instance: instance.clone(), registration }).await? {
            Applied::Registered { revision, before_first_activation } => {
                tracing::info!(%instance, ?role, revision, "instance registered");
                Ok(Response::new(RegisterResponse { revision, before_first_activation }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let request = request.into_inner();
        let heartbeat = Heartbeat {
            acknowledged: RingRevision(request.acknowledged_ring_revision),
            ready: request.ready,
            no_uncommitted_cuts: request.no_uncommitted_cuts,
        };
        match self.desk.ask(Ask::Heartbeat { instance: request.instance.into(), heartbeat }).await? {
            Told::Heard { ring_revision, unknown } => {
                Ok(Response::new(HeartbeatResponse { ring_revision: ring_revision.0, unknown }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn leave(&self, request: Request<LeaveRequest>) -> Result<Response<LeaveResponse>, Status> {
        let instance = request.into_inner().instance.into();
        let at = self.desk.clock().now();
        match self.desk.propose(Command::Leave { instance, at }).await? {
            Applied::Refused(Refusal::UnknownInstance) | Applied::Done { .. } => {
                Ok(Response::new(LeaveResponse {}))
            }
            Applied::Refused(refusal) => Err(status(&refusal)),
            other => Err(unexpected(&other)),
        }
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<WatchStream>, Status> {
        let machine = self.desk.machine().clone();
        let events = watch::watch(
            machine,
            self.hints.subscribe(),
            request.get_ref(),
            &self.metrics,
            self.shutdown.clone(),
        );
        let desk = self.desk.clone();
        let until = async move { desk.out_of_touch().await };
        Ok(Response::new(Box::pin(events.take_until(until))))
    }

    async fn current_revision(
        &self,
        _: Request<CurrentRevisionRequest>,
    ) -> Result<Response<CurrentRevisionResponse>, Status> {
        match self.desk.ask(Ask::CurrentRevision).await? {
            Told::Revision(revision) => Ok(Response::new(CurrentRevisionResponse { revision })),
            other => Err(unexpected(&other)),
        }
    }

    async fn announce(
        &self,
        request: Request<AnnounceRequest>,
    ) -> Result<Response<AnnounceResponse>, Status> {
        let hints = request.into_inner().hints;
        if hints.len() > HINTS_AT_ONCE {
            return Err(Status::invalid_argument(format!("more than {HINTS_AT_ONCE} hints at once")));
        }
        if let Some(hint) = hints.iter().find(|hint| hint.workspace.len() != 16) {
            let text = format!("a workspace has 16 bytes, not {}", hint.workspace.len());
            return Err(Status::invalid_argument(text));
        }
        // Without a watcher there is nobody to tell.
        let _ = self.hints.send(hints);
        Ok(Response::new(AnnounceResponse {}))
    }

    async fn fetch_body(
        &self,
        request: Request<FetchBodyRequest>,
    ) -> Result<Response<FetchBodyResponse>, Status> {
        let FetchBodyRequest { key, revision } = request.into_inner();
        let key = key.ok_or_else(|| Status::invalid_argument("the request names no resource"))?;
        let id = proto::resource_id(&key)?;
        self.desk.applied(revision).await?;
        let body = proto::body(&self.desk.machine().view().state, &id)?;
        Ok(Response::new(body))
    }

    async fn admin(&self, request: Request<AdminRequest>) -> Result<Response<AdminResponse>, Status> {
        let partition = PartitionId;
        let command = request.into_inner().command;
        let command = command.ok_or_else(|| Status::invalid_argument("the request holds no command"))?;
        // A document of identities may hold secrets, and so may the answer.
        if !matches!(command, AdminCommand::Identity(_)) {
            tracing::info!(?command, "operator's command");
        }
        let command = match command {
            AdminCommand::DrainPartition(id) => Command::DrainPartition { partition: partition(id) },
            AdminCommand::ActivatePartition(id) => Command::ReturnPartition { partition: partition(id) },
            AdminCommand::RemovePartition(id) => Command::RequestRemoval { partition: partition(id) },
            AdminCommand::ForgetInstance(name) => {
                Command::Forget { instance: name.into(), leaving_since: None }
            }
            AdminCommand::ReplaceNode(ReplaceNode { dead, replacement, replacement_address }) => {
                let replace = Replace { dead, replacement, address: replacement_address };
                return match self.desk.ask(Ask::ReplaceNode(replace)).await? {
                    Told::Written(response) => Ok(done(&response)),
                    other => Err(unexpected(&other)),
                };
            }
            AdminCommand::Identity(asked) => {
                let command = asked.command;
                let command =
                    command.ok_or_else(|| Status::invalid_argument("the request holds no command"))?;
                tracing::info!("operator's command about identities");
                let description = identity::carry_out(&self.desk, &self.random, command).await?;
                let revision = self.desk.machine().revision();
                return Ok(Response::new(AdminResponse { revision, description }));
            }
            AdminCommand::Backup(_) => {
                let backups = self.backups()?;
                self.desk.catch_up().await?;
                return Ok(described(&shown(&backups.write().await.map_err(unwritten)?)));
            }
            AdminCommand::ListBackups(_) => {
                let found = self.backups()?.vault().list().await.map_err(unwritten)?;
                return Ok(described(&found.iter().map(shown).collect::<serde_json::Value>()));
            }
            AdminCommand::Describe(_) => {
                return match self.desk.ask(Ask::Describe).await? {
                    Told::Description(description) => {
                        let revision = self.desk.machine().revision();
                        Ok(Response::new(AdminResponse { revision, description }))
                    }
                    other => Err(unexpected(&other)),
                };
            }
        };
        Ok(done(&self.change(command).await?))
    }
}

fn unwritten(error: VaultError) -> Status {
    Status::failed_precondition(error.to_string())
}

/// A backup for people.
fn shown(stored: &Stored) -> serde_json::Value {
    serde_json::json!({ "backup": stored.name, "revision": stored.revision, "bytes": stored.size })
}

fn described(value: &serde_json::Value) -> Response<AdminResponse> {
    let description = serde_json::to_string_pretty(value).expect("plain JSON always serialises");
    Response::new(AdminResponse { revision: 0, description })
}

fn done(response: &Applied) -> Response<AdminResponse> {
    Response::new(AdminResponse { revision: revision_of(response), description: String::new() })
}
