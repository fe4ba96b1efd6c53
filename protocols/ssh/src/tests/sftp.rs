//! Files by OpenSSH's `sftp` and `scp`: what is in them, what became of them, and who was asked.

use super::{
    gate::Decision,
    world::{World, came},
};
use countersign_core::{id::HoldId, record::Outcome, refusal::Refusal};
use sha2::{Digest as _, Sha256};
use std::{fs, os::unix::fs::PermissionsExt as _};

fn sum(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// More than is under way at once, and no two pieces of it alike.
fn large() -> Vec<u8> {
    (0..3_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect()
}

#[tokio::test]
async fn files_are_listed_and_fetched_without_a_human() {
    let world = World::new().await;
    let folder = world.at("tree");
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("sub/notes"), "hello\n").unwrap();
    let large = large();
    fs::write(folder.join("large"), &large).unwrap();
    let (from, to) = (folder.display(), world.at("copy"));
    let ran = world.sftp(&format!("ls -l {from}\nget -r {from} {}\n", to.display())).await;
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.out.contains("large"), "{ran:?}");
    assert_eq!(fs::read(to.join("sub/notes")).unwrap(), b"hello\n");
    assert_eq!(sum(&fs::read(to.join("large")).unwrap()), sum(&large));
    assert_eq!(world.gate.hold_count(), 0);
    let word = |bytes: &[u8]| format!("closed; read {} bytes sha256={}", bytes.len(), sum(bytes));
    let settled = world.gate.settled.borrow().clone();
    for bytes in [&b"hello\n"[..], &large] {
        let one = settled.iter().find(|one| one.word == word(bytes)).expect("it is in the record");
        assert_eq!((one.outcome, one.bytes), (Outcome::Completed, bytes.len() as u64));
    }
}

#[tokio::test]
async fn a_file_is_written_once_a_human_has_approved_it_and_its_contents_are_in_the_record() {
    let world = World::new().await;
    let large = large();
    fs::write(world.at("from"), &large).unwrap();
    let to = world.at("to");
    let put = format!("put {} {}\n", world.at("from").display(), to.display());
    let client = world.client("sftp", &["-b", "-", "deploy@web1@127.0.0.1"]).spawn().unwrap();
    let approved = async {
        let hold = world.gate.hold(0).await;
        assert!(!to.exists(), "before the approval");
        hold.decide.send_replace(Decision::Approve);
        hold
    };
    let (ran, hold) = tokio::join!(came(client, put.as_bytes()), approved);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.err.contains("countersign: HELD id=hold_"), "{ran:?}");
    assert_eq!(sum(&fs::read(&to).unwrap()), sum(&large));
    let text = String::from_utf8(hold.operation.text().to_vec()).unwrap();
    let mode = fs::metadata(world.at("from")).unwrap().permissions().mode() & 0o777;
    let expected = format!("open write,create,truncate mode={mode:04o} {}", to.display());
    assert_eq!(text, expected);
    let word = format!("closed; wrote {} bytes sha256={}", large.len(), sum(&large));
    let settled = world.gate.settled.borrow().clone();
    assert!(settled.iter().any(|one| one.word == word), "{settled:?}");
    assert_eq!(world.gate.hold_count(), 1);
}

#[tokio::test]
async fn what_a_reviewer_rejects_is_denied_with_the_reason_and_nothing_is_written() {
    let world = World::new().await;
    fs::write(world.at("from"), "x").unwrap();
    let to = world.at("to");
    let put = format!("put {} {}\n", world.at("from").display(), to.display());
    let rejected = async {
        let refusal = Refusal::Rejected {
            hold: HoldId::from_bytes([7; 16]),
            comment: "not today".to_owned(),
        };
        world.gate.hold(0).await.decide.send_replace(Decision::Refuse(refusal));
    };
    let (ran, ()) = tokio::join!(world.sftp(&put), rejected);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.err.contains("REFUSED rejected by a reviewer"), "{ran:?}");
    assert!(ran.err.contains("not today") && ran.err.contains("Permission denied"), "{ran:?}");
    assert!(!to.exists());
}

#[tokio::test]
async fn every_change_is_an_operation_of_its_own() {
    let world = World::new().await;
    world.gate.approve_all();
    let folder = world.at("work");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a"), "1").unwrap();
    let at = folder.display();
    let lines = format!(
        "cd {at}\nrename a b\nmkdir made\nchmod 600 b\nln b hard\nln -s b soft\ncp b copied\nrm hard\nrmdir made\n\
         df\nls -l soft\npwd\n"
    );
    let ran = world.sftp(&lines).await;
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let holds = world.gate.holds.borrow().clone();
    let texts: Vec<String> = holds
        .iter()
        .map(|hold| String::from_utf8_lossy(hold.operation.text()).replace(&format!("{at}/"), ""))
        .collect();
    assert_eq!(
        texts,
        [
            "posix-rename a b",
            "mkdir mode=0777 made",
            "setstat mode=0600 b",
            "hardlink b hard",
            "symlink b soft",
            "open write,create,truncate mode=0600 copied",
            "remove hard",
            "rmdir made",
        ]
    );
    assert_eq!(fs::read_link(folder.join("soft")).unwrap(), std::path::Path::new("b"));
    assert_eq!(fs::read(folder.join("copied")).unwrap(), b"1");
    assert!(!folder.join("hard").exists() && !folder.join("made").exists());
    let rules: Vec<_> = holds[4].operation.demands().iter().map(|one| one.action.name()).collect();
    assert_eq!(rules, ["ssh:write", "ssh:link", "ssh:link"]);
}

#[tokio::test]
async fn scp_copies_both_ways_in_both_its_protocols() {
    for old in [false, true] {
        let world = World::new().await;
        world.gate.approve_all();
        fs::write(world.at("from"), "to the host\n").unwrap();
        let mode = if old { "-O" } else { "-s" };
        let there = format!("deploy@web1@127.0.0.1:{}", world.at("there").display());
        let (from, back) = (world.at("from"), world.at("back"));
        let copy = |words: [&str; 2]| {
            world.client("scp", &[&[mode, "-p"], &words[..]].concat()).spawn().unwrap()
        };
        let ran = came(copy([from.to_str().unwrap(), &there]), b"").await;
        assert_eq!(ran.status, Some(0), "{mode}: {ran:?}");
        let ran = came(copy([&there, back.to_str().unwrap()]), b"").await;
        assert_eq!(ran.status, Some(0), "{mode}: {ran:?}");
        assert_eq!(fs::read_to_string(&back).unwrap(), "to the host\n", "{mode}");
        let holds = world.gate.holds.borrow().clone();
        let first = String::from_utf8_lossy(holds[0].operation.text()).into_owned();
        assert_eq!(first.starts_with("scp "), old, "{mode}: {first}");
    }
}
