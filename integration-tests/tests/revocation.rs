//! What an operator takes away is gone at every door of a three-zone cluster within seconds (SEC-7, SEC-22): keys, sessions
//! and permissions, told to one control-plane node and refused by all services that take signed requests. What others may do
//! stays.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use http::Method;
use narthex_integration_tests::{
    aws::{Api, Signer, element},
    http::Reply,
    sandbox::{Cluster, DEADLINE, Sandbox, admin, apply_identities, scenario, until},
    wire::WriteRequest,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// As long as something that was taken away may still work anywhere.
const LIMIT: Duration = Duration::from_secs(5);

/// A service that takes signed requests.
#[derive(Debug, Clone)]
struct Door {
    name: String,
    service: &'static str,
    base: String,
}

/// Nine of them.
fn doors(cluster: &Cluster) -> Result<Vec<Door>> {
    let names =
        cluster.names(|instance| ["control-plane", "distributor", "querier"].contains(&instance.service));
    let door = |name: &String| {
        let instance = cluster.instance(name)?;
        Ok(Door { name: name.clone(), service: instance.service, base: instance.base.clone() })
    };
    names.iter().map(door).collect()
}

impl Door {
    /// Asks for what the service does.
    async fn knock(&self, api: &Api) -> Result<Reply> {
        match self.service {
            "control-plane" => api.control(Method::GET, &self.base, "/workspaces", None).await,
            "distributor" => {
                let now = api.http.clock().now().0;
                api.write(&self.base, WriteRequest::one(&[("__name__", "knock")], &[(now, 1.0)]).compressed())
                    .await
            }
            _ => api.get(&self.base, "query", &[("query", "knock")]).await,
        }
    }
}

/// What is expected of a reply: success, or an error of that name.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Let,
    Refused(&'static str),
}

impl Expected {
    fn is(self, reply: &Reply) -> bool {
        match self {
            Self::Let => reply.status.is_success(),
            Self::Refused(error) => reply.status == 403 && reply.header("x-amzn-errortype") == error,
        }
    }
}

/// Waits until every door answers as expected, each to have done so within the limit since `start` (monotonic).
async fn everywhere(
    sandbox: &Sandbox,
    what: &str,
    doors: &[Door],
    api: &Api,
    expected: Expected,
    start: Duration,
) -> Result<()> {
    let waits = doors.iter().map(|door| async move {
        until(&sandbox.clock, &format!("{what} at {}", door.name), DEADLINE, async || {
            let reply = door.knock(api).await?;
            Ok(if expected.is(&reply) { Ok(()) } else { Err(reply.to_string()) })
        })
        .await?;
        anyhow::Ok((sandbox.clock.monotonic().saturating_sub(start), door.name.clone()))
    });
    let mut times = try_join_all(waits).await?;
    times.sort();
    let (slowest, name) = times.last().context("doors")?;
    eprintln!("{what}: everywhere after {} ms, the last {name}", slowest.as_millis());
    ensure!(*slowest <= LIMIT, "{what} took {slowest:?} at {name}: {times:?}");
    Ok(())
}

/// A client whose key nobody touches, in use at every door all the while.
struct Bystander {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Result<u64>>>,
}

impl Bystander {
    fn start(doors: &[Door], api: &Api) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = doors.iter().map(|door| {
            let (door, api, stop) = (door.clone(), api.clone(), stop.clone());
            tokio::spawn(async move {
                let mut count = 0;
                while !stop.load(Relaxed) {
                    let reply = door.knock(&api).await?;
                    ensure!(reply.status.is_success(), "a bystander at {}: {reply}", door.name);
                    count += 1;
                    api.http.clock().sleep(Duration::from_millis(100)).await;
                }
                Ok(count)
            })
        });
        Self { tasks: tasks.collect(), stop }
    }

    async fn stop(self) -> Result<()> {
        self.stop.store(true, Relaxed);
        let mut count = 0;
        for task in self.tasks {
            count += task.await??;
        }
        eprintln!("{count} requests of a bystander went through");
        Ok(())
    }
}

/// The operator at one node, who tells it what to take away.
struct Operator<'a> {
    sandbox: &'a Sandbox,
    /// gRPC address of the node.
    node: String,
    account: String,
}

