//! Grants at their place in the log: how they come to be, what an intent may use one for, and how they end.

use super::{
    harness::*,
    sharing::{CERTIFICATE, issued, of},
};
use crate::{
    command::*,
    key_space::{self, Table},
    limits::Limit,
    records::*,
    reply::{Answer, Reply, StateRefusal},
};
use countersign_core::{
    agent::Workload,
    grant::{GrantEnd, GrantState},
    hold::{Choice, DecisionError, HoldError},
    id::{GrantId, Revision},
    permit::{Approval, AuditLevel},
    record::EventKind,
};

const DELETE: &str = "delete from accounts where id = 7";
const FOR_MS: u64 = 30_000;

/// Something that happens to a replica.
type Change<'a> = &'a dyn Fn(&mut Replica);

fn id(n: u8) -> GrantId {
    GrantId::from_bytes([n; 16])
}

fn grant(replica: &Replica, n: u8) -> GrantRecord {
    crate::state::get(&replica.state, &key_space::grant(id(n))).unwrap().unwrap()
}

fn decide_for(replica: &mut Replica, n: u8, name: &str, grant_ms: u64) -> Reply {
    let Command::Decide(mut decide) = replica.decide(n, name, Choice::Approve) else {
        panic!("a decision")
    };
    decide.grant_ms = grant_ms;
    replica.run(Command::Decide(decide))
}

/// A hold of `bot`'s in session 1, approved for a time.
fn granted() -> Replica {
    granted_in(Replica::ready())
}

/// The same in this cluster.
fn granted_in(mut replica: Replica) -> Replica {
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    decide_for(&mut replica, 1, "dana", FOR_MS).unwrap();
    decide_for(&mut replica, 1, "rui", FOR_MS + 5_000).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Approved);
    assert_eq!(grant(&replica, 1).grant.state, GrantState::InForce);
    replica
}

/// The intent of operation `operation` on grant `n`.
fn use_of(replica: &Replica, n: u8, operation: u8, session: u8) -> Command {
    let Command::Intent(mut intent, attempt) = replica.intend(operation, session) else {
        panic!("an intent")
    };
    intent.basis.approval = Some(Approval::Grant(id(n)));
    intent.basis.rules = terms(2).rules;
    intent.template = {
        let record = replica.session(ses(session));
        held(DELETE).template(record.protocol, &record.agent.workload)
    };
    Command::Intent(intent, attempt)
}

fn used(replica: &mut Replica, n: u8, operation: u8, session: u8) -> Reply {
    let command = use_of(replica, n, operation, session);
    replica.run(command)
}

#[test]
fn a_grant_is_made_for_the_shortest_time_that_everybody_who_approved_has_said() {
    let replica = granted();
    let made = grant(&replica, 1);
    assert_eq!(made.grant.expires_at, made.granted_at.after_ms(FOR_MS));
    assert_eq!((made.uses, made.decisions.len()), (0, 2));
    assert_eq!(made.shape, "delete from accounts where id = $1");
    assert_eq!(replica.count(EventKind::Granted), 1);

    let mut once = Replica::ready();
    once.opened(1, "bot");
    once.held(1, 1, DELETE).unwrap();
    decide_for(&mut once, 1, "dana", FOR_MS).unwrap();
    decide_for(&mut once, 1, "rui", 0).unwrap();
    assert_eq!(once.phase(hold(1)), HoldPhase::Approved);
    assert_eq!((once.rows(Table::Grant), once.rows(Table::GrantInForce)), (0, 0));
}

#[test]
fn what_policy_does_not_let_be_granted_is_approved_once_or_not_at_all() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let refused = |error| StateRefusal::Hold(HoldError::Decision(error));
    replica.held(1, 1, DELETE).unwrap();
    let longer = decide_for(&mut replica, 1, "dana", MOST_GRANTED_MS + 1);
    let most_ms = MOST_GRANTED_MS;
    assert_eq!(refusal(longer), refused(DecisionError::GrantTooLong { most_ms }));

    let held_as = |replica: &mut Replica, n, change: &dyn Fn(&mut OpenHold)| {
        let Command::OpenHold(mut open) = replica.open_hold(n, 1, &format!("{DELETE} -- {n}"))
        else {
            panic!("a hold")
        };
        change(&mut open);
        replica.run(Command::OpenHold(open)).unwrap();
    };
    held_as(&mut replica, 2, &|open| open.terms.grantable_ms = None);
    held_as(&mut replica, 3, &|open| open.held.shape = None);
    for n in [2, 3] {
        let reply = decide_for(&mut replica, n, "dana", FOR_MS);
        assert_eq!(refusal(reply), refused(DecisionError::NotGrantable));
        assert!(replica.hold(hold(n)).hold.state.decisions().is_empty());
    }
    let Command::OpenHold(mut open) = replica.open_hold(4, 1, "x") else { panic!("a hold") };
    open.held.shape = Some("x".repeat(countersign_core::grant::MAX_SHAPE + 1));
    let too_long = replica.run(Command::OpenHold(open));
    assert_eq!(refusal(too_long), StateRefusal::OverLimit { limit: Limit::ShortText });
}

