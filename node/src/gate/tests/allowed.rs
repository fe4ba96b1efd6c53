//! What policy allows or denies, and the audit levels.

use super::{
    super::judge::LONG_JUDGEMENTS,
    log::{Lease, Weather},
    world::*,
};
use countersign_core::{
    gate::{CloseReason, Gate, Judged, Reply, Settlement},
    id::NodeId,
    mask::MaskTally,
    operation::Action,
    record::{EventKind, Outcome},
    refusal::Refusal,
};
use countersign_raft_store::{
    command::AccessRefused,
    records::{OperationState, RequestId, ResourceKind},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

#[tokio::test(start_paused = true)]
async fn an_allowed_read_is_forwarded_before_its_intent_is_committed_and_answered_after() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    world.log.weather(Weather::NoQuorum);
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    let leased = world.gate.lease().unwrap();
    admission.permit.open(&operation, leased).unwrap();
    let Reply::Awaited(mut release) = admission.reply else { panic!("the answer must wait") };
    timeout(Duration::from_secs(1), &mut release).await.unwrap_err();
    assert!(world.events(EventKind::Intent).is_empty());
    world.log.weather(Weather::Fair);
    assert_eq!(release.await.unwrap().operation(), operation.id());
    assert_eq!(world.events(EventKind::Intent).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_a_read_whose_intent_does_not_come_into_the_log_is_refused() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    world.log.weather(Weather::NoQuorum);
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    assert_eq!(released(admission.reply).await.unwrap_err(), Refusal::NoQuorum);
}

#[tokio::test(start_paused = true)]
async fn what_can_act_gets_no_permit_before_its_intent_is_committed() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = operation(&session, Action::PostgresDdl, "CREATE INDEX");
    let cleared = world.clear(&session, &operation).await;
    world.log.weather(Weather::NoQuorum);
    let before = Instant::now();
    let refused = world.gate.admit(&session, &operation, cleared).await.unwrap_err();
    assert_eq!(refused, Refusal::NoQuorum);
    assert!(before.elapsed() <= Duration::from_secs(4), "{:?}", before.elapsed());
    // What was asked so far is recorded first.
    world.log.weather(Weather::Fair);
    let cleared = world.clear(&session, &operation).await;
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    assert!(matches!(admission.reply, Reply::Released(_)));
    assert_eq!(world.events(EventKind::Intent).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_intent_whose_answer_was_lost_is_settled_as_not_forwarded() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = operation(&session, Action::PostgresDdl, "CREATE INDEX");
    let cleared = world.clear(&session, &operation).await;
    world.log.weather(Weather::AnswersLost);
    let refused = world.gate.admit(&session, &operation, cleared).await.unwrap_err();
    assert_eq!(refused, Refusal::NoQuorum);
    world.log.weather(Weather::Fair);
    let outcome = world.event(EventKind::Outcome).await;
    assert_eq!(outcome.fields["outcome"], Outcome::Refused.name());
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_in_the_audit_before_the_agent_hears_it() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = operation(&session, Action::PostgresProgram, "COPY t FROM PROGRAM 'id'");
    world.log.weather(Weather::NoQuorum);
    let refused = world.judge(&session, &operation).await.unwrap_err();
    assert_eq!(refused, Refusal::NoQuorum, "nobody hears a denial that is not recorded");
    world.log.weather(Weather::Fair);
    let refused = world.judge(&session, &operation).await.unwrap_err();
    assert!(matches!(refused, Refusal::Denied { .. }), "{refused}");
    let recorded = &world.events(EventKind::Refused)[0].fields;
    assert_eq!(recorded["operation.text"], "COPY t FROM PROGRAM 'id'");
}

#[tokio::test(start_paused = true)]
async fn what_was_cleared_under_an_old_policy_is_judged_again_before_it_is_admitted() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = operation(&session, Action::PostgresDdl, "CREATE INDEX");
    let cleared = world.clear(&session, &operation).await;
    // The same rules: allowed again.
    world.policy_unnoticed(&format!("{POLICY} // changed")).await;
    let _admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    assert_eq!(world.events(EventKind::Intent).len(), 1);

    let other = super::world::operation(&session, Action::PostgresDdl, "DROP INDEX");
    let cleared = world.clear(&session, &other).await;
    world.policy_unnoticed("").await;
    let refused = world.gate.admit(&session, &other, cleared).await.unwrap_err();
    assert!(matches!(refused, Refusal::Denied { .. }), "{refused}");
    assert_eq!(world.events(EventKind::Intent).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_was_forwarded_under_an_old_policy_is_not_answered() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    world.policy_unnoticed("").await;
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    let refused = released(admission.reply).await.unwrap_err();
    assert_eq!(refused, Refusal::PolicyChanged);
    assert!(refused.is_retryable());
}

#[tokio::test]
async fn a_judgement_that_takes_long_keeps_nobody_else_waiting() {
    let world = World::new().await;
    let session = world.open().await.session;
    // Only of what creates: enough text to be compared for long.
    let long = format!(
        "permit(principal, action == Action::\"postgres:ddl\", resource) when {{ principal.name like \"{}\" }};",
        "x".repeat(30_000)
    );
    let beside = serde_json::json!({ "cedar": long.repeat(8) }).to_string();
    world.unnoticed(ResourceKind::Policy, "long", &beside).await;
    world.policy(&format!("{POLICY}{}", long.repeat(7))).await;
    let create = operation(&session, Action::PostgresDdl, "CREATE INDEX");
    let others = LONG_JUDGEMENTS.acquire_many(2).await.unwrap();
    let moment = Duration::from_millis(100);
    timeout(moment, world.judge(&session, &create)).await.unwrap_err();
    let _cleared = world.clear(&session, &select(&session)).await;
    drop(others);
    let _cleared = world.clear(&session, &create).await;
    // It is known now.
    let _others = LONG_JUDGEMENTS.acquire_many(2).await.unwrap();
    let _cleared = world.clear(&session, &create).await;
}

#[tokio::test(start_paused = true)]
async fn a_stale_policy_is_found_out_when_judging() {
    let world = World::new().await;
    let session = world.open().await.session;
    // Held under the policy that this node knows, denied under the one in force.
    world.policy_unnoticed("").await;
    let refused = world.judge(&session, &delete(&session)).await.unwrap_err();
    assert!(matches!(refused, Refusal::Denied { .. }), "{refused}");
    assert!(world.events(EventKind::Held).is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_a_lease_nothing_is_judged_admitted_or_opened() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    world.log.lease(Lease::Lapsed);
    assert_eq!(world.gate.lease().unwrap_err(), Refusal::NoQuorum);
    let before = Instant::now();
    assert_eq!(world.judge(&session, &operation).await.unwrap_err(), Refusal::NoQuorum);
    assert!(before.elapsed() < Duration::from_secs(3));
    let refused = world.gate.admit(&session, &operation, cleared).await.unwrap_err();
    assert_eq!(refused, Refusal::NoQuorum);
    assert_eq!(world.gate.open(world.wish()).await.unwrap_err(), Refusal::NoQuorum);
    world.log.lease(Lease::Valid);
    let _cleared = world.clear(&session, &operation).await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_comes_back_at_once_is_waited_for() {
    let world = Arc::new(World::new().await);
    let session = world.open().await.session;
    world.log.lease(Lease::Lapsed);
    let log = Arc::clone(&world.log);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(800)).await;
        log.lease(Lease::Valid);
    });
    let judged = world.judge(&session, &select(&session)).await.unwrap();
    assert!(matches!(judged, Judged::Cleared(_)));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_recorded_when_the_log_takes_entries_again() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    let _release = released(admission.reply).await.unwrap();
    world.log.weather(Weather::NoQuorum);
    let settlement = Settlement {
        operation: operation.id(),
        outcome: Outcome::Completed,
        rows: 3,
        bytes: 120,
        word: "SELECT 3".to_owned(),
        masked: MaskTally::default(),
    };
    world.gate.settle(&session, settlement).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(world.events(EventKind::Outcome).is_empty());
    world.log.weather(Weather::Fair);
    let outcome = world.event(EventKind::Outcome).await;
    assert_eq!(outcome.fields["word"], "SELECT 3");
    world.gate.flush().await;
}

