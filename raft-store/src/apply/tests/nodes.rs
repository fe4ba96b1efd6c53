//! Nodes, incarnations and what they leave behind; revocations.

use super::harness::*;
use crate::{
    command::*,
    effect::Effect,
    records::*,
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    hold::Choice,
    id::{Incarnation, NodeId},
    record::{EventKind, Outcome},
};

#[test]
fn incarnations_settle_what_the_ones_before_held() {
    let mut replica = Replica::ready();
    // Sessions 3 and 6 are on node 1, session 1 on node 2.
    replica.opened(3, "bot");
    replica.opened(6, "bot");
    replica.opened(1, "other");
    replica.held(1, 3, "delete").unwrap();
    for (operation, session) in [(20, 6), (21, 1)] {
        let intent = replica.intend(operation, session);
        replica.run(intent).unwrap();
    }
    let before = replica.incarnation(NodeId(1));
    let Answer::NodeUp(now) = replica.started(1, 77).unwrap() else { panic!("a start") };
    assert!(now > before);
    assert!(matches!(replica.session(ses(3)).state, SessionState::Closed { .. }));
    assert_eq!(replica.session(ses(1)).state, SessionState::Open);
    assert_eq!(replica.phase(hold(1)), HoldPhase::Pending);
    assert!(replica.hold(hold(1)).attached.is_empty());
    assert_eq!(replica.operation(op(20)).state, OperationState::Settled(Outcome::OutcomeUnknown));
    assert_eq!(replica.operation(op(21)).state, OperationState::Intended);
    // The dead process's outcome comes too late and changes nothing.
    let late = refusal(replica.run(settlement(20, Outcome::Completed)));
    assert_eq!(late, StateRefusal::AlreadySettled { outcome: Outcome::OutcomeUnknown });
    assert_eq!(replica.count(EventKind::Outcome), 1);
    // The same start announced again is the same incarnation; an older one opens nothing.
    assert_eq!(replica.started(1, 77).unwrap(), Answer::NodeUp(now));
    let stale = open_session(9, "bot", NodeId(1), before);
    assert_eq!(refusal(replica.run(stale)), StateRefusal::StaleIncarnation);
    let intent = replica.intend(22, 6);
    assert_eq!(refusal(replica.run(intent)), StateRefusal::SessionGone);
    replica.check_chain();
}

#[test]
fn two_starts_in_one_entry_are_two_incarnations() {
    let mut replica = Replica::ready();
    replica.index += 1;
    let first = replica.node_up(NodeId(2), 50);
    let Answer::NodeUp(one) = replica.entry(&[first]).remove(0).unwrap() else { panic!("a start") };
    let second = replica.node_up(NodeId(2), 51);
    let Answer::NodeUp(two) = replica.entry(&[second]).remove(0).unwrap() else {
        panic!("a start")
    };
    assert!(two > one);
}

#[test]
fn a_delayed_announcement_of_an_older_start_does_not_take_the_place_of_the_present_one() {
    let mut replica = Replica::ready();
    let delayed = replica.node_up(NodeId(2), 50);
    replica.started(2, 51).unwrap();
    let present = replica.incarnation(NodeId(2));
    replica.opened(1, "bot");
    assert_eq!(refusal(replica.run(delayed)), StateRefusal::StaleIncarnation);
    assert_eq!(replica.incarnation(NodeId(2)), present);
    assert_eq!(replica.session(ses(1)).state, SessionState::Open);
}

#[test]
fn an_approved_hold_outlives_the_node_of_its_client() {
    let mut replica = Replica::ready();
    replica.opened(3, "bot");
    replica.held(1, 3, "delete").unwrap();
    replica.started(1, 77).unwrap();
    replica.decided(1, "dana", Choice::Approve).unwrap();
    replica.decided(1, "rui", Choice::Approve).unwrap();
    replica.opened(2, "bot");
    assert!(is_attached(&replica.held(2, 2, "delete")));
    let claim = replica.claim(1, 30, 2);
    assert!(matches!(replica.run(claim), Ok(Answer::Claimed { .. })));
    // Killed before the outcome: unknown, and a retry needs a new hold.
    replica.started(3, 78).unwrap();
    assert_eq!(replica.operation(op(30)).state, OperationState::Settled(Outcome::OutcomeUnknown));
    replica.opened(4, "bot");
    assert!(matches!(replica.held(4, 4, "delete"), Ok(Answer::Held(_))));
}

#[test]
fn revoked_is_out() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.opened(2, "other");
    replica.approved(1, 1, "delete");
    replica.held(2, 2, "delete").unwrap();
    replica.decided(2, "dana", Choice::Approve).unwrap();
    let intent = replica.intend(20, 1);
    let claim = replica.claim(1, 10, 1);
    let open = replica.open_hold(3, 1, "delete more");
    replica.run(revoke(who("bot"))).unwrap();
    assert!(matches!(replica.session(ses(1)).state, SessionState::Closed { .. }));
    assert!(replica.effects.iter().any(
        |effect| matches!(effect, Effect::SessionEnded { session, .. } if *session == ses(1))
    ));
    assert_eq!(replica.phase(hold(1)), HoldPhase::Invalidated);
    for command in [intent, claim, open] {
        assert_eq!(refusal(replica.run(command)), StateRefusal::Revoked);
    }
    let again = open_session(9, "bot", NodeId(1), replica.incarnation(NodeId(1)));
    assert_eq!(refusal(replica.run(again)), StateRefusal::Revoked);
    assert_eq!(replica.count(EventKind::Intent), 0);
    // A reviewer's approvals are void with the reviewer.
    assert_eq!(replica.phase(hold(2)), HoldPhase::Pending);
    replica.run(revoke(who("dana"))).unwrap();
    assert_eq!(replica.phase(hold(2)), HoldPhase::Invalidated);
}

