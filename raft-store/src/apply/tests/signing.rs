//! What is signed about the chain: nothing gets into it that does not hold, and what is in it proves itself.

use super::harness::*;
use crate::{
    command::*,
    key_space::{self, Single},
    records::{CheckpointRecord, RequestId},
    reply::{Answer, Reply, StateRefusal},
};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use countersign_core::{
    log_time::LogTime,
    record::{
        AuditKey, ChainHash, ChainHead, Claim, ClusterId, Endorsement, EventKind, KeyIntroduction,
        KeyRing, ProofWalk, Signature, Signed, Statement,
    },
};

/// The cluster of the harness.
const CLUSTER: ClusterId = ClusterId([1; 16]);

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn key(seed: u8) -> AuditKey {
    AuditKey(pair(seed).public_key().as_ref().try_into().unwrap())
}

fn sign(seed: u8, bytes: &[u8]) -> Signature {
    Signature(pair(seed).sign(bytes).as_ref().try_into().unwrap())
}

fn introduction(number: u64, seed: u8, before: Option<u8>) -> KeyIntroduction {
    let by = before.map(key);
    let bytes = KeyIntroduction::bytes(CLUSTER, number, &key(seed), by.as_ref());
    let endorsement =
        before.map(|before| Endorsement { by: key(before), signature: sign(before, &bytes) });
    KeyIntroduction {
        cluster: CLUSTER,
        number,
        key: key(seed),
        endorsement,
        own: sign(seed, &bytes),
    }
}

fn introduce(introduction: KeyIntroduction) -> Command {
    let sealed_key = vec![7; 60];
    Command::IntroduceAuditKey(Box::new(IntroduceAuditKey {
        introduction,
        sealed_key,
        author: Some(ada()),
    }))
}

fn head(replica: &Replica) -> ChainHead {
    crate::state::get(&replica.state, &key_space::single(Single::ChainHead)).unwrap().unwrap()
}

fn say(seed: u8, head: ChainHead) -> Signed {
    let statement =
        Statement { claim: Claim::Checkpoint, cluster: CLUSTER, head, at: LogTime(START_MS) };
    Signed { statement, key: key(seed), signature: sign(seed, &statement.bytes(&key(seed))) }
}

fn record(signed: Signed, asked: Option<u8>) -> Command {
    let asked = asked.map(|n| CheckpointAsked {
        id: RequestId([n; 16]),
        author: ada(),
        reason: "export".to_owned(),
    });
    Command::RecordCheckpoint(Box::new(RecordCheckpoint { signed, asked }))
}

fn last(replica: &Replica) -> CheckpointRecord {
    crate::state::get(&replica.state, &key_space::single(Single::Checkpoint)).unwrap().unwrap()
}

/// A cluster with its first key.
fn keyed() -> Replica {
    let mut replica = Replica::ready();
    replica.run(introduce(introduction(1, 1, None))).unwrap();
    replica
}

/// Has the cluster sign its chain as it is; with its first key if it has none.
pub(super) fn signed(replica: &mut Replica) {
    if replica.count(EventKind::AuditKeyIntroduced) == 0 {
        replica.run(introduce(introduction(1, 1, None))).unwrap();
    }
    let signed = say(1, head(replica));
    replica.run(record(signed, None)).unwrap();
}

const REFUSED: Reply = Err(StateRefusal::NotVerified);

#[test]
fn a_chain_with_keys_and_checkpoints_proves_itself() {
    let mut replica = keyed();
    for n in 1..4 {
        replica.opened(n, "bot");
        let signed = say(1, head(&replica));
        // What was committed while it was signed stands between.
        replica.opened(n + 10, "bot");
        assert_eq!(replica.run(record(signed, None)), Ok(Answer::Done));
    }
    replica.run(introduce(introduction(2, 2, Some(1)))).unwrap();
    let signed = say(2, head(&replica));
    replica.run(record(signed, Some(9))).unwrap();
    replica.check_chain();
    let mut ring = KeyRing::of(CLUSTER);
    ring.introduce(&introduction(1, 1, None)).unwrap();
    ring.introduce(&introduction(2, 2, Some(1))).unwrap();
    let mut walk = ProofWalk::new(ring, ChainHead::default());
    for event in replica.events() {
        walk.step(&event).unwrap();
    }
    assert_eq!(walk.checkpoints(), 4);
    let asked = replica.events().into_iter().next_back().unwrap();
    assert_eq!(
        (asked.fields["author"].as_str(), asked.fields["reason"].as_str()),
        ("ada", "export")
    );
    assert_eq!(last(&replica).sequence, asked.sequence);
}

