//! The classic bugs of approval systems, each tried against the log under its own name. What a browser could be made to do is
//! tried where the API is (`node`).

use super::harness::*;
use crate::{
    command::*,
    records::*,
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    hold::{Choice, DecisionError, HoldError},
    id::OperationId,
    operation::Parameter,
    record::EventKind,
};

const DELETE: &str = "delete from accounts where id = $1";

fn of_hold(error: HoldError) -> StateRefusal {
    StateRefusal::Hold(error)
}

/// An approved hold of `bot`'s in session 1.
fn approved() -> Replica {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.approved(1, 1, DELETE);
    replica
}

/// Claims hold 1 for an operation that `change` makes of the held one. Whatever a node says, its fingerprint is another one.
fn claimed_as(replica: &mut Replica, change: impl Fn(&mut HeldOperation)) -> StateRefusal {
    let session = replica.session(ses(1));
    let mut other = held(DELETE);
    change(&mut other);
    let Command::ClaimHold(claim, attempt) = replica.claim(1, 10, 1) else { panic!("a claim") };
    let claim = ClaimHold { fingerprint: fingerprint(&session, &other), ..claim };
    refusal(replica.run(Command::ClaimHold(claim, attempt)))
}

/// That nothing was forwarded, and that the approval is there still for what was approved.
fn nothing_was_taken(replica: &mut Replica) {
    assert_eq!(replica.count(EventKind::Intent), 0);
    let claim = replica.claim(1, 11, 1);
    assert!(matches!(replica.run(claim), Ok(Answer::Claimed { .. })));
}

#[test]
fn bug_replay_of_an_approval() {
    let mut replica = approved();
    let claim = replica.claim(1, 10, 1);
    replica.run(claim).unwrap();
    // By the same client, by another one of the same agent's, and by a hold of the same fingerprint.
    replica.opened(2, "bot");
    for (operation, session) in [(11, 1), (12, 2)] {
        let again = replica.claim(1, operation, session);
        assert!(replica.run(again).is_err());
    }
    replica.held(2, 1, DELETE).unwrap();
    let unapproved = replica.claim(2, 13, 1);
    assert_eq!(refusal(replica.run(unapproved)), of_hold(HoldError::NotApproved));
    // Nor does the decision that was made once count for the new hold.
    let Command::Decide(decide) = replica.decide(1, "dana", Choice::Approve) else {
        panic!("a decision")
    };
    replica.run(Command::Decide(decide)).unwrap();
    assert!(replica.hold(hold(2)).hold.state.decisions().is_empty());
    assert_eq!(replica.count(EventKind::Intent), 1);
}

#[test]
fn bug_changed_payload() {
    let mut replica = approved();
    let other = claimed_as(&mut replica, |held| held.text = b"delete from accounts".to_vec());
    assert_eq!(other, of_hold(HoldError::OtherFingerprint));
    // Not even a blank or a comment.
    let blank = claimed_as(&mut replica, |held| held.text.push(b' '));
    assert_eq!(blank, of_hold(HoldError::OtherFingerprint));
    nothing_was_taken(&mut replica);
}

#[test]
fn bug_changed_bind_value() {
    let mut replica = approved();
    let value = |bytes: &[u8], format| {
        vec![Parameter { format, type_oid: 23, value: Some(bytes.to_vec()), shown: "7".to_owned() }]
    };
    // The same as shown, and not the same as bound.
    for parameters in [value(b"8", 0), value(b"7", 1), value(b"", 0)] {
        let refused = claimed_as(&mut replica, |held| held.parameters.clone_from(&parameters));
        assert_eq!(refused, of_hold(HoldError::OtherFingerprint));
    }
    nothing_was_taken(&mut replica);
}

#[test]
fn bug_changed_search_path() {
    let mut replica = approved();
    let refused = claimed_as(&mut replica, |held| {
        held.settings = vec![("search_path".to_owned(), "evil, public".to_owned())];
    });
    assert_eq!(refused, of_hold(HoldError::OtherFingerprint));
    nothing_was_taken(&mut replica);
}

