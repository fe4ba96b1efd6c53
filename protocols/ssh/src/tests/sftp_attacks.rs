//! Ways around the gate that a client of SFTP can try.

use super::{
    gate::Decision,
    odd_host::{Manner, Sftp},
    raw::log_in,
    sftp_raw::{Client, DENIED, FAILURE, NOT_SUPPORTED, OK, Said, string},
    world::{LONG, World},
};
use countersign_core::{operation::Action, record::Outcome, refusal::Refusal};
use russh::ChannelMsg;
use sha2::Digest as _;
use std::{fs, os::unix::fs::symlink, sync::atomic::Ordering, time::Duration};

const READ: u32 = 1;
const WRITE: u32 = 2;
const CREATE: u32 = 8;
const TRUNCATE: u32 = 16;

fn path(world: &World, name: &str) -> Vec<u8> {
    world.at(name).to_str().unwrap().as_bytes().to_vec()
}

#[tokio::test]
async fn only_extensions_that_are_judged_are_offered_and_others_are_refused() {
    let world = World::new().await;
    let mut client = Client::silent(&world).await;
    client.send(1, 3, b"").await;
    let Said::Packet { kind: 2, body, .. } = client.heard().await else { panic!("no hello") };
    let hello = String::from_utf8_lossy(&body).into_owned();
    assert!(hello.contains("posix-rename@openssh.com") && hello.contains("copy-data"), "{hello}");
    assert!(!hello.contains("home-directory") && !hello.contains("users-groups"), "{hello}");
    for name in ["home-directory", "users-groups-by-id@openssh.com", "vendor-id", "", "md5-hash"] {
        let body = [string(name), string("x")].concat();
        assert_eq!(client.ask(200, &body).await.status(), Some(NOT_SUPPORTED), "{name}");
    }
    // LINK and BLOCK of version 6, and what nobody has ever defined.
    for kind in [0, 2, 21, 22, 23, 99, 101, 104, 199, 201, 255] {
        assert_eq!(client.ask(kind, &string("x")).await.status(), Some(NOT_SUPPORTED), "{kind}");
    }
    assert_eq!(world.gate.admitted.lock().unwrap().len(), 1, "SFTP itself");
}

#[tokio::test]
async fn a_packet_that_cannot_be_read_ends_the_channel() {
    let world = World::new().await;
    let long = u32::MAX.to_be_bytes();
    let truncated = [&[0, 0, 0, 9][..], &[16], &[0, 0, 0, 1], &[0, 0, 0, 200]].concat();
    let trailing = [&[0, 0, 0, 12][..], &[16], &[0, 0, 0, 1], &[0, 0, 0, 1], b"xyz"].concat();
    let second_hello = [0, 0, 0, 5, 1, 0, 0, 0, 3];
    for bytes in [&long[..], &[0, 4, 0, 1, 6], &[0, 0, 0, 0], &truncated, &trailing, &second_hello]
    {
        let mut client = Client::new(&world).await;
        client.bytes(bytes).await;
        assert_eq!(client.heard().await, Said::Over, "{bytes:?}");
        assert!(client.told.contains("protocol violation"), "{bytes:?}: {}", client.told);
    }
    let mut early = Client::silent(&world).await;
    early.send(16, 1, &string("/")).await;
    assert_eq!(early.heard().await, Said::Over, "a request before the hello");
    assert_eq!(world.gate.hold_count(), 0);
}

#[tokio::test]
async fn a_handle_that_was_not_given_here_opens_nothing() {
    let world = World::new().await;
    fs::write(world.at("notes"), "x").unwrap();
    let mut one = Client::new(&world).await;
    let mut other = Client::new(&world).await;
    let handle = one.open(path(&world, "notes"), READ).await.string();
    let read = |handle: &[u8]| [string(handle), vec![0; 8], vec![0, 0, 0, 9]].concat();
    for wrong in [&handle[..], b"", b"0001", &[b'x'; 300]] {
        assert_eq!(other.ask(5, &read(wrong)).await.status(), Some(FAILURE));
    }
    assert_eq!(one.ask(5, &read(&handle)).await.string(), b"x");
    assert_eq!(one.ask(4, &string(&handle)).await.status(), Some(OK));
    assert_eq!(one.ask(5, &read(&handle)).await.status(), Some(FAILURE), "it is closed");
    assert_eq!(one.ask(4, &string(&handle)).await.status(), Some(FAILURE));
}