#[test]
fn a_checkpoint_that_does_not_hold_is_refused_on_every_node() {
    let mut replica = keyed();
    let (good, events) = (say(1, head(&replica)), replica.events().len());
    let forgeries: [fn(&mut Signed); 6] = [
        |signed| signed.signature.0[5] ^= 1,
        |signed| signed.statement.at = LogTime(START_MS + 1),
        |signed| *signed = say(2, signed.statement.head),
        |signed| {
            let hash = ChainHash([3; 32]);
            *signed = say(1, ChainHead { hash, ..signed.statement.head });
        },
        |signed| {
            let sequence = signed.statement.head.sequence + 1;
            *signed = say(1, ChainHead { sequence, ..signed.statement.head });
        },
        |signed| {
            signed.statement.claim = Claim::Head;
            signed.signature = sign(1, &signed.statement.bytes(&key(1)));
        },
    ];
    for forge in forgeries {
        let mut signed = good;
        forge(&mut signed);
        assert_eq!(replica.run(record(signed, None)), REFUSED);
    }
    let other = Statement { cluster: ClusterId([2; 16]), ..good.statement };
    let signature = sign(1, &other.bytes(&key(1)));
    assert_eq!(replica.run(record(Signed { statement: other, signature, ..good }, None)), REFUSED);
    let nothing = say(1, ChainHead::default());
    assert_eq!(replica.run(record(nothing, None)), REFUSED, "event 0 is none");
    assert_eq!(replica.events().len(), events);
    assert_eq!(Replica::ready().run(record(good, None)), REFUSED, "there is no key");
}

#[test]
fn a_checkpoint_is_recorded_once_and_an_older_one_only_for_who_asks() {
    let mut replica = keyed();
    let older = say(1, head(&replica));
    replica.opened(1, "bot");
    let newer = say(1, head(&replica));
    for _ in 0..3 {
        assert_eq!(replica.run(record(newer, None)), Ok(Answer::Done));
        assert_eq!(replica.run(record(older, None)), Ok(Answer::Done));
    }
    assert_eq!(replica.count(EventKind::Checkpoint), 1);
    for _ in 0..2 {
        assert_eq!(replica.run(record(older, Some(4))), Ok(Answer::Done));
    }
    assert_eq!(replica.count(EventKind::Checkpoint), 2);
    assert_eq!(last(&replica).signed, newer, "the last one stays the last");
    replica.check_chain();
}

#[test]
fn a_key_needs_the_word_of_the_one_before_it() {
    let mut replica = keyed();
    let first = introduction(1, 1, None);
    assert_eq!(replica.run(introduce(first)), Ok(Answer::Done), "a repetition");
    let mut unsigned = introduction(2, 2, Some(1));
    unsigned.endorsement =
        unsigned.endorsement.map(|by| Endorsement { signature: unsigned.own, ..by });
    let refused = [
        introduction(1, 2, None),
        introduction(2, 2, None),
        introduction(2, 2, Some(3)),
        introduction(3, 2, Some(1)),
        KeyIntroduction { cluster: ClusterId([2; 16]), ..introduction(2, 2, Some(1)) },
        unsigned,
    ];
    for introduction in refused {
        assert_eq!(replica.run(introduce(introduction)), REFUSED);
    }
    replica.run(introduce(introduction(2, 2, Some(1)))).unwrap();
    let by_the_old_one = say(1, head(&replica));
    assert_eq!(replica.run(record(by_the_old_one, None)), REFUSED, "it was replaced");
    assert_eq!(replica.count(EventKind::AuditKeyIntroduced), 2);
}

#[test]
fn no_audit_event_shows_a_sealed_key() {
    let replica = keyed();
    let sealed = hex::encode([7; 60]);
    for event in replica.events() {
        assert!(event.fields.values().all(|value| !value.contains(&sealed)));
    }
}
