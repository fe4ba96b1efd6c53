//! Judging an operation. Fail closed: an error anywhere in an evaluation denies.

use super::{
    annotations::{self, HoldWish, InTransaction},
    compile::{Policies, Rule},
    entities,
    findings::{Finding, Matter},
};
use crate::{
    hold::HoldTerms,
    id::Revision,
    mask::MaskRules,
    operation::{Action, Demand, Effect, Operation, Resource, Transaction},
    permit::{AuditLevel, Basis, Cleared},
    session::Session,
};
use cedar_policy::{Authorizer, Decision, Entities, Request, Response};
use std::collections::BTreeSet;

/// What policy says about an operation.
#[derive(Debug)]
#[must_use = "an operation whose verdict is dropped is not forwarded"]
pub enum Verdict {
    /// It may be admitted.
    Allow(Cleared),
    /// Humans decide.
    Hold(HoldTerms),
    /// It does not go through.
    Deny(DenyReason),
}

/// Why policy denies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyReason {
    /// The rules that forbid; empty when something is not permitted by any rule.
    pub rules: Vec<String>,
    /// What can be told to the agent.
    pub message: String,
}

/// What one demand came to.
enum Answer {
    Allow { rules: BTreeSet<String>, audit: AuditLevel },
    Hold(HoldWish),
    Deny(DenyReason),
}

/// The rules in force at one revision: what is allowed, held and denied, and what is masked in the answers.
#[derive(Debug)]
pub struct Rules {
    /// The policies.
    pub policies: Policies,
    /// The mask rules, which know the revision.
    pub masks: MaskRules,
}

impl Rules {
    /// The policy revision that they are of.
    pub fn revision(&self) -> Revision {
        self.masks.revision()
    }
}

/// Judges `operation` of `session` by the rules in force.
pub fn evaluate(rules: &Rules, session: &Session, operation: &Operation) -> Verdict {
    let Rules { policies, masks } = rules;
    let matter = Matter::of(session, operation, demands(session, operation));
    match policies.findings.get_or_find(matter, |matter| find(policies, matter)) {
        Finding::Hold(terms) => Verdict::Hold(terms),
        Finding::Deny(reason) => Verdict::Deny(reason),
        Finding::Allow { rules: deciding, audit } => {
            let basis = Basis {
                operation: operation.id(),
                fingerprint: *operation.fingerprint(),
                audit,
                revision: rules.revision(),
                rules: deciding,
                hold: None,
            };
            Verdict::Allow(Cleared::new(basis, masks.plan(session)))
        }
    }
}

/// What the policies say of a matter: the strictest answer of all its demands.
fn find(policies: &Policies, matter: &Matter) -> Finding {
    let mut allowed = (BTreeSet::new(), least_audit(matter.effect));
    let mut held: Option<HoldWish> = None;
    for demand in &matter.demands {
        match answer(policies, matter, demand) {
            Answer::Deny(reason) => return Finding::Deny(reason),
            Answer::Hold(wish) => {
                held = Some(match held {
                    Some(others) => annotations::union(others, wish),
                    None => wish,
                });
            }
            Answer::Allow { rules, audit } => {
                allowed.0.extend(rules);
                allowed.1 = allowed.1.max(audit);
            }
        }
    }
    match held {
        Some(wish) => hold(wish, matter.transaction),
        None => Finding::Allow { rules: allowed.0.into_iter().collect(), audit: allowed.1 },
    }
}

/// What is held waits with what its transaction has locked, so the rules say whether and how long it may.
fn hold(wish: HoldWish, transaction: Transaction) -> Finding {
    let HoldWish { terms, in_transaction } = wish;
    match (transaction, in_transaction) {
        (Transaction::None, _) | (Transaction::Open, InTransaction::Allowed) => {
            Finding::Hold(terms)
        }
        (Transaction::Open, InTransaction::AtMost(most_ms)) => {
            Finding::Hold(HoldTerms { wait_ms: terms.wait_ms.min(most_ms), ..terms })
        }
        (Transaction::Open, InTransaction::Refused) => Finding::Deny(DenyReason {
            rules: terms.rules,
            message: "it would wait for approval inside an open transaction, which is refused: end the transaction and send it by itself"
                .to_owned(),
        }),
    }
}