#[tokio::test]
async fn what_is_open_for_reading_is_not_written_to() {
    let world = World::new().await;
    fs::write(world.at("notes"), "old").unwrap();
    fs::write(world.at("other"), "other").unwrap();
    let mut client = Client::new(&world).await;
    let handle = client.open(path(&world, "notes"), READ).await.string();
    let other = client.open(path(&world, "other"), READ).await.string();
    let write = [string(&handle), vec![0; 8], string("new")].concat();
    assert_eq!(client.ask(6, &write).await.status(), Some(FAILURE));
    assert_eq!(client.ask(12, &string(&handle)).await.status(), Some(FAILURE), "no folder");
    let (from, to) = (string(&other), string(&handle));
    let copy = [string("copy-data"), from, vec![0; 16], to, vec![0; 8]].concat();
    assert_eq!(client.ask(200, &copy).await.status(), Some(FAILURE));
    // A new length is a change of the contents: it is held, as an operation of its own.
    let cut = [string(&handle), vec![0, 0, 0, 1], vec![0; 8]].concat();
    client.send(10, 5, &cut).await;
    let hold = world.gate.hold(0).await;
    let asks = |action| hold.operation.demands().iter().any(|demand| demand.action == action);
    assert!(asks(Action::SshWrite) && asks(Action::SshSetstat));
    hold.decide.send_replace(Decision::Refuse(Refusal::NoSuchTarget));
    assert_eq!(client.heard().await.status(), Some(DENIED));
    assert_eq!(fs::read_to_string(world.at("notes")).unwrap(), "old");
}

#[tokio::test]
async fn whatever_can_change_a_file_that_is_opened_is_held_before_it_is_opened() {
    let world = World::new().await;
    let name = path(&world, "notes");
    for flags in [READ | TRUNCATE, READ | CREATE, READ | 4, WRITE, READ | WRITE | TRUNCATE] {
        fs::write(world.at("notes"), "old").unwrap();
        let client = Client::new(&world).await;
        let before = world.gate.hold_count();
        let body = [string(&name), flags.to_be_bytes().to_vec(), vec![0; 4]].concat();
        client.send(3, 1, &body).await;
        let hold = world.gate.hold(before).await;
        let asks = |action| hold.operation.demands().iter().any(|demand| demand.action == action);
        assert!(asks(Action::SshWrite), "{flags}");
        assert_eq!(asks(Action::SshRead), flags & READ != 0, "{flags}");
        assert_eq!(fs::read_to_string(world.at("notes")).unwrap(), "old", "{flags}");
    }
    let mut client = Client::new(&world).await;
    // 32 without 8: exclusive, without creating anything, follows a link like any other.
    for flags in [0, 4, 8, 64 | READ, u32::MAX, READ | 32, WRITE | 32, READ | WRITE | TRUNCATE | 32]
    {
        assert_eq!(client.open(&name, flags).await.status(), Some(NOT_SUPPORTED), "{flags}");
    }
    // Attributes that nobody can judge.
    let odd = [string(&name), READ.to_be_bytes().to_vec(), 0x8000_0000_u32.to_be_bytes().to_vec()];
    assert_eq!(client.ask(3, &odd.concat()).await.status(), Some(NOT_SUPPORTED));
}

