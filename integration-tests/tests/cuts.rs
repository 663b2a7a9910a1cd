//! Cuts on their way into a real S3 server, while requests are lost, refused and delayed, flushers are killed at every step, and
//! garbage is collected behind them. The recorder's samples are read the whole time: each acknowledged one is there once, in a
//! head or in a block.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use http::{Method, StatusCode};
use narthex_bucket::{BucketArgs, layout};
use narthex_integration_tests::{
    metrics::metric,
    recorder::{Recorder, Writing},
    s3::S3Server,
    s3_proxy::{Does, Exchange, Kind, S3Proxy, Verdict},
    sandbox::{Cluster, Command, DEADLINE, Process, Sandbox, binary, long, scenario, until},
};
use narthex_manifest::{CutSet, ManifestSettings, ManifestStore};
use narthex_model::{WindowLength, WorkspaceId};
use narthex_service::{Components, Random};
use object_store::{ObjectStore, ObjectStoreExt};
use rustix::process::{Pid, Signal, kill_process};

const WRITERS: u64 = 3;
const BUCKET: &str = "cuts";
const URL: &str = "s3://cuts/prefix";
/// Windows of seconds, so that a test sees many, and garbage that is some seconds old.
const SHORT: [(&str, &str); 8] = [
    ("NARTHEX_GC_COMMIT_WITHIN", "5s"),
    ("NARTHEX_GC_ORPHAN_AGE", "20s"),
    ("NARTHEX_GC_ROOT_AGE", "20s"),
    ("NARTHEX_CUT_WINDOW", "5s"),
    ("NARTHEX_CUT_MAX_AGE", "2s"),
    ("NARTHEX_CUT_SLACK", "1s"),
    ("NARTHEX_CUT_JITTER", "0s"),
    ("NARTHEX_CUT_KEEP", "2s"),
];

/// A cluster whose processes reach their bucket through one proxy.
struct World {
    server: S3Server,
    proxy: S3Proxy,
    cluster: Cluster,
    recorder: Recorder,
}

impl World {
    async fn start(sandbox: &Sandbox, take_over: &str) -> Result<Self> {
        Self::start_with(sandbox, &[("NARTHEX_CUT_TAKE_OVER", take_over)]).await
    }

