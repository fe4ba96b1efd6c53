//! Chains as a cluster makes them, with keys, checkpoints and a signed end, of any length. For tests and measurements;
//! nothing is kept in memory that has been given out.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use countersign_api::audit::{
    AuditEvent, AuditKey, SpanEnd,
    export::{FORMAT, Header, Line},
};
use countersign_core::{
    id::LogIndex,
    log_time::LogTime,
    record::{
        self, ChainHead, Claim, ClusterId, Endorsement, EventKind, KeyIntroduction, Signature,
        Signed, Statement, facts,
    },
};
use std::collections::BTreeMap;

/// A key of a cluster's.
pub(crate) struct Signer(Ed25519KeyPair);

impl Signer {
    pub(crate) fn of(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    pub(crate) fn key(&self) -> record::AuditKey {
        record::AuditKey(self.0.public_key().as_ref().try_into().unwrap())
    }

    fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(self.0.sign(bytes).as_ref().try_into().unwrap())
    }

    pub(crate) fn say(
        &self,
        claim: Claim,
        cluster: ClusterId,
        head: ChainHead,
        at: LogTime,
    ) -> Signed {
        let statement = Statement { claim, cluster, head, at };
        let key = self.key();
        Signed { statement, key, signature: self.sign(&statement.bytes(&key)) }
    }

    pub(crate) fn introduce(
        &self,
        cluster: ClusterId,
        number: u64,
        before: Option<&Self>,
    ) -> KeyIntroduction {
        let key = self.key();
        let by = before.map(Self::key);
        let bytes = KeyIntroduction::bytes(cluster, number, &key, by.as_ref());
        let endorsement =
            before.map(|before| Endorsement { by: before.key(), signature: before.sign(&bytes) });
        KeyIntroduction { cluster, number, key, endorsement, own: self.sign(&bytes) }
    }
}

/// The event at which the second key comes, as a share of the length.
const SECOND_KEY_AT: u64 = 2;

/// The lines of an export of a whole chain.
pub(crate) struct Export {
    pub(crate) cluster: ClusterId,
    pub(crate) keys: [Signer; 2],
    length: u64,
    checkpoint_every: u64,
    head: ChainHead,
    begun: bool,
    ended: bool,
}

impl Export {
    /// An export of `length` events with a checkpoint every so many of them.
    pub(crate) fn new(cluster: u8, length: u64, checkpoint_every: u64) -> Self {
        Self {
            cluster: ClusterId([cluster; 16]),
            keys: [Signer::of(cluster), Signer::of(cluster + 100)],
            length,
            checkpoint_every,
            head: ChainHead::default(),
            begun: false,
            ended: false,
        }
    }

    fn introductions(&self) -> [KeyIntroduction; 2] {
        let [first, second] = &self.keys;
        [first.introduce(self.cluster, 1, None), second.introduce(self.cluster, 2, Some(first))]
    }

    fn second_key_at(&self) -> u64 {
        self.length / SECOND_KEY_AT
    }

    fn header(&self) -> Line {
        Line::Export(Header {
            format: FORMAT.to_owned(),
            cluster_id: self.cluster.to_string(),
            after: 0,
            keys: self.introductions().iter().map(AuditKey::of).collect(),
        })
    }

    fn event(&self) -> record::AuditEvent {
        let sequence = self.head.sequence + 1;
        let at = LogTime(1_795_378_167_000 + sequence * 3);
        let (kind, fields) = if sequence == 1 {
            (EventKind::AuditKeyIntroduced, facts::of_introduction(&self.introductions()[0]))
        } else if sequence == self.second_key_at() {
            (EventKind::AuditKeyIntroduced, facts::of_introduction(&self.introductions()[1]))
        } else if sequence.is_multiple_of(self.checkpoint_every) {
            let signer = &self.keys[usize::from(sequence > self.second_key_at())];
            let signed = signer.say(Claim::Checkpoint, self.cluster, self.head, at);
            (EventKind::Checkpoint, facts::of_checkpoint(&signed))
        } else {
            (EventKind::Intent, intent(sequence))
        };
        let previous = self.head.hash;
        record::AuditEvent { sequence, at, index: LogIndex(sequence), kind, fields, previous }
    }
}

/// The facts of an ordinary intent.
fn intent(sequence: u64) -> BTreeMap<String, String> {
    [
        ("agent.issuer", "https://id.example.com".to_owned()),
        ("agent.name", "ci-bot".to_owned()),
        ("agent.subject", "repo:acme/shop:ref:refs/heads/main".to_owned()),
        ("audit", "before_reply".to_owned()),
        ("fingerprint", format!("{sequence:064x}")),
        ("operation.actions", "postgres:read".to_owned()),
        ("operation.id", format!("op_{sequence:026}")),
        ("operation.summary", "SELECT on public.orders".to_owned()),
        ("operation.text", format!("SELECT id, \"état\" FROM orders WHERE id = {sequence}\n")),
        ("operation.text_length", "44".to_owned()),
        ("policy.revision", "17".to_owned()),
        ("policy.rules", "reads".to_owned()),
        ("session.id", "ses_01kaaaaaaaaaaaaaaaaaaaaaaa".to_owned()),
        ("target.name", "orders".to_owned()),
        ("verdict", "allow".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

impl Iterator for Export {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if !self.begun {
            self.begun = true;
            return Some(self.header());
        }
        if self.head.sequence < self.length {
            let event = self.event();
            self.head = ChainHead { sequence: event.sequence, hash: event.hash() };
            return Some(Line::Event(AuditEvent::from(&event)));
        }
        if self.ended {
            return None;
        }
        self.ended = true;
        let (claim, at) = (Claim::Span { after: 0 }, LogTime(1_795_378_999_000));
        let signed = self.keys[1].say(claim, self.cluster, self.head, at);
        Some(Line::End(SpanEnd::of(&signed)))
    }
}
