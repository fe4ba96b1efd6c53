//! One file of the archive: written from the state, and proved from its bytes alone.

use super::{ArchiveError, place::MAX_FILE};
use crate::{chain::Signer, cluster::ClusterKey};
use bytes::Bytes;
use countersign_api::audit::{
    AuditEvent as Wire, AuditKey, SpanEnd,
    export::{FORMAT, Form, Header, Known, Line, MAX_LINE_BYTES, Reading, prove},
};
use countersign_core::{
    log_time::LogTime,
    record::{self as audit, AuditEvent, ChainHead, Claim, ClusterId},
};
use countersign_raft_store::{
    handle::{AuditFilter, StateView},
    records::ArchiveFile,
};
use sha2::{Digest as _, Sha256};
use std::io::{BufReader, Read as _, Write};

/// The span of time that a file does not go beyond, in milliseconds: an hour of the clock.
const SPAN_MS: u64 = 60 * 60 * 1000;
/// The most events of a file.
const MAX_EVENTS: usize = 10_000;
/// The most bytes of its lines: what reading it takes of memory is a small multiple of that.
const MAX_LINES: usize = 32 * 1024 * 1024;
/// A file is ended at so many bytes, compressed; one event more fits into the rest.
const ENDS_AT: usize = MAX_FILE / 2;
/// The most bytes of all its lines: the last event may be as long as a line can be, and so may the lines around the events.
const MAX_UNPACKED: u64 = MAX_LINES as u64 + 3 * MAX_LINE_BYTES;
/// How hard zstd tries: a file is written once, in no hurry.
const LEVEL: i32 = 9;
/// Events that are read from the state at a time.
const PAGE: usize = 100;

/// Which events may leave the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// Those from before this time,
    pub(super) before: LogTime,
    /// and those up to this one, however new they are;
    pub(super) through: u64,
    /// but none behind this one, up to which the chain is signed.
    pub(super) signed: u64,
}

impl Due {
    fn takes(&self, event: &AuditEvent) -> bool {
        event.sequence <= self.signed && (event.at < self.before || event.sequence <= self.through)
    }
}

/// A file under construction.
struct Writer {
    to: zstd::Encoder<'static, Vec<u8>>,
    lines: usize,
}

impl Writer {
    fn put(&mut self, line: &Line) -> Result<(), ArchiveError> {
        let text = line.text_as(Form::Ocsf)?;
        self.lines += text.len() + 1;
        self.to.write_all(text.as_bytes())?;
        Ok(self.to.write_all(b"\n")?)
    }

    fn is_full(&self) -> bool {
        self.lines >= MAX_LINES || self.to.get_ref().len() >= ENDS_AT
    }
}

/// The bytes of the file behind `before`, with what is due: within one span of time, and not too much. None when nothing is.
pub(super) fn write(
    view: &StateView,
    key: &ClusterKey,
    (before, due): (ChainHead, Due),
) -> Result<Option<Bytes>, ArchiveError> {
    let (Some(signer), Some(cluster)) = (Signer::in_force(view, key)?, view.cluster()?) else {
        return Ok(None);
    };
    let keys = view.audit_keys()?.iter().map(|known| AuditKey::of(&known.introduction)).collect();
    let after = before.sequence;
    let mut writer = Writer { to: zstd::Encoder::new(Vec::new(), LEVEL)?, lines: 0 };
    let cluster_id = hex::encode(cluster.id);
    writer.put(&Line::Export(Header { format: FORMAT.to_owned(), cluster_id, after, keys }))?;
    let last = events(view, &mut writer, (before, due))?;
    if last == before {
        return Ok(None);
    }
    let signed = signer.say(Claim::Span { after }, last, view.log_time()?)?;
    writer.put(&Line::End(SpanEnd::of(&signed)))?;
    Ok(Some(writer.to.finish()?.into()))
}

/// Writes the events; gives the last one.
fn events(
    view: &StateView,
    writer: &mut Writer,
    (before, due): (ChainHead, Due),
) -> Result<ChainHead, ArchiveError> {
    let (mut last, mut span, mut written) = (before, None, 0);
    loop {
        let filter = AuditFilter { after: last.sequence, ..AuditFilter::default() };
        let page = view.audit_events(&filter, PAGE)?;
        for event in &page.events {
            let hour = event.at.0 / SPAN_MS;
            let fits = due.takes(event) && *span.get_or_insert(hour) == hour;
            if !fits || written == MAX_EVENTS || writer.is_full() {
                return Ok(last);
            }
            writer.put(&Line::Event(Wire::from(event)))?;
            last = ChainHead { sequence: event.sequence, hash: event.hash() };
            written += 1;
        }
        if page.events.is_empty() {
            return Ok(last);
        }
    }
}

/// Whose files are believed: those of this cluster, signed by keys that follow from its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    cluster: ClusterId,
    key: audit::AuditKey,
}

impl Owner {
    /// The cluster whose state this is; none before it signs its chain.
    pub(super) fn of(view: &StateView) -> Result<Option<Self>, ArchiveError> {
        let (cluster, keys) = (view.cluster()?, view.audit_keys()?);
        Ok(cluster.zip(keys.first()).map(|(cluster, first)| Self {
            cluster: ClusterId(cluster.id),
            key: first.introduction.key,
        }))
    }
}

/// Whether these bytes are the file that the chain names. Nothing else is unpacked.
pub(super) fn is_named(file: &ArchiveFile, bytes: &[u8]) -> bool {
    bytes.len() as u64 == file.size && <[u8; 32]>::from(Sha256::digest(bytes)) == file.digest
}

/// The events of the file that the chain names; only if all of it proves itself.
pub(super) fn open(
    owner: Owner,
    file: &ArchiveFile,
    bytes: &[u8],
) -> Result<Vec<AuditEvent>, ArchiveError> {
    if !is_named(file, bytes) {
        return Err(ArchiveError::Other(file.number));
    }
    let (found, events) = read(owner, file.number, bytes)?;
    if found == *file { Ok(events) } else { Err(ArchiveError::Other(file.number)) }
}

/// What a file is, and its events: only if all of it proves itself, and it is the cluster's own.
pub(super) fn read(
    owner: Owner,
    number: u64,
    bytes: &[u8],
) -> Result<(ArchiveFile, Vec<AuditEvent>), ArchiveError> {
    let mut events = Vec::new();
    // One byte more than there can be: what is longer ends within a line, and is refused.
    let lines = zstd::Decoder::new(bytes)?.take(MAX_UNPACKED + 1);
    let reading = Reading::new(Known { key: Some(owner.key), head: None });
    let proved = prove(BufReader::new(lines), reading, |event| events.push(event));
    let (proof, _) = proved.map_err(|source| ArchiveError::Unproved { number, source })?;
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Err(ArchiveError::Other(number));
    };
    if !proof.key_known || proof.cluster_id != hex::encode(owner.cluster.0) {
        return Err(ArchiveError::Other(number));
    }
    let file = ArchiveFile {
        number,
        after: proof.first - 1,
        last: ChainHead { sequence: last.sequence, hash: last.hash() },
        from: first.at,
        to: last.at,
        digest: Sha256::digest(bytes).into(),
        size: bytes.len() as u64,
    };
    Ok((file, events))
}
