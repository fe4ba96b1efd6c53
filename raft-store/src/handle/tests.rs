//! What a store does not even propose.

use super::*;
use crate::{
    format::Stored,
    key_space::{self, Single},
    machine::StoreError,
    records::ClusterRecord,
};
use countersign_core::log_time::LogTime;
use std::collections::{BTreeMap, BTreeSet};

/// A log that shows one state and takes nothing.
#[derive(Debug)]
struct Shown(BTreeMap<Vec<u8>, Vec<u8>>);

impl Log for Shown {
    fn propose(&self, _command: Vec<u8>) -> BoxFuture<'_, Result<(u64, Vec<u8>), LogError>> {
        panic!("nothing is proposed here");
    }

    fn read_index(&self) -> BoxFuture<'_, Result<u64, LogError>> {
        Box::pin(std::future::ready(Ok(1)))
    }

    fn applied(&self, _index: u64) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn look(&self, look: Look<'_>) -> Result<(), StoreError> {
        look(&self.0, 1);
        Ok(())
    }

    fn lease_lapsed(&self) -> Option<Duration> {
        None
    }

    fn lease_is_fresh(&self) -> bool {
        true
    }

    fn effects(&self) -> Effects {
        Effects::of_channel(tokio::sync::broadcast::channel(1).1)
    }

    fn status(&self) -> Status {
        Status {
            node: NodeId(1),
            leader: None,
            term: 1,
            last: LogIndex(1),
            applied: LogIndex(1),
            voters: BTreeSet::new(),
            learners: BTreeSet::new(),
        }
    }
}

fn store_of_version(version: u32) -> Store {
    let cluster = ClusterRecord {
        id: [1; 16],
        name: "c".to_owned(),
        ca_cert_pem: String::new(),
        sealed_ca_key: Vec::new(),
        credential_ca_cert_pem: String::new(),
        sealed_credential_ca_key: Vec::new(),
        bootstrap_token_sha256: [2; 32],
        bootstrap_expires_at: LogTime(1),
        version,
        initialised_at: LogTime(1),
    };
    let place = key_space::single(Single::Cluster);
    Store::over(Arc::new(Shown(BTreeMap::from([(place, cluster.encode().unwrap())]))))
}

#[test]
fn what_a_node_of_the_cluster_cannot_read_yet_is_not_proposed() {
    assert!(store_of_version(1).can_be_read_everywhere(cluster_version::FIRST).is_ok());
    assert!(store_of_version(2).can_be_read_everywhere(2).is_ok());
    for (version, needed) in [(1, 2), (2, 3)] {
        let refused = store_of_version(version).can_be_read_everywhere(needed).unwrap_err();
        assert!(
            matches!(refused, ProposeError::Refused(StateRefusal::OldCluster { needed: n }) if n == needed),
            "{refused:?}"
        );
    }
    let nowhere = Store::over(Arc::new(Shown(BTreeMap::new())));
    assert!(nowhere.can_be_read_everywhere(2).is_err(), "a cluster that is not made reads nothing");
}
