//! One clock that is wrong does not move log time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Clocks;
use crate::clock::Clock;

const NOW_MS: u64 = 1_700_000_000_000;
const YEARS_MS: u64 = 2_000_000_000_000;

#[derive(Debug)]
struct Set(Mutex<(u64, Duration)>);

impl Clock for Set {
    fn wall_ms(&self) -> u64 {
        self.0.lock().unwrap().0
    }

    fn since_boot(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}

fn own(wall_ms: u64) -> (Arc<Set>, Clocks) {
    let clock = Arc::new(Set(Mutex::new((wall_ms, Duration::from_secs(100)))));
    (clock.clone(), Clocks::new(clock))
}

/// Node 1 stamps among voters 1 to `voters`; the others, from 2 on, say what is given, if they said anything.
fn check(voters: u64, own_ms: u64, others: &[Option<u64>], expected: Option<u64>) {
    let (_, clocks) = own(own_ms);
    for (said, peer) in others.iter().zip(2..) {
        if let Some(said) = said {
            clocks.hear(peer, *said);
        }
    }
    let voters: Vec<u64> = (1..=voters).collect();
    assert_eq!(clocks.stamp(1, &voters), expected, "{own_ms} among {others:?}");
}

#[test]
fn a_stamp_is_the_own_clock_but_no_later_than_a_majority_allows() {
    let (fair, ahead) = (Some(NOW_MS), Some(YEARS_MS));
    check(1, YEARS_MS, &[], Some(YEARS_MS));
    check(3, NOW_MS, &[fair, fair], Some(NOW_MS));
    check(3, NOW_MS + 9_000, &[fair, None], Some(NOW_MS + 9_000));
    check(3, YEARS_MS, &[fair, fair], Some(NOW_MS + 10_000));
    check(3, YEARS_MS, &[None, fair], Some(NOW_MS + 10_000));
    check(3, YEARS_MS, &[ahead, fair], Some(YEARS_MS));
    check(3, NOW_MS, &[ahead, ahead], Some(NOW_MS));
    check(5, YEARS_MS, &[ahead, fair, fair, fair], Some(NOW_MS + 10_000));
    check(3, NOW_MS, &[None, None], None);
    check(5, NOW_MS, &[fair, None, None, None], None);
}

#[test]
fn what_a_peer_said_moves_on_with_boot_time_and_grows_old() {
    let (clock, clocks) = own(YEARS_MS);
    clocks.hear(2, NOW_MS);
    clock.0.lock().unwrap().1 += Duration::from_secs(9);
    assert_eq!(clocks.stamp(1, &[1, 2, 3]), Some(NOW_MS + 19_000));
    clock.0.lock().unwrap().1 += Duration::from_secs(2);
    assert_eq!(clocks.stamp(1, &[1, 2, 3]), None);
}
