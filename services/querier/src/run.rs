//! The querier as a process: member of the cluster, public API behind the edge, endpoints for operators.
//!
//! The API answers only once the process is registered and its snapshot is at least as new as the registration: a reader
//! that the control plane does not wait for must not read (rule 7, P-1).

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use narthex_bucket::BucketError;
use narthex_cluster::{AddressError, ControlPlane, Member, Registration, Role};
use narthex_edge::{Audit, AuditError, Edge, Plane, Sharing};
use narthex_manifest::{ManifestSettings, ManifestStore, MarginsError};
use narthex_model::{WindowLength, WindowLengthError};
use narthex_rpc::{PeerOptions, Peers};
use narthex_service::{
    Components, OpenListener,
    server::{ServerOptions, Serving, bind, serve, serve_public},
};
use narthex_telemetry::{Protocol, RequestLayer, RequestMetrics, admin_router};
use tonic::{Code, Status};
use tower::Layer;

use crate::{
    Querier,
    config::Config,
    http::{ApiError, ErrorKind},
    read::Catalogue,
};

/// Why a querier does not start or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A control-plane address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A listen address cannot be used.
    #[error(transparent)]
    Listen(#[from] io::Error),
    /// The bucket's settings are wrong.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// No such windows.
    #[error("--cut.window: {0}")]
    Window(#[from] WindowLengthError),
    /// No such margins.
    #[error(transparent)]
    Margins(#[from] MarginsError),
    /// The audit log cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Unsigned requests would be taken from other machines.
    #[error(transparent)]
    OpenToAll(#[from] OpenListener),
    /// The control plane does not take this process.
    #[error("the control plane refuses this querier: {0}")]
    Refused(String),
}

/// Runs until the components' shutdown token is cancelled and requests have drained.
pub async fn run(config: Config, components: Components) -> Result<(), RunError> {
    config.public.check_listen(config.listen)?;
    let start = components.random.bits64();
    let control =
        ControlPlane::remote(&config.member.control_plane_addresses, start, components.clock.clone())?;
    let member = Member::watch(control, &components);
    let peers = Peers::new(PeerOptions::default(), components.clock.clone());
    let zone = config.member.zone.as_str().into();
    let catalogue = catalogue(&config, &components)?;
    let querier = Querier::new((&config.query).into(), member.cluster(), peers, catalogue, zone, &components);
    let door = Door::default();
    let audit = Audit::start(&config.edge.audit, &config.public.region, &components)?;
    let options = config.edge.options(&config.public).shared_by(Sharing::Role(Role::Querier));
    let edge = Edge::audited(options, member.cluster(), &components, "querier", audit.clone());
    let servers = serve_all(&config, &querier, &door, &edge, &components).await?;
    let outcome = take_part(&config, &querier, &door, &member, servers[0].local_addr(), &components).await;
    components.shutdown.cancel();
    for server in servers {
        server.stopped().await;
    }
    audit.close().await;
    member.leave().await;
    outcome
}

/// Where blocks are listed, if there is a bucket. Nothing is asked of it yet, and nothing written ever.
fn catalogue(config: &Config, components: &Components) -> Result<Option<Arc<dyn Catalogue>>, RunError> {
    if config.bucket.url.is_none() {
        return Ok(None);
    }
    let bucket = narthex_bucket::open(&config.bucket, components)?;
    let window = i64::try_from(config.window.get().as_millis()).unwrap_or(i64::MAX);
    let settings = ManifestSettings {
        window_length: WindowLength::from_millis(window)?,
        margins: config.margins.margins()?,
        request_timeout: config.bucket.request_timeout.get(),
        ..ManifestSettings::default()
    };
    tracing::info!(bucket = %bucket.url(), "reading blocks of a bucket");
    Ok(Some(Arc::new(ManifestStore::new(bucket.store(), settings, components))))
}

/// The public API and the operators' endpoints, on one listener or two.
async fn serve_all(
    config: &Config,
    querier: &Querier,
    door: &Door,
    edge: &Edge,
    components: &Components,
) -> Result<Vec<Serving>, RunError> {
    let routes = querier.routes().layer(middleware::from_fn_with_state(door.clone(), pass));
    let api = edge.wrap(routes);
    let admin = admin_router(components.registry.clone(), components.health.clone());
    let metrics = RequestMetrics::new(&components.registry, "querier", Protocol::Http);
    let layer = RequestLayer::new(Protocol::Http, metrics, components.clock.clone());
    let observed = |app: Router| Router::new().fallback_service(layer.layer(app));
    let private = observed(api.clone());
    let mut servers =
        config.edge.private_endpoints().serve(&[Plane::Data], &private, &config.public, components).await?;
    let app = match config.admin.admin_listen {
        None => admin.fallback_service(api),
        Some(address) => {
            let listener = bind(address).await?;
            servers.push(serve(listener, admin, ServerOptions::http(), components)?);
            api
        }
    };
    let listener = bind(config.listen).await?;
    servers.insert(0, serve_public(listener, observed(app), &config.public, components)?);
    tracing::info!(listen = %servers[0].local_addr(), "serving the query API");
    Ok(servers)
}

/// Registers, opens the API and follows the ring until the shutdown.
async fn take_part(
    config: &Config,
    querier: &Querier,
    door: &Door,
    member: &Member,
    listen: SocketAddr,
    components: &Components,
) -> Result<(), RunError> {
    let condition = components.health.condition("querier-member");
    if !member.first_snapshot(&condition).await {
        return Ok(());
    }
    let registration = Registration {
        instance: config.member.instance_name("querier").into(),
        role: Role::Querier,
        zone: config.member.zone.as_str().into(),
        address: config.member.advertise_address.clone().unwrap_or_else(|| listen.to_string()),
        ordinal: config.member.ordinal,
        incarnation: None,
    };
    match member.register(registration, &condition).await {
        Ok(_) => door.open(),
        Err(status) => return refused(&status),
    }
    tokio::select! {
        () = querier.follow_ring() => {}
        () = components.shutdown.cancelled() => {}
    }
    Ok(())
}

fn refused(status: &Status) -> Result<(), RunError> {
    match status.code() {
        Code::Cancelled => Ok(()),
        _ => Err(RunError::Refused(status.message().to_owned())),
    }
}

/// Closed until the process takes part.
#[derive(Debug, Clone, Default)]
struct Door(Arc<AtomicBool>);

impl Door {
    fn open(&self) {
        self.0.store(true, Ordering::Release);
    }
}

async fn pass(State(door): State<Door>, request: Request, next: Next) -> Response {
    if door.0.load(Ordering::Acquire) {
        return next.run(request).await;
    }
    let text = "the querier is not registered at the control plane yet, ask another or try again";
    ApiError::new(ErrorKind::Unavailable, text).into_response()
}
