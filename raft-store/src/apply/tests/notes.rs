//! What nodes have noted is taken once, whatever has changed since, and settled like everything else.

use super::harness::*;
use crate::{command::*, limits::SESSION_KEPT_MS, records::OperationState};
use countersign_core::{
    gate::Settlement,
    id::{NodeId, OperationId},
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

/// Intents of a book, by their sequences; the operations' numbers are those too.
fn notes(replica: &Replica, book: u8, sequences: std::ops::Range<u8>) -> TakeNotes {
    let Command::Intent(intent, _) = replica.intend(1, 1) else { panic!("one") };
    let read = |sequence: u8| NotedRead {
        sequence: u64::from(sequence),
        operation: op(sequence),
        fingerprint: intent.basis.fingerprint,
        session: 0,
        basis: 0,
        wording: 0,
        outcome: None,
    };
    TakeNotes {
        node: NODE,
        book: [book; 16],
        sessions: vec![intent.session],
        bases: vec![NotedBasis {
            audit: AuditLevel::Batched,
            revision: intent.basis.revision,
            rules: intent.basis.rules.clone(),
            actions: intent.actions.clone(),
            asked: intent.asked.clone(),
        }],
        wordings: vec![Wording { summary: intent.summary.clone(), text: intent.text.clone() }],
        outcomes: Vec::new(),
        reads: sequences.map(read).collect(),
        lost: Vec::new(),
    }
}

/// Gives the read of this sequence its outcome, with the sequence of that.
fn end(notes: &mut TakeNotes, read: u64, sequence: u64, settlement: Settlement) {
    let Settlement { outcome, rows, bytes, word, masked, .. } = settlement;
    let read = notes.reads.iter_mut().find(|one| one.sequence == read).unwrap();
    read.outcome = Some(NotedOutcome { sequence, outcome, rows, bytes, word, masked });
}

fn late(sequence: u64, operation: u8) -> LateOutcome {
    LateOutcome { sequence, settlement: outcome(operation) }
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
    // An earlier carrying that is late, behind notes of the next start: its book is known still.
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
fn an_outcome_beside_its_note_is_recorded_once() {
    let mut replica = ready();
    let mut both = notes(&replica, 1, 1..3);
    end(&mut both, 1, 3, outcome(1));
    both.outcomes = vec![late(4, 99)];
    take(&mut replica, both.clone());
    assert_eq!(intended(&replica), [1, 2]);
    assert_eq!(replica.operation(op(2)).state, OperationState::Intended);
    take(&mut replica, both.clone());
    assert_eq!(replica.count(EventKind::Outcome), 1);
    let further = TakeNotes { outcomes: vec![late(5, 2)], ..notes(&replica, 1, 5..5) };
    take(&mut replica, further);
    assert_eq!(replica.count(EventKind::Outcome), 2);
    take(&mut replica, both);
    assert_eq!((replica.count(EventKind::Intent), replica.count(EventKind::Outcome)), (2, 2));
}

#[test]
fn notes_that_are_gathered_otherwise_when_they_are_carried_again_are_recorded_once() {
    // The first start came as far as the second note; the next one carries the file in other pieces.
    let mut replica = ready();
    let first = notes(&replica, 1, 1..3);
    take(&mut replica, first);
    let mut whole = notes(&replica, 1, 1..4);
    end(&mut whole, 1, 4, outcome(1));
    end(&mut whole, 3, 5, outcome(3));
    take(&mut replica, whole.clone());
    assert_eq!(intended(&replica), [1, 2, 3]);
    assert_eq!(replica.operation(op(1)).state, OperationState::Settled(Outcome::Completed));
    assert_eq!(replica.count(EventKind::Outcome), 2);
    take(&mut replica, whole);
    assert_eq!(replica.count(EventKind::Outcome), 2);
}

/// What makes two events alike but for their places in the chain.
fn facts(events: Vec<AuditEvent>) -> Vec<(EventKind, std::collections::BTreeMap<String, String>)> {
    events.into_iter().map(|event| (event.kind, event.fields)).collect()
}

#[test]
fn a_read_that_is_stored_in_a_run_has_the_events_that_it_would_have_by_itself() {
    let mut masked = countersign_core::mask::MaskTally::default();
    masked.add("contacts", "public.customers.email", 3);
    let plain = outcome(1);
    let settlements = [
        plain.clone(),
        Settlement { outcome: Outcome::Failed, word: "42P01".to_owned(), rows: 0, ..plain.clone() },
        Settlement { masked, bytes: 77, ..plain.clone() },
        Settlement { word: "x".repeat(10_000), ..plain },
    ];
    for settlement in settlements {
        let (mut together, mut alone) = (ready(), ready());
        let mut noted = notes(&together, 1, 1..2);
        noted.wordings[0].text.text = "y".repeat(70_000);
        noted.wordings[0].summary = "z".repeat(9_000);
        let (mut intent, mut ending) = (noted.clone(), noted.clone());
        end(&mut noted, 1, 2, settlement.clone());
        take(&mut together, noted);
        take(&mut alone, std::mem::replace(&mut intent, ending.clone()));
        ending.reads.clear();
        ending.outcomes = vec![LateOutcome { sequence: 2, settlement }];
        take(&mut alone, ending);
        assert_eq!(facts(together.events()), facts(alone.events()));
    }
}

#[test]
fn a_great_many_reads_are_in_the_chain_one_by_one() {
    let mut replica = ready();
    replica.opened(4, "other");
    let before = replica.events().len();
    let mut many = notes(&replica, 1, 0..0);
    many.sessions.push(ses(4));
    let template = notes(&replica, 1, 1..2).reads.remove(0);
    for number in 0..600_u64 {
        let settled = Settlement { rows: number, ..outcome(1) };
        many.reads.push(NotedRead {
            sequence: number * 2 + 1,
            operation: OperationId::from_bytes([u8::try_from(number % 251).unwrap(); 16]),
            session: u32::try_from(number % 2).unwrap(),
            ..template.clone()
        });
        end(&mut many, number * 2 + 1, number * 2 + 2, settled);
    }
    let rows = replica.state.len();
    take(&mut replica, many);
    assert!(replica.state.len() < rows + 10, "they lie in few rows");
    let events = replica.events().split_off(before);
    assert_eq!(events.len(), 1200);
    for (number, pair) in events.chunks(2).enumerate() {
        assert_eq!((pair[0].kind, pair[1].kind), (EventKind::Intent, EventKind::Outcome));
        assert_eq!(pair[1].fields["rows"], number.to_string());
        assert_eq!(pair[0].fields["agent.name"], ["bot", "other"][number % 2]);
    }
}

#[test]
fn what_a_node_cannot_read_any_more_is_an_event() {
    let mut replica = ready();
    let mut gap = notes(&replica, 1, 1..3);
    gap.reads[1].sequence = 6;
    gap.lost = vec![LostNotes { first: 2, last: Some(5), bytes: 900 }];
    take(&mut replica, gap.clone());
    take(&mut replica, gap);
    let end = LostNotes { first: 7, last: None, bytes: 12 };
    let end = TakeNotes { lost: vec![end], ..notes(&replica, 1, 0..0) };
    take(&mut replica, end.clone());
    take(&mut replica, end);
    let lost = of_kind(&replica, EventKind::NotesLost);
    let field = |n: usize, name: &str| lost[n].fields.get(name).map(String::as_str);
    assert_eq!(lost.len(), 2);
    assert_eq!((field(0, "notes.first"), field(0, "notes.count")), (Some("2"), Some("4")));
    assert_eq!((field(1, "notes.first"), field(1, "notes.count")), (Some("7"), None));
    assert_eq!((field(0, "node.id"), field(1, "notes.bytes")), (Some("2"), Some("12")));
    assert_eq!(intended(&replica), [1, 2]);
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
    noted.outcomes = vec![late(2, 1)];
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

#[test]
fn a_read_of_a_session_that_nobody_remembers_has_its_true_outcome() {
    let mut replica = ready();
    let mut noted = notes(&replica, 1, 1..2);
    end(&mut noted, 1, 2, outcome(1));
    let close = CloseSession { id: ses(1), reason: "gone".to_owned() };
    replica.run(Command::CloseSession(close)).unwrap();
    replica.now += SESSION_KEPT_MS + 1;
    replica.run(Command::Tick).unwrap();
    take(&mut replica, noted);
    let outcomes = of_kind(&replica, EventKind::Outcome);
    assert_eq!(outcomes[0].fields["outcome"], "completed");
    assert_eq!(outcomes[0].fields["reason"], "its session is not known any more");
}

#[test]
fn a_read_that_comes_with_its_outcome_behind_the_next_start_of_its_node_keeps_it() {
    let mut replica = ready();
    let mut noted = notes(&replica, 1, 1..2);
    end(&mut noted, 1, 2, outcome(1));
    replica.started(NODE.0, 77).unwrap();
    take(&mut replica, noted);
    let outcomes = of_kind(&replica, EventKind::Outcome);
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].fields["outcome"], "completed");
}
