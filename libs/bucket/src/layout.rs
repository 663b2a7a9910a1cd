//! Names of the keys in a bucket: what is built here is parsed here, and nobody else spells a key.
//!
//! ```text
//! workspaces/<ws>/manifest/<u64::MAX - revision, 20 digits>   a root
//! workspaces/<ws>/manifest/segments/<id>                      a segment of closed entries
//! workspaces/<ws>/blocks/<ulid>/data.parquet                  a block
//! backups/control-plane/<name>                                a backup of the control plane's state
//! ```
//!
//! Backends list by bytes (AWS) or folder by folder (servers over a file system). For these keys that is the same order, and
//! the newest root is the first key under its workspace's manifest: digits come before `segments`. Every object has one spelling; another one parses as nothing, and so is never taken for ours.

use std::{fmt, str::FromStr};

use narthex_model::{BlockId, ManifestRevision, WorkspaceId};
use object_store::path::Path;

const WORKSPACES: &str = "workspaces";
const MANIFEST: &str = "manifest";
const SEGMENTS: &str = "segments";
const BLOCKS: &str = "blocks";
const DATA: &str = "data.parquet";
const CONTROL_PLANE_BACKUPS: &str = "backups/control-plane";

/// Name of a manifest segment: 128 bits, 32 lower-case hexadecimal digits in its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u128);

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A text that names no segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid segment id {0:?}: expected 32 lower-case hexadecimal digits")]
pub struct SegmentIdError(String);

impl FromStr for SegmentId {
    type Err = SegmentIdError;

    fn from_str(text: &str) -> Result<Self, SegmentIdError> {
        let id = u128::from_str_radix(text, 16).map(Self).ok().filter(|id| id.to_string() == text);
        id.ok_or_else(|| SegmentIdError(text.chars().take(40).collect()))
    }
}

/// What a key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A manifest root.
    Root(WorkspaceId, ManifestRevision),
    /// A manifest segment.
    Segment(WorkspaceId, SegmentId),
    /// A block's data.
    Block(WorkspaceId, BlockId),
}

impl Key {
    /// Whose object it is.
    pub const fn workspace(self) -> WorkspaceId {
        match self {
            Self::Root(workspace, _) | Self::Segment(workspace, _) | Self::Block(workspace, _) => workspace,
        }
    }

    /// Its place in the bucket.
    pub fn path(self) -> Path {
        match self {
            Self::Root(workspace, revision) => manifest_root(workspace, revision),
            Self::Segment(workspace, id) => segment(workspace, id),
            Self::Block(workspace, block) => block_data(workspace, block),
        }
    }
}

/// Above all workspaces; list it with a delimiter to find them.
pub fn workspaces_prefix() -> Path {
    Path::from(WORKSPACES)
}

/// Above all backups of the control plane's state.
pub fn control_plane_backups_prefix() -> Path {
    Path::from(CONTROL_PLANE_BACKUPS)
}

/// A backup of the control plane's state, whose names are the control plane's.
pub fn control_plane_backup(name: &str) -> Path {
    Path::from(CONTROL_PLANE_BACKUPS).join(name)
}

/// Above everything of a workspace.
pub fn workspace_prefix(workspace: WorkspaceId) -> Path {
    Path::from(format!("{WORKSPACES}/{workspace}"))
}

/// Above a workspace's roots and segments. The first key below it is the newest root.
pub fn manifest_prefix(workspace: WorkspaceId) -> Path {
    Path::from(format!("{WORKSPACES}/{workspace}/{MANIFEST}"))
}

/// A root. Revisions count down in the key, so that the newest comes first.
pub fn manifest_root(workspace: WorkspaceId, revision: ManifestRevision) -> Path {
    Path::from(format!("{WORKSPACES}/{workspace}/{MANIFEST}/{:020}", u64::MAX - revision.0))
}

/// Above a workspace's segments.
pub fn segments_prefix(workspace: WorkspaceId) -> Path {
    Path::from(format!("{WORKSPACES}/{workspace}/{MANIFEST}/{SEGMENTS}"))
}

/// A segment.
pub fn segment(workspace: WorkspaceId, id: SegmentId) -> Path {
    Path::from(format!("{WORKSPACES}/{workspace}/{MANIFEST}/{SEGMENTS}/{id}"))
}

/// Above a workspace's blocks.
pub fn blocks_prefix(workspace: WorkspaceId) -> Path {
    Path::from(format!("{WORKSPACES}/{workspace}/{BLOCKS}"))
}

/// Above the objects of one block.
pub fn block_prefix(workspace: WorkspaceId, block: BlockId) -> Path {
    Path::from(format!("{WORKSPACES}/{workspace}/{BLOCKS}/{block}"))
}

/// A block's samples.
pub fn block_data(workspace: WorkspaceId, block: BlockId) -> Path {
    Path::from(format!("{WORKSPACES}/{workspace}/{BLOCKS}/{block}/{DATA}"))
}

/// What `path` names; `None` for anything that is not spelled exactly as this module does.
pub fn parse(path: &Path) -> Option<Key> {
    let mut parts = path.as_ref().split('/');
    let mut next = || parts.next();
    if next()? != WORKSPACES {
        return None;
    }
    let workspace = next()?.parse().ok()?;
    let key = match (next()?, next()?, next(), next()) {
        (MANIFEST, root, None, None) => Key::Root(workspace, parse_revision(root)?),
        (MANIFEST, SEGMENTS, Some(id), None) => Key::Segment(workspace, id.parse().ok()?),
        (BLOCKS, block, Some(DATA), None) => Key::Block(workspace, block.parse().ok()?),
        _ => return None,
    };
    Some(key)
}

