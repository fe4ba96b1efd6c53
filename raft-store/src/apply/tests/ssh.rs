//! The cluster's keys for SSH: one new key of a role at a time, and which are kept.

use super::harness::*;
use crate::{
    command::*,
    key_space::{self, Table},
    records::{DrawnSshKey, SshKeyRecord, SshRole},
    reply::StateRefusal,
};
use countersign_core::record::EventKind;

const OVERLAP: u64 = 1000;

fn drawn(role: SshRole, n: u8) -> DrawnSshKey {
    DrawnSshKey { role, public_key: [n; 32], sealed_key: vec![n] }
}

fn rotate(role: SshRole, number: u64, n: u8) -> Command {
    let key = drawn(role, n);
    Command::RotateSshKey(Box::new(RotateSshKey {
        number,
        key,
        overlap_ms: OVERLAP,
        author: ada(),
    }))
}

fn kept(replica: &Replica, role: SshRole) -> Vec<u64> {
    let of = |number| {
        let key: Option<SshKeyRecord> =
            crate::state::get(&replica.state, &key_space::ssh_key(role, number)).unwrap();
        key.map(|key| key.number)
    };
    (1..10).filter_map(of).collect()
}

#[test]
fn one_new_key_of_a_role_is_under_way_at_a_time() {
    let mut replica = Replica::ready();
    let role = SshRole::Host;
    replica.run(rotate(role, 1, 1)).unwrap();
    let before = replica.count(EventKind::ClusterChanged);
    // A retry is answered alike; another key for the number, or a number too far, is refused.
    replica.run(rotate(role, 1, 1)).unwrap();
    for wrong in [rotate(role, 1, 9), rotate(role, 2, 9), rotate(role, 3, 9)] {
        assert_eq!(refusal(replica.run(wrong)), StateRefusal::RotationUnderWay);
    }
    assert_eq!(replica.count(EventKind::ClusterChanged), before);
    replica.run(rotate(SshRole::AgentAuthority, 1, 1)).unwrap();
    for number in 2..=5 {
        replica.now += OVERLAP;
        replica.run(rotate(role, number, u8::try_from(number).unwrap())).unwrap();
    }
    assert_eq!(kept(&replica, role), [3, 4, 5]);
    assert_eq!(replica.rows(Table::SshKey), 4);
    replica.check_chain();
}

#[test]
fn a_sealed_key_is_no_longer_than_a_key() {
    let mut replica = Replica::ready();
    let Command::RotateSshKey(mut long) = rotate(SshRole::Host, 1, 1) else { panic!() };
    long.key.sealed_key = vec![0; 10_000];
    let refused = refusal(replica.run(Command::RotateSshKey(long)));
    assert!(matches!(refused, StateRefusal::OverLimit { .. }), "{refused:?}");
}
