//! Other nodes: a segment counts once one of them has it, and whoever has lost one gets it back.

use super::*;
use crate::{
    gate::tests::world::author,
    recording::repair::{Passed, pass},
};
use countersign_raft_store::{
    command::{CreateJoinToken, UseJoinToken},
    engine::SegmentShelf,
    handle::BoxFuture,
    records::JoinFacts,
};
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Nodes 2 and 3, in memory.
#[derive(Debug)]
pub(super) struct Others(Mutex<BTreeMap<NodeId, Other>>, AtomicUsize);

#[derive(Debug, Default)]
struct Other {
    segments: HashMap<SegmentDigest, Vec<u8>>,
    mood: Mood,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Mood {
    #[default]
    Works,
    Full,
    Gone,
    Lies,
}

impl Others {
    pub(super) fn new() -> Arc<Self> {
        let others = [2, 3].map(|id| (NodeId(id), Other::default()));
        Arc::new(Self(Mutex::new(others.into()), AtomicUsize::new(0)))
    }

    fn mood(&self, node: u64, mood: Mood) {
        self.0.lock().unwrap().get_mut(&NodeId(node)).unwrap().mood = mood;
    }

    /// In how many messages segments were handed over.
    pub(super) fn handed(&self) -> usize {
        self.1.load(Ordering::Relaxed)
    }

    pub(super) fn has(&self, node: u64, digest: SegmentDigest) -> bool {
        self.0.lock().unwrap()[&NodeId(node)].segments.contains_key(&digest)
    }
}

impl SegmentPeers for Others {
    fn others(&self) -> Vec<NodeId> {
        self.0.lock().unwrap().keys().copied().collect()
    }

    fn keep(
        &self,
        to: NodeId,
        segments: Vec<(SegmentDigest, Arc<[u8]>)>,
    ) -> BoxFuture<'_, Result<(), PeerError>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let mut others = self.0.lock().unwrap();
            let other = others.get_mut(&to).unwrap();
            match other.mood {
                Mood::Works | Mood::Lies => {
                    let segments = segments.iter().map(|(digest, bytes)| (*digest, bytes.to_vec()));
                    other.segments.extend(segments);
                    Ok(())
                }
                Mood::Full | Mood::Gone => Err(PeerError("no".to_owned())),
            }
        })
    }

    fn fetch(
        &self,
        from: NodeId,
        digest: SegmentDigest,
    ) -> BoxFuture<'_, Result<Option<Vec<u8>>, PeerError>> {
        Box::pin(async move {
            let others = self.0.lock().unwrap();
            let other = &others[&from];
            match other.mood {
                Mood::Works | Mood::Full => Ok(other.segments.get(&digest).cloned()),
                Mood::Lies => Ok(Some(b"something else".to_vec())),
                Mood::Gone => Err(PeerError("no answer".to_owned())),
            }
        })
    }
}

async fn world(others: &Arc<Others>) -> World {
    World::with_peers(Arc::<Others>::clone(others)).await
}

/// A recording of one segment, closed.
async fn recorded(world: &World) -> (RecordingRecord, SegmentRecord) {
    let opened = world.open().await;
    take(&opened, "something");
    world.close(&opened).await;
    world.event(EventKind::SessionClosed).await;
    let (recording, segments) = world.recording(opened.session.id()).unwrap();
    (recording, segments[0].clone())
}

/// Nodes 2 and 3 belong to the cluster.
async fn admit_both(world: &World) {
    for n in [2, 3] {
        let token = CreateJoinToken { sha256: [n; 32], expires_after_ms: 60_000, author: author() };
        world.store.create_join_token(token).await.unwrap();
        let facts = JoinFacts {
            key_sha256: [n; 32],
            address: format!("127.0.0.1:{n}"),
            api_url: String::new(),
            storage: [n; 16],
        };
        world.store.use_join_token(UseJoinToken { sha256: [n; 32], facts }).await.unwrap();
    }
}

fn file(world: &World, segment: &SegmentRecord) -> PathBuf {
    let digest = segment.digest.to_string();
    let shelf = world.folder().join("recordings").join(&digest[..2]);
    shelf.join(format!("{digest}.segment"))
}

async fn reads(world: &World, (recording, segment): (&RecordingRecord, &SegmentRecord)) -> bool {
    let segments = std::slice::from_ref(segment);
    world.recordings.read(recording, (0, SegmentDigest::NONE), segments).await.is_ok()
}

#[tokio::test]
async fn a_segment_is_on_two_nodes_before_it_is_in_the_index() {
    let others = Others::new();
    let world = world(&others).await;
    let (_, segment) = recorded(&world).await;
    assert_eq!(segment.places.len(), 2);
    let other = segment.places.iter().find(|node| node.0 != 1).unwrap().0;
    assert!(others.has(other, segment.digest) && !others.has(5 - other, segment.digest));
    assert!(file(&world, &segment).exists());
}

