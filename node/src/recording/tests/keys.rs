//! Keys: what one has wrapped, only that one opens, and only for its own session.

use super::*;
use crate::{
    cluster::ClusterKey,
    gate::tests::world::NoPeers,
    recording::{files::Room as Space, rewrap, sealing::DataKey},
};
use countersign_raft_store::command::OpenKeys;

const SESSION: SessionId = SessionId::from_bytes([5; 16]);

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    format!("file:{}", path.display())
}

#[test]
fn a_key_is_opened_by_what_wrapped_it_for_its_own_session() {
    let ring = KeyRing::load(&cluster_key(), None, &[]).unwrap();
    let key = DataKey::draw();
    let wrapped = ring.wrap_anew(SESSION, &key).unwrap();
    assert_eq!(ring.unwrap(SESSION, &wrapped).unwrap().expose(), key.expose());
    ring.unwrap(SessionId::from_bytes([6; 16]), &wrapped).unwrap_err();
    let mut changed = wrapped.clone();
    changed.sealed[20] ^= 1;
    ring.unwrap(SESSION, &changed).unwrap_err();
    changed.sealed.truncate(5);
    ring.unwrap(SESSION, &changed).unwrap_err();
    let other = ClusterKey::of(&[6; 32]).unwrap();
    let other = KeyRing::load(&other, None, &[]).unwrap();
    other.unwrap(SESSION, &wrapped).unwrap_err();
    assert!(!wrapped.sealed.windows(8).any(|part| key.expose().windows(8).any(|of| of == part)));
}

#[test]
fn after_a_rotation_earlier_keys_open_and_the_new_one_wraps() {
    let folder = tempfile::tempdir().unwrap();
    let one = file(&folder, "one", &format!("{}\n", "1a".repeat(32)));
    let two = file(&folder, "two", &"2b".repeat(32));
    let load = |current, earlier: &[String]| KeyRing::load(&cluster_key(), current, earlier);
    let derived = load(None, &[]).unwrap();
    let first = load(Some(&one), &[]).unwrap();
    let second = load(Some(&two), std::slice::from_ref(&one)).unwrap();
    let key = DataKey::draw();
    let (by_derived, by_first) =
        (derived.wrap_anew(SESSION, &key).unwrap(), first.wrap_anew(SESSION, &key).unwrap());
    let by_second = second.wrap_anew(SESSION, &key).unwrap();
    for wrapped in [&by_derived, &by_first, &by_second] {
        assert_eq!(second.unwrap(SESSION, wrapped).unwrap().expose(), key.expose());
    }
    first.unwrap(SESSION, &by_second).unwrap_err();
    derived.unwrap(SESSION, &by_first).unwrap_err();
    assert!(by_first.by != by_second.by && by_second.by != by_derived.by);
    // A new recording is wrapped by the latest that every node opens.
    for (opened, by) in [
        (vec![by_second.by, by_first.by, by_derived.by], by_second.by),
        (vec![by_derived.by, by_first.by], by_first.by),
        (vec![by_derived.by], by_derived.by),
        (Vec::new(), by_second.by),
    ] {
        let everywhere = opened.into_iter().collect();
        assert_eq!(second.wrap(SESSION, &key, &everywhere).unwrap().by, by);
    }
}

#[test]
fn what_is_no_key_is_refused_by_its_reference_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let short = file(&folder, "short", "1a2b");
    let words = file(&folder, "words", &"zz".repeat(32));
    for wrong in [&short, &words, "file:/nowhere/at/all", "env:NO_SUCH_VARIABLE_AT_ALL", "1a2b"] {
        let refused = KeyRing::load(&cluster_key(), Some(wrong), &[]).unwrap_err().to_string();
        assert!(refused.starts_with(wrong), "{refused}");
        assert!(!refused.contains("zzzz"), "{refused}");
    }
}

