//! What has left the state can be read as it was, and nothing leaves it that cannot.

use super::{
    file::{Owner, read},
    keeper::{all, confirm},
    *,
};
use crate::{
    bucket::{
        Bucket,
        tests::{Mood, Moody},
    },
    chain::{self, Signer},
    cluster::ClusterKey,
    gate::tests::world::{World, cluster_key},
};
use countersign_api::audit::export::{Known, Reading, prove};
use countersign_core::{
    gate::{CloseReason, Gate as _},
    log_time::LogTime,
    record::{Claim, ClusterId},
};
use countersign_raft_store::{
    command::{ArchiveRead, Command, RecordCheckpoint},
    handle::AuditFilter,
};
use sha2::{Digest as _, Sha256};
use std::{fs, path::PathBuf};

/// The cluster's part of the folder.
const PART: &str = "test-cluster";
/// Everything that is signed is archived.
pub(crate) const ALL: Keeping = Keeping { for_ms: 0, most_events: 0 };

fn key() -> Arc<ClusterKey> {
    Arc::new(cluster_key())
}

impl World {
    /// Some events more, and a checkpoint behind them.
    pub(crate) async fn signed_events(&self) {
        for _ in 0..5 {
            let opened = self.open().await;
            self.gate.close(opened.session.id(), CloseReason::Agent).await;
        }
        let (view, key) = (self.view(), key());
        if Signer::in_force(&view, &key).unwrap().is_none() {
            let cluster = ClusterId(view.cluster().unwrap().unwrap().id);
            let first = chain::draw(cluster, &key, None, None).unwrap();
            self.store.introduce_audit_key(first).await.unwrap();
        }
        let signer = Signer::in_force(&view, &key).unwrap().unwrap();
        let (head, now) = (view.chain_head().unwrap(), view.log_time().unwrap());
        let signed = signer.say(Claim::Checkpoint, head, now).unwrap();
        self.store.record_checkpoint(RecordCheckpoint { signed, asked: None }).await.unwrap();
    }

    /// Archives everything that is signed, and has the state let go of it.
    pub(crate) async fn archive(&self, place: &Place) -> Result<(), ArchiveError> {
        let places = only(place);
        all(&self.store, &key(), (&places, ALL), &mut None).await?;
        confirm(&self.store, &places).await?;
        while self.view().has_archived_events().unwrap() {
            self.store.propose(&Command::Tick).await.unwrap();
        }
        Ok(())
    }

    /// A folder that every node sees.
    pub(crate) fn shared_folder(&self) -> Place {
        let shared = self.folder().join("archive");
        fs::create_dir_all(&shared).unwrap();
        Place::folder(shared, PART)
    }

    /// The files that are in it.
    fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.folder().join("archive").join(PART)).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }

    fn here(&self) -> Vec<AuditEvent> {
        let (view, mut filter) = (self.view(), AuditFilter::default());
        let mut events = Vec::new();
        loop {
            let page = view.audit_events(&filter, 100).unwrap();
            events.extend(page.events);
            match page.next {
                Some(next) => filter.after = next,
                None => return events,
            }
        }
    }
}

fn only(place: &Place) -> Places {
    Places::of([place.clone()]).unwrap()
}

/// The event of this sequence, wherever it is.
async fn event(store: &Store, archive: &Archive, sequence: u64) -> AuditEvent {
    let view = store.view().unwrap();
    match Found::event(&view, sequence).unwrap() {
        Found::Here => view.audit_event(sequence).unwrap().unwrap(),
        Found::Archived(file) => {
            let trail = Trail::of(archive, store, &file).await.unwrap();
            trail.events().find(|event| event.sequence == sequence).unwrap().clone()
        }
    }
}

#[tokio::test]
async fn what_has_left_the_state_is_read_as_it_was_and_the_chain_goes_on() {
    let world = World::new().await;
    let in_bucket = Place::Bucket(Bucket::over(Moody::new()));
    let in_folder = world.shared_folder();
    let mut known: Vec<AuditEvent> = Vec::new();
    for place in [&in_folder, &in_folder] {
        world.signed_events().await;
        let seen = known.last().map_or(0, |last| last.sequence);
        known.extend(world.here().into_iter().filter(|event| event.sequence > seen));
        world.archive(place).await.unwrap();
    }
    let view = world.view();
    assert!(view.first_event().unwrap().unwrap() > 10);
    let archive = Archive::at(Places::of([in_bucket.clone(), in_folder]));
    for expected in &known {
        assert_eq!(event(&world.store, &archive, expected.sequence).await, *expected);
    }
    assert!(
        matches!(Found::time(&view, LogTime(0)).unwrap(), Found::Archived(file) if file.number == 1)
    );
    assert_eq!(Found::time(&view, LogTime(u64::MAX)).unwrap(), Found::Here);
    let nowhere = Archive::at(None);
    let file = view.archive_file(1).unwrap().unwrap();
    assert!(matches!(nowhere.events(&world.store, &file).await, Err(ArchiveError::Nowhere)));
    let elsewhere = Archive::at(Places::of([in_bucket]));
    assert!(matches!(elsewhere.events(&world.store, &file).await, Err(ArchiveError::Absent(1))));
}