#[tokio::test]
async fn a_node_that_is_full_or_gone_is_left_out_and_another_one_is_asked() {
    for mood in [Mood::Full, Mood::Gone] {
        for bad in [2, 3] {
            let others = Others::new();
            others.mood(bad, mood);
            let (_, segment) = recorded(&world(&others).await).await;
            assert_eq!(segment.places, BTreeSet::from([NodeId(1), NodeId(5 - bad)]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_waits_for_a_second_place_and_ends_without_one() {
    let others = Others::new();
    for node in [2, 3] {
        others.mood(node, Mood::Gone);
    }
    let world = world(&others).await;
    let mut opened = world.open().await;
    take(&opened, "something");
    sleep(Duration::from_secs(3)).await;
    assert!(world.recording(opened.session.id()).is_none(), "it is not durable");
    assert_eq!(opened.recorder.take(said("more")), Ok(Room::Full));
    assert_eq!(signal(&mut opened.signals).await, Signal::End(Refusal::NotRecorded));
}

#[tokio::test]
async fn what_is_lost_or_damaged_here_is_read_from_another_node_and_put_back() {
    let others = Others::new();
    let world = world(&others).await;
    let (recording, segment) = recorded(&world).await;
    let path = file(&world, &segment);
    let whole = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(reads(&world, (&recording, &segment)).await);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    let mut damaged = whole.clone();
    damaged[30] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    assert!(reads(&world, (&recording, &segment)).await);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}

#[tokio::test]
async fn a_node_that_gives_other_bytes_is_not_believed() {
    let others = Others::new();
    let world = world(&others).await;
    let (recording, segment) = recorded(&world).await;
    let other = segment.places.iter().find(|node| node.0 != 1).unwrap().0;
    std::fs::remove_file(file(&world, &segment)).unwrap();
    others.mood(other, Mood::Lies);
    others.mood(5 - other, Mood::Lies);
    assert!(!reads(&world, (&recording, &segment)).await);
    others.mood(other, Mood::Works);
    assert!(reads(&world, (&recording, &segment)).await);
}

#[tokio::test]
async fn a_pass_puts_back_what_is_damaged_or_gone() {
    let others = Others::new();
    let world = world(&others).await;
    let (_, segment) = recorded(&world).await;
    let path = file(&world, &segment);
    let whole = std::fs::read(&path).unwrap();
    for damage in [&whole[..whole.len() - 1], b"", b"other bytes"] {
        std::fs::write(&path, damage).unwrap();
        pass(&world.recordings.inner, &mut Passed::default(), segment.digest.0[0]).await;
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
    std::fs::remove_file(&path).unwrap();
    pass(&world.recordings.inner, &mut Passed::default(), segment.digest.0[0]).await;
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}

#[tokio::test(start_paused = true)]
async fn what_was_on_a_node_that_stays_away_gets_a_second_place_again() {
    let others = Others::new();
    let world = world(&others).await;
    admit_both(&world).await;
    let (_, segment) = recorded(&world).await;
    let other = segment.places.iter().find(|node| node.0 != 1).unwrap().0;
    others.mood(other, Mood::Gone);
    let mut passed = Passed::default();
    pass(&world.recordings.inner, &mut passed, 0).await;
    assert!(!others.has(5 - other, segment.digest), "it may come back");
    sleep(Duration::from_secs(31)).await;
    pass(&world.recordings.inner, &mut passed, 0).await;
    assert!(others.has(5 - other, segment.digest));
    let (_, segments) = world.recording(segment.session).unwrap();
    assert_eq!(segments[0].places, BTreeSet::from([NodeId(1), NodeId(2), NodeId(3)]));
}

#[tokio::test]
async fn a_shelf_takes_only_segments_under_their_own_digest() {
    let others = Others::new();
    let world = world(&others).await;
    let (_, segment) = recorded(&world).await;
    let bytes = std::fs::read(file(&world, &segment)).unwrap();
    let shelf: &dyn SegmentShelf = &world.recordings;
    assert!(shelf.keep(vec![(segment.digest.0, bytes.clone())]).await);
    assert!(!shelf.keep(vec![([7; 32], bytes.clone())]).await);
    let text = b"no segment, under its own digest".to_vec();
    let digest = SegmentDigest::of(&text);
    assert!(!shelf.keep(vec![(digest.0, text)]).await);
    assert_eq!(shelf.fetch(segment.digest.0).await, Some(bytes));
    assert_eq!(shelf.fetch(digest.0).await, None);
}
