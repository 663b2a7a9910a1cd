//! Random pushes, seals, forgets, sweeps, epochs, checkpoints and crashes against a model in plain maps.

use std::collections::{BTreeMap, BTreeSet};

use narthex_chunk::SetHash;
use narthex_model::{ManifestRevision, Window, WindowLength, resolve};
use narthex_rpc::v1::sample_refusal::Reason;
use proptest::{collection::vec, prelude::*};

use super::*;

/// Many windows fit into the hour in which samples are accepted.
const LENGTH_MS: i64 = 60_000;
const SERIES: u32 = 20;

fn length() -> WindowLength {
    WindowLength::from_millis(LENGTH_MS).expect("valid")
}

fn window_of(at: i64) -> Window {
    length().window(TimestampMs(at))
}

fn cuts_config(directory: &Path) -> StorageConfig {
    StorageConfig { window: length(), chunk_file_bytes: 300, ..config(directory) }
}

/// A sample's place and its competing values.
type Layer = BTreeMap<(u32, i64), BTreeSet<u64>>;

/// A window in its plainest form: what was stored between its seals.
#[derive(Debug, Default, Clone)]
struct Plain {
    /// The last is open.
    layers: Vec<Layer>,
    /// Epoch, and number of layers that were sealed.
    seals: Vec<(u64, usize)>,
}

#[derive(Debug, Default, Clone)]
struct Model {
    epoch: u64,
    windows: BTreeMap<i64, Plain>,
    closed: BTreeSet<(u64, i64)>,
    revision: u64,
}

impl Plain {
    fn open(&mut self) -> &mut Layer {
        if self.layers.is_empty() {
            self.layers.push(Layer::new());
        }
        self.layers.last_mut().expect("one was just made")
    }

    fn below(&self, boundary: usize) -> Layer {
        let mut all = Layer::new();
        for (place, values) in self.layers.iter().take(boundary).flatten() {
            all.entry(*place).or_default().extend(values);
        }
        all
    }

    fn is_empty(&self) -> bool {
        self.layers.iter().all(BTreeMap::is_empty)
    }

    /// Seals; the number of samples and series.
    fn seal(&mut self, epoch: u64) -> (u64, u64) {
        self.seals.push((epoch, self.layers.len()));
        let samples = self.layers.iter().map(|layer| layer.values().map(BTreeSet::len).sum::<usize>());
        let samples = samples.sum::<usize>() as u64;
        let series: BTreeSet<_> =
            self.layers.iter().flat_map(|layer| layer.keys().map(|(series, _)| *series)).collect();
        self.layers.push(Layer::new());
        (samples, series.len() as u64)
    }

    fn forget(&mut self, boundary: usize) {
        self.layers.iter_mut().take(boundary).for_each(BTreeMap::clear);
        self.seals.retain(|(_, other)| *other > boundary);
    }
}

impl Model {
    fn push(&mut self, series: u32, at: i64, bits: u64) -> Result<bool, Reason> {
        let (epoch, window) = (self.epoch, window_of(at).0);
        let plain = self.windows.entry(window).or_default();
        let hidden = plain.seals.iter().filter(|(other, _)| *other < epoch).map(|(_, layers)| *layers).max();
        let visible = plain.layers.iter().skip(hidden.unwrap_or(0));
        let seen: Vec<u64> =
            visible.filter_map(|layer| layer.get(&(series, at))).flatten().copied().collect();
        if seen.contains(&bits) {
            Ok(false)
        } else if !seen.is_empty() {
            Err(Reason::NewValueForTimestamp)
        } else if self.closed.contains(&(epoch, window)) {
            Err(Reason::Sealed)
        } else {
            plain.open().entry((series, at)).or_default().insert(bits);
            Ok(true)
        }
    }

    fn forget(&mut self, epoch: u64, window: i64) -> Forgot {
        let plain = self.windows.entry(window).or_default();
        let outcome = match plain.seals.iter().find(|(other, _)| *other == epoch).copied() {
            Some((_, boundary)) => {
                plain.forget(boundary);
                Forgot::Sealed
            }
            None if self.epoch <= epoch => {
                self.closed.insert((epoch, window));
                let nothing = plain.is_empty();
                *plain = Plain::default();
                if nothing { Forgot::Nothing } else { Forgot::Everything }
            }
            None => Forgot::Nothing,
        };
        if self.windows.get(&window).is_some_and(Plain::is_empty) {
            self.windows.remove(&window);
        }
        outcome
    }

    fn all(&self) -> Layer {
        let mut all = Layer::new();
        for (place, values) in self.windows.values().flat_map(|plain| plain.layers.iter().flatten()) {
            all.entry(*place).or_default().extend(values);
        }
        all
    }
}

fn number(labels: &Labels) -> u32 {
    labels.get("series").and_then(|text| text.parse().ok()).expect("own labels")
}