#[tokio::test]
async fn a_folder_that_is_shut_is_shut_under_every_name_of_its_own() {
    let world = World::new().await;
    let shut = world.at("shut");
    fs::create_dir(&shut).unwrap();
    fs::write(shut.join("key"), "secret").unwrap();
    fs::create_dir(world.at("open")).unwrap();
    fs::write(world.at("open/file"), "mine").unwrap();
    symlink(&shut, world.at("open/way")).unwrap();
    symlink(shut.join("key"), world.at("open/key")).unwrap();
    symlink(shut.join("new"), world.at("open/dangling")).unwrap();
    let shut_path = fs::canonicalize(&shut).unwrap();
    world.gate.forbid(&shut_path);
    world.gate.approve_all();
    let mut client = Client::new(&world).await;
    for name in ["shut/key", "open/../shut/key", "open//way/./key", "open/key", "shut//key"] {
        let said = client.open(path(&world, name), READ).await;
        assert_eq!(said.status(), Some(DENIED), "{name}");
        let status = client.ask(17, &string(path(&world, name))).await.status();
        assert_eq!(status, Some(DENIED), "stat {name}");
    }
    for around in ["/proc/self/root", "/proc/self/cwd/../../../../../../../..", "//", "/."] {
        let name = format!("{around}{}/key", shut_path.display());
        assert_eq!(client.open(&name, READ).await.status(), Some(DENIED), "{name}");
    }
    assert!(client.told.contains("REFUSED denied by policy (shut)"), "{}", client.told);
    // Through a link that leads to nothing yet.
    let said = client.open(path(&world, "open/dangling"), WRITE | CREATE).await;
    assert_eq!(said.status(), Some(DENIED));
    let file = string(path(&world, "open/file"));
    let two = |one: Vec<u8>, other: Vec<u8>| [one, other].concat();
    let extended = |name: &str, rest: Vec<u8>| [string(name), rest].concat();
    let over = string(path(&world, "shut/key"));
    let link = string(path(&world, "open/link"));
    let relative = string("../shut/key");
    let through = string(path(&world, "open/key"));
    for (kind, body, what) in [
        (18, two(file.clone(), over.clone()), "rename over"),
        (18, two(over.clone(), link.clone()), "rename away"),
        (200, extended("posix-rename@openssh.com", two(file.clone(), over.clone())), "posix"),
        (200, extended("hardlink@openssh.com", two(over.clone(), link.clone())), "hardlink"),
        (20, two(over.clone(), link.clone()), "symlink to it"),
        (20, two(relative, link.clone()), "symlink to it from its folder"),
        (20, two(file.clone(), string(path(&world, "shut/link"))), "symlink in it"),
        (
            200,
            extended("hardlink@openssh.com", two(through, link.clone())),
            "hardlink through a link",
        ),
        (13, over.clone(), "remove"),
        (14, [string(path(&world, "open/way/made")), vec![0; 4]].concat(), "mkdir"),
        (15, string(path(&world, "shut")), "rmdir"),
        (11, string(path(&world, "open/way")), "opendir"),
        (16, string(path(&world, "open/way")), "realpath"),
        (9, [over.clone(), vec![0, 0, 0, 4, 0, 0, 1, 0o377]].concat(), "setstat"),
        (200, extended("lsetstat@openssh.com", [over, vec![0; 4]].concat()), "lsetstat"),
        (200, extended("statvfs@openssh.com", string(path(&world, "shut"))), "statvfs"),
        (200, extended("expand-path@openssh.com", string(path(&world, "shut"))), "expand"),
    ] {
        assert_eq!(client.ask(kind, &body).await.status(), Some(DENIED), "{what}");
    }
    // What is not shut is not: the link itself is in the open folder.
    assert_eq!(client.ask(13, &string(path(&world, "open/way"))).await.status(), Some(OK));
    assert!(!world.at("open/way").exists() && shut.join("key").exists());
    assert!(!shut.join("new").exists() && !shut.join("made").exists());
}

