//! What must hold of holds, claims and intents.

use super::harness::*;
use crate::{
    command::*,
    key_space::Table,
    limits::Limit,
    records::*,
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    hold::{Choice, DecisionError, HoldError},
    id::Revision,
    permit::Approval,
    record::{EventKind, Outcome},
};

const DELETE: &str = "delete from accounts where id = 7";

#[test]
fn approval_consumed_once() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.approved(1, 1, DELETE);
    // A second client of the same agent waits for the same hold.
    replica.opened(2, "bot");
    assert!(is_attached(&replica.held(2, 2, DELETE)));
    let claim = replica.claim(1, 10, 1);
    let first = replica.run(claim.clone()).unwrap();
    assert!(matches!(first, Answer::Claimed { .. }));
    // The engine's retry is answered alike; another client, or another call, is not.
    assert_eq!(replica.run(claim.clone()).unwrap(), first);
    let other = replica.claim(1, 11, 2);
    assert_eq!(
        refusal(replica.run(other)),
        StateRefusal::Hold(HoldError::Settled { state: "consumed" })
    );
    let Command::ClaimHold(again, _) = claim else { panic!("a claim") };
    let again = Command::ClaimHold(again, Attempt([99; 16]));
    assert_eq!(refusal(replica.run(again)), StateRefusal::IdUsed);
    assert_eq!(replica.count(EventKind::Intent), 1);
    replica.check_chain();
}

#[test]
fn a_consumed_hold_leaves_its_fingerprint_to_a_new_one() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.approved(1, 1, DELETE);
    let claim = replica.claim(1, 10, 1);
    replica.run(claim).unwrap();
    assert!(matches!(replica.held(2, 1, DELETE), Ok(Answer::Held(_))));
    assert_eq!(replica.phase(hold(2)), HoldPhase::Pending);
}

#[test]
fn one_decision_per_hold() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    replica.decided(1, "dana", Choice::Reject).unwrap();
    let rejected = replica.hold(hold(1));
    assert_eq!(
        refusal(replica.decided(1, "rui", Choice::Approve)),
        StateRefusal::Hold(HoldError::Settled { state: "rejected" })
    );
    // The retry of the decision that was made is answered as it was.
    assert!(replica.decided(1, "dana", Choice::Reject).is_ok());
    replica.now += 100_000;
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.hold(hold(1)), rejected);
    assert_eq!(replica.count(EventKind::Decided), 1);
    // The same operation again makes a new hold.
    assert!(matches!(replica.held(2, 1, DELETE), Ok(Answer::Held(_))));
}

#[test]
fn no_forward_without_approval() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.opened(2, "other");
    replica.held(1, 1, DELETE).unwrap();
    let refused = |replica: &mut Replica, change: &dyn Fn(&mut ClaimHold)| {
        let Command::ClaimHold(mut claim, attempt) = replica.claim(1, 10, 1) else {
            panic!("a claim")
        };
        change(&mut claim);
        refusal(replica.run(Command::ClaimHold(claim, attempt)))
    };
    let not_approved = StateRefusal::Hold(HoldError::NotApproved);
    assert_eq!(refused(&mut replica, &|_| {}), not_approved);
    replica.decided(1, "dana", Choice::Approve).unwrap();
    assert_eq!(refused(&mut replica, &|_| {}), not_approved, "one of two is no quorum");
    replica.decided(1, "rui", Choice::Approve).unwrap();
    assert_eq!(
        refused(&mut replica, &|claim| claim.fingerprint =
            countersign_core::fingerprint::Fingerprint::from_bytes([0; 32])),
        StateRefusal::Hold(HoldError::OtherFingerprint)
    );
    assert_eq!(
        refused(&mut replica, &|claim| claim.session = ses(2)),
        StateRefusal::Hold(HoldError::OtherAgent)
    );
    assert!(matches!(
        refused(&mut replica, &|claim| claim.revision = Revision(1)),
        StateRefusal::StaleRevision { .. }
    ));
    replica.opened(4, "bot");
    assert_eq!(refused(&mut replica, &|claim| claim.session = ses(4)), StateRefusal::NotAttached);
    // An intent cannot stand in for the claim.
    let Command::Intent(mut intent, attempt) = replica.intend(20, 1) else { panic!("an intent") };
    intent.basis.approval = Some(Approval::Hold(hold(1)));
    assert_eq!(refusal(replica.run(Command::Intent(intent, attempt))), StateRefusal::NeedsClaim);
    assert_eq!(replica.count(EventKind::Intent), 0);
    let claim = replica.claim(1, 10, 1);
    assert!(replica.run(claim).is_ok());
}

