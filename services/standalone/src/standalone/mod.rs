//! All services in one process: one-node control plane, replication factor 1, and in-process calls through the same service traits
//! and frames as between processes.
//!
//! The identity (account, key, workspace) is made at the first start and kept in `bootstrap.yaml`, which the control plane reads
//! then. Everything listens on one address; its routes do not overlap, whichever service they belong to. Operators may have
//! another, `--grpc-listen`, for `narthex admin`.

mod bucket;
mod config;
mod plane;
mod welcome;

use std::{fs, net::SocketAddr, path::Path};

use anyhow::Context;
use axum::Router;
use narthex_cluster::Member;
use narthex_control_plane::{Bootstrap, ControlPlane};
use narthex_edge::{Audit, Edge};
use narthex_service::{
    Components,
    server::{self, ServerOptions, Serving},
};
use narthex_telemetry::{Protocol, RequestLayer, RequestMetrics, admin_router};
use tokio::net::TcpListener;
use tower::Layer;

pub(crate) use self::config::Config;
use self::{plane::Plane, welcome::Welcome};
use crate::{
    files::{Connection, write_private},
    identity::Identity,
};

/// Runs everything until the shutdown token is cancelled and all has drained.
pub(crate) async fn run(config: Config, components: Components) -> anyhow::Result<()> {
    config.public.check_listen(config.listen)?;
    // Before anything is written: a start that fails for its address leaves no half-made folder.
    let listener = server::bind(config.listen).await?;
    let (bootstrap, first_start) = identity(&config.data.data_dir, &components)?;
    let address = listener.local_addr()?;

    let settings = control_plane_settings(&config, bootstrap.clone(), address);
    // Its state lies beside the blocks on this machine's disk, and the identity in bootstrap.yaml: a copy of the folder is the backup.
    let control_plane = ControlPlane::start(&settings, None, &components).await?;
    let public_url = config.public.url(address);
    let control = narthex_cluster::ControlPlane::local(control_plane.control(), components.clock.clone());
    let member = Member::watch(control, &components);
    let (plane, ingester) = Plane::build(&config, member.clone(), &components).await?;
    let owner = ingester.service();

    // Before anything is replayed, so that /ready tells how far it is.
    let api = control_plane.api(&settings, &public_url, &components.random).merge(plane.routes());
    let audit = Audit::start(&config.audit(), &config.public.region, &components)?;
    let options = config.edge.options(&config.public).with_sts();
    let edge = Edge::audited(options, member.cluster(), &components, "narthex", audit.clone());
    let mut servers = serve_all(edge.wrap(api), listener, &config, &components).await?;
    if let Some(address) = config.grpc_listen {
        let (listener, routes) = (server::bind(address).await?, control_plane.grpc_routes());
        servers.push(server::serve_grpc(listener, routes, ServerOptions::grpc(), &components)?);
    }

    let welcome = Welcome {
        connection: connection(&config, &bootstrap, address)?,
        data_dir: config.data.data_dir.clone(),
        first_start,
    };
    let background = async { tokio::join!(plane.take_part(address), welcome.when_ready(&components)).0 };
    let outcome = tokio::select! {
        outcome = ingester.live() => outcome.context("the ingester stopped"),
        error = control_plane.failed() => Err(error).context("the control plane stopped"),
        error = background => Err(error),
    };
    components.shutdown.cancel();
    for server in servers {
        server.stopped().await;
    }
    audit.close().await;
    owner.close().await;
    control_plane.stop().await;
    outcome
}

/// The identity of the data directory, made at the first start, and whether this is the first start.
fn identity(data_dir: &Path, components: &Components) -> anyhow::Result<(Bootstrap, bool)> {
    fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot create the data directory {}", data_dir.display()))?;
    let path = data_dir.join("bootstrap.yaml");
    let first_start = !path.exists();
    if first_start {
        let yaml = Identity::generate(&components.random).bootstrap_yaml();
        write_private(&path, &yaml).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok((Bootstrap::read(&path)?, first_start))
}

fn control_plane_settings(
    config: &Config,
    bootstrap: Bootstrap,
    address: SocketAddr,
) -> narthex_control_plane::Config {
    narthex_control_plane::Config {
        listen: address,
        bootstrap: Some(bootstrap),
        public: config.public.clone(),
        limits: config.limits.clone(),
        ..narthex_control_plane::Config::embedded(config.data.data_dir.join("control-plane"))
    }
}

/// Serves the APIs behind the edge, at private endpoints too, and the endpoints for operators, beside the APIs or on a listener of
/// their own.
async fn serve_all(
    api: Router,
    listener: TcpListener,
    config: &Config,
    components: &Components,
) -> anyhow::Result<Vec<Serving>> {
    let metrics = RequestMetrics::new(&components.registry, "narthex", Protocol::Http);
    let layer = RequestLayer::new(Protocol::Http, metrics, components.clock.clone());
    let observed = |app: Router| Router::new().fallback_service(layer.layer(app));
    let planes = [narthex_edge::Plane::Control, narthex_edge::Plane::Data];
    let mut servers = config
        .edge
        .private_endpoints()
        .serve(&planes, &observed(api.clone()), &config.public, components)
        .await?;
    let admin = admin_router(components.registry.clone(), components.health.clone());
    let app = match config.admin.admin_listen {
        None => api.merge(admin),
        Some(address) => {
            let listener = server::bind(address).await?;
            servers.push(server::serve(listener, admin, ServerOptions::http(), components)?);
            api
        }
    };
    servers.push(server::serve_public(listener, observed(app), &config.public, components)?);
    Ok(servers)
}

/// What the files for clients say.
fn connection(config: &Config, bootstrap: &Bootstrap, address: SocketAddr) -> anyhow::Result<Connection> {
    let endpoint = config.public.url(address);
    let key = bootstrap.access_keys.first().context("bootstrap.yaml holds no access key")?;
    let workspace = bootstrap.workspaces.first().context("bootstrap.yaml holds no workspace")?;
    let connection = Connection {
        write_endpoint: endpoint.clone(),
        query_endpoint: endpoint.clone(),
        endpoint,
        region: config.public.region.clone(),
        access_key_id: key.access_key_id.clone(),
        secret_access_key: key.secret_access_key.clone(),
        workspace: workspace.id.to_string(),
        extra: Vec::new(),
    };
    connection.write_files(&config.data.data_dir).with_context(|| {
        format!("cannot write the files for clients in {}", config.data.data_dir.display())
    })?;
    Ok(connection)
}