#[tokio::test]
async fn a_name_that_is_no_plain_text_is_no_way_past_a_rule() {
    let world = World::new().await;
    let mut client = Client::new(&world).await;
    let nul = [path(&world, "a"), b"\0b".to_vec()].concat();
    assert_eq!(client.open(&nul, READ).await.status(), Some(5));
    assert_eq!(client.open(vec![b'a'; 5000], READ).await.status(), Some(5));
    let odd = [path(&world, ""), b"\xff\xfe".to_vec()].concat();
    fs::write(world.at("plain"), "x").unwrap();
    let body = [string(&odd), READ.to_be_bytes().to_vec(), vec![0; 4]].concat();
    client.send(3, 9, &body).await;
    // No rule for readers reaches it.
    let hold = world.gate.hold(0).await;
    assert!(hold.operation.demands().iter().any(|one| one.action == Action::SshOpaque));
    assert!(hold.operation.text().ends_with(b"/\xff\xfe'"), "{:?}", hold.operation.text());
}

#[tokio::test]
async fn what_an_approval_was_for_is_what_is_forwarded_or_nothing_is() {
    let world = World::new().await;
    for name in ["one", "two"] {
        fs::create_dir(world.at(name)).unwrap();
    }
    symlink(world.at("one"), world.at("way")).unwrap();
    let mut client = Client::new(&world).await;
    let body = [string(path(&world, "way/file")), (WRITE | CREATE).to_be_bytes().to_vec()];
    client.send(3, 9, &[body.concat(), vec![0; 4]].concat()).await;
    let hold = world.gate.hold(0).await;
    let text = String::from_utf8_lossy(hold.operation.text()).into_owned();
    assert!(text.ends_with("/one/file"), "{text}");
    // The link leads elsewhere by the time that it is approved.
    fs::remove_file(world.at("way")).unwrap();
    symlink(world.at("two"), world.at("way")).unwrap();
    hold.decide.send_replace(Decision::Approve);
    assert_eq!(client.heard().await.status(), Some(DENIED));
    assert_eq!(*hold.ended.borrow(), "parked", "the approval is not used up");
    assert!(!world.at("one/file").exists() && !world.at("two/file").exists());
}

