//! Sessions of one node share the way of their segments, and nothing else.

use super::{peers::Others, *};
use crate::{gate::tests::world::MAX_SESSIONS, recording::sealing::MAX_CONTENT};

/// What a recorder hands over for the first segment of a session.
fn first(ribbon: &Ribbon) -> SegmentHeader {
    SegmentHeader {
        session: ribbon.walk.session(),
        sequence: 1,
        position: Position::Last,
        key: ribbon.key.id(),
        previous: SegmentDigest::NONE,
    }
}

async fn ribbon(world: &World, opened: &OpenedSession) -> Ribbon {
    Ribbon::begin(opened.session.id(), &world.recordings.inner).await.unwrap()
}

fn content() -> Vec<u8> {
    let mut content = entry::begin();
    Moment { at_ms: 1, entry: Entry::Closed { reason: "done".to_owned() } }.write(&mut content);
    content
}

#[tokio::test]
async fn what_sessions_cut_together_is_handed_over_and_entered_together() {
    let others = Others::new();
    let world = World::with_peers(Arc::<Others>::clone(&others)).await;
    let mut sessions = Vec::new();
    for _ in 0..MAX_SESSIONS {
        sessions.push(world.open().await);
    }
    let inner = &world.recordings.inner;
    let keeping = sessions.iter().map(|opened| async {
        let mut ribbon = ribbon(&world, opened).await;
        let header = first(&ribbon);
        inner.keep(&mut ribbon, header, content()).await.unwrap();
    });
    futures::future::join_all(keeping).await;
    for opened in &sessions {
        let (recording, segments) = world.recording(opened.session.id()).unwrap();
        assert_eq!(recording.last, segments[0].digest);
        let other = segments[0].places.iter().find(|node| node.0 != 1).unwrap();
        assert!(others.has(other.0, segments[0].digest));
    }
    // The first goes alone; the others gather while it is under way.
    assert!(others.handed() < MAX_SESSIONS / 2, "{} messages", others.handed());
}

#[tokio::test]
async fn a_segment_that_cannot_be_sealed_ends_no_other_session() {
    let world = World::new().await;
    let (good, bad) = (world.open().await, world.open().await);
    let inner = &world.recordings.inner;
    let (mut fits, mut too_long) = (ribbon(&world, &good).await, ribbon(&world, &bad).await);
    let (header, other) = (first(&fits), first(&too_long));
    let (kept, refused) = tokio::join!(
        inner.keep(&mut fits, header, content()),
        inner.keep(&mut too_long, other, vec![0; MAX_CONTENT + 1]),
    );
    kept.unwrap();
    assert!(matches!(refused, Err(NotDurable::Sealing(SealingError::Compression))), "{refused:?}");
    assert!(world.recording(bad.session.id()).is_none());
}

#[tokio::test]
async fn a_segment_that_the_state_refuses_ends_no_other_session() {
    let world = World::new().await;
    let (good, bad) = (world.open().await, world.open().await);
    let inner = &world.recordings.inner;
    let (mut follows, mut skips) = (ribbon(&world, &good).await, ribbon(&world, &bad).await);
    let (header, skipped) = (first(&follows), SegmentHeader { sequence: 5, ..first(&skips) });
    let (kept, refused) = tokio::join!(
        inner.keep(&mut follows, header, content()),
        inner.keep(&mut skips, skipped, content()),
    );
    kept.unwrap();
    assert!(matches!(refused, Err(NotDurable::Index(ProposeError::Refused(_)))), "{refused:?}");
    assert!(world.recording(bad.session.id()).is_none());
}
