//! Records of steps: what happens to a workspace's windows and series other than by a push.
//!
//! Each step is applied to the head when its record is made and again in replay, at the same place of the log, so it names all
//! that it depends on. Long operations are rows of such records, each for a range of series. A kind never gets a new meaning, and a
//! new kind comes with a new version of records.

use narthex_model::{Epoch, ManifestRevision, Window, WorkspaceId};

use super::record::{Change, Reader, STEPS, put, put_signed};
use crate::head::{Boundary, Seal};

const CLOSE: u8 = 1;
const END_CHUNKS: u8 = 2;
const SEALED: u8 = 3;
const VOID_SEALS: u8 = 4;
const FORGET_CHUNKS: u8 = 5;
const LEAVE: u8 = 6;
const FORGOTTEN: u8 = 7;
const CLEAR_METADATA: u8 = 8;
const DROP: u8 = 9;
const ACT: u8 = 10;

/// Collects the steps of one record.
#[derive(Debug)]
pub(crate) struct StepsBuilder(Vec<u8>);

impl StepsBuilder {
    /// No steps of a workspace yet.
    pub(crate) fn new(workspace: WorkspaceId) -> Self {
        let mut bytes = vec![STEPS];
        bytes.extend_from_slice(&workspace.to_bytes());
        Self(bytes)
    }

    /// The payload.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn close(&mut self, epoch: Epoch, adopted: Epoch, window: Window) {
        self.0.push(CLOSE);
        put(&mut self.0, epoch.0);
        put(&mut self.0, adopted.0);
        put_signed(&mut self.0, window.0);
    }

    pub(crate) fn end_chunks(&mut self, window: Window, first: u32, end: u32) {
        self.0.push(END_CHUNKS);
        put_signed(&mut self.0, window.0);
        put(&mut self.0, first.into());
        put(&mut self.0, end.into());
    }

    pub(crate) fn sealed(&mut self, window: Window, seal: &Seal) {
        self.0.push(SEALED);
        put_signed(&mut self.0, window.0);
        put(&mut self.0, seal.epoch.0);
        put(&mut self.0, seal.boundary.0.into());
        put(&mut self.0, seal.series);
        put(&mut self.0, seal.samples);
    }

    pub(crate) fn void_seals(&mut self) {
        self.0.push(VOID_SEALS);
    }

    pub(crate) fn forget_chunks(&mut self, window: Window, boundary: Boundary, first: u32, end: u32) {
        self.0.push(FORGET_CHUNKS);
        put_signed(&mut self.0, window.0);
        put(&mut self.0, boundary.0.into());
        put(&mut self.0, first.into());
        put(&mut self.0, end.into());
    }

    /// Ids must ascend.
    pub(crate) fn leave(&mut self, ids: &[u32]) {
        self.0.push(LEAVE);
        put(&mut self.0, ids.len() as u64);
        let mut last = 0;
        for id in ids {
            put(&mut self.0, u64::from(id.wrapping_sub(last)));
            last = *id;
        }
    }

    pub(crate) fn forgotten(&mut self, window: Window, boundary: Boundary, gone: bool) {
        self.0.push(FORGOTTEN);
        put_signed(&mut self.0, window.0);
        put(&mut self.0, boundary.0.into());
        self.0.push(gone.into());
    }

    pub(crate) fn clear_metadata(&mut self) {
        self.0.push(CLEAR_METADATA);
    }

    pub(crate) fn act(&mut self, revision: ManifestRevision) {
        self.0.push(ACT);
        put(&mut self.0, revision.0);
    }

    pub(crate) fn drop_workspace(&mut self) {
        self.0.push(DROP);
    }
}

/// Reads what follows the version.
pub(super) fn read<'a>(mut reader: Reader<'a>, mut visit: impl FnMut(Change<'a>)) -> Option<()> {
    WorkspaceId::from_slice(reader.take(16)?).ok()?;
    while !reader.0.is_empty() {
        match reader.take(1)?[0] {
            CLOSE => {
                let (epoch, adopted) = (Epoch(reader.number()?), Epoch(reader.number()?));
                visit(Change::Close { epoch, adopted, window: Window(reader.signed()?) });
            }
            END_CHUNKS => {
                let window = Window(reader.signed()?);
                visit(Change::EndChunks { window, first: reader.id()?, end: reader.id()? });
            }
            SEALED => {
                let (window, epoch) = (Window(reader.signed()?), Epoch(reader.number()?));
                let boundary = Boundary::new(reader.number()?)?;
                let seal = Seal { epoch, boundary, series: reader.number()?, samples: reader.number()? };
                visit(Change::Sealed { window, seal });
            }
            VOID_SEALS => visit(Change::VoidSeals),
            FORGET_CHUNKS => {
                let (window, boundary) = (Window(reader.signed()?), Boundary::new(reader.number()?)?);
                visit(Change::ForgetChunks { window, boundary, first: reader.id()?, end: reader.id()? });
            }
            LEAVE => {
                let mut id = 0u32;
                for _ in 0..reader.number()? {
                    id = id.checked_add(reader.id()?)?;
                    visit(Change::Leave { id });
                }
            }
            FORGOTTEN => {
                let (window, boundary) = (Window(reader.signed()?), Boundary::new(reader.number()?)?);
                visit(Change::Forgotten { window, boundary, gone: reader.take(1)?[0] != 0 });
            }
            CLEAR_METADATA => visit(Change::ClearMetadata),
            DROP => visit(Change::Drop),
            ACT => visit(Change::Act { revision: ManifestRevision(reader.number()?) }),
            _ => return None,
        }
    }
    Some(())
}
