//! Checkpoints: what lets old log segments go.
//!
//! A checkpoint begins a new segment, snapshots every head that changed since its last snapshot, and then replaces the file
//! `checkpoint`, which names one snapshot for each workspace and the first segment to replay. Each step is durable before the next
//! (sync, rename, sync of the directory), and only at the end do older segments and snapshots go; a crash at any point leaves
//! the checkpoint before it, with all that it needs. Pushes go on meanwhile.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{atomic::Ordering, mpsc},
};

use hashbrown::{HashMap, HashSet};
use narthex_model::WorkspaceId;

use super::{
    chunk_file,
    config::{OnDamage, StorageConfig},
    disk::Disk,
    error::{OpenError, StorageError},
    replay::Rebuilt,
    shared::{Shared, Snapshot, Workspace},
    snapshot_file,
    writer::Job,
};
use crate::{
    head::Head,
    wal::{LogPosition, segment_number},
};

const FILE: &str = "checkpoint";
const MAGIC: [u8; 8] = *b"NTXCKPT\x01";

/// The content of the checkpoint file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Checkpoint {
    first_segment: u32,
    /// The greatest position that any snapshot contains; new segments must lie behind it.
    newest: LogPosition,
    snapshots: Vec<(WorkspaceId, String)>,
}

impl Checkpoint {
    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.first_segment.to_le_bytes());
        out.extend_from_slice(&self.newest.0.to_le_bytes());
        out.extend_from_slice(&(self.snapshots.len() as u32).to_le_bytes());
        for (workspace, name) in &self.snapshots {
            out.extend_from_slice(&workspace.to_bytes());
            out.extend_from_slice(&(name.len() as u32).to_le_bytes());
            out.extend_from_slice(name.as_bytes());
        }
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<4>()?;
        let mut rest =
            body.strip_prefix(&MAGIC).filter(|_| crc32c::crc32c(body) == u32::from_le_bytes(*checksum))?;
        let mut take = |length: usize| {
            let (taken, left) = rest.split_at_checked(length)?;
            rest = left;
            Some(taken)
        };
        let first_segment = u32::from_le_bytes(*take(4)?.first_chunk()?);
        let newest = LogPosition(u64::from_le_bytes(*take(8)?.first_chunk()?));
        let count = u32::from_le_bytes(*take(4)?.first_chunk()?);
        let mut snapshots = Vec::new();
        for _ in 0..count {
            let workspace = WorkspaceId::from_slice(take(16)?).ok()?;
            let length = u32::from_le_bytes(*take(4)?.first_chunk()?) as usize;
            snapshots.push((workspace, String::from_utf8(take(length)?.to_vec()).ok()?));
        }
        Some(Self { first_segment, newest, snapshots })
    }
}

/// Writes a checkpoint. One at a time.
pub(super) fn write(shared: &Shared) -> Result<(), StorageError> {
    let mut count = shared.checkpointing.lock();
    let outcome = write_all(shared);
    match &outcome {
        Ok(bytes) => {
            *count += 1;
            shared.metrics.checkpoints.inc();
            shared.metrics.checkpoint_bytes.set(i64::try_from(*bytes).unwrap_or(i64::MAX));
        }
        Err(error) => {
            shared.metrics.checkpoint_failures.inc();
            tracing::warn!(%error, "checkpoint failed; the write-ahead log grows until one succeeds");
        }
    }
    outcome.map(drop)
}

fn write_all(shared: &Shared) -> Result<u64, StorageError> {
    let (reply, rolled) = mpsc::channel();
    shared.submit(Job::Roll(reply))?;
    let start = rolled.recv().map_err(|_| StorageError::Closed)??;
    let pending = shared.uncheckpointed.swap(0, Ordering::Relaxed);
    let outcome = snapshot_all(shared, start.segment()).map_err(|(path, error)| io_failed(&path, &error));
    if outcome.is_err() {
        shared.uncheckpointed.fetch_add(pending, Ordering::Relaxed);
    }
    let (checkpoint, named, bytes) = outcome?;
    clean_log(shared, &checkpoint);
    release_ids(shared, &named);
    clean_heads_beside(shared, &named);
    Ok(bytes)
}

