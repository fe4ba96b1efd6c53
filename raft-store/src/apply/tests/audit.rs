//! Whatever went to a target has an intent and an outcome, and nothing shown is a reason to refuse the record.

use super::harness::*;
use crate::{
    command::*,
    limits::{MAX_AUDIT_TEXT, MAX_SHORT_TEXT},
    records::*,
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    hold::Choice,
    id::NodeId,
    operation::Parameter,
    permit::AuditLevel,
    record::{AuditEvent, EventKind, Outcome},
};

fn last(replica: &Replica, kind: EventKind) -> AuditEvent {
    replica.events().into_iter().rfind(|event| event.kind == kind).unwrap()
}

#[test]
fn an_intent_is_never_refused_for_the_length_of_what_is_shown() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let Command::Intent(mut intent, attempt) = replica.intend(20, 1) else { panic!("an intent") };
    intent.summary = "é".repeat(MAX_SHORT_TEXT);
    intent.basis.rules = vec!["r".repeat(200); 100];
    intent.actions = vec!["a".repeat(MAX_SHORT_TEXT + 1)];
    intent.text.text = "t".repeat(MAX_AUDIT_TEXT + 1);
    assert!(replica.run(Command::Intent(intent, attempt)).is_ok());
    let event = last(&replica, EventKind::Intent);
    let (summary, length) = (&event.fields["operation.summary"], 2 * MAX_SHORT_TEXT);
    assert!(summary.len() <= MAX_SHORT_TEXT);
    assert!(summary.ends_with(&format!("é… (cut: {length} bytes in all)")), "{summary}");
    for (name, most) in [
        ("policy.rules", MAX_SHORT_TEXT),
        ("operation.actions", MAX_SHORT_TEXT),
        ("operation.text", MAX_AUDIT_TEXT),
    ] {
        assert!(event.fields[name].len() <= most, "{name}");
    }
    let Command::Outcome(mut outcome) = settlement(20, Outcome::Failed) else { panic!("one") };
    outcome.word = "w".repeat(MAX_SHORT_TEXT + 1);
    replica.run(Command::Outcome(outcome)).unwrap();
    assert_eq!(replica.count(EventKind::Outcome), 1);
    replica.check_chain();
}

#[test]
fn a_refused_operation_is_recorded_however_long_its_texts_are() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let refused = Refused {
        operation: op(9),
        session: ses(1),
        fingerprint: countersign_core::fingerprint::Fingerprint::from_bytes([1; 32]),
        revision: replica.policy_revision(),
        rules: vec!["r".repeat(MAX_SHORT_TEXT)],
        message: "m".repeat(MAX_SHORT_TEXT + 1),
        summary: "s".repeat(MAX_SHORT_TEXT + 1),
        text: AuditText { text: "t".repeat(MAX_AUDIT_TEXT + 1), length: 1 },
        actions: Vec::new(),
        asked: String::new(),
    };
    replica.run(Command::Refused(Box::new(refused))).unwrap();
    assert_eq!(replica.count(EventKind::Refused), 1);
}

/// Runs an intent after `change`; gives the refusal.
fn refused_ahead(
    level: AuditLevel,
    change: impl FnOnce(&mut Replica),
) -> (Replica, Command, StateRefusal) {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let Command::Intent(mut intent, attempt) = replica.intend(20, 1) else { panic!("an intent") };
    intent.basis.audit = level;
    let command = Command::Intent(intent, attempt);
    change(&mut replica);
    let refused = refusal(replica.run(command.clone()));
    (replica, command, refused)
}

fn new_policy(replica: &mut Replica) {
    replica.change(ResourceKind::Policy, "sample", "{\"new\":1}").unwrap();
}

fn revoke_bot(replica: &mut Replica) {
    replica.run(revoke(who("bot"))).unwrap();
}

