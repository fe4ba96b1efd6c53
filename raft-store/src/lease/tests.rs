//! The lease against a clock that the test moves.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use futures::FutureExt as _;

use super::{Lease, LeaseLapsed, LeaseLeft, LeaseTimings, nanos};
use crate::clock::Clock;
use crate::state_machine::StateMachine;

#[derive(Debug)]
struct Moved(Mutex<Duration>);

impl Clock for Moved {
    fn wall_ms(&self) -> u64 {
        0
    }

    fn since_boot(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

struct Fixture {
    lease: Lease,
    clock: Arc<Moved>,
    _folder: crate::state_machine::tests::TestFolder,
}

impl Fixture {
    fn new() -> Self {
        let (folder, state) = StateMachine::for_test();
        let clock = Arc::new(Moved(Mutex::new(Duration::from_secs(100))));
        let lease = Lease::new(clock.clone(), state, LeaseTimings::default());
        lease.beat();
        Self { lease, clock, _folder: folder }
    }

    fn advance(&self, by: u64) {
        *self.clock.0.lock().unwrap() += Duration::from_millis(by);
    }

    /// Time passes while the watchdog runs.
    fn live(&self, for_ms: u64) {
        for _ in 0..for_ms / 50 {
            self.advance(50);
            self.lease.beat();
        }
    }
}

#[test]
fn there_is_no_lease_before_the_first_answer() {
    assert_eq!(Fixture::new().lease.check(), Err(LeaseLapsed::NoQuorum));
}

#[test]
fn an_answer_counts_from_the_sending_of_its_question() {
    let fixture = Fixture::new();
    let sent = nanos(fixture.clock.since_boot());
    fixture.live(1_000);
    fixture.lease.grant(sent);
    assert_eq!(fixture.lease.check(), Ok(LeaseLeft(Duration::from_secs(4))));
    fixture.live(3_950);
    assert_eq!(fixture.lease.check(), Ok(LeaseLeft(Duration::from_millis(50))));
    fixture.live(50);
    assert_eq!(fixture.lease.check(), Err(LeaseLapsed::NoQuorum));
}

#[tokio::test]
async fn a_stall_has_the_leader_asked_at_once_and_leaves_the_lease_to_its_clock() {
    let fixture = Fixture::new();
    fixture.lease.grant(nanos(fixture.clock.since_boot()));
    fixture.live(1_000);
    assert!(fixture.lease.cells.ask.notified().now_or_never().is_none(), "no stall yet");
    fixture.advance(101);
    assert_eq!(fixture.lease.check(), Ok(LeaseLeft(Duration::from_millis(3_899))));
    fixture.lease.beat();
    assert!(fixture.lease.cells.ask.notified().now_or_never().is_some(), "nobody is asked");
    assert_eq!(fixture.lease.check(), Ok(LeaseLeft(Duration::from_millis(3_899))));
    fixture.advance(3_899);
    assert_eq!(fixture.lease.check(), Err(LeaseLapsed::NoQuorum), "before the watchdog");
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_gives_only_what_is_left_since_its_question() {
    let fixture = Fixture::new();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let ask = |_| {
        let first = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        fixture.advance(if first { 3_000 } else { 0 });
        let answer = if first { Ok(1) } else { Err(crate::read_index::Unconfirmed) };
        std::future::ready(answer)
    };
    let two_questions = tokio::time::timeout(Duration::from_millis(1_500), fixture.lease.keep(ask));
    two_questions.await.unwrap_err();
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 2);
    assert_eq!(fixture.lease.check(), Ok(LeaseLeft(Duration::from_secs(2))));
}

#[test]
fn a_late_answer_to_an_earlier_question_shortens_nothing() {
    let fixture = Fixture::new();
    let before = nanos(fixture.clock.since_boot());
    fixture.live(1_000);
    fixture.lease.grant(nanos(fixture.clock.since_boot()));
    fixture.lease.grant(before);
    assert_eq!(fixture.lease.check(), Ok(LeaseLeft(Duration::from_secs(5))));
}

#[test]
fn a_frozen_process_has_no_lease_when_it_wakes() {
    let fixture = Fixture::new();
    fixture.lease.grant(nanos(fixture.clock.since_boot()));
    fixture.advance(60_000);
    assert!(fixture.lease.check().is_err());
}

#[test]
fn a_lapse_counts_from_the_end_of_the_lease_while_the_process_stands_still_too() {
    let fixture = Fixture::new();
    assert_eq!(fixture.lease.lapsed_for(), Some(Duration::MAX), "it never had one");
    fixture.lease.grant(nanos(fixture.clock.since_boot()));
    fixture.live(4_950);
    assert_eq!(fixture.lease.lapsed_for(), None);
    fixture.advance(60_050);
    assert_eq!(fixture.lease.lapsed_for(), Some(Duration::from_mins(1)));
    fixture.lease.grant(nanos(fixture.clock.since_boot()));
    assert_eq!(fixture.lease.lapsed_for(), None);
    fixture.lease.give_up();
    assert_eq!(fixture.lease.lapsed_for(), Some(Duration::MAX));
}

#[test]
fn a_node_that_differs_or_stops_has_no_lease() {
    let fixture = Fixture::new();
    fixture.lease.grant(nanos(fixture.clock.since_boot()));
    fixture.lease.give_up();
    fixture.lease.grant(nanos(fixture.clock.since_boot()));
    assert_eq!(fixture.lease.check(), Err(LeaseLapsed::NoQuorum));
    let fixture = Fixture::new();
    fixture.lease.grant(nanos(fixture.clock.since_boot()));
    fixture.lease.state.differs_at(9);
    assert_eq!(fixture.lease.check(), Err(LeaseLapsed::Diverged(9)));
}
