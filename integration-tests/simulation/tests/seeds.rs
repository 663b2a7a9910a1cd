//! Runs many seeds. `NARTHEX_SIMULATION_SEEDS` sets how many (2,000 unless set), `NARTHEX_SIMULATION_SEED` replays one,
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
    let seeds = number("NARTHEX_SIMULATION_SEEDS").unwrap_or(2_000);
    if let Some((seed, violation)) = first_failure(seeds, Mutation::None) {
        panic!("seed {seed} fails: {violation}; replay it with NARTHEX_SIMULATION_SEED={seed}");
    }
}

#[test]
fn runs_are_busy_and_repeat() {
    for seed in 0..3 {
        let report = run(seed, Mutation::None).expect("a good seed");
        let busy = report.acknowledged > 100 && report.reads > 10;
        let cuts = report.commits > 10 && report.forgotten > 20;
        assert!(busy && cuts, "seed {seed} did little: {report:?}");
        assert_eq!(run(seed, Mutation::None), Ok(report), "seed {seed} does not repeat");
    }
}

macro_rules! seen {
    ($($name:ident: $mutation:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            let (seed, violation) = first_failure(800, Mutation::$mutation).expect("some seed must fail");
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
    digests_of_open_windows_are_seen: DoNotSeal,
    answering_before_a_seal_is_synced_is_seen: SealUnsynced,
    flushing_what_one_owner_sealed_is_seen: FlushAlone,
    a_recovering_owner_that_seals_is_seen: SealRecovering,
    seals_of_a_disk_that_lost_samples_are_seen: KeepSeals,
    copying_without_the_revision_behind_it_is_seen: CopyWithoutActing,
    naming_cuts_without_their_epoch_is_seen: DropEpoch,
    sealing_for_any_epoch_is_seen: SealAnyEpoch,
    forgetting_across_epochs_is_seen: ForgetWithoutPass,
    forgetting_the_history_of_cuts_is_seen: ForgetCutHistory,
    trusting_the_reply_of_a_put_is_seen: TrustPutReply,
    planning_on_any_manifest_is_seen: IgnoreActedRevision,
    taking_another_root_for_the_own_is_seen: TrustExists,
    deleting_a_block_in_doubt_is_seen: DeleteOnUnknown,
    writing_over_a_root_is_seen: OverwriteRoot,
    naming_a_block_unseen_is_seen: SkipHead,
    collecting_by_the_local_clock_is_seen: LocalClock,
    collecting_what_may_still_be_named_is_seen: NeverGiveUp,
    leaving_with_cuts_is_seen: LeaveWithCuts,
    leaving_on_one_report_is_seen: LeaveOnOneReport,
    ignoring_departures_is_seen: IgnoreDepartures,
}
