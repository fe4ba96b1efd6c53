//! Changes of resources and what they void.

use super::harness::*;
use crate::{
    command::*,
    records::*,
    reply::{Answer, StateRefusal},
};
use countersign_core::{hold::HoldError, id::Revision, record::EventKind};

#[test]
fn revision_in_force() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.approved(1, 1, "delete");
    let (claim, intent) = (replica.claim(1, 10, 1), replica.intend(20, 1));
    let open = replica.open_hold(2, 1, "delete more");
    replica.change(ResourceKind::Policy, "sample", "{\"other\":1}").unwrap();
    let in_force = replica.policy_revision();
    for command in [claim, intent, open] {
        // The claim meets the invalidated hold or the newer revision, whichever is looked at first.
        let refused = refusal(replica.run(command));
        assert!(
            refused == StateRefusal::StaleRevision { in_force }
                || refused == StateRefusal::Hold(HoldError::Settled { state: "invalidated" }),
            "{refused:?}"
        );
    }
    assert_eq!(replica.phase(hold(1)), HoldPhase::Invalidated);
    assert_eq!(replica.count(EventKind::Intent), 0);
    // Judged again, it is held again.
    assert!(matches!(replica.held(3, 1, "delete"), Ok(Answer::Held(_))));
    replica.check_chain();
}

#[test]
fn a_changed_target_ends_its_sessions_and_voids_its_holds_only() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, "delete").unwrap();
    let before = replica.policy_revision();
    replica.change(ResourceKind::Target, "stock", "{}").unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Pending);
    replica.change(ResourceKind::Target, "orders", "{\"address\":\"other\"}").unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Invalidated);
    assert!(matches!(replica.session(ses(1)).state, SessionState::Closed { .. }));
    assert_eq!(replica.policy_revision(), before);
}

#[test]
fn applying_what_is_there_already_changes_nothing() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, "delete").unwrap();
    let (before, events) = (replica.policy_revision(), replica.events().len());
    replica.change(ResourceKind::Policy, "sample", "{}").unwrap();
    assert_eq!(replica.policy_revision(), before);
    assert_eq!(replica.phase(hold(1)), HoldPhase::Pending);
    assert_eq!(replica.events().len(), events);
}

#[test]
fn a_change_with_a_wrong_expectation_is_refused_whole() {
    let mut replica = Replica::ready();
    let Command::ApplyResources(mut apply) =
        put(ResourceKind::Policy, "new", "{}", Expected::Absent)
    else {
        panic!("a change")
    };
    apply.changes.push(ResourceChange {
        kind: ResourceKind::Policy,
        name: "sample".to_owned(),
        expected: Expected::At(Revision(3)),
        to: ResourceBody::Delete,
    });
    let state = replica.state.clone();
    let refused = refusal(replica.run(Command::ApplyResources(apply)));
    assert!(matches!(refused, StateRefusal::Conflict { found: Some(_), .. }), "{refused:?}");
    assert_eq!(replica.state, state);
}

#[test]
fn a_retried_change_is_answered_with_its_first_answer() {
    let mut replica = Replica::ready();
    let change = put(ResourceKind::Policy, "new", "{}", Expected::Absent);
    let first = replica.run(change.clone()).unwrap();
    assert_eq!(replica.run(change).unwrap(), first);
    assert_eq!(replica.count(EventKind::ResourceChanged), 3);
}

#[test]
fn a_request_id_with_another_content_is_refused() {
    let mut replica = Replica::ready();
    let Command::ApplyResources(first) = put(ResourceKind::Policy, "new", "{}", Expected::Absent)
    else {
        panic!("a change")
    };
    let applied = replica.run(Command::ApplyResources(first.clone())).unwrap();
    let Answer::Applied(revision) = applied else { panic!("{applied:?}") };
    let known = AppliedRequest { revision, content: first.content, answer: first.answer.clone() };
    assert_eq!(replica.request(first.id), Some(RequestRecord::Applied(Box::new(known))));
    let state = replica.state.clone();
    let other = ApplyResources { content: [1; 32], ..first };
    assert_eq!(refusal(replica.run(Command::ApplyResources(other))), StateRefusal::IdUsed);
    assert_eq!(replica.state, state);
}

#[test]
fn a_changed_mask_rule_voids_what_was_judged_without_it() {
    let rule = "{\"mask\":\"redact\"}";
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.approved(1, 1, "delete");
    let intent = replica.intend(20, 1);
    replica.change(ResourceKind::MaskRule, "emails", rule).unwrap();
    let in_force = replica.policy_revision();
    assert_eq!(refusal(replica.run(intent)), StateRefusal::StaleRevision { in_force });
    assert_eq!(replica.phase(hold(1)), HoldPhase::Invalidated);
    assert!(matches!(replica.session(ses(1)).state, SessionState::Open), "the session goes on");
    replica.change(ResourceKind::MaskRule, "emails", rule).unwrap();
    assert_eq!(replica.policy_revision(), in_force, "the same again changes nothing");
    replica.check_chain();
}
