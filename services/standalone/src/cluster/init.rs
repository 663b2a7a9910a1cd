//! `narthex cluster init`: writes the configuration of a three-zone cluster on loopback, one YAML file a process.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use narthex_bucket::BucketArgs;
use narthex_service::Random;

use super::{
    bucket_yaml::bucket_yaml,
    layout::{INGESTERS_PER_ZONE, Process, Service, ZONES, processes},
};
use crate::{
    files::{Connection, write_private},
    identity::Identity,
};

const REGION: &str = "us-east-1";

/// Writes the cluster's files into `directory`, which must not hold a cluster yet. Without a bucket of its own the cluster
/// keeps blocks in a folder there.
pub(crate) fn init(
    directory: &Path,
    base_port: u16,
    bucket: &BucketArgs,
    random: &Random,
) -> anyhow::Result<()> {
    let bootstrap = directory.join("bootstrap.yaml");
    if bootstrap.exists() {
        bail!("{} holds a cluster already; remove the folder to begin anew", directory.display());
    }
    let processes =
        processes(base_port).with_context(|| format!("no room for the ports above {base_port}"))?;
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let directory = directory.canonicalize()?;

    let bucket = bucket_yaml(bucket, &directory)?;
    let identity = Identity::generate(random);
    for process in &processes {
        let text = process_yaml(process, &processes, &directory, &bucket);
        write_private(&directory.join(format!("{process}.yaml")), &text)?;
    }
    let addresses = |service: Service| {
        let of_service = processes.iter().filter(|process| process.service == service);
        of_service.map(|process| format!("http://127.0.0.1:{}", process.http)).collect::<Vec<_>>()
    };
    let connection = Connection {
        endpoint: addresses(Service::ControlPlane)[0].clone(),
        write_endpoint: addresses(Service::Distributor)[0].clone(),
        query_endpoint: addresses(Service::Querier)[0].clone(),
        region: REGION.into(),
        access_key_id: identity.access_key_id.clone(),
        secret_access_key: identity.secret_access_key.clone(),
        workspace: identity.workspace.to_string(),
        extra: vec![
            ("NARTHEX_CONTROL_PLANES".into(), addresses(Service::ControlPlane).join(",")),
            ("NARTHEX_DISTRIBUTORS".into(), addresses(Service::Distributor).join(",")),
            ("NARTHEX_QUERIERS".into(), addresses(Service::Querier).join(",")),
        ],
    };
    let files = connection.write_files(&directory)?;
    // Last, because its presence says that the folder is complete.
    write_private(&bootstrap, &identity.bootstrap_yaml())?;

    println!(
        "{} processes in {} zones with {INGESTERS_PER_ZONE} partitions, ports from {base_port}, in {}",
        processes.len(),
        ZONES.len(),
        directory.display()
    );
    files.iter().for_each(|path| println!("    {}", path.display()));
    println!("start it with: narthex cluster start --dir {}", directory.display());
    Ok(())
}

fn process_yaml(process: &Process, all: &[Process], directory: &Path, bucket: &str) -> String {
    let control_planes = || all.iter().filter(|process| process.service == Service::ControlPlane);
    let data = directory.join("data").join(process.to_string());
    let mut lines = vec![format!("listen: 127.0.0.1:{}", process.http)];
    let is_member = !matches!(process.service, Service::ControlPlane | Service::Compactor);
    let asks_bucket = process.service != Service::Distributor;
    if is_member {
        lines.push(format!("instance: {process}"));
        lines.push(format!("zone: {}", ZONES[process.zone]));
        lines.push(format!("ordinal: {}", process.ordinal));
    }
    let mut line = |text: String| lines.push(text);
    match process.service {
        Service::ControlPlane => {
            let peers: Vec<_> = control_planes()
                .map(|peer| format!("    - {}=127.0.0.1:{}", peer.zone + 1, peer.grpc))
                .collect();
            line(format!("grpc-listen: 127.0.0.1:{}", process.grpc));
            line(format!("data-dir: {}", data.display()));
            line(format!("node-id: {}", process.zone + 1));
            line(format!("raft:\n  peers:\n{}", peers.join("\n")));
            line(format!("zones: [{}]", ZONES.join(", ")));
            line(format!("bootstrap-file: {}", directory.join("bootstrap.yaml").display()));
            line(format!("region: {REGION}"));
        }
        Service::Ingester => {
            line(format!("grpc-listen: 127.0.0.1:{}", process.grpc));
            line(format!("data-dir: {}", data.display()));
            line("wal:\n  sync: interval".into());
        }
        Service::StoreGateway => {
            line(format!("grpc-listen: 127.0.0.1:{}", process.grpc));
            line(format!("cache:\n  dir: {}", data.display()));
        }
        Service::Distributor | Service::Querier => line(format!("region: {REGION}")),
        Service::Compactor => {}
    }
    if asks_bucket {
        line(bucket.to_owned());
    }
    if is_member {
        let addresses: Vec<_> =
            control_planes().map(|peer| format!("    - 127.0.0.1:{}", peer.grpc)).collect();
        line(format!("control-plane:\n  addresses:\n{}", addresses.join("\n")));
    }
    lines.join("\n") + "\n"
}
