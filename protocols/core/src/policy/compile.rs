//! From policy texts to rules that can judge: parsed, named, validated against the schema, annotations read.
//! A set with one problem anywhere is refused whole; its problems are reported at once, the first of each document where there
//! are many. What is too much is refused before it costs anything: rules are counted before they are read.

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
use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

/// Bytes of a rule's name: it stands in every event that the rule decides.
const MAX_RULE_NAME: usize = 200;
/// Rules of all documents: an event can name all of them, and must fit into a command of the log.
const MAX_RULES: usize = 2_000;
/// Problems of one document that are told.
const MOST_PROBLEMS: usize = 100;
/// Problems that are told before no further document is looked at.
const MOST_PROBLEMS_IN_ALL: usize = 1_000;

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
        refused_unread(documents).map_err(|problem| vec![problem])?;
        let mut problems = Vec::new();
        let mut rules = 0;
        for document in documents {
            let place = Place::of(document);
            if let Err(found) = compiled.add(&place, &mut rules, &schema) {
                problems.extend(told(&place, found));
            }
            if rules > MAX_RULES || problems.len() >= MOST_PROBLEMS_IN_ALL {
                break;
            }
        }
        if problems.is_empty() { Ok(compiled) } else { Err(problems) }
    }

    /// The names of the rules.
    pub fn rule_names(&self) -> impl Iterator<Item = &str> {
        self.rules.values().map(|rule| rule.name.as_str())
    }

    /// Adds a document's rules to those that there are, and to how many.
    fn add(
        &mut self,
        place: &Place<'_>,
        rules: &mut usize,
        schema: &Schema,
    ) -> Result<(), Vec<PolicyProblem>> {
        let text = &place.document.text;
        // Before anything reads it: what is nested too deep would exhaust the stack.
        let begins = extent::check(text).map_err(|TooLarge { offset, message, help }| {
            vec![PolicyProblem { help: Some(help.to_owned()), ..place.at(offset, message) }]
        })?;
        *rules += begins.len();
        if *rules > MAX_RULES {
            return Err(vec![place.at(0, format!("there are more than {MAX_RULES} rules"))]);
        }
        let parsed = PolicySet::from_str(text).map_err(|errors| {
            let errors = errors.iter().take(MOST_PROBLEMS + 1);
            errors.map(|error| place.located(error)).collect::<Vec<_>>()
        })?;
        if let Some(template) = parsed.templates().next() {
            let message =
                format!("template {} cannot be used: write a policy without slots", template.id());
            return Err(vec![place.at(0, message)]);
        }
        let mut policies: Vec<_> = parsed
            .policies()
            .map(|policy| (begins.get(number(policy)).copied().unwrap_or(0), policy))
            .collect();
        policies.sort_by_key(|(begins, _)| *begins);
        let validator = Validator::new(schema.clone());
        let mut problems = Vec::new();
        for (begins, policy) in policies {
            problems.extend(invalid(&validator, place, policy));
            if let Err(message) = self.add_rule(&place.document.name, policy) {
                problems.push(place.at(begins, message));
            }
            if problems.len() > MOST_PROBLEMS {
                break;
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn add_rule(&mut self, document: &str, policy: &Policy) -> Result<(), String> {
        let name = policy
            .annotation("id")
            .map_or_else(|| format!("{document}/{}", policy.id()), str::to_owned);
        if name.len() > MAX_RULE_NAME {
            return Err(format!("@id is longer than {MAX_RULE_NAME} bytes"));
        }
        if self.rules.values().any(|rule| rule.name == name) {
            return Err(format!("there is another rule with @id(\"{name}\")"));
        }
        let terms = annotations::read(policy, &name)?;
        if let Some(level) = terms.audit {
            not_weaker(level, policy)?;
        }
        let id = PolicyId::new(format!("{document}/{}", policy.id()));
        self.slices
            .add(&policy.new_id(id.clone()), Weight::of(&policy.to_string()))
            .map_err(|error| error.to_string())?;
        let names_actions = names_actions(policy);
        self.rules.insert(id, Rule { name, effect: policy.effect(), terms, names_actions });
        Ok(())
    }
}

/// Which of a document's rules it is, from 0: Cedar numbers them as it reads them.
fn number(policy: &Policy) -> usize {
    let id: &str = policy.id().as_ref();
    id.strip_prefix("policy").and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What the schema does not let a rule say. Cedar tells it once for each action; people are told once for each place.
fn invalid(validator: &Validator, place: &Place<'_>, policy: &Policy) -> Vec<PolicyProblem> {
    let mut alone = PolicySet::new();
    if let Err(error) = alone.add(policy.clone()) {
        return vec![place.at(0, error.to_string())];
    }
    let validated = validator.validate(&alone, ValidationMode::Strict);
    let mut places = BTreeSet::new();
    let errors = validated.validation_errors().filter(|error| places.insert(offset(*error)));
    errors.take(MOST_PROBLEMS + 1).map(|error| place.located(error)).collect()
}

/// The problems that are told, and that there are more.
fn told(place: &Place<'_>, mut problems: Vec<PolicyProblem>) -> Vec<PolicyProblem> {
    if problems.len() > MOST_PROBLEMS {
        problems.truncate(MOST_PROBLEMS);
        let message = format!("there are more problems than the first {MOST_PROBLEMS}");
        problems.push(place.at(0, message));
    }
    problems
}

/// What is wrong before any text is read.
fn refused_unread(documents: &[PolicyDocument]) -> Result<(), PolicyProblem> {
    if let Some(document) = over(documents) {
        let message = format!("all policies together are longer than {MAX_POLICY_BYTES} bytes");
        return Err(Place::of(document).at(0, message));
    }
    // A rule is known by its document's name and its number.
    let mut names = BTreeSet::new();
    match documents.iter().find(|document| !names.insert(&document.name)) {
        None => Ok(()),
        Some(twice) => {
            let message = format!("there is another policy of the name {}", twice.name);
            Err(Place::of(twice).at(0, message))
        }
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

/// A document, and where its lines begin.
struct Place<'d> {
    document: &'d PolicyDocument,
    lines: Vec<usize>,
}

impl<'d> Place<'d> {
    fn of(document: &'d PolicyDocument) -> Self {
        let ends = document.text.match_indices('\n').map(|(end, _)| end + 1);
        Self { document, lines: std::iter::once(0).chain(ends).collect() }
    }

    fn located(&self, error: &(impl Diagnostic + ?Sized)) -> PolicyProblem {
        let help = error.help().map(|help| help.to_string());
        PolicyProblem { help, ..self.at(offset(error), error.to_string()) }
    }

    fn at(&self, offset: usize, message: String) -> PolicyProblem {
        let Self { document, lines } = self;
        let line = lines.partition_point(|begins| *begins <= offset);
        let begins = lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = document.text.get(begins..offset).unwrap_or("");
        let column = before.chars().count() + 1;
        PolicyProblem { document: document.name.clone(), line, column, message, help: None }
    }
}

/// Where an error is, in bytes.
fn offset(error: &(impl Diagnostic + ?Sized)) -> usize {
    error.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset())
}
