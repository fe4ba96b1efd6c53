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
use bytes::Bytes;
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
use std::fs;

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
        if let Place::Folder(folder) = place {
            fs::create_dir_all(folder).unwrap();
        }
        all(&self.store, &key(), (place, ALL)).await?;
        confirm(&self.store, place).await?;
        while self.view().has_archived_events().unwrap() {
            self.store.propose(&Command::Tick).await.unwrap();
        }
        Ok(())
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

fn folder(world: &World) -> Place {
    let folder = world.folder().join("archive");
    fs::create_dir_all(&folder).unwrap();
    Place::Folder(folder)
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
    let in_folder = folder(&world);
    let mut known: Vec<AuditEvent> = Vec::new();
    for place in [&in_folder, &in_folder] {
        world.signed_events().await;
        let seen = known.last().map_or(0, |last| last.sequence);
        known.extend(world.here().into_iter().filter(|event| event.sequence > seen));
        world.archive(place).await.unwrap();
    }
    let view = world.view();
    assert!(view.first_event().unwrap().unwrap() > 10);
    let archive = Archive::at(Some(in_folder));
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
    let elsewhere = Archive::at(Some(in_bucket));
    assert!(matches!(elsewhere.events(&world.store, &file).await, Err(ArchiveError::Absent(1))));
}

#[tokio::test]
async fn the_files_of_a_folder_prove_themselves_one_behind_the_other() {
    let world = World::new().await;
    for _ in 0..3 {
        world.signed_events().await;
        world.archive(&folder(&world)).await.unwrap();
    }
    let mut names: Vec<_> = fs::read_dir(world.folder().join("archive"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    names.sort();
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
async fn what_a_lost_leader_has_written_is_gone_on_with() {
    let world = World::new().await;
    world.signed_events().await;
    // A world of its own, so that the file is written and not entered in the first.
    let (place, written) = (folder(&world), keeper::due(&world.view(), &key(), ALL).unwrap());
    let (number, bytes) = written.unwrap();
    place.create(number, bytes.clone()).await.unwrap();
    world.signed_events().await;
    world.archive(&place).await.unwrap();
    let view = world.view();
    let first = view.archive_file(1).unwrap().unwrap();
    let owner = Owner::of(&view).unwrap().unwrap();
    assert_eq!(first, read(owner, 1, &bytes).unwrap().0);
    let second = view.archive_file(2).unwrap().unwrap();
    assert_eq!(second.after, first.last.sequence);
}

#[tokio::test]
async fn a_file_that_is_none_of_this_chain_keeps_everything_in_the_state() {
    let world = World::new().await;
    world.signed_events().await;
    let stranger = World::new().await;
    stranger.signed_events().await;
    stranger.signed_events().await;
    let foreign = keeper::due(&stranger.view(), &key(), ALL).unwrap().unwrap().1;
    for (bytes, name) in [(Bytes::from_static(b"garbage"), "garbage"), (foreign, "foreign")] {
        let folder = world.folder().join(name);
        fs::create_dir_all(&folder).unwrap();
        let place = Place::Folder(folder);
        place.create(1, bytes).await.unwrap();
        assert!(world.archive(&place).await.is_err(), "{name}");
        assert_eq!(world.view().last_archive_file().unwrap(), None);
    }
}

#[tokio::test]
async fn a_file_that_was_changed_cut_or_exchanged_is_not_read() {
    let world = World::new().await;
    for _ in 0..2 {
        world.signed_events().await;
        world.archive(&folder(&world)).await.unwrap();
    }
    let file = world.view().archive_file(1).unwrap().unwrap();
    let path = world.folder().join("archive/0000000001.jsonl.zst");
    let whole = fs::read(&path).unwrap();
    let other = fs::read(world.folder().join("archive/0000000002.jsonl.zst")).unwrap();
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
        assert!(Archive::at(Some(folder(&world))).events(&world.store, &file).await.is_err());
    }
    fs::write(&path, whole).unwrap();
    Archive::at(Some(folder(&world))).events(&world.store, &file).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_missing_is_never_made() {
    let world = World::new().await;
    world.signed_events().await;
    let folder = world.folder().join("not mounted");
    let place = Place::Folder(folder.clone());
    let archived = all(&world.store, &key(), (&place, ALL)).await;
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
    let (place, own) = (folder(&world), world.folder().join("own"));
    fs::create_dir_all(&own).unwrap();
    world.archive(&place).await.unwrap();
    let file = world.view().last_archive_file().unwrap().unwrap();
    let looks =
        async |place: Place| crate::archive::read(&world.store, &place, &file).await.map(drop);
    let found = looks(Place::Folder(own)).await;
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
    let keeping = Keeping { for_ms: 60_000, most_events: 1000 };
    all(&world.store, &key(), (&folder(&world), keeping)).await.unwrap();
    assert_eq!(world.view().last_archive_file().unwrap(), None);
    // An hour later it is old, and the file ends with its hour.
    world.log.advance(60 * 60 * 1000);
    world.signed_events().await;
    all(&world.store, &key(), (&folder(&world), keeping)).await.unwrap();
    let file = world.view().last_archive_file().unwrap().unwrap();
    assert_eq!((file.number, file.to), (1, file.from));
}
