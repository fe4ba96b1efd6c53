//! Credentials of agents: whose they are, how long they count, and what their revocation ends.

use super::harness::*;
use crate::{
    command::*,
    effect::Effect,
    key_space::{self, Table},
    limits::{Limit, MAX_CREDENTIAL_LIFE_MS},
    machine::View,
    records::{Audience, CredentialForm, CredentialRecord, ResourceKind, Voucher},
    reply::{Answer, CredentialLife, Reply, StateRefusal},
};
use countersign_core::{
    agent::Agent,
    id::{CredentialId, NodeId, Revision, SessionId},
    log_time::LogTime,
    record::EventKind,
    target::{Protocol, TargetName},
};

fn id(n: u8) -> CredentialId {
    CredentialId::from_bytes([n; 16])
}

fn issue(n: u8, revision: Revision, agent: Agent) -> Command {
    Command::IssueCredential(Box::new(IssueCredential {
        id: id(n),
        agent,
        voucher: Voucher { provider: "ci".to_owned(), revision },
        form: CredentialForm::Token,
        audience: Audience::Cluster,
        proof_sha256: [n; 32],
        source: "127.0.0.1:6000".parse().unwrap(),
        node: NodeId(1),
        most_live: MOST_LIVE,
    }))
}

const MOST_LIVE: u64 = 4;

/// Defines the provider, and says at which revision it is.
fn define(replica: &mut Replica, body: &str) -> Revision {
    let changed = put(ResourceKind::IdentityProvider, "ci", body, Expected::Anything);
    let Answer::Applied(revision) = replica.run(changed).unwrap() else { panic!("a revision") };
    revision
}

