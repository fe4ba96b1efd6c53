//! Votes are given, taken and handed on, and who was removed is told so.

use std::collections::BTreeSet;

use super::cluster::Cluster;
use crate::raft_types::NodeId;

fn voters(cluster: &Cluster) -> Vec<NodeId> {
    let peers = cluster.engine(cluster.leader()).status().peers;
    peers.into_iter().filter(|(_, peer)| peer.voter).map(|(id, _)| id).collect()
}

#[test]
fn a_vote_is_handed_on_in_one_step_and_one_of_three_may_be_away_meanwhile() {
    let mut cluster = Cluster::of_three();
    cluster.set_on(1, "before").unwrap();
    let dead = cluster.follower();
    cluster.kill(dead);
    cluster.start(4).unwrap();
    let member = cluster.member(4);
    cluster.on_the_leader(|leader| cluster.test.block_on(leader.add_learner(4, member.clone())));
    cluster.until("the learner has the state", || cluster.has(4, "before").then_some(()));
    cluster.on_the_leader(|leader| cluster.test.block_on(leader.hand_vote(dead, 4)));
    let expected: Vec<NodeId> = (1..=4).filter(|node| *node != dead).collect();
    cluster.until("node 4 votes instead", || (voters(&cluster) == expected).then_some(()));
    let leader = cluster.leader();
    cluster.set_on(leader, "after").unwrap();
    // The three that vote are a quorum with any two of them: the fourth counts.
    let other = expected.iter().copied().find(|node| ![leader, 4].contains(node)).unwrap();
    cluster.kill(other);
    cluster.set_on(leader, "with-node-4").unwrap();
}

#[test]
fn a_removed_node_is_told_so_also_when_it_comes_back_with_its_old_directory() {
    let mut cluster = Cluster::of_three();
    let gone = cluster.follower();
    cluster.stop(gone);
    cluster.on_the_leader(|leader| cluster.test.block_on(leader.demote(BTreeSet::from([gone]))));
    cluster.on_the_leader(|leader| cluster.test.block_on(leader.remove(BTreeSet::from([gone]))));
    let term = cluster.engine(cluster.leader()).status().term;
    // It believes that it votes, and knows of no removal.
    cluster.start(gone).unwrap();
    cluster.until("it is turned away", || cluster.engine(gone).status().turned_away.then_some(()));
    assert!(cluster.engine(gone).lease().check().is_err(), "a removed node has a lease");
    assert!(cluster.set_within(gone, "smuggled", std::time::Duration::from_secs(1)).is_err());
    cluster.stays("the others are not disturbed", || {
        let others = (1..=3).filter(|node| *node != gone);
        others
            .map(|node| cluster.engine(node).status())
            .all(|it| it.term == term && !it.turned_away)
    });
}

#[test]
fn members_are_heard_and_who_is_away_is_not() {
    let mut cluster = Cluster::of_three();
    let (leader, other) = (cluster.leader(), cluster.follower());
    let silent_for = |cluster: &Cluster, node| {
        cluster.engine(leader).status().peers.get(&node).and_then(|peer| peer.silent_for)
    };
    cluster.until("it is heard", || silent_for(&cluster, other));
    cluster.kill(other);
    cluster.until("it is silent", || {
        silent_for(&cluster, other).filter(|silent| silent.as_secs() >= 3)
    });
    assert_eq!(silent_for(&cluster, leader), Some(std::time::Duration::ZERO));
}
