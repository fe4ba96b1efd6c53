//! The container and its content: frozen bytes, and whatever can happen to a file.

mod masking;

use super::{
    entry::{self, MAX_PIECE},
    segment::{self, MAX_SEGMENT},
    *,
};
use crate::{
    id::{HoldId, OperationId, SessionId},
    record::Outcome,
};
use proptest::prelude::*;

const SESSION: SessionId = SessionId::from_bytes([5; 16]);
const OPERATION: OperationId = OperationId::from_bytes([4; 16]);

/// A segment as it was written first. What was written once must be read for ever.
const FROZEN_SEGMENT: &str = "8943535245430d0a0148010000005205050505050505050505050505050505000000000000000701010109090909090909090909090909090909abababababababababababababababababababababababababababababababab00000000000000f22d4de34301000000186e6f6e63652c207365616c65642062797465732c20746167b48f28bd450100000020cff51af5f387fbcb8ba25eb065aba9256c2590e4e6338ea484b5f3bdb9dcb82c6fa39026";
/// The same of a content with an entry of every kind.
const FROZEN_CONTENT: &str = "0100000035000001a3185c500001040404040404040404040404040404040000000653454c4543540000000e53454c4543542031202d2d20c3a900000016000001a3185c5001020000000000000001000000013700000029000001a3185c500203040404040404040404040404040404040303030303030303030303030303030300000032000001a3185c500304040404040404040404040404040404040000001564656e69656420627920706f6c69637920286e6f2900000019000001a3185c5004050404040404040404040404040404040400000017000001a3185c50050600000000094e4f544943453a206e00000016000001a3185c50060601000000084552524f523a206500000012000001a3185c500706020000000468656c6400000011000001a3185c5008070000000431095c4e0000003e000001a3185c50090804040404040404040404040404040404000000000000000001000000000000001400000000000000020000000853454c45435420310000003e000001a3185c500a0804040404040404040404040404040404010000000000000001000000000000001400000000000000020000000853454c45435420310000003e000001a3185c500b0804040404040404040404040404040404020000000000000001000000000000001400000000000000020000000853454c45435420310000003e000001a3185c500c0804040404040404040404040404040404030000000000000001000000000000001400000000000000020000000853454c454354203100000016000001a3185c500d090000000920616e64206d6f72650000001f000001a3185c500e0a00000012746865206167656e7420656e64656420697400000020000001a3185c500f0b040404040404040404040404040404040000000002696e00000021000001a3185c50100b040404040404040404040404040404040100000003ff1b5b00000021000001a3185c50110b04040404040404040404040404040404020000000365727200000029000001a3185c50120c040404040404040404040404040404040000000000000050000000000000001800000020000001a3185c50130d0404040404040404040404040404040400000003494e54";

fn header() -> SegmentHeader {
    SegmentHeader {
        session: SESSION,
        sequence: 7,
        position: Position::Last,
        key: DataKeyId([9; 16]),
        previous: SegmentDigest([0xab; 32]),
    }
}

fn sample() -> Vec<u8> {
    segment::write(&header(), b"nonce, sealed bytes, tag").unwrap()
}

fn every_entry() -> Vec<Entry> {
    let operation = OPERATION;
    let t = |text: &str| text.to_owned();
    vec![
        Entry::Asked { operation, summary: t("SELECT"), text: t("SELECT 1 -- é") },
        Entry::Bound { number: 1, value: t("7") },
        Entry::Held { operation, hold: HoldId::from_bytes([3; 16]) },
        Entry::Refused { operation, why: t("denied by policy (no)") },
        Entry::Admitted { operation },
        Entry::Said { speaker: Speaker::Notice, text: t("NOTICE: n") },
        Entry::Said { speaker: Speaker::Error, text: t("ERROR: e") },
        Entry::Said { speaker: Speaker::Gateway, text: t("held") },
        Entry::Row { values: t("1\t\\N") },
        outcome(Outcome::Completed),
        outcome(Outcome::Failed),
        outcome(Outcome::Refused),
        outcome(Outcome::OutcomeUnknown),
        Entry::More { text: t(" and more") },
        Entry::Closed { reason: t("the agent ended it") },
        Entry::Wrote { operation, stream: Stream::Input, bytes: b"in".to_vec() },
        Entry::Wrote { operation, stream: Stream::Output, bytes: b"\xff\x1b[".to_vec() },
        Entry::Wrote { operation, stream: Stream::Error, bytes: b"err".to_vec() },
        Entry::Resized { operation, columns: 80, rows: 24 },
        Entry::Signalled { operation, signal: t("INT") },
    ]
}