/// Ids that only older checkpoints knew are free.
fn release_ids(shared: &Shared, named: &[(WorkspaceId, Snapshot)]) {
    for (id, snapshot) in named {
        if let Some(workspace) = shared.workspace(*id) {
            workspace.state.write().head.snapshot_durable(snapshot.number);
        }
    }
}

type IoFailed = (PathBuf, io::Error);

fn io_failed(path: &Path, error: &io::Error) -> StorageError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageError::Full(text),
        _ => StorageError::Failed(text),
    }
}

/// Snapshots by workspace.
type Named = Vec<(WorkspaceId, Snapshot)>;

fn snapshot_all(shared: &Shared, first_segment: u32) -> Result<(Checkpoint, Named, u64), IoFailed> {
    let workspaces: Vec<_> =
        shared.workspaces.read().iter().map(|(id, workspace)| (*id, workspace.clone())).collect();
    let mut checkpoint =
        Checkpoint { first_segment, newest: LogPosition::new(first_segment, 0), snapshots: Vec::new() };
    let (mut bytes, mut named) = (0, Vec::new());
    for (id, workspace) in workspaces {
        if shared.abandoned.load(Ordering::Acquire) {
            return Err((shared.config.directory.clone(), io::Error::other("storage is closing")));
        }
        let (kept, applied, dropped) = {
            let state = workspace.state.read();
            (state.snapshot.clone(), state.applied, state.dropped)
        };
        // What comes from now on is in the log behind this checkpoint.
        if dropped {
            continue;
        }
        let snapshot = match kept {
            Some(snapshot) if snapshot.begun == applied => snapshot,
            _ => {
                let (snapshot, newest) = snapshot_one(shared, id, &workspace, first_segment)?;
                checkpoint.newest = checkpoint.newest.max(newest);
                bytes += snapshot.bytes;
                snapshot
            }
        };
        checkpoint.snapshots.push((id, snapshot.name.clone()));
        named.push((id, snapshot));
    }
    let directory = &shared.config.directory;
    let (fresh, path) = (directory.join(format!("{FILE}.new")), directory.join(FILE));
    let replace = || {
        let file = shared.disk.create(&fresh)?;
        file.write_at(&checkpoint.encode(), 0)?;
        file.sync()?;
        shared.disk.rename(&fresh, &path)?;
        shared.disk.sync_directory(directory)
    };
    replace().map_err(|error| (path.clone(), error))?;
    Ok((checkpoint, named, bytes))
}

fn snapshot_one(
    shared: &Shared,
    id: WorkspaceId,
    workspace: &Workspace,
    segment: u32,
) -> Result<(Snapshot, LogPosition), IoFailed> {
    write_frozen(shared, id, workspace)?;
    let directory = shared.head_directory(id);
    let name = format!("{segment:010}.snap");
    let path = directory.join(&name);
    let make = || {
        shared.disk.create_directory(&directory)?;
        let written = snapshot_file::write(&*shared.disk, &path, id, workspace)?;
        shared.disk.sync_directory(&directory)?;
        shared.disk.sync_directory(&shared.config.directory.join("heads"))?;
        Ok(written)
    };
    let written = make().map_err(|error| (path.clone(), error))?;
    let snapshot_file::Written { begun, newest, bytes, number, files } = written;
    let snapshot = Snapshot { name, begun, number, files, bytes };
    let mut state = workspace.state.write();
    // Of a head that was dropped meanwhile nothing may be kept.
    if !state.dropped {
        state.snapshot = Some(snapshot.clone());
    }
    Ok((snapshot, newest))
}

/// Writes chunk files that are frozen and not on disk yet, so that their memory is given back.
pub(super) fn write_chunk_files(shared: &Shared) -> Result<(), StorageError> {
    let workspaces: Vec<_> =
        shared.workspaces.read().iter().map(|(id, workspace)| (*id, workspace.clone())).collect();
    for (id, workspace) in workspaces {
        write_frozen(shared, id, &workspace).map_err(|(path, error)| {
            tracing::warn!(path = %path.display(), %error, "chunk file cannot be written; its samples stay in memory and in the log");
            io_failed(&path, &error)
        })?;
    }
    Ok(())
}

