//! Runs many seeds. `NARTHEX_SIMULATION_SEEDS` sets how many (1,000 unless set), `NARTHEX_SIMULATION_SEED` replays one,
//! telling every event.

use std::{env, panic, thread};

use narthex_simulation::{Mutation, run, run_traced};

fn number(name: &str) -> Option<u64> {
    env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, is {text:?}")))
}

/// Runs the seeds on all cores; the first failure by seed.
fn first_failure(seeds: u64, mutation: Mutation) -> Option<(u64, String)> {
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let failures = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let failed =
                        |seed| run(seed, mutation).err().map(|violation| (seed, format!("{violation:?}")));
                    (0..seeds).skip(thread as usize).step_by(threads as usize).find_map(failed)
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().expect("a worker")).collect::<Vec<_>>()
    });
    failures.into_iter().min()
}

#[test]
fn no_seed_breaks_an_invariant() {
    if let Some(seed) = number("NARTHEX_SIMULATION_SEED") {
        let report =
            run_traced(seed, Mutation::None).unwrap_or_else(|violation| panic!("seed {seed}: {violation:?}"));
        println!("seed {seed}: {report:?}");
        return;
    }
    let seeds = number("NARTHEX_SIMULATION_SEEDS").unwrap_or(1_000);
    if let Some((seed, violation)) = first_failure(seeds, Mutation::None) {
        panic!("seed {seed} fails: {violation}; replay it with NARTHEX_SIMULATION_SEED={seed}");
    }
}

#[test]
fn runs_are_busy_and_repeat() {
    for seed in 0..3 {
        let report = run(seed, Mutation::None).expect("a good seed");
        assert!(report.acknowledged > 100 && report.reads > 10, "seed {seed} did little: {report:?}");
        assert_eq!(run(seed, Mutation::None), Ok(report), "seed {seed} does not repeat");
    }
}

macro_rules! seen {
    ($($name:ident: $mutation:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            let (seed, violation) = first_failure(300, Mutation::$mutation).expect("some seed must fail");
            println!("seed {seed}: {violation}");
        }
    )*};
}

// The oracle sees every broken rule.
seen! {
    recovering_owners_in_a_read_quorum_are_seen: CountRecovering,
    a_copy_of_one_owner_is_seen: CopyFromOne,
    trusting_every_disk_is_seen: TrustEveryDisk,
    trusting_an_old_disk_is_seen: TrustOldDisk,
    ignoring_epochs_is_seen: IgnoreEpochs,
    keeping_the_epoch_of_a_lost_disk_is_seen: KeepEpoch,
    adopting_an_epoch_without_waiting_is_seen: NoBarrier,
    activating_without_acknowledgements_is_seen: ActivateUnacknowledged,
    a_write_quorum_of_one_is_seen: WriteQuorumOfOne,
    a_read_quorum_of_one_is_seen: ReadQuorumOfOne,
    replying_before_the_wal_is_seen: ReplyBeforeWal,
}
