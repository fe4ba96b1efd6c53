//! A bucket behind the nodes: it takes what they have, gives it back, and costs room only while it is away.

use super::{peers::Others, *};
use crate::{
    bucket::{
        Bucket,
        tests::{Mood, Moody},
    },
    gate::tests::world::{Kept, NoPeers},
    recording::{
        files::{Found, Room as Space, SegmentFiles},
        repair::{Passed, pass},
    },
};
use countersign_raft_store::records::InBucket;
use object_store::ObjectStoreExt as _;
use std::path::PathBuf;

/// Room for some ten recordings of one segment.
const ROOM: u64 = 4000;

async fn world(moody: &Arc<Moody>, most: u64) -> World {
    let bucket = Some(Bucket::over(Arc::<Moody>::clone(moody)));
    let room = Space { most, reserve: 0 };
    World::with_kept(Kept { peers: Arc::new(NoPeers), bucket, room }).await
}

/// A closed recording.
async fn recorded(world: &World, text: &str) -> SessionId {
    let before = world.events(EventKind::SessionClosed).len();
    let opened = world.open().await;
    take(&opened, text);
    world.close(&opened).await;
    while world.events(EventKind::SessionClosed).len() == before {
        sleep(Duration::from_millis(1)).await;
    }
    opened.session.id()
}

fn file(world: &World, segment: &SegmentRecord) -> PathBuf {
    let digest = segment.digest.to_string();
    world.folder().join("recordings").join(&digest[..2]).join(format!("{digest}.segment"))
}

async fn round(world: &World) {
    pass(&world.recordings.inner, &mut Passed::default(), 0).await;
}

async fn reads(world: &World, of: SessionId) -> bool {
    let (recording, segments) = world.recording(of).unwrap();
    world.recordings.read(&recording, (0, SegmentDigest::NONE), &segments).await.is_ok()
}

fn in_bucket(world: &World, of: SessionId) -> bool {
    let (_, segments) = world.recording(of).unwrap();
    segments.iter().all(|segment| segment.bucket == InBucket::Yes)
}