#[test]
fn bug_changed_target_behind_the_same_name() {
    let mut replica = approved();
    let before = replica.hold(hold(1)).hold.fingerprint;
    replica.change(ResourceKind::Target, "orders", r#"{"address": "elsewhere"}"#).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Invalidated);
    let claim = replica.claim(1, 10, 1);
    assert!(replica.run(claim).is_err());
    // In a session of the target that has the name now, it is another operation, and asked for anew.
    replica.opened(2, "bot");
    assert!(matches!(replica.held(2, 2, DELETE), Ok(Answer::Held(_))));
    assert_ne!(replica.hold(hold(2)).hold.fingerprint, before);
    assert_eq!(replica.count(EventKind::Intent), 0);
}

/// The same agent's job of another branch brings the same text.
#[test]
fn bug_changed_branch_behind_the_same_agent() {
    let mut replica = Replica::ready();
    let open = |replica: &mut Replica, session: u8, branch: &str| {
        let node = countersign_core::id::NodeId(1);
        let Command::OpenSession(mut open) =
            open_session(session, "bot", node, replica.incarnation(node))
        else {
            panic!("a session")
        };
        branch.clone_into(&mut open.agent.workload.branch);
        replica.run(Command::OpenSession(open)).unwrap();
    };
    open(&mut replica, 1, "main");
    open(&mut replica, 2, "evil");
    replica.approved(1, 1, DELETE);
    let known = replica.events().into_iter().find(|event| event.kind == EventKind::Held).unwrap();
    assert_eq!(known.fields["workload.branch"], "main");
    // It is held by itself, and neither attaches to what was approved nor claims it.
    let held = replica.held(2, 2, DELETE);
    assert!(matches!(held, Ok(Answer::Held(_))), "{held:?}");
    let claim = replica.claim(1, 12, 2);
    assert!(replica.run(claim).is_err());
    nothing_was_taken(&mut replica);
}

#[test]
fn bug_self_approval_through_a_second_identity_of_the_same_owner() {
    let mut replica = Replica::ready();
    let Command::OpenSession(mut open) = open_session(
        1,
        "bot",
        countersign_core::id::NodeId(2),
        replica.incarnation(countersign_core::id::NodeId(2)),
    ) else {
        panic!("a session")
    };
    open.agent.owner = Some("olga@example.org".to_owned());
    replica.run(Command::OpenSession(open)).unwrap();
    replica.held(1, 1, DELETE).unwrap();
    let mut refused = |change: &dyn Fn(&mut Decide), expected: DecisionError| {
        let Command::Decide(mut decide) = replica.decide(1, "someone", Choice::Approve) else {
            panic!("a decision")
        };
        change(&mut decide);
        decide.reviewer = decide.reviewer.folded();
        let refused = refusal(replica.run(Command::Decide(decide)));
        assert_eq!(refused, of_hold(HoldError::Decision(expected)));
    };
    // Of another issuer, under another subject, known by the same address, in whatever case.
    refused(
        &|decide| {
            decide.reviewer.identity.issuer = "https://second".to_owned();
            decide.reviewer.also_known_as.insert("Olga@Example.org".to_owned());
        },
        DecisionError::Owner,
    );
    refused(
        &|decide| decide.reviewer.identity.subject = "olga@example.org".to_owned(),
        DecisionError::Owner,
    );
    // And the agent itself, as a person of another issuer.
    refused(
        &|decide| {
            decide.reviewer.identity.issuer = "https://second".to_owned();
            decide.reviewer.identity.subject = "bot".to_owned();
        },
        DecisionError::Requester,
    );
    assert!(replica.hold(hold(1)).hold.state.decisions().is_empty());
}

#[test]
fn bug_approval_after_expiry() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    replica.decided(1, "dana", Choice::Approve).unwrap();
    replica.now = replica.hold(hold(1)).hold.expires_at.0;
    let late = replica.decided(1, "rui", Choice::Approve);
    assert_eq!(refusal(late), of_hold(HoldError::Settled { state: "expired" }));
    // A leader whose clock is an hour behind does not make it pending again.
    replica.now = replica.now.saturating_sub(60 * 60 * 1000);
    assert!(replica.decided(1, "max", Choice::Approve).is_err());
    assert_eq!(replica.phase(hold(1)), HoldPhase::Expired);
    // An approval that was given in time is not claimed after the expiry either.
    let mut replica = approved();
    replica.now = replica.hold(hold(1)).hold.expires_at.0;
    let claim = replica.claim(1, 10, 1);
    assert!(replica.run(claim).is_err());
    assert_eq!(replica.count(EventKind::Intent), 0);
}

