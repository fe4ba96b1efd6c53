//! The archive of the audit: a span of events that was written elsewhere, signed, leaves the state. Here it is made sure that
//! it is just the oldest span of this chain, to its last event, and that what follows it is signed. That it is there is
//! believed of nobody alone: events leave once a majority of the nodes has read their file, each where it looks for it
//! itself. One disk, or one folder that only one node sees, is no archive.
//!
//! The chain has an event for each file, with the digest of its bytes: the chain that goes on vouches for what has left it.

use super::{
    chain::{self, Facts},
    cluster::is_member,
    step::{Done, Step, Stop},
};
use crate::{
    command::ArchiveRead,
    key_space::{self, Single, Table},
    limits::MAX_ARCHIVED_ROWS_A_TICK,
    records::{ArchiveFile, CheckpointRecord},
    reply::{Answer, StateRefusal},
};
use countersign_core::record::{ChainHead, EventKind};

pub(super) fn file(step: &mut Step<'_>, file: ArchiveFile) -> Done {
    let place = key_space::numbered(Table::Archive, file.number);
    if let Some(known) = step.get::<ArchiveFile>(&place)? {
        if known == file {
            return Ok(Answer::Done);
        }
        replace(step, &known, &file)?;
    } else if !follows(step, &file)? {
        return Err(StateRefusal::NotVerified.into());
    } else {
        step.put_number(key_space::single(Single::LastArchive), file.number);
    }
    let facts = Facts::default()
        .with("reason", "audit events were archived")
        .with("archive.file", file.number)
        .with("archive.first", file.after + 1)
        .with("archive.last", file.last.sequence)
        .with("archive.digest", hex::encode(file.digest))
        .with("archive.bytes", file.size);
    chain::append(step, EventKind::ClusterChanged, facts)?;
    step.put(place, &file)?;
    Ok(Answer::Done)
}

/// Lets go of a file for another one of the same span: the one before was lost, or damaged, and what it has is in the state
/// still, because too few have read it. Who has read the one before reads again.
fn replace(step: &mut Step<'_>, known: &ArchiveFile, file: &ArchiveFile) -> Result<(), Stop> {
    let same = ArchiveFile { digest: known.digest, size: known.size, ..*file } == *known;
    if !same || file.number <= step.number(Single::ArchiveKept)? {
        return Err(StateRefusal::NotVerified.into());
    }
    for node in step.members()? {
        let read = key_space::numbered(Table::ArchiveRead, node.0);
        if step.number_at(&read)? >= file.number {
            step.put_number(read, file.number - 1);
        }
    }
    Ok(())
}

/// Whether a file is the next one of this chain, and has no event that the last checkpoint does not cover.
fn follows(step: &Step<'_>, file: &ArchiveFile) -> Result<bool, Stop> {
    let number = step.number(Single::LastArchive)?;
    let before: Option<ArchiveFile> = step.get(&key_space::numbered(Table::Archive, number))?;
    let before = before.map_or(ChainHead::default(), |before| before.last);
    let signed: Option<CheckpointRecord> = step.get(&key_space::single(Single::Checkpoint))?;
    let covered =
        signed.is_some_and(|signed| file.last.sequence <= signed.signed.statement.head.sequence);
    if file.number != number + 1
        || file.after != before.sequence
        || file.last.sequence <= file.after
        || !covered
    {
        return Ok(false);
    }
    let first = step.audit_event(file.after + 1)?;
    let last = step.audit_event(file.last.sequence)?;
    Ok(first.is_some_and(|first| first.at == file.from && first.previous == before.hash)
        && last.is_some_and(|last| last.at == file.to && last.hash() == file.last.hash))
}

/// Takes a node's word that it has read a file. Each reads one behind the other, from the first on that not enough have read.
pub(super) fn read(step: &mut Step<'_>, command: ArchiveRead) -> Done {
    if !is_member(step, command.node)? {
        return Err(StateRefusal::UnknownNode.into());
    }
    let (kept, place) = (
        step.number(Single::ArchiveKept)?,
        key_space::numbered(Table::ArchiveRead, command.node.0),
    );
    let read = step.number_at(&place)?.max(kept);
    let file: Option<ArchiveFile> =
        step.get(&key_space::numbered(Table::Archive, command.number))?;
    if file.is_none_or(|file| file.digest != command.digest) || command.number > read + 1 {
        return Err(StateRefusal::NotVerified.into());
    }
    if command.number <= read {
        return Ok(Answer::Done);
    }
    step.put_number(place, command.number);
    let through = read_by_most(step)?;
    if through > kept {
        step.put_number(key_space::single(Single::ArchiveKept), through);
    }
    Ok(Answer::Done)
}

/// The last file up to which a majority of the nodes has read each.
fn read_by_most(step: &Step<'_>) -> Result<u64, Stop> {
    let mut read = Vec::new();
    for node in step.members()? {
        read.push(step.number_at(&key_space::numbered(Table::ArchiveRead, node.0))?);
    }
    read.sort_unstable_by(|one, other| other.cmp(one));
    // Half of them, rounded down, are before this one.
    Ok(read.get(read.len() / 2).copied().unwrap_or(0))
}

/// Removes what the archive keeps, so much a tick.
pub(super) fn clear(step: &mut Step<'_>) -> Result<(), Stop> {
    let number = step.number(Single::ArchiveKept)?;
    let last: Option<ArchiveFile> = step.get(&key_space::numbered(Table::Archive, number))?;
    let Some(ArchiveFile { last, .. }) = last else { return Ok(()) };
    let table = key_space::table(Table::Audit);
    // A row reaches as far as the next one begins.
    let behind =
        |key: &[u8]| key_space::trailing_number(key).is_some_and(|n| n <= last.sequence + 1);
    let few = step.first(&table, 2)?;
    if !few.get(1).is_some_and(|(key, _)| behind(key)) {
        return Ok(());
    }
    let rows = step.first(&table, MAX_ARCHIVED_ROWS_A_TICK + 1)?;
    for ((key, _), (next, _)) in rows.iter().zip(rows.iter().skip(1)) {
        if !behind(next) {
            break;
        }
        step.delete(key.clone());
    }
    Ok(())
}