/// A cluster with the provider at a revision.
fn ready() -> (Replica, Revision) {
    let mut replica = Replica::ready();
    let revision = define(&mut replica, r#"{"issuer":"https://i"}"#);
    (replica, revision)
}

fn open_with(replica: &Replica, session: u8, agent: &str, credential: u8) -> Command {
    let node = NodeId(1);
    let command = open_session(session, agent, node, replica.incarnation(node));
    let Command::OpenSession(mut open) = command else { panic!("a session") };
    open.credential = Some(id(credential));
    Command::OpenSession(open)
}

fn revoke_credential(n: u8) -> Command {
    Command::Revoke(Revoke {
        what: Revocable::Credential(id(n)),
        reason: "leaked".to_owned(),
        author: ada(),
    })
}

fn ended(replica: &Replica) -> Vec<SessionId> {
    let effects = replica.effects.iter();
    effects
        .filter_map(|effect| {
            if let Effect::SessionEnded { session, .. } = effect { Some(*session) } else { None }
        })
        .collect()
}

#[test]
fn a_credential_ends_with_the_token_and_after_an_hour_at_the_latest() {
    let (mut replica, vouched) = ready();
    let until = |ms: u64| Agent { expires_at: LogTime(ms), ..robot("ci-bot") };
    for (n, token_ends, expected) in [
        (1, START_MS + 5_000, START_MS + 5_000),
        (2, START_MS + 10 * MAX_CREDENTIAL_LIFE_MS, START_MS + MAX_CREDENTIAL_LIFE_MS),
    ] {
        let life = CredentialLife { issued_at: LogTime(START_MS), expires_at: LogTime(expected) };
        let reply: Reply = Ok(Answer::CredentialIssued(life));
        assert_eq!(replica.run(issue(n, vouched, until(token_ends))), reply);
        // A retry of the proposal is answered alike and recorded once; another key is not it.
        assert_eq!(replica.run(issue(n, vouched, until(token_ends))), reply);
    }
    let Command::IssueCredential(mut other) = issue(1, vouched, robot("ci-bot")) else { panic!() };
    other.proof_sha256 = [9; 32];
    let other = replica.run(Command::IssueCredential(other));
    assert_eq!(refusal(other), StateRefusal::IdUsed);
    assert_eq!(replica.count(EventKind::CredentialIssued), 2);
    let over = replica.run(issue(3, vouched, until(START_MS)));
    assert_eq!(refusal(over), StateRefusal::IdentityExpired);
    // What is over leaves the state.
    replica.now += MAX_CREDENTIAL_LIFE_MS + 1;
    replica.run(Command::Tick).unwrap();
    let table = key_space::table(Table::Credential);
    assert!(replica.state.scan(&table, None, 10).unwrap().is_empty());
    replica.check_chain();
}

#[test]
fn a_session_is_opened_with_ones_own_credential_while_it_counts() {
    let (mut replica, vouched) = ready();
    replica.run(issue(1, vouched, robot("ci-bot"))).unwrap();
    let open = open_with(&replica, 1, "ci-bot", 1);
    replica.run(open).unwrap();
    let opened = replica.events().into_iter().find(|e| e.kind == EventKind::SessionOpened).unwrap();
    assert_eq!(opened.fields["credential.id"], id(1).to_string());
    let refused = |replica: &mut Replica, agent: &str, credential: u8| {
        let open = open_with(replica, 2, agent, credential);
        refusal(replica.run(open))
    };
    assert_eq!(refused(&mut replica, "other-bot", 1), StateRefusal::NoSuchCredential);
    assert_eq!(refused(&mut replica, "ci-bot", 7), StateRefusal::NoSuchCredential);
    let short = Agent { expires_at: LogTime(START_MS + 1_000), ..robot("ci-bot") };
    replica.run(issue(2, vouched, short)).unwrap();
    replica.now += 1_000;
    assert_eq!(refused(&mut replica, "ci-bot", 2), StateRefusal::IdentityExpired);
}

#[test]
fn a_credential_for_one_target_opens_sessions_with_that_api_alone() {
    let (mut replica, vouched) = ready();
    let shop = put(ResourceKind::Target, "shop", "{}", Expected::Absent);
    replica.run(shop).unwrap();
    let target = |name| TargetName::parse(name).unwrap();
    let Command::IssueCredential(mut bound) = issue(1, vouched, robot("ci-bot")) else { panic!() };
    bound.audience = Audience::Kubernetes(target("shop"));
    replica.run(Command::IssueCredential(bound.clone())).unwrap();
    let told = replica.events().pop().unwrap();
    assert_eq!(told.fields["target.name"], "shop");
    let opens = |replica: &mut Replica, n, name, protocol| {
        let Command::OpenSession(mut open) = open_with(replica, n, "ci-bot", 1) else { panic!() };
        (open.target, open.protocol) = (target(name), protocol);
        replica.run(Command::OpenSession(open))
    };
    for (name, protocol) in [
        ("orders", Protocol::Kubernetes),
        ("orders", Protocol::Postgres),
        ("shop", Protocol::Postgres),
        ("shop", Protocol::Ssh),
        // Nobody learns by it which targets there are.
        ("nowhere", Protocol::Kubernetes),
    ] {
        let refused = refusal(opens(&mut replica, 1, name, protocol));
        assert_eq!(refused, StateRefusal::OtherAudience, "{name} {protocol:?}");
    }
    opens(&mut replica, 1, "shop", Protocol::Kubernetes).unwrap();
    // A proposal that is repeated with another audience is not the same one.
    bound.audience = Audience::Cluster;
    let wider = replica.run(Command::IssueCredential(bound));
    assert_eq!(refusal(wider), StateRefusal::IdUsed);
    replica.run(revoke_credential(1)).unwrap();
    assert_eq!(ended(&replica), [ses(1)]);
    let again = opens(&mut replica, 2, "shop", Protocol::Kubernetes);
    assert_eq!(refusal(again), StateRefusal::Revoked);
    replica.check_chain();
}

#[test]
fn revoked_is_out_for_a_credential_and_what_was_opened_with_it_alone() {
    let (mut replica, vouched) = ready();
    replica.run(issue(1, vouched, robot("ci-bot"))).unwrap();
    replica.run(issue(2, vouched, robot("ci-bot"))).unwrap();
    for (session, credential) in [(1, 1), (2, 2)] {
        let open = open_with(&replica, session, "ci-bot", credential);
        replica.run(open).unwrap();
    }
    replica.opened(3, "ci-bot");
    replica.run(revoke_credential(1)).unwrap();
    replica.run(revoke_credential(1)).unwrap();
    assert_eq!(ended(&replica), [ses(1)]);
    assert_eq!(replica.count(EventKind::Revoked), 1);
    let again = open_with(&replica, 4, "ci-bot", 1);
    assert_eq!(refusal(replica.run(again)), StateRefusal::Revoked);
    assert_eq!(refusal(replica.run(replica.intend(1, 1))), StateRefusal::SessionGone);
    assert_eq!(refusal(replica.run(issue(1, vouched, robot("ci-bot")))), StateRefusal::IdUsed);
    assert_eq!(refusal(replica.run(revoke_credential(9))), StateRefusal::NoSuchCredential);
    let stored: CredentialRecord =
        crate::state::get(&replica.state, &key_space::credential(id(2))).unwrap().unwrap();
    assert_eq!(stored.agent.identity, who("ci-bot"));
    replica.check_chain();
}

#[test]
fn revoked_is_out_for_the_credentials_of_a_revoked_agent() {
    let (mut replica, vouched) = ready();
    replica.run(issue(1, vouched, robot("ci-bot"))).unwrap();
    replica.run(revoke(who("ci-bot"))).unwrap();
    let open = open_with(&replica, 1, "ci-bot", 1);
    assert_eq!(refusal(replica.run(open)), StateRefusal::Revoked);
    assert_eq!(refusal(replica.run(issue(2, vouched, robot("ci-bot")))), StateRefusal::Revoked);
}

#[test]
fn an_agent_has_so_many_credentials_at_a_time_and_no_more() {
    let (mut replica, vouched) = ready();
    let most = u8::try_from(MOST_LIVE).unwrap();
    for n in 1..=most {
        replica.run(issue(n, vouched, robot("ci-bot"))).unwrap();
    }
    let limit = Limit::CredentialsPerAgent;
    let over = |replica: &mut Replica, n| refusal(replica.run(issue(n, vouched, robot("ci-bot"))));
    assert_eq!(over(&mut replica, 5), StateRefusal::OverLimit { limit });
    // A retry of one that is there is none more, and others have their own count.
    replica.run(issue(1, vouched, robot("ci-bot"))).unwrap();
    replica.run(issue(6, vouched, robot("other-bot"))).unwrap();
    replica.run(revoke_credential(1)).unwrap();
    replica.run(revoke_credential(1)).unwrap();
    replica.run(issue(7, vouched, robot("ci-bot"))).unwrap();
    assert_eq!(over(&mut replica, 8), StateRefusal::OverLimit { limit });
    replica.now += MAX_CREDENTIAL_LIFE_MS + 1;
    replica.run(Command::Tick).unwrap();
    assert_eq!(replica.rows(Table::CredentialCount), 0);
    // What a node is set to does not lift the ceiling of the cluster.
    let Command::IssueCredential(mut none) = issue(9, vouched, robot("ci-bot")) else { panic!() };
    none.most_live = 0;
    none.agent.expires_at = LogTime(u64::MAX);
    let none = replica.run(Command::IssueCredential(none));
    assert_eq!(refusal(none), StateRefusal::OverLimit { limit });
}

#[test]
fn a_provider_that_is_defined_anew_does_not_vouch_for_what_it_did_before() {
    let (mut replica, vouched) = ready();
    replica.run(issue(1, vouched, robot("ci-bot"))).unwrap();
    let open = open_with(&replica, 1, "ci-bot", 1);
    replica.run(open).unwrap();
    replica.opened(3, "ci-bot");
    let anew = define(&mut replica, r#"{"issuer":"https://other"}"#);
    assert_eq!(ended(&replica), [ses(1)]);
    let open = open_with(&replica, 2, "ci-bot", 1);
    assert_eq!(refusal(replica.run(open)), StateRefusal::ProviderChanged);
    // A node that still goes by the old definition issues nothing by it.
    let late = replica.run(issue(2, vouched, robot("ci-bot")));
    assert_eq!(refusal(late), StateRefusal::ProviderChanged);
    // Nor does the first definition count again when it is brought back.
    replica.run(issue(3, anew, robot("ci-bot"))).unwrap();
    define(&mut replica, r#"{"issuer": "https://i"}"#);
    for credential in [1, 3] {
        let open = open_with(&replica, 4, "ci-bot", credential);
        assert_eq!(refusal(replica.run(open)), StateRefusal::ProviderChanged);
    }
    replica.check_chain();
}

#[test]
fn another_provider_that_changes_ends_nothing() {
    let (mut replica, vouched) = ready();
    replica.run(issue(1, vouched, robot("ci-bot"))).unwrap();
    let open = open_with(&replica, 1, "ci-bot", 1);
    replica.run(open).unwrap();
    let other = put(ResourceKind::IdentityProvider, "staff", "{}", Expected::Absent);
    replica.run(other).unwrap();
    assert!(ended(&replica).is_empty());
}