#[test]
fn who_may_not_decide_is_refused_inside_the_log() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    let decide = |replica: &mut Replica, name: &str, groups: &[&str]| {
        let Command::Decide(mut decide) = replica.decide(1, name, Choice::Approve) else {
            panic!("a decision")
        };
        decide.reviewer = human(name, groups);
        refusal(replica.run(Command::Decide(decide)))
    };
    let because = |error| StateRefusal::Hold(HoldError::Decision(error));
    assert_eq!(decide(&mut replica, "bot", &["dba"]), because(DecisionError::Requester));
    assert_eq!(decide(&mut replica, "olga", &["dba"]), because(DecisionError::Owner));
    assert_eq!(decide(&mut replica, "dana", &["ops"]), because(DecisionError::NotInGroup));
    let Command::Decide(mut wrong) = replica.decide(1, "dana", Choice::Approve) else {
        panic!("a decision")
    };
    wrong.seen = countersign_core::fingerprint::Fingerprint::from_bytes([3; 32]);
    assert_eq!(
        refusal(replica.run(Command::Decide(wrong))),
        StateRefusal::Hold(HoldError::OtherFingerprint)
    );
    replica.run(revoke(who("dana"))).unwrap();
    assert_eq!(decide(&mut replica, "dana", &["dba"]), StateRefusal::Revoked);
    assert!(replica.hold(hold(1)).hold.state.decisions().is_empty());
}

#[test]
fn what_the_reviewer_sees_is_what_the_fingerprint_covers() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let Command::OpenHold(mut open) = replica.open_hold(1, 1, DELETE) else { panic!("a hold") };
    open.held.text = b"select 1".to_vec();
    assert_eq!(refusal(replica.run(Command::OpenHold(open))), StateRefusal::OtherFingerprint);
}

#[test]
fn an_expired_hold_takes_nothing_even_before_the_tick() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.approved(1, 1, DELETE);
    replica.now += 60_000;
    let claim = replica.claim(1, 10, 1);
    assert_eq!(
        refusal(replica.run(claim)),
        StateRefusal::Hold(HoldError::Settled { state: "expired" })
    );
    assert_eq!(replica.phase(hold(1)), HoldPhase::Expired);
    assert_eq!(replica.count(EventKind::Expired), 1);
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.count(EventKind::Expired), 1);
    // A clock that runs back takes nothing back.
    replica.now -= 50_000;
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Expired);
}

#[test]
fn a_tick_expires_what_is_due_and_nothing_else() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    replica.now += 59_999;
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Pending);
    replica.now += 1;
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Expired);
    replica.check_chain();
}

#[test]
fn a_hold_without_its_client_is_parked_and_found_again() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    replica
        .run(Command::CloseSession(CloseSession { id: ses(1), reason: "gone".to_owned() }))
        .unwrap();
    assert!(replica.hold(hold(1)).attached.is_empty());
    assert_eq!(replica.count(EventKind::Parked), 1);
    replica.opened(2, "bot");
    assert!(is_attached(&replica.held(2, 2, DELETE)));
    assert!(matches!(replica.held(3, 2, "delete from accounts"), Ok(Answer::Held(_))));
    replica.opened(4, "other");
    assert!(matches!(replica.held(4, 4, DELETE), Ok(Answer::Held(_))));
}

#[test]
fn a_hold_whose_transaction_is_gone_is_void_approved_or_not() {
    let leave = |n: u8, session: u8| {
        Command::ParkHold(ParkHold { hold: hold(n), session: ses(session), leaves: Leaves::Void })
    };
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    replica.run(leave(1, 1)).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Invalidated);
    replica.run(leave(1, 1)).unwrap();
    assert_eq!(replica.count(EventKind::Invalidated), 1);
    // An approval is void with it, whichever is applied first: that the session is closed, or why.
    replica.approved(2, 1, DELETE);
    let close = CloseSession { id: ses(1), reason: "gone".to_owned() };
    replica.run(Command::CloseSession(close)).unwrap();
    assert_eq!(replica.phase(hold(2)), HoldPhase::Approved);
    replica.run(leave(2, 1)).unwrap();
    assert_eq!(replica.phase(hold(2)), HoldPhase::Invalidated);
    // The same operation in another session waits for another hold.
    replica.opened(2, "bot");
    assert!(matches!(replica.held(3, 2, DELETE), Ok(Answer::Held(_))));
    // Another session that waits for the same hold has a transaction of its own.
    replica.opened(4, "bot");
    assert!(is_attached(&replica.held(4, 4, DELETE)));
    replica.decided(3, "dana", Choice::Approve).unwrap();
    replica.decided(3, "rui", Choice::Approve).unwrap();
    replica.run(leave(3, 2)).unwrap();
    assert_eq!(replica.phase(hold(3)), HoldPhase::Approved);
    let other = replica.claim(3, 10, 2);
    assert_eq!(refusal(replica.run(other)), StateRefusal::NotAttached);
    let claim = replica.claim(3, 11, 4);
    replica.run(claim).unwrap();
    assert_eq!(replica.phase(hold(3)), HoldPhase::Consumed);
    replica.check_chain();
}

