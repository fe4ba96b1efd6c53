//! Who may decide, and when, at the place in the log where the decision is applied.

use super::harness::*;
use crate::{
    command::Command,
    key_space::Table,
    records::*,
    reply::{Reply, StateRefusal},
};
use countersign_core::{
    hold::{Choice, DecisionError, Escalation, HoldError, RejectionRule, Requirement},
    log_time::LogTime,
    record::EventKind,
};

const DELETE: &str = "delete from accounts where id = 7";
const AFTER_MS: u64 = 20_000;

/// Opens hold 1 of a session of `bot`'s with these requirements.
fn held_for(replica: &mut Replica, requirements: Vec<Requirement>) {
    replica.opened(1, "bot");
    let Command::OpenHold(mut open) = replica.open_hold(1, 1, DELETE) else { panic!("a hold") };
    open.terms.requirements = requirements;
    replica.run(Command::OpenHold(open)).unwrap();
}

fn decided_by(replica: &mut Replica, name: &str, groups: &[&str], choice: Choice) -> Reply {
    let Command::Decide(mut decide) = replica.decide(1, name, choice) else { panic!("a decision") };
    decide.reviewer = human(name, groups);
    replica.run(Command::Decide(decide))
}

fn not_in_group() -> StateRefusal {
    StateRefusal::Hold(HoldError::Decision(DecisionError::NotInGroup))
}

#[test]
fn one_person_in_two_groups_counts_once() {
    let mut replica = Replica::ready();
    held_for(&mut replica, vec![asked("dba", 1), asked("security or on-call", 1)]);
    decided_by(&mut replica, "dana", &["dba", "security", "on-call"], Choice::Approve).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Pending);
    assert_eq!(
        decided_by(&mut replica, "max", &["ops"], Choice::Approve).unwrap_err(),
        not_in_group()
    );
    decided_by(&mut replica, "rui", &["dba"], Choice::Approve).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Approved);
    let made = replica.events().into_iter().find(|event| event.kind == EventKind::Decided);
    assert_eq!(made.unwrap().fields["reviewer.groups"], "dba,on-call,security");
}

#[test]
fn a_hold_escalates_by_log_time_once_and_the_other_group_decides_from_then_on() {
    let mut replica = Replica::ready();
    let escalation = Some(Escalation { group: "leads".to_owned(), after_ms: AFTER_MS });
    held_for(&mut replica, vec![Requirement { escalation, ..asked("dba", 1) }]);
    let opened = replica.now;
    replica.now = opened + AFTER_MS - 1;
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.count(EventKind::Escalated), 0);
    for choice in [Choice::Approve, Choice::Reject] {
        let early = decided_by(&mut replica, "lea", &["leads"], choice);
        assert_eq!(early.unwrap_err(), not_in_group());
    }
    replica.now = opened + AFTER_MS;
    replica.run(Command::Tick).unwrap();
    replica.run(Command::Tick).unwrap();
    let told: Vec<_> =
        replica.events().into_iter().filter(|e| e.kind == EventKind::Escalated).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].fields["hold.escalated_to"], "leads");
    assert_eq!(told[0].at, LogTime(opened + AFTER_MS));
    decided_by(&mut replica, "lea", &["leads"], Choice::Approve).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Approved);
    replica.check_chain();
}

#[test]
fn a_clock_that_runs_ahead_or_behind_on_one_node_changes_nothing_for_an_escalation() {
    let mut replica = Replica::ready();
    let escalation = Some(Escalation { group: "leads".to_owned(), after_ms: AFTER_MS });
    held_for(&mut replica, vec![Requirement { escalation, ..asked("dba", 1) }]);
    let opened = replica.now;
    replica.now = opened + AFTER_MS;
    replica.run(Command::Tick).unwrap();
    // A new leader an hour behind: log time stands still and does not go back.
    replica.now = opened.saturating_sub(60 * 60 * 1000);
    decided_by(&mut replica, "lea", &["leads"], Choice::Approve).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Approved);
}

#[test]
fn a_settled_hold_does_not_escalate_and_leaves_nothing_to_expire() {
    let mut replica = Replica::ready();
    let escalation = Some(Escalation { group: "leads".to_owned(), after_ms: AFTER_MS });
    let before = replica.rows(Table::Expiry);
    held_for(&mut replica, vec![Requirement { escalation, ..asked("dba", 1) }]);
    assert_eq!(replica.rows(Table::Expiry), before + 2);
    decided_by(&mut replica, "dana", &["dba"], Choice::Reject).unwrap();
    assert_eq!(replica.rows(Table::Expiry), before);
    replica.now += AFTER_MS;
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.count(EventKind::Escalated), 0);
}

#[test]
fn a_rejection_ends_the_hold_unless_policy_only_notes_it() {
    for (rule, phase) in
        [(RejectionRule::Ends, HoldPhase::Rejected), (RejectionRule::Noted, HoldPhase::Pending)]
    {
        let mut replica = Replica::ready();
        replica.opened(1, "bot");
        let Command::OpenHold(mut open) = replica.open_hold(1, 1, DELETE) else { panic!("a hold") };
        open.terms.rejection = rule;
        replica.run(Command::OpenHold(open)).unwrap();
        replica.decided(1, "dana", Choice::Reject).unwrap();
        assert_eq!(replica.phase(hold(1)), phase);
        let decided = replica.events().into_iter().find(|event| event.kind == EventKind::Decided);
        assert_eq!(decided.unwrap().fields["state"], phase.name());
    }
}

#[test]
fn a_reviewer_revoked_a_moment_earlier_decides_nothing() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    let decide = replica.decide(1, "dana", Choice::Approve);
    // In one entry, so that nothing lies between the two.
    let replies = replica.entry(&[revoke(who("dana")), decide]);
    assert_eq!(replies[1].clone().unwrap_err(), StateRefusal::Revoked);
    assert_eq!(replica.phase(hold(1)), HoldPhase::Pending);
    replica.decided(1, "rui", Choice::Approve).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Pending);
}

#[test]
fn what_was_rejected_pages_nobody_again_for_a_while() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let held_again = |replica: &mut Replica, n: u8, text: &str| {
        let Command::OpenHold(mut open) = replica.open_hold(n, 1, text) else { panic!("a hold") };
        open.terms.again_after_ms = AFTER_MS;
        replica.run(Command::OpenHold(open))
    };
    held_again(&mut replica, 1, DELETE).unwrap();
    replica.decided(1, "dana", Choice::Reject).unwrap();
    let rejected = replica.now;
    let lately = StateRefusal::RejectedLately { hold: hold(1) };
    // The retry of the engine is refused alike, and recorded once.
    for _retry in 0..2 {
        assert_eq!(refusal(held_again(&mut replica, 2, DELETE)), lately);
    }
    replica.now = rejected + AFTER_MS - 1;
    assert_eq!(refusal(held_again(&mut replica, 3, DELETE)), lately);
    assert_eq!((replica.count(EventKind::Held), replica.count(EventKind::Refused)), (1, 2));
    // Something else is asked, and the same by another agent, or later, or under another policy.
    held_again(&mut replica, 4, "delete from accounts where id = 8").unwrap();
    replica.opened(2, "other-bot");
    replica.held(5, 2, DELETE).unwrap();
    let mut other_policy = replica.clone();
    other_policy.change(ResourceKind::Policy, "p", "{\"n\": 2}").unwrap();
    held_again(&mut other_policy, 6, DELETE).unwrap();
    replica.now = rejected + AFTER_MS;
    held_again(&mut replica, 6, DELETE).unwrap();
    replica.check_chain();
}
