//! The policy matrix, and the single rules of compiling and judging.

#![expect(clippy::disallowed_methods, reason = "a test has no gate and no adapter")]

mod compiling;
mod extent;
mod files;
mod judging;
mod keeping;
mod kubernetes;
mod matrix;
mod recorded;
mod slices;

use super::{Policies, PolicyDocument, PolicyProblem, Rules, Verdict, evaluate};
use crate::{
    agent::{Agent, Identity, Workload},
    id::{OperationId, Revision, SessionId},
    log_time::LogTime,
    mask::MaskRules,
    operation::{
        Action, Classification, Demand, Effect, NamedColumn, Operation, Resource, Transaction,
    },
    session::{Opening, Session},
    target::{Protocol, Target, TargetName},
};
use std::{collections::BTreeSet, sync::Arc};

fn documents(text: &str) -> Vec<PolicyDocument> {
    vec![PolicyDocument { name: "sample".to_owned(), text: text.to_owned() }]
}

fn compile(text: &str) -> Policies {
    Policies::compile(&documents(text)).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn problems(text: &str) -> Vec<PolicyProblem> {
    Policies::compile(&documents(text)).expect_err("the policy has a problem")
}

fn session(subject: &str, groups: &[&str], target: &str) -> Session {
    Session::opened(Opening {
        id: SessionId::from_bytes([1; 16]),
        agent: Agent {
            identity: Identity { issuer: "https://issuer".to_owned(), subject: subject.to_owned() },
            name: subject.to_owned(),
            owner: None,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            workload: Workload::default(),
            expires_at: LogTime(1_000),
        },
        target: Target {
            name: TargetName::parse(target).unwrap(),
            revision: Revision(2),
            protocol: Protocol::Postgres,
        },
        role: "app".to_owned(),
        opened_at: LogTime(1),
    })
}

/// A session at an SSH target.
fn ssh_session(target: &str) -> Session {
    session_of(Protocol::Ssh, target)
}

/// A session at a target of another protocol.
fn session_of(protocol: Protocol, target: &str) -> Session {
    let plain = session("ci-bot", &["ci"], target);
    Session::opened(Opening {
        id: plain.id(),
        agent: plain.agent().clone(),
        target: Target { protocol, ..plain.target().clone() },
        role: plain.role().to_owned(),
        opened_at: plain.opened_at(),
    })
}

fn operation(session: &Session, demands: &[Demand], how: (Effect, Transaction)) -> Operation {
    operation_with(session, demands, how, Vec::new())
}

fn operation_with(
    session: &Session,
    demands: &[Demand],
    (effect, transaction): (Effect, Transaction),
    columns: Vec<NamedColumn>,
) -> Operation {
    let classification = Classification {
        id: OperationId::from_bytes([1; 16]),
        text: Arc::from(&b"a statement"[..]),
        parameters: Vec::new(),
        settings: Arc::default(),
        summary: "".into(),
        demands: Arc::new(demands.iter().cloned().collect()),
        columns: Arc::new(columns.into_iter().collect()),
        commands: Arc::default(),
        shape: None,
        effect,
        transaction,
        context: Arc::default(),
    };
    Operation::classified(session, classification)
}

fn on(action: Action, resource: Resource) -> Demand {
    Demand { action, resource }
}

fn relation(schema: &str, name: &str) -> Resource {
    Resource::Relation { schema: schema.to_owned(), name: name.to_owned() }
}

/// An object as policies write it: `NAMESPACE/RESOURCE.GROUP/NAME/SUBRESOURCE`.
fn api_object(place: &str) -> Resource {
    let mut parts = place.splitn(4, '/').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    let (namespace, kind, name, subresource) = (next(), next(), next(), next());
    let (resource, group) = kind.split_once('.').unwrap_or((&kind, ""));
    Resource::ApiObject {
        namespace,
        group: group.to_owned(),
        version: "v1".to_owned(),
        resource: resource.to_owned(),
        name,
        subresource,
    }
}

fn judge(policies: &Policies, session: &Session, demands: &[Demand]) -> Verdict {
    judge_effect(policies, session, demands, Effect::Passing)
}

fn judge_effect(
    policies: &Policies,
    session: &Session,
    demands: &[Demand],
    effect: Effect,
) -> Verdict {
    judge_as(policies, session, demands, (effect, Transaction::None))
}

/// Judges an operation that stands in an open transaction.
fn judge_within(policies: &Policies, session: &Session, demands: &[Demand]) -> Verdict {
    judge_as(policies, session, demands, (Effect::Lasting, Transaction::Open))
}

fn judge_as(
    policies: &Policies,
    session: &Session,
    demands: &[Demand],
    how: (Effect, Transaction),
) -> Verdict {
    let rules = Rules { policies: policies.clone(), masks: MaskRules::none(Revision(7)) };
    evaluate(&rules, session, &operation(session, demands, how))
}

/// A verdict in one line.
fn shown(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow(cleared) => {
            let basis = cleared.basis();
            format!("allow {} by {}", basis.audit.name(), basis.rules.join(", "))
        }
        Verdict::Hold(terms) => {
            let needed: Vec<_> = terms
                .requirements
                .iter()
                .map(|needed| format!("{} of {}", needed.quorum, needed.reviewers))
                .collect();
            format!("hold for {} by {}", needed.join(" and "), terms.rules.join(", "))
        }
        Verdict::Deny(reason) => format!("deny {}: {}", reason.rules.join(", "), reason.message),
    }
}