#[tokio::test]
async fn the_files_of_a_folder_prove_themselves_one_behind_the_other() {
    let world = World::new().await;
    for _ in 0..3 {
        world.signed_events().await;
        world.archive(&world.shared_folder()).await.unwrap();
    }
    let names = world.files();
    assert_eq!(names.len(), 3, "{names:?}");
    let (mut reading, mut events) = (Reading::new(Known::default()), 0);
    for name in names {
        let lines = zstd::Decoder::new(fs::File::open(name).unwrap()).unwrap();
        let (proof, next) = prove(io::BufReader::new(lines), reading, drop).unwrap();
        (reading, events) = (next, events + proof.events);
    }
    assert_eq!(events + 1, world.view().first_event().unwrap().unwrap());
}

#[tokio::test(start_paused = true)]
async fn nothing_leaves_the_state_while_the_bucket_fails_hangs_or_lies() {
    for mood in [Mood::Fails, Mood::Hangs, Mood::Forgets, Mood::Garbles] {
        let world = World::new().await;
        world.signed_events().await;
        let moody = Moody::new();
        let place = Place::Bucket(Bucket::over(Arc::<Moody>::clone(&moody)));
        moody.mood(mood);
        assert!(world.archive(&place).await.is_err(), "{mood:?}");
        assert_eq!(world.view().last_archive_file().unwrap(), None);
        assert_eq!(world.view().first_event().unwrap(), Some(1));
        moody.mood(Mood::Works);
        world.archive(&place).await.unwrap();
        assert!(world.view().first_event().unwrap() > Some(1));
    }
}

#[tokio::test]
async fn what_a_lost_leader_or_a_stranger_has_written_is_beside_and_in_nobodys_way() {
    let world = World::new().await;
    world.signed_events().await;
    let (number, written) = keeper::due(&world.view(), &key(), ALL).unwrap().unwrap();
    let (stranger, place) = (World::new().await, world.shared_folder());
    stranger.signed_events().await;
    stranger.signed_events().await;
    let foreign = keeper::due(&stranger.view(), &key(), ALL).unwrap().unwrap().1;
    for bytes in [written, foreign, Bytes::from_static(b"garbage")] {
        let digest = Sha256::digest(&bytes).into();
        place.put(Name { number, digest }, bytes).await.unwrap();
    }
    world.signed_events().await;
    world.archive(&place).await.unwrap();
    assert!(world.view().first_event().unwrap() > Some(10));
    let known: Vec<_> = world.files();
    assert_eq!(known.len(), 4);
    let file = world.view().archive_file(1).unwrap().unwrap();
    let archive = Archive::at(Places::of([place]));
    archive.events(&world.store, &file).await.unwrap();
}

#[tokio::test]
async fn a_file_that_another_cluster_has_signed_is_no_file_of_this_one() {
    let (world, stranger) = (World::new().await, World::new().await);
    world.signed_events().await;
    stranger.signed_events().await;
    let owner = |world: &World| Owner::of(&world.view()).unwrap().unwrap();
    let (number, bytes) = keeper::due(&stranger.view(), &key(), ALL).unwrap().unwrap();
    read(owner(&stranger), number, &bytes).unwrap();
    // It proves itself, by keys that it names itself.
    assert!(read(owner(&world), number, &bytes).is_err());
    assert!(read(owner(&world), number, b"garbage").is_err());
}

#[tokio::test]
async fn a_file_that_was_written_and_not_entered_is_gone_on_with() {
    let world = World::new().await;
    world.signed_events().await;
    let (number, bytes) = keeper::due(&world.view(), &key(), ALL).unwrap().unwrap();
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    let mut unentered = Some(keeper::Unentered { number, bytes });
    // What would be written now has another time in it.
    world.log.advance(1000);
    world.signed_events().await;
    let places = only(&world.shared_folder());
    all(&world.store, &key(), (&places, ALL), &mut unentered).await.unwrap();
    assert!(unentered.is_none());
    assert_eq!(world.view().archive_file(1).unwrap().unwrap().digest, digest);
    // The next ones are new.
    assert_eq!(world.view().last_archive_file().unwrap().unwrap().number, 2);
    assert_eq!(world.files().len(), 2);
}

#[tokio::test]
async fn what_the_place_does_not_take_is_kept_for_the_next_time() {
    let world = World::new().await;
    world.signed_events().await;
    let moody = Moody::new();
    let places = only(&Place::Bucket(Bucket::over(Arc::<Moody>::clone(&moody))));
    moody.mood(Mood::Fails);
    let mut unentered = None;
    let failed = all(&world.store, &key(), (&places, ALL), &mut unentered).await;
    assert!(matches!(failed, Err(ArchiveError::Bucket(_))), "{failed:?}");
    assert_eq!(unentered.unwrap().number, 1);
}

