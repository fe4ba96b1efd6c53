//! What can become of files.

use super::*;
use crate::recording::files::{Found, Room as Space, SegmentFiles};
use std::{fs, path::PathBuf};

const NO_LIMIT: Space = Space { most: u64::MAX, reserve: 0 };

impl World {
    /// From now on the folder of the recordings takes no file.
    pub(super) fn break_disk(&self) {
        let folder = self.folder().join("recordings");
        fs::remove_dir_all(&folder).unwrap();
        fs::write(&folder, "no folder").unwrap();
    }
}

/// A recording of one segment, whose file is `path`.
async fn one(world: &World) -> (RecordingRecord, Vec<SegmentRecord>, PathBuf) {
    let opened = world.open().await;
    take(&opened, "something");
    world.close(&opened).await;
    world.event(EventKind::SessionClosed).await;
    let (recording, segments) = world.recording(opened.session.id()).unwrap();
    let digest = segments[0].digest.to_string();
    let path = world.folder().join("recordings").join(&digest[..2]);
    (recording, segments, path.join(format!("{digest}.segment")))
}

async fn read(
    world: &World,
    (recording, segments): (&RecordingRecord, &[SegmentRecord]),
) -> Result<Vec<Moment>, ReadingError> {
    world.recordings.read(recording, (0, SegmentDigest::NONE), segments).await
}

#[tokio::test]
async fn a_flipped_bit_a_truncation_and_a_missing_file_are_found() {
    let world = World::new().await;
    let (recording, segments, path) = one(&world).await;
    let whole = fs::read(&path).unwrap();
    for place in [0, 8, 20, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        let found = read(&world, (&recording, &segments)).await;
        assert!(matches!(found, Err(ReadingError::Damaged { sequence: 1 })), "{found:?}");
    }
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let found = read(&world, (&recording, &segments)).await;
    assert!(matches!(found, Err(ReadingError::Damaged { sequence: 1 })), "{found:?}");
    fs::remove_file(&path).unwrap();
    let found = read(&world, (&recording, &segments)).await;
    assert!(matches!(found, Err(ReadingError::Absent { sequence: 1 })), "{found:?}");
    fs::write(&path, &whole).unwrap();
    assert_eq!(read(&world, (&recording, &segments)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn segments_that_are_left_out_or_in_another_order_are_not_shown() {
    let world = World::new().await;
    let opened = world.open().await;
    for _ in 0..3 {
        take(&opened, &"x".repeat(100 * 1024));
        opened.recorder.room().await.unwrap();
    }
    world.close(&opened).await;
    world.event(EventKind::SessionClosed).await;
    let (recording, segments) = world.recording(opened.session.id()).unwrap();
    assert!(segments.len() >= 3);
    let swapped = [&segments[1..2], &segments[..1]].concat();
    let gap = [&segments[..1], &segments[2..]].concat();
    for wrong in [&swapped[..], &gap, &segments[1..]] {
        let found = read(&world, (&recording, wrong)).await;
        assert!(matches!(found, Err(ReadingError::Order(_))), "{found:?}");
    }
}

#[tokio::test]
async fn a_segment_under_the_key_of_another_recording_does_not_open() {
    let world = World::new().await;
    let (one, segments, _) = one(&world).await;
    let other = {
        let opened = world.open().await;
        take(&opened, "another");
        world.close(&opened).await;
        while world.events(EventKind::SessionClosed).len() < 2 {
            sleep(Duration::from_millis(1)).await;
        }
        world.recording(opened.session.id()).unwrap().0
    };
    // The index of one, with the key of the other.
    let forged = RecordingRecord { key: other.key.clone(), ..one };
    let found = read(&world, (&forged, &segments)).await;
    assert!(matches!(found, Err(ReadingError::Sealed { .. })), "{found:?}");
    let found = read(&world, (&other, &segments)).await;
    assert!(found.is_err(), "{found:?}");
}

#[test]
fn what_a_crash_left_unfinished_is_removed_and_what_has_its_name_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("recordings");
    let files = SegmentFiles::open(place.clone(), NO_LIMIT).unwrap();
    let bytes = b"the bytes of a segment".to_vec();
    let digest = SegmentDigest::of(&bytes);
    files.put(digest, &bytes).unwrap();
    let shelf = place.join(&digest.to_string()[..2]);
    // Killed between write and rename, with all of the bytes and with some of them.
    for (name, left) in [("a-0.unfinished", &bytes[..]), ("a-1.unfinished", &bytes[..4])] {
        fs::write(shelf.join(name), left).unwrap();
    }
    let again = SegmentFiles::open(place, NO_LIMIT).unwrap();
    assert_eq!(fs::read_dir(&shelf).unwrap().count(), 1);
    assert_eq!(again.get(digest).unwrap(), Found::Whole(bytes.clone()));
    // Written again it is the same file.
    again.put(digest, &bytes).unwrap();
    assert_eq!(again.get(digest).unwrap(), Found::Whole(bytes));
    assert_eq!(again.get(SegmentDigest([1; 32])).unwrap(), Found::Absent);
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("recordings");
    let files = SegmentFiles::open(place.clone(), NO_LIMIT).unwrap();
    let digest = SegmentDigest::of(b"x");
    // A file where the shelf should be.
    fs::write(place.join(&digest.to_string()[..2]), "").unwrap();
    files.put(digest, b"x").unwrap_err();
    assert!(files.get(digest).is_err() || files.get(digest).unwrap() == Found::Absent);
}
