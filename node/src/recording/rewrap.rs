//! Rotation of the key that wraps: what an earlier key has wrapped is opened and wrapped again by the present one, recording
//! by recording. Segments stay as they are; once nothing is wrapped by a key any more it may be forgotten.
//!
//! Every node says which keys it opens. Until all have the present one nothing is wrapped by it anew: a key that only the
//! leader has would be lost with it, and every recording with the key.

use super::{Inner, Recordings, sealing::SealingError};
use crate::shutdown::Shutdown;
use countersign_core::id::SessionId;
use countersign_raft_store::{
    command::{OpenKeys, RewrapKey},
    handle::{ProposeError, ReadError},
    records::RecordingRecord,
};
use std::{io, sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often the leader looks for keys to wrap.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Recordings that are read from the index at a time.
const PAGE: usize = 200;
/// The pause between two pages.
const PACE: Duration = Duration::from_millis(50);

/// Why keys are not wrapped anew.
#[derive(Debug, thiserror::Error)]
pub(super) enum RewrapError {
    /// The index cannot be read.
    #[error("the index of recordings cannot be read")]
    Index(#[from] ReadError),
    /// The log does not take it.
    #[error("a key that is wrapped anew was not entered")]
    Log(#[from] ProposeError),
    /// The node stops.
    #[error("the node stops")]
    Stops(#[from] io::Error),
}

/// Wraps until shutdown. Every node says which keys it opens; only the leader wraps.
pub(crate) async fn keep(recordings: Recordings, shutdown: Shutdown) {
    loop {
        let looks = async {
            say(&recordings.inner).await?;
            let status = recordings.inner.store.status();
            if status.leader == Some(status.node) {
                pass(&recordings.inner).await?;
            }
            Ok(())
        };
        tokio::select! {
            looked = looks => if let Err::<(), RewrapError>(error) = looked {
                let error = &error as &dyn std::error::Error;
                tracing::info!(error, "keys of recordings are not wrapped anew this time");
            },
            () = shutdown.stopping() => return,
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = shutdown.stopping() => return,
        }
    }
}

/// Says which keys this node opens, unless it has said so.
pub(super) async fn say(inner: &Arc<Inner>) -> Result<(), RewrapError> {
    let (store, node, names) = (inner.store.clone(), inner.node, inner.keys.names());
    let said = tokio::task::spawn_blocking(move || store.view()?.opened_keys(node));
    let said = said.await.map_err(io::Error::other)??;
    if said.is_none_or(|said| said.names != names) {
        inner.store.open_keys(OpenKeys { node, names }).await?;
    }
    Ok(())
}

/// Whether every node has said that it opens what this one wraps.
async fn is_everywhere(inner: &Arc<Inner>) -> Result<bool, RewrapError> {
    let store = inner.store.clone();
    let names = tokio::task::spawn_blocking(move || store.view()?.keys_of_every_node());
    Ok(names.await.map_err(io::Error::other)??.contains(&inner.keys.current()))
}

/// Wraps every key that another one has wrapped; how many there were.
pub(super) async fn pass(inner: &Arc<Inner>) -> Result<usize, RewrapError> {
    let everywhere = is_everywhere(inner).await?;
    let (mut after, mut wrapped, mut waiting, mut unopened) = (None, 0, 0, 0);
    loop {
        let page = recordings(inner, after).await?;
        for recording in &page {
            match again(inner, recording) {
                Ok(None) => {}
                Ok(Some(_waiting)) if !everywhere => waiting += 1,
                Ok(Some(command)) => {
                    inner.store.rewrap_key(command).await?;
                    wrapped += 1;
                }
                Err(_unopened) => unopened += 1,
            }
        }
        let Some(last) = page.last() else { break };
        after = Some(last.session);
        sleep(PACE).await;
    }
    if wrapped > 0 {
        tracing::info!(wrapped, "keys of recordings were wrapped anew");
    }
    if waiting > 0 {
        tracing::info!(
            waiting,
            "keys of recordings are not wrapped anew before every node of the cluster has the key in recordings.key or recordings.earlier_keys"
        );
    }
    if unopened > 0 {
        tracing::warn!(
            unopened,
            "recordings have keys that no key of this node's opens: see recordings.earlier_keys"
        );
    }
    Ok(wrapped)
}

async fn recordings(
    inner: &Arc<Inner>,
    after: Option<SessionId>,
) -> Result<Vec<RecordingRecord>, RewrapError> {
    let store = inner.store.clone();
    let read = tokio::task::spawn_blocking(move || store.view()?.recordings(after, PAGE));
    Ok(read.await.map_err(io::Error::other)??)
}

/// The key of a recording under the present key; none where it is already.
fn again(inner: &Inner, recording: &RecordingRecord) -> Result<Option<RewrapKey>, SealingError> {
    if inner.keys.has_wrapped(&recording.key) {
        return Ok(None);
    }
    let session = recording.session;
    let key = inner.keys.unwrap(session, &recording.key)?;
    let before = recording.key.by;
    Ok(Some(RewrapKey { session, before, key: inner.keys.wrap_anew(session, &key)? }))
}
