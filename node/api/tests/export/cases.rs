//! An export proves what it has, and whatever was done to it is found: by hand, and a thousand times at random. Beside
//! these, `examples/audit_speed.rs` measures how fast, and in how much memory.

use super::chain::{Export, Signer};
use countersign_api::audit::{
    AuditEvent, AuditKey, AuditSignature,
    export::{ExportError, FileError, Known, Line, Proof, Reading, prove},
};
use countersign_core::{
    log_time::LogTime,
    record::{self, ChainHash, ChainHead, Claim, EventKind},
};
use proptest::{prelude::*, sample::Index};
use std::{fmt::Write as _, sync::LazyLock};

const EVENTS: u64 = 48;

static LINES: LazyLock<Vec<Line>> = LazyLock::new(|| Export::new(1, EVENTS, 10).collect());
static TEXT: LazyLock<String> = LazyLock::new(|| text(&LINES));

fn text(lines: &[Line]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{}", line.text().unwrap()).unwrap();
        text
    })
}

/// What somebody knows who has noted a key of the cluster's.
fn known() -> Known {
    Known { key: Some(Signer::of(1).key()), head: None }
}

fn proof(text: &str, known: Known) -> Result<Proof, FileError> {
    prove(text.as_bytes(), Reading::new(known), drop).map(|(proof, _)| proof)
}

/// Why it does not hold.
fn why(lines: &[Line]) -> ExportError {
    match proof(&text(lines), known()) {
        Err(FileError::Line { error, .. } | FileError::End(error)) => error,
        other @ (Ok(_) | Err(FileError::Io { .. })) => panic!("{other:?}"),
    }
}

fn event(line: &mut Line) -> Option<&mut AuditEvent> {
    if let Line::Event(event) = line { Some(event) } else { None }
}

/// Computes the hashes of all events anew, as somebody would who knows how it is done.
fn rechained(lines: &mut [Line]) {
    let mut previous = ChainHash::default();
    for (place, event) in lines.iter_mut().filter_map(event).enumerate() {
        event.sequence = place as u64 + 1;
        event.previous = previous.to_string();
        previous = hashed(event);
    }
}

/// Gives an event the hash that it must have.
fn hashed(event: &mut AuditEvent) -> ChainHash {
    let of = record::AuditEvent {
        sequence: event.sequence,
        at: event.at.into(),
        index: countersign_core::id::LogIndex(event.index),
        kind: EventKind::named(&event.kind).unwrap(),
        fields: event.fields.clone(),
        previous: event.previous.parse().unwrap(),
    };
    event.hash = of.hash().to_string();
    of.hash()
}

#[test]
fn an_export_proves_every_event_and_checkpoint() {
    let proof = proof(&TEXT, known()).unwrap();
    assert_eq!((proof.events, proof.checkpoints, proof.first), (EVENTS, 4, 1));
    assert!(proof.key_known);
    let unknown = self::proof(&TEXT, Known::default()).unwrap();
    assert!(!unknown.key_known, "a key that nobody has noted is not called known");
    let later_key = Known { key: Some(Signer::of(101).key()), head: None };
    assert!(self::proof(&TEXT, later_key).is_ok(), "each key vouches for the others");
}

#[test]
fn an_export_is_written_as_it_was_first() {
    let lines: Vec<Line> = Export::new(1, 8, 3).collect();
    assert_eq!(text(&lines), include_str!("frozen.jsonl"));
}

#[test]
fn files_that_follow_each_other_are_one_chain() {
    let mut export = Export::new(1, EVENTS, 10);
    let lines: Vec<Line> = export.by_ref().collect();
    let cut = 20;
    let file = |after: usize, through: usize| {
        let mut part = vec![lines[0].clone()];
        if let Line::Export(header) = &mut part[0] {
            header.after = after as u64;
        }
        part.extend_from_slice(&lines[1 + after..=through]);
        let Some(Line::Event(last)) = part.last() else { panic!("no event") };
        let head = ChainHead { sequence: last.sequence, hash: last.hash.parse().unwrap() };
        let claim = Claim::Span { after: after as u64 };
        let end = export.keys[1].say(claim, export.cluster, head, LogTime(5));
        part.push(Line::End(countersign_api::audit::SpanEnd::of(&end)));
        text(&part)
    };
    let (first, second) = (file(0, cut), file(cut, 48));
    let (_, reading) = prove(first.as_bytes(), Reading::new(known()), drop).unwrap();
    let (proof, _) = prove(second.as_bytes(), reading, drop).unwrap();
    assert_eq!((proof.first, proof.sequence), (21, EVENTS));
    assert!(
        prove(second.as_bytes(), Reading::new(known()), drop).is_ok(),
        "a part holds by itself"
    );
    let later = file(cut + 1, 48);
    let (_, reading) = prove(first.as_bytes(), Reading::new(known()), drop).unwrap();
    let gap = prove(later.as_bytes(), reading, drop).unwrap_err();
    assert!(matches!(gap, FileError::Line { error: ExportError::Gap { .. }, .. }), "{gap}");
}

