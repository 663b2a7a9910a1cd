//! `admin flush`: ingesters cut what can be cut.
//!
//! They are asked one after the other, so that the owners of a partition do not write one block each: the second finds the
//! cuts of the first committed.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use narthex_cluster::ControlPlane;
use narthex_model::WorkspaceId;
use narthex_rpc::{
    PeerOptions, Peers,
    v1::{FlushRequest, FlushResponse, InstanceState, Role, Topic, WatchRequest},
};
use narthex_service::Components;

use super::AdminError;

/// A backlog of many windows takes its time.
const FLUSH_LIMIT: Duration = Duration::from_secs(3_600);

pub(super) async fn flush(
    control: &ControlPlane,
    only: Option<&str>,
    workspace: Option<WorkspaceId>,
    components: &Components,
) -> Result<String, AdminError> {
    let ingesters = ingesters(control).await?;
    let chosen: Vec<_> = ingesters.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    if chosen.is_empty() {
        let known: Vec<&str> = ingesters.keys().map(String::as_str).collect();
        return Err(AdminError::Refused(match only {
            Some(name) => format!("there is no ingester {name:?}; registered are {known:?}"),
            None => "no ingester is registered".to_owned(),
        }));
    }
    let peers = Peers::new(PeerOptions::default(), components.clock.clone());
    let bytes = workspace.map(|workspace| workspace.to_bytes().to_vec()).unwrap_or_default();
    let (mut lines, mut complete) = (Vec::new(), true);
    for (name, address) in chosen {
        let request = FlushRequest { workspace: bytes.clone().into() };
        match peers.flush(address, request, FLUSH_LIMIT).await {
            Ok(answer) => {
                complete &= answer.pending == 0;
                lines.push(describe(name, &answer));
            }
            Err(error) => {
                complete = false;
                lines.push(format!("{name}: {error}"));
            }
        }
    }
    let text = lines.join("\n");
    if complete { Ok(text) } else { Err(AdminError::Incomplete(text)) }
}

fn describe(name: &str, answer: &FlushResponse) -> String {
    let FlushResponse { committed, pending, reasons, open } = answer;
    let mut text = format!(
        "{name}: {committed} committed, {pending} pending, {open} open for samples that may still come"
    );
    for reason in reasons {
        text += &format!("\n    {reason}");
    }
    text
}

/// Names and addresses of the ingesters that are registered.
async fn ingesters(control: &ControlPlane) -> Result<BTreeMap<String, String>, AdminError> {
    let refused =
        |text: &str| AdminError::Refused(format!("the control plane does not name the ingesters: {text}"));
    let request = WatchRequest { from_revision: 0, topics: vec![Topic::Instances.into()] };
    let mut events = control.watch(request).await.map_err(|status| refused(status.message()))?;
    // The first event is the whole state.
    let event = events.next().await.ok_or_else(|| refused("it ended the connection"))?;
    let instances = event.map_err(|status| refused(status.message()))?.instances;
    let ingester = |instance: &InstanceState| instance.role() == Role::Ingester;
    let named = instances.into_iter().filter(ingester).map(|instance| (instance.instance, instance.address));
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_line_and_one_for_each_reason() {
        let answer = FlushResponse { committed: 2, pending: 1, reasons: vec!["why".into()], open: 3 };
        let text = describe("ingester-zone-a-0", &answer);
        assert!(text.starts_with("ingester-zone-a-0: 2 committed, 1 pending, 3 open"), "{text}");
        assert!(text.ends_with("\n    why"), "{text}");
    }
}