#[tokio::test]
async fn a_file_that_is_lost_before_enough_have_read_it_is_written_again() {
    for how in ["gone", "damaged"] {
        let world = World::new().await;
        world.signed_events().await;
        let places = only(&world.shared_folder());
        all(&world.store, &key(), (&places, ALL), &mut None).await.unwrap();
        let [path] = world.files().try_into().unwrap();
        if how == "gone" {
            fs::remove_file(path).unwrap();
        } else {
            fs::write(path, b"other").unwrap();
        }
        let lost = confirm(&world.store, &places).await.unwrap_err().lost();
        assert_eq!(lost, Some(1));
        world.log.advance(1000);
        world.signed_events().await;
        keeper::again(&world.store, &key(), &places, 1).await.unwrap();
        confirm(&world.store, &places).await.unwrap();
        world.store.propose(&Command::Tick).await.unwrap();
        assert!(world.view().first_event().unwrap() > Some(1), "{how}");
        // What has left the state is not written again.
        assert!(keeper::again(&world.store, &key(), &places, 1).await.is_err());
    }
}

#[tokio::test]
async fn how_far_the_archive_is_behind_is_known() {
    let world = World::new().await;
    world.signed_events().await;
    let keeping = Keeping { for_ms: 60_000, most_events: 1000 };
    let late = || overdue(&world.view(), keeping).unwrap().as_millis();
    assert_eq!(late(), 0);
    world.log.advance(90_000);
    world.signed_events().await;
    assert!((30_000..60_000).contains(&late()), "{}", late());
    let places = only(&world.shared_folder());
    all(&world.store, &key(), (&places, keeping), &mut None).await.unwrap();
    assert!(late() >= 30_000, "nobody has read it");
    confirm(&world.store, &places).await.unwrap();
    assert_eq!(late(), 0);
}

#[tokio::test]
async fn a_file_that_was_changed_cut_or_exchanged_is_not_read() {
    let world = World::new().await;
    for _ in 0..2 {
        world.signed_events().await;
        world.archive(&world.shared_folder()).await.unwrap();
    }
    let file = world.view().archive_file(1).unwrap().unwrap();
    let [path, other] = world.files().try_into().unwrap();
    let (whole, other) = (fs::read(&path).unwrap(), fs::read(other).unwrap());
    let mut damaged: Vec<Vec<u8>> = (0..whole.len())
        .step_by(whole.len() / 20)
        .map(|place| {
            let mut bytes = whole.clone();
            bytes[place] ^= 4;
            bytes
        })
        .collect();
    damaged.extend([whole[..whole.len() - 1].to_vec(), Vec::new(), other]);
    damaged.push([&whole[..], &whole[..]].concat());
    for bytes in damaged {
        fs::write(&path, bytes).unwrap();
        assert!(
            Archive::at(Places::of([world.shared_folder()]))
                .events(&world.store, &file)
                .await
                .is_err()
        );
    }
    fs::write(&path, whole).unwrap();
    Archive::at(Places::of([world.shared_folder()])).events(&world.store, &file).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_missing_is_never_made() {
    let world = World::new().await;
    world.signed_events().await;
    let folder = world.folder().join("not mounted");
    let places = only(&Place::folder(folder.clone(), PART));
    let archived = all(&world.store, &key(), (&places, ALL), &mut None).await;
    assert!(matches!(archived, Err(ArchiveError::Folder(_))), "{archived:?}");
    assert!(!folder.exists());
    assert_eq!(world.view().last_archive_file().unwrap(), None);
}

#[tokio::test]
async fn events_stay_in_the_state_while_the_folder_is_one_that_only_the_leader_sees() {
    let world = World::new().await;
    world.signed_events().await;
    // Another node, that looks into a folder of its own.
    let joined = world.joined().await;
    let (place, own) = (world.shared_folder(), world.folder().join("own"));
    fs::create_dir_all(&own).unwrap();
    world.archive(&place).await.unwrap();
    let file = world.view().last_archive_file().unwrap().unwrap();
    let looks =
        async |place| crate::archive::read(&world.store, &only(&place), &file).await.map(drop);
    let found = looks(Place::folder(own, PART)).await;
    assert!(matches!(found, Err(ArchiveError::Absent(1))), "{found:?}");
    let tick = || async { world.store.propose(&Command::Tick).await.unwrap() };
    tick().await;
    assert_eq!(world.view().first_event().unwrap(), Some(1));
    looks(place).await.unwrap();
    let (number, digest) = (file.number, file.digest);
    let read = ArchiveRead { node: joined, number, digest };
    world.store.archive_read(read).await.unwrap();
    tick().await;
    assert!(world.view().first_event().unwrap() > Some(1));
}

#[tokio::test]
async fn what_is_young_and_few_stays() {
    let world = World::new().await;
    world.signed_events().await;
    let (places, keeping) =
        (only(&world.shared_folder()), Keeping { for_ms: 60_000, most_events: 1000 });
    all(&world.store, &key(), (&places, keeping), &mut None).await.unwrap();
    assert_eq!(world.view().last_archive_file().unwrap(), None);
    // An hour later it is old, and the file ends with its hour.
    world.log.advance(60 * 60 * 1000);
    world.signed_events().await;
    all(&world.store, &key(), (&places, keeping), &mut None).await.unwrap();
    let file = world.view().last_archive_file().unwrap().unwrap();
    assert_eq!((file.number, file.to), (1, file.from));
}
