//! Break-glass in the log: its own event, its short time, and what does not come of it.

use super::harness::*;
use crate::{
    command::Command,
    key_space::Table,
    records::HoldPhase,
    reply::{Reply, StateRefusal},
};
use countersign_core::{
    hold::{Choice, DecisionError, GLASS_MS, HoldError},
    record::EventKind,
};

/// A hold of two approvals behind glass.
fn held() -> Replica {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let Command::OpenHold(mut open) = replica.open_hold(1, 1, "delete a") else { panic!("a hold") };
    open.terms.break_glass = Some("incident".to_owned());
    open.terms.expires_after_ms = 10 * GLASS_MS;
    replica.run(Command::OpenHold(open)).unwrap();
    replica
}

fn broken(replica: &mut Replica, name: &str, grant_ms: u64) -> Reply {
    let Command::Decide(mut decide) = replica.decide(1, name, Choice::BreakGlass) else {
        panic!("a decision")
    };
    decide.reviewer = human(name, &["dba", "incident", "other"]);
    decide.grant_ms = grant_ms;
    replica.run(Command::Decide(decide))
}

fn refused(reply: Reply) -> DecisionError {
    match reply {
        Err(StateRefusal::Hold(HoldError::Decision(error))) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn glass_that_is_broken_is_an_event_of_its_own_and_the_intent_names_who_broke_it() {
    let mut replica = held();
    broken(&mut replica, "ina", 0).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Approved);
    assert_eq!(replica.count(EventKind::Decided), 0);
    let events = replica.events();
    let event = events.iter().find(|event| event.kind == EventKind::GlassBroken).unwrap();
    let fact = |name: &str| event.fields.get(name).map_or("", String::as_str);
    assert_eq!(fact("decision"), "break_glass");
    assert_eq!(fact("reviewer.subject"), "ina");
    assert_eq!(fact("comment"), "looked at it");
    assert_eq!(fact("reviewer.groups"), "dba,incident");
    let claim = replica.claim(1, 7, 1);
    replica.run(claim).unwrap();
    let intent =
        replica.events().into_iter().find(|event| event.kind == EventKind::Intent).unwrap();
    assert_eq!(intent.fields["hold.glass_broken_by"], who("ina").to_string());
    replica.check_chain();
}

#[test]
fn what_was_let_through_by_breaking_the_glass_expires_after_its_short_time() {
    let mut replica = held();
    let expiries = replica.rows(Table::Expiry);
    broken(&mut replica, "ina", 0).unwrap();
    assert_eq!(replica.rows(Table::Expiry), expiries);
    replica.now += GLASS_MS - 1;
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Approved);
    replica.now += 1;
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Expired);
    let claim = replica.claim(1, 7, 1);
    assert!(replica.run(claim).is_err());
    assert_eq!(replica.count(EventKind::Intent), 0);
}

#[test]
fn requester_and_owner_break_no_glass_whatever_groups_they_are_in() {
    let mut replica = held();
    assert_eq!(refused(broken(&mut replica, "bot", 0)), DecisionError::Requester);
    assert_eq!(refused(broken(&mut replica, "olga", 0)), DecisionError::Owner);
    assert_eq!(replica.phase(hold(1)), HoldPhase::Pending);
    assert_eq!(replica.count(EventKind::GlassBroken), 0);
}

#[test]
fn breaking_the_glass_grants_nothing_not_even_beside_approvals_for_a_time() {
    let mut replica = held();
    assert_eq!(refused(broken(&mut replica, "ina", 20_000)), DecisionError::NotGrantable);
    let Command::Decide(mut decide) = replica.decide(1, "dana", Choice::Approve) else {
        panic!("a decision")
    };
    decide.grant_ms = 20_000;
    replica.run(Command::Decide(decide)).unwrap();
    broken(&mut replica, "ina", 0).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Approved);
    assert_eq!(replica.rows(Table::Grant), 0);
    assert_eq!(replica.count(EventKind::Granted), 0);
}

#[test]
fn who_is_revoked_after_breaking_the_glass_has_let_nothing_through() {
    let mut replica = held();
    broken(&mut replica, "ina", 0).unwrap();
    replica.run(revoke(who("ina"))).unwrap();
    let claim = replica.claim(1, 7, 1);
    assert!(replica.run(claim).is_err());
    assert_eq!(replica.count(EventKind::Intent), 0);
}
