//! Snapshots that are taken while everything changes: whatever happens between their parts, snapshot and log make the same head.
//!
//! Here the log is a list of records and the parts of a snapshot are taken at any points of it, which with real threads happens by
//! chance only. Series of the live head and of the rebuilt one are compared with their chunks, generations and ids.

use std::{collections::BTreeMap, ops::Range};

use narthex_model::{ManifestRevision, Window, WindowLength};
use proptest::{collection::vec, prelude::*};

use super::{super::replay::Rebuilt, *};
use crate::{
    head::{Head, Seal, SnapshotError, SnapshotStart},
    wal::{LogPosition, RecordBuilder, StepsBuilder, read_record},
};

const SERIES: u8 = 20;
const WINDOWS: u8 = 2;
/// Series of one turn of an operation.
const TURN: u32 = 5;

fn length() -> WindowLength {
    WindowLength::from_millis(60_000).expect("valid")
}

#[derive(Debug, Clone)]
enum Step {
    Push(Vec<(u8, i64)>),
    BeginSeal(u8),
    BeginForget(u8),
    /// The next turns of what is under way.
    Turns(u8),
    /// A snapshot begins, so many records after the log that goes with it.
    Begin(usize),
    /// The next parts of the snapshot under way.
    Parts(u8),
    Drop,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => vec((0..SERIES, 0i64..120), 1..8).prop_map(Step::Push),
        3 => (0..WINDOWS).prop_map(Step::BeginSeal),
        3 => (0..WINDOWS).prop_map(Step::BeginForget),
        8 => (1u8..7).prop_map(Step::Turns),
        2 => (0usize..30).prop_map(Step::Begin),
        5 => (1u8..6).prop_map(Step::Parts),
        1 => Just(Step::Crash),
        1 => proptest::bool::weighted(0.2).prop_map(|drop| if drop { Step::Drop } else { Step::Begin(0) }),
    ];
    vec(step, 1..120)
}

/// An operation under way, as the writer has it.
#[derive(Debug)]
enum Operation {
    Seal(Window, u32),
    Forget(Window, u16, u32),
}

/// Parts of a snapshot with the positions at which they were taken.
#[derive(Debug)]
struct Parts {
    number: u64,
    start: SnapshotStart,
    /// Records before the log that goes with it.
    rolled: usize,
    begun: LogPosition,
    windows: Vec<u8>,
    /// Pairs written so far, and their parts.
    pairs: (u32, Vec<Vec<u8>>),
    slices: Vec<(LogPosition, Vec<u8>, bool)>,
    end: Option<Vec<u8>>,
}

struct World {
    head: Head,
    log: Vec<Vec<u8>>,
    epoch: u64,
    operation: Option<Operation>,
    taking: Option<Parts>,
    /// The newest whole snapshot.
    whole: Option<Parts>,
    revision: u64,
    /// Records before the newest whole snapshot became durable: the log of the next begins later.
    durable: usize,
}

fn fresh() -> Head {
    Head::new(200, length())
}

fn window(number: u8) -> Window {
    Window(length().window(TimestampMs(NOW)).0 + i64::from(number))
}

impl World {
    fn position(&self) -> LogPosition {
        LogPosition(self.log.len() as u64 + 1)
    }

    fn steps(&mut self, fill: impl FnOnce(&mut StepsBuilder)) {
        let mut steps = StepsBuilder::new(workspace(0));
        fill(&mut steps);
        self.log.push(steps.bytes().to_vec());
    }

    fn push(&mut self, samples: &[(u8, i64)]) {
        let start = length().start(window(0)).0;
        let samples: Vec<_> = samples
            .iter()
            .map(|(series, second)| (u32::from(*series), start + second * 1_000, (second % 7) as f64))
            .collect();
        let mut record = RecordBuilder::default();
        record.begin(NOW);
        let limits = PushLimits { out_of_order_window_ms: 3_600_000, ..PushLimits::default() };
        self.head.push(&frame(&samples), NOW, Epoch(self.epoch), &limits, &mut record).expect("well-formed");
        if !record.is_empty() {
            let mut payload = Vec::new();
            record.write_to(workspace(0), &mut payload);
            self.log.push(payload);
        }
    }