fn outcome(outcome: Outcome) -> Entry {
    let word = "SELECT 1".to_owned();
    Entry::Outcome { operation: OPERATION, outcome, rows: 1, bytes: 20, masked: 2, word }
}

fn content(entries: Vec<Entry>) -> Vec<u8> {
    let mut content = entry::begin();
    for (at_ms, entry) in (1_800_000_000_000..).zip(entries) {
        for entry in entry.pieces() {
            Moment { at_ms, entry }.write(&mut content);
        }
    }
    content
}

fn entries(content: &[u8]) -> Vec<Entry> {
    entry::read(content).unwrap().into_iter().map(|moment| moment.entry).collect()
}

#[test]
fn a_segment_has_the_bytes_it_was_written_with_first() {
    assert_eq!(hex::encode(sample()), FROZEN_SEGMENT);
    let bytes = hex::decode(FROZEN_SEGMENT).unwrap();
    let read = segment::read(&bytes).unwrap();
    assert_eq!(read, Segment { header: header(), content: b"nonce, sealed bytes, tag" });
}

#[test]
fn a_content_has_the_bytes_it_was_written_with_first() {
    assert_eq!(hex::encode(content(every_entry())), FROZEN_CONTENT);
    assert_eq!(entries(&hex::decode(FROZEN_CONTENT).unwrap()), every_entry());
}

#[test]
fn a_long_text_is_several_entries_and_reads_as_one() {
    let text = "é".repeat(MAX_PIECE);
    let asked = Entry::Asked { operation: OPERATION, summary: "x".to_owned(), text };
    let written = content(vec![asked.clone(), Entry::Admitted { operation: OPERATION }]);
    let read = entry::read(&written).unwrap();
    assert_eq!(read.len(), 3, "two of text, one behind");
    assert!(read.iter().all(|moment| moment.at_ms >= 1_800_000_000_000));
    let joined: Vec<Entry> = entry::joined(read).into_iter().map(|moment| moment.entry).collect();
    assert_eq!(joined, [asked, Entry::Admitted { operation: OPERATION }]);
}

#[test]
fn a_long_piece_of_a_stream_is_several_of_the_same_bytes() {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(2 * MAX_PIECE + 1).collect();
    let wrote = Entry::Wrote { operation: OPERATION, stream: Stream::Output, bytes: bytes.clone() };
    let read = entries(&content(vec![wrote]));
    assert_eq!(read.len(), 3);
    let piece = |piece: &[u8]| Entry::Wrote {
        operation: OPERATION,
        stream: Stream::Output,
        bytes: piece.to_vec(),
    };
    assert_eq!(read, bytes.chunks(MAX_PIECE).map(piece).collect::<Vec<_>>());
}

#[test]
fn a_text_that_goes_on_behind_nothing_is_not_lost() {
    let more = Entry::More { text: "the rest of what stands in a lost segment".to_owned() };
    let read = entry::joined(entry::read(&content(vec![more.clone()])).unwrap());
    assert_eq!(read[0].entry, more);
}

