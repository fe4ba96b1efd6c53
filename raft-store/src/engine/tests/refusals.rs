//! Who is not listened to.

use std::collections::BTreeSet;
use std::time::Duration;

use super::cluster::{Authority, Cluster, blue};
use crate::engine::StartError;
use crate::network::TlsError;
use crate::raft_types::StorageId;

#[test]
fn a_node_does_not_start_with_another_nodes_certificate() {
    let mut cluster = Cluster::new();
    let names = [vec![blue().node_name(2)], vec![], vec![blue().node_name(1), blue().node_name(2)]];
    for names in names {
        let mut config = cluster.config(1);
        config.tls = cluster.authority.issue(&names);
        let refused = cluster.start_with(config).unwrap_err();
        assert!(matches!(refused, StartError::Tls(TlsError::AnotherName(_))), "{refused}");
    }
}

#[test]
fn a_peer_of_another_authority_is_not_listened_to() {
    let mut cluster = Cluster::new();
    cluster.start(1).unwrap();
    let mut config = cluster.config(2);
    config.tls = Authority::new().issue(&[blue().node_name(2)]);
    cluster.start_with(config).unwrap();
    let members = (1..=2).map(|node| (node, cluster.member(node))).collect();
    cluster.test.block_on(cluster.engine(1).initialize(members)).unwrap();
    cluster.stays("nobody leads", || cluster.engine(1).status().leader.is_none());
    assert_eq!(cluster.engine(2).status().last_log, None, "it took the log of a stranger");
}

#[test]
fn new_certificates_are_taken_without_a_restart() {
    let mut cluster = Cluster::of_three();
    let engine = cluster.engine(1);
    let refused = engine.replace_tls(&cluster.authority.issue(&[blue().node_name(2)]));
    assert!(matches!(refused, Err(TlsError::AnotherName(_))), "{refused:?}");
    engine.replace_tls(&cluster.authority.issue(&[blue().node_name(1)])).unwrap();
    drop(engine);
    cluster.stop(2);
    cluster.start(2).unwrap();
    cluster.set_on(2, "after").unwrap();
}

#[test]
fn a_wiped_node_gets_neither_votes_nor_entries_under_its_old_number() {
    let mut cluster = Cluster::of_three();
    cluster.set_on(1, "k").unwrap();
    let wiped = cluster.follower();
    cluster.stop(wiped);
    std::fs::remove_dir_all(cluster.folder(wiped)).unwrap();
    cluster.start(wiped).unwrap();
    let leader = cluster.leader();
    cluster.set_on(leader, "meanwhile").unwrap();
    cluster.stays("the wiped log is empty", || cluster.engine(wiped).status().last_log.is_none());
    // Without its vote, the two others are a quorum; one of them is not.
    let other = (1..=3).find(|node| ![leader, wiped].contains(node)).unwrap();
    cluster.kill(leader);
    cluster.stays("no other leader", || {
        cluster.engine(other).status().leader.is_none_or(|node| node == leader)
    });
    // The way back: removed, and in again under a new number.
    cluster.start(leader).unwrap();
    let gone = BTreeSet::from([wiped]);
    cluster.on_the_leader(|leader| cluster.test.block_on(leader.remove(gone.clone())));
    cluster.stop(wiped);
    cluster.start(4).unwrap();
    let member = cluster.member(4);
    cluster.on_the_leader(|leader| cluster.test.block_on(leader.add_learner(4, member.clone())));
    cluster.until("the new node has the state", || cluster.has(4, "meanwhile").then_some(()));
}

#[test]
fn a_removed_number_is_refused() {
    let cluster = Cluster::of_three();
    let follower = cluster.follower();
    let member = cluster.member(follower);
    let gone = BTreeSet::from([follower]);
    // A membership that is still being agreed on refuses the next one for a moment.
    cluster.on_the_leader(|leader| cluster.test.block_on(leader.remove(gone.clone())));
    let engine = cluster.engine(cluster.leader());
    let again = cluster.test.block_on(engine.add_learner(follower, member.clone()));
    assert!(again.is_err());
    let other = crate::raft_types::Member { storage: StorageId::draw(), ..member };
    assert!(cluster.test.block_on(engine.add_learner(follower, other)).is_err());
    let removed = cluster.engine(follower);
    let read = cluster.test.block_on(removed.read_index(Duration::from_secs(1)));
    assert!(read.is_err(), "a removed node was answered");
}
