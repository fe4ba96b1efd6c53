//! Carries notes into the log, in order, one batch at a time, each as often as it takes. Only when the log has a batch are
//! its notes forgotten. What earlier starts have left comes first, file by file: a file is gone before the next one is
//! carried, because the state keeps only the last book of a node.

use super::{Note, Segment, Shared, writer::Request};
use crate::{
    command::{Command, Intent, TakeNotes},
    format::{self, Stored},
    handle::{Log, LogError},
    reply::{Answer, Reply},
};
use countersign_core::gate::Settlement;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::sleep;

/// How long notes gather before they are carried.
const GATHER: Duration = Duration::from_millis(10);
/// Notes of one batch, and outcomes beside them.
const MOST: usize = 512;
/// Bytes of notes in one batch, beside one note more.
const MOST_BYTES: usize = 1 << 20;
/// The pauses between attempts: the first, and the longest after doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The store has stopped; the next start goes on.
struct Stopped;

/// Runs until the store stops.
pub(super) async fn run(shared: Arc<Shared>, log: Weak<dyn Log>, left: Vec<Segment>) {
    for segment in left {
        if old(&shared, &log, segment).await.is_err() {
            return;
        }
    }
    shared.taken.send_replace(Some(0));
    loop {
        shared.written.notified().await;
        while !is_done(&shared) {
            sleep(GATHER).await;
            if batch(&shared, &log).await.is_err() {
                return;
            }
        }
    }
}

fn is_done(shared: &Shared) -> bool {
    let pending = shared.lock();
    pending.notes.is_empty() && pending.outcomes.is_empty()
}

/// Carries what an earlier start has left in one file, then puts the file away. What became of the operations is settled by
/// the announcement of this start.
async fn old(shared: &Shared, log: &Weak<dyn Log>, mut segment: Segment) -> Result<(), Stopped> {
    let (book, mut first) = (segment.book, segment.first);
    let intents = std::mem::take(&mut segment.intents);
    if !intents.is_empty() {
        tracing::info!(notes = intents.len(), "carries what an earlier start has noted");
    }
    let mut intents = intents.into_iter().peekable();
    while intents.peek().is_some() {
        let (mut some, mut bytes) = (Vec::new(), 0);
        while some.len() < MOST && bytes < MOST_BYTES {
            let Some(intent) = intents.next() else { break };
            bytes += intent.encode().map_or(0, |encoded| encoded.len());
            some.push(intent);
        }
        let count = some.len() as u64;
        carry(
            log,
            TakeNotes { node: shared.node, book, first, intents: some, outcomes: Vec::new() },
        )
        .await?;
        first += count;
    }
    match tokio::task::spawn_blocking(move || segment.put_away()).await {
        Ok(Ok(())) => Ok(()),
        // It would be carried again behind what comes now.
        Ok(Err(error)) => crate::halt::halt("putting notes away", &error),
        Err(_ended) => Err(Stopped),
    }
}

/// Carries what is pending, up to the limits of a batch.
async fn batch(shared: &Shared, log: &Weak<dyn Log>) -> Result<(), Stopped> {
    let (first, intents, outcomes) = next(shared);
    let (notes, settled) = (intents.len(), outcomes.len());
    let (node, book) = (shared.node, shared.book);
    carry(log, TakeNotes { node, book, first, intents, outcomes }).await?;
    let mut pending = shared.lock();
    let bytes: usize = pending.notes.drain(..notes).map(|note| note.bytes).sum();
    pending.bytes -= bytes;
    pending.outcomes.drain(..settled);
    drop(pending);
    let last = first + notes as u64 - 1;
    // A full queue means a request behind this one; the files are removed with that.
    shared.writer.try_send(Request::Taken { last }).ok();
    shared.taken.send_replace(Some(last));
    Ok(())
}

/// The next batch: notes with the sequence of the first, and outcomes, each of which stands behind its note.
fn next(shared: &Shared) -> (u64, Vec<Intent>, Vec<Settlement>) {
    let pending = shared.lock();
    let first = pending.next - pending.notes.len() as u64;
    let mut bytes = 0;
    let within = |note: &&Note| {
        let fits = bytes < MOST_BYTES;
        bytes += note.bytes;
        fits
    };
    let intents: Vec<Intent> = pending
        .notes
        .iter()
        .take(MOST)
        .take_while(within)
        .map(|note| note.intent.clone())
        .collect();
    let all = intents.len() == pending.notes.len();
    let later = |of: &Settlement| {
        pending
            .notes
            .iter()
            .skip(intents.len())
            .any(|note| note.intent.basis.operation == of.operation)
    };
    // They are in the order in which they came, so none behind the first that has to wait is taken either.
    let outcomes = pending.outcomes.iter().take(MOST).take_while(|one| all || !later(one));
    let outcomes = outcomes.cloned().collect();
    (first, intents, outcomes)
}

/// Has the log take a batch.
async fn carry(log: &Weak<dyn Log>, notes: TakeNotes) -> Result<(), Stopped> {
    let command = match Command::TakeNotes(Box::new(notes)).encode() {
        Ok(command) => command,
        // Each of its intents was encoded before.
        Err(error) => crate::halt::halt("writing down notes for the log", &error),
    };
    let mut pause = FIRST_PAUSE;
    loop {
        // Not kept between attempts: the store closes when nobody else has it.
        let Some(store) = log.upgrade() else { return Err(Stopped) };
        match store.propose(command.clone()).await {
            Ok((_, reply)) => match format::decode_reply(&reply) {
                Ok(Reply::Ok(Answer::Done)) => return Ok(()),
                answer @ (Ok(_) | Err(_)) => {
                    tracing::error!(?answer, "notes are not taken by the log");
                }
            },
            Err(LogError::Stopped) => return Err(Stopped),
            Err(LogError::NoQuorum | LogError::Overloaded | LogError::Unknown) => {}
        }
        drop(store);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
