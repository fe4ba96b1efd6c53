//! What a node keeps recordings and the archived audit in: its folder, its keys, the other nodes and the bucket, as the
//! settings say. What is kept there
//! is not decided here.

use super::ServeError;
use crate::{
    app::App,
    archive::{Archive, Place, Places},
    bucket::{Bucket, BucketError},
    cluster::Member,
    config::RecordingPlaces,
    health,
    recording::{self, KeyRing, RecordingParts, Recordings, Room},
};
use std::{io, sync::Arc, time::Duration};
use tokio::time::timeout;

/// What the cluster's part of the bucket and of the shared folder is derived from the cluster's key for: two clusters of one
/// name have two.
const PART_PURPOSE: &[u8] = b"countersign-bucket-folder-v1";
/// Digits of what is derived that its name has.
const PART_TAG_DIGITS: usize = 16;
/// How long a node waits for the bucket when it starts.
const BUCKET_TRIED_WITHIN: Duration = Duration::from_secs(15);
const MIB: u64 = 1024 * 1024;
/// The folder of the recordings, in that of the node.
const RECORDINGS: &str = "recordings";

/// Opens what sessions are recorded in, and what the audit is archived in.
pub(super) async fn open(
    app: &Arc<App>,
    member: &Member,
) -> Result<(Recordings, Archive), ServeError> {
    let part = part(app, member);
    let bucket = bucket(app, part.clone()).await?;
    let folder = app.config.archive.shared_folder.clone();
    let folder = folder.map(|folder| Place::folder(folder, &part));
    // What was archived before there was a bucket is read where it is.
    let places = Places::of(bucket.clone().map(Place::Bucket).into_iter().chain(folder));
    Ok((recordings(app, member, bucket).await?, Archive::at(places)))
}

async fn recordings(
    app: &Arc<App>,
    member: &Member,
    bucket: Option<Bucket>,
) -> Result<Recordings, ServeError> {
    let settings = &app.config.recordings;
    let (cluster_key, wraps) = (Arc::clone(&member.cluster_key), settings.clone());
    let keys = tokio::task::spawn_blocking(move || {
        KeyRing::load(&cluster_key, wraps.key.as_deref(), &wraps.earlier_keys)
    });
    let keys = keys.await.map_err(io::Error::other).map_err(ServeError::Recordings)??;
    let parts = RecordingParts {
        node: member.id,
        store: member.store.clone(),
        folder: app.config.data_dir.join(RECORDINGS),
        keys,
        peers: member.membership.segment_peers(),
        places: match settings.places {
            RecordingPlaces::Local => recording::Places::Local,
            RecordingPlaces::Peers => recording::Places::Peers,
        },
        room: Room {
            most: match settings.local_mib {
                0 => u64::MAX,
                mib => mib.saturating_mul(MIB),
            },
            reserve: health::MIN_FREE,
        },
        bucket,
    };
    let opened = tokio::task::spawn_blocking(move || Recordings::open(parts));
    let opened = opened.await.map_err(io::Error::other).flatten();
    let recordings = opened.map_err(ServeError::Recordings)?;
    member.membership.serve_segments(Arc::new(recordings.clone()));
    Ok(recordings)
}

/// The cluster's own part of what others may use too.
fn part(app: &App, member: &Member) -> String {
    let tag = hex::encode(member.cluster_key.derive(&[PART_PURPOSE]));
    let tag = tag.get(..PART_TAG_DIGITS).unwrap_or_default();
    format!("{}-{tag}", app.config.cluster.name)
}

/// Opens the bucket, where one is named. One that does not keep what it must is refused; one that is away may come back: it
/// is tried again before anything is put there.
async fn bucket(app: &Arc<App>, folder: String) -> Result<Option<Bucket>, ServeError> {
    let settings = app.config.recordings.bucket.clone();
    let opened = tokio::task::spawn_blocking(move || Bucket::open(&settings, &folder));
    let opened = opened.await.map_err(io::Error::other).map_err(ServeError::Recordings)?;
    let Some(bucket) = opened? else { return Ok(None) };
    match timeout(BUCKET_TRIED_WITHIN, bucket.try_out()).await {
        Ok(Ok(())) => tracing::info!("the bucket keeps what is put into it"),
        Ok(Err(error @ (BucketError::Lock(_) | BucketError::Lies { .. }))) => {
            return Err(error.into());
        }
        Ok(Err(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the bucket cannot be used yet: recordings stay on nodes");
        }
        Err(_elapsed) => tracing::warn!("the bucket does not answer: recordings stay on nodes"),
    }
    Ok(Some(bucket))
}