/// An operation that demands nothing was not understood (invariant `opaque_is_not_allowed`).
fn demands(session: &Session, operation: &Operation) -> BTreeSet<Demand> {
    let found = operation.demands();
    if found.is_empty() {
        let action = Action::opaque_of(session.target().protocol);
        BTreeSet::from([Demand { action, resource: Resource::Target }])
    } else {
        found.clone()
    }
}

fn answer(policies: &Policies, matter: &Matter, demand: &Demand) -> Answer {
    match ask(policies, matter, demand) {
        Ok(response) => read(policies, demand, &response),
        Err(entities::EntityError) => Answer::Deny(DenyReason {
            rules: Vec::new(),
            message: "the operation cannot be put to the policy".to_owned(),
        }),
    }
}

fn ask(
    policies: &Policies,
    matter: &Matter,
    demand: &Demand,
) -> Result<Response, entities::EntityError> {
    let (principal, mut known) = entities::principal(matter)?;
    let (resource, placed) = entities::resource(matter, &demand.resource)?;
    known.extend(placed);
    let action = entities::uid("Action", demand.action.name())?;
    let context = entities::context(matter)?;
    let request = Request::new(principal, action, resource, context, None)
        .map_err(|_| entities::EntityError)?;
    let known: Entities =
        policies.actions.clone().add_entities(known, None).map_err(|_| entities::EntityError)?;
    Ok(Authorizer::new().is_authorized(&request, &policies.set, &known))
}

fn read(policies: &Policies, demand: &Demand, response: &Response) -> Answer {
    // Cedar skips a rule that errors; a forbid that was skipped would not forbid.
    if response.diagnostics().errors().next().is_some() {
        return deny(Vec::new(), "a rule could not be evaluated".to_owned());
    }
    // What a rule asks for is read beside it: one that is not found there may ask for a hold.
    let deciding: Option<Vec<&Rule>> =
        response.diagnostics().reason().map(|id| policies.rules.get(id)).collect();
    let Some(deciding) = deciding else {
        return deny(Vec::new(), "a rule that decides is not known".to_owned());
    };
    match response.decision() {
        Decision::Deny => {
            let message = if deciding.is_empty() {
                format!("no rule permits {}", demand.action.name())
            } else {
                format!("{} is forbidden", demand.action.name())
            };
            deny(deciding.iter().map(|rule| rule.name.clone()).collect(), message)
        }
        Decision::Allow if deciding.is_empty() => {
            deny(Vec::new(), format!("no rule permits {}", demand.action.name()))
        }
        Decision::Allow => permitted(demand, &deciding),
    }
}

fn permitted(demand: &Demand, deciding: &[&Rule]) -> Answer {
    let (holding, deciding): (Vec<&Rule>, Vec<&Rule>) =
        deciding.iter().partition(|rule| rule.terms.hold.is_some());
    if demand.action.is_never_held() {
        if deciding.is_empty() {
            let message = format!(
                "{} is never held, and no rule permits it without a hold",
                demand.action.name()
            );
            return deny(holding.iter().map(|rule| rule.name.clone()).collect(), message);
        }
    } else if let Some(wish) =
        holding.iter().filter_map(|rule| rule.terms.hold.clone()).reduce(annotations::union)
    {
        return Answer::Hold(wish);
    }
    // A rule written for what the gateway understands does not reach what it does not.
    if demand.action.is_opaque() && !deciding.iter().any(|rule| rule.names_actions) {
        return deny(
            Vec::new(),
            "the operation is not fully understood, and no rule names that action".to_owned(),
        );
    }
    // A rule can ask for more than the action needs, never for less than the weakest that it can have; and for less than
    // it has by default only where every rule beside it does.
    let of_rule = |rule: &&Rule| rule.terms.audit.unwrap_or(default_audit(demand.action));
    let audit = deciding.iter().map(of_rule).fold(weakest_audit(demand.action), AuditLevel::max);
    Answer::Allow { rules: deciding.iter().map(|rule| rule.name.clone()).collect(), audit }
}

/// The level below which no rule goes: what may last is never at the target before it is in the record, because an agent
/// that hears a refusal must be able to rely on it.
const fn least_audit(effect: Effect) -> AuditLevel {
    match effect {
        Effect::Passing => AuditLevel::Batched,
        Effect::Lasting => AuditLevel::BeforeForward,
    }
}