    fn turn(&mut self) {
        match self.operation.take() {
            Some(Operation::Seal(window, first)) if first < self.head.id_bound() => {
                let end = self.head.id_bound().min(first + TURN);
                self.head.end_chunks(window, first..end, |_| false);
                self.steps(|steps| steps.end_chunks(window, first, end));
                self.operation = Some(Operation::Seal(window, end));
            }
            Some(Operation::Seal(window, _)) => {
                let boundary = self.head.next_boundary(window).expect("few seals");
                let seal = Seal { epoch: Epoch(self.epoch), boundary, series: 1, samples: 2 };
                self.head.sealed(window, seal);
                self.steps(|steps| steps.sealed(window, &seal));
                self.epoch += 1;
            }
            Some(Operation::Forget(window, boundary, first)) => {
                let cut = crate::head::Boundary(boundary);
                let end = self.head.id_bound().min(first.saturating_add(TURN));
                if first < end {
                    let (leaving, _) = self.head.leaving(Some((window, cut)), first..end);
                    self.head.forget_chunks(window, cut, first..end, |_| false);
                    leaving.iter().for_each(|id| self.head.remove_series(*id));
                    self.steps(|steps| {
                        steps.forget_chunks(window, cut, first, end);
                        steps.leave(&leaving);
                    });
                    self.operation = Some(Operation::Forget(window, boundary, end));
                } else {
                    let gone = !self.head.holds_above(window, cut);
                    self.head.forgotten(window, cut, gone);
                    self.head.trim();
                    self.steps(|steps| steps.forgotten(window, cut, gone));
                }
            }
            None => {}
        }
    }

    fn begin(&mut self, step: &Step) {
        match (step, &self.operation) {
            (Step::BeginSeal(number), None) => {
                let (epoch, window) = (Epoch(self.epoch), window(*number));
                self.head.close(epoch, epoch, window);
                self.steps(|steps| steps.close(epoch, epoch, window));
                if self.head.holds(window) {
                    self.operation = Some(Operation::Seal(window, 0));
                }
            }
            (Step::BeginForget(number), None) => {
                let sealed = self.head.windows().into_iter().find(|state| state.window == window(*number));
                let epoch = sealed.and_then(|state| state.sealed.last().copied());
                if let Some(seal) = epoch.and_then(|epoch| self.head.seal_of(epoch, window(*number))) {
                    self.revision += 1;
                    let revision = ManifestRevision(self.revision);
                    self.head.act(revision);
                    self.steps(|steps| steps.act(revision));
                    // All are inactive by then, so that they leave.
                    self.head.active_series(NOW + self.revision as i64 * 10_800_000);
                    self.operation = Some(Operation::Forget(window(*number), seal.boundary.0, 0));
                }
            }
            _ => {}
        }
    }

    fn begin_snapshot(&mut self, back: usize) {
        if let Some(parts) = self.taking.take() {
            // Given up half-way.
            self.head.end_snapshot(parts.number);
        }
        let (number, mut windows) = (self.head.begin_snapshot(), Vec::new());
        self.head.snapshot_windows(&mut windows);
        let (start, begun) = (self.head.snapshot_start(), self.position());
        let rolled = self.log.len().saturating_sub(back).max(self.durable);
        let (pairs, slices, end) = ((0, Vec::new()), Vec::new(), None);
        self.taking = Some(Parts { number, start, rolled, begun, windows, pairs, slices, end });
    }

    fn part(&mut self) {
        let position = self.position();
        let Some(parts) = &mut self.taking else { return };
        let mut part = Vec::new();
        if parts.pairs.0 < parts.start.pairs {
            parts.pairs.0 = self.head.snapshot_pairs(parts.start, parts.pairs.0, 60, &mut part);
            parts.pairs.1.push(part);
        } else if let Some(first) = parts.start.slices().nth(parts.slices.len()) {
            let sparse = self.head.snapshot_slice(parts.start, first, &mut part);
            parts.slices.push((position, part, sparse));
        } else {
            self.head.snapshot_end(&mut part);
            parts.end = Some(part);
            self.head.end_snapshot(parts.number);
            self.head.snapshot_durable(parts.number);
            self.whole = self.taking.take();
            self.durable = self.log.len();
        }
    }

    /// What snapshot and log make.
    fn rebuilt(&self) -> Rebuilt {
        let mut rebuilt = Rebuilt::new(fresh());
        if let Some(parts) = &self.whole {
            rebuilt.begun = parts.begun;
            rebuilt.snapshot_series = parts.start.series;
            rebuilt.head.load_start(parts.start);
            rebuilt.head.load_windows(&parts.windows).expect("own windows");
            for part in &parts.pairs.1 {
                rebuilt.head.load_pairs(part).expect("own pairs");
            }
            for (position, part, sparse) in &parts.slices {
                let head = &mut rebuilt.head;
                if *sparse { head.load_sparse_slice(part) } else { head.load_slice(part) }
                    .expect("own slice");
                rebuilt.covered.push(*position);
            }
            let end = parts.end.as_ref().expect("whole");
            rebuilt
                .head
                .load_end(end, |_| Err::<bytes::Bytes, SnapshotError>(SnapshotError))
                .expect("own end");
            assert_eq!(rebuilt.head.id_bound(), parts.start.series);
        }
        let rolled = self.whole.as_ref().map_or(0, |parts| parts.rolled);
        for (at, record) in self.log.iter().enumerate().skip(rolled) {
            let position = LogPosition(at as u64 + 1);
            let known =
                |stored: Option<bool>| assert_ne!(stored, Some(false), "a sample's series is not known");
            read_record(record, |change| known(rebuilt.apply(position, change))).expect("own record");
        }
        rebuilt
    }