#[test]
fn changed_claims_of_the_agent_make_a_new_hold() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    let Command::OpenHold(mut stricter) = replica.open_hold(2, 1, DELETE) else { panic!("a hold") };
    stricter.terms = terms(3);
    assert!(matches!(replica.run(Command::OpenHold(stricter)), Ok(Answer::Held(_))));
    assert_eq!(replica.phase(hold(1)), HoldPhase::Invalidated);
}

#[test]
fn the_holds_of_an_agent_have_a_limit() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    for n in 0..MOST_OPEN {
        let n = u8::try_from(n).unwrap() + 1;
        replica.held(n, 1, &format!("delete {n}")).unwrap();
    }
    assert_eq!(
        refusal(replica.held(250, 1, "delete more")),
        StateRefusal::OverLimit { limit: Limit::OpenHoldsPerAgent }
    );
    let withdraw =
        WithdrawHold { hold: hold(1), by: Withdrawer::Agent(ses(1)), comment: String::new() };
    replica.run(Command::WithdrawHold(withdraw)).unwrap();
    assert!(replica.held(250, 1, "delete more").is_ok());
    // Another node lets it have more.
    let Command::OpenHold(mut open) = replica.open_hold(251, 1, "delete it all") else { panic!() };
    open.most_open = MOST_OPEN + 1;
    assert!(replica.run(Command::OpenHold(open)).is_ok());
    // What expires counts no more, and what nobody waits for still does.
    replica.run(Command::CloseSession(CloseSession { id: ses(1), reason: String::new() })).unwrap();
    assert_eq!(replica.rows(Table::WaitingFor), 0);
    replica.opened(2, "bot");
    assert_eq!(
        refusal(replica.held(252, 2, "delete again")),
        StateRefusal::OverLimit { limit: Limit::OpenHoldsPerAgent }
    );
    replica.now += 60_000;
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.rows(Table::OpenHoldCount), 0);
    assert!(replica.held(252, 2, "delete again").is_ok());
    assert_eq!((replica.rows(Table::WaitingFor), replica.rows(Table::OpenHoldCount)), (1, 1));
}

#[test]
fn only_its_own_agent_or_an_administrator_withdraws_a_hold() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.opened(2, "other");
    replica.held(1, 1, DELETE).unwrap();
    let by = |session| {
        Command::WithdrawHold(WithdrawHold {
            hold: hold(1),
            by: Withdrawer::Agent(session),
            comment: String::new(),
        })
    };
    assert_eq!(refusal(replica.run(by(ses(2)))), StateRefusal::Hold(HoldError::OtherAgent));
    replica.run(by(ses(1))).unwrap();
    assert!(replica.run(by(ses(1))).is_ok(), "again is no error");
    assert_eq!(replica.phase(hold(1)), HoldPhase::Withdrawn);
    assert_eq!(replica.count(EventKind::Withdrawn), 1);
}

#[test]
fn an_intent_has_one_outcome_that_stays() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let intent = replica.intend(20, 1);
    let first = replica.run(intent.clone()).unwrap();
    assert_eq!(replica.run(intent).unwrap(), first);
    replica.run(settlement(20, Outcome::Completed)).unwrap();
    replica.run(settlement(20, Outcome::Completed)).unwrap();
    assert_eq!(
        refusal(replica.run(settlement(20, Outcome::Failed))),
        StateRefusal::AlreadySettled { outcome: Outcome::Completed }
    );
    assert_eq!(
        refusal(replica.run(settlement(21, Outcome::Failed))),
        StateRefusal::NoSuchOperation
    );
    assert_eq!(replica.count(EventKind::Intent), 1);
    assert_eq!(replica.count(EventKind::Outcome), 1);
}
