//! Which fault comes when, and how long it lasts: derived from the seed alone. Nothing is broken here.

use super::Fault;
use rand::{RngExt, rngs::StdRng};
use std::ops::Range;
use tokio_util::sync::CancellationToken;

/// One fault to come.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// Time before it, in which the cluster comes together again.
    pub(super) quiet_ms: u64,
    pub(super) fault: Fault,
    pub(super) node: usize,
    pub(super) lasts_ms: u64,
    /// What cuts this step short.
    pub(super) stop: CancellationToken,
}

/// The spans that a round of faults is drawn from, in milliseconds.
#[derive(Debug)]
struct Pace {
    quiet: Range<u64>,
    /// How long a process is away.
    away: Range<u64>,
    /// How long links are cut.
    cut: Range<u64>,
}

/// Each round has every fault once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// Every fault within a minute, and links cut for clearly longer than a lease: even the shortest run must see a cut-off
    /// node refuse.
    First,
    /// Some faults are over before a lease is, others are not.
    Later,
}

impl Round {
    const fn pace(self) -> Pace {
        match self {
            Self::First => Pace { quiet: 1_000..2_000, away: 2_000..4_000, cut: 8_500..10_000 },
            Self::Later => Pace { quiet: 3_000..7_000, away: 3_000..12_000, cut: 3_000..12_000 },
        }
    }
}

/// What is broken during a run.
#[derive(Debug)]
pub(super) struct Schedule {
    rng: StdRng,
    nodes: usize,
    round: Round,
    left: Vec<Fault>,
}

impl Schedule {
    pub(super) fn new(rng: StdRng, nodes: usize) -> Self {
        Self { rng, nodes, round: Round::First, left: Fault::ALL.to_vec() }
    }

    /// The next fault; none once `stop` says so. The first round does not listen to it: a run without one of the faults
    /// would prove nothing about that fault, so it rather lasts some seconds longer than was asked.
    pub(super) fn step(&mut self, stop: &CancellationToken) -> Option<Step> {
        if self.left.is_empty() {
            self.round = Round::Later;
            self.left = Fault::ALL.to_vec();
        }
        let stop = match self.round {
            Round::First => CancellationToken::new(),
            Round::Later => stop.clone(),
        };
        if stop.is_cancelled() {
            return None;
        }
        let fault = self.left.swap_remove(self.rng.random_range(0..self.left.len()));
        let pace = self.round.pace();
        let lasts_ms = match fault {
            Fault::Kill | Fault::Freeze | Fault::Restart => pace.away,
            Fault::Partition | Fault::PartitionOut | Fault::PartitionIn => pace.cut,
        };
        Some(Step {
            quiet_ms: self.rng.random_range(pace.quiet),
            fault,
            node: self.rng.random_range(1..=self.nodes),
            lasts_ms: self.rng.random_range(lasts_ms),
            stop,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::PAST_LEASE_MS;
    use rand::SeedableRng;
    use std::collections::BTreeSet;

    /// What a run of a minute has for its first round.
    const MINUTE_MS: u64 = 60_000;

    fn steps(seed: u64, stop: &CancellationToken) -> Vec<Step> {
        let mut schedule = Schedule::new(StdRng::seed_from_u64(seed), 3);
        std::iter::from_fn(|| schedule.step(stop)).take(40).collect()
    }

    #[test]
    fn a_run_that_is_over_at_once_still_breaks_everything_once() {
        let over = CancellationToken::new();
        over.cancel();
        for seed in 0..50 {
            let steps = steps(seed, &over);
            let faults: BTreeSet<_> = steps.iter().map(|step| step.fault.name()).collect();
            assert_eq!((steps.len(), faults.len()), (Fault::ALL.len(), Fault::ALL.len()));
            assert!(steps.iter().all(|step| !step.stop.is_cancelled()));
        }
    }

    #[test]
    fn the_first_round_fits_into_a_minute_and_cuts_for_longer_than_a_lease() {
        for seed in 0..50 {
            let steps = steps(seed, &CancellationToken::new());
            let round = &steps[..Fault::ALL.len()];
            let span: u64 = round.iter().map(|step| step.quiet_ms + step.lasts_ms).sum();
            assert!(span < MINUTE_MS, "{span}");
            for cut in round.iter().filter(|step| step.fault.cuts()) {
                assert!(cut.lasts_ms > PAST_LEASE_MS + 2_000, "{cut:?}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let story = |seed| {
            format!(
                "{:?}",
                steps(seed, &CancellationToken::new())
                    .iter()
                    .map(|step| (step.fault, step.node, step.lasts_ms))
                    .collect::<Vec<_>>()
            )
        };
        assert_eq!(story(7), story(7));
        assert_ne!(story(7), story(8));
    }
}