fn read(storage: &Storage) -> Layer {
    let selection = storage.select(workspace(0), &[], TimeRange::ALL, Budget::default()).expect("selects");
    let mut all = Layer::new();
    for series in selection.iter() {
        let series = series.expect("reads");
        for (at, value) in series.chunks.iter().flat_map(|chunk| chunk.samples().expect("intact")) {
            let Value::Float(value) = value else { panic!("only floats are written") };
            all.entry((number(&series.labels), at)).or_default().insert(value.to_bits());
        }
    }
    all
}

fn check_cut(storage: &Storage, epoch: u64, window: i64, expected: &Layer) {
    let view = storage.cut(workspace(0), Epoch(epoch), Window(window)).expect("sealed");
    let labels: Vec<_> = view.labels().cloned().collect();
    assert!(labels.is_sorted_by(|a, b| a < b));
    let digests = view.digests(0..view.len()).expect("reads");
    let mut all = Layer::new();
    for (place, chunks) in view.chunks(0..view.len()).expect("reads").iter().enumerate() {
        let series = number(&labels[place]);
        assert_eq!(view.place_of(&labels[place]), Some(place));
        for (at, value) in chunks.iter().flat_map(|chunk| chunk.samples().expect("intact")) {
            let Value::Float(value) = value else { panic!("only floats are written") };
            all.entry((series, at)).or_default().insert(value.to_bits());
        }
        let mut digest = SetHash::default();
        for ((_, at), values) in expected.range((series, i64::MIN)..=(series, i64::MAX)) {
            let values = values.iter().map(|bits| Value::Float(f64::from_bits(*bits)));
            let Some(Value::Float(chosen)) = values.max_by(resolve) else { panic!("a sample has a value") };
            digest.add_float(*at, chosen);
        }
        assert_eq!(digests[place], digest);
    }
    assert_eq!(&all, expected, "epoch {epoch}, window {window}");
}

fn check(storage: &Storage, model: &Model) {
    assert_eq!(read(storage), model.all());
    let open = storage.open_windows(workspace(0));
    let expected: Vec<_> = model.windows.iter().filter(|(_, plain)| !plain.is_empty()).collect();
    assert_eq!(
        open.iter()
            .map(|open| (open.window.0, open.sealed.iter().map(|epoch| epoch.0).collect()))
            .collect::<Vec<_>>(),
        expected
            .iter()
            .map(|(window, plain)| (
                **window,
                plain.seals.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>()
            ))
            .collect::<Vec<_>>()
    );
    for (window, plain) in expected {
        for (epoch, boundary) in &plain.seals {
            check_cut(storage, *epoch, *window, &plain.below(*boundary));
        }
    }
    assert_eq!(storage.acted_revision(workspace(0)), ManifestRevision(model.revision));
}

#[derive(Debug, Clone)]
enum Step {
    Push(Vec<(u32, i64, u8)>),
    Seal(i64),
    /// Epochs before the present one, window.
    Forget(u64, i64),
    /// Of an epoch that is still to be adopted.
    ForgetAhead(i64),
    Epoch,
    Sweep,
    Checkpoint,
    Crash,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Half of the samples lie close together, so that they meet in a window and at a timestamp.
    let at = prop_oneof![1 => 0i64..2_400_000, 2 => (0i64..12).prop_map(|n| 600_000 + n * 20_000)];
    let window = prop_oneof![3 => 8i64..16, 1 => 0i64..40];
    let step = prop_oneof![
        10 => vec((0..SERIES, at, 0u8..2), 1..12).prop_map(Step::Push),
        4 => window.clone().prop_map(Step::Seal),
        4 => (0u64..3, window.clone()).prop_map(|(past, window)| Step::Forget(past, window)),
        1 => window.prop_map(Step::ForgetAhead),
        2 => Just(Step::Epoch),
        2 => Just(Step::Sweep),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::Crash),
        1 => Just(Step::Restart),
    ];
    vec(step, 1..60)
}

/// Storage and model side by side.
struct World {
    directory: TempDir,
    storage: Option<Storage>,
    model: Model,
    /// Restarted since, so that numbers of samples are estimates.
    restarted: bool,
    sweeps: i64,
}

impl World {
    fn new() -> Self {
        let directory = TempDir::new().expect("directory");
        let (storage, _) = open_with(cuts_config(directory.path()), disk()).expect("opens");
        Self {
            directory,
            storage: Some(storage),
            model: Model { epoch: 5, ..Model::default() },
            restarted: false,
            sweeps: 0,
        }
    }

    fn storage(&self) -> &Storage {
        self.storage.as_ref().expect("open")
    }

    /// The window with this number counted from the beginning of the test's time.
    fn window(number: i64) -> i64 {
        window_of(NOW).0 + number
    }

