//! Makes the operation that the gate judges, after the target's catalogue was asked about what looks like a plain read.

use super::{Session, Stop, operate::Form, value::parameters};
use crate::{
    catalogue::{self, Fact, Question, RelationKind},
    classify::{Action as Found, Classified},
    state::Block,
    understood::Understood,
    upstream::{OwnError, Standing},
};
use countersign_core::{
    id::OperationId,
    operation::{Action, Classification, Demand, Operation, Resource},
    refusal::Refusal,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Views in views that are followed.
const MAX_VIEW_DEPTH: usize = 8;
/// Relations that one text may name and still be looked up.
const MAX_QUESTIONS: usize = 500;

impl Session {
    /// The operation with everything that gives it its meaning.
    pub(super) fn operation(
        &self,
        understood: &Understood,
        text: Arc<[u8]>,
        form: &Form,
    ) -> Operation {
        let (parameters, kind) = match form {
            Form::Query => (Vec::new(), "simple"),
            Form::Portal { portal, .. } => (parameters(portal), "extended"),
            Form::Prepare { .. } => (Vec::new(), "preparation"),
        };
        let mut context = vec![
            ("application_name".to_owned(), self.startup.application_name.clone()),
            ("protocol".to_owned(), kind.to_owned()),
        ];
        context.extend(understood.notes.iter().map(|note| ("note".to_owned(), note.clone())));
        let classification = Classification {
            id: OperationId::from_bytes(rand::random()),
            text,
            parameters,
            settings: self.settings(kind),
            summary: understood.summary.clone(),
            demands: understood.demands.clone(),
            context,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the adapter's one place that makes operations"
        )]
        let operation = Operation::classified(&self.opened, classification);
        operation
    }

    /// Every setting that changes what a text means, in a fixed order.
    fn settings(&self, kind: &str) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut all = vec![
            pair("role", &self.role),
            pair("database", &self.database),
            ("search_path".to_owned(), crate::upstream::search_path(&self.target.search_path)),
            pair("standard_conforming_strings", "on"),
            pair("client_encoding", "UTF8"),
            pair("transaction", self.block.name()),
        ];
        if kind == "preparation" {
            // What is approved as a preparation is never taken for an execution.
            all.push(pair("protocol", kind));
        }
        all.extend(self.startup.settings.iter().cloned());
        all.extend(self.changes.iter().map(|text| pair("set", text)));
        all
    }

    /// Asks the target's catalogue whether a text that looks like a plain read is one, and adds what it is beyond that.
    pub(super) async fn check_catalogue(
        &mut self,
        classified: &Classified,
        understood: &mut Understood,
    ) -> Result<(), Stop> {
        let mut open = vec![(catalogue::questions(classified), 0)];
        let mut seen = BTreeSet::new();
        while let Some((questions, depth)) = open.pop() {
            let new: BTreeSet<Question> = questions.difference(&seen).cloned().collect();
            if seen.len() + new.len() > MAX_QUESTIONS || depth > MAX_VIEW_DEPTH {
                understood.demand(
                    Action::PostgresOpaque,
                    "it names too many relations to look them up".to_owned(),
                );
                return Ok(());
            }
            seen.extend(new.iter().cloned());
            for (question, fact) in self.facts(new).await? {
                if depth == 0 {
                    resolve(understood, &question, &fact);
                }
                if let Some(body) = self.weigh(understood, &question, fact) {
                    let inside = self.around.reader.classify(&body).await;
                    weigh_view(understood, &question, &inside, &self.target.allow_functions);
                    open.push((catalogue::questions(&inside), depth + 1));
                }
            }
        }
        Ok(())
    }

    /// Adds what an answer demands; returns the definition of a view.
    fn weigh(
        &self,
        understood: &mut Understood,
        question: &Question,
        fact: Fact,
    ) -> Option<String> {
        match (question, fact) {
            (_, Fact::Absent) | (Question::Relation(..), Fact::Present) => None,
            (Question::Relation(_, name), Fact::Relation { schema, kind }) => match kind {
                RelationKind::Plain => None,
                RelationKind::View(_)
                    if schema == "pg_catalog" || schema == "information_schema" =>
                {
                    None
                }
                RelationKind::View(body) => Some(body),
                RelationKind::Foreign => {
                    understood.demand(
                        Action::PostgresFunction,
                        format!("rows of {schema}.{name} come from elsewhere"),
                    );
                    None
                }
                RelationKind::Other => {
                    understood.demand(
                        Action::PostgresOpaque,
                        format!("{schema}.{name} is not a plain table or view"),
                    );
                    None
                }
            },
            (Question::Function(name), _) => {
                self.user_function(
                    understood,
                    name,
                    "a user function may stand in for a built-in one",
                );
                None
            }
            (Question::RowFunction(name), _) => {
                self.user_function(understood, name, "a column reference may call a user function");
                None
            }
            (Question::Operator(name), _) => {
                understood.demand(
                    Action::PostgresFunction,
                    format!("a user operator may stand in for {name}"),
                );
                None
            }
        }
    }

    fn user_function(&self, understood: &mut Understood, name: &str, note: &str) {
        if !self.target.allow_functions.iter().any(|allowed| allowed == name) {
            understood.demand(Action::PostgresFunction, format!("{note}: {name}"));
        }
    }

    async fn facts(
        &mut self,
        questions: BTreeSet<Question>,
    ) -> Result<BTreeMap<Question, Fact>, Stop> {
        let mut facts = BTreeMap::new();
        let mut missing = BTreeSet::new();
        for question in questions {
            match self.around.catalogues.get(&self.place, &question) {
                Some(fact) => drop(facts.insert(question, fact)),
                None => drop(missing.insert(question)),
            }
        }
        if missing.is_empty() {
            return Ok(facts);
        }
        self.dial().await?;
        let search_path = self.target.search_path.clone();
        let text = catalogue::look_up(&missing, &search_path);
        let rows = self.own(&[&text]).await?;
        for (question, fact) in catalogue::read(&rows, &missing, &search_path) {
            self.around.catalogues.put(&self.place, question.clone(), fact.clone());
            facts.insert(question, fact);
        }
        Ok(facts)
    }

    /// Runs statements of the gateway's own where the transaction stands.
    pub(super) async fn own(
        &mut self,
        statements: &[&str],
    ) -> Result<Vec<crate::upstream::OwnRow>, Stop> {
        let standing = if self.block == Block::Idle { Standing::Alone } else { Standing::Within };
        let upstream = self.upstream()?;
        let asked = upstream.own(statements, standing).await;
        self.hand_over_asides()?;
        match asked {
            Ok(rows) => Ok(rows),
            Err(OwnError::Frame(error)) => Err(super::End::TargetLost(error).into()),
            Err(OwnError::Refused { code, status }) => {
                tracing::warn!(%code, "the target refused a statement of the gateway's own");
                self.set_block(status);
                Err(Stop::Refuse((&Refusal::TargetUnavailable).into()))
            }
        }
    }
}

