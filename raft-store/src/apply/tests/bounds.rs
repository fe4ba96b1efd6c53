//! What one agent can make the state keep is bounded.

use super::harness::*;
use crate::{
    command::*,
    key_space::{self, Table},
    limits::*,
    reply::StateRefusal,
};
use countersign_core::{
    id::{HoldId, OperationId},
    record::{EventKind, Outcome},
};

/// Opens hold `n` and takes it back.
fn come_and_go(replica: &mut Replica, n: u32, bytes: usize) -> Result<(), StateRefusal> {
    let Command::OpenHold(mut open) = replica.open_hold(1, 1, &"x".repeat(bytes)) else {
        panic!("a hold")
    };
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    open.id = HoldId::from_bytes(id);
    open.operation = OperationId::from_bytes(id);
    replica.run(Command::OpenHold(open))?;
    let withdraw = WithdrawHold {
        hold: HoldId::from_bytes(id),
        by: Withdrawer::Agent(ses(1)),
        comment: String::new(),
    };
    replica.run(Command::WithdrawHold(withdraw)).map(drop)
}

#[test]
fn an_agent_that_opens_holds_and_takes_them_back_runs_out_of_its_budget() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let most = u32::try_from(MOST_A_PERIOD).unwrap();
    for n in 1..=most {
        come_and_go(&mut replica, n, 1).unwrap();
    }
    let over = Err(StateRefusal::OverLimit { limit: Limit::HoldsAPeriod });
    assert_eq!(come_and_go(&mut replica, most + 1, 1), over);
    // Another agent has its own; and the next period begins.
    replica.opened(2, "other");
    assert!(replica.held(200, 2, "delete").is_ok());
    replica.now += HOLD_PERIOD_MS;
    assert_eq!(come_and_go(&mut replica, most + 1, 1), Ok(()));
}

#[test]
fn the_bytes_that_an_agent_has_held_have_a_budget() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let fit = u32::try_from(MAX_HELD_BYTES_A_PERIOD / MAX_HELD_TEXT as u64).unwrap();
    let opened =
        (1..=fit + 1).take_while(|n| come_and_go(&mut replica, *n, MAX_HELD_TEXT).is_ok()).count();
    assert!(opened >= 1 && opened <= fit as usize, "{opened}");
    let over = Err(StateRefusal::OverLimit { limit: Limit::HeldBytesAPeriod });
    assert_eq!(come_and_go(&mut replica, 100, MAX_HELD_TEXT), over);
}

#[test]
fn what_is_over_is_forgotten_and_the_audit_stays() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    come_and_go(&mut replica, 1, 10).unwrap();
    let intent = replica.intend(20, 1);
    replica.run(intent).unwrap();
    replica.run(settlement(20, Outcome::Completed)).unwrap();
    let open = replica.intend(21, 1);
    replica.run(open).unwrap();
    let close = CloseSession { id: ses(1), reason: "gone".to_owned() };
    replica.run(Command::CloseSession(close)).unwrap();
    let events = replica.events();
    let all = [
        Table::HeldOperation,
        Table::HoldBudget,
        Table::Operation,
        Table::Session,
        Table::SessionByNumber,
        Table::Hold,
        Table::HoldByNumber,
    ];
    let kept = |replica: &Replica| all.map(|table| replica.rows(table));
    replica.run(Command::Tick).unwrap();
    assert_eq!(kept(&replica), [1, 1, 2, 1, 1, 1, 1]);
    let start = replica.now;
    // An operation without outcome is never forgotten.
    for (after, left) in [
        (HOLD_PERIOD_MS, [1, 0, 2, 1, 1, 1, 1]),
        (OPERATION_KEPT_MS.max(HELD_OPERATION_KEPT_MS), [0, 0, 1, 1, 1, 1, 1]),
        (SESSION_KEPT_MS.max(HOLD_KEPT_MS), [0, 0, 1, 0, 0, 0, 0]),
    ] {
        replica.now = start + after;
        replica.run(Command::Tick).unwrap();
        assert_eq!(kept(&replica), left, "after {after} ms");
    }
    assert_eq!(replica.rows(Table::Forget), 0);
    assert_eq!(replica.events(), events);
    assert_eq!(replica.count(EventKind::Withdrawn), 1);
}

#[test]
fn one_tick_forgets_so_many() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let before = replica.rows(Table::Forget);
    for n in 0..=MAX_FORGOTTEN_A_TICK {
        let id = key_space::Forgotten::HoldBudget(
            [&(n as u64).to_be_bytes()[..], &[0; 24]].concat().try_into().unwrap(),
        );
        replica.state.insert(key_space::forget(countersign_core::log_time::LogTime(1), id), vec![]);
    }
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.rows(Table::Forget), before + 1);
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.rows(Table::Forget), before);
}

#[test]
fn the_terms_and_names_of_a_hold_have_limits() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let refused = |replica: &mut Replica, requirements: Vec<(String, u32)>| {
        let Command::OpenHold(mut open) = replica.open_hold(1, 1, "delete") else {
            panic!("a hold")
        };
        open.terms.requirements =
            requirements.iter().map(|(reviewers, quorum)| asked(reviewers, *quorum)).collect();
        refusal(replica.run(Command::OpenHold(open)))
    };
    let over = |limit| StateRefusal::OverLimit { limit };
    let groups = |count: usize, quorum| (0..count).map(|n| (format!("g{n}"), quorum)).collect();
    assert_eq!(refused(&mut replica, groups(17, 1)), over(Limit::Requirements));
    assert_eq!(refused(&mut replica, groups(1, 0)), over(Limit::Quorum));
    assert_eq!(refused(&mut replica, groups(1, 17)), over(Limit::Quorum));
    assert_eq!(refused(&mut replica, groups(5, 16)), over(Limit::Quorum));
    let ways = vec![("(a and b) or c".to_owned(), 7)];
    assert_eq!(refused(&mut replica, ways), over(Limit::Requirements));
    assert_eq!(refused(&mut replica, vec![("g".repeat(MAX_NAME + 1), 1)]), over(Limit::Name));

    replica.held(1, 1, "delete").unwrap();
    let Command::Decide(mut decide) =
        replica.decide(1, "dana", countersign_core::hold::Choice::Approve)
    else {
        panic!("a decision")
    };
    decide.reviewer.groups.extend((0..1000).map(|n| format!("{n}{}", "g".repeat(900))));
    let mut many = decide.clone();
    many.reviewer.also_known_as = (0..=MAX_NAMES).map(|n| n.to_string()).collect();
    assert_eq!(refusal(replica.run(Command::Decide(many))), over(Limit::Names));
    replica.run(Command::Decide(decide)).unwrap();
    // Of the groups those are kept, and recorded, that count for this hold.
    let record = replica.hold(hold(1));
    let [made] = record.hold.state.decisions() else { panic!("one decision") };
    assert_eq!(made.reviewer.groups, std::collections::BTreeSet::from(["dba".to_owned()]));
    let decided = replica.events().into_iter().find(|e| e.kind == EventKind::Decided).unwrap();
    assert_eq!(decided.fields["reviewer.groups"], "dba");
}
