//! `admin unreadable-blocks` and `admin remove-block`: what an operator does about blocks that are missing or damaged.
//!
//! A query that needs such a block fails and names it. Restoring the object mends that; where there is no copy, taking the
//! block out of the manifest says on purpose that its samples are given up. Its cuts stay committed, so that no owner writes
//! them again, and what is left of the object is collected as garbage.

use std::{collections::BTreeSet, sync::Arc};

use clap::Args;
use futures::StreamExt;
use narthex_bucket::{BucketArgs, BucketUrl, explain, layout};
use narthex_cluster::ControlPlane;
use narthex_manifest::{Edit, Entry, Manifest, ManifestError, ManifestSettings, ManifestStore, Outcome};
use narthex_model::{BlockId, TimestampMs, WorkspaceId};
use narthex_rpc::v1::{AnnounceRequest, ManifestHint};
use narthex_service::Components;
use object_store::ObjectStore;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    AdminError,
    check::{Verdict, check},
};

/// Blocks that are read at a time.
const PARALLEL: usize = 4;

/// Which blocks to look at.
#[derive(Debug, Clone, Args)]
pub struct UnreadableBlocks {
    /// Only this workspace. Unset: all in the bucket
    #[arg(long, value_name = "WORKSPACE")]
    pub workspace: Option<WorkspaceId>,

    /// Where the blocks are.
    #[command(flatten)]
    pub bucket: Box<BucketArgs>,
}

/// Which block to take out.
#[derive(Debug, Clone, Args)]
pub struct RemoveBlock {
    /// Whose block it is
    #[arg(long, value_name = "WORKSPACE")]
    pub workspace: WorkspaceId,

    /// The block, as errors of queries and `unreadable-blocks` name it
    #[arg(long, value_name = "BLOCK")]
    pub block: BlockId,

    /// Take it out although it can be read, or although the bucket does not tell whether it can
    #[arg(long)]
    pub force: bool,

    /// Where the block is.
    #[command(flatten)]
    pub bucket: Box<BucketArgs>,
}

/// The bucket, and how to read the manifests in it.
struct Catalogue<'a> {
    store: Arc<dyn ObjectStore>,
    settings: ManifestSettings,
    components: &'a Components,
}

impl<'a> Catalogue<'a> {
    fn open(args: &BucketArgs, components: &'a Components) -> Result<Self, AdminError> {
        // To open a directory makes it, and a wrong name would look like a bucket without blocks.
        if let Some(BucketUrl::Directory(directory)) = &args.url
            && !directory.is_dir()
        {
            return Err(AdminError::Refused(format!("there is no directory {}", directory.display())));
        }
        let bucket = narthex_bucket::open(args, components)?;
        let request_timeout = args.request_timeout.get();
        let settings = ManifestSettings { request_timeout, ..ManifestSettings::default() };
        Ok(Self { store: bucket.store(), settings, components })
    }

    /// The newest manifest, and the means to change it. The window length is the manifest's own.
    async fn newest(&self, workspace: WorkspaceId) -> Result<(ManifestStore, Arc<Manifest>), ManifestError> {
        let mut settings = self.settings;
        loop {
            let manifests = ManifestStore::new(Arc::clone(&self.store), settings, self.components);
            match manifests.newest(workspace).await {
                Err(ManifestError::WindowLength { manifest, own, .. }) if manifest != own => {
                    settings.window_length = manifest;
                }
                found => return Ok((manifests, found?)),
            }
        }
    }

    /// Every workspace that has something in the bucket.
    async fn workspaces(&self) -> Result<Vec<WorkspaceId>, AdminError> {
        let listed = self.store.list_with_delimiter(Some(&layout::workspaces_prefix())).await;
        let listed = listed.map_err(|error| AdminError::Refused(explain(&error)))?;
        let name = |path: object_store::path::Path| path.filename().and_then(|name| name.parse().ok());
        Ok(listed.common_prefixes.into_iter().filter_map(name).collect())
    }
}

pub(super) async fn unreadable(
    asked: UnreadableBlocks,
    components: &Components,
) -> Result<String, AdminError> {
    let catalogue = Catalogue::open(&asked.bucket, components)?;
    let workspaces = match asked.workspace {
        Some(workspace) => vec![workspace],
        None => catalogue.workspaces().await?,
    };
    let (mut lines, mut blocks) = (Vec::new(), 0);
    for workspace in workspaces {
        let (_, manifest) = catalogue.newest(workspace).await?;
        blocks += manifest.len();
        let read = |entry: Arc<Entry>| {
            let store = Arc::clone(&catalogue.store);
            async move { (check(store, workspace, &entry).await, entry) }
        };
        let entries: Vec<_> = manifest.entries().cloned().collect();
        let mut checked = futures::stream::iter(entries).map(read).buffered(PARALLEL);
        while let Some((verdict, entry)) = checked.next().await {
            if verdict != Verdict::Readable {
                lines.push(format!("{workspace} {}: {verdict}", describe(&entry)));
            }
        }
    }
    if lines.is_empty() {
        return Ok(format!("{blocks} blocks, and all can be read"));
    }
    lines.push(format!(
        "{} of {blocks} blocks cannot be read: restore the objects from a copy of the bucket, or give their samples up with remove-block",
        lines.len()
    ));
    Ok(lines.join("\n"))
}

pub(super) async fn remove(
    asked: RemoveBlock,
    control: &ControlPlane,
    components: &Components,
) -> Result<String, AdminError> {
    let RemoveBlock { workspace, block, force, bucket } = asked;
    let catalogue = Catalogue::open(&bucket, components)?;
    let (manifests, manifest) = catalogue.newest(workspace).await?;
    let Some(entry) = manifest.entries().find(|entry| entry.id == block).cloned() else {
        let revision = manifest.revision();
        return Err(AdminError::Refused(format!(
            "the manifest of {workspace} at revision {revision} does not name a block {block}"
        )));
    };
    let verdict = check(Arc::clone(&catalogue.store), workspace, &entry).await;
    if matches!(verdict, Verdict::Readable | Verdict::Open(_)) && !force {
        return Err(AdminError::Refused(format!(
            "block {block} {verdict}; --force takes it out all the same"
        )));
    }
    let edit = Edit::Remove(BTreeSet::from([block]));
    match manifests.commit(workspace, edit).await? {
        Outcome::Committed(newest) => {
            let hint = ManifestHint {
                workspace: workspace.to_bytes().to_vec().into(),
                revision: newest.revision().0,
            };
            control.announce(AnnounceRequest { hints: vec![hint] }).await;
            Ok(format!("took out {} ({verdict}) at revision {}", describe(&entry), newest.revision()))
        }
        Outcome::Refused { refused, .. } => Err(AdminError::Refused(refused.to_string())),
        Outcome::Rewrite(_) | Outcome::Undecided => Err(AdminError::Refused(
            "whether the block was taken out is not known; run the command again".to_owned(),
        )),
    }
}

/// What a block holds, in words.
fn describe(entry: &Entry) -> String {
    let Entry { id, series, samples, time, .. } = entry;
    format!(
        "block {id} of {series} series and {samples} samples from {} to {}",
        words(time.min),
        words(time.max)
    )
}

fn words(at: TimestampMs) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{at} ms"))
}

#[cfg(test)]
mod tests;
