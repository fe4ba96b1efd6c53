//! Carries notes into the log, in order, one batch at a time, each as often as it takes. Only when the log has a batch are
//! its notes forgotten. What earlier starts have left comes first, file by file: a file is gone before the next one is
//! carried, because the state keeps only the last few books of a node.

use super::{
    Shared,
    batch::Batch,
    pending::BATCH_BYTES,
    segment::{Found, Segment},
    writer::Request,
};
use crate::{
    command::{Command, TakeNotes},
    format::{self, Stored},
    handle::{Log, LogError},
    reply::{Answer, Reply},
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};

/// How long notes gather before they are carried.
const GATHER: Duration = Duration::from_millis(10);
/// Notes of earlier starts in one batch.
const MOST: usize = 1024;
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
        shared.came.notified().await;
        while !shared.lock().is_empty() {
            sleep(GATHER).await;
            shared.write_out();
            if batch(&shared, &log).await.is_err() {
                return;
            }
        }
    }
}

/// Carries what an earlier start has left in one file, then puts the file away. What became of the operations whose
/// outcomes are not in it is settled by the announcement of this start.
async fn old(shared: &Shared, log: &Weak<dyn Log>, mut segment: Segment) -> Result<(), Stopped> {
    let found = std::mem::take(&mut segment.found);
    if !found.is_empty() {
        tracing::info!(notes = found.len(), "carries what an earlier start has noted");
    }
    let mut found = found.into_iter().peekable();
    while found.peek().is_some() {
        let mut some = Batch::of(shared.node, segment.book);
        let (mut count, mut size) = (0, 0);
        while count < MOST
            && size < BATCH_BYTES
            && let Some(next) = found.next()
        {
            count += 1;
            match next {
                Found::Note { sequence, noted, bytes } => {
                    size += bytes;
                    some.add(sequence, noted);
                }
                Found::Gap(lost) => some.lost(lost),
            }
        }
        carry(shared, log, some.finish()).await?;
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
    let (first, notes) = shared.lock().take_out(Instant::now());
    if notes.is_empty() {
        return Ok(());
    }
    let last = first + notes.len() as u64 - 1;
    let mut some = Batch::of(shared.node, shared.book);
    for (sequence, noted) in (first..).zip(notes) {
        some.add(sequence, noted);
    }
    carry(shared, log, some.finish()).await?;
    shared.lock().taken();
    // A full queue means a request behind this one; the files are removed with that.
    shared.writer.try_send(Request::Taken { last }).ok();
    shared.taken.send_replace(Some(last));
    Ok(())
}

/// Has the log take a batch.
async fn carry(shared: &Shared, log: &Weak<dyn Log>, notes: TakeNotes) -> Result<(), Stopped> {
    let command = match Command::TakeNotes(Box::new(notes)).encode() {
        Ok(command) => command,
        // Each of its intents was encoded before.
        Err(error) => crate::halt::halt("writing down notes for the log", &error),
    };
    let mut pause = FIRST_PAUSE;
    loop {
        // Not kept between attempts: the store closes when nobody else has it.
        let Some(store) = log.upgrade() else { return Err(Stopped) };
        match meanwhile_writing(shared, store.propose(command.clone())).await {
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
        meanwhile_writing(shared, sleep(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Outcomes come also while the log takes nothing: they are written when the node ends for want of it.
async fn meanwhile_writing<T>(shared: &Shared, waits: impl Future<Output = T>) -> T {
    let mut waits = std::pin::pin!(waits);
    loop {
        match timeout(GATHER, &mut waits).await {
            Ok(done) => {
                shared.write_out();
                return done;
            }
            Err(_meanwhile) => shared.write_out(),
        }
    }
}
