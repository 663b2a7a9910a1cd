//! A three-zone cluster of real processes on loopback, each started by itself so that each can be killed by itself.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, Result, ensure};

use super::{ClientEnv, Process, Sandbox, binary, process::Command};
use crate::aws::Api;

/// Ports that a cluster needs; its command lays them out.
const PORTS: u16 = 60;

/// The services in the order in which a cluster starts.
const SERVICES: [&str; 6] =
    ["control-plane", "ingester", "store-gateway", "distributor", "querier", "compactor"];

/// The zones of a cluster.
pub const ZONES: [&str; 3] = ["a", "b", "c"];

/// One service process of a cluster.
#[derive(Debug)]
pub struct Instance {
    /// `<service>-zone-<zone>-<ordinal>`.
    pub name: String,
    /// The service, which is also the binary's name after `narthex-`.
    pub service: &'static str,
    /// `a`, `b` or `c`.
    pub zone: String,
    /// The configuration file.
    pub config: PathBuf,
    /// `http://ADDRESS:PORT` of its public listener, which serves `/ready` and `/metrics`.
    pub base: String,
    /// ADDRESS:PORT of its gRPC services, where it has some.
    pub grpc: Option<String>,
    /// Its data directory, where it has one.
    pub data_dir: Option<PathBuf>,
    process: Option<Process>,
}

/// Three control-plane nodes, in each zone a distributor, two ingesters, a store-gateway and a querier, and one compactor. Blocks
/// are kept in the folder `bucket` beside the configuration, unless the environment names another bucket.
#[derive(Debug)]
pub struct Cluster {
    /// The folder of configuration and data.
    pub dir: PathBuf,
    /// What `cluster init` wrote for clients.
    pub env: ClientEnv,
    /// Base URLs of the distributors, one per zone, in the order of the zones.
    pub distributors: Vec<String>,
    /// Base URLs of the queriers, likewise.
    pub queriers: Vec<String>,
    /// A signing client of the default workspace.
    pub api: Api,
    instances: BTreeMap<String, Instance>,
    environment: Vec<(String, String)>,
}

impl Cluster {
    /// Writes the configuration, starts every instance and waits until all are ready.
    pub async fn start(sandbox: &Sandbox) -> Result<Self> {
        Self::start_with(sandbox, &[]).await
    }

    /// As [`Self::start`], with further environment of every process, and of the command that writes the configuration.
    pub async fn start_with(sandbox: &Sandbox, environment: &[(&str, &str)]) -> Result<Self> {
        let mut cluster = Self::prepared(sandbox, environment)?;
        let all: Vec<String> = cluster.names(|_| true);
        cluster.launch(sandbox, &all)?;
        cluster.ready(sandbox, &all).await?;
        Ok(cluster)
    }

    /// Writes the configuration and keeps the environment for processes that are launched later; starts none.
    pub fn prepared(sandbox: &Sandbox, environment: &[(&str, &str)]) -> Result<Self> {
        let mut cluster = Self::init_with(sandbox, environment)?;
        cluster.environment =
            environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(cluster)
    }

    /// Writes the configuration only.
    pub fn init(sandbox: &Sandbox) -> Result<Self> {
        Self::init_with(sandbox, &[])
    }

    /// As [`Self::init`], in an environment that may name a bucket.
    fn init_with(sandbox: &Sandbox, environment: &[(&str, &str)]) -> Result<Self> {
        let dir = sandbox.path().join("cluster");
        let base_port = sandbox.ports.many(PORTS)?;
        let mut init = process::Command::new(binary("narthex")?);
        init.args(["cluster", "init", "--dir"]).arg(&dir).arg("--base-port").arg(base_port.to_string());
        init.envs(environment.iter().copied());
        let output = init.output()?;
        ensure!(output.status.success(), "cluster init failed: {}", String::from_utf8_lossy(&output.stderr));
        let env = ClientEnv::read(&dir.join("client.env"))?;
        let (distributors, queriers) = (env.list("NARTHEX_DISTRIBUTORS")?, env.list("NARTHEX_QUERIERS")?);
        ensure!(
            distributors.len() == 3 && queriers.len() == 3,
            "one address per zone: {distributors:?}, {queriers:?}"
        );
        let api = env.api(&sandbox.http)?;
        let instances = instances(&dir)?;
        ensure!(instances.len() == 19, "expected 19 instances, found {:?}", instances.keys());
        Ok(Self { dir, env, distributors, queriers, api, instances, environment: Vec::new() })
    }

    /// Starts everything with the one command that users have, and waits until all is ready.
    pub async fn start_by_command(&self, sandbox: &Sandbox) -> Result<Process> {
        let command = Command::new(binary("narthex")?).args(["cluster", "start", "--dir"]).arg(&self.dir);
        let mut process = sandbox.start("cluster-start", command)?;
        for instance in self.instances.values() {
            sandbox.ready(&mut process, &format!("{}/ready", instance.base)).await?;
        }
        Ok(process)
    }

