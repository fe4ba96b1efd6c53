//! Frozen bytes: what was written once must be read for ever. A failure here means that a stored form has changed, which
//! needs a new version instead.
//!
//! The samples have one value of every record, command, reply and effect. `frozen.txt` beside has a line for each:
//! its name and its bytes in hexadecimal digits.

mod samples;

use super::{Form, Variants};
use crate::{
    command::Command,
    format::{FormatError, Stored},
    reply::StateRefusal,
};
use countersign_core::{grant::GrantState, hold::HoldError, record::EventKind};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// The lines of `frozen.txt`.
fn frozen() -> BTreeMap<&'static str, Vec<u8>> {
    include_str!("tests/frozen.txt")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, digits)| (name, hex::decode(digits).unwrap()))
        .collect()
}

/// What was sampled, and what is not as it is frozen.
#[derive(Default)]
struct Found {
    names: BTreeSet<&'static str>,
    wrong: String,
}

impl Found {
    fn check<T: Stored + PartialEq + std::fmt::Debug>(&mut self, all: &[(&'static str, T)]) {
        let frozen = frozen();
        for (name, value) in all {
            assert!(self.names.insert(name), "there are two samples of the name {name}");
            let bytes = value.encode().unwrap();
            assert_eq!(&T::decode(&bytes).unwrap(), value, "{name} does not read back");
            if frozen.get(name) != Some(&bytes) {
                writeln!(self.wrong, "{name} {}", hex::encode(&bytes)).unwrap();
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
}

#[test]
fn every_stored_form_is_as_it_was_written_first() {
    let mut found = Found::default();
    found.check(&samples::commands());
    found.check(&samples::replies());
    found.check(&samples::effects());
    found.check(&[("hold-decided", samples::hold())]);
    found.check(&[("held-operation", samples::held_operation())]);
    found.check(&samples::grants());
    found.check(&samples::evidence());
    found.check(&samples::sessions());
    found.check(&samples::nodes());
    found.check(&[("cluster", samples::cluster())]);
    found.check(&samples::epochs());
    found.check(&samples::resources());
    found.check(&samples::operations());
    found.check(&[("revocation", samples::revocation())]);
    found.check(&[("issuer-revocation", samples::issuer_revocation())]);
    found.check(&[("join-token", samples::join_token())]);
    found.check(&samples::credentials());
    found.check(&samples::ssh_keys());
    found.check(&samples::requests());
    found.check(&[("hold-budget", samples::hold_budget())]);
    found.check(&[("recording", samples::recording())]);
    found.check(&samples::segments());
    found.check(&[("notes-taken", samples::notes_taken())]);
    found.check(&samples::noted());
    found.check(&samples::events());
    found.check(&[("event-run", samples::event_run())]);
    found.check(&[("chain-head", samples::chain_head())]);
    found.check(&[("archive-file", samples::archive_file())]);
    found.check(&[("opened-keys", samples::opened_keys())]);
    found.check(&[("audit-key", samples::audit_key())]);
    found.check(&samples::checkpoints());
    found.check(&samples::holds_in_every_state());
    assert!(found.wrong.is_empty(), "not as frozen:\n{}", found.wrong);
    let frozen: BTreeSet<&str> = frozen().into_keys().collect();
    assert_eq!(frozen, found.names, "what was frozen has a sample still");
}

/// The names of the variants of `T` that none of `values` is.
fn missing<T: Form + Variants>(values: impl IntoIterator<Item = T>) -> Vec<&'static str> {
    let places = values.into_iter().map(|value| {
        // The form of an enum begins with the place of its variant.
        let bytes = postcard::to_allocvec(&value.dto()).unwrap();
        usize::from(bytes[0])
    });
    let seen: BTreeSet<usize> = places.collect();
    let names = T::NAMES.iter().enumerate();
    names.filter(|(place, _)| !seen.contains(place)).map(|(_, name)| *name).collect()
}

fn values<T>(samples: Vec<(&'static str, T)>) -> Vec<T> {
    samples.into_iter().map(|(_, value)| value).collect()
}

#[test]
fn every_variant_of_every_enum_has_a_sample() {
    let refusals: Vec<StateRefusal> =
        values(samples::replies()).into_iter().filter_map(Result::err).collect();
    let of_holds: Vec<HoldError> = refusals
        .iter()
        .filter_map(|refusal| {
            if let StateRefusal::Hold(error) = refusal { Some(error.clone()) } else { None }
        })
        .collect();
    let of_decisions = of_holds.iter().filter_map(|error| {
        if let HoldError::Decision(error) = error { Some(error.clone()) } else { None }
    });
    let limits = refusals.iter().filter_map(|refusal| {
        if let StateRefusal::OverLimit { limit } = refusal { Some(*limit) } else { None }
    });
    let levels = values(samples::commands()).into_iter().filter_map(|command| {
        if let Command::Intent(intent, _) = command { Some(intent.basis.audit) } else { None }
    });
    let approvals = values(samples::operations()).into_iter().filter_map(|record| record.approval);
    let leaves = values(samples::commands()).into_iter().filter_map(|command| {
        if let Command::ParkHold(park) = command { Some(park.leaves) } else { None }
    });
    let positions = values(samples::commands()).into_iter().filter_map(|command| {
        if let Command::RecordSegment(record) = command { Some(record.position) } else { None }
    });
    let new_places = values(samples::commands()).into_iter().filter_map(|command| {
        if let Command::PlaceSegment(placed) = command { Some(placed.place) } else { None }
    });
    let missing =
        [
            missing(leaves),
            missing(new_places),
            missing(values(samples::segments()).into_iter().map(|record| record.bucket)),
            missing(positions),
            missing(values(samples::commands())),
            missing(values(samples::replies()).into_iter().filter_map(Result::ok)),
            missing(of_decisions),
            missing(limits),
            missing(of_holds.clone()),
            missing(refusals.clone()),
            missing(levels),
            missing(values(samples::effects())),
            missing(
                values(samples::holds_in_every_state()).into_iter().map(|record| record.hold.state),
            ),
            missing(values(samples::evidence()).into_iter().map(|record| record.evidence.plan)),
            missing(values(samples::evidence()).into_iter().filter_map(|record| {
                record.evidence.transaction.map(|transaction| transaction.locks)
            })),
            missing(values(samples::grants()).into_iter().map(|record| record.grant.state)),
            missing(values(samples::grants()).into_iter().filter_map(|record| {
                if let GrantState::Over { end, .. } = record.grant.state { Some(end) } else { None }
            })),
            missing(approvals),
            missing(values(samples::grants()).into_iter().flat_map(|record| {
                record.decisions.into_iter().map(|made| made.choice).collect::<Vec<_>>()
            })),
            missing(values(samples::sessions()).into_iter().map(|record| record.state)),
            missing(values(samples::nodes()).into_iter().map(|record| record.state)),
            missing(values(samples::resources()).into_iter().map(|record| record.kind)),
            missing(values(samples::operations()).into_iter().map(|record| record.state)),
            missing(values(samples::requests())),
            missing(values(samples::noted())),
            missing(values(samples::events()).into_iter().chain([samples::event_run()])),
            missing(values(samples::ssh_keys()).into_iter().map(|record| record.key.role)),
            missing(values(samples::credentials()).into_iter().map(|record| record.state)),
            missing(values(samples::credentials()).into_iter().map(|record| record.form)),
            missing(values(samples::checkpoints()).into_iter().map(|r| r.signed.statement.claim)),
        ]
        .concat();
    assert!(missing.is_empty(), "without a sample: {missing:?}");
}

#[test]
fn every_service_of_an_epoch_has_a_sample() {
    let services = values(samples::epochs()).into_iter().map(|record| record.service);
    assert_eq!(missing(services), [""; 0]);
}

#[test]
fn every_kind_of_event_has_a_sample() {
    let rows = values(samples::events()).into_iter();
    let kinds: BTreeSet<EventKind> =
        rows.flat_map(|row| row.events().unwrap()).map(|event| event.kind).collect();
    assert!(kinds.iter().eq(EventKind::ALL), "every kind of event has a sample");
}

#[test]
fn an_unknown_command_is_an_error_and_never_skipped() {
    let newest = samples::commands().len();
    let unknown = [1, u8::try_from(newest + 40).unwrap()];
    let refused = crate::format::decode_command(&unknown);
    assert!(matches!(refused, Err(FormatError::Unreadable { .. })), "{refused:?}");
}
