//! A server of the test's own to try texts out on, with the shop that the corpus is about, and the way back to how it was.

use super::watch::{CANARY, ENDED};
use crate::tests::{
    agent::{Agent, error},
    place::Place,
};
use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, path::Path};

/// Tables, functions and the like that the texts of the corpus name.
const SHOP: &str = include_str!("../../classify/tests/corpus/shop.sql");

/// What a text can have left behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Left {
    /// Something in the database.
    Committed,
    /// Only what no transaction takes back.
    Outside,
}

pub(super) struct Server {
    pub(super) place: Place,
    /// A session of the superuser's that only looks.
    pub(super) control: Agent,
    /// A session that texts may end.
    victim: Agent,
    /// The files that were there at first.
    own_files: BTreeSet<String>,
}

impl Server {
    /// Fills the database `orders` of a place with the shop.
    pub(super) async fn new(place: Place, more: &str) -> Self {
        let files = place.folder.path().join("files");
        fs::create_dir(&files).unwrap();
        fs::set_permissions(&files, fs::Permissions::from_mode(0o777)).unwrap();
        for canary in [files.join("passwd"), place.folder.path().join("data/x")] {
            fs::write(&canary, CANARY).unwrap();
            fs::set_permissions(&canary, fs::Permissions::from_mode(0o644)).unwrap();
        }
        let shop = [SHOP, more].concat();
        place.truth(&place_files(&files, &shop));
        let mut setup = Agent::direct(place.folder.path(), "postgres", "setup").await;
        let answer = setup.query("CREATE DATABASE shop TEMPLATE orders").await;
        assert_eq!(error(&answer), "");
        let control = listening(&place).await;
        let victim = Agent::direct(place.folder.path(), "postgres", "victim").await;
        let mut server = Self { place, control, victim, own_files: BTreeSet::new() };
        server.own_files = server.files().into_iter().map(|(path, _)| path).collect();
        server
    }

    pub(super) async fn connect(&self, application: &str) -> Agent {
        Agent::direct(self.place.folder.path(), "orders", application).await
    }

    /// A text of the corpus with the paths of this server.
    pub(super) fn placed(&self, text: &str) -> String {
        place_files(&self.place.folder.path().join("files"), text)
    }

    /// The files that texts can reach, with their lengths.
    pub(super) fn files(&self) -> BTreeSet<(String, u64)> {
        let data = self.place.folder.path().join("data");
        let mut found = BTreeSet::new();
        for folder in [data, self.place.folder.path().join("files")] {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let name = entry.path().to_string_lossy().into_owned();
                let length = entry.metadata().map_or(0, |found| found.len());
                let varies = ["/postmaster.pid", "/log"].iter().any(|end| name.ends_with(end))
                    || entry.path().is_dir();
                found.insert((name, if varies { 0 } else { length }));
            }
        }
        found
    }

    /// Undoes what a text left behind; the database too, if it has committed something there.
    pub(super) async fn restore(&mut self, outside: &BTreeSet<String>, left: Left) {
        // Most often there is none, which is an error.
        self.control.query("ROLLBACK PREPARED 'x'").await;
        let folder = self.place.folder.path().to_owned();
        let mut admin = Agent::direct(&folder, "postgres", "restore").await;
        let mut undo = vec![
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots",
            "SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin",
            "ALTER SYSTEM RESET ALL",
        ];
        if left == Left::Committed {
            undo.extend([
                "DROP DATABASE IF EXISTS d",
                "ALTER DATABASE orders WITH ALLOW_CONNECTIONS false",
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'orders'",
                "DROP DATABASE orders",
                "CREATE DATABASE orders TEMPLATE shop OWNER app",
            ]);
        } else {
            self.control.query("SELECT setval('public.seq', 1, false)").await;
        }
        for statement in undo {
            let answer = admin.query(statement).await;
            assert_eq!(error(&answer), "", "{statement}: {answer:?}");
        }
        if left == Left::Committed {
            self.control = listening(&self.place).await;
        }
        if outside.contains(ENDED) {
            self.victim = Agent::direct(&folder, "postgres", "victim").await;
        }
        for (made, _) in self.files() {
            if !self.own_files.contains(&made) {
                fs::remove_file(made).unwrap();
            }
        }
    }
}

async fn listening(place: &Place) -> Agent {
    let mut control = Agent::direct(place.folder.path(), "orders", "control").await;
    control.query("LISTEN c").await;
    control.query("LISTEN x").await;
    control
}

/// Files of the machine's own are those of the test's folder; long waits are short.
fn place_files(files: &Path, text: &str) -> String {
    text.replace("/tmp/", &format!("{}/", files.display()))
        .replace("/etc/passwd", &format!("{}/passwd", files.display()))
        .replace("postmaster.pid", "x")
        .replace("pg_sleep(1)", "pg_sleep(0)")
}