#[test]
fn every_use_of_a_grant_is_an_intent_that_names_it_and_is_counted_once() {
    let mut replica = granted();
    assert!(matches!(used(&mut replica, 1, 20, 1), Ok(Answer::Intended { .. })));
    // The engine's retry is answered alike and counts nothing.
    assert!(matches!(used(&mut replica, 1, 20, 1), Ok(Answer::Intended { .. })));
    // A session on another node, of the same agent.
    replica.opened(2, "bot");
    used(&mut replica, 1, 21, 2).unwrap();
    let made = grant(&replica, 1);
    assert_eq!((made.uses, made.last_used_at.map(|at| at.0)), (2, Some(replica.now)));
    assert_eq!(replica.operation(op(21)).approval, Some(Approval::Grant(id(1))));
    let intents: Vec<_> =
        replica.events().into_iter().filter(|e| e.kind == EventKind::Intent).collect();
    assert_eq!(intents.len(), 2);
    for (n, intent) in intents.iter().enumerate() {
        assert_eq!(intent.fields["verdict"], "grant");
        assert_eq!(intent.fields["grant.id"], id(1).to_string());
        assert_eq!(intent.fields["grant.uses"], (n + 1).to_string());
    }
    // The same id for another approval is another operation.
    let Command::Intent(mut other, attempt) = use_of(&replica, 1, 20, 1) else {
        panic!("an intent")
    };
    other.basis.approval = None;
    assert_eq!(refusal(replica.run(Command::Intent(other, attempt))), StateRefusal::IdUsed);
    replica.check_chain();
}

#[test]
fn a_grant_covers_no_other_agent_operation_rule_target_or_level() {
    let mut replica = granted();
    replica.opened(2, "other-bot");
    assert_eq!(refusal(used(&mut replica, 1, 20, 2)), StateRefusal::GrantGone);
    assert_eq!(refusal(used(&mut replica, 9, 20, 1)), StateRefusal::GrantGone);
    let mut refused = |change: &dyn Fn(&mut Intent), expected: StateRefusal| {
        let Command::Intent(mut intent, attempt) = use_of(&replica, 1, 20, 1) else {
            panic!("an intent")
        };
        change(&mut intent);
        assert_eq!(refusal(replica.run(Command::Intent(intent, attempt))), expected);
    };
    let gone = StateRefusal::GrantGone;
    refused(&|intent| intent.template = None, gone.clone());
    refused(
        &|intent| {
            let mut other = held(DELETE);
            other.settings = vec![("search_path".to_owned(), "secret".to_owned())];
            intent.template = {
                let protocol = countersign_core::target::Protocol::Postgres;
                other.template(protocol, &Workload::default())
            };
        },
        gone.clone(),
    );
    refused(&|intent| intent.basis.rules = vec!["others".to_owned()], gone);
    // What needed an approval is never forwarded ahead of its intent.
    for level in [AuditLevel::BeforeReply, AuditLevel::Batched] {
        refused(&|intent| intent.basis.audit = level, StateRefusal::NeedsClaim);
    }
    assert_eq!(grant(&replica, 1).uses, 0);
    assert_eq!(replica.count(EventKind::Intent), 0);
}

#[test]
fn a_grant_is_over_when_its_time_is_whether_or_not_a_tick_has_come() {
    let mut replica = granted();
    let end = grant(&replica, 1).grant.expires_at.0;
    replica.now = end - 1;
    used(&mut replica, 1, 20, 1).unwrap();
    replica.now = end;
    assert_eq!(refusal(used(&mut replica, 1, 21, 1)), StateRefusal::GrantGone);
    replica.run(Command::Tick).unwrap();
    let ended = grant(&replica, 1).grant.state;
    assert!(matches!(ended, GrantState::Over { end: GrantEnd::Expired, .. }), "{ended:?}");
    assert_eq!((replica.rows(Table::GrantInForce), replica.count(EventKind::GrantEnded)), (0, 1));
    // A leader whose clock is an hour behind does not bring it back.
    replica.now = end.saturating_sub(60 * 60 * 1000);
    assert_eq!(refusal(used(&mut replica, 1, 22, 1)), StateRefusal::GrantGone);
}