#[tokio::test]
async fn a_pass_copies_segments_to_the_bucket_and_they_are_read_from_there_when_no_node_has_them() {
    let moody = Moody::new();
    let world = world(&moody, u64::MAX).await;
    let session = recorded(&world, "something").await;
    assert!(!in_bucket(&world, session), "nothing waits for the bucket");
    round(&world).await;
    assert!(in_bucket(&world, session));
    let (_, segments) = world.recording(session).unwrap();
    std::fs::remove_file(file(&world, &segments[0])).unwrap();
    assert!(reads(&world, session).await);
    moody.mood(Mood::Garbles);
    assert!(!reads(&world, session).await, "what is read has its digest");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_fails_hangs_or_lies_costs_room_only_and_has_everything_later() {
    for mood in [Mood::Fails, Mood::Hangs, Mood::Forgets, Mood::Garbles] {
        let moody = Moody::new();
        let world = world(&moody, u64::MAX).await;
        moody.mood(mood);
        let mut sessions = Vec::new();
        for _ in 0..3 {
            sessions.push(recorded(&world, "something").await);
            round(&world).await;
        }
        for session in &sessions {
            assert!(!in_bucket(&world, *session), "{mood:?}: nothing counts that is not there");
            assert!(reads(&world, *session).await);
        }
        moody.mood(Mood::Works);
        round(&world).await;
        assert!(sessions.iter().all(|session| in_bucket(&world, *session)), "{mood:?}");
    }
}

#[tokio::test]
async fn what_the_bucket_has_makes_room_and_what_it_has_not_is_never_given_up() {
    let moody = Moody::new();
    moody.mood(Mood::Fails);
    let world = world(&moody, ROOM).await;
    let first = recorded(&world, "first").await;
    let taken = world.recordings.inner.files.taken();
    assert!((1..ROOM / 10).contains(&taken), "{taken}");
    let mut opened = world.open().await;
    take(&opened, &hex::encode(rand::random::<[u8; 8000]>()));
    assert_eq!(signal(&mut opened.signals).await, Signal::End(Refusal::NotRecorded));
    round(&world).await;
    assert!(reads(&world, first).await, "the bucket does not have it");
    moody.mood(Mood::Works);
    let mut second = first;
    while world.recordings.inner.files.taken() < ROOM / 100 * 85 {
        second = recorded(&world, "another").await;
    }
    let before = world.recordings.inner.files.taken();
    round(&world).await;
    round(&world).await;
    assert!(world.recordings.inner.files.taken() < before, "the bucket has made room");
    for session in [first, second] {
        assert!(in_bucket(&world, session) && reads(&world, session).await);
    }
}

#[tokio::test]
async fn what_the_bucket_has_needs_no_second_node() {
    let others = Others::new();
    let moody = Moody::new();
    let bucket = Some(Bucket::over(Arc::<Moody>::clone(&moody)));
    let room = Space { most: u64::MAX, reserve: 0 };
    let peers = Arc::<Others>::clone(&others);
    let world = World::with_kept(Kept { peers, bucket, room }).await;
    let session = recorded(&world, "something").await;
    round(&world).await;
    assert!(in_bucket(&world, session));
    let (_, segments) = world.recording(session).unwrap();
    std::fs::remove_file(file(&world, &segments[0])).unwrap();
    round(&world).await;
    assert!(!file(&world, &segments[0]).exists(), "nothing is fetched that the bucket has");
}

#[test]
fn segments_are_refused_under_the_reserve_and_above_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("recordings");
    let under = SegmentFiles::open(place.clone(), Space { most: u64::MAX, reserve: u64::MAX / 2 });
    let full = under.unwrap().put(SegmentDigest::of(b"x"), b"x").unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    let files = SegmentFiles::open(place.clone(), Space { most: 10, reserve: 0 }).unwrap();
    files.put(SegmentDigest::of(b"123456"), b"123456").unwrap();
    files.put(SegmentDigest::of(b"12345"), b"12345").unwrap_err();
    // What was there before a start counts.
    let files = SegmentFiles::open(place, Space { most: 10, reserve: 0 }).unwrap();
    assert_eq!(files.taken(), 6);
    files.put(SegmentDigest::of(b"12345"), b"12345").unwrap_err();
    files.put(SegmentDigest::of(b"1234"), b"1234").unwrap();
    files.remove(SegmentDigest::of(b"123456")).unwrap();
    assert_eq!(files.taken(), 4);
}

#[test]
fn the_room_is_counted_right_however_many_write_and_remove_the_same_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("recordings");
    let files = SegmentFiles::open(place, Space { most: 1000, reserve: 0 }).unwrap();
    let bytes = [7; 100];
    let digest = SegmentDigest::of(&bytes);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    files.put(digest, &bytes).unwrap();
                    files.remove(digest).unwrap();
                }
            });
        }
    });
    assert_eq!(files.taken(), 0);
    files.put(digest, &bytes).unwrap();
    files.put(digest, &bytes).unwrap();
    assert_eq!(files.taken(), 100);
}

#[test]
fn room_is_short_by_the_setting_or_by_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("recordings");
    let open = |most, reserve| SegmentFiles::open(place.clone(), Space { most, reserve }).unwrap();
    let bytes = [7; 100];
    open(u64::MAX, 0).put(SegmentDigest::of(&bytes), &bytes).unwrap();
    assert!(!open(u64::MAX, 0).is_short().unwrap());
    assert!(!open(1000, 0).is_short().unwrap() && open(110, 0).is_short().unwrap());
    assert!(open(u64::MAX, u64::MAX / 2).is_short().unwrap(), "without a limit the disk is one");
}