fn end_session(replica: &mut Replica) {
    let close = CloseSession { id: ses(1), reason: "gone".to_owned() };
    replica.run(Command::CloseSession(close)).unwrap();
}

#[test]
fn what_was_forwarded_ahead_of_a_refused_intent_has_an_intent_and_an_outcome() {
    let changes: [fn(&mut Replica); 3] = [new_policy, revoke_bot, end_session];
    for change in changes {
        let (mut replica, command, refused) = refused_ahead(AuditLevel::BeforeReply, change);
        let event = last(&replica, EventKind::Intent);
        assert_eq!(event.fields["verdict"], "withheld");
        assert_eq!(event.fields["reason"], refused.to_string());
        assert_eq!(event.fields["agent.subject"], "bot");
        // No repetition of the call gets a receipt.
        assert_eq!(refusal(replica.run(command)), StateRefusal::IntentStands);
        replica.run(settlement(20, Outcome::Completed)).unwrap();
        assert_eq!(last(&replica, EventKind::Outcome).fields["outcome"], "completed");
        assert_eq!(replica.count(EventKind::Intent), 1);
        replica.check_chain();
    }
}

#[test]
fn an_intent_that_is_refused_before_anything_is_forwarded_leaves_nothing() {
    let (replica, _, _) = refused_ahead(AuditLevel::BeforeForward, new_policy);
    assert_eq!(replica.count(EventKind::Intent), 0);
}

#[test]
fn a_refused_intent_of_a_node_that_was_started_again_is_settled_at_once() {
    let (replica, _, _) = refused_ahead(AuditLevel::BeforeReply, |replica| {
        // Session 1 is on node 2.
        let up = replica.node_up(NodeId(2), 77);
        replica.run(up).unwrap();
    });
    assert_eq!(last(&replica, EventKind::Outcome).fields["outcome"], "outcome_unknown");
    assert_eq!(replica.operation(op(20)).state, OperationState::Settled(Outcome::OutcomeUnknown));
}

#[test]
fn a_repeated_call_gets_its_receipt_only_while_something_can_be_forwarded_under_it() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let intent = replica.intend(20, 1);
    assert!(matches!(replica.run(intent.clone()), Ok(Answer::Intended { .. })));
    assert!(matches!(replica.run(intent.clone()), Ok(Answer::Intended { .. })));
    end_session(&mut replica);
    assert_eq!(refusal(replica.run(intent.clone())), StateRefusal::IntentStands);
    replica.run(settlement(20, Outcome::Refused)).unwrap();
    let settled = StateRefusal::AlreadySettled { outcome: Outcome::Refused };
    assert_eq!(refusal(replica.run(intent)), settled);

    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica.approved(1, 1, "delete");
    let claim = replica.claim(1, 10, 1);
    assert!(matches!(replica.run(claim.clone()), Ok(Answer::Claimed { .. })));
    assert!(matches!(replica.run(claim.clone()), Ok(Answer::Claimed { .. })));
    end_session(&mut replica);
    assert_eq!(refusal(replica.run(claim)), StateRefusal::IntentStands);
}

#[test]
fn an_id_serves_one_kind_of_request() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let id = RequestId([7; 16]);
    let access = AccessRefused {
        id,
        node: NodeId(1),
        source: "s".repeat(MAX_SHORT_TEXT + 1),
        who: None,
        what: "identify".to_owned(),
        reason: "expired".to_owned(),
    };
    replica.run(Command::AccessRefused(access.clone())).unwrap();
    replica.run(Command::AccessRefused(access)).unwrap();
    assert_eq!(replica.count(EventKind::AccessRefused), 1);
    let apply = ApplyResources {
        id,
        content: [0; 32],
        answer: String::new(),
        changes: Vec::new(),
        author: ada(),
        comment: String::new(),
    };
    assert_eq!(refusal(replica.run(Command::ApplyResources(apply))), StateRefusal::IdUsed);
}

