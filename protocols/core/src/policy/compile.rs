//! From policy texts to rules that can judge: parsed, named, validated against the schema, annotations read.
//! A set with one problem anywhere is refused whole; all its problems are reported at once.

use super::{
    annotations::{self, RuleTerms},
    extent::{self, MAX_POLICY_BYTES, TooLarge, Weight},
    findings::Findings,
    levels::weakest_audit,
    schema::schema_text,
    slices::Slices,
};
use crate::{operation::Action, permit::AuditLevel};
use cedar_policy::{
    ActionConstraint, Effect, Entities, EntityUid, Policy, PolicyId, PolicySet, Schema,
    ValidationMode, Validator,
};
use miette::Diagnostic;
use std::{collections::BTreeMap, str::FromStr};

/// Bytes of a rule's name: it stands in every event that the rule decides.
const MAX_RULE_NAME: usize = 200;
/// Rules of all documents: an event can name all of them, and must fit into a command of the log.
const MAX_RULES: usize = 2_000;

/// A policy resource: Cedar text under a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyDocument {
    /// The resource's name.
    pub name: String,
    /// The Cedar text.
    pub text: String,
}

/// What is wrong in a policy text, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{document}:{line}:{column}: {message}")]
pub struct PolicyProblem {
    /// The document's name.
    pub document: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do, where that can be said.
    pub help: Option<String>,
}

/// Compiled rules.
#[derive(Debug, Clone)]
pub struct Policies {
    pub(super) slices: Slices,
    pub(super) rules: BTreeMap<PolicyId, Rule>,
    pub(super) actions: Entities,
    pub(super) findings: Findings,
}

/// What judging needs to know about one rule.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// Its name in audit events and refusals.
    pub(super) name: String,
    pub(super) effect: Effect,
    pub(super) terms: RuleTerms,
    /// Whether its scope names single actions instead of any action or a group of them.
    pub(super) names_actions: bool,
}

impl Policies {
    /// Compiles the documents. No document at all is a policy that denies everything.
    pub fn compile(documents: &[PolicyDocument]) -> Result<Self, Vec<PolicyProblem>> {
        let schema = schema().map_err(|problem| vec![problem])?;
        let actions = schema.action_entities().map_err(|error| vec![of_schema(&error)])?;
        let (slices, rules) = (Slices::default(), BTreeMap::new());
        let mut compiled = Self { slices, rules, actions, findings: Findings::default() };
        let mut problems = Vec::new();
        if let Some(document) = over(documents) {
            let message = format!("all policies together are longer than {MAX_POLICY_BYTES} bytes");
            return Err(vec![at(document, 0, message)]);
        }
        for document in documents {
            if let Err(found) = compiled.add(document, &schema) {
                problems.extend(found);
            }
        }
        if problems.is_empty() { Ok(compiled) } else { Err(problems) }
    }

    /// The names of the rules.
    pub fn rule_names(&self) -> impl Iterator<Item = &str> {
        self.rules.values().map(|rule| rule.name.as_str())
    }

