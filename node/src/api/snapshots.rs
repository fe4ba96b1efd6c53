//! Snapshots of the replicated state that leave the cluster, and letting a recovered one take agents again. What a snapshot
//! is sealed in is `countersign_api::snapshot_file`; that a node begins anew on one is no matter of the API.

use super::{
    Api,
    caller::Caller,
    cluster::{recorded, seen},
    failure::{Answer, Failure},
    input::Body as Input,
    reading,
};
use crate::{app::Node, clock::now_ms};
use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use countersign_api::{
    cluster::{Cluster, SnapshotRequest},
    problem::{Problem, ProblemKind},
    snapshot_file::{FRAME, MIN_PASSPHRASE, SnapshotHead, SnapshotWriter},
    time::Timestamp,
};
use countersign_core::secret::Secret;
use countersign_raft_store::{
    command::Reopen,
    recovery::{self, Contents},
};
use std::{
    fs::File,
    io::{self, Read, Seek},
    sync::Arc,
};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// Snapshots that are under way on this node: each reads all of the state.
static UNDER_WAY: Semaphore = Semaphore::const_new(1);
/// Pieces that are ready before the caller takes them.
const PIECES_AHEAD: usize = 2;

type Pieces = mpsc::Sender<io::Result<Bytes>>;

/// The state of this node, sealed under a passphrase. It is proved to its last byte before the first one is sent; a file that
/// breaks off is none.
#[utoipa::path(post, path = "/v1/cluster/snapshot", tag = "cluster", request_body = SnapshotRequest, responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = "default", body = Problem)))]
pub(crate) async fn save(
    State(api): State<Api>,
    caller: Caller,
    Input(request): Input<SnapshotRequest>,
) -> Answer<Response> {
    let node = Arc::clone(api.node()?);
    let passphrase = Secret::new(request.passphrase);
    if passphrase.expose().len() < MIN_PASSPHRASE {
        let detail = format!("a passphrase has {MIN_PASSPHRASE} bytes at least");
        return Err(Failure::new(ProblemKind::Invalid, detail));
    }
    let turn = UNDER_WAY.try_acquire().map_err(|_taken| {
        Failure::new(ProblemKind::Overloaded, "another snapshot is being taken from this node")
    })?;
    // As new as what was acknowledged anywhere before it was asked for.
    reading::linear(&node, None, |_| Ok(())).await?;
    recorded(&node, &caller, "take a snapshot of the state".to_owned()).await?;
    let (pieces, stream) = mpsc::channel(PIECES_AHEAD);
    tokio::spawn(take(node, passphrase, (pieces, turn)));
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from_stream(ReceiverStream::new(stream))).into_response())
}

async fn take(
    node: Arc<Node>,
    passphrase: Secret,
    (pieces, turn): (Pieces, SemaphorePermit<'static>),
) {
    let taken = match node.membership.snapshot().await {
        Ok(file) => {
            let sealing =
                tokio::task::spawn_blocking(move || seal(&node, file, &passphrase, &pieces));
            sealing.await.map_err(io::Error::other).flatten()
        }
        Err(error) => Err(error),
    };
    drop(turn);
    match taken {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            tracing::info!("a snapshot was not taken to its end: its caller is gone");
        }
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "a snapshot could not be taken"
        ),
    }
}

fn seal(node: &Node, mut file: File, passphrase: &Secret, pieces: &Pieces) -> io::Result<()> {
    let sealed = sealed(node, &mut file, passphrase, pieces);
    if let Err(error) = &sealed {
        // Whoever reads is to see that it broke off; who is gone need not.
        drop(pieces.blocking_send(Err(io::Error::other(error.to_string()))));
    }
    sealed
}

fn sealed(node: &Node, file: &mut File, passphrase: &Secret, pieces: &Pieces) -> io::Result<()> {
    let contents = recovery::contents(file.try_clone()?).map_err(io::Error::other)?;
    let key = Secret::new(node.cluster_key.expose());
    let (mut writer, beginning) =
        SnapshotWriter::begin(head(node, contents), &key, passphrase.expose())
            .map_err(io::Error::other)?;
    send(pieces, beginning)?;
    file.rewind()?;
    let mut clear = vec![0; FRAME];
    loop {
        match file.read(&mut clear)? {
            0 => break,
            length => {
                let read = clear.get(..length).unwrap_or_default();
                send(pieces, writer.put(read).map_err(io::Error::other)?)?;
            }
        }
    }
    send(pieces, writer.finish().map_err(io::Error::other)?)
}

fn send(pieces: &Pieces, bytes: Vec<u8>) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    pieces.blocking_send(Ok(bytes.into())).map_err(|_gone| io::ErrorKind::BrokenPipe.into())
}

fn head(node: &Node, contents: Contents) -> SnapshotHead {
    SnapshotHead {
        cluster_id: hex::encode(contents.cluster.id),
        cluster_name: contents.cluster.name,
        epoch: contents.epoch.number,
        node: node.id.0,
        taken_at: Timestamp(now_ms()),
        index: contents.index,
        chain_sequence: contents.head.sequence,
        chain_hash: contents.head.hash.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        // The writer draws both.
        salt: String::new(),
        rounds: 0,
    }
}

/// Lets a recovered cluster take agents again.
#[utoipa::path(post, path = "/v1/cluster/reopen", tag = "cluster", responses((status = 200, body = Cluster), (status = "default", body = Problem)))]
pub(crate) async fn reopen(State(api): State<Api>, caller: Caller) -> Answer<Json<Cluster>> {
    let node = api.node()?;
    reading::committed(node.store.reopen(Reopen { author: caller.author() })).await?;
    Ok(Json(seen(&api).await?))
}
