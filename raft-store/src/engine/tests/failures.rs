//! Nodes die and partitions form.

use std::time::Duration;

use super::cluster::Cluster;
use super::toy::set;
use crate::lease::LeaseLapsed;
use crate::proposer::{COMMAND_BYTES, ProposeError};

#[test]
fn a_killed_leader_is_replaced_and_no_acknowledged_command_is_lost() {
    let mut cluster = Cluster::of_three();
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        for number in 0..20 {
            let key = format!("r{round}-{number}");
            let node = *cluster.nodes.keys().next().unwrap();
            cluster.set_on(node, &key).unwrap();
            acknowledged.push(key);
        }
        let leader = cluster.leader();
        cluster.kill(leader);
        let key = format!("r{round}-after");
        let node = *cluster.nodes.keys().next().unwrap();
        cluster.set_on(node, &key).unwrap();
        acknowledged.push(key);
        cluster.start(leader).unwrap();
    }
    cluster.settle();
    for node in 1..=3 {
        for key in &acknowledged {
            assert!(cluster.has(node, key), "node {node} lost {key}");
        }
    }
}

#[test]
fn commands_in_flight_survive_a_change_of_leader() {
    let mut cluster = Cluster::of_three();
    let (leader, follower) = (cluster.leader(), cluster.follower());
    let engine = cluster.engine(follower);
    let deadline = tokio::time::Instant::now() + super::cluster::SOON;
    let calls: Vec<_> = (0..50)
        .map(|number| {
            let engine = engine.clone();
            cluster.test.spawn(async move {
                tokio::time::sleep(Duration::from_millis(number * 20)).await;
                engine.propose(set(&format!("k{number}"), "v"), deadline).await
            })
        })
        .collect();
    drop(engine);
    cluster.until("the first commands", || cluster.has(follower, "k5").then_some(()));
    cluster.kill(leader);
    for (number, call) in calls.into_iter().enumerate() {
        let committed = cluster.test.block_on(call).unwrap();
        assert!(committed.is_ok(), "k{number}: {committed:?}");
    }
}

#[test]
fn a_minority_has_no_lease_and_commits_nothing() {
    let mut cluster = Cluster::of_three();
    let left = cluster.follower();
    let lease = cluster.engine(left).lease();
    cluster.until("a lease", || lease.check().ok());
    for node in (1..=3).filter(|node| *node != left) {
        cluster.kill(node);
    }
    let refused = cluster.set_within(left, "k", Duration::from_secs(1)).unwrap_err();
    assert_eq!(refused, ProposeError::NoQuorum);
    cluster.until("the lease ends", || (lease.check() == Err(LeaseLapsed::NoQuorum)).then_some(()));
    let read = cluster.test.block_on(cluster.engine(left).read_index(Duration::from_secs(1)));
    assert!(read.is_err());
    drop(lease);
    for node in (1..=3).filter(|node| *node != left) {
        cluster.start(node).unwrap();
    }
    cluster.set_on(left, "again").unwrap();
}

#[test]
fn a_node_alone_asks_before_it_stands_for_election_and_keeps_its_term() {
    let mut cluster = Cluster::of_three();
    let alone = cluster.follower();
    for node in (1..=3).filter(|node| *node != alone) {
        cluster.kill(node);
    }
    let term = cluster.engine(alone).status().term;
    cluster.stays("its term", || cluster.engine(alone).status().term == term);
}

#[test]
fn a_command_that_is_too_long_is_not_proposed() {
    let cluster = Cluster::of_three();
    let engine = cluster.engine(1);
    let deadline = tokio::time::Instant::now() + super::cluster::SOON;
    let refused = cluster.test.block_on(engine.propose(vec![0; COMMAND_BYTES + 1], deadline));
    assert_eq!(refused, Err(ProposeError::TooLong));
}
