//! What nodes have noted is taken once, whatever has changed since, and settled like everything else.

use super::harness::*;
use crate::{command::*, limits::SESSION_KEPT_MS, records::OperationState};
use countersign_core::{
    gate::Settlement,
    id::NodeId,
    permit::AuditLevel,
    record::{AuditEvent, EventKind, Outcome},
};

/// Session 1 is on this node.
const NODE: NodeId = NodeId(2);

fn ready() -> Replica {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica
}

/// Notes of a book, from a sequence on; the operations' numbers are those of the notes.
fn notes(replica: &Replica, book: u8, sequences: std::ops::Range<u8>) -> TakeNotes {
    let intent = |operation| {
        let Command::Intent(mut intent, _) = replica.intend(operation, 1) else { panic!("one") };
        intent.basis.audit = AuditLevel::Batched;
        *intent
    };
    let first = u64::from(sequences.start);
    let intents = sequences.map(intent).collect();
    TakeNotes { node: NODE, book: [book; 16], first, intents, outcomes: Vec::new() }
}

fn take(replica: &mut Replica, notes: TakeNotes) {
    replica.run(Command::TakeNotes(Box::new(notes))).unwrap();
    replica.check_chain();
}

fn outcome(operation: u8) -> Settlement {
    let Command::Outcome(outcome) = settlement(operation, Outcome::Completed) else {
        panic!("one")
    };
    outcome
}

fn of_kind(replica: &Replica, kind: EventKind) -> Vec<AuditEvent> {
    replica.events().into_iter().filter(|event| event.kind == kind).collect()
}

/// The operations' numbers, in the order of their intents.
fn intended(replica: &Replica) -> Vec<u8> {
    let number = |event: &AuditEvent| {
        let id = &event.fields["operation.id"];
        (1..=u8::MAX).find(|n| op(*n).to_string() == *id).unwrap()
    };
    of_kind(replica, EventKind::Intent).iter().map(number).collect()
}

#[test]
fn a_note_is_taken_once_however_often_it_is_carried() {
    let mut replica = ready();
    let all = notes(&replica, 1, 1..4);
    take(&mut replica, all.clone());
    assert_eq!(intended(&replica), [1, 2, 3]);
    take(&mut replica, all.clone());
    // A later batch that has one of the earlier notes too.
    let further = notes(&replica, 1, 3..6);
    take(&mut replica, further);
    take(&mut replica, all.clone());
    assert_eq!(intended(&replica), [1, 2, 3, 4, 5]);
    // An earlier carrying that is late, behind notes of the next start: its operations are known.
    let next_start = notes(&replica, 2, 1..1);
    take(&mut replica, next_start);
    take(&mut replica, all.clone());
    assert_eq!(intended(&replica).len(), 5);
    // Long after the operations were forgotten, the sequence says it still.
    let again = notes(&replica, 1, 5..6);
    take(&mut replica, again);
    for operation in 1..6 {
        replica.run(settlement(operation, Outcome::Completed)).unwrap();
    }
    replica.now += crate::limits::OPERATION_KEPT_MS + 1;
    replica.run(Command::Tick).unwrap();
    let again = notes(&replica, 1, 1..6);
    take(&mut replica, again);
    assert_eq!(intended(&replica).len(), 5);
}

#[test]
fn an_outcome_beside_its_note_settles_it() {
    let mut replica = ready();
    let mut both = notes(&replica, 1, 1..3);
    both.outcomes = vec![outcome(1), outcome(99)];
    take(&mut replica, both.clone());
    assert_eq!(replica.operation(op(1)).state, OperationState::Settled(Outcome::Completed));
    assert_eq!(replica.operation(op(2)).state, OperationState::Intended);
    take(&mut replica, both);
    assert_eq!(replica.count(EventKind::Outcome), 1);
    let later = TakeNotes { first: 3, outcomes: vec![outcome(2)], ..notes(&replica, 1, 3..3) };
    take(&mut replica, later);
    assert_eq!(replica.count(EventKind::Outcome), 2);
}

#[test]
fn a_note_is_recorded_whatever_has_changed_since() {
    let changes: [fn(&mut Replica); 3] = [
        |replica| {
            let kind = crate::records::ResourceKind::Policy;
            replica.change(kind, "sample", "{\"new\":1}").unwrap();
        },
        |replica| drop(replica.run(revoke(who("bot"))).unwrap()),
        |replica| {
            let close = CloseSession { id: ses(1), reason: "gone".to_owned() };
            replica.run(Command::CloseSession(close)).unwrap();
        },
    ];
    for change in changes {
        let mut replica = ready();
        let noted = notes(&replica, 1, 1..2);
        change(&mut replica);
        take(&mut replica, noted);
        let event = of_kind(&replica, EventKind::Intent).remove(0);
        assert_eq!(event.fields["verdict"], "allow");
        assert_eq!(event.fields["audit"], "batched");
        assert!(event.fields["reason"].starts_with("noted before this: "), "{event:?}");
        replica.run(settlement(1, Outcome::Completed)).unwrap();
        assert_eq!(replica.count(EventKind::Outcome), 1);
    }
}

#[test]
fn a_note_that_comes_behind_the_next_start_of_its_node_is_settled_at_once() {
    let mut replica = ready();
    let noted = notes(&replica, 1, 1..2);
    replica.started(NODE.0, 77).unwrap();
    take(&mut replica, noted);
    assert_eq!(replica.operation(op(1)).state, OperationState::Settled(Outcome::OutcomeUnknown));
    assert_eq!(replica.count(EventKind::Outcome), 1);
}

#[test]
fn a_note_of_a_session_that_nobody_remembers_is_recorded_all_the_same() {
    let mut replica = ready();
    let mut noted = notes(&replica, 1, 1..2);
    noted.outcomes = vec![outcome(1)];
    let close = CloseSession { id: ses(1), reason: "gone".to_owned() };
    replica.run(Command::CloseSession(close)).unwrap();
    replica.now += SESSION_KEPT_MS + 1;
    replica.run(Command::Tick).unwrap();
    take(&mut replica, noted.clone());
    take(&mut replica, noted);
    let intent = of_kind(&replica, EventKind::Intent).remove(0);
    assert_eq!(intent.fields["operation.text"], "select 1");
    assert_eq!(intent.fields["reason"], "its session is not known any more");
    let outcomes = of_kind(&replica, EventKind::Outcome);
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].fields["outcome"], "outcome_unknown");
}