/// Replaces the demands on every relation that a name could mean by those on the one it does mean.
fn resolve(understood: &mut Understood, question: &Question, fact: &Fact) {
    let (Question::Relation(None, name), Fact::Relation { schema, .. }) = (question, fact) else {
        return;
    };
    let means = |demand: &Demand| match &demand.resource {
        Resource::Relation { name: other, .. } => other == name,
        Resource::Target => false,
    };
    let actions: Vec<Action> = understood
        .demands
        .iter()
        .filter(|demand| means(demand))
        .map(|demand| demand.action)
        .collect();
    understood.demands.retain(|demand| !means(demand));
    let resource = Resource::Relation { schema: schema.clone(), name: name.clone() };
    understood
        .demands
        .extend(actions.into_iter().map(|action| Demand { action, resource: resource.clone() }));
}

/// A view is as harmless as what its definition does.
fn weigh_view(
    understood: &mut Understood,
    view: &Question,
    inside: &Classified,
    allowed: &[String],
) {
    for demand in inside.demands() {
        let harmless = demand.action == Found::Read
            || (demand.action == Found::Function
                && demand.object.is_some_and(|name| allowed.contains(&name.to_string())));
        if !harmless {
            let action = if demand.action == Found::Opaque {
                Action::PostgresOpaque
            } else {
                Action::PostgresFunction
            };
            let name = if let Question::Relation(_, name) = view { name.as_str() } else { "" };
            understood.demand(action, format!("the view {name} does more than read"));
        }
    }
}