#[test]
fn every_single_bit_that_flips_is_found() {
    let whole = sample();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            assert!(segment::read(&damaged).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_truncation_and_everything_behind_the_end_is_found() {
    let whole = sample();
    for length in 0..whole.len() {
        assert!(segment::read(&whole[..length]).is_err(), "cut at {length}");
    }
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(segment::read(&longer), Err(SegmentError::Longer));
    let twice = [&whole[..], &whole].concat();
    assert_eq!(segment::read(&twice), Err(SegmentError::Longer));
}

/// Where the chunks of [`sample`] begin and end.
fn chunks(whole: &[u8]) -> [&[u8]; 3] {
    let header = 9 + 10 + segment::HEADER;
    let end = whole.len() - 42;
    [&whole[9..header], &whole[header..end], &whole[end..]]
}

#[test]
fn chunks_in_another_order_missing_or_repeated_are_found() {
    let whole = sample();
    let [header, content, end] = chunks(&whole);
    let start = &whole[..9];
    for other in [
        [start, content, header, end].concat(),
        [start, header, end, content].concat(),
        [start, end, header, content].concat(),
        [start, header, end].concat(),
        [start, content, end].concat(),
        [start, header, content].concat(),
        [start, header, header, content, end].concat(),
        [start, header, content, content, end].concat(),
        [start, header, content, end, end].concat(),
    ] {
        assert!(segment::read(&other).is_err());
    }
}

#[test]
fn a_chunk_of_another_segment_is_found() {
    let (one, other) = (sample(), segment::write(&header(), b"another content, sealed").unwrap());
    let ([header, _, end], [_, content, _]) = (chunks(&one), chunks(&other));
    let swapped = [&one[..9], header, content, end].concat();
    assert!(matches!(segment::read(&swapped), Err(SegmentError::Damaged { what: "the end", .. })));
}

#[test]
fn what_is_newer_is_called_new_and_not_damaged() {
    let mut whole = sample();
    whole[8] = 2;
    assert_eq!(
        segment::read(&whole),
        Err(SegmentError::Version { what: "the segment", version: 2 })
    );
    let mut newer = content(every_entry());
    newer[0] = 2;
    assert_eq!(entry::read(&newer), Err(EntryError::Version { version: 2 }));
}

#[test]
fn a_segment_has_a_limit_both_ways() {
    let room = MAX_SEGMENT - sample().len() + b"nonce, sealed bytes, tag".len();
    let largest = segment::write(&header(), &vec![7; room]).unwrap();
    assert_eq!(largest.len(), MAX_SEGMENT);
    assert!(segment::read(&largest).is_ok());
    assert_eq!(segment::write(&header(), &vec![7; room + 1]), Err(SegmentError::TooLong));
    assert_eq!(segment::read(&vec![0; MAX_SEGMENT + 1]), Err(SegmentError::TooLong));
}

#[test]
fn a_walk_finds_what_is_missing_repeated_foreign_or_too_much() {
    let of =
        |sequence, previous, position| SegmentHeader { sequence, position, previous, ..header() };
    let (one, two) = (SegmentDigest([1; 32]), SegmentDigest([2; 32]));
    let first = of(1, SegmentDigest::NONE, Position::Followed);
    let second = of(2, one, Position::Last);
    let begun = || {
        let mut walk = SegmentWalk::of(SESSION);
        walk.step(&first, one).unwrap();
        walk
    };
    let mut walk = begun();
    walk.step(&second, two).unwrap();
    assert_eq!((walk.sequence(), walk.last(), walk.position()), (2, two, Position::Last));
    assert_eq!(
        walk.step(&of(3, two, Position::Last), one),
        Err(WalkError::AfterTheLast { sequence: 3 })
    );
    assert_eq!(begun().step(&first, one), Err(WalkError::Sequence { expected: 2, found: 1 }));
    let skipped = begun().step(&of(3, one, Position::Followed), two);
    assert_eq!(skipped, Err(WalkError::Sequence { expected: 2, found: 3 }));
    let broken = begun().step(&of(2, two, Position::Followed), two);
    assert_eq!(broken, Err(WalkError::Broken { sequence: 2 }));
    let foreign = SegmentHeader { session: SessionId::from_bytes([6; 16]), ..second };
    assert_eq!(begun().step(&foreign, two), Err(WalkError::OtherSession { sequence: 2 }));
    assert_eq!(
        SegmentWalk::of(SESSION).step(&second, two),
        Err(WalkError::Sequence { expected: 1, found: 2 })
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(segment::read(&bytes).is_err());
        drop(entry::read(&bytes));
    }

    #[test]
    fn any_bytes_behind_a_good_beginning_are_read_without_a_panic(
        cut in 0_usize..200,
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let whole = sample();
        let forged = [&whole[..cut.min(whole.len())], &bytes].concat();
        if forged != whole {
            prop_assert!(segment::read(&forged).is_err());
        }
        let content = content(every_entry());
        drop(entry::read(&[&content[..cut.min(content.len())], &bytes[..]].concat()));
    }

    #[test]
    fn damage_anywhere_is_found(
        content in proptest::collection::vec(any::<u8>(), 1..2000),
        places in proptest::collection::vec((any::<proptest::sample::Index>(), 1_u8..), 1..4),
    ) {
        let whole = segment::write(&header(), &content).unwrap();
        let mut damaged = whole.clone();
        for (place, bits) in places {
            let at = place.index(damaged.len());
            damaged[at] ^= bits;
        }
        prop_assert!(damaged == whole || segment::read(&damaged).is_err());
    }

    #[test]
    fn a_content_that_is_cut_off_is_no_content_unless_an_entry_ends_there(length in 0_usize..600) {
        let whole = content(every_entry());
        let cut = &whole[..length.min(whole.len())];
        if let Ok(moments) = entry::read(cut) {
            let read: Vec<Entry> = moments.into_iter().map(|moment| moment.entry).collect();
            prop_assert_eq!(&read[..], &every_entry()[..read.len()]);
        }
    }
}