#[tokio::test]
async fn what_the_bucket_has_lost_is_not_given_up_and_is_put_there_again() {
    for how in ["gone", "damaged", "fails"] {
        let moody = Moody::new();
        let world = world(&moody, ROOM).await;
        let first = recorded(&world, "first").await;
        round(&world).await;
        assert!(in_bucket(&world, first));
        let (_, segments) = world.recording(first).unwrap();
        let name = format!("test/{}", shelf::object(segments[0].digest));
        let name = object_store::path::Path::from(name);
        match how {
            "gone" => moody.objects.delete(&name).await.unwrap(),
            "damaged" => drop(moody.objects.put(&name, "other".into()).await.unwrap()),
            _ => moody.mood(Mood::Fails),
        }
        while world.recordings.inner.files.taken() < ROOM / 100 * 85 {
            recorded(&world, "another").await;
        }
        round(&world).await;
        let kept = file(&world, &segments[0]).exists();
        assert!(kept && reads(&world, first).await, "{how}: nothing else has it");
        moody.mood(Mood::Works);
        for _ in 0..3 {
            round(&world).await;
        }
        assert!(in_bucket(&world, first) && reads(&world, first).await, "{how}");
        assert!(world.recordings.inner.files.taken() < ROOM / 100 * 85, "{how}: it makes room");
    }
}

#[tokio::test]
async fn a_damaged_copy_is_healed_though_the_bucket_has_the_segment() {
    let moody = Moody::new();
    let world = world(&moody, u64::MAX).await;
    let session = recorded(&world, "something").await;
    round(&world).await;
    let (_, segments) = world.recording(session).unwrap();
    let (path, shelf) = (file(&world, &segments[0]), segments[0].digest.0[0]);
    let whole = std::fs::read(&path).unwrap();
    // Another length is seen in every pass, another bit in that of its shelf, and by whoever reads.
    std::fs::write(&path, b"cut").unwrap();
    round(&world).await;
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    let mut flipped = whole.clone();
    flipped[9] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    pass(&world.recordings.inner, &mut Passed::default(), shelf).await;
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    std::fs::write(&path, &flipped).unwrap();
    assert!(reads(&world, session).await);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}

#[tokio::test]
async fn what_no_node_has_any_more_and_the_bucket_has_lost_is_found_in_the_pass_of_its_shelf() {
    let moody = Moody::new();
    let world = world(&moody, u64::MAX).await;
    let session = recorded(&world, "something").await;
    round(&world).await;
    let (_, segments) = world.recording(session).unwrap();
    std::fs::remove_file(file(&world, &segments[0])).unwrap();
    let shelf = segments[0].digest.0[0];
    pass(&world.recordings.inner, &mut Passed::default(), shelf).await;
    assert!(in_bucket(&world, session));
    let name = format!("test/{}", shelf::object(segments[0].digest));
    moody.objects.delete(&object_store::path::Path::from(name)).await.unwrap();
    pass(&world.recordings.inner, &mut Passed::default(), shelf).await;
    assert!(!in_bucket(&world, session), "the index says so");
}

#[test]
fn what_no_index_names_is_removed_after_a_while_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("recordings");
    let files = SegmentFiles::open(place, Space { most: u64::MAX, reserve: 0 }).unwrap();
    let all: Vec<_> = (0..2000_u32).map(|n| n.to_string().into_bytes()).collect();
    let digests: Vec<_> = all.iter().map(|bytes| SegmentDigest::of(bytes)).collect();
    let shelf = digests[0].0[0];
    let of_shelf: Vec<_> = (0..2000).filter(|n| digests[*n].0[0] == shelf).collect();
    assert!(of_shelf.len() > 1);
    for n in &of_shelf {
        files.put(digests[*n], &all[*n]).unwrap();
    }
    let named = std::collections::HashSet::from([digests[of_shelf[0]]]);
    let now = crate::clock::now_ms();
    let new = files.unnamed(shelf, &named, now - 60_000).unwrap();
    assert!(new.is_empty(), "what is new may be on its way");
    assert!(files.unnamed(shelf.wrapping_add(1), &named, now + 60_000).unwrap().is_empty());
    let unnamed = files.unnamed(shelf, &named, now + 60_000).unwrap();
    assert_eq!(unnamed.len(), of_shelf.len() - 1);
    for digest in unnamed {
        files.remove(digest).unwrap();
    }
    assert!(matches!(files.get(digests[of_shelf[0]]).unwrap(), Found::Whole(_)));
    assert_eq!(files.get(digests[of_shelf[1]]).unwrap(), Found::Absent);
    assert_eq!(files.taken(), all[of_shelf[0]].len() as u64);
}