fn write_frozen(shared: &Shared, id: WorkspaceId, workspace: &Workspace) -> Result<(), IoFailed> {
    let (frozen, position) = {
        let state = workspace.state.read();
        let files = state.head.sealed_files().filter(|(_, file)| !file.on_disk);
        let frozen: Vec<_> = files.map(|(number, file)| (number, file.bytes.clone())).collect();
        (frozen, state.applied)
    };
    let directory = shared.head_directory(id);
    for (number, body) in frozen {
        let path = directory.join(chunk_file::name(number));
        let make = || {
            shared.disk.create_directory(&directory)?;
            chunk_file::write(&*shared.disk, &directory, id, number, position, &body)?;
            shared.disk.sync_directory(&directory)?;
            chunk_file::read(&*shared.disk, &directory, id, number).map_err(io::Error::other)
        };
        let mapped = make().map_err(|error| (path, error))?;
        workspace.state.write().head.file_written(number, mapped);
    }
    Ok(())
}

/// Removes what the checkpoint made superfluous; a file that stays costs space and is tried again with the next one.
fn clean_log(shared: &Shared, checkpoint: &Checkpoint) {
    let wal = shared.wal_directory();
    let damaged = shared.damaged_segments.lock().clone();
    let mut left = 0;
    for name in shared.disk.list(&wal).unwrap_or_default() {
        match segment_number(&name) {
            Some(number) if number < checkpoint.first_segment => {
                if damaged.contains(&number) {
                    let _ = quarantine(&*shared.disk, &shared.config.directory, &wal.join(&name));
                } else {
                    let _ = shared.disk.remove(&wal.join(&name));
                }
            }
            Some(_) => left += 1,
            None => {}
        }
    }
    shared.metrics.wal_segments.set(left);
}

/// Removes snapshots and chunk files that neither the checkpoint nor the heads need, and what is left of dropped workspaces.
fn clean_heads_beside(shared: &Shared, named: &[(WorkspaceId, Snapshot)]) {
    let root = shared.config.directory.join("heads");
    let named: HashMap<WorkspaceId, &Snapshot> = named.iter().map(|(id, snapshot)| (*id, snapshot)).collect();
    for entry in shared.disk.list(&root).unwrap_or_default() {
        let Ok(id) = entry.parse::<WorkspaceId>() else { continue };
        // Without a head it is what a damaged snapshot left; the next start removes that.
        let (snapshot, Some(workspace)) = (named.get(&id), shared.workspace(id)) else { continue };
        let directory = root.join(entry);
        let mut left = 0;
        for name in shared.disk.list(&directory).unwrap_or_default() {
            let number = chunk_file::number(&name);
            let kept = match number {
                Some(number) => {
                    snapshot.is_some_and(|snapshot| snapshot.files.binary_search(&number).is_ok())
                        || workspace.state.read().head.has_file(number)
                }
                None => !name.ends_with(".snap") || snapshot.is_some_and(|snapshot| snapshot.name == name),
            };
            if kept || shared.disk.remove(&directory.join(&name)).is_err() {
                left += 1;
            } else if let Some(number) = number {
                workspace.state.write().head.file_deleted(number);
            }
        }
        if snapshot.is_none() && left == 0 {
            let _ = shared.disk.remove_directory(&directory);
            let _ = shared.submit(Job::Reap(id));
        }
    }
}

/// Moves a damaged file to `wal/quarantine`, where the operator finds it.
fn quarantine(disk: &dyn Disk, directory: &Path, path: &Path) -> io::Result<()> {
    let target = directory.join("wal").join("quarantine");
    disk.create_directory(&target)?;
    let parts = path.strip_prefix(directory).unwrap_or(path).components();
    let name =
        parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("_");
    disk.rename(path, &target.join(name))?;
    disk.sync_directory(&target)
}