#[test]
fn a_session_that_was_ended_admits_nothing() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let end = EndSession { id: ses(1), reason: "maintenance".to_owned(), author: ada() };
    replica.run(Command::EndSession(end)).unwrap();
    let intent = replica.intend(20, 1);
    assert_eq!(refusal(replica.run(intent)), StateRefusal::SessionGone);
    assert_eq!(
        refusal({
            let open = replica.open_hold(1, 1, "delete");
            replica.run(open)
        }),
        StateRefusal::SessionGone
    );
}

#[test]
fn what_begins_after_the_proof_of_identity_has_ended_is_refused() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let Command::OpenHold(mut open) = replica.open_hold(1, 1, "delete") else { panic!("a hold") };
    open.terms.expires_after_ms = 7_200_000;
    replica.run(Command::OpenHold(open)).unwrap();
    replica.now += 3_600_000;
    let intent = replica.intend(20, 1);
    assert_eq!(refusal(replica.run(intent)), StateRefusal::IdentityExpired);
    // What was held before may be decided and released.
    replica.decided(1, "dana", Choice::Approve).unwrap();
    replica.decided(1, "rui", Choice::Approve).unwrap();
    let claim = replica.claim(1, 10, 1);
    assert!(replica.run(claim).is_ok());
}

#[test]
fn a_join_token_admits_one_node_and_ids_are_not_used_again() {
    let mut replica = Replica::ready();
    let facts = |n: u8| JoinFacts {
        key_sha256: [n; 32],
        address: "127.0.0.1:9".to_owned(),
        api_url: String::new(),
        storage: [n; 16],
    };
    let create = |n: u8| {
        Command::CreateJoinToken(CreateJoinToken {
            sha256: [n; 32],
            expires_after_ms: 1_000,
            author: ada(),
        })
    };
    let join = |token: u8, n: u8| {
        Command::UseJoinToken(UseJoinToken { sha256: [token; 32], facts: facts(n) })
    };
    assert_eq!(refusal(replica.run(join(40, 4))), StateRefusal::BadJoinToken);
    replica.run(create(40)).unwrap();
    assert_eq!(replica.run(join(40, 4)), Ok(Answer::NodeAdmitted(NodeId(4))));
    assert_eq!(replica.run(join(40, 4)), Ok(Answer::NodeAdmitted(NodeId(4))));
    assert_eq!(refusal(replica.run(join(40, 5))), StateRefusal::BadJoinToken);
    let remove = Command::RemoveNode(RemoveNode { node: NodeId(4), author: ada() });
    replica.run(remove).unwrap();
    assert_eq!(refusal(replica.started(4, 1)), StateRefusal::UnknownNode);
    replica.run(create(41)).unwrap();
    assert_eq!(replica.run(join(41, 5)), Ok(Answer::NodeAdmitted(NodeId(5))));
    replica.run(create(42)).unwrap();
    replica.now += 1_000;
    assert_eq!(refusal(replica.run(join(42, 6))), StateRefusal::BadJoinToken);
}

#[test]
fn a_cluster_is_initialised_once_and_nothing_happens_before() {
    let mut replica = Replica { now: START_MS, ..Replica::default() };
    let open = open_session(1, "bot", NodeId(1), Incarnation(1));
    assert_eq!(refusal(replica.run(open)), StateRefusal::NotInitialised);
    let first = beginning().remove(0);
    replica.run(first.clone()).unwrap();
    assert_eq!(replica.run(first.clone()), Ok(Answer::Done));
    let Command::Initialise(mut other) = first else { panic!("the beginning") };
    other.cluster_id = [9; 16];
    let other = replica.run(Command::Initialise(other));
    assert_eq!(refusal(other), StateRefusal::AlreadyInitialised);
}

#[test]
fn what_an_administrator_does_to_a_node_is_recorded_once() {
    let mut replica = Replica::ready();
    let before = replica.count(EventKind::ClusterChanged);
    let act = Administered {
        id: RequestId([7; 16]),
        node: NodeId(2),
        what: "drain".to_owned(),
        author: ada(),
    };
    replica.run(Command::Administered(act.clone())).unwrap();
    replica.run(Command::Administered(act)).unwrap();
    let events = replica.events();
    let event = events.iter().rfind(|event| event.kind == EventKind::ClusterChanged).unwrap();
    assert_eq!((event.fields["reason"].as_str(), event.fields["node.id"].as_str()), ("drain", "2"));
    assert_eq!(replica.count(EventKind::ClusterChanged), before + 1);
    replica.check_chain();
}
