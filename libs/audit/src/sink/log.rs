//! A file with a record on each line, synced after every batch, that turns over: `audit.log` is written, and full files stay beside
//! it under `audit.log.<time>`, until they are too many or too old.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use narthex_model::TimestampMs;
use narthex_service::SharedClock;
use time::OffsetDateTime;

use crate::{
    AuditSettings,
    audit::Record,
    sink::{Counts, Place, Writing},
};

/// When a file turns over, and how many stay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogLimits {
    pub(crate) max_size: u64,
    pub(crate) max_files: usize,
    pub(crate) max_age: Duration,
}

impl From<&AuditSettings> for LogLimits {
    fn from(settings: &AuditSettings) -> Self {
        Self {
            max_size: settings.log_max_size.bytes(),
            max_files: settings.log_max_files,
            max_age: settings.log_max_age.get(),
        }
    }
}

/// A file that turns over, or standard output.
#[derive(Debug)]
pub(crate) struct LogFile(Option<Target>);

#[derive(Debug)]
enum Target {
    Stdout,
    File(Turning),
}

#[derive(Debug)]
struct Turning {
    path: PathBuf,
    limits: LogLimits,
    clock: SharedClock,
    file: File,
    size: u64,
}

impl LogFile {
    pub(crate) const fn stdout() -> Self {
        Self(Some(Target::Stdout))
    }

    /// Goes on at the end of the file; its folder is made if need be.
    pub(crate) fn open(path: PathBuf, limits: LogLimits, clock: SharedClock) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let (file, size) = open(&path)?;
        Ok(Self(Some(Target::File(Turning { path, limits, clock, file, size }))))
    }
}

impl Place for LogFile {
    fn name(&self) -> &'static str {
        "log"
    }

    fn write(&mut self, records: Vec<Record>) -> Writing<'_> {
        Box::pin(async move {
            let count = records.len();
            if count == 0 {
                return (0, 0);
            }
            let Some(mut target) = self.0.take() else { return (0, count) };
            let work = tokio::task::spawn_blocking(move || {
                let outcome = target.write(&records);
                (target, outcome)
            });
            match work.await {
                Ok((target, outcome)) => {
                    self.0 = Some(target);
                    outcome
                }
                Err(error) => {
                    tracing::error!(%error, "writing the audit log panicked; please report it");
                    (0, count)
                }
            }
        })
    }

    fn next_flush(&self, _: Duration) -> Option<Duration> {
        None
    }

    fn flush(&mut self, _: bool) -> Writing<'_> {
        Box::pin(std::future::ready((0, 0)))
    }
}

impl Target {
    fn write(&mut self, records: &[Record]) -> Counts {
        let mut written = 0;
        let outcome = match self {
            Self::Stdout => to_stdout(records, &mut written),
            Self::File(file) => file.write(records, &mut written),
        };
        if let Err(error) = outcome {
            let lost = records.len() - written;
            tracing::error!(%error, lost, "cannot write the audit log; is the disk full?");
        }
        (written, records.len() - written)
    }
}

fn to_stdout(records: &[Record], written: &mut usize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for Record { line, .. } in records {
        out.write_all(line)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    *written = records.len();
    Ok(())
}

impl Turning {
    /// Writes all, in as many files as it takes; `written` counts what is safe on disk.
    fn write(&mut self, records: &[Record], written: &mut usize) -> io::Result<()> {
        let mut rest = records;
        while !rest.is_empty() {
            if self.size > 0 && self.size + rest[0].line.len() as u64 + 1 > self.limits.max_size {
                self.turn_over()?;
            }
            let mut bytes = Vec::new();
            let mut fit = 0;
            for Record { line, .. } in rest {
                let size = self.size + (bytes.len() + line.len() + 1) as u64;
                if fit > 0 && size > self.limits.max_size {
                    break;
                }
                bytes.extend_from_slice(line);
                bytes.push(b'\n');
                fit += 1;
            }
            if let Err(error) = self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
                // Half a line must not join the next one.
                (self.file, self.size) = open(&self.path)?;
                return Err(error);
            }
            self.size += bytes.len() as u64;
            *written += fit;
            rest = &rest[fit..];
        }
        Ok(())
    }

    fn turn_over(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{}", stamp(now)));
        // A name that is taken belongs to the same millisecond; later ones follow it in order.
        let mut free = PathBuf::from(&name);
        for number in 1.. {
            if !free.exists() {
                break;
            }
            let mut numbered = name.clone();
            numbered.push(format!("-{number:04}"));
            free = numbered.into();
        }
        fs::rename(&self.path, free)?;
        (self.file, self.size) = open(&self.path)?;
        self.prune(now)
    }

    /// Removes what is too much or too old.
    fn prune(&self, now: TimestampMs) -> io::Result<()> {
        let mut kept = turned(&self.path)?;
        kept.sort();
        let oldest = stamp(TimestampMs(
            now.0.saturating_sub(i64::try_from(self.limits.max_age.as_millis()).unwrap_or(i64::MAX)),
        ));
        let excess = kept.len().saturating_sub(self.limits.max_files);
        for (place, (time, path)) in kept.iter().enumerate() {
            if place < excess || *time < oldest {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// Files beside `path` that were turned over, with the times in their names.
fn turned(path: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(own) = path.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let time = name.to_str().and_then(|name| name.strip_prefix(own)?.strip_prefix('.'));
        if let Some(time) = time.filter(|time| time.starts_with(|first: char| first.is_ascii_digit())) {
            found.push((time.to_owned(), entry.path()));
        }
    }
    Ok(found)
}

/// The file, at its end, where a line begins, and its size.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.create(true).read(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    let mut file = options.open(path)?;
    let mut size = file.seek(SeekFrom::End(0))?;
    if size > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
            size += 1;
        }
    }
    Ok((file, size))
}

/// `20261123T120000.000Z`: times in order are names in order.
fn stamp(at: TimestampMs) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, (hour, minute, second, milli)) = (moment.date(), moment.to_hms_milli());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{milli:03}Z")
}

#[cfg(test)]
#[path = "log_test.rs"]
mod tests;