/// The workspace and revision of a root.
pub fn parse_root(path: &Path) -> Option<(WorkspaceId, ManifestRevision)> {
    match parse(path)? {
        Key::Root(workspace, revision) => Some((workspace, revision)),
        _ => None,
    }
}

/// The workspace and id of a segment.
pub fn parse_segment(path: &Path) -> Option<(WorkspaceId, SegmentId)> {
    match parse(path)? {
        Key::Segment(workspace, id) => Some((workspace, id)),
        _ => None,
    }
}

/// The workspace and id of a block, from the key of its data.
pub fn parse_block(path: &Path) -> Option<(WorkspaceId, BlockId)> {
    match parse(path)? {
        Key::Block(workspace, block) => Some((workspace, block)),
        _ => None,
    }
}

/// The workspace of a prefix that a delimited listing of [`workspaces_prefix`] found.
pub fn parse_workspace(prefix: &Path) -> Option<WorkspaceId> {
    let (first, workspace) = prefix.as_ref().split_once('/')?;
    (first == WORKSPACES).then(|| workspace.parse().ok())?
}

fn parse_revision(digits: &str) -> Option<ManifestRevision> {
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(ManifestRevision(u64::MAX - digits.parse::<u64>().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> impl Strategy<Value = Key> {
        (any::<u128>(), any::<u128>(), any::<u64>(), 0..3).prop_map(|(workspace, id, revision, kind)| {
            let workspace = WorkspaceId::from_u128(workspace);
            match kind {
                0 => Key::Root(workspace, ManifestRevision(revision)),
                1 => Key::Segment(workspace, SegmentId(id)),
                _ => Key::Block(workspace, BlockId::from_u128(id)),
            }
        })
    }

    proptest! {
        #[test]
        fn keys_read_back(key in keys()) {
            let path = key.path();
            prop_assert_eq!(parse(&path), Some(key));
            prop_assert!(path.prefix_matches(&workspace_prefix(key.workspace())));
        }

        #[test]
        fn newer_roots_come_first_and_before_segments(older: u64, newer: u64, id: u128, ws: u128) {
            prop_assume!(older < newer);
            let ws = WorkspaceId::from_u128(ws);
            let (old, new) = (ManifestRevision(older), ManifestRevision(newer));
            prop_assert!(manifest_root(ws, new) < manifest_root(ws, old));
            prop_assert!(manifest_root(ws, old) < segment(ws, SegmentId(id)));
        }

        #[test]
        fn order_by_bytes_is_order_by_folders(one in keys(), other in keys(), same_workspace: bool) {
            let mut other = other;
            if same_workspace {
                other = match other {
                    Key::Root(_, revision) => Key::Root(one.workspace(), revision),
                    Key::Segment(_, id) => Key::Segment(one.workspace(), id),
                    Key::Block(_, block) => Key::Block(one.workspace(), block),
                };
            }
            let (one, other) = (one.path().to_string(), other.path().to_string());
            prop_assert_eq!(one.cmp(&other), one.split('/').cmp(other.split('/')));
        }

        #[test]
        fn any_other_spelling_is_nothing(text in "[ -~]{0,90}", key in keys(), at: prop::sample::Index, byte in 32u8..127) {
            if let Ok(path) = Path::parse(&text) {
                prop_assert!(parse(&path).is_none_or(|key| key.path() == path));
            }
            let mut bytes = key.path().to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let text = String::from_utf8(bytes).expect("ASCII");
            if let Ok(path) = Path::parse(&text) {
                prop_assert!(parse(&path).is_none_or(|key| key.path() == path), "{text}");
            }
        }
    }

    #[test]
    fn keys_are_spelled_as_documented() {
        let ws: WorkspaceId = "ws-00000000-0000-4000-8000-000000000001".parse().expect("valid");
        let root = manifest_root(ws, ManifestRevision(1));
        assert_eq!(
            root.as_ref(),
            "workspaces/ws-00000000-0000-4000-8000-000000000001/manifest/18446744073709551614"
        );
        assert_eq!(parse_root(&root), Some((ws, ManifestRevision(1))));
        assert_eq!(
            segment(ws, SegmentId(255)).as_ref(),
            "workspaces/ws-00000000-0000-4000-8000-000000000001/manifest/segments/000000000000000000000000000000ff"
        );
        let block = BlockId::new(0, 1);
        assert_eq!(
            block_data(ws, block).as_ref(),
            format!("workspaces/ws-00000000-0000-4000-8000-000000000001/blocks/{block}/data.parquet")
        );
        assert_eq!(parse_block(&block_data(ws, block)), Some((ws, block)));
        assert_eq!(parse_segment(&root), None);
        assert_eq!(parse_workspace(&workspace_prefix(ws)), Some(ws));
        assert_eq!(parse_workspace(&workspaces_prefix()), None);
        for other in
            ["workspaces", "workspaces/x/manifest/1", "probe/1", "workspaces/ws-1/blocks/x/data.parquet/y"]
        {
            assert_eq!(parse(&Path::from(other)), None, "{other}");
        }
    }
}