#[test]
fn a_file_that_follows_is_signed_by_nobody_but_the_keys_of_the_one_before() {
    let mut export = Export::new(1, EVENTS, 10);
    let lines: Vec<Line> = export.by_ref().collect();
    let file = |(after, through): (usize, usize), keys: Vec<AuditKey>, by: &Signer| {
        let mut part = vec![lines[0].clone()];
        if let Line::Export(header) = &mut part[0] {
            (header.after, header.keys) = (after as u64, keys);
        }
        part.extend_from_slice(&lines[1 + after..=through]);
        let Some(Line::Event(last)) = part.last() else { panic!("no event") };
        let head = ChainHead { sequence: last.sequence, hash: last.hash.parse().unwrap() };
        let claim = Claim::Span { after: after as u64 };
        let end = by.say(claim, export.cluster, head, LogTime(5));
        part.push(Line::End(countersign_api::audit::SpanEnd::of(&end)));
        text(&part)
    };
    let Line::Export(header) = &lines[0] else { panic!("no header") };
    let [old, new] = &export.keys;
    let first = file((0, 30), header.keys.clone(), new);
    let stranger = Signer::of(7);
    let follows = |text: String| {
        let (_, reading) = prove(first.as_bytes(), Reading::new(Known::default()), drop).unwrap();
        prove(text.as_bytes(), reading, drop).map(drop)
    };
    assert!(follows(file((30, 35), header.keys.clone(), new)).is_ok());
    // A key that was replaced, as if it never had been; and somebody else's.
    let theirs = AuditKey::of(&stranger.introduce(export.cluster, 1, None));
    for (keys, by) in [(vec![header.keys[0].clone()], old), (vec![theirs], &stranger)] {
        let refused = follows(file((30, 35), keys, by)).unwrap_err();
        assert!(
            matches!(refused, FileError::Line { error: ExportError::OtherKeys, .. }),
            "{refused}"
        );
    }
}

#[test]
fn numbers_that_no_chain_has_are_refused() {
    let mut lines = LINES.clone();
    if let Line::Export(header) = &mut lines[0] {
        header.after = u64::MAX;
    }
    assert!(matches!(why(&lines), ExportError::TooFar(u64::MAX)), "{}", why(&lines));
}

#[test]
fn a_head_that_is_known_must_be_in_it() {
    let Line::Event(last) = &LINES[30] else { panic!() };
    let head = ChainHead { sequence: last.sequence, hash: last.hash.parse().unwrap() };
    let with = |head| Known { head: Some(head), ..known() };
    let found = proof(&TEXT, with(head)).unwrap();
    assert_eq!(with(head).is_in(0, &found), Ok(()));
    let other = ChainHead { hash: ChainHash([1; 32]), ..head };
    assert!(proof(&TEXT, with(other)).is_err());
    let later = ChainHead { sequence: EVENTS + 1, ..head };
    assert!(with(later).is_in(0, &found).is_err());
    assert!(with(head).is_in(31, &found).is_err());
}

#[test]
fn a_chain_that_ends_at_one_of_its_checkpoints_does_not_pass_for_an_export() {
    let mut lines = LINES.clone();
    let place = lines
        .iter()
        .position(|line| matches!(line, Line::Event(event) if event.sequence == 40))
        .unwrap();
    let Line::Event(checkpoint) = lines[place].clone() else { panic!() };
    let fact = |name: &str| checkpoint.fields[name].clone();
    lines.truncate(place);
    lines.push(Line::End(countersign_api::audit::SpanEnd {
        sequence: 39,
        hash: fact("checkpoint.hash"),
        at: countersign_api::time::Timestamp(fact("checkpoint.at_ms").parse().unwrap()),
        signed: AuditSignature { key: fact("audit.key"), signature: fact("audit.signature") },
    }));
    assert!(matches!(why(&lines), ExportError::Chain(record::ProofError::EndSignature(_))));
}

