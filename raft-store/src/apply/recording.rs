//! The index of recordings: which segments a recording has, in which order, and where they are. Their bytes are not here.
//!
//! A segment is recorded only behind the one that it names as its predecessor, so that the last digest vouches for all. The
//! audit hears of that digest when the session is closed and, where segments come later, when the last of them does.

use super::{
    chain::{self, Facts},
    cluster::is_member,
    step::{Done, Step, Stop, within},
};
use crate::{
    command::{OpenKeys, PlaceSegment, RecordSegment, RewrapKey},
    key_space::{self, Table},
    limits::{Limit, MAX_OPENED_KEYS, MAX_PLACES, MAX_WRAPPED_KEY},
    records::{
        InBucket, OpenedKeys, Place, RecordingRecord, SegmentRecord, SessionRecord, SessionState,
    },
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    id::SessionId,
    record::EventKind,
    recording::{Position, SegmentDigest, segment::MAX_SEGMENT},
};

pub(super) fn record(step: &mut Step<'_>, command: RecordSegment) -> Done {
    within(usize::try_from(command.size).unwrap_or(usize::MAX), MAX_SEGMENT, Limit::Segment)?;
    within(command.places.len(), MAX_PLACES, Limit::Segment)?;
    within(command.key.sealed.len(), MAX_WRAPPED_KEY, Limit::Segment)?;
    let session: SessionRecord =
        step.get(&key_space::session(command.session))?.ok_or(StateRefusal::SessionGone)?;
    if session.node != command.node || command.places.is_empty() {
        return Err(StateRefusal::UnknownNode.into());
    }
    let known: Option<RecordingRecord> = step.get(&key_space::recording(command.session))?;
    if is_recorded(step, known.as_ref(), &command)? {
        return Ok(Answer::Done);
    }
    let recording = grown(known, &command)?;
    let segment = SegmentRecord {
        session: command.session,
        sequence: command.sequence,
        digest: command.digest,
        size: command.size,
        places: command.places,
        bucket: InBucket::No,
        at: step.now,
    };
    step.put(key_space::segment(segment.session, segment.sequence), &segment)?;
    step.put(key_space::recording(recording.session), &recording)?;
    if recording.position == Position::Last && session.state != SessionState::Open {
        let facts = said(Facts::default().session(&session), &recording);
        chain::append(step, EventKind::RecordingEnded, facts)?;
    }
    Ok(Answer::Done)
}

pub(super) fn place(step: &mut Step<'_>, command: PlaceSegment) -> Done {
    let at = key_space::segment(command.session, command.sequence);
    let mut segment: SegmentRecord = step.get(&at)?.ok_or(StateRefusal::SessionGone)?;
    if segment.digest != command.digest {
        return Err(StateRefusal::IdUsed.into());
    }
    let changes = match command.place {
        Place::Bucket => std::mem::replace(&mut segment.bucket, InBucket::Yes) == InBucket::No,
        Place::NotInBucket => std::mem::replace(&mut segment.bucket, InBucket::No) == InBucket::Yes,
        Place::Node(node) => {
            if !is_member(step, node)? {
                return Err(StateRefusal::UnknownNode.into());
            }
            // Who is removed never comes back: its place is free for another.
            for known in segment.places.clone() {
                if !is_member(step, known)? {
                    segment.places.remove(&known);
                }
            }
            segment.places.insert(node)
        }
    };
    within(segment.places.len(), MAX_PLACES, Limit::Segment)?;
    if changes {
        step.put(at, &segment)?;
    }
    Ok(Answer::Done)
}

/// Takes a node's word for which keys it opens.
pub(super) fn open_keys(step: &mut Step<'_>, command: OpenKeys) -> Done {
    within(command.names.len(), MAX_OPENED_KEYS, Limit::Segment)?;
    if !is_member(step, command.node)? {
        return Err(StateRefusal::UnknownNode.into());
    }
    let opened = OpenedKeys { names: command.names };
    step.put(key_space::numbered(Table::OpenedKeys, command.node.0), &opened)?;
    Ok(Answer::Done)
}

/// Takes a recording's data key under another wrapping, in the place of just the one that it was opened from. That it is the
/// same key is what the node has seen to that proposes it; its name is compared. The wrapping before is gone then: every node
/// of the cluster must open the new one, those that are away too, or a recording could be read by nobody any more.
pub(super) fn rewrap(step: &mut Step<'_>, command: RewrapKey) -> Done {
    within(command.key.sealed.len(), MAX_WRAPPED_KEY, Limit::Segment)?;
    let at = key_space::recording(command.session);
    let recording: RecordingRecord = step.get(&at)?.ok_or(StateRefusal::SessionGone)?;
    if recording.key.id != command.key.id {
        return Err(StateRefusal::IdUsed.into());
    }
    if recording.key == command.key {
        return Ok(Answer::Done);
    }
    if recording.key.by != command.before {
        return Err(StateRefusal::WrappedAnew.into());
    }
    if !step.keys_of_every_node()?.contains(&command.key.by) {
        return Err(StateRefusal::KeyNotEverywhere.into());
    }
    step.put(at, &RecordingRecord { key: command.key, ..recording })?;
    Ok(Answer::Done)
}

/// Whether just this segment is recorded already. Another one in its place is refused.
fn is_recorded(
    step: &Step<'_>,
    known: Option<&RecordingRecord>,
    command: &RecordSegment,
) -> Result<bool, Stop> {
    if known.is_none_or(|known| command.sequence > known.segments) {
        return Ok(false);
    }
    let segment: Option<SegmentRecord> =
        step.get(&key_space::segment(command.session, command.sequence))?;
    if segment.is_some_and(|segment| segment.digest == command.digest) {
        Ok(true)
    } else {
        Err(StateRefusal::IdUsed.into())
    }
}

/// The recording with one more segment, which must follow.
fn grown(known: Option<RecordingRecord>, command: &RecordSegment) -> Result<RecordingRecord, Stop> {
    let before = known.unwrap_or_else(|| RecordingRecord {
        session: command.session,
        segments: 0,
        bytes: 0,
        last: SegmentDigest::NONE,
        position: Position::Followed,
        key: command.key.clone(),
    });
    if before.position == Position::Last {
        return Err(StateRefusal::RecordingEnded.into());
    }
    let expected = before.segments + 1;
    let follows = command.sequence == expected
        && command.previous == before.last
        && command.key.id == before.key.id;
    if !follows {
        return Err(StateRefusal::OutOfOrder { expected }.into());
    }
    Ok(RecordingRecord {
        segments: expected,
        bytes: before.bytes.saturating_add(command.size),
        last: command.digest,
        position: command.position,
        ..before
    })
}

/// What the audit says of a session's recording, as far as it has come.
pub(super) fn facts(step: &Step<'_>, of: SessionId, facts: Facts) -> Result<Facts, Stop> {
    let known: Option<RecordingRecord> = step.get(&key_space::recording(of))?;
    Ok(match known {
        Some(recording) => said(facts, &recording),
        None => facts,
    })
}

fn said(facts: Facts, recording: &RecordingRecord) -> Facts {
    let state = match recording.position {
        Position::Last => "whole",
        Position::Followed => "unfinished",
    };
    facts
        .with("recording.segments", recording.segments)
        .with("recording.bytes", recording.bytes)
        .with("recording.digest", recording.last)
        .with("recording.state", state)
}