    async fn start_with(sandbox: &Sandbox, further: &[(&'static str, &str)]) -> Result<Self> {
        let server = S3Server::start(sandbox).await?;
        server.create_bucket(sandbox, BUCKET).await?;
        let proxy = S3Proxy::start(sandbox, &server).await?;
        let bucket = proxy.environment(&server, URL);
        let mut environment: Vec<(&str, &str)> =
            bucket.iter().map(|(name, value)| (*name, value.as_str())).collect();
        environment.extend(SHORT.iter().filter(|(name, _)| !further.iter().any(|(other, _)| other == name)));
        environment.extend(further);
        let cluster = Cluster::start_with(sandbox, &environment).await?;
        let random = Random::from_system();
        let recorder = Recorder::new(cluster.api.clone(), cluster.distributors.clone(), random);
        Ok(Self { server, proxy, cluster, recorder })
    }

    fn ingesters(&self) -> Vec<String> {
        self.cluster.names(|instance| instance.service == "ingester")
    }

    async fn total(&self, sandbox: &Sandbox, name: &str) -> Result<f64> {
        let mut sum = 0.0;
        for instance in self.ingesters() {
            let value = metric(&sandbox.http, &self.cluster.instance(&instance)?.base, name).await?;
            sum += value.with_context(|| format!("{instance} has no metric {name}"))?;
        }
        Ok(sum)
    }

    /// Every acknowledged sample is there once, whichever querier is asked.
    async fn verify(&self) -> Result<()> {
        for querier in &self.cluster.queriers {
            let count = self.recorder.verify(querier, DEADLINE).await?;
            eprintln!("{querier} has all {count} acknowledged samples");
        }
        Ok(())
    }

    /// Waits until no ingester holds a sample any more, and proves that blocks alone have them all.
    async fn all_in_blocks(&self, sandbox: &Sandbox) -> Result<()> {
        until(&sandbox.clock, "every window to be in blocks and forgotten", DEADLINE * 2, async || {
            let windows = self.total(sandbox, "narthex_ingester_cuts_windows").await?;
            Ok(if windows == 0.0 { Ok(()) } else { Err(format!("{windows} windows are held")) })
        })
        .await?;
        self.verify().await
    }

    fn bucket(&self) -> Result<Arc<dyn ObjectStore>> {
        let mut args = BucketArgs::new(URL.parse()?);
        args.endpoint = Some(self.server.endpoint.clone());
        args.allow_http = true;
        args.access_key_id = Some(self.server.signer.access_key_id.clone());
        args.secret_access_key = Some(self.server.signer.secret_access_key.as_str().into());
        Ok(narthex_bucket::open(&args, &Components::from_system(None))?.store())
    }

    /// Whether an object is there that a request named: `/BUCKET/prefix/KEY`.
    async fn has(&self, target: &str) -> Result<bool> {
        let key = target.strip_prefix(&format!("/{BUCKET}/prefix/")).context("a path in the bucket")?;
        match self.bucket()?.head(&key.into()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Blocks that the newest manifest names, each of which must be there (B-1), and blocks that are there without being named.
    async fn blocks(&self) -> Result<(usize, usize)> {
        let (store, components) = (self.bucket()?, Components::from_system(None));
        let workspace: WorkspaceId = self.cluster.env.get("NARTHEX_WORKSPACE_ID")?.parse()?;
        let window_length = WindowLength::from_millis(5_000)?;
        let settings = ManifestSettings { window_length, ..ManifestSettings::default() };
        let manifest = ManifestStore::new(store.clone(), settings, &components).newest(workspace).await?;
        let listed: Vec<_> = store.list(Some(&layout::blocks_prefix(workspace))).try_collect().await?;
        let there: BTreeSet<_> =
            listed.iter().filter_map(|object| layout::parse_block(&object.location)).collect();
        let mut cuts = CutSet::default();
        for entry in manifest.entries() {
            ensure!(there.contains(&(workspace, entry.id)), "block {} is named and not there", entry.id);
            ensure!(cuts.first_common(&entry.cuts).is_none(), "a cut was committed twice");
            cuts.extend(&entry.cuts);
        }
        Ok((manifest.len(), there.len() - manifest.len()))
    }

    /// Starts a compactor that looks for garbage every second.
    fn collect(&self, sandbox: &Sandbox) -> Result<Process> {
        let address = format!("127.0.0.1:{}", sandbox.ports.one()?);
        let mut command =
            Command::new(binary("narthex-compactor")?).args(["--gc.interval", "1s", "--listen"]).arg(address);
        for (name, value) in self.proxy.environment(&self.server, URL) {
            command = command.env(name, value);
        }
        for (name, value) in SHORT {
            command = command.env(name, value);
        }
        sandbox.start("compactor", command)
    }

    /// Waits until nothing is left in the bucket that no manifest names.
    async fn no_orphans(&self, sandbox: &Sandbox) -> Result<()> {
        until(&sandbox.clock, "orphans to be collected", DEADLINE, async || {
            let (named, orphans) = self.blocks().await?;
            Ok(if orphans == 0 { Ok(()) } else { Err(format!("{orphans} orphans beside {named} blocks")) })
        })
        .await
    }

    /// Reads everything again and again until told to stop; returns how often.
    fn keep_reading(&self) -> (Arc<AtomicBool>, tokio::task::JoinHandle<Result<u32>>) {
        let stop = Arc::new(AtomicBool::new(false));
        let (recorder, queriers, stopped) =
            (self.recorder.clone(), self.cluster.queriers.clone(), stop.clone());
        let reading = tokio::spawn(async move {
            let mut reads = 0;
            while !stopped.load(SeqCst) {
                recorder.verify(&queriers[reads as usize % queriers.len()], DEADLINE).await?;
                reads += 1;
            }
            Ok(reads)
        });
        (stop, reading)
    }
}

async fn elapse(sandbox: &Sandbox, seconds: u64) {
    sandbox.clock.sleep(Duration::from_secs(seconds)).await;
}

#[test]
fn a_cut_is_one_object_and_one_root_and_queries_never_notice() {
    scenario(async |sandbox| {
        let world = World::start(sandbox, "60s").await?;
        let writing = world.recorder.start(WRITERS);
        let (stop, reading) = world.keep_reading();
        elapse(sandbox, 30).await;
        let tally = writing.stop().await?;
        ensure!(tally.failed.is_empty(), "requests failed twice: {:?}", tally.failed);
        world.all_in_blocks(sandbox).await?;
        stop.store(true, SeqCst);
        eprintln!("read everything {} times meanwhile", reading.await??);

        let committed = world.total(sandbox, "narthex_ingester_cuts_committed_total").await?;
        let counts = world.proxy.counts();
        let (blocks, roots) =
            (world.proxy.succeeded(Does::Put, Kind::Block), world.proxy.succeeded(Does::Put, Kind::Root));
        eprintln!("{committed} cuts, {blocks} blocks, {roots} roots; requests {counts:?}");
        // Two partitions, and six windows or seven.
        ensure!(committed >= 10.0, "only {committed} cuts");
        ensure!(blocks as f64 == committed && roots as f64 == committed, "not one object and one root a cut");
        Ok(())
    });
}

/// Where a flusher dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    does: Does,
    kind: Kind,
    /// The request comes after a root was written.
    after_root: bool,
    /// The server does it before the flusher dies.
    done: bool,
}

fn steps() -> Vec<Step> {
    let at = |does, kind, after_root| [false, true].map(|done| Step { does, kind, after_root, done });
    [
        at(Does::List, Kind::Root, false),
        at(Does::Put, Kind::Block, false),
        at(Does::Head, Kind::Block, false),
        at(Does::Put, Kind::Root, false),
        at(Does::List, Kind::Root, true),
    ]
    .concat()
}

/// Kills a process at a step of what it asks the bucket for, or sends it another signal.
#[derive(Debug, Default)]
struct Trap {
    pid: AtomicU32,
    signal: Option<Signal>,
    root_written: AtomicBool,
    /// Path of what was asked for at the step.
    target: Mutex<String>,
}

impl Trap {
    fn judge(&self, step: Step, exchange: &Exchange) -> Verdict {
        let here = (exchange.does, exchange.kind) == (step.does, step.kind)
            && exchange.status.is_some() == step.done
            && self.root_written.load(SeqCst) == step.after_root;
        let pid = self.pid.load(SeqCst);
        if here && pid != 0 && self.pid.compare_exchange(pid, 0, SeqCst, SeqCst).is_ok() {
            if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                let _ = kill_process(pid, self.signal.unwrap_or(Signal::KILL));
            }
            exchange.target.clone_into(&mut self.target.lock().unwrap_or_else(PoisonError::into_inner));
            // One that only sleeps gets its reply when it wakes.
            return if self.signal.is_some() { Verdict::Pass } else { Verdict::Lose };
        }
        let wrote = (exchange.does, exchange.kind) == (Does::Put, Kind::Root) && exchange.status.is_some();
        if wrote {
            self.root_written.store(true, SeqCst);
        } else if (exchange.does, exchange.kind) == (Does::Put, Kind::Block) {
            self.root_written.store(false, SeqCst);
        }
        Verdict::Pass
    }
}

#[test]
fn flushers_are_killed_at_every_step() {
    scenario(async |sandbox| {
        let mut world = World::start(sandbox, "3s").await?;
        // A proxy for each ingester, so that the one that asks can be killed.
        let mut proxies = BTreeMap::new();
        for name in world.ingesters() {
            let proxy = S3Proxy::start(sandbox, &world.server).await?;
            relaunch(sandbox, &mut world, &name, &proxy).await?;
            proxies.insert(name, proxy);
        }
        let writing = world.recorder.start(WRITERS);
        let (stop, reading) = world.keep_reading();
        let mut kills = 0u64;
        let _compactor = world.collect(sandbox)?;
        for step in steps() {
            let mut traps = BTreeMap::new();
            for (name, proxy) in &proxies {
                let trap = Arc::new(Trap::default());
                trap.pid.store(world.cluster.process(name)?.id(), SeqCst);
                let judge = trap.clone();
                proxy.judge(move |exchange| judge.judge(step, exchange));
                traps.insert(name.clone(), trap);
            }
            let sprung = || traps.iter().find(|(_, trap)| trap.pid.load(SeqCst) == 0);
            until(&sandbox.clock, "a flusher to come to the step", DEADLINE, async || {
                Ok(sprung().map(drop).ok_or_else(|| format!("nobody came to {step:?}")))
            })
            .await?;
            proxies.values().for_each(S3Proxy::pass);
            // Disarms the others: a reply that is under way must kill nobody whom nobody starts again.
            let fallen: Vec<_> = traps
                .iter()
                .filter(|(_, trap)| trap.pid.swap(0, SeqCst) == 0)
                .map(|(name, _)| name.clone())
                .collect();
            eprintln!("{step:?}: killed {fallen:?}");
            kills += fallen.len() as u64;
            for name in fallen {
                relaunch(sandbox, &mut world, &name, &proxies[&name]).await?;
            }
            world.verify().await?;
        }
        writing.stop().await?;
        world.all_in_blocks(sandbox).await?;
        stop.store(true, SeqCst);
        eprintln!("read everything {} times meanwhile", reading.await??);

        let sum = |kind| proxies.values().map(|proxy| proxy.succeeded(Does::Put, kind)).sum::<u64>();
        let (blocks, roots) = (sum(Kind::Block), sum(Kind::Root));
        eprintln!("{kills} kills, {blocks} blocks written, {roots} roots");
        // Roots were written by cuts, and by the compactor through the other proxy.
        ensure!(blocks - roots <= kills, "more than one block more than commits a kill");
        let (named, _) = world.blocks().await?;
        ensure!(named as u64 == roots, "{roots} commits and {named} blocks in the manifest");
        world.no_orphans(sandbox).await?;
        world.verify().await
    });
}

/// Kills an ingester and starts it with its own proxy.
async fn relaunch(sandbox: &Sandbox, world: &mut World, name: &str, proxy: &S3Proxy) -> Result<()> {
    let names = [name.to_owned()];
    world.cluster.kill(&names)?;
    world.cluster.launch_with(sandbox, &names, &[("NARTHEX_BUCKET_ENDPOINT", proxy.endpoint.clone())])?;
    world.cluster.ready(sandbox, &names).await
}

#[test]
fn lost_replies_and_refusals_cost_nothing_but_time() {
    scenario(async |sandbox| {
        let world = World::start(sandbox, "3s").await?;
        let random = Random::from_system();
        world.proxy.judge(move |exchange| match (exchange.does, exchange.status, random.below(10)) {
            // Done, and nobody hears of it.
            (Does::Put, Some(_), 0..=1) => Verdict::Lose,
            (Does::Put | Does::Head | Does::List, None, 2) => {
                Verdict::Answer(StatusCode::SERVICE_UNAVAILABLE)
            }
            (Does::Put, None, 3) => Verdict::Answer(StatusCode::CONFLICT),
            (_, None, 4) => Verdict::Lose,
            _ => Verdict::Pass,
        });
        let writing = world.recorder.start(WRITERS);
        elapse(sandbox, 25).await;
        let tally = writing.stop().await?;
        ensure!(tally.failed.is_empty(), "requests failed twice: {:?}", tally.failed);
        until(&sandbox.clock, "cuts to be committed through all that", DEADLINE, async || {
            let committed = world.total(sandbox, "narthex_ingester_cuts_committed_total").await?;
            Ok(if committed >= 6.0 { Ok(()) } else { Err(format!("{committed} are")) })
        })
        .await?;
        world.proxy.pass();
        world.all_in_blocks(sandbox).await?;
        eprintln!("requests {:?}", world.proxy.counts());
        Ok(())
    });
}

#[test]
fn a_bucket_that_is_away_for_three_windows_loses_nothing() {
    scenario(async |sandbox| {
        let world = World::start(sandbox, "3s").await?;
        let writing = world.recorder.start(WRITERS);
        elapse(sandbox, 10).await;
        world.proxy.judge(|_| Verdict::Lose);
        elapse(sandbox, 15).await;
        let ingester = world.cluster.instance(&world.ingesters()[0])?.base.clone();
        until(&sandbox.clock, "readiness to tell of the backlog", DEADLINE, async || {
            let reply = sandbox.http.get(&format!("{ingester}/ready")).await?;
            ensure!(reply.status == 200, "an ingester that takes writes is not ready: {reply}");
            Ok(if reply.text().contains("not in the bucket") { Ok(()) } else { Err(reply.text().to_owned()) })
        })
        .await?;
        ensure!(world.total(sandbox, "narthex_ingester_cuts_pending").await? > 0.0, "no backlog is counted");
        let failures = world.total(sandbox, "narthex_ingester_cuts_failures_total").await?;
        ensure!(failures > 0.0, "no failure is counted");
        let tally = writing.stop().await?;
        ensure!(tally.failed.is_empty(), "writes were refused: {:?}", tally.failed);

        world.proxy.pass();
        world.all_in_blocks(sandbox).await?;
        until(&sandbox.clock, "readiness to be without remarks", DEADLINE, async || {
            let reply = sandbox.http.get(&format!("{ingester}/ready")).await?;
            Ok(if reply.text() == "ready\n" { Ok(()) } else { Err(reply.text().to_owned()) })
        })
        .await
    });
}

#[test]
fn a_flusher_that_sleeps_until_its_block_is_collected_commits_nothing() {
    scenario(async |sandbox| {
        let mut world = World::start(sandbox, "3s").await?;
        let sleeper = "ingester-zone-b-0".to_owned();
        let proxy = S3Proxy::start(sandbox, &world.server).await?;
        relaunch(sandbox, &mut world, &sleeper, &proxy).await?;
        let _compactor = world.collect(sandbox)?;
        let writing = world.recorder.start(WRITERS);
        let trap = Arc::new(Trap { signal: Some(Signal::STOP), ..Trap::default() });
        trap.pid.store(world.cluster.process(&sleeper)?.id(), SeqCst);
        let (judge, step) =
            (trap.clone(), Step { does: Does::Put, kind: Kind::Block, after_root: false, done: true });
        proxy.judge(move |exchange| judge.judge(step, exchange));
        until(&sandbox.clock, "the flusher to fall asleep", DEADLINE, async || {
            let asleep = trap.pid.load(SeqCst) == 0;
            Ok(if asleep { Ok(()) } else { Err("it did not write a block yet".to_owned()) })
        })
        .await?;
        proxy.pass();
        let block = trap.target.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ensure!(world.has(&block).await?, "the block of the sleeper is not there");
        // Others go on meanwhile, so its block is not the only orphan.
        until(&sandbox.clock, "the sleeper's block to be collected", DEADLINE, async || {
            Ok(if world.has(&block).await? { Err(format!("{block} is there")) } else { Ok(()) })
        })
        .await?;
        let before = proxy.succeeded(Does::Put, Kind::Root);
        world.cluster.process(&sleeper)?.resume()?;
        writing.stop().await?;
        world.all_in_blocks(sandbox).await?;
        world.no_orphans(sandbox).await?;
        eprintln!("woken, it committed {} other cuts", proxy.succeeded(Does::Put, Kind::Root) - before);
        Ok(())
    });
}

/// The samples of several workspaces, written and read at the same time.
struct Border {
    recorders: Vec<Recorder>,
    writing: Vec<Writing>,
    stop: Arc<AtomicBool>,
    reading: Vec<tokio::task::JoinHandle<Result<u32>>>,
}

#[test]
fn the_border_moves_under_queries_while_gateways_restart() {
    scenario(async |sandbox| {
        let (workspaces, goal) = if long() { (10, 2_000.0) } else { (4, 100.0) };
        let second = [
            ("NARTHEX_CUT_WINDOW", "1s"),
            ("NARTHEX_CUT_MAX_AGE", "2s"),
            ("NARTHEX_CUT_SLACK", "0s"),
            ("NARTHEX_CUT_KEEP", "1s"),
            ("NARTHEX_CUT_TAKE_OVER", "10s"),
            ("NARTHEX_CUT_CONCURRENCY", "4"),
        ];
        let mut world = World::start_with(sandbox, &second).await?;
        let base = world.cluster.instance("control-plane-zone-a-0")?.base.clone();
        let mut border = Border { recorders: vec![], writing: vec![], stop: Arc::default(), reading: vec![] };
        for number in 0..workspaces {
            let api = world.cluster.api.create_workspace(&base, &format!("border {number}")).await?;
            until(&sandbox.clock, "the workspace to be active", DEADLINE, async || {
                let path = format!("/workspaces/{}", api.workspace);
                let reply = api.control(Method::GET, &base, &path, None).await?;
                let status = reply.json()?["workspace"]["status"]["statusCode"].clone();
                Ok(if status == "ACTIVE" { Ok(()) } else { Err(reply.to_string()) })
            })
            .await?;
            let recorder = Recorder::new(api, world.cluster.distributors.clone(), Random::from_system());
            border.writing.push(recorder.start(1));
            let (reader, queriers, stop) =
                (recorder.clone(), world.cluster.queriers.clone(), border.stop.clone());
            border.reading.push(tokio::spawn(async move {
                let mut reads = 0;
                while !stop.load(SeqCst) {
                    let querier = &queriers[reads as usize % queriers.len()];
                    reader.verify_last(querier, Duration::from_secs(20), DEADLINE).await?;
                    reads += 1;
                }
                Ok(reads)
            }));
            border.recorders.push(recorder);
        }
        let gateways = world.cluster.names(|instance| instance.service == "store-gateway");
        let mut restarts = 0;
        loop {
            let committed = world.total(sandbox, "narthex_ingester_cuts_committed_total").await?;
            if committed >= goal && restarts >= gateways.len() {
                break;
            }
            ensure!(!border.reading.iter().any(tokio::task::JoinHandle::is_finished), "a reader gave up");
            let gateway = [gateways[restarts % gateways.len()].clone()];
            world.cluster.kill(&gateway)?;
            elapse(sandbox, 2).await;
            world.cluster.launch(sandbox, &gateway)?;
            world.cluster.ready(sandbox, &gateway).await?;
            restarts += 1;
            elapse(sandbox, 2).await;
        }
        for writing in border.writing {
            let tally = writing.stop().await?;
            ensure!(tally.failed.is_empty(), "requests failed twice: {:?}", tally.failed);
        }
        border.stop.store(true, SeqCst);
        let mut reads = 0;
        for reading in border.reading {
            reads += reading.await??;
        }
        let committed = world.total(sandbox, "narthex_ingester_cuts_committed_total").await?;
        eprintln!(
            "{committed} cuts while {restarts} gateways were restarted and {reads} queries were compared"
        );
        for recorder in &border.recorders {
            recorder.verify(&world.cluster.queriers[0], DEADLINE).await?;
        }
        Ok(())
    });
}