#[test]
fn a_chain_that_somebody_else_has_signed_is_found_by_a_key_that_is_known() {
    let strangers: Vec<Line> = Export::new(2, EVENTS, 10).collect();
    assert!(matches!(why(&strangers), ExportError::StrangersKey { .. }));
    assert!(proof(&text(&strangers), Known::default()).is_ok(), "by itself it holds");
}

#[test]
fn a_line_that_two_programs_could_read_in_two_ways_is_found() {
    let twice = TEXT.replacen(r#""kind":"intent""#, r#""kind":"refused","kind":"intent""#, 1);
    assert!(proof(&twice, known()).is_err());
    let spaced = TEXT.replacen(r#""kind":"intent""#, r#""kind": "intent""#, 1);
    assert!(proof(&spaced, known()).is_err());
    let escaped = TEXT.replacen("ci-bot", r"ci\u002dbot", 1);
    assert!(proof(&escaped, known()).is_err());
    let shouted = TEXT.replacen(r#""hash":"a"#, r#""hash":"A"#, 1);
    assert!(shouted == *TEXT || proof(&shouted, known()).is_err());
    assert!(proof(&TEXT.replace('\n', "\r\n"), known()).is_err());
    assert!(proof(TEXT.trim_end(), known()).is_err());
    assert!(proof(&format!("{}\n", *TEXT), known()).is_err());
}

/// Something that is done to an export.
#[derive(Debug, Clone)]
enum Tampering {
    Byte { at: Index, with: u8 },
    CutBytes { from: Index, length: u16 },
    Remove { from: Index, lines: u8 },
    Repeat(Index, Index),
    Swap(Index, Index),
    Truncate(Index),
    ForgetBeginning(Index),
    Field { of: Index, rechain: Rechain },
    Insert { behind: Index, rechain: Rechain },
    RemoveEvent { at: Index, rechain: Rechain },
    OthersEnd,
    OthersEvent(Index),
    SignedByMyself { truncated: Index },
    Keys(KeyTampering),
}

#[derive(Debug, Clone, Copy)]
enum Rechain {
    Nothing,
    Itself,
    Everything,
}

#[derive(Debug, Clone, Copy)]
enum KeyTampering {
    Drop,
    Add,
    Swap,
}

fn tampering() -> impl Strategy<Value = Tampering> {
    use Tampering as T;
    let rechain =
        || prop_oneof![Just(Rechain::Nothing), Just(Rechain::Itself), Just(Rechain::Everything)];
    let place = any::<Index>;
    prop_oneof![
        4 => (place(), 1..=u8::MAX).prop_map(|(at, with)| T::Byte { at, with }),
        1 => (place(), 1..900_u16).prop_map(|(from, length)| T::CutBytes { from, length }),
        1 => (place(), 1..20_u8).prop_map(|(from, lines)| T::Remove { from, lines }),
        1 => (place(), place()).prop_map(|(from, to)| T::Repeat(from, to)),
        1 => (place(), place()).prop_map(|(one, other)| T::Swap(one, other)),
        1 => place().prop_map(T::Truncate),
        1 => place().prop_map(T::ForgetBeginning),
        3 => (place(), rechain()).prop_map(|(of, rechain)| T::Field { of, rechain }),
        1 => (place(), rechain()).prop_map(|(behind, rechain)| T::Insert { behind, rechain }),
        2 => (place(), rechain()).prop_map(|(at, rechain)| T::RemoveEvent { at, rechain }),
        1 => Just(T::OthersEnd),
        1 => place().prop_map(T::OthersEvent),
        1 => place().prop_map(|truncated| T::SignedByMyself { truncated }),
        1 => prop_oneof![Just(KeyTampering::Drop), Just(KeyTampering::Add), Just(KeyTampering::Swap)]
            .prop_map(T::Keys),
    ]
}

/// The place of an event's line.
fn of_event(at: Index, lines: &[Line]) -> usize {
    1 + at.index(lines.len() - 2)
}

fn rechain(lines: &mut [Line], at: usize, how: Rechain) {
    match how {
        Rechain::Nothing => {}
        Rechain::Itself => {
            if let Some(event) = lines.get_mut(at).and_then(event) {
                hashed(event);
            }
        }
        Rechain::Everything => rechained(lines),
    }
}

fn tampered(what: &Tampering) -> Vec<u8> {
    let (mut lines, mut bytes) = (LINES.clone(), TEXT.clone().into_bytes());
    match what {
        Tampering::Byte { at, with } => {
            let at = at.index(bytes.len());
            bytes[at] ^= with;
            return bytes;
        }
        Tampering::CutBytes { from, length } => {
            let from = from.index(bytes.len());
            let to = bytes.len().min(from + usize::from(*length));
            bytes.drain(from..to);
            return bytes;
        }
        Tampering::Remove { from, lines: some } => {
            let from = from.index(lines.len());
            let to = lines.len().min(from + usize::from(*some));
            lines.drain(from..to);
        }
        Tampering::Repeat(from, to) => {
            let line = lines[from.index(lines.len())].clone();
            lines.insert(to.index(lines.len()), line);
        }
        Tampering::Swap(one, other) => {
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            lines.swap(one, other);
        }
        Tampering::Truncate(at) => {
            let at = of_event(*at, &lines);
            let end = lines.pop().unwrap();
            lines.truncate(at);
            lines.push(end);
        }
        Tampering::ForgetBeginning(at) => {
            let at = of_event(*at, &lines);
            lines.drain(1..=at);
            if let Line::Export(header) = &mut lines[0] {
                header.after = at as u64;
            }
        }
        Tampering::Field { of, rechain: how } => {
            let of = of_event(*of, &lines);
            let changed = event(&mut lines[of]).unwrap();
            changed.fields.insert("agent.name".to_owned(), "somebody".to_owned());
            rechain(&mut lines, of, *how);
        }
        Tampering::Insert { behind, rechain: how } => {
            let at = of_event(*behind, &lines) + 1;
            let forged = lines[3].clone();
            lines.insert(at, forged);
            rechain(&mut lines, at, *how);
        }
        Tampering::RemoveEvent { at, rechain: how } => {
            let at = of_event(*at, &lines);
            lines.remove(at);
            rechain(&mut lines, at, *how);
        }
        Tampering::OthersEnd => {
            *lines.last_mut().unwrap() = Export::new(2, EVENTS, 10).last().unwrap();
        }
        Tampering::OthersEvent(at) => {
            let at = of_event(*at, &lines);
            lines[at] = Export::new(2, EVENTS, 10).nth(at).unwrap();
        }
        Tampering::SignedByMyself { truncated } => {
            return signed_by_myself(*truncated).into_bytes();
        }
        Tampering::Keys(how) => keys(&mut lines, *how),
    }
    text(&lines).into_bytes()
}

/// A shorter chain with an end of its own, under the same keys and one more.
fn signed_by_myself(truncated: Index) -> String {
    let (mut lines, myself) = (LINES.clone(), Signer::of(66));
    let at = of_event(truncated, &lines);
    lines.truncate(at + 1);
    let Some(Line::Event(last)) = lines.last() else { panic!("no event") };
    let head = ChainHead { sequence: last.sequence, hash: last.hash.parse().unwrap() };
    let export = Export::new(1, EVENTS, 10);
    let end = myself.say(Claim::Span { after: 0 }, export.cluster, head, LogTime(5));
    lines.push(Line::End(countersign_api::audit::SpanEnd::of(&end)));
    let mine = AuditKey::of(&myself.introduce(export.cluster, 3, Some(&Signer::of(67))));
    if let Line::Export(header) = &mut lines[0] {
        header.keys.push(mine);
    }
    text(&lines)
}

fn keys(lines: &mut [Line], how: KeyTampering) {
    let Some(Line::Export(header)) = lines.first_mut() else { panic!("no header") };
    match how {
        KeyTampering::Drop => drop(header.keys.pop()),
        KeyTampering::Add => {
            let export = Export::new(1, EVENTS, 10);
            let next = Signer::of(3).introduce(export.cluster, 3, Some(&export.keys[1]));
            header.keys.push(AuditKey::of(&next));
        }
        KeyTampering::Swap => header.keys.swap(0, 1),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn each_of_a_thousand_random_tamperings_is_found(what in tampering()) {
        let forged = tampered(&what);
        prop_assume!(forged != TEXT.as_bytes());
        let found = prove(&forged[..], Reading::new(known()), drop);
        prop_assert!(found.is_err(), "not found");
    }
}
