//! One node of what is left: it leads, has everything that it had, and listens to nobody of before.

use super::*;
use crate::engine::tests::cluster::{Cluster, blue};

fn owner(cluster: &str, node: NodeId) -> Owner<'_> {
    Owner { cluster, node }
}

/// Three nodes with something in their state, of which only the first is left, stopped.
fn left_alone() -> (Cluster, String) {
    let mut cluster = Cluster::of_three();
    cluster.set_on(1, "before").unwrap();
    cluster.settle();
    let address = cluster.member(1).address;
    (1..=3).for_each(|node| cluster.stop(node));
    (cluster, address)
}

#[test]
fn the_node_that_is_left_leads_itself_and_has_what_it_had() {
    let (mut cluster, address) = left_alone();
    let (folder, name) = (cluster.folder(1), blue().to_string());
    let before = reach(&folder, owner(&name, 1)).unwrap();
    stand_alone(&folder, owner(&name, 1), address.clone()).unwrap();
    // A crash behind the first time, and an impatient operator.
    stand_alone(&folder, owner(&name, 1), address).unwrap();
    let after = reach(&folder, owner(&name, 1)).unwrap();
    assert_eq!((after.term, after.last), (before.term, before.last + 2));
    cluster.start(1).unwrap();
    cluster.until("it leads", || (cluster.engine(1).status().leader == Some(1)).then_some(()));
    assert!(cluster.has(1, "before"));
    cluster.set_on(1, "after").unwrap();
    cluster.until("it has a lease", || cluster.engine(1).lease().check().ok());
    assert_eq!(cluster.engine(1).status().peers.len(), 1);
    assert_eq!(cluster.engine(1).status().greatest_id, 3, "numbers would be given out again");
    // The others come back after all, and are a majority of what they know.
    cluster.start(2).unwrap();
    cluster.start(3).unwrap();
    cluster.until("they are turned away", || {
        [2, 3].iter().all(|node| cluster.engine(*node).status().turned_away).then_some(())
    });
    cluster.stays("it leads itself", || {
        let status = cluster.engine(1).status();
        status.leader == Some(1) && status.peers.len() == 1
    });
    cluster.set_on(1, "later").unwrap();
    assert!(!cluster.has(2, "later") && !cluster.has(3, "later"));
}

#[test]
fn a_snapshot_on_an_empty_disk_is_a_node_that_leads() {
    let mut cluster = Cluster::of_three();
    cluster.set_on(2, "before").unwrap();
    cluster.settle();
    let leader = cluster.leader();
    let mut snapshot = cluster.test.block_on(cluster.engine(leader).snapshot()).unwrap();
    cluster.set_on(leader, "behind-it").unwrap();
    let term = cluster.engine(leader).status().term;
    let copy = cluster.folder(9).with_extension("copy");
    io::Seek::rewind(&mut snapshot).unwrap();
    io::copy(&mut snapshot, &mut File::create(&copy).unwrap()).unwrap();
    drop(snapshot);
    (1..=3).for_each(|node| cluster.stop(node));

    let name = blue().to_string();
    let named = || ("127.0.0.1:9".to_owned(), StorageId([4; 16]));
    let machine = || Arc::new(crate::engine::tests::toy::Toy::default());
    let folder = cluster.folder(4);
    assert!(pairs(File::open(&copy).unwrap(), drop).unwrap() > 0);
    install(&folder, owner(&name, 4), named(), (&copy, machine())).unwrap();
    let again = install(&folder, owner(&name, 4), named(), (&copy, machine())).unwrap_err();
    assert!(matches!(again, OfflineError::NotEmpty(_)), "{again}");
    cluster.start(4).unwrap();
    cluster.until("it leads", || (cluster.engine(4).status().leader == Some(4)).then_some(()));
    assert!(cluster.engine(4).status().term > term, "an entry's term would run back");
    assert!(cluster.has(4, "before") && !cluster.has(4, "behind-it"));
    cluster.set_on(4, "after").unwrap();
    assert_eq!(cluster.engine(4).status().greatest_id, 4);

    let mut damaged = std::fs::read(&copy).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&copy, damaged).unwrap();
    assert!(pairs(File::open(&copy).unwrap(), drop).is_err());
    let refused = install(&cluster.folder(5), owner(&name, 5), named(), (&copy, machine()));
    assert!(refused.is_err(), "a damaged snapshot was taken");
}

#[test]
fn a_node_that_differs_was_removed_or_is_anothers_is_not_gone_on_from() {
    let mut cluster = Cluster::of_three();
    cluster.set_on(1, "before").unwrap();
    cluster.settle();
    let gone = cluster.follower();
    cluster.on_the_leader(|leader| cluster.test.block_on(leader.demote(BTreeSet::from([gone]))));
    cluster.on_the_leader(|leader| cluster.test.block_on(leader.remove(BTreeSet::from([gone]))));
    let name = blue().to_string();
    let other = (1..=3).find(|node| *node != gone).unwrap();
    (1..=3).for_each(|node| cluster.stop(node));
    let folder = cluster.folder(other);
    let strange = stand_alone(&folder, owner("green", other), String::new()).unwrap_err();
    assert!(matches!(strange, OfflineError::Storage(StorageError::Identity(_))), "{strange}");
    let strange = stand_alone(&folder, owner(&name, gone), String::new()).unwrap_err();
    assert!(matches!(strange, OfflineError::Storage(StorageError::Identity(_))), "{strange}");
    let nothing = tempfile::tempdir().unwrap();
    let empty = stand_alone(&nothing.path().join("raft"), owner(&name, 1), String::new());
    assert!(matches!(empty.unwrap_err(), OfflineError::Nothing));
}