/// The level that a rule may ask for at the least: what only reads may be noted on one disk for a moment.
pub(super) const fn weakest_audit(action: Action) -> AuditLevel {
    match action {
        Action::PostgresRead
        | Action::PostgresShow
        | Action::PostgresDescribe
        | Action::SshQuery
        | Action::SshList
        | Action::SshRead
        | Action::SshScan
        | Action::KubernetesDiscover
        | Action::KubernetesUrl
        | Action::KubernetesReview
        | Action::KubernetesGet
        | Action::KubernetesList
        | Action::KubernetesWatch
        | Action::KubernetesLog => AuditLevel::Batched,
        Action::PostgresTransaction
        | Action::PostgresExplain
        | Action::PostgresWrite
        | Action::PostgresDdl
        | Action::PostgresPrivilege
        | Action::PostgresRole
        | Action::PostgresFunction
        | Action::PostgresLock
        | Action::PostgresCopy
        | Action::PostgresProgram
        | Action::PostgresSession
        | Action::PostgresPreference
        | Action::PostgresCursor
        | Action::PostgresPrepare
        | Action::PostgresNotify
        | Action::PostgresMaintain
        | Action::PostgresReplication
        | Action::PostgresAdmin
        | Action::PostgresOpaque
        | Action::SshWrite
        | Action::SshExec
        | Action::SshOpaque
        | Action::KubernetesCreate
        | Action::KubernetesUpdate
        | Action::KubernetesPatch
        | Action::KubernetesDelete
        | Action::KubernetesDeleteCollection
        | Action::KubernetesStatus
        | Action::KubernetesScale
        | Action::KubernetesLease
        | Action::KubernetesExec
        | Action::KubernetesAttach
        | Action::KubernetesPortForward
        | Action::KubernetesProxy
        | Action::KubernetesEphemeralContainers
        | Action::KubernetesResize
        | Action::KubernetesEviction
        | Action::KubernetesBinding
        | Action::KubernetesToken
        | Action::KubernetesFinalize
        | Action::KubernetesPrivilege
        | Action::KubernetesOpaque => default_audit(action),
    }
}

/// Reads may be audited while they run; whatever can act is audited before.
const fn default_audit(action: Action) -> AuditLevel {
    match action {
        Action::PostgresRead
        | Action::PostgresShow
        | Action::PostgresTransaction
        | Action::PostgresDescribe
        | Action::PostgresExplain
        | Action::SshQuery
        | Action::SshList
        | Action::SshRead
        | Action::SshScan
        | Action::KubernetesDiscover
        | Action::KubernetesUrl
        | Action::KubernetesReview
        | Action::KubernetesGet
        | Action::KubernetesList
        | Action::KubernetesWatch
        | Action::KubernetesLog => AuditLevel::BeforeReply,
        Action::PostgresWrite
        | Action::PostgresDdl
        | Action::PostgresPrivilege
        | Action::PostgresRole
        | Action::PostgresFunction
        | Action::PostgresLock
        | Action::PostgresCopy
        | Action::PostgresProgram
        | Action::PostgresSession
        | Action::PostgresPreference
        | Action::PostgresCursor
        | Action::PostgresPrepare
        | Action::PostgresNotify
        | Action::PostgresMaintain
        | Action::PostgresReplication
        | Action::PostgresAdmin
        | Action::PostgresOpaque
        | Action::SshWrite
        | Action::SshExec
        | Action::SshOpaque
        | Action::KubernetesCreate
        | Action::KubernetesUpdate
        | Action::KubernetesPatch
        | Action::KubernetesDelete
        | Action::KubernetesDeleteCollection
        | Action::KubernetesStatus
        | Action::KubernetesScale
        | Action::KubernetesLease
        | Action::KubernetesExec
        | Action::KubernetesAttach
        | Action::KubernetesPortForward
        | Action::KubernetesProxy
        | Action::KubernetesEphemeralContainers
        | Action::KubernetesResize
        | Action::KubernetesEviction
        | Action::KubernetesBinding
        | Action::KubernetesToken
        | Action::KubernetesFinalize
        | Action::KubernetesPrivilege
        | Action::KubernetesOpaque => AuditLevel::BeforeForward,
    }
}

fn deny(rules: Vec<String>, message: String) -> Answer {
    Answer::Deny(DenyReason { rules, message })
}
