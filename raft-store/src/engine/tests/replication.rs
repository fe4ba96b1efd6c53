//! What must work while nothing fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::cluster::{Cluster, SOON};
use super::toy::set;
use crate::machine::View;
use crate::state_machine::EffectsLost;

#[test]
fn a_command_is_applied_on_every_node_wherever_it_is_proposed() {
    let cluster = Cluster::of_three();
    for node in 1..=3 {
        let committed = cluster.set_on(node, &format!("from-{node}")).unwrap();
        assert_eq!(committed.reply, b"1");
    }
    cluster.settle();
    for node in 1..=3 {
        for from in 1..=3 {
            assert!(cluster.has(node, &format!("from-{from}")), "node {node}");
        }
    }
}

#[test]
fn many_callers_share_entries_of_the_log() {
    let cluster = Cluster::of_three();
    let leader = cluster.engine(cluster.leader());
    let follower = cluster.engine(cluster.follower());
    let before = leader.applied();
    cluster.test.block_on(async {
        let deadline = tokio::time::Instant::now() + SOON;
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..400 {
            let engine = if number % 2 == 0 { leader.clone() } else { follower.clone() };
            calls.spawn(async move {
                engine.propose(set(&format!("k{number}"), "v"), deadline).await.unwrap()
            });
        }
        let done = calls.join_all().await;
        assert!(done.iter().all(|committed| committed.reply == b"1"));
    });
    let entries = leader.applied() - before;
    assert!(entries < 200, "400 commands took {entries} entries");
}

#[test]
fn a_read_after_a_read_index_sees_what_was_acknowledged_elsewhere() {
    let cluster = Cluster::of_three();
    let (leader, follower) = (cluster.leader(), cluster.follower());
    for round in 0..20 {
        let key = format!("round-{round}");
        cluster.set_on(leader, &key).unwrap();
        cluster.test.block_on(cluster.engine(follower).read_index(SOON)).unwrap();
        assert!(cluster.has(follower, &key), "{key}");
    }
}

#[test]
fn every_node_hears_what_the_others_have_applied() {
    let cluster = Cluster::of_three();
    let committed = cluster.set_on(cluster.follower(), "heard").unwrap();
    for node in 1..=3 {
        cluster.until("all to be heard of", || {
            let peers = cluster.engine(node).status().peers;
            let heard = |of: &u64| peers.get(of)?.applied.filter(|at| *at >= committed.index);
            [1, 2, 3].iter().all(|of| heard(of).is_some()).then_some(())
        });
    }
}

#[test]
fn every_node_of_a_quorum_has_a_lease() {
    let cluster = Cluster::of_three();
    for node in 1..=3 {
        let lease = cluster.engine(node).lease();
        cluster.until("a lease", || lease.check().ok());
    }
}

#[test]
fn effects_come_in_order_on_every_node() {
    let cluster = Cluster::of_three();
    let mut effects = cluster.engine(cluster.follower()).effects();
    for number in 0..10 {
        cluster.set_on(1, &format!("k{number}")).unwrap();
    }
    cluster.test.block_on(async {
        let (mut last, mut seen) = (0, Vec::new());
        while seen.len() < 10 {
            let (index, of_entry) = effects.next().await.unwrap();
            assert!(index > last);
            last = index;
            seen.extend(of_entry);
        }
        let expected: Vec<_> = (0..10).map(|number| format!("k{number}").into_bytes()).collect();
        assert_eq!(seen, expected);
    });
}

#[test]
fn a_subscriber_hears_that_it_missed_effects_and_that_the_engine_stopped() {
    let mut cluster = Cluster::of_three();
    let mut effects = cluster.engine(1).effects();
    cluster.stop(1);
    let last = cluster.test.block_on(async {
        loop {
            match effects.next().await {
                Ok(_) => {}
                Err(lost) => return lost,
            }
        }
    });
    assert_eq!(last, EffectsLost::Stopped);
}

#[test]
fn leadership_moves_when_told_to() {
    let cluster = Cluster::of_three();
    let (leader, follower) = (cluster.leader(), cluster.follower());
    cluster.hand_to(follower, "another leader", || cluster.leader() == follower);
    cluster.set_on(leader, "after").unwrap();
}

#[test]
fn a_new_learner_catches_up_from_a_snapshot_and_can_vote_later() {
    let mut cluster = Cluster::of_three_with(
        |config| {
            config.snapshot_every = 40;
            config.keep_entries = 5;
        },
        None,
    );
    let leader = cluster.leader();
    for number in 0..120 {
        cluster.set_on(leader, &format!("k{number}")).unwrap();
    }
    cluster.until("a purge", || cluster.engine(leader).status().purged);
    cluster.start(4).unwrap();
    let joining = cluster.engine(4);
    let mut effects = joining.effects();
    let member = cluster.member(4);
    let leader = cluster.engine(leader);
    cluster.test.block_on(leader.add_learner(4, member)).unwrap();
    let applied = leader.applied();
    cluster.until("the learner catches up", || (joining.applied() >= applied).then_some(()));
    assert!(joining.status().snapshot.is_some(), "it came without a snapshot");
    assert_eq!(cluster.test.block_on(effects.next()), Err(EffectsLost::Lagged));
    for number in 0..120 {
        assert!(cluster.has(4, &format!("k{number}")));
    }
    cluster.test.block_on(leader.promote(BTreeSet::from([4]))).unwrap();
    cluster.until("a vote", || joining.status().peers[&4].voter.then_some(()));
    let refused = cluster.test.block_on(leader.add_learner(2, cluster.member(4)));
    assert!(refused.is_err(), "a number was given out twice");
}

#[test]
fn a_restarted_node_goes_on_from_its_log() {
    let mut cluster = Cluster::of_three();
    for number in 0..30 {
        cluster.set_on(1, &format!("k{number}")).unwrap();
    }
    cluster.settle();
    let applied = cluster.engine(2).applied();
    cluster.stop(2);
    cluster.set_on(1, "meanwhile").unwrap();
    cluster.start(2).unwrap();
    assert!(cluster.engine(2).applied() >= applied, "applied entries were forgotten");
    cluster.until("it catches up", || cluster.has(2, "meanwhile").then_some(()));
    assert!(cluster.has(2, "k29"));
}

#[test]
fn entries_carry_the_leaders_clock() {
    #[derive(Debug)]
    struct Fixed;
    impl crate::clock::Clock for Fixed {
        fn wall_ms(&self) -> u64 {
            1_234
        }
        fn since_boot(&self) -> Duration {
            crate::clock::SystemClock.since_boot()
        }
    }
    let cluster = Cluster::of_three_with(|config| config.clock = Arc::new(Fixed), None);
    cluster.set_on(cluster.follower(), "k").unwrap();
    cluster.settle();
    let at = |view: &dyn View, _| view.get(b"at_ms").unwrap().unwrap();
    for node in 1..=3 {
        assert_eq!(cluster.engine(node).read(at).unwrap(), 1_234u64.to_be_bytes());
    }
}
