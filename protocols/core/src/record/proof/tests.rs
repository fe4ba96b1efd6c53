//! What is signed in a chain is verified with it, and nothing else passes for it.

use super::*;
use crate::{
    id::LogIndex,
    log_time::LogTime,
    record::{ClusterId, Endorsement, KeyIntroduction, Signature, Statement},
};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use std::collections::BTreeMap;

const CLUSTER: ClusterId = ClusterId([7; 16]);

struct Signer(Ed25519KeyPair);

impl Signer {
    fn of(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn key(&self) -> AuditKey {
        AuditKey(self.0.public_key().as_ref().try_into().unwrap())
    }

    fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(bytes).as_ref().try_into().unwrap())
    }

    fn say(&self, claim: Claim, head: ChainHead) -> Signed {
        let statement = Statement { claim, cluster: CLUSTER, head, at: LogTime(9) };
        let key = self.key();
        Signed { statement, key, signature: self.sign(&statement.bytes(&key)) }
    }

    fn introduce(&self, number: u64, before: Option<&Self>) -> KeyIntroduction {
        let key = self.key();
        let by = before.map(Self::key);
        let bytes = KeyIntroduction::bytes(CLUSTER, number, &key, by.as_ref());
        let endorsement =
            before.map(|before| Endorsement { by: before.key(), signature: before.sign(&bytes) });
        KeyIntroduction { cluster: CLUSTER, number, key, endorsement, own: self.sign(&bytes) }
    }
}

#[derive(Default)]
struct Chain(Vec<AuditEvent>);

impl Chain {
    fn head(&self) -> ChainHead {
        let last = self.0.last();
        last.map_or_else(ChainHead::default, |last| ChainHead {
            sequence: last.sequence,
            hash: last.hash(),
        })
    }

    fn add(&mut self, kind: EventKind, fields: BTreeMap<String, String>) -> &mut Self {
        let head = self.head();
        self.0.push(AuditEvent {
            sequence: head.sequence + 1,
            at: LogTime(head.sequence),
            index: LogIndex(head.sequence),
            kind,
            fields,
            previous: head.hash,
        });
        self
    }

    fn plain(&mut self, events: u64) -> &mut Self {
        for _ in 0..events {
            self.add(EventKind::Intent, BTreeMap::new());
        }
        self
    }

    fn key(&mut self, next: &KeyIntroduction) -> &mut Self {
        self.add(EventKind::AuditKeyIntroduced, facts::of_introduction(next))
    }

    fn checkpoint(&mut self, signed: &Signed) -> &mut Self {
        self.add(EventKind::Checkpoint, facts::of_checkpoint(signed))
    }
}

/// A chain with two keys and a checkpoint of each.
fn signed_chain() -> (Chain, KeyRing, Signer) {
    let (first, second) = (Signer::of(1), Signer::of(2));
    let introductions = [first.introduce(1, None), second.introduce(2, Some(&first))];
    let mut ring = KeyRing::of(CLUSTER);
    for next in &introductions {
        ring.introduce(next).unwrap();
    }
    let mut chain = Chain::default();
    chain.plain(2).key(&introductions[0]).plain(3);
    let of = chain.head();
    chain.plain(2).checkpoint(&first.say(Claim::Checkpoint, of));
    chain.plain(1).key(&introductions[1]);
    let of = chain.head();
    chain.checkpoint(&second.say(Claim::Checkpoint, of)).plain(2);
    (chain, ring, second)
}

fn walk(events: &[AuditEvent], ring: &KeyRing, start: ChainHead) -> Result<ProofWalk, ProofError> {
    let mut walk = ProofWalk::new(ring.clone(), start);
    events.iter().try_for_each(|event| walk.step(event))?;
    Ok(walk)
}