    fn push(&mut self, samples: &[(u32, i64, u8)]) {
        let samples: Vec<_> =
            samples.iter().map(|(series, at, value)| (*series, NOW + at, f64::from(*value))).collect();
        let limits = PushLimits { out_of_order_window_ms: 3_600_000, ..PushLimits::default() };
        let received = TimestampMs(NOW + 2_400_000);
        let push =
            self.storage().push(workspace(0), Epoch(self.model.epoch), received, frame(&samples), limits);
        let pushed = runtime().block_on(push).expect("stored");
        let mut refused = Vec::new();
        let (mut stored, mut known) = (0, 0);
        for (sample, (series, at, value)) in (0..).zip(&samples) {
            match self.model.push(*series, *at, value.to_bits()) {
                Ok(true) => stored += 1,
                Ok(false) => known += 1,
                Err(reason) => refused.push((sample, reason)),
            }
        }
        let refusals: Vec<_> =
            pushed.refusals.iter().map(|refusal| (refusal.sample, refusal.reason)).collect();
        assert_eq!((refusals, pushed.stored, pushed.known), (refused, stored, known));
    }

    fn seal(&mut self, window: i64) {
        let epoch = self.model.epoch;
        let sealed = runtime()
            .block_on(self.storage().seal(workspace(0), Epoch(epoch), Window(window)))
            .expect("sealed");
        self.model.closed.insert((epoch, window));
        if let Some(plain) = self.model.windows.get_mut(&window).filter(|plain| !plain.is_empty())
            && !plain.seals.iter().any(|(other, _)| *other == epoch)
        {
            let (samples, series) = plain.seal(epoch);
            assert_eq!(sealed.series, series);
            assert!(self.restarted || sealed.samples == samples);
        }
        let again = runtime()
            .block_on(self.storage().seal(workspace(0), Epoch(epoch), Window(window)))
            .expect("sealed");
        assert_eq!(again, sealed);
        let expected = self.model.windows.get(&window).map_or_else(Layer::new, |plain| {
            let boundary =
                plain.seals.iter().find(|(other, _)| *other == epoch).map_or(0, |(_, boundary)| *boundary);
            plain.below(boundary)
        });
        check_cut(self.storage(), epoch, window, &expected);
    }

    fn forget(&mut self, epoch: u64, window: i64) {
        self.model.revision += 1;
        let (adopted, revision) = (Epoch(self.model.epoch), ManifestRevision(self.model.revision));
        let forget = self.storage().forget(workspace(0), Epoch(epoch), Window(window), adopted, revision);
        let outcome = runtime().block_on(forget).expect("forgotten");
        assert_eq!(outcome, self.model.forget(epoch, window));
    }

    /// All that holds nothing leaves.
    fn sweep(&mut self) {
        self.sweeps += 1;
        let now = TimestampMs(NOW + 2_400_000 + self.sweeps * 10_800_000);
        runtime().block_on(self.storage().sweep(now)).expect("swept");
        let held: BTreeSet<_> = self.model.all().keys().map(|(series, _)| *series).collect();
        let stats = self.storage().stats();
        let series = stats.first().map_or(0, |stats| stats.head.series);
        assert_eq!(series as usize, held.len());
        let pairs = stats.first().map_or(0, |stats| stats.head.label_pairs);
        assert_eq!(pairs as usize, held.len() + usize::from(!held.is_empty()), "one pair each, and the name");
        let mut names = self.storage().label_values(workspace(0), "series", &[], TimeRange::ALL, 0);
        names.sort_by_key(|name| name.parse::<u32>().expect("own label"));
        assert_eq!(names, held.iter().map(u32::to_string).collect::<Vec<_>>());
    }

    fn restart(&mut self, crash: bool) {
        let storage = self.storage.take().expect("open");
        if crash {
            storage.abandon()
        } else {
            storage.close()
        }
        // The lock on the directory goes with the last clone.
        drop(storage);
        let (storage, report) = open_with(cuts_config(self.directory.path()), disk()).expect("opens");
        assert!(report.damaged.is_empty() && report.lost_samples == 0, "{report:?}");
        self.storage = Some(storage);
        self.restarted = true;
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Push(samples) => self.push(&samples),
            Step::Seal(window) => self.seal(Self::window(window)),
            Step::Forget(past, window) => self.forget(self.model.epoch - past, Self::window(window)),
            Step::ForgetAhead(window) => self.forget(self.model.epoch + 1, Self::window(window)),
            Step::Epoch => self.model.epoch += 1,
            Step::Sweep => self.sweep(),
            Step::Checkpoint => self.storage().checkpoint().expect("checkpoint"),
            Step::Crash => self.restart(true),
            Step::Restart => self.restart(false),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cuts_are_as_in_the_model(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            check(world.storage(), &world.model);
        }
        world.restart(true);
        check(world.storage(), &world.model);
        world.sweep();
    }
}
