//! Whatever is done to a chain is found, and the hash of an event never changes.

use super::*;

fn chain(length: u64) -> Vec<AuditEvent> {
    let mut head = ChainHead::default();
    (1..=length)
        .map(|sequence| {
            let event = AuditEvent {
                sequence,
                at: LogTime(sequence * 10),
                index: LogIndex(sequence + 3),
                kind: EventKind::Intent,
                fields: BTreeMap::from([("operation.id".to_owned(), format!("op_{sequence}"))]),
                previous: head.hash,
            };
            head = ChainHead { sequence, hash: event.hash() };
            event
        })
        .collect()
}

fn head(chain: &[AuditEvent]) -> ChainHead {
    let last = chain.last().unwrap();
    ChainHead { sequence: last.sequence, hash: last.hash() }
}

fn walk(events: &[AuditEvent], said: ChainHead) -> Result<ChainHead, ChainError> {
    let mut walk = ChainWalk::default();
    for event in events {
        walk.step(event)?;
    }
    walk.finish(said)
}

#[test]
fn an_untouched_chain_holds() {
    let events = chain(6);
    assert_eq!(walk(&events, head(&events)), Ok(head(&events)));
    let mut rest = ChainWalk::from(ChainHead { sequence: 3, hash: events[2].hash() });
    events[3..].iter().for_each(|event| rest.step(event).unwrap());
    assert_eq!(rest.head(), head(&events));
}

#[test]
fn a_removed_event_is_found() {
    let mut events = chain(6);
    let said = head(&events);
    events.remove(2);
    assert_eq!(walk(&events, said), Err(ChainError::Sequence { expected: 3, found: 4 }));
}

#[test]
fn a_removed_event_is_found_behind_new_numbers() {
    let mut events = chain(6);
    let said = head(&events);
    events.remove(2);
    (1..).zip(&mut events).for_each(|(number, event)| event.sequence = number);
    assert_eq!(walk(&events, said), Err(ChainError::Broken { sequence: 3 }));
}

#[test]
fn a_change_of_any_field_is_found() {
    let changes: [fn(&mut AuditEvent); 6] = [
        |event| event.at = LogTime(0),
        |event| event.index = LogIndex(0),
        |event| event.kind = EventKind::Refused,
        |event| drop(event.fields.insert("operation.id".to_owned(), "op_x".to_owned())),
        |event| drop(event.fields.remove("operation.id")),
        |event| drop(event.fields.insert("rows".to_owned(), "1".to_owned())),
    ];
    for change in changes {
        let mut events = chain(6);
        let said = head(&events);
        change(&mut events[2]);
        assert_eq!(walk(&events, said), Err(ChainError::Broken { sequence: 4 }));
        let mut events = chain(6);
        change(&mut events[5]);
        assert_eq!(walk(&events, said), Err(ChainError::Head { expected: 6, found: 6 }));
    }
}

#[test]
fn events_in_another_order_are_found() {
    let mut events = chain(6);
    let said = head(&events);
    events.swap(2, 3);
    assert_eq!(walk(&events, said), Err(ChainError::Sequence { expected: 3, found: 4 }));
}

#[test]
fn an_inserted_event_is_found() {
    let mut events = chain(6);
    let said = head(&events);
    let mut forged = events[2].clone();
    forged.sequence = 4;
    forged.previous = events[2].hash();
    events.insert(3, forged);
    assert_eq!(walk(&events, said), Err(ChainError::Sequence { expected: 5, found: 4 }));
    events[4..].iter_mut().for_each(|event| event.sequence += 1);
    assert_eq!(walk(&events, said), Err(ChainError::Broken { sequence: 5 }));
}

#[test]
fn a_truncated_chain_is_found() {
    let events = chain(6);
    assert_eq!(walk(&events[..4], head(&events)), Err(ChainError::Head { expected: 6, found: 4 }));
    assert_eq!(walk(&[], head(&events)), Err(ChainError::Head { expected: 6, found: 0 }));
}

#[test]
fn text_cannot_move_from_one_field_into_the_next() {
    let with = |name: &str, value: &str| AuditEvent {
        fields: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..chain(1).remove(0)
    };
    assert_ne!(with("ab", "c").hash(), with("a", "bc").hash());
}

#[test]
fn a_kind_has_one_name() {
    for kind in EventKind::ALL {
        assert_eq!(EventKind::named(kind.name()), Some(*kind));
    }
    assert_eq!(EventKind::named("nothing"), None);
}

#[test]
fn the_hash_of_an_event_never_changes() {
    assert_eq!(chain(2)[1].hash().to_string(), FROZEN);
}

/// Worked out apart from this code, from the description of the encoding.
const FROZEN: &str = "19500d20169ac75d81098d4160a61671a2fcc73e813458c042334aea48bdb643";