    fn check(&self) {
        let rebuilt = self.rebuilt().head;
        assert_eq!(content(&rebuilt), content(&self.head));
        let states = |head: &Head| -> Vec<_> {
            head.windows().into_iter().map(|state| (state.window, state.chunks, state.sealed)).collect()
        };
        assert_eq!(states(&rebuilt), states(&self.head));
        for state in self.head.windows() {
            for epoch in state.sealed {
                let seal = self.head.seal_of(epoch, state.window).expect("listed");
                assert_eq!(rebuilt.seal_of(epoch, state.window), Some(seal));
                let cut = |head: &Head| cut_of(head, state.window, seal);
                assert_eq!(cut(&rebuilt), cut(&self.head));
            }
        }
        for number in 0..WINDOWS {
            for epoch in 1..=self.epoch {
                let closed = |head: &Head| head.is_closed(Epoch(epoch), window(number));
                assert_eq!(closed(&rebuilt), closed(&self.head), "window {number}, epoch {epoch}");
            }
            assert_eq!(rebuilt.next_boundary(window(number)), self.head.next_boundary(window(number)));
        }
        assert_eq!(rebuilt.acted(), self.head.acted());
        assert_eq!(rebuilt.series_count(), self.head.series_count());
        assert_eq!(rebuilt.stats().label_pairs, self.head.stats().label_pairs);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Push(samples) => self.push(samples),
            Step::BeginSeal(_) | Step::BeginForget(_) => self.begin(step),
            Step::Turns(turns) => (0..*turns).for_each(|_| self.turn()),
            Step::Begin(back) => self.begin_snapshot(*back),
            Step::Parts(parts) => (0..*parts).for_each(|_| self.part()),
            Step::Drop => {
                self.head = self.head.emptied();
                self.steps(StepsBuilder::drop_workspace);
                (self.operation, self.taking, self.revision) = (None, None, 0);
            }
            Step::Crash => {
                self.head = self.rebuilt().head;
                self.head.trim();
                (self.operation, self.taking) = (None, None);
                // The snapshots of this run are numbered from the beginning again.
                if let Some(whole) = &mut self.whole {
                    whole.number = 0;
                }
            }
        }
    }
}

type Chunks = Vec<(i64, i64, u32, bytes::Bytes)>;

fn plain(chunks: Vec<narthex_chunk::Chunk>) -> Chunks {
    chunks.into_iter().map(|chunk| (chunk.min_ms, chunk.max_ms, chunk.samples, chunk.data)).collect()
}

/// Ids and chunks of all series.
fn content(head: &Head) -> BTreeMap<Labels, (u32, Chunks)> {
    let all = head.matching(&[]).into_iter();
    let all =
        all.map(|id| (head.labels_of(id), (id, plain(head.chunks_of(id, TimeRange::ALL).expect("intact")))));
    let all: BTreeMap<_, _> = all.collect();
    assert_eq!(all.len(), head.series_count() as usize);
    for (labels, (id, _)) in &all {
        let matchers: Vec<_> = labels.iter().map(|(name, value)| Matcher::equal(name, value)).collect();
        assert_eq!(head.matching(&matchers).iter().collect::<Vec<_>>(), [*id], "index and postings agree");
        assert_eq!(head.find_again(u32::MAX, labels), Some(*id));
    }
    all
}

fn cut_of(head: &Head, window: Window, seal: Seal) -> BTreeMap<Labels, Chunks> {
    let ids: Range<u32> = 0..head.id_bound();
    let series = head.cut_series(window, seal.boundary, ids).into_iter();
    series
        .map(|id| {
            let chunks = head.cut_chunks(id, window, seal.boundary).expect("intact");
            (head.labels_of(id), plain(chunks))
        })
        .collect()
}

fn world() -> World {
    World {
        head: fresh(),
        log: Vec::new(),
        epoch: 1,
        operation: None,
        taking: None,
        whole: None,
        revision: 0,
        durable: 0,
    }
}

#[test]
fn a_snapshot_begun_after_a_drop_takes_nothing_of_the_head_before() {
    let mut world = world();
    let many = (0..20).map(|series| (series, i64::from(series))).collect();
    let steps = [Step::Push(many), Step::Drop, Step::Push(vec![(3, 5)]), Step::Begin(30), Step::Parts(9)];
    for step in steps {
        world.step(&step);
        world.check();
    }
    assert!(world.whole.is_some_and(|parts| parts.rolled == 0), "the log goes back before the drop");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn snapshot_and_log_make_the_same_head_whatever_happens_between(steps in steps()) {
        let mut world = world();
        for step in &steps {
            world.step(step);
            world.check();
        }
    }
}