#[test]
fn a_content_opens_only_in_its_own_place() {
    let key = DataKey::draw();
    let header = SegmentHeader {
        session: SESSION,
        sequence: 2,
        position: Position::Followed,
        key: key.id(),
        previous: SegmentDigest([1; 32]),
    };
    let sealed = key.seal(&header, b"content").unwrap();
    let read = countersign_core::recording::segment::read(&sealed).unwrap();
    assert_eq!(key.open(&read).unwrap(), b"content");
    for other in [
        SegmentHeader { sequence: 3, ..header },
        SegmentHeader { session: SessionId::from_bytes([6; 16]), ..header },
        SegmentHeader { position: Position::Last, ..header },
        SegmentHeader { previous: SegmentDigest([2; 32]), ..header },
    ] {
        let moved = countersign_core::recording::Segment { header: other, ..read };
        assert_eq!(key.open(&moved), Err(SealingError::Cipher));
    }
    assert!(DataKey::draw().open(&read).is_err());
    assert!(!sealed.windows(7).any(|part| part == b"content"));
}

#[tokio::test]
async fn a_new_key_wraps_what_an_earlier_one_has_wrapped_and_the_earlier_one_may_go() {
    let world = World::new().await;
    let opened = world.open().await;
    take(&opened, "something");
    world.close(&opened).await;
    world.event(EventKind::SessionClosed).await;
    let folder = tempfile::tempdir().unwrap();
    let two = file(&folder, "two", &"2b".repeat(32));
    let with = |cluster: &ClusterKey| {
        let parts = RecordingParts {
            node: NodeId(1),
            store: world.store.clone(),
            folder: world.folder().join("recordings"),
            keys: KeyRing::load(cluster, Some(&two), &[]).unwrap(),
            peers: Arc::new(NoPeers),
            places: Places::Local,
            room: Space { most: u64::MAX, reserve: 0 },
            bucket: None,
        };
        Recordings::open(parts).unwrap()
    };
    let reads = async |recordings: &Recordings| {
        let (recording, segments) = world.recording(opened.session.id()).unwrap();
        recordings.read(&recording, (0, SegmentDigest::NONE), &segments).await.is_ok()
    };
    // One has the earlier key, which is derived from the cluster's; the other has only the new one.
    let (rotated, without) = (with(&cluster_key()), with(&ClusterKey::of(&[6; 32]).unwrap()));
    assert!(reads(&rotated).await && !reads(&without).await);
    let before = world.recording(opened.session.id()).unwrap().0;
    assert_eq!(rewrap::pass(&without.inner).await.unwrap(), 0, "what does not open stays");
    assert_eq!(world.recording(opened.session.id()).unwrap().0, before);
    assert_eq!(rewrap::pass(&rotated.inner).await.unwrap(), 0, "no node has said that it opens it");
    assert_eq!(world.recording(opened.session.id()).unwrap().0, before);
    for _ in 0..2 {
        rewrap::say(&rotated.inner).await.unwrap();
    }
    // Another node joins, and does not say anything, or that it has the earlier key only.
    let joined = world.joined().await;
    assert_eq!(rewrap::pass(&rotated.inner).await.unwrap(), 0);
    let names = KeyRing::load(&cluster_key(), None, &[]).unwrap().names();
    world.store.open_keys(OpenKeys { node: joined, names }).await.unwrap();
    assert_eq!(rewrap::pass(&rotated.inner).await.unwrap(), 0);
    assert_eq!(world.recording(opened.session.id()).unwrap().0, before);
    let names = rotated.inner.keys.names();
    world.store.open_keys(OpenKeys { node: joined, names }).await.unwrap();
    assert_eq!(rewrap::pass(&rotated.inner).await.unwrap(), 1);
    assert_eq!(rewrap::pass(&rotated.inner).await.unwrap(), 0, "once");
    assert!(reads(&rotated).await && reads(&without).await);
    let after = world.recording(opened.session.id()).unwrap().0;
    assert_eq!((after.last, after.key.id), (before.last, before.key.id));
}
