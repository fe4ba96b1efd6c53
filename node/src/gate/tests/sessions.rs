//! Sessions: opened, told, ended.

use super::{log::Lease, world::*};
use crate::shutdown::Why;
use countersign_core::{
    gate::{CancelKey, CloseReason, Gate, Signal},
    id::{LogIndex, NodeId, Revision, SessionId},
    record::EventKind,
    refusal::Refusal,
    target::TargetName,
};
use countersign_raft_store::{
    command::{EndSession, OpenSession, Revocable, Revoke},
    records::SessionState,
};
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test(start_paused = true)]
async fn a_session_is_in_the_state_when_it_is_open_and_gone_from_it_when_it_is_closed() {
    let world = World::new().await;
    let opened = world.open().await;
    assert_eq!(world.events(EventKind::SessionOpened).len(), 1);
    assert_eq!(world.gate.open_sessions(), 1);
    world.gate.close(opened.session.id(), CloseReason::Agent).await;
    assert_eq!(world.gate.open_sessions(), 0);
    world.event(EventKind::SessionClosed).await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_target_a_full_node_and_a_draining_one_open_nothing() {
    let world = World::new().await;
    let mut wish = world.wish();
    wish.target = TargetName::parse("nowhere").unwrap();
    assert_eq!(world.gate.open(wish).await.unwrap_err(), Refusal::NoSuchTarget);
    world.event(EventKind::AccessRefused).await;
    let mut open = Vec::new();
    for _ in 0..MAX_SESSIONS {
        open.push(world.open().await);
    }
    let refused = world.gate.open(world.wish()).await.unwrap_err();
    assert_eq!(refused, Refusal::Overloaded { limit: "sessions" });
    world.gate.close(open[0].session.id(), CloseReason::Agent).await;
    world.shutdown.take_out_of_service();
    assert_eq!(world.gate.open(world.wish()).await.unwrap_err(), Refusal::ShuttingDown);
    world.shutdown.put_into_service();
    world.shutdown.drain(Why::Asked("test"));
    let _served = world.open().await;
    world.shutdown.close();
    assert_eq!(world.gate.open(world.wish()).await.unwrap_err(), Refusal::ShuttingDown);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_opened_under_the_definition_that_the_adapter_goes_by_or_not_at_all() {
    let world = World::new().await;
    let mut wish = world.wish();
    wish.revision = Revision(wish.revision.0 + 1);
    assert_eq!(world.gate.open(wish).await.unwrap_err(), Refusal::TargetUnavailable);
    assert_eq!(world.gate.open_sessions(), 0);
    world.event(EventKind::SessionClosed).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_its_session_and_a_wrong_key_nobody() {
    let world = World::new().await;
    let mut opened = world.open().await;
    let wrong = CancelKey { secret: opened.cancel.secret ^ 1, ..opened.cancel };
    world.gate.cancel(wrong, world.wish().source).await;
    timeout(Duration::from_secs(1), opened.signals.next()).await.unwrap_err();
    world.gate.cancel(opened.cancel, world.wish().source).await;
    assert_eq!(signal(&mut opened.signals).await, Signal::Cancel);
    world.gate.cancel(opened.cancel, world.wish().source).await;
    assert_eq!(signal(&mut opened.signals).await, Signal::Cancel);
}

#[tokio::test(start_paused = true)]
async fn an_ended_session_hears_its_end_and_nothing_after_it() {
    let world = World::new().await;
    let mut opened = world.open().await;
    let reason = "maintenance".to_owned();
    let command = EndSession { id: opened.session.id(), reason: reason.clone(), author: author() };
    world.store.end_session(command).await.unwrap();
    let end = Signal::End(Refusal::SessionEnded { reason });
    assert_eq!(signal(&mut opened.signals).await, end);
    timeout(Duration::from_secs(5), opened.signals.next()).await.unwrap_err();
    let refused = world.judge(&opened.session, &delete(&opened.session)).await.unwrap_err();
    assert!(matches!(refused, Refusal::SessionEnded { .. }), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_agent_is_out() {
    let world = World::new().await;
    let mut opened = world.open().await;
    let revoke = Revoke {
        what: Revocable::Identity(opened.session.agent().identity.clone()),
        reason: "left".to_owned(),
        author: author(),
    };
    world.store.revoke(revoke).await.unwrap();
    assert!(matches!(signal(&mut opened.signals).await, Signal::End(_)));
    let refused = world.judge(&opened.session, &delete(&opened.session)).await.unwrap_err();
    assert!(matches!(refused, Refusal::SessionEnded { .. }), "{refused}");
    let refused = world.gate.open(world.wish()).await.unwrap_err();
    assert!(matches!(refused, Refusal::SessionEnded { .. }), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_with_its_token() {
    let world = World::new().await;
    let mut wish = world.wish();
    wish.who.agent.expires_at = countersign_core::log_time::LogTime(NOW_MS + 20_000);
    let mut opened = world.gate.open(wish).await.unwrap();
    let Signal::End(Refusal::SessionEnded { reason }) = signal(&mut opened.signals).await else {
        panic!("it must end");
    };
    assert!(reason.contains("expired"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn sessions_of_a_node_without_quorum_end() {
    let world = World::new().await;
    let mut opened = world.open().await;
    world.log.lease(Lease::Lapsed);
    timeout(Duration::from_millis(800), opened.signals.next()).await.unwrap_err();
    let ended = timeout(Duration::from_millis(400), opened.signals.next()).await.unwrap();
    assert_eq!(ended, Signal::End(Refusal::NoQuorum));
}

#[tokio::test(start_paused = true)]
async fn sessions_of_a_node_that_slept_through_the_end_of_its_lease_end_at_once() {
    let world = World::new().await;
    let mut opened = world.open().await;
    world.log.lease(Lease::LapsedLongAgo);
    let ended = timeout(Duration::from_millis(200), opened.signals.next()).await.unwrap();
    assert_eq!(ended, Signal::End(Refusal::NoQuorum));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_carries_is_closed() {
    let world = World::new().await;
    let carried = world.open().await;
    let wish = world.wish();
    let orphan = OpenSession {
        id: SessionId::from_bytes([9; 16]),
        agent: wish.who.agent,
        credential: None,
        target: wish.target,
        protocol: wish.protocol,
        role: wish.role,
        source: wish.source.address,
        client: wish.client,
        node: NodeId(1),
        incarnation: world.gate.incarnation().unwrap(),
        cancel: CancelKey { process: 1, secret: 1 },
    };
    world.store.open_session(orphan).await.unwrap();
    let event = world.event(EventKind::SessionClosed).await;
    assert_eq!(event.fields["session.id"], SessionId::from_bytes([9; 16]).to_string());
    let known = world.view().session(carried.session.id()).unwrap().unwrap();
    assert_eq!(known.state, SessionState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_came_before_the_operation_does_not_cancel_it() {
    let world = World::new().await;
    let mut opened = world.open().await;
    let (hold, _held) = world.hold(&opened.session, &delete(&opened.session)).await;
    let index = world.store.status().applied;
    assert!(world.view().hold(hold).unwrap().is_some());
    let sessions = &world.gate.inner.sessions;
    sessions.cancel(opened.session.id(), LogIndex(index.0 - 1));
    timeout(Duration::from_secs(1), opened.signals.next()).await.unwrap_err();
    sessions.cancel(opened.session.id(), index);
    assert_eq!(signal(&mut opened.signals).await, Signal::Cancel);
}
