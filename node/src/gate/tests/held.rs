//! Hold, park, claim, withdraw: with the client waiting, gone, or back again.

use super::{
    log::{Lease, Weather},
    world::*,
};
use countersign_core::{
    gate::{Gate, HoldProgress, Signal},
    hold::{Choice, HoldState},
    operation::Action,
    record::{EventKind, Outcome},
    refusal::Refusal,
};
use countersign_raft_store::command::{Leaves, ParkHold};
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test(start_paused = true)]
async fn an_approved_hold_admits_the_waiting_operation_once() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = delete(&session);
    let (hold, mut held) = world.hold(&session, &operation).await;
    let notice = held.notice();
    assert_eq!(notice.reviewers, "1 of dba");
    assert_eq!(notice.url, format!("https://gate.example/v1/holds/{hold}"));
    timeout(Duration::from_secs(5), held.next()).await.unwrap_err();
    world.decide(hold, "dana", Choice::Approve).await;
    let admission = admission(&mut held).await;
    let leased = world.gate.lease().unwrap();
    admission.permit.open(&operation, leased).unwrap();
    assert_eq!(released(admission.reply).await.unwrap().operation(), operation.id());
    assert_eq!(world.events(EventKind::Intent).len(), 1);
    drop(held);
    // The same again is another operation, and needs another approval.
    let (again, _held) = world.hold(&session, &delete(&session)).await;
    assert_ne!(again, hold);
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_its_client_does_not_take_is_not_used_up() {
    let world = World::new().await;
    let session = world.open().await.session;
    let (hold, mut held) = world.hold(&session, &delete(&session)).await;
    world.decide(hold, "dana", Choice::Approve).await;
    assert!(matches!(held.next().await, HoldProgress::Approved));
    // The target turns out to be down: the client hears so, and comes again.
    drop(held);
    assert!(world.events(EventKind::Intent).is_empty());
    let (attached, mut held) = world.hold(&session, &delete(&session)).await;
    assert_eq!(attached, hold);
    let _admission = admission(&mut held).await;
    assert_eq!(world.events(EventKind::Intent).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_other_end_of_a_hold_refuses_the_operation() {
    let world = World::new().await;
    let session = world.open().await.session;
    let (hold, mut held) = world.hold(&session, &delete(&session)).await;
    world.decide(hold, "dana", Choice::Reject).await;
    let comment = "says dana".to_owned();
    assert_eq!(refused(held.next().await), Refusal::Rejected { hold, comment });

    let (hold, held) = world.hold(&session, &delete(&session)).await;
    assert_eq!(held.withdraw().await, Refusal::Withdrawn { hold });
    let state = world.view().hold(hold).unwrap().unwrap().hold.state;
    assert!(matches!(state, HoldState::Withdrawn { .. }));

    let (hold, mut held) = world.hold(&session, &delete(&session)).await;
    world.log.advance(11 * 60 * 1000);
    world.store.propose(&countersign_raft_store::command::Command::Tick).await.unwrap();
    assert_eq!(refused(held.next().await), Refusal::HoldExpired { hold });
    assert!(world.events(EventKind::Intent).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waited_long_enough_is_parked_and_claims_the_approval_later() {
    let world = World::new().await;
    let session = world.open().await.session;
    let (hold, mut held) = world.hold(&session, &delete(&session)).await;
    assert_eq!(refused(held.next().await), Refusal::Parked { hold });
    drop(held);
    world.event(EventKind::Parked).await;
    world.decide(hold, "dana", Choice::Approve).await;

    // Another session of the same agent sends the same operation.
    let other = world.open().await.session;
    let operation = delete(&other);
    let (attached, mut held) = world.hold(&other, &operation).await;
    assert_eq!(attached, hold);
    let admission = admission(&mut held).await;
    admission.permit.open(&operation, world.gate.lease().unwrap()).unwrap();
    let state = world.view().hold(hold).unwrap().unwrap().hold.state;
    assert!(matches!(state, HoldState::Consumed { operation: by, .. } if by == operation.id()));
}

#[tokio::test(start_paused = true)]
async fn what_a_transaction_has_waited_in_vain_is_a_part_of_the_wait_and_an_approval_is_taken_all_the_same()
 {
    let world = World::new().await;
    let session = world.open().await.session;
    for (waited, left) in [(Duration::from_secs(50), 10), (Duration::from_hours(1), 0)] {
        let (hold, mut held) = world.hold(&session, &delete(&session)).await;
        held.hasten(waited);
        let start = tokio::time::Instant::now();
        assert_eq!(refused(held.next().await), Refusal::Parked { hold });
        assert_eq!(start.elapsed().as_secs(), left);
    }
    let (hold, mut held) = world.hold(&session, &delete(&session)).await;
    world.decide(hold, "dana", Choice::Approve).await;
    held.hasten(Duration::from_hours(1));
    let _admission = admission(&mut held).await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_the_node_ends_hears_that_the_hold_stays_open() {
    let world = World::new().await;
    let (mut waiting, mut idle) = (world.open().await, world.open().await);
    let (hold, held) = world.hold(&waiting.session, &delete(&waiting.session)).await;
    world.gate.end_sessions();
    assert_eq!(signal(&mut waiting.signals).await, Signal::End(Refusal::Parked { hold }));
    assert_eq!(signal(&mut idle.signals).await, Signal::End(Refusal::ShuttingDown));
    drop(held);
    world.event(EventKind::Parked).await;
    assert!(matches!(
        world.view().hold(hold).unwrap().unwrap().hold.state,
        HoldState::Pending { .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn an_approval_for_a_transaction_that_is_gone_admits_nothing() {
    let world = World::new().await;
    let session = world.open().await.session;
    let (hold, mut held) = world.hold(&session, &delete(&session)).await;
    world.decide(hold, "dana", Choice::Approve).await;
    assert!(matches!(held.next().await, HoldProgress::Approved));
    held.void().await;
    let state = world.view().hold(hold).unwrap().unwrap().hold.state;
    assert!(matches!(state, HoldState::Invalidated { .. }), "{state:?}");
    assert!(world.events(EventKind::Intent).is_empty());
    // The same operation waits for an approval of its own.
    let (other, held) = world.hold(&session, &delete(&session)).await;
    assert_ne!(other, hold);
    // Without a quorum the agent is not kept waiting; the log hears of it when it can.
    world.log.weather(Weather::NoQuorum);
    held.void().await;
    world.log.weather(Weather::Fair);
    while !matches!(
        world.view().hold(other).unwrap().unwrap().hold.state,
        HoldState::Invalidated { .. }
    ) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(world.events(EventKind::Parked).is_empty());
}

#[tokio::test(start_paused = true)]
async fn another_operation_does_not_attach_to_the_hold() {
    let world = World::new().await;
    let session = world.open().await.session;
    let (hold, _held) = world.hold(&session, &delete(&session)).await;
    let other = operation(&session, Action::PostgresWrite, "DELETE FROM orders --");
    let (another, _other_held) = world.hold(&session, &other).await;
    assert_ne!(another, hold);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_parks_its_hold() {
    let world = World::new().await;
    let session = world.open().await.session;
    let (hold, held) = world.hold(&session, &delete(&session)).await;
    drop(held);
    world.event(EventKind::Parked).await;
    let record = world.view().hold(hold).unwrap().unwrap();
    assert!(record.attached.is_empty());
    assert!(matches!(record.hold.state, HoldState::Pending { .. }));
}

#[tokio::test(start_paused = true)]
async fn two_waiting_clients_share_a_hold_and_only_one_takes_its_approval() {
    let world = World::new().await;
    let (one, two) = (world.open().await.session, world.open().await.session);
    let (hold, mut first) = world.hold(&one, &delete(&one)).await;
    let (same, mut second) = world.hold(&two, &delete(&two)).await;
    assert_eq!(same, hold);
    world.decide(hold, "dana", Choice::Approve).await;
    let _admission = admission(&mut first).await;
    // The other one is judged again, and waits for a hold of its own.
    match second.next().await {
        HoldProgress::Changed(notice) => assert_ne!(notice.hold, hold),
        other @ (HoldProgress::Approved | HoldProgress::Admitted(_) | HoldProgress::Refused(_)) => {
            panic!("{other:?}")
        }
    }
    assert_eq!(world.events(EventKind::Intent).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_changes_while_it_waits_judges_the_operation_again() {
    let world = World::new().await;
    let session = world.open().await.session;

    // Still held: by a new hold, whose approval counts; the old one's does not.
    let (hold, mut held) = world.hold(&session, &delete(&session)).await;
    world.policy(&POLICY.replace("@hold(\"dba\")", "@hold(\"dba\") @quorum(\"2\")")).await;
    let notice = match held.next().await {
        HoldProgress::Changed(notice) => notice,
        other @ (HoldProgress::Approved | HoldProgress::Admitted(_) | HoldProgress::Refused(_)) => {
            panic!("{other:?}")
        }
    };
    assert_ne!(notice.hold, hold);
    assert_eq!(notice.reviewers, "2 of dba");
    world.decide(notice.hold, "dana", Choice::Approve).await;
    assert!(matches!(held.next().await, HoldProgress::Changed(told) if told.approvals == 1));
    world.decide(notice.hold, "rui", Choice::Approve).await;
    let _admission = admission(&mut held).await;
    drop(held);

    // Allowed now.
    let (_, mut held) = world.hold(&session, &delete(&session)).await;
    world.policy("permit(principal, action, resource);").await;
    let _admission = admission(&mut held).await;

    // Denied now.
    world.policy(POLICY).await;
    let (_, mut held) = world.hold(&session, &delete(&session)).await;
    world.policy("").await;
    assert!(matches!(refused(held.next().await), Refusal::Denied { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_changes_again_and_again_keeps_nobody_waiting_for_longer() {
    let world = World::new().await;
    let session = world.open().await.session;
    let (_, mut held) = world.hold(&session, &delete(&session)).await;
    let wait = |span: &str| POLICY.replace("@wait(\"1m\")", &format!("@wait(\"{span}\")"));
    let start = tokio::time::Instant::now();
    // Every change judges it again, and every time it is held.
    for n in 0..5_u64 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        world.policy(&wait(&format!("{}s", 60 + n))).await;
        assert!(matches!(held.next().await, HoldProgress::Changed(_)));
    }
    assert!(matches!(refused(held.next().await), Refusal::Parked { .. }));
    let waited = start.elapsed();
    assert!((64..70).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_progress_that_is_dropped_and_asked_for_again_loses_no_approval() {
    let world = World::new().await;
    let session = world.open().await.session;
    let (hold, mut held) = world.hold(&session, &delete(&session)).await;
    world.decide(hold, "dana", Choice::Approve).await;
    // Dropped as soon as it is asked, many times, while the claim is under way.
    for _ in 0..50 {
        let next = held.next();
        match timeout(Duration::ZERO, next).await {
            Ok(HoldProgress::Admitted(_admission)) => return,
            Ok(HoldProgress::Approved) | Err(_) => {}
            Ok(other @ (HoldProgress::Changed(_) | HoldProgress::Refused(_))) => {
                panic!("{other:?}")
            }
        }
        tokio::task::yield_now().await;
    }
    panic!("the approval was never taken");
}

#[tokio::test(start_paused = true)]
async fn an_approval_taken_for_a_client_that_is_gone_is_recorded_as_not_forwarded() {
    let world = World::new().await;
    let session = world.open().await.session;
    let (hold, mut held) = world.hold(&session, &delete(&session)).await;
    world.log.weather(Weather::NoQuorum);
    // The decision and the claim wait for the weather; the client does not.
    world.log.weather(Weather::Fair);
    world.decide(hold, "dana", Choice::Approve).await;
    assert!(matches!(held.next().await, HoldProgress::Approved));
    world.log.weather(Weather::NoQuorum);
    timeout(Duration::from_secs(1), held.next()).await.unwrap_err();
    drop(held);
    world.log.weather(Weather::Fair);
    let outcome = world.event(EventKind::Outcome).await;
    assert_eq!(outcome.fields["outcome"], Outcome::Refused.name());
    assert_eq!(outcome.fields["word"], "not_forwarded");
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_forwards_nothing() {
    let world = World::new().await;
    let session = world.open().await.session;
    let (hold, mut held) = world.hold(&session, &delete(&session)).await;
    world.decide(hold, "dana", Choice::Approve).await;
    assert!(matches!(held.next().await, HoldProgress::Approved));
    world.log.weather(Weather::AnswersLost);
    assert_eq!(refused(held.next().await), Refusal::NoQuorum);
    world.log.weather(Weather::Fair);
    let outcome = world.event(EventKind::Outcome).await;
    assert_eq!(outcome.fields["outcome"], Outcome::Refused.name());
    // The approval is gone: the same operation is held anew.
    let (again, _held) = world.hold(&session, &delete(&session)).await;
    assert_ne!(again, hold);
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_not_taken_without_a_lease() {
    let world = World::new().await;
    let session = world.open().await.session;
    let (hold, mut held) = world.hold(&session, &delete(&session)).await;
    world.decide(hold, "dana", Choice::Approve).await;
    world.log.lease(Lease::Lapsed);
    timeout(Duration::from_secs(20), held.next()).await.unwrap_err();
    assert!(world.events(EventKind::Intent).is_empty());
    world.log.lease(Lease::Valid);
    let _admission = admission(&mut held).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_misses_effects_still_notices_a_decision() {
    let world = World::with_room(1).await;
    let session = world.open().await.session;
    let (hold, mut held) = world.hold(&session, &delete(&session)).await;
    world.decide(hold, "dana", Choice::Approve).await;
    for n in 0..20 {
        let noise = operation(&session, Action::PostgresWrite, &format!("DELETE {n}"));
        drop(world.hold(&session, &noise).await);
    }
    let _admission = timeout(Duration::from_secs(15), admission(&mut held)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_agent_with_too_many_holds_is_told_so() {
    let world = World::new().await;
    let session = world.open().await.session;
    for n in 0..MOST_HOLDS.open {
        let one = operation(&session, Action::PostgresWrite, &format!("DELETE {n}"));
        drop(world.hold(&session, &one).await);
    }
    let refused = world.judge(&session, &delete(&session)).await.unwrap_err();
    assert_eq!(refused, Refusal::TooManyHolds);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_attached_to_its_hold_again_stays_attached() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = delete(&session);
    let (hold, mut held) = world.hold(&session, &operation).await;
    // Something took the session off the hold; its claim is refused, and judging again attaches it to the same hold.
    let park = ParkHold { hold, session: session.id(), leaves: Leaves::Parked };
    world.store.park_hold(park).await.unwrap();
    world.decide(hold, "dana", Choice::Approve).await;
    assert!(matches!(held.next().await, HoldProgress::Approved));
    let HoldProgress::Changed(notice) = held.next().await else { panic!("it waits again") };
    assert_eq!(notice.hold, hold);
    world.gate.flush().await;
    assert_eq!(world.view().hold(hold).unwrap().unwrap().attached.len(), 1);
    let admission = admission(&mut held).await;
    admission.permit.open(&operation, world.gate.lease().unwrap()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_a_limit_refuses_is_in_the_audit() {
    let world = World::new().await;
    let session = world.open().await.session;
    let mut waiting = Vec::new();
    for n in 0..MOST_HOLDS.open {
        let operation = operation(&session, Action::PostgresWrite, &format!("DELETE {n}"));
        waiting.push(world.hold(&session, &operation).await);
    }
    let one_more = delete(&session);
    let refused = world.judge(&session, &one_more).await.unwrap_err();
    assert_eq!(refused, Refusal::TooManyHolds);
    let event = world.event(EventKind::Refused).await;
    assert_eq!(event.fields["operation.id"], one_more.id().to_string());
    assert_eq!(event.fields["message"], refused.to_string());
    // A flood of them is not recorded whole.
    for _ in 0..50 {
        world.judge(&session, &delete(&session)).await.unwrap_err();
    }
    world.gate.flush().await;
    let recorded = world.events(EventKind::Refused).len();
    assert!((2..40).contains(&recorded), "{recorded}");
}
