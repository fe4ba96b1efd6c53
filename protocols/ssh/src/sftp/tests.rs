//! Packets, good and bad, and what requests ask for.

use super::*;
use crate::classify;
use bytes::Bytes;
use countersign_core::operation::Action;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn packet(bytes: &[u8]) -> Packet {
    let mut frames = Frames::default();
    frames.add(bytes);
    frames.next().unwrap().unwrap()
}

fn every() -> Vec<&'static str> {
    extension::KNOWN.iter().map(|(name, _)| *name).collect()
}

fn verbs() -> Vec<(Verb, &'static [Action])> {
    use Action::{SshLink, SshList, SshMkdir, SshRemove, SshRename, SshSetstat, SshWrite};
    let plain = Attributes { mode: Some(0o644), ..Attributes::default() };
    let setuid = Attributes { mode: Some(0o4755), ..Attributes::default() };
    let cut = Attributes { size: Some(3), times: Some((1, 2)), ..Attributes::default() };
    let owned = Attributes { owner: Some((0, 0)), ..Attributes::default() };
    vec![
        (Verb::OpenFolder, &[SshList]),
        (Verb::Stat, &[SshList]),
        (Verb::StatLink, &[SshList]),
        (Verb::ReadLink, &[SshList]),
        (Verb::RealPath, &[SshList]),
        (Verb::ExpandPath, &[SshList]),
        (Verb::FileSystem, &[SshList]),
        (Verb::SetStat(plain.clone()), &[SshSetstat]),
        (Verb::SetStat(cut), &[SshWrite, SshSetstat]),
        (Verb::SetStatLink(owned), &[SshSetstat]),
        (Verb::Remove, &[SshRemove]),
        (Verb::RemoveFolder, &[SshRemove]),
        (Verb::MakeFolder(plain), &[SshMkdir]),
        (Verb::MakeFolder(setuid), &[SshMkdir, SshSetstat]),
        (Verb::Rename, &[SshWrite, SshRename]),
        (Verb::RenameOver, &[SshWrite, SshRename]),
        (Verb::HardLink, &[SshWrite, SshLink]),
        (Verb::SymbolicLink, &[SshWrite, SshLink]),
    ]
}

fn names(verb: &Verb) -> Names {
    let (one, other) = (Bytes::from_static(b"/a b"), Bytes::from_static(b"/c'd"));
    let two = matches!(verb, Verb::Rename | Verb::RenameOver | Verb::HardLink | Verb::SymbolicLink);
    if two { Names::Two(one, other) } else { Names::One(one) }
}

#[test]
fn what_is_written_for_a_target_is_read_as_the_same() {
    for (verb, _) in verbs() {
        let named = Named { names: names(&verb), verb };
        let read = Request::read(&packet(&named.packet(7)), &every()).unwrap();
        let Request::Named(again) = read else { panic!("{named:?} became {read:?}") };
        assert_eq!(again, named);
    }
}

#[test]
fn a_request_asks_for_what_it_does() {
    for (verb, expected) in verbs() {
        let places: &[&[u8]] = match names(&verb) {
            Names::One(_) => &[b"/a b"],
            Names::Two(..) => &[b"/a b", b"/c'd"],
        };
        let asked = classify::file(&verb, places);
        let actions: BTreeSet<_> = asked.demands.iter().map(|demand| demand.action).collect();
        assert_eq!(actions, expected.iter().copied().collect(), "{verb:?}");
    }
}

#[test]
fn a_place_that_is_no_plain_path_is_opaque() {
    let deep = "/a".repeat(65);
    let places: [&[u8]; 8] =
        [b"", b"a", b"/a/../b", b"/a//b", b"/./a", b"/a/", b"/\xff", deep.as_bytes()];
    for place in places {
        let asked = classify::file(&Verb::Stat, &[place]);
        assert!(asked.demands.iter().any(|one| one.action == Action::SshOpaque), "{place:?}");
    }
    assert_eq!(classify::file(&Verb::Stat, &[b"/"]).demands.len(), 1);
}

#[test]
fn a_line_says_one_thing_only() {
    let line = |verb: Verb, names| String::from_utf8(Named { verb, names }.line()).unwrap();
    let one = |name: &'static [u8]| Names::One(Bytes::from_static(name));
    assert_eq!(line(Verb::Remove, one(b"/a b")), "remove '/a b'");
    assert_eq!(line(Verb::Remove, one(b"")), "remove ''");
    assert_eq!(line(Verb::Remove, one(b"/it's")), r"remove '/it'\''s'");
    let two = Names::Two(Bytes::from_static(b"/a /b"), Bytes::from_static(b"/c"));
    assert_eq!(line(Verb::Rename, two), "rename '/a /b' /c");
    let attributes =
        Attributes { size: Some(5), owner: Some((1, 2)), mode: Some(0o644), times: Some((3, 4)) };
    let line = line(Verb::SetStat(attributes), one(b"/x"));
    assert_eq!(line, "setstat size=5 owner=1:2 mode=0644 times=3:4 /x");
}

#[test]
fn a_file_that_goes_by_in_order_has_a_sum() {
    let mut tally = Tally::default();
    assert_eq!(tally.word(), None);
    tally.add(0, b"ab");
    tally.add(2, b"c");
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(tally.word(), Some(format!("3 bytes sha256={abc}")));
    let mut cut = tally.clone();
    cut.cut(3);
    assert_eq!(cut.word(), tally.word());
    cut.cut(2);
    assert_eq!(cut.word().as_deref(), Some("3 bytes, not in order"));
    tally.add(9, b"d");
    assert_eq!(tally.word().as_deref(), Some("4 bytes, not in order"));
    let mut behind = Tally::default();
    behind.add(7, b"abc");
    assert_eq!(behind.word(), Some(format!("3 bytes from 7 sha256={abc}")));
}

#[test]
fn an_answer_is_one_to_what_was_asked() {
    let of = |kind: u8, body: &[u8]| {
        let length = u32::try_from(body.len() + 5).unwrap().to_be_bytes();
        packet(&[&length[..], &[kind], &[0; 4], body].concat())
    };
    let data = of(kind::DATA, &[0, 0, 0, 2, 1, 2]);
    assert_eq!(Answer::read(&data, Expected::Data(2)), Ok(Answer::Data(2)));
    assert_eq!(Answer::read(&data, Expected::Data(1)), Err(Malformed), "more than was asked for");
    for other in [Expected::Status, Expected::Handle, Expected::Name, Expected::Attributes] {
        assert_eq!(Answer::read(&data, other), Err(Malformed), "{other:?}");
    }
    let status = of(kind::STATUS, &[0, 0, 0, 2]);
    assert_eq!(Answer::read(&status, Expected::Handle), Ok(Answer::Failed(2)));
}

proptest! {
    #[test]
    fn no_bytes_do_more_than_fail(bytes in proptest::collection::vec(any::<u8>(), 0..80), kind in any::<u8>()) {
        let length = u32::try_from(bytes.len() + 5).unwrap().to_be_bytes();
        let packet = packet(&[&length[..], &[kind], &[0; 4], &bytes].concat());
        if let Ok(Request::Named(named)) = Request::read(&packet, &every()) {
            // What is understood is all that there is.
            prop_assert_eq!(&named.packet(0)[9..], packet.body());
        }
        for expected in [Expected::Status, Expected::Handle, Expected::Data(9), Expected::Name] {
            drop(Answer::read(&packet, expected));
        }
    }
}
