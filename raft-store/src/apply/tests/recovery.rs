//! A cluster that begins anew: nothing that was approved, opened or issued before lets anything through, and nothing is
//! opened before an administrator has looked.

use super::harness::*;
use crate::{
    command::*,
    effect::Effect,
    key_space::{self, Single, Table},
    records::*,
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    hold::{Choice, HoldError},
    id::NodeId,
    record::{ChainHead, EventKind, Outcome},
};

fn recover(node: u64, epoch: u8) -> Command {
    Command::Recover(Box::new(Recover {
        epoch: [epoch; 16],
        node: NodeId(node),
        facts: facts(9),
        ca_cert_pem: "new".to_owned(),
        sealed_ca_key: vec![9],
        source: "the disk of node 1".to_owned(),
        author: ada(),
    }))
}

fn reopen() -> Command {
    Command::Reopen(Reopen { author: ada() })
}

fn single<T: crate::format::Stored>(replica: &Replica, what: Single) -> T {
    crate::state::get(&replica.state, &key_space::single(what)).unwrap().unwrap()
}

/// Something of everything: an approved hold and a pending one, an intent without outcome, sessions on two nodes.
fn busy() -> Replica {
    let mut replica = Replica::ready();
    replica.opened(3, "bot");
    replica.opened(1, "other");
    replica.approved(1, 3, "delete");
    replica.held(2, 1, "update").unwrap();
    let intent = replica.intend(20, 3);
    replica.run(intent).unwrap();
    replica
}

#[test]
fn no_approval_session_or_intent_of_before_counts_any_more() {
    let mut replica = busy();
    let head: ChainHead = single(&replica, Single::ChainHead);
    replica.run(recover(1, 5)).unwrap();
    for n in [1, 2] {
        assert_eq!(replica.phase(hold(n)), HoldPhase::Invalidated, "hold {n}");
    }
    for n in [3, 1] {
        assert!(
            matches!(replica.session(ses(n)).state, SessionState::Closed { .. }),
            "session {n}"
        );
    }
    assert_eq!(replica.operation(op(20)).state, OperationState::Settled(Outcome::OutcomeUnknown));
    // The claim that the lost nodes may have taken as well, and the approval that was on its way.
    let claim = replica.claim(1, 30, 3);
    assert_eq!(refusal(replica.run(claim)), StateRefusal::SessionGone);
    let late = refusal(replica.decided(2, "dana", Choice::Approve));
    assert!(matches!(late, StateRefusal::Hold(HoldError::Settled { .. })), "{late}");
    let intent = replica.intend(21, 1);
    assert_eq!(refusal(replica.run(intent)), StateRefusal::SessionGone);
    for table in [Table::OpenHold, Table::OpenSession, Table::OpenOperation, Table::GrantInForce] {
        assert_eq!(replica.rows(table), 0, "{table:?}");
    }
    let epoch: EpochRecord = single(&replica, Single::Epoch);
    assert_eq!((epoch.number, epoch.known, epoch.service), (2, head, Service::Closed));
    let events = replica.events();
    let begun =
        events.iter().find(|event| event.fields.get("reason").is_some_and(|r| r == "recovered"));
    let begun = begun.unwrap();
    assert_eq!(begun.kind, EventKind::ClusterChanged);
    assert_eq!(begun.sequence, head.sequence + 1, "it is the first of the new epoch");
    assert_eq!(begun.fields["chain.hash"], head.hash.to_string());
    replica.check_chain();
}

#[test]
fn nothing_is_opened_before_an_administrator_has_looked() {
    let mut replica = busy();
    replica.run(recover(1, 5)).unwrap();
    let Answer::NodeUp(incarnation) = replica.started(1, 77).unwrap() else { panic!("a start") };
    let open = |n| open_session(n, "bot", NodeId(1), incarnation);
    assert_eq!(refusal(replica.run(open(8))), StateRefusal::Closed);
    // A restart of the node opens nothing either.
    let Answer::NodeUp(later) = replica.started(1, 78).unwrap() else { panic!("a start") };
    let open = |n| open_session(n, "bot", NodeId(1), later);
    assert_eq!(refusal(replica.run(open(8))), StateRefusal::Closed);
    replica.run(reopen()).unwrap();
    replica.run(reopen()).unwrap();
    replica.run(open(8)).unwrap();
    let reopened = |event: &&countersign_core::record::AuditEvent| {
        event.fields.get("reason").is_some_and(|reason| reason == "reopened")
    };
    assert_eq!(replica.events().iter().filter(reopened).count(), 1);
    replica.check_chain();
}

#[test]
fn every_other_node_is_removed_and_the_old_ways_in_are_closed() {
    let mut replica = busy();
    let token = Command::CreateJoinToken(CreateJoinToken {
        sha256: [40; 32],
        expires_after_ms: 60_000,
        author: ada(),
    });
    replica.run(token).unwrap();
    replica.effects.clear();
    replica.run(recover(1, 5)).unwrap();
    let gone = [2, 3].map(|node| Effect::NodeRemoved { node: NodeId(node) });
    assert!(gone.iter().all(|effect| replica.effects.contains(effect)));
    for node in [2, 3] {
        assert_eq!(refusal(replica.started(node, 60)), StateRefusal::UnknownNode);
    }
    replica.started(1, 60).unwrap();
    let joins = Command::UseJoinToken(UseJoinToken { sha256: [40; 32], facts: facts(4) });
    assert_eq!(refusal(replica.run(joins)), StateRefusal::BadJoinToken);
    let cluster: ClusterRecord = single(&replica, Single::Cluster);
    assert_eq!(cluster.ca_cert_pem, "new");
    assert!(cluster.bootstrap_expires_at.0 <= replica.now);
}

#[test]
fn a_recovery_that_is_proposed_again_changes_nothing_and_the_next_is_another_epoch() {
    let mut replica = busy();
    replica.run(recover(1, 5)).unwrap();
    replica.started(1, 60).unwrap();
    replica.run(reopen()).unwrap();
    replica.opened(0, "bot");
    let events = replica.events().len();
    replica.run(recover(1, 5)).unwrap();
    assert_eq!(replica.events().len(), events);
    assert_eq!(replica.session(ses(0)).state, SessionState::Open);
    replica.run(recover(1, 6)).unwrap();
    let epoch: EpochRecord = single(&replica, Single::Epoch);
    assert_eq!((epoch.number, epoch.service), (3, Service::Closed));
    assert!(matches!(replica.session(ses(0)).state, SessionState::Closed { .. }));
    replica.check_chain();
}

#[test]
fn a_restored_node_gets_a_number_that_nobody_had() {
    let mut replica = busy();
    for used in [2, 3, 7] {
        let mut replica = busy();
        let remove = RemoveNode { node: NodeId(used), author: ada() };
        // Of a removed node, and of one that never was.
        drop(replica.run(Command::RemoveNode(remove)));
        assert_eq!(refusal(replica.run(recover(used, 5))), StateRefusal::UnknownNode, "{used}");
        assert_eq!(replica.phase(hold(1)), HoldPhase::Approved, "refused, and yet it ended things");
    }
    replica.run(recover(4, 5)).unwrap();
    assert_eq!(refusal(replica.started(1, 60)), StateRefusal::UnknownNode);
    replica.started(4, 60).unwrap();
}
