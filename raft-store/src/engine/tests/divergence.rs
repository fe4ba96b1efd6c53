//! A node whose machine computes something else than the others' is found, whoever leads, and it alone stops serving.

use std::collections::BTreeSet;
use std::time::Duration;

use super::cluster::Cluster;
use crate::lease::LeaseLapsed;
use crate::raft_types::NodeId;

/// Three nodes that compare often, one of which, a follower, stores something else than it is told.
fn with_a_crooked_follower() -> (Cluster, NodeId) {
    let fast = |config: &mut crate::engine::EngineConfig| {
        config.checkpoint_every = Duration::from_millis(100);
    };
    let mut cluster = Cluster::of_three_with(fast, None);
    let crooked = cluster.follower();
    cluster.stop(crooked);
    cluster.crooked = Some(crooked);
    cluster.start(crooked).unwrap();
    (cluster, crooked)
}

fn until_found(cluster: &Cluster, crooked: NodeId) -> u64 {
    let lease = cluster.engine(crooked).lease();
    cluster.until("the difference is found", || match lease.check() {
        Err(LeaseLapsed::Diverged(index)) => Some(index),
        Err(LeaseLapsed::NoQuorum) | Ok(_) => None,
    })
}

fn until_the_others_serve(cluster: &Cluster, crooked: NodeId) {
    for node in (1..=3).filter(|node| *node != crooked) {
        let lease = cluster.engine(node).lease();
        cluster.until("the others serve", || lease.check().ok());
        assert_eq!(cluster.engine(node).status().diverged_at, None);
    }
}

#[test]
fn a_follower_whose_state_differs_stops_serving_for_good_and_the_others_go_on() {
    let (mut cluster, crooked) = with_a_crooked_follower();
    let leader = cluster.leader();
    cluster.set_on(leader, "k").unwrap();
    let found = until_found(&cluster, crooked);
    assert_eq!(cluster.engine(crooked).status().diverged_at, Some(found));
    until_the_others_serve(&cluster, crooked);
    cluster.stop(crooked);
    cluster.start(crooked).unwrap();
    let lease = cluster.engine(crooked).lease();
    assert!(matches!(lease.check(), Err(LeaseLapsed::Diverged(_))), "a restart hid it");
}

#[test]
fn a_leader_whose_state_differs_steps_down_and_its_place_is_taken_by_a_new_node() {
    let (mut cluster, crooked) = with_a_crooked_follower();
    cluster.settle();
    cluster.hand_to(crooked, "the crooked node leads", || cluster.leader() == crooked);
    cluster.set_on(crooked, "k").unwrap();
    until_found(&cluster, crooked);
    cluster.until("another leads", || (cluster.leader() != crooked).then_some(()));
    until_the_others_serve(&cluster, crooked);
    let sound = cluster.leader();
    cluster.set_on(sound, "after").unwrap();
    // Its leadership was not only interrupted: it cannot keep it when it is given.
    let term = cluster.engine(sound).status().term;
    cluster.hand_to(crooked, "an election", || cluster.engine(sound).status().term > term);
    cluster.until("a sound node leads", || (cluster.leader() != crooked).then_some(()));
    // The way back: removed, and in again under a new number.
    let gone = BTreeSet::from([crooked]);
    cluster.on_the_leader(|leader| cluster.test.block_on(leader.remove(gone.clone())));
    cluster.stop(crooked);
    cluster.start(4).unwrap();
    let (member, new) = (cluster.member(4), BTreeSet::from([4]));
    cluster.on_the_leader(|leader| cluster.test.block_on(leader.add_learner(4, member.clone())));
    cluster.on_the_leader(|leader| cluster.test.block_on(leader.promote(new.clone())));
    let lease = cluster.engine(4).lease();
    cluster.until("the new node serves", || lease.check().ok());
    assert!(cluster.has(4, "after"));
}

#[test]
fn while_two_of_three_differ_and_the_third_is_away_nobody_serves() {
    let (mut cluster, crooked) = with_a_crooked_follower();
    let away = (1..=3).find(|node| ![crooked, cluster.leader()].contains(node)).unwrap();
    cluster.kill(away);
    let leader = cluster.leader();
    cluster.set_on(leader, "k").unwrap();
    for node in [leader, crooked] {
        let lease = cluster.engine(node).lease();
        cluster.until("nobody serves", || lease.check().err());
    }
    assert_eq!(cluster.engine(leader).status().diverged_at, None, "nobody knows who is right");
    cluster.start(away).unwrap();
    until_found(&cluster, crooked);
    until_the_others_serve(&cluster, crooked);
}
