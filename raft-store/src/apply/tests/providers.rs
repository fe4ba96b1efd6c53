//! A revoked identity provider: everybody of its issuer is out, until it is defined otherwise.

use super::harness::*;
use crate::{
    command::*,
    key_space::Table,
    records::{
        Audience, CredentialForm, HoldPhase, RequestId, ResourceKind, SessionState, Voucher,
    },
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    hold::Choice,
    id::{CredentialId, NodeId, Revision},
    record::EventKind,
};

const DELETE: &str = "delete from accounts where id = 7";

/// Defines a provider, by a request of its own each time.
fn define(replica: &mut Replica, name: &str, body: &str) -> Revision {
    change(replica, name, ResourceBody::Put(body.to_owned()))
}

fn change(replica: &mut Replica, name: &str, to: ResourceBody) -> Revision {
    let mut id = [9; 16];
    id[..8].copy_from_slice(&replica.index.to_be_bytes());
    let (kind, expected) = (ResourceKind::IdentityProvider, Expected::Anything);
    let changed = Command::ApplyResources(ApplyResources {
        id: RequestId(id),
        content: [0; 32],
        answer: String::new(),
        changes: vec![ResourceChange { kind, name: name.to_owned(), expected, to }],
        author: ada(),
        comment: String::new(),
    });
    let Answer::Applied(revision) = replica.run(changed).unwrap() else { panic!("a revision") };
    revision
}

fn revoke_provider(name: &str, revision: Revision) -> Command {
    let provider = Voucher { provider: name.to_owned(), revision };
    Command::Revoke(Revoke {
        what: Revocable::Provider { provider, issuer: robot("any").identity.issuer },
        reason: "its keys were stolen".to_owned(),
        author: ada(),
    })
}

fn open(replica: &Replica, session: u8) -> Command {
    open_session(session, "bot", NodeId(1), replica.incarnation(NodeId(1)))
}

#[test]
fn revoked_is_out_for_everybody_of_a_revoked_provider() {
    let mut replica = Replica::ready();
    let revision = define(&mut replica, "ci", "{}");
    replica.opened(1, "bot");
    replica.held(1, 1, DELETE).unwrap();
    replica.run(revoke_provider("ci", revision)).unwrap();
    assert!(matches!(replica.session(ses(1)).state, SessionState::Closed { .. }));
    assert_eq!(replica.phase(hold(1)), HoldPhase::Invalidated);
    let opened = open(&replica, 2);
    assert_eq!(refusal(replica.run(opened)), StateRefusal::Revoked);
    let decided = replica.decide(1, "dana", Choice::Approve);
    assert_eq!(refusal(replica.run(decided)), StateRefusal::Revoked);
    let issued = Command::IssueCredential(Box::new(IssueCredential {
        id: CredentialId::from_bytes([1; 16]),
        agent: robot("bot"),
        voucher: Voucher { provider: "ci".to_owned(), revision },
        form: CredentialForm::Token,
        audience: Audience::Cluster,
        proof_sha256: [1; 32],
        source: "127.0.0.1:6000".parse().unwrap(),
        node: NodeId(1),
        most_live: 4,
    }));
    assert_eq!(refusal(replica.run(issued)), StateRefusal::Revoked);
    // Said again it is no other event.
    replica.run(revoke_provider("ci", revision)).unwrap();
    assert_eq!(replica.count(EventKind::Revoked), 1);
    replica.check_chain();
}

#[test]
fn a_provider_is_revoked_until_each_that_stands_for_the_issuer_is_defined_otherwise() {
    let mut replica = Replica::ready();
    let (one, other) = (define(&mut replica, "one", "{}"), define(&mut replica, "other", "{}"));
    replica.run(revoke_provider("one", one)).unwrap();
    replica.run(revoke_provider("other", other)).unwrap();
    // Applied again as it is, it is what was revoked.
    define(&mut replica, "one", "{}");
    define(&mut replica, "unconcerned", "{}");
    define(&mut replica, "one", r#"{"new":1}"#);
    let opened = open(&replica, 1);
    assert_eq!(refusal(replica.run(opened)), StateRefusal::Revoked);
    change(&mut replica, "other", ResourceBody::Delete);
    let opened = open(&replica, 1);
    assert_eq!(refusal(replica.run(opened)), StateRefusal::Revoked, "nobody has defined it");
    define(&mut replica, "other", r#"{"new":1}"#);
    replica.opened(1, "bot");
    assert_eq!(replica.rows(Table::RevokedIssuer), 0);
}

#[test]
fn a_provider_that_has_changed_meanwhile_is_not_the_one_that_was_to_be_revoked() {
    let mut replica = Replica::ready();
    let revision = define(&mut replica, "ci", "{}");
    define(&mut replica, "ci", r#"{"new":1}"#);
    let revoked = replica.run(revoke_provider("ci", revision));
    assert_eq!(refusal(revoked), StateRefusal::ProviderChanged);
    assert_eq!(replica.rows(Table::RevokedIssuer), 0);
}
