//! Evidence changes what reviewers see and nothing else.

use super::harness::*;
use crate::{
    command::*,
    key_space,
    limits::{HELD_OPERATION_KEPT_MS, Limit, MAX_EVIDENCE_BYTES_A_PERIOD},
    records::*,
    reply::StateRefusal,
};
use countersign_core::{
    evidence::{EstimatedChange, Estimates, Evidence, MAX_EVIDENCE, MAX_PLAN, Plan},
    hold::{Choice, HoldError},
    record::EventKind,
};

const DELETE: &str = "delete from accounts where id = 7";

fn found(plan: &str) -> Evidence {
    let change = EstimatedChange { what: "Delete on accounts".to_owned(), rows: 300 };
    Evidence {
        plan: Plan::Known(plan.to_owned()),
        estimates: Some(Estimates { returned: 0, changed: vec![change] }),
        transaction: None,
    }
}

fn attach(n: u8, session: u8, plan: &str) -> Command {
    let attach = AttachEvidence { hold: hold(n), session: ses(session), evidence: found(plan) };
    Command::AttachEvidence(Box::new(attach))
}

fn known(replica: &Replica, n: u8) -> Option<EvidenceRecord> {
    crate::state::get(&replica.state, &key_space::evidence(hold(n))).unwrap()
}

#[test]
fn evidence_is_attached_once_and_leaves_the_hold_as_it_was() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    let before = replica.hold(hold(1));
    replica.effects.clear();
    replica.run(attach(1, 1, "[]")).unwrap();
    assert_eq!(replica.hold(hold(1)), before);
    let EvidenceRecord { evidence, session, .. } = known(&replica, 1).unwrap();
    assert_eq!((evidence, session), (found("[]"), ses(1)));
    assert_eq!(replica.effects.len(), 1, "who watches is told");
    // A retry is answered alike; anything else comes too late.
    replica.run(attach(1, 1, "[]")).unwrap();
    assert_eq!(refusal(replica.run(attach(1, 1, "[1]"))), StateRefusal::IdUsed);
    assert_eq!(known(&replica, 1).unwrap().evidence, found("[]"));
    let events = replica.events();
    let mut told = events.iter().filter(|event| event.kind == EventKind::EvidenceAttached);
    let fields = &told.next().unwrap().fields;
    assert_eq!(fields["evidence.rows_changed"], "Delete on accounts: 300");
    assert_eq!(fields["evidence.plan"], "known");
    assert!(!fields.values().any(|value| value == "[]"), "the plan is not in the audit");
    assert!(told.next().is_none());
    replica.check_chain();
}

#[test]
fn only_the_session_that_waits_attaches_and_only_to_a_pending_hold() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.opened(2, "other");
    replica.opened(4, "bot");
    replica.held(1, 1, DELETE).unwrap();
    assert_eq!(refusal(replica.run(attach(1, 2, "[]"))), StateRefusal::NotAttached);
    assert_eq!(refusal(replica.run(attach(1, 4, "[]"))), StateRefusal::NotAttached);
    assert_eq!(refusal(replica.run(attach(9, 1, "[]"))), StateRefusal::NoSuchHold);
    replica.decided(1, "dana", Choice::Approve).unwrap();
    replica.decided(1, "rui", Choice::Approve).unwrap();
    let late = StateRefusal::Hold(HoldError::AlreadyApproved);
    assert_eq!(refusal(replica.run(attach(1, 1, "[]"))), late);
    let claim = replica.claim(1, 10, 1);
    replica.run(claim).unwrap();
    let settled = StateRefusal::Hold(HoldError::Settled { state: "consumed" });
    assert_eq!(refusal(replica.run(attach(1, 1, "[]"))), settled);
    assert_eq!(replica.count(EventKind::EvidenceAttached), 0);
    assert_eq!(known(&replica, 1), None);
}

#[test]
fn an_expired_hold_takes_no_evidence_and_evidence_does_not_lengthen_its_life() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    replica.now += 59_999;
    replica.run(attach(1, 1, "[]")).unwrap();
    replica.now += 1;
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Expired);
    let settled = StateRefusal::Hold(HoldError::Settled { state: "expired" });
    // Known evidence is said to be known, so another hold is asked about.
    replica.held(2, 1, DELETE).unwrap();
    replica.now += 60_000;
    assert_eq!(refusal(replica.run(attach(2, 1, "[]"))), settled);
    // It is forgotten with its operation.
    replica.now += HELD_OPERATION_KEPT_MS;
    replica.run(Command::Tick).unwrap();
    assert_eq!(known(&replica, 1), None);
}

#[test]
fn evidence_has_bounds_that_take_nothing_from_what_may_be_held() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    let over = StateRefusal::OverLimit { limit: Limit::Evidence };
    let huge = "x".repeat(MAX_EVIDENCE);
    assert_eq!(refusal(replica.run(attach(1, 1, &huge))), over);
    let long = "x".repeat(MAX_PLAN);
    let mut attached = 0;
    for n in 2..=70 {
        replica.held(n, 1, &format!("{DELETE} -- {n}")).unwrap();
        attached += u64::from(replica.run(attach(n, 1, &long)).is_ok());
    }
    assert_eq!(attached, MAX_EVIDENCE_BYTES_A_PERIOD / (found(&long).size() as u64));
    assert_eq!(refusal(replica.run(attach(70, 1, &long))), over);
    assert_eq!(replica.phase(hold(70)), HoldPhase::Pending);
}