#[test]
fn what_a_grant_was_given_under_ends_it() {
    let policy = |replica: &mut Replica| {
        replica.change(ResourceKind::Policy, "p", r#"{"new": true}"#).unwrap();
    };
    let target = |replica: &mut Replica| {
        replica.change(ResourceKind::Target, "orders", r#"{"moved": true}"#).unwrap();
        replica.opened(3, "bot");
    };
    let agent = |replica: &mut Replica| {
        replica.run(revoke(who("bot"))).unwrap();
    };
    let reviewer = |replica: &mut Replica| {
        replica.run(revoke(who("dana"))).unwrap();
    };
    let grant_itself = |replica: &mut Replica| {
        let what = Revocable::Grant(id(1));
        let revoke = Revoke { what, reason: "enough".to_owned(), author: ada() };
        replica.run(Command::Revoke(revoke.clone())).unwrap();
        replica.run(Command::Revoke(revoke)).unwrap();
        assert_eq!(replica.count(EventKind::Revoked), 1);
    };
    let changes: [(&str, Change<'_>); 5] = [
        ("policy", &policy),
        ("target", &target),
        ("agent", &agent),
        ("reviewer", &reviewer),
        ("grant", &grant_itself),
    ];
    for (what, change) in changes {
        let mut replica = granted();
        used(&mut replica, 1, 20, 1).unwrap();
        change(&mut replica);
        let state = grant(&replica, 1).grant.state;
        assert!(matches!(state, GrantState::Over { .. }), "{what}: {state:?}");
        let session = if what == "target" { 3 } else { 1 };
        let Command::Intent(mut intent, attempt) = use_of(&replica, 1, 21, session) else {
            panic!("an intent")
        };
        for revision in [replica.policy_revision(), Revision(0)] {
            intent.basis.revision = revision;
            let again = replica.run(Command::Intent(intent.clone(), attempt));
            assert!(again.is_err(), "{what} at {revision}: {again:?}");
        }
        assert_eq!(replica.rows(Table::GrantInForce), 0, "{what}");
        replica.check_chain();
    }
}

#[test]
fn a_newer_grant_takes_the_place_of_an_older_one_and_what_is_over_is_forgotten() {
    let mut replica = granted();
    replica.held(2, 1, &format!("{DELETE} again")).unwrap();
    decide_for(&mut replica, 2, "dana", FOR_MS).unwrap();
    decide_for(&mut replica, 2, "rui", FOR_MS).unwrap();
    assert_eq!((replica.rows(Table::Grant), replica.rows(Table::GrantInForce)), (2, 1));
    assert_eq!(refusal(used(&mut replica, 1, 20, 1)), StateRefusal::GrantGone);
    used(&mut replica, 2, 20, 1).unwrap();
    replica.now += crate::limits::GRANT_KEPT_MS + FOR_MS;
    replica.run(Command::Tick).unwrap();
    replica.now += crate::limits::GRANT_KEPT_MS + FOR_MS;
    replica.run(Command::Tick).unwrap();
    assert_eq!((replica.rows(Table::Grant), replica.rows(Table::GrantByNumber)), (0, 0));
    replica.check_chain();
}

#[test]
fn a_grant_ends_when_everybody_of_its_agents_issuer_is_revoked() {
    let mut replica = Replica::ready();
    let defined = replica.change(ResourceKind::IdentityProvider, "ci", "{}").unwrap();
    let Answer::Applied(revision) = defined else { panic!("a revision") };
    let mut replica = granted_in(replica);
    let provider = Voucher { provider: "ci".to_owned(), revision };
    let revoke = Revoke {
        what: Revocable::Provider { provider, issuer: robot("bot").identity.issuer },
        reason: "its keys were stolen".to_owned(),
        author: ada(),
    };
    replica.run(Command::Revoke(revoke)).unwrap();
    let ended = grant(&replica, 1).grant.state;
    assert!(
        matches!(ended, GrantState::Over { end: GrantEnd::Invalidated { .. }, .. }),
        "{ended:?}"
    );
    assert_eq!(replica.rows(Table::GrantInForce), 0);
    replica.check_chain();
}

#[test]
fn a_grant_by_who_takes_the_agents_key_afterwards_lets_nothing_more_through() {
    let mut replica = Replica::ready();
    replica.change(ResourceKind::IdentityProvider, "ci", "{}").unwrap();
    let mut replica = granted_in(replica);
    issued(&mut replica, 1, of("bot", None), CERTIFICATE);
    used(&mut replica, 1, 20, 1).unwrap();
    issued(&mut replica, 2, of("dana", None), CERTIFICATE);
    assert_eq!(refusal(used(&mut replica, 1, 21, 1)), StateRefusal::GrantGone);
    let state = grant(&replica, 1).grant.state;
    assert!(
        matches!(state, GrantState::Over { end: GrantEnd::Invalidated { .. }, .. }),
        "{state:?}"
    );
    assert_eq!((replica.count(EventKind::Intent), replica.count(EventKind::GrantEnded)), (1, 1));
    replica.check_chain();
}