#[test]
fn a_chain_with_its_checkpoints_and_keys_holds_whole_and_in_parts() {
    let (chain, ring, signer) = signed_chain();
    let whole = walk(&chain.0, &ring, ChainHead::default()).unwrap();
    assert_eq!(whole.checkpoints(), 2);
    let end = chain.head();
    assert_eq!(whole.clone().finish(&signer.say(Claim::Head, end)), Ok(end));
    assert_eq!(whole.finish(&signer.say(Claim::Span { after: 0 }, end)), Ok(end));
    for after in 1..chain.0.len() {
        let last = &chain.0[after - 1];
        let start = ChainHead { sequence: last.sequence, hash: last.hash() };
        let part = walk(&chain.0[after..], &ring, start).unwrap();
        let span = Claim::Span { after: start.sequence };
        assert_eq!(part.finish(&signer.say(span, end)), Ok(end), "behind event {after}");
    }
}

#[test]
fn an_end_counts_only_for_what_was_said_and_by_whom() {
    let (chain, ring, second) = signed_chain();
    let (end, whole) = (chain.head(), walk(&chain.0, &ring, ChainHead::default()).unwrap());
    let ends = |signed: &Signed| whole.clone().finish(signed);
    let wrong = |result| matches!(result, Err(ProofError::End { .. }));
    assert!(wrong(ends(&second.say(Claim::Checkpoint, end))), "a checkpoint is no end");
    assert!(wrong(ends(&second.say(Claim::Span { after: 1 }, end))));
    assert!(wrong(ends(&Signer::of(1).say(Claim::Head, end))), "a key that was replaced");
    assert!(wrong(ends(&Signer::of(3).say(Claim::Head, end))), "anybody's key");
    let mut moved = second.say(Claim::Checkpoint, end);
    moved.statement.claim = Claim::Head;
    assert!(matches!(ends(&moved), Err(ProofError::EndSignature(_))), "one said for the other");
    let mut later = second.say(Claim::Head, end);
    later.statement.at = LogTime(10);
    assert!(matches!(ends(&later), Err(ProofError::EndSignature(_))));
    let mut theirs = second.say(Claim::Head, end);
    theirs.statement.cluster = ClusterId([8; 16]);
    assert!(wrong(ends(&theirs)));
    let before = ChainHead { sequence: end.sequence - 1, hash: end.hash };
    let short = ends(&second.say(Claim::Head, before));
    assert!(matches!(short, Err(ProofError::Chain(ChainError::Head { .. }))), "{short:?}");
}

/// What a walk says of a chain that goes on with `next` behind a key and three events.
fn after(next: impl FnOnce(&mut Chain)) -> Option<ProofError> {
    let first = Signer::of(1);
    let mut ring = KeyRing::of(CLUSTER);
    ring.introduce(&first.introduce(1, None)).unwrap();
    ring.introduce(&Signer::of(2).introduce(2, Some(&first))).unwrap();
    let mut chain = Chain::default();
    chain.key(&first.introduce(1, None)).plain(3);
    next(&mut chain);
    walk(&chain.0, &ring, ChainHead::default()).err()
}

#[test]
fn a_checkpoint_that_is_not_of_this_chain_is_found() {
    let signer = || Signer::of(1);
    let checkpoint = |change: fn(&mut Signed)| {
        after(|chain| {
            let mut signed = signer().say(Claim::Checkpoint, chain.head());
            change(&mut signed);
            chain.checkpoint(&signed);
        })
    };
    assert_eq!(checkpoint(|_| ()), None);
    let found = checkpoint(|signed| signed.statement.head.sequence = 2);
    assert!(matches!(found, Some(ProofError::Signature { sequence: 5, .. })), "{found:?}");
    let found = checkpoint(|signed| signed.signature.0[0] ^= 1);
    assert!(matches!(found, Some(ProofError::Signature { sequence: 5, .. })), "{found:?}");
    let found = checkpoint(|signed| signed.statement.cluster = ClusterId([1; 16]));
    assert_eq!(found, Some(ProofError::OtherCluster { sequence: 5 }));
    let found = checkpoint(|signed| {
        let head = ChainHead { hash: ChainHash([1; 32]), ..signed.statement.head };
        *signed = Signer::of(1).say(Claim::Checkpoint, head);
    });
    assert_eq!(found, Some(ProofError::OtherChain { sequence: 5, about: 4 }));
    for ahead in [5, 6, u64::MAX - MAX_CHECKPOINT_LAG] {
        let found = after(|chain| {
            let head = ChainHead { sequence: ahead, hash: chain.head().hash };
            chain.checkpoint(&signer().say(Claim::Checkpoint, head));
        });
        assert_eq!(found, Some(ProofError::OtherChain { sequence: 5, about: ahead }));
    }
    let head_for_checkpoint = after(|chain| {
        let signed = signer().say(Claim::Head, chain.head());
        chain.checkpoint(&signed);
    });
    assert!(matches!(head_for_checkpoint, Some(ProofError::Signature { .. })));
    let not_yet = after(|chain| {
        let signed = Signer::of(2).say(Claim::Checkpoint, chain.head());
        chain.checkpoint(&signed);
    });
    assert!(matches!(not_yet, Some(ProofError::NotInForce { sequence: 5, .. })));
    let replaced = after(|chain| {
        chain.key(&Signer::of(2).introduce(2, Some(&signer())));
        let signed = signer().say(Claim::Checkpoint, chain.head());
        chain.checkpoint(&signed);
    });
    assert!(matches!(replaced, Some(ProofError::NotInForce { sequence: 6, .. })));
    let unreadable = after(|chain| {
        chain.add(EventKind::Checkpoint, BTreeMap::new());
    });
    assert!(matches!(unreadable, Some(ProofError::Unreadable { sequence: 5, .. })));
}

