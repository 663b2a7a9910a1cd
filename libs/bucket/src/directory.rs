//! A bucket in a local directory: durable as soon as a write succeeds (rule 12), one file per object.
//!
//! A write goes to a file beside its target (`NAME#1`), is synced, gets its name by rename or link, and the directory is
//! synced. A process killed in between leaves the draft, which no list shows: drafts older than a day are swept at opening.

mod at_once;

use std::{
    fs, io,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, UNIX_EPOCH},
};

use narthex_model::TimestampMs;
use object_store::local::LocalFileSystem;

use self::at_once::AtOnce;
use crate::{
    BucketError,
    uniform::{Deletes, Lists, Uniform},
};

/// No write takes so long: a draft of this age belongs to a process that is gone.
const OLD: Duration = Duration::from_secs(24 * 3600);

/// Opens a directory, made if it is missing, and begins to sweep old drafts in the background.
pub(crate) fn open(directory: &Path, now: TimestampMs) -> Result<Uniform, BucketError> {
    let wrong = |error| BucketError::Directory { directory: directory.to_owned(), error };
    let absent = |path: &Path| !path.as_os_str().is_empty() && !path.exists();
    let missing = directory.ancestors().take_while(|path| absent(path)).count();
    fs::create_dir_all(directory).map_err(wrong)?;
    let directory = directory.canonicalize().map_err(wrong)?;
    // The name of a new directory is on the disk once its parent is synced.
    for parent in directory.ancestors().skip(1).take(missing) {
        fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(wrong)?;
    }
    let store = LocalFileSystem::new_with_prefix(&directory)
        .map_err(|error| wrong(io::Error::other(error)))?
        .with_fsync(true)
        .with_automatic_cleanup(true);
    let sweep = move || match sweep(&directory, now) {
        Ok(0) => {}
        Ok(drafts) => {
            tracing::info!(drafts, directory = %directory.display(), "swept drafts of writes that never ended")
        }
        Err(error) => {
            tracing::warn!(%error, directory = %directory.display(), "drafts of writes that never ended may remain");
        }
    };
    thread::Builder::new().name("bucket-sweep".into()).spawn(sweep).map_err(wrong)?;
    Ok(Uniform::new(Arc::new(AtOnce(store)), Lists::Sorted, Deletes::Strict))
}

/// Deletes drafts last written more than [`OLD`] before `now`, and tells how many.
fn sweep(directory: &Path, now: TimestampMs) -> io::Result<usize> {
    let mut swept = 0;
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        // Gone with its last object.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            swept += sweep(&entry.path(), now)?;
        } else if is_draft(&entry.file_name().to_string_lossy()) && is_old(&entry, now) {
            fs::remove_file(entry.path())?;
            swept += 1;
        }
    }
    Ok(swept)
}

fn is_draft(name: &str) -> bool {
    let number = name.rsplit_once('#').map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_old(entry: &fs::DirEntry, now: TimestampMs) -> bool {
    // One that cannot be judged, as it was just renamed, is not old.
    let written = entry.metadata().ok().and_then(|metadata| metadata.modified().ok());
    let written = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let now = Duration::from_millis(u64::try_from(now.0).unwrap_or_default());
    written.is_some_and(|written| now.saturating_sub(written) > OLD)
}

#[cfg(test)]
mod tests {
    use object_store::{ObjectStoreExt, path::Path as Key};

    use super::*;

    #[tokio::test]
    async fn only_old_drafts_are_swept() {
        let root = tempfile::tempdir().expect("a folder");
        let store = open(root.path(), TimestampMs(0)).expect("opens");
        store.put(&Key::from("a/b"), "object".into()).await.expect("written");
        let mut upload = store.put_multipart(&Key::from("a/c")).await.expect("begun");
        upload.put_part("half".into()).await.expect("written");
        // Dropped as by a process that died: its draft is taken over by the sweep.
        std::mem::forget(upload);
        assert!(root.path().join("a/c#1").exists(), "object_store names drafts as this module expects");

        let written =
            fs::metadata(root.path().join("a/c#1")).and_then(|file| file.modified()).expect("a file");
        let written = written.duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
        let day = OLD.as_millis() as i64;
        assert_eq!(sweep(root.path(), TimestampMs(written + day - 1)).expect("swept"), 0);
        assert_eq!(sweep(root.path(), TimestampMs(written + day + 1)).expect("swept"), 1);
        assert!(!root.path().join("a/c#1").exists());
        assert_eq!(store.get(&Key::from("a/b")).await.expect("kept").bytes().await.expect("read"), "object");
    }

    #[test]
    fn drafts_are_told_by_their_number() {
        for (name, draft) in
            [("data.parquet#1", true), ("a#", false), ("a#1b", false), ("#12", true), ("a1", false)]
        {
            assert_eq!(is_draft(name), draft, "{name}");
        }
    }
}