impl Operator<'_> {
    fn identity(&self, arguments: &[&str]) -> Result<String> {
        admin(&self.node, &[&["identity"], arguments].concat())
    }

    /// A new key of a user.
    fn key(&self, of: &Api, user: &str) -> Result<Api> {
        let told = self.identity(&["create-access-key", "--account", &self.account, "--user", user])?;
        let parts: BTreeMap<&str, &str> = told.lines().filter_map(|line| line.split_once(": ")).collect();
        let part = |name: &str| parts.get(name).copied().with_context(|| format!("no {name} in {told}"));
        let region = of.signer.as_ref().map_or("us-east-1", |signer| &signer.region);
        let signer = Signer::new(part("access_key_id")?, part("secret_access_key")?, region);
        Ok(Api { signer: Some(signer), ..of.clone() })
    }

    fn users(&self, victim: &Value) -> Value {
        let trust = json!({
            "Version": "2012-10-17", "Statement": {
                "Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": {"AWS": format!("arn:aws:iam::{}:user/bystander", self.account)},
            },
        });
        let everything = json!(["AmazonPrometheusFullAccess"]);
        json!({"accounts": [{
            "account_id": self.account,
            "users": [
                {"name": "victim", "inline_policies": {"own": victim}},
                {"name": "bystander", "policies": everything},
            ],
            "roles": [{"name": "guest", "policies": everything, "trust_policy": trust}],
        }]})
    }

    fn now(&self) -> Duration {
        self.sandbox.clock.monotonic()
    }
}

fn allowing(actions: &[&str]) -> Value {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}})
}

/// A session of the role `guest`.
async fn assume(api: &Api, control: &str, account: &str) -> Result<Api> {
    let role = format!("arn:aws:iam::{account}:role/guest");
    let form = [("Action", "AssumeRole"), ("RoleArn", role.as_str()), ("RoleSessionName", "a-guest")];
    let reply = api.sts(control, &form).await?;
    ensure!(reply.status == 200, "AssumeRole: {:?} {reply}", element(&reply, "Message"));
    api.with_session(&reply)
}

const UNKNOWN: Expected = Expected::Refused("UnrecognizedClientException");
const EXPIRED: Expected = Expected::Refused("ExpiredTokenException");
const DENIED: Expected = Expected::Refused("AccessDeniedException");

#[test]
fn what_is_taken_away_at_one_node_is_gone_everywhere_within_five_seconds() {
    scenario(async |sandbox| {
        let cluster = Cluster::start(sandbox).await?;
        let doors = doors(&cluster)?;
        ensure!(doors.len() == 9, "{doors:?}");
        let node = cluster.instance("control-plane-zone-b-0")?.grpc.clone().context("an address")?;
        let operator = Operator { sandbox, node, account: cluster.account()? };
        apply_identities(&operator.node, &operator.users(&allowing(&["aps:*"])))?;
        let victim = operator.key(&cluster.api, "victim")?;
        let bystander = operator.key(&cluster.api, "bystander")?;
        let id = victim.signer.as_ref().context("signs")?.access_key_id.clone();
        // New keys are known at once: a door that does not know one asks.
        for door in &doors {
            for api in [&victim, &bystander] {
                let reply = door.knock(api).await?;
                ensure!(reply.status.is_success(), "a new key at {}: {reply}", door.name);
            }
        }
        let others = Bystander::start(&doors, &bystander);
        let all = async |what: &str, api: &Api, expected: Expected, start: Duration| {
            everywhere(sandbox, what, &doors, api, expected, start).await
        };

        let start = operator.now();
        operator.identity(&["disable-access-key", &id])?;
        all("a disabled key is refused", &victim, UNKNOWN, start).await?;
        let start = operator.now();
        operator.identity(&["enable-access-key", &id])?;
        all("an enabled key is accepted", &victim, Expected::Let, start).await?;

        let start = operator.now();
        apply_identities(
            &operator.node,
            &operator.users(&allowing(&["aps:ListWorkspaces", "aps:QueryMetrics"])),
        )?;
        let (writers, readers): (Vec<_>, Vec<_>) =
            doors.iter().cloned().partition(|door| door.service == "distributor");
        everywhere(sandbox, "a policy without writing", &writers, &victim, DENIED, start).await?;
        everywhere(sandbox, "what the policy still allows", &readers, &victim, Expected::Let, start).await?;

        let start = operator.now();
        operator.identity(&["delete-access-key", &id])?;
        all("a deleted key is refused", &victim, UNKNOWN, start).await?;

        sessions(&operator, &cluster, &doors, &bystander).await?;
        others.stop().await
    });
}