/// What a checkpoint gave at start-up.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) heads: HashMap<WorkspaceId, Rebuilt>,
    /// First segment to replay; 0 if that is not known.
    pub(super) first_segment: u32,
    pub(super) newest: LogPosition,
    pub(super) found: bool,
    pub(super) damaged: Vec<String>,
}

/// Loads the checkpoint of a data directory and removes what crashes left behind.
pub(super) fn load(config: &StorageConfig, disk: &dyn Disk) -> Result<Loaded, OpenError> {
    let path = config.directory.join(FILE);
    let empty = |first_segment| Loaded {
        heads: HashMap::new(),
        first_segment,
        newest: LogPosition::default(),
        found: false,
        damaged: Vec::new(),
    };
    let bytes = match disk.read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            clean_heads(config, disk, &empty(1).heads);
            return Ok(empty(1));
        }
        Err(error) => return Err(OpenError::io("reading", path)(error)),
    };
    let mut loaded = empty(0);
    loaded.found = true;
    let Some(checkpoint) = Checkpoint::decode(&bytes) else {
        set_aside(config, disk, &path, "it is no whole checkpoint", &mut loaded.damaged)?;
        return Ok(loaded);
    };
    loaded.first_segment = checkpoint.first_segment;
    loaded.newest = checkpoint.newest;
    for (workspace, name) in checkpoint.snapshots {
        let directory = config.directory.join("heads").join(workspace.to_string());
        match snapshot_file::read(
            disk,
            &directory,
            &name,
            workspace,
            Head::new(config.chunk_file_bytes, config.window),
        ) {
            Ok((mut rebuilt, damaged)) => {
                if !damaged.is_empty() {
                    // The next checkpoint must not keep a snapshot that names files that are gone.
                    rebuilt.snapshot = None;
                }
                for (number, what) in damaged {
                    set_aside(
                        config,
                        disk,
                        &directory.join(chunk_file::name(number)),
                        &what,
                        &mut loaded.damaged,
                    )?;
                }
                loaded.heads.insert(workspace, rebuilt);
            }
            Err(snapshot_file::Damaged(what)) => {
                set_aside(config, disk, &directory.join(name), &what, &mut loaded.damaged)?;
            }
        }
    }
    if loaded.damaged.is_empty() {
        clean_heads(config, disk, &loaded.heads);
    }
    Ok(loaded)
}

fn set_aside(
    config: &StorageConfig,
    disk: &dyn Disk,
    path: &Path,
    what: &str,
    damaged: &mut Vec<String>,
) -> Result<(), OpenError> {
    if config.on_damage == OnDamage::Refuse {
        return Err(OpenError::Damaged { path: path.to_owned(), what: what.to_owned() });
    }
    tracing::error!(path = %path.display(), what, "stored samples are damaged; going on without them, the owner must recover from the others");
    match quarantine(disk, &config.directory, path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(OpenError::io("setting aside", path)(error)),
    }
    damaged.push(format!("{}: {what}", path.display()));
    Ok(())
}

/// Removes files under `heads` that no snapshot names: a crash came before their checkpoint, the log still has their samples.
fn clean_heads(config: &StorageConfig, disk: &dyn Disk, heads: &HashMap<WorkspaceId, Rebuilt>) {
    let root = config.directory.join("heads");
    for entry in disk.list(&root).unwrap_or_default() {
        let rebuilt = entry.parse::<WorkspaceId>().ok().and_then(|id| heads.get(&id));
        let mut named = HashSet::new();
        if let Some(rebuilt) = rebuilt {
            named.extend(rebuilt.snapshot.iter().map(|snapshot| snapshot.name.clone()));
            let files = rebuilt.snapshot.iter().flat_map(|snapshot| &snapshot.files);
            named.extend(files.map(|number| chunk_file::name(*number)));
        }
        let directory = root.join(entry);
        for name in disk.list(&directory).unwrap_or_default().into_iter().filter(|name| !named.contains(name))
        {
            let _ = disk.remove(&directory.join(name));
        }
    }
}