#[test]
fn a_key_that_is_not_the_next_one_is_found() {
    let found = after(|chain| {
        chain.key(&Signer::of(3).introduce(2, Some(&Signer::of(1))));
    });
    assert!(matches!(found, Some(ProofError::OtherKey { sequence: 5, .. })), "{found:?}");
    let again = after(|chain| {
        chain.key(&Signer::of(1).introduce(1, None));
    });
    assert!(matches!(again, Some(ProofError::NotInForce { sequence: 5, .. })), "{again:?}");
    let unsigned = after(|chain| {
        let mut next = Signer::of(2).introduce(2, Some(&Signer::of(1)));
        next.own.0[3] ^= 4;
        chain.key(&next);
    });
    assert!(matches!(unsigned, Some(ProofError::Key { sequence: 5, .. })), "{unsigned:?}");
}

#[test]
fn a_ring_takes_only_the_next_key_with_both_signatures() {
    let (first, second) = (Signer::of(1), Signer::of(2));
    let mut ring = KeyRing::of(CLUSTER);
    let orphan = second.introduce(2, Some(&first));
    assert!(matches!(ring.introduce(&orphan), Err(KeyError::Number { .. })));
    let theirs = KeyIntroduction { cluster: ClusterId([1; 16]), ..first.introduce(1, None) };
    assert!(matches!(ring.introduce(&theirs), Err(KeyError::OtherCluster { .. })));
    ring.introduce(&first.introduce(1, None)).unwrap();
    let own_word = second.introduce(2, None);
    assert!(matches!(ring.introduce(&own_word), Err(KeyError::NotEndorsed { .. })));
    let strangers = second.introduce(2, Some(&Signer::of(3)));
    assert!(matches!(ring.introduce(&strangers), Err(KeyError::NotEndorsed { .. })));
    let mut forged = second.introduce(2, Some(&first));
    forged.endorsement =
        forged.endorsement.map(|word| Endorsement { signature: forged.own, ..word });
    assert!(matches!(ring.introduce(&forged), Err(KeyError::Signature(_))));
    ring.introduce(&second.introduce(2, Some(&first))).unwrap();
    assert_eq!((ring.number_of(&second.key()), ring.last_number()), (Some(2), 2));
}

#[test]
fn what_is_signed_never_changes() {
    let signer = Signer::of(1);
    let head = ChainHead { sequence: 5, hash: ChainHash([9; 32]) };
    let said = [Claim::Checkpoint, Claim::Head, Claim::Span { after: 3 }]
        .map(|claim| signer.say(claim, head).signature.to_string());
    let introduced = Signer::of(2).introduce(2, Some(&signer)).own.to_string();
    let frozen: Vec<&str> = include_str!("tests/frozen.txt").lines().collect();
    assert_eq!([&said[..], &[introduced]].concat(), frozen);
}