fn completed(operation: &countersign_core::operation::Operation) -> Settlement {
    Settlement {
        operation: operation.id(),
        outcome: Outcome::Completed,
        rows: 1,
        bytes: 9,
        word: "SELECT 1".to_owned(),
        masked: MaskTally::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_was_forwarded_under_a_policy_just_replaced_is_withheld_and_recorded() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    world.policy_unnoticed("").await;
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    admission.permit.open(&operation, world.gate.lease().unwrap()).unwrap();
    released(admission.reply).await.unwrap_err();
    world.gate.settle(&session, completed(&operation)).await;
    assert_eq!(world.event(EventKind::Intent).await.fields["verdict"], "withheld");
    assert_eq!(world.event(EventKind::Outcome).await.fields["outcome"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_read_whose_answer_was_withheld_for_want_of_a_quorum_is_recorded_when_there_is_one() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    world.log.weather(Weather::NoQuorum);
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    admission.permit.open(&operation, world.gate.lease().unwrap()).unwrap();
    assert_eq!(released(admission.reply).await.unwrap_err(), Refusal::NoQuorum);
    world.gate.settle(&session, completed(&operation)).await;
    world.gate.close(session.id(), CloseReason::Agent).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(world.events(EventKind::Intent).is_empty());
    world.log.weather(Weather::Fair);
    let outcome = world.event(EventKind::Outcome).await;
    assert_eq!(outcome.fields["operation.id"], operation.id().to_string());
    assert_eq!(world.events(EventKind::Intent).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_not_lost_with_its_session_while_the_journal_is_full() {
    let world = World::new().await;
    let session = world.open().await.session;
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    admission.permit.open(&operation, world.gate.lease().unwrap()).unwrap();
    let _release = released(admission.reply).await.unwrap();
    world.log.weather(Weather::NoQuorum);
    for n in 0..10_000_u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        world.gate.inner.journal.access_refused(AccessRefused {
            id: RequestId(id),
            node: NodeId(1),
            source: String::new(),
            who: None,
            what: "fill".to_owned(),
            reason: String::new(),
        });
        if n % 1000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    // The session's task is gone before there is room.
    let mut settling = world.gate.settle(&session, completed(&operation));
    timeout(Duration::from_secs(1), &mut settling).await.unwrap_err();
    drop(settling);
    world.log.weather(Weather::Fair);
    let settled = OperationState::Settled(Outcome::Completed);
    while world.view().operation(operation.id()).unwrap().unwrap().state != settled {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Reads are answered once they are noted.
const NOTED: &str = r#"
@id("reads") @audit("batched") permit(principal in Group::"ci", action == Action::"postgres:read", resource in Target::"orders");
"#;

#[tokio::test]
async fn a_noted_read_is_answered_without_the_log_and_recorded_soon_after() {
    let world = World::new().await;
    world.policy(NOTED).await;
    let session = world.open().await.session;
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    world.log.weather(Weather::NoQuorum);
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    assert_eq!(released(admission.reply).await.unwrap().operation(), operation.id());
    assert!(world.events(EventKind::Intent).is_empty());
    let settlement = Settlement {
        operation: operation.id(),
        outcome: Outcome::Completed,
        rows: 1,
        bytes: 1,
        word: "SELECT 1".to_owned(),
        masked: MaskTally::default(),
    };
    world.gate.settle(&session, settlement).await;
    world.gate.close(session.id(), CloseReason::Agent).await;
    world.log.weather(Weather::Fair);
    world.event(EventKind::SessionClosed).await;
    let intent = world.event(EventKind::Intent).await;
    assert_eq!(intent.fields["audit"], "batched");
    assert!(!intent.fields.contains_key("reason"), "its session was closed behind it: {intent:?}");
    assert_eq!(world.event(EventKind::Outcome).await.fields["outcome"], "completed");
}

#[tokio::test]
async fn a_noted_read_that_nobody_forwards_is_recorded_as_that_and_forgotten() {
    let world = World::new().await;
    world.policy(NOTED).await;
    let session = world.open().await.session;
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    drop(released(admission.reply).await.unwrap());
    drop(world.gate.inner.journal.unforwarded(session.id(), operation.id()));
    let outcome = world.event(EventKind::Outcome).await;
    assert_eq!(
        (&*outcome.fields["outcome"], &*outcome.fields["word"]),
        ("refused", "not_forwarded")
    );
    assert_eq!(world.event(EventKind::Intent).await.sequence + 1, outcome.sequence);
    let settlement = Settlement {
        operation: operation.id(),
        outcome: Outcome::Completed,
        rows: 1,
        bytes: 1,
        word: "SELECT 1".to_owned(),
        masked: MaskTally::default(),
    };
    assert!(world.gate.inner.store.settle_noted(settlement).is_some(), "nothing waits for it");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_cannot_be_noted_waits_for_the_log() {
    let world = World::new().await;
    world.policy(NOTED).await;
    let session = world.open().await.session;
    // The lease is valid, but it was confirmed too long ago.
    world.log.lease(Lease::Old);
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    world.log.weather(Weather::NoQuorum);
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    assert_eq!(released(admission.reply).await.unwrap_err(), Refusal::NoQuorum);
    world.log.weather(Weather::Fair);
    let intent = world.event(EventKind::Intent).await;
    assert_eq!(intent.fields["audit"], "before_reply");
}

#[tokio::test]
async fn a_read_is_not_noted_under_a_policy_that_this_node_has_seen_replaced() {
    let world = World::new().await;
    world.policy(NOTED).await;
    let session = world.open().await.session;
    let operation = select(&session);
    let cleared = world.clear(&session, &operation).await;
    // It is applied here, and not compiled yet.
    world.policy_unnoticed("").await;
    let admission = world.gate.admit(&session, &operation, cleared).await.unwrap();
    assert!(released(admission.reply).await.is_err());
    let intent = world.event(EventKind::Intent).await;
    assert_eq!(intent.fields["verdict"], "withheld");
    // Behind that, this node knows the policy.
    world.policy("").await;
    let refused = world.judge(&session, &select(&session)).await.unwrap_err();
    assert!(matches!(refused, Refusal::Denied { .. }), "{refused}");
}