/// Sessions of a role are revoked, a session of later works, and with the role all are gone.
async fn sessions(operator: &Operator<'_>, cluster: &Cluster, doors: &[Door], bystander: &Api) -> Result<()> {
    let (sandbox, account) = (operator.sandbox, operator.account.as_str());
    let control = cluster.bases("control-plane");
    let guest = assume(bystander, &control[0], account).await?;
    for door in doors {
        let reply = door.knock(&guest).await?;
        ensure!(reply.status.is_success(), "a session at {}: {reply}", door.name);
    }
    let start = operator.now();
    operator.identity(&["revoke-sessions", "--account", account, "--role", "guest"])?;
    everywhere(sandbox, "a revoked session is refused", doors, &guest, EXPIRED, start).await?;

    let again = assume(bystander, &control[2], account).await?;
    for door in doors {
        let reply = door.knock(&again).await?;
        ensure!(reply.status.is_success(), "a session after that at {}: {reply}", door.name);
        let reply = door.knock(&guest).await?;
        ensure!(EXPIRED.is(&reply), "the revoked one at {}: {reply}", door.name);
    }
    let mut without = operator.users(&allowing(&["aps:*"]));
    without["accounts"][0]["roles"] = json!([]);
    let kept = &bystander.signer.as_ref().context("signs")?.access_key_id;
    without["accounts"][0]["users"][1]["access_keys"] = json!([{"access_key_id": kept}]);
    let start = operator.now();
    let pruned = prune(&operator.node, sandbox, &without)?;
    ensure!(pruned.contains("delete role guest"), "{pruned}");
    everywhere(sandbox, "a session of no role is refused", doors, &again, UNKNOWN, start).await
}

/// As [`apply_identities`], and what the document does not name goes.
fn prune(node: &str, sandbox: &Sandbox, document: &Value) -> Result<String> {
    let file = sandbox.path().join("identities.json");
    std::fs::write(&file, document.to_string())?;
    admin(node, &["identity", "apply", "--prune", file.to_str().context("a path")?])
}

#[test]
fn a_key_is_refused_everywhere_though_a_control_plane_node_is_gone_or_hangs() {
    scenario(async |sandbox| {
        let mut cluster = Cluster::start(sandbox).await?;
        let names = cluster.names(|instance| instance.service == "control-plane");
        let (hanging, working) = (names[0].clone(), names[1].clone());
        let node = cluster.instance(&working)?.grpc.clone().context("an address")?;
        let operator = Operator { sandbox, node, account: cluster.account()? };
        apply_identities(&operator.node, &operator.users(&allowing(&["aps:*"])))?;
        let doors: Vec<_> = doors(&cluster)?.into_iter().filter(|door| door.name != hanging).collect();
        for killed in [false, true] {
            let victim = operator.key(&cluster.api, "victim")?;
            let start = operator.now();
            everywhere(sandbox, "a new key is accepted", &doors, &victim, Expected::Let, start).await?;
            if killed {
                cluster.kill(std::slice::from_ref(&hanging))?;
            } else {
                cluster.process(&hanging)?.pause()?;
            }
            let id = victim.signer.as_ref().context("signs")?.access_key_id.clone();
            // With another leader elected first, where the one that is gone led.
            let start = until(&sandbox.clock, "an operator's command", DEADLINE, async || {
                let start = operator.now();
                Ok(operator
                    .identity(&["disable-access-key", &id])
                    .map(|_| start)
                    .map_err(|error| error.to_string()))
            })
            .await?;
            let what = if killed { "with a node killed" } else { "with a node that hangs" };
            everywhere(sandbox, what, &doors, &victim, UNKNOWN, start).await?;
            if killed {
                return Ok(());
            }
            cluster.process(&hanging)?.resume()?;
            cluster.ready(sandbox, std::slice::from_ref(&hanging)).await?;
        }
        bail!("both were tried")
    });
}