    fn add(
        &mut self,
        document: &PolicyDocument,
        schema: &Schema,
    ) -> Result<(), Vec<PolicyProblem>> {
        // Before anything reads it: what is nested too deep would exhaust the stack.
        extent::check(&document.text).map_err(|TooLarge { offset, message, help }| {
            vec![PolicyProblem { help: Some(help.to_owned()), ..at(document, offset, message) }]
        })?;
        let parsed = PolicySet::from_str(&document.text).map_err(|errors| {
            errors.iter().map(|error| located(document, error)).collect::<Vec<_>>()
        })?;
        if let Some(template) = parsed.templates().next() {
            let message =
                format!("template {} cannot be used: write a policy without slots", template.id());
            return Err(vec![at(document, 0, message)]);
        }
        let validated = Validator::new(schema.clone()).validate(&parsed, ValidationMode::Strict);
        let mut problems: Vec<_> =
            validated.validation_errors().map(|error| located(document, error)).collect();
        for policy in parsed.policies() {
            if let Err(problem) = self.add_rule(document, policy) {
                problems.push(problem);
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn add_rule(
        &mut self,
        document: &PolicyDocument,
        policy: &Policy,
    ) -> Result<(), PolicyProblem> {
        let start = place_of(&document.text, policy);
        let problem = |message: String| at(document, start, message);
        let name = policy
            .annotation("id")
            .map_or_else(|| format!("{}/{}", document.name, policy.id()), str::to_owned);
        if self.rules.values().any(|rule| rule.name == name) {
            return Err(problem(format!("there is another rule with @id(\"{name}\")")));
        }
        if self.rules.len() >= MAX_RULES {
            return Err(problem(format!("there are more than {MAX_RULES} rules")));
        }
        if name.len() > MAX_RULE_NAME {
            return Err(problem(format!("@id is longer than {MAX_RULE_NAME} bytes")));
        }
        let terms = annotations::read(policy, &name).map_err(problem)?;
        if let Some(level) = terms.audit {
            not_weaker(level, policy).map_err(problem)?;
        }
        let id = PolicyId::new(format!("{}/{}", document.name, policy.id()));
        self.slices
            .add(&policy.new_id(id.clone()), Weight::of(&policy.to_string()))
            .map_err(|error| at(document, start, error.to_string()))?;
        let names_actions = names_actions(policy);
        self.rules.insert(id, Rule { name, effect: policy.effect(), terms, names_actions });
        Ok(())
    }
}

/// The first document with which all are too long.
fn over(documents: &[PolicyDocument]) -> Option<&PolicyDocument> {
    let mut bytes = 0_usize;
    documents.iter().find(|document| {
        bytes = bytes.saturating_add(document.text.len());
        bytes > MAX_POLICY_BYTES
    })
}

/// Refuses an audit level that demands less than one of the rule's actions needs: what can act is recorded before it does,
/// whatever a rule says.
fn not_weaker(level: AuditLevel, policy: &Policy) -> Result<(), String> {
    match actions_of(policy).into_iter().find(|action| level < weakest_audit(*action)) {
        None => Ok(()),
        Some(action) => Err(format!(
            "@audit(\"{}\") is not enough for {}, which needs {}",
            level.name(),
            action.name(),
            weakest_audit(action).name()
        )),
    }
}

/// The actions that a rule's scope reaches. What is no single action is a group, and counts as every action.
fn actions_of(policy: &Policy) -> Vec<Action> {
    let reached = |uid: &EntityUid| {
        let named = |action: &Action| action.name() == uid.id().unescaped();
        match Action::ALL.iter().copied().find(named) {
            Some(action) => vec![action],
            None => Action::ALL.to_vec(),
        }
    };
    match policy.action_constraint() {
        ActionConstraint::Any => Action::ALL.to_vec(),
        ActionConstraint::Eq(uid) => reached(&uid),
        ActionConstraint::In(uids) => uids.iter().flat_map(reached).collect(),
    }
}

fn names_actions(policy: &Policy) -> bool {
    let single =
        |uid: &EntityUid| Action::ALL.iter().any(|action| action.name() == uid.id().unescaped());
    match policy.action_constraint() {
        ActionConstraint::Any => false,
        ActionConstraint::Eq(uid) => single(&uid),
        ActionConstraint::In(uids) => uids.iter().all(single),
    }
}

fn schema() -> Result<Schema, PolicyProblem> {
    Schema::from_cedarschema_str(&schema_text())
        .map(|(schema, _warnings)| schema)
        .map_err(|error| of_schema(&error))
}

/// A fault of the gateway's own schema.
fn of_schema(error: &dyn std::error::Error) -> PolicyProblem {
    PolicyProblem {
        document: "schema".to_owned(),
        line: 1,
        column: 1,
        message: error.to_string(),
        help: None,
    }
}

/// Where a policy begins in its text, as a byte offset.
fn place_of(text: &str, policy: &Policy) -> usize {
    // A parsed policy is displayed as it was written, its annotations included.
    text.find(policy.to_string().trim()).unwrap_or(0)
}

fn located(document: &PolicyDocument, error: &(impl Diagnostic + ?Sized)) -> PolicyProblem {
    let offset =
        error.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset());
    let mut problem = at(document, offset, error.to_string());
    problem.help = error.help().map(|help| help.to_string());
    problem
}

fn at(document: &PolicyDocument, offset: usize, message: String) -> PolicyProblem {
    let before = document.text.get(..offset).unwrap_or(&document.text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    PolicyProblem { document: document.name.clone(), line, column, message, help: None }
}
