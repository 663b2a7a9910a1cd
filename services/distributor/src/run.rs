//! The distributor as a process: member of the cluster, remote write behind the edge, endpoints for operators.
//!
//! It serves as soon as it listens. That is safe before it is registered: owners judge every push by their own ring (rule 3), and a
//! workspace that is not known yet is answered 503 by the edge.

use std::{io, net::SocketAddr};

use axum::Router;
use narthex_cluster::{AddressError, ControlPlane, Member, Registration, Role};
use narthex_edge::{Audit, AuditError, Edge, Plane, Sharing};
use narthex_rpc::{PeerOptions, Peers};
use narthex_service::{
    Components, OpenListener,
    server::{ServerOptions, Serving, bind, serve, serve_public},
};
use narthex_telemetry::{Protocol, RequestLayer, RequestMetrics, admin_router};
use tonic::Code;
use tower::Layer;

use crate::{Distributor, config::Config};

/// Why a distributor does not start or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A control-plane address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A listen address cannot be used.
    #[error(transparent)]
    Listen(#[from] io::Error),
    /// The audit log cannot be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Unsigned requests would be taken from other machines.
    #[error(transparent)]
    OpenToAll(#[from] OpenListener),
    /// The control plane does not take this process.
    #[error("the control plane refuses this distributor: {0}")]
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
    let distributor = Distributor::new((&config.write).into(), member.cluster(), peers, &components);
    let audit = Audit::start(&config.edge.audit, &config.public.region, &components)?;
    let options = config.edge.options(&config.public).shared_by(Sharing::Role(Role::Distributor));
    let edge = Edge::audited(options, member.cluster(), &components, "distributor", audit.clone());
    let servers = serve_all(&config, &distributor, &edge, &components).await?;
    let outcome = take_part(&config, &distributor, &member, servers[0].local_addr(), &components).await;
    components.shutdown.cancel();
    for server in servers {
        server.stopped().await;
    }
    audit.close().await;
    member.leave().await;
    outcome
}

/// Remote write and the operators' endpoints, on one listener or two; remote write's comes first.
async fn serve_all(
    config: &Config,
    distributor: &Distributor,
    edge: &Edge,
    components: &Components,
) -> Result<Vec<Serving>, RunError> {
    let metrics = RequestMetrics::new(&components.registry, "distributor", Protocol::Http);
    let observed = RequestLayer::new(Protocol::Http, metrics, components.clock.clone());
    let public = Router::new().fallback_service(observed.layer(edge.wrap(distributor.routes())));
    let admin = admin_router(components.registry.clone(), components.health.clone());
    let mut servers =
        config.edge.private_endpoints().serve(&[Plane::Data], &public, &config.public, components).await?;
    let app = match config.admin.admin_listen {
        None => public.merge(admin),
        Some(address) => {
            let listener = bind(address).await?;
            servers.push(serve(listener, admin, ServerOptions::http(), components)?);
            public
        }
    };
    let listener = bind(config.listen).await?;
    servers.insert(0, serve_public(listener, app, &config.public, components)?);
    tracing::info!(listen = %servers[0].local_addr(), "serving remote write");
    Ok(servers)
}

/// Registers and follows the ring until the shutdown.
async fn take_part(
    config: &Config,
    distributor: &Distributor,
    member: &Member,
    listen: SocketAddr,
    components: &Components,
) -> Result<(), RunError> {
    let condition = components.health.condition("distributor-member");
    let registration = Registration {
        instance: config.member.instance_name("distributor").into(),
        role: Role::Distributor,
        zone: config.member.zone.as_str().into(),
        address: config.member.advertise_address.clone().unwrap_or_else(|| listen.to_string()),
        ordinal: config.member.ordinal,
        incarnation: None,
    };
    let register = async {
        if !member.first_snapshot(&condition).await {
            return Ok(());
        }
        match member.register(registration, &condition).await {
            Ok(_) => Ok(()),
            Err(status) if status.code() == Code::Cancelled => Ok(()),
            Err(status) => Err(RunError::Refused(status.message().to_owned())),
        }
    };
    let follow = async {
        distributor.follow_ring().await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = async {
            register.await?;
            components.shutdown.cancelled().await;
            Ok(())
        } => outcome,
        () = follow => Ok(()),
    }
}
