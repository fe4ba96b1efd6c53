//! Frozen bytes: what was written once must be read for ever. A failure here means that a stored form has changed, which
//! needs a new version instead.
//!
//! The samples have one value of every record, command, reply and effect. `frozen.txt` beside has a line for each:
//! its name and its bytes in hexadecimal digits.

mod samples;

use crate::format::{FormatError, Stored};
use std::{collections::BTreeMap, fmt::Write};

/// The lines of `frozen.txt`.
fn frozen() -> BTreeMap<&'static str, Vec<u8>> {
    include_str!("tests/frozen.txt")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, digits)| (name, hex::decode(digits).unwrap()))
        .collect()
}

fn check<T: Stored + PartialEq + std::fmt::Debug>(all: &[(&'static str, T)], wrong: &mut String) {
    let frozen = frozen();
    for (name, value) in all {
        let bytes = value.encode().unwrap();
        assert_eq!(&T::decode(&bytes).unwrap(), value, "{name} does not read back");
        if frozen.get(name) != Some(&bytes) {
            writeln!(wrong, "{name} {}", hex::encode(&bytes)).unwrap();
        }
        assert!(bytes.len() > 1);
        for length in 0..bytes.len() {
            let cut = T::decode(&bytes[..length]);
            assert!(cut.is_err() || cut.unwrap() != *value, "{name} cut at {length}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(T::decode(&longer), Err(FormatError::Unreadable { .. })), "{name}");
        let newer = [&[2], &bytes[1..]].concat();
        let refused = T::decode(&newer);
        assert!(
            matches!(refused, Err(FormatError::UnknownVersion { version: 2, .. })),
            "{name}: {refused:?}"
        );
    }
}

#[test]
fn every_stored_form_is_as_it_was_written_first() {
    let mut wrong = String::new();
    check(&samples::commands(), &mut wrong);
    check(&samples::replies(), &mut wrong);
    check(&samples::effects(), &mut wrong);
    check(&[("hold-decided", samples::hold())], &mut wrong);
    check(&[("held-operation", samples::held_operation())], &mut wrong);
    check(&samples::sessions(), &mut wrong);
    check(&samples::nodes(), &mut wrong);
    check(&[("cluster", samples::cluster())], &mut wrong);
    check(&samples::resources(), &mut wrong);
    check(&samples::operations(), &mut wrong);
    check(&[("revocation", samples::revocation())], &mut wrong);
    check(&[("join-token", samples::join_token())], &mut wrong);
    check(&[("audit-event", samples::event())], &mut wrong);
    check(&[("chain-head", samples::chain_head())], &mut wrong);
    check(&samples::holds_in_every_state(), &mut wrong);
    assert!(wrong.is_empty(), "not as frozen:\n{wrong}");
}

#[test]
fn an_unknown_command_is_an_error_and_never_skipped() {
    let newest = samples::commands().len();
    let unknown = [1, u8::try_from(newest + 40).unwrap()];
    let refused = crate::format::decode_command(&unknown);
    assert!(matches!(refused, Err(FormatError::Unreadable { .. })), "{refused:?}");
}
