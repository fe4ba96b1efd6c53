//! Four eyes where somebody else can be the agent, by what the cluster has issued.

use super::harness::*;
use crate::{
    command::*,
    key_space::Table,
    limits::MAX_CREDENTIAL_LIFE_MS,
    records::{Audience, CredentialForm, HoldPhase, ResourceKind, Voucher},
    reply::{Reply, StateRefusal},
};
use countersign_core::{
    agent::Agent,
    hold::{Choice, DecisionError, HoldError},
    id::{CredentialId, NodeId},
    record::EventKind,
};

const KEY: [u8; 32] = [0xee; 32];

/// A cluster whose agents have a provider, with a hold of `bot`'s.
fn held() -> Replica {
    let mut replica = Replica::ready();
    replica.change(ResourceKind::IdentityProvider, "ci", "{}").unwrap();
    replica.opened(1, "bot");
    replica.held(1, 1, "delete a").unwrap();
    replica
}

pub(super) fn issued(
    replica: &mut Replica,
    n: u8,
    agent: Agent,
    (form, key): (CredentialForm, [u8; 32]),
) {
    let revision = crate::state::get::<crate::records::ResourceRecord>(
        &replica.state,
        &crate::key_space::resource(ResourceKind::IdentityProvider, "ci"),
    );
    let command = IssueCredential {
        id: CredentialId::from_bytes([n; 16]),
        agent,
        voucher: Voucher {
            provider: "ci".to_owned(),
            revision: revision.unwrap().unwrap().revision,
        },
        form,
        audience: Audience::Cluster,
        proof_sha256: key,
        source: "127.0.0.1:6000".parse().unwrap(),
        node: NodeId(1),
        most_live: 10,
    };
    replica.run(Command::IssueCredential(Box::new(command))).unwrap();
}

pub(super) fn of(name: &str, owner: Option<&str>) -> Agent {
    Agent { owner: owner.map(str::to_owned), ..robot(name) }
}

pub(super) const CERTIFICATE: (CredentialForm, [u8; 32]) = (CredentialForm::SshCertificate, KEY);

fn refused(reply: Reply) -> DecisionError {
    match reply {
        Err(StateRefusal::Hold(HoldError::Decision(error))) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_has_a_credential_of_the_same_key_decides_nothing_and_neither_does_who_it_acts_for() {
    let mut replica = held();
    issued(&mut replica, 1, of("bot", Some("olga")), CERTIFICATE);
    issued(&mut replica, 2, of("dana", Some("max")), CERTIFICATE);
    for choice in [Choice::Approve, Choice::Reject] {
        for name in ["dana", "max"] {
            assert_eq!(refused(replica.decided(1, name, choice)), DecisionError::Sharer, "{name}");
        }
    }
    // The same human with another issuer's identity, known by that name.
    let Command::Decide(mut decide) = replica.decide(1, "someone", Choice::Approve) else {
        panic!("a decision")
    };
    decide.reviewer.identity.issuer = "https://other".to_owned();
    decide.reviewer.also_known_as.insert("Dana".to_owned());
    assert_eq!(refused(replica.run(Command::Decide(decide))), DecisionError::Sharer);
    replica.decided(1, "rui", Choice::Approve).unwrap();
    replica.decided(1, "sam", Choice::Approve).unwrap();
    assert_eq!(replica.phase(hold(1)), HoldPhase::Approved);
}

#[test]
fn for_whom_another_credential_of_the_agent_acts_decides_nothing() {
    let mut replica = held();
    let token = |n| (CredentialForm::Token, [n; 32]);
    issued(&mut replica, 1, of("bot", Some("olga")), token(1));
    issued(&mut replica, 2, of("bot", Some("dana")), token(2));
    assert_eq!(refused(replica.decided(1, "dana", Choice::Approve)), DecisionError::Sharer);
    replica.decided(1, "rui", Choice::Approve).unwrap();
}

#[test]
fn other_keys_and_what_is_over_make_nobody_a_sharer() {
    let mut replica = held();
    issued(&mut replica, 1, of("bot", None), CERTIFICATE);
    issued(&mut replica, 2, of("dana", None), (CredentialForm::SshCertificate, [0xdd; 32]));
    // A token is drawn by the cluster: that two digests are alike says nothing, and does not happen.
    issued(&mut replica, 3, of("rui", None), (CredentialForm::Token, KEY));
    replica.decided(1, "dana", Choice::Approve).unwrap();
    replica.decided(1, "rui", Choice::Approve).unwrap();
    replica.held(2, 1, "delete b").unwrap();
    issued(&mut replica, 4, of("sam", None), CERTIFICATE);
    assert_eq!(refused(replica.decided(2, "sam", Choice::Approve)), DecisionError::Sharer);
    // The agent's credential is revoked: nobody is the agent by its key any more.
    let revoke = Revoke {
        what: Revocable::Credential(CredentialId::from_bytes([1; 16])),
        reason: "over".to_owned(),
        author: ada(),
    };
    replica.run(Command::Revoke(revoke)).unwrap();
    replica.decided(2, "sam", Choice::Approve).unwrap();
}

#[test]
fn nothing_of_credentials_stays_once_they_are_over() {
    let mut replica = held();
    issued(&mut replica, 1, of("bot", None), CERTIFICATE);
    issued(&mut replica, 2, of("dana", None), CERTIFICATE);
    assert_eq!(
        (replica.rows(Table::CredentialOfAgent), replica.rows(Table::CredentialOfKey)),
        (2, 2)
    );
    replica.now += MAX_CREDENTIAL_LIFE_MS + 1;
    replica.run(Command::Tick).unwrap();
    assert_eq!(
        (replica.rows(Table::CredentialOfAgent), replica.rows(Table::CredentialOfKey)),
        (0, 0)
    );
}

#[test]
fn an_approval_by_who_takes_the_agents_key_afterwards_lets_nothing_through() {
    let mut replica = held();
    issued(&mut replica, 1, of("bot", None), CERTIFICATE);
    replica.decided(1, "dana", Choice::Approve).unwrap();
    replica.decided(1, "rui", Choice::Approve).unwrap();
    issued(&mut replica, 2, of("dana", None), CERTIFICATE);
    let claim = replica.claim(1, 7, 1);
    let invalid = HoldError::Settled { state: "invalidated" };
    assert_eq!(refusal(replica.run(claim)), StateRefusal::Hold(invalid));
    assert_eq!(replica.phase(hold(1)), HoldPhase::Invalidated);
    assert_eq!(replica.count(EventKind::Invalidated), 1);
    assert_eq!(replica.count(EventKind::Intent), 0);
    replica.check_chain();
}