#[test]
fn a_cancel_is_passed_on_once_however_often_it_is_repeated() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let cancel = |id: u8| {
        let key = countersign_core::gate::CancelKey { process: 1, secret: 7 };
        Command::Cancel(Cancel { id: RequestId([id; 16]), key })
    };
    let passed_on = |replica: &Replica| {
        let cancels = |effect: &&crate::effect::Effect| {
            matches!(effect, crate::effect::Effect::CancelRequested { .. })
        };
        replica.effects.iter().filter(cancels).count()
    };
    replica.run(cancel(1)).unwrap();
    replica.run(cancel(1)).unwrap();
    assert_eq!(passed_on(&replica), 1);
    replica.run(cancel(2)).unwrap();
    assert_eq!(passed_on(&replica), 2);
}

#[test]
fn a_session_that_was_closed_before_it_was_opened_is_not_opened() {
    let mut replica = Replica::ready();
    let open = open_session(1, "bot", NodeId(2), replica.incarnation(NodeId(2)));
    end_session(&mut replica);
    assert_eq!(refusal(replica.run(open.clone())), StateRefusal::SessionGone);
    assert_eq!(replica.count(EventKind::SessionOpened), 0);
    replica.now += crate::limits::REQUEST_KEPT_MS;
    replica.run(Command::Tick).unwrap();
    assert!(replica.run(open).is_ok());
}

#[test]
fn an_outcome_says_which_rules_masked_how_many_values_where() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    for operation in [20, 21] {
        replica.run(replica.intend(operation, 1)).unwrap();
    }
    let Command::Outcome(mut masked) = settlement(20, Outcome::Completed) else { panic!() };
    masked.masked.add("contacts", "public.customers.email", 12);
    masked.masked.add("cards", "#3", 4);
    replica.run(Command::Outcome(masked)).unwrap();
    let fields = last(&replica, EventKind::Outcome).fields;
    assert_eq!(fields["mask.rules"], "cards,contacts");
    assert_eq!(fields["mask.values"], "16");
    assert_eq!(fields["mask.places"], "cards #3 4,contacts public.customers.email 12");
    replica.run(settlement(21, Outcome::Completed)).unwrap();
    let fields = last(&replica, EventKind::Outcome).fields;
    assert!(!fields.keys().any(|name| name.starts_with("mask.")), "{fields:?}");
    replica.check_chain();
}

#[test]
fn what_a_held_operation_is_bound_to_is_in_its_events_and_bounded() {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    let value = |shown: &str| Parameter {
        format: 0,
        type_oid: 25,
        value: Some(shown.as_bytes().to_vec()),
        shown: shown.to_owned(),
    };
    let long = "é".repeat(MAX_SHORT_TEXT);
    for (n, parameters) in
        [(1, vec![value("7"), value("x")]), (2, vec![value(&long)]), (3, vec![value(""); 60_000])]
    {
        let Command::OpenHold(mut open) = replica.open_hold(n, 1, "delete from t where id = $1")
        else {
            panic!("a hold")
        };
        let count = parameters.len().to_string();
        open.held.parameters = parameters;
        open.fingerprint = fingerprint(&replica.session(ses(1)), &open.held);
        replica.run(Command::OpenHold(open)).unwrap();
        let event = last(&replica, EventKind::Held);
        assert_eq!(event.fields["operation.parameter_count"], count);
        assert!(event.fields["operation.parameters"].len() <= MAX_SHORT_TEXT);
        replica.decided(n, "dana", Choice::Approve).unwrap();
        replica.decided(n, "rui", Choice::Approve).unwrap();
        let claim = replica.claim(n, 100 + n, 1);
        replica.run(claim).unwrap();
        let intent = last(&replica, EventKind::Intent);
        let shown = "operation.parameters";
        assert_eq!(intent.fields[shown], event.fields[shown]);
        if n == 1 {
            assert_eq!(intent.fields[shown], "$1 = 7, $2 = x");
        }
    }
}