    /// Names of the instances that `choose` picks, in starting order.
    pub fn names(&self, choose: impl Fn(&Instance) -> bool) -> Vec<String> {
        let of = |service| self.instances.values().filter(move |instance| instance.service == service);
        let ordered = SERVICES.into_iter().flat_map(of);
        ordered.filter(|instance| choose(instance)).map(|instance| instance.name.clone()).collect()
    }

    /// Names of everything in a zone.
    pub fn zone(&self, zone: &str) -> Vec<String> {
        self.names(|instance| instance.zone == zone)
    }

    /// An instance by name.
    pub fn instance(&self, name: &str) -> Result<&Instance> {
        self.instances.get(name).with_context(|| format!("no instance {name}"))
    }

    /// The process of a running instance.
    pub fn process(&mut self, name: &str) -> Result<&mut Process> {
        let instance = self.instances.get_mut(name).with_context(|| format!("no instance {name}"))?;
        instance.process.as_mut().with_context(|| format!("{name} does not run"))
    }

    /// Process ids of everything that runs.
    pub fn process_ids(&self) -> Vec<u32> {
        self.instances.values().filter_map(|instance| instance.process.as_ref()).map(Process::id).collect()
    }

    /// Starts instances without waiting.
    pub fn launch(&mut self, sandbox: &Sandbox, names: &[String]) -> Result<()> {
        self.launch_with(sandbox, names, &[])
    }

    /// As [`Self::launch`], with further environment for these.
    pub fn launch_with(
        &mut self,
        sandbox: &Sandbox,
        names: &[String],
        environment: &[(&str, String)],
    ) -> Result<()> {
        let further = environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let environment: Vec<_> = self.environment.iter().cloned().chain(further).collect();
        for name in names {
            let environment = environment.clone();
            let instance = self.instances.get_mut(name).with_context(|| format!("no instance {name}"))?;
            let program = binary(&format!("narthex-{}", instance.service))?;
            let mut command = Command::new(program).arg("--config").arg(&instance.config);
            for (name, value) in environment {
                command = command.env(name, value);
            }
            instance.process = Some(sandbox.start(name, command)?);
        }
        Ok(())
    }

    /// Waits until instances are ready.
    pub async fn ready(&mut self, sandbox: &Sandbox, names: &[String]) -> Result<()> {
        for name in names {
            let url = format!("{}/ready", self.instance(name)?.base);
            sandbox.ready(self.process(name)?, &url).await?;
        }
        Ok(())
    }

    /// `--addresses` of the operators' commands: gRPC of all control-plane nodes.
    pub fn control_planes(&self) -> String {
        let nodes = self.instances.values().filter(|instance| instance.service == "control-plane");
        nodes.filter_map(|node| node.grpc.as_deref()).collect::<Vec<_>>().join(",")
    }

    /// SIGKILLs everything that runs and starts all again, with further environment from now on, until all is ready.
    pub async fn restart_in(&mut self, sandbox: &Sandbox, environment: &[(&str, &str)]) -> Result<()> {
        self.environment.extend(environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        let all = self.names(|_| true);
        self.kill(&self.names(|instance| instance.process.is_some()))?;
        self.launch(sandbox, &all)?;
        self.ready(sandbox, &all).await
    }

    /// Base URLs of the instances of a service, in the order of their names.
    pub fn bases(&self, service: &str) -> Vec<String> {
        let of = self.instances.values().filter(|instance| instance.service == service);
        of.map(|instance| instance.base.clone()).collect()
    }

    /// SIGKILLs instances.
    pub fn kill(&mut self, names: &[String]) -> Result<()> {
        for name in names {
            self.process(name)?.kill()?;
            if let Some(instance) = self.instances.get_mut(name) {
                instance.process = None;
            }
        }
        Ok(())
    }

    /// Removes the data directory of an instance that does not run.
    pub fn empty_disk(&self, name: &str) -> Result<()> {
        let instance = self.instance(name)?;
        ensure!(instance.process.is_none(), "{name} still runs");
        let folder = instance.data_dir.as_ref().with_context(|| format!("{name} names no data directory"))?;
        fs::remove_dir_all(folder).with_context(|| format!("{} cannot be emptied", folder.display()))
    }
}

fn instances(dir: &Path) -> Result<BTreeMap<String, Instance>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let config = entry?.path();
        let Some(name) = config.file_name().and_then(|name| name.to_str()?.strip_suffix(".yaml")) else {
            continue;
        };
        let Some((service, place)) = name.split_once("-zone-") else { continue };
        let Some(service) = SERVICES.into_iter().find(|known| *known == service) else { continue };
        let zone = place.split('-').next().unwrap_or_default().to_owned();
        let text = fs::read_to_string(&config)?;
        let listen =
            key(&text, "listen").with_context(|| format!("{} has no key listen", config.display()))?;
        let data_dir = key(&text, "data-dir").map(|folder| dir.join(folder));
        let instance = Instance {
            name: name.to_owned(),
            service,
            zone,
            base: format!("http://{listen}"),
            grpc: key(&text, "grpc-listen"),
            data_dir,
            config: config.clone(),
            process: None,
        };
        found.insert(name.to_owned(), instance);
    }
    Ok(found)
}

/// The value of a top-level key of a YAML file, as far as plain scalars go.
fn key(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}