#[tokio::test]
async fn what_is_behind_a_held_request_waits_and_keeps_its_order() {
    let world = World::new().await;
    let name = path(&world, "new");
    let mut client = Client::new(&world).await;
    let open = [string(&name), (WRITE | CREATE).to_be_bytes().to_vec(), vec![0; 4]].concat();
    client.send(3, 1, &open).await;
    for id in 2..200 {
        client.send(17, id, &string(&name)).await;
    }
    let hold = world.gate.hold(0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.gate.admitted.lock().unwrap().len(), 1, "SFTP itself");
    hold.decide.send_replace(Decision::Approve);
    for id in 1..200 {
        let said = client.heard().await;
        // The file was there when it was looked at.
        let kind = if id == 1 { 102 } else { 105 };
        assert!(
            matches!(said, Said::Packet { kind: k, id: i, .. } if (k, i) == (kind, id)),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_goes_away_parks_what_it_waits_for() {
    let world = World::new().await;
    let name = path(&world, "new");
    let client = Client::new(&world).await;
    let open = [string(&name), (WRITE | CREATE).to_be_bytes().to_vec(), vec![0; 4]].concat();
    client.send(3, 1, &open).await;
    let hold = world.gate.hold(0).await;
    drop(client);
    let mut ended = hold.ended.subscribe();
    let ended = tokio::time::timeout(LONG, ended.wait_for(|ended| !ended.is_empty()));
    assert_eq!(*ended.await.unwrap().unwrap(), "parked");
    assert!(!world.at("new").exists());
}

#[tokio::test]
async fn a_session_that_is_ended_closes_what_is_open_and_says_what_went_by() {
    let world = World::new().await;
    world.gate.approve_all();
    let mut client = Client::new(&world).await;
    let handle = client.open(path(&world, "new"), WRITE | CREATE).await.string();
    let write = [string(&handle), vec![0; 8], string("half")].concat();
    assert_eq!(client.ask(6, &write).await.status(), Some(OK));
    world.gate.end_all(Refusal::SessionEnded { reason: "revoked".to_owned() }).await;
    assert_eq!(client.heard().await, Said::Over);
    assert!(client.told.contains("the session was ended: revoked"), "{}", client.told);
    let settled =
        world.gate.settled.subscribe().wait_for(|all| all.len() == 2).await.unwrap().clone();
    let half = settled.iter().find(|one| one.word.starts_with("not closed; wrote 4 bytes sha256="));
    assert_eq!(half.expect("it is in the record").outcome, Outcome::Completed, "{settled:?}");
}

#[tokio::test]
async fn a_node_without_a_lease_opens_and_writes_nothing() {
    let world = World::new().await;
    world.gate.approve_all();
    let mut client = Client::new(&world).await;
    let handle = client.open(path(&world, "new"), WRITE | CREATE).await.string();
    world.gate.lease.store(false, Ordering::SeqCst);
    let write = [string(&handle), vec![0; 8], string("more")].concat();
    assert_eq!(client.ask(6, &write).await.status(), Some(FAILURE));
    assert_eq!(client.open(path(&world, "other"), WRITE | CREATE).await.status(), Some(FAILURE));
    assert_eq!(fs::read(world.at("new")).unwrap(), b"");
    assert!(!world.at("other").exists());
}

#[tokio::test]
async fn where_names_begin_is_told_and_nothing_else_unasked() {
    let world = World::new().await;
    let shut = fs::canonicalize(world.folder.path()).unwrap();
    world.gate.forbid(&shut);
    let mut client = Client::new(&world).await;
    for name in ["", "."] {
        assert!(matches!(client.ask(16, &string(name)).await, Said::Packet { kind: 104, .. }));
    }
    // What is not there is no more told than what is.
    for name in ["host", "nothing", "no/such/folder"] {
        assert_eq!(
            client.ask(7, &string(path(&world, name))).await.status(),
            Some(DENIED),
            "{name}"
        );
    }
}

#[tokio::test]
async fn no_other_subsystem_begins_and_none_in_a_terminal() {
    let world = World::new().await;
    let handle = log_in(&world).await;
    for name in ["netconf", "SFTP", "sftp ", "sftp\0", "", "/usr/lib/openssh/sftp-server"] {
        let mut channel = handle.channel_open_session().await.unwrap();
        channel.request_subsystem(true, name).await.unwrap();
        let answer = tokio::time::timeout(LONG, channel.wait()).await.unwrap();
        assert!(matches!(answer, Some(ChannelMsg::Failure)), "{name:?}: {answer:?}");
    }
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    assert!(matches!(channel.wait().await, Some(ChannelMsg::Success)), "the terminal");
    assert!(matches!(channel.wait().await, Some(ChannelMsg::Failure)), "SFTP");
    assert!(world.gate.admitted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn more_than_is_under_way_at_once_comes_and_goes_in_its_order() {
    let world = World::new().await;
    world.gate.approve_all();
    let mut client = Client::new(&world).await;
    let handle = client.open(path(&world, "new"), WRITE | CREATE).await.string();
    let data: Vec<u8> = (0..2_000_u32).flat_map(u32::to_be_bytes).collect();
    for (id, piece) in (0..).zip(data.chunks(4)) {
        let offset = (u64::from(id) * 4).to_be_bytes();
        client.send(6, id, &[string(&handle), offset.to_vec(), string(piece)].concat()).await;
    }
    // It is closed before any of it is known to be written.
    client.send(4, 5_000, &string(&handle)).await;
    for expected in (0..2_000).chain([5_000]) {
        let said = client.heard().await;
        assert!(matches!(said, Said::Packet { kind: 101, id, .. } if id == expected), "{said:?}");
        assert_eq!(said.status(), Some(OK));
    }
    assert_eq!(fs::read(world.at("new")).unwrap(), data);
    let handle = client.open(path(&world, "new"), READ).await.string();
    for id in 0..2_000 {
        let offset = (u64::from(id) * 4).to_be_bytes();
        let body = [string(&handle), offset.to_vec(), vec![0, 0, 0, 4]].concat();
        client.send(5, id, &body).await;
    }
    for (expected, piece) in (0..).zip(data.chunks(4)) {
        let said = client.heard().await;
        assert!(matches!(said, Said::Packet { id, .. } if id == expected), "{said:?}");
        assert_eq!(said.string(), piece);
    }
    assert_eq!(client.ask(4, &string(&handle)).await.status(), Some(OK));
    let sum = hex::encode(sha2::Sha256::digest(&data));
    let settled = world.gate.settled.borrow().clone();
    for way in ["wrote", "read"] {
        let word = format!("closed; {way} 8000 bytes sha256={sum}");
        assert!(settled.iter().any(|one| one.word == word), "{way}: {settled:?}");
    }
}

#[tokio::test]
async fn a_host_that_does_not_speak_sftp_as_it_should_is_not_listened_to() {
    for oddity in [Sftp::Banner, Sftp::OldVersion, Sftp::NoHello] {
        let (world, _host) = World::before_an_odd_host(Manner::Files(oddity)).await;
        let mut client = Client::silent(&world).await;
        client.send(1, 3, b"").await;
        assert_eq!(client.heard().await, Said::Over, "{oddity:?}");
        assert!(client.told.contains("countersign: "), "{oddity:?}: {}", client.told);
    }
    for oddity in [Sftp::StrayAnswer, Sftp::OtherAnswer] {
        let (world, _host) = World::before_an_odd_host(Manner::Files(oddity)).await;
        let mut client = Client::new(&world).await;
        client.send(17, 1, &string("/x")).await;
        assert_eq!(client.heard().await, Said::Over, "{oddity:?}");
        assert!(client.told.contains("does not speak SFTP"), "{oddity:?}: {}", client.told);
    }
}

#[tokio::test]
async fn nothing_is_done_for_a_client_that_went_away_while_it_was_admitted() {
    let world = World::new().await;
    let client = Client::new(&world).await;
    world.gate.admitting.send_replace(false);
    client.send(17, 1, &string(path(&world, "host"))).await;
    let admitted = async {
        while world.gate.admitted.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, admitted).await.unwrap();
    client.channel.close().await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.gate.admitting.send_replace(true);
    let mut settled = world.gate.settled.subscribe();
    let all = tokio::time::timeout(LONG, settled.wait_for(|all| all.len() == 2)).await.unwrap();
    let all = all.unwrap().clone();
    assert!(all.iter().any(|one| one.outcome == Outcome::Refused), "{all:?}");
}

#[tokio::test]
async fn what_is_open_is_used_under_the_policy_that_it_was_opened_under_alone() {
    let world = World::new().await;
    fs::write(world.at("notes"), "old").unwrap();
    let name = path(&world, "notes");
    let mut client = Client::new(&world).await;
    let body = [string(&name), (READ | WRITE).to_be_bytes().to_vec(), vec![0; 4]].concat();
    client.send(3, 9, &body).await;
    world.gate.approve(0).await;
    let Said::Packet { kind: 102, body: handle, .. } = client.heard().await else {
        panic!("no handle")
    };
    let at = |offset: u64, rest: &[u8]| {
        [handle.clone(), offset.to_be_bytes().to_vec(), rest.to_vec()].concat()
    };
    assert_eq!(client.ask(6, &at(0, &string("new"))).await.status(), Some(OK));
    world.gate.policy_changed.store(true, Ordering::SeqCst);
    for (kind, body) in [
        (6, at(0, &string("bad"))),
        (5, at(0, &3_u32.to_be_bytes())),
        (8, handle.clone()),
        (200, [string("fsync@openssh.com"), handle.clone()].concat()),
    ] {
        let said = client.ask(kind, &body).await;
        assert_eq!(said.status(), Some(FAILURE), "{kind}: {said:?}");
    }
    assert_eq!(fs::read_to_string(world.at("notes")).unwrap(), "new");
    assert_eq!(client.ask(4, &handle).await.status(), Some(OK), "it can be closed");
}