#[test]
fn bug_approval_after_revoke() {
    // Of a reviewer, before and after the decision.
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    replica.run(revoke(who("rui"))).unwrap();
    assert_eq!(refusal(replica.decided(1, "rui", Choice::Approve)), StateRefusal::Revoked);
    replica.decided(1, "dana", Choice::Approve).unwrap();
    replica.run(revoke(who("dana"))).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Invalidated);
    // Of the agent, when the approval is there already.
    let mut replica = approved();
    replica.run(revoke(who("bot"))).unwrap();
    let claim = replica.claim(1, 10, 1);
    assert_eq!(refusal(replica.run(claim)), StateRefusal::Revoked);
    assert_eq!(replica.count(EventKind::Intent), 0);
}

#[test]
fn bug_double_execution_on_retry() {
    let mut replica = approved();
    let claim = replica.claim(1, 10, 1);
    let first = replica.run(claim.clone()).unwrap();
    // The engine's own retry is the same receipt, and no second intent; a second call has no receipt at all.
    assert_eq!(replica.run(claim.clone()).unwrap(), first);
    let Command::ClaimHold(second, _) = claim.clone() else { panic!("a claim") };
    let second = Command::ClaimHold(second, Attempt([77; 16]));
    assert_eq!(refusal(replica.run(second)), StateRefusal::IdUsed);
    // Once the node was lost the outcome is unknown, and not even the retry is answered any more.
    let node = replica.session(ses(1)).node;
    replica.started(node.0, 99).unwrap();
    assert!(replica.run(claim).is_err());
    assert_eq!(replica.count(EventKind::Intent), 1);
    let unknown = OperationState::Settled(countersign_core::record::Outcome::OutcomeUnknown);
    assert_eq!(replica.operation(OperationId::from_bytes([10; 16])).state, unknown);
}

#[test]
fn bug_lost_update_between_two_reviewers() {
    // Two approvals from two nodes in one entry: neither overwrites the other.
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    let both = ["dana", "rui"].map(|name| replica.decide(1, name, Choice::Approve));
    assert!(replica.entry(&both).iter().all(Result::is_ok));
    assert_eq!(replica.hold(hold(1)).hold.state.decisions().len(), 2);
    assert_eq!(replica.phase(hold(1)), HoldPhase::Approved);
    // An approval that fills the quorum and a rejection: the first in the log ends it, in either order.
    for (first, second, phase) in [
        (Choice::Approve, Choice::Reject, HoldPhase::Approved),
        (Choice::Reject, Choice::Approve, HoldPhase::Rejected),
    ] {
        let mut replica = Replica::ready();
        replica.opened(1, "bot");
        replica.held(1, 1, DELETE).unwrap();
        replica.decided(1, "max", Choice::Approve).unwrap();
        let racing = [("dana", first), ("rui", second)].map(|(name, c)| replica.decide(1, name, c));
        let replies = replica.entry(&racing);
        assert!(replies[0].is_ok() && replies[1].is_err(), "{replies:?}");
        assert_eq!(replica.phase(hold(1)), phase);
        assert_eq!(replica.count(EventKind::Decided), 2);
    }
}

#[test]
fn bug_decision_with_a_truncated_display() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let long = format!("{DELETE} {}; drop table accounts", " ".repeat(10_000));
    replica.held(1, 1, &long).unwrap();
    // Whoever was shown the beginning only has the fingerprint of something else, if any.
    let session = replica.session(ses(1));
    for shown in [&long[..4096], DELETE, ""] {
        let Command::Decide(mut decide) = replica.decide(1, "dana", Choice::Approve) else {
            panic!("a decision")
        };
        decide.seen = fingerprint(&session, &held(shown));
        let refused = refusal(replica.run(Command::Decide(decide)));
        assert_eq!(refused, of_hold(HoldError::OtherFingerprint));
    }
    assert!(replica.hold(hold(1)).hold.state.decisions().is_empty());
}
