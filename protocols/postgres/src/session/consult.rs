//! Asks the target's catalogue what a text can mean, in the transaction that is open: what is changed there and not yet
//! committed counts. What several sessions may believe is kept for all; what one transaction has changed is not.

use super::{Session, Stop};
use crate::{
    catalogue::{self, Fact, Question},
    classify::Classified,
    state::Block,
    understood::Understood,
    upstream::{self, OwnError, OwnRow, Standing},
    weigh::{Definition, Origin, weigh, weigh_view},
};
use countersign_core::{operation::Action, refusal::Refusal};
use std::collections::{BTreeMap, BTreeSet};

/// Views in views that are followed.
const MAX_VIEW_DEPTH: usize = 8;
/// Questions that one text may raise and still be looked up.
const MAX_QUESTIONS: usize = 500;

/// Whose view of the catalogue a session shares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Knowledge {
    /// What the sessions of the target know together.
    Shared,
    /// Its transaction may have changed the catalogue: it asks for itself.
    Own,
}

impl Session {
    /// Asks the target's catalogue what a text reaches beyond what it shows, and adds that.
    pub(super) async fn check_catalogue(
        &mut self,
        classified: &Classified,
        understood: &mut Understood,
    ) -> Result<(), Stop> {
        let questions = catalogue::questions(classified);
        let mut seen = questions.len();
        if seen > MAX_QUESTIONS {
            too_many(understood);
            return Ok(());
        }
        let target = std::sync::Arc::clone(&self.target);
        let mut open: Vec<(Definition, usize)> = Vec::new();
        for (question, fact) in self.facts(questions).await? {
            let view = weigh(understood, &target, Origin::Text, &question, fact);
            open.extend(view.map(|view| (view, 1)));
        }
        let mut known = BTreeSet::new();
        while let Some((view, depth)) = open.pop() {
            let inside = self.around.reader.classify(&view.body).await;
            weigh_view(understood, &target, &view, &inside);
            let raised = catalogue::questions_inside(&inside);
            let new: BTreeSet<Question> = raised.difference(&known).cloned().collect();
            seen += new.len();
            if seen > MAX_QUESTIONS || depth > MAX_VIEW_DEPTH {
                too_many(understood);
                return Ok(());
            }
            known.extend(new.iter().cloned());
            for (question, fact) in self.facts(new).await? {
                let origin = Origin::ViewOf(&view.schema);
                let next = weigh(understood, &target, origin, &question, fact);
                open.extend(next.map(|next| (next, depth + 1)));
            }
        }
        Ok(())
    }

    async fn facts(
        &mut self,
        questions: BTreeSet<Question>,
    ) -> Result<BTreeMap<Question, Fact>, Stop> {
        let mut facts = BTreeMap::new();
        let mut missing = BTreeSet::new();
        for question in questions {
            let shared = match self.knowledge {
                Knowledge::Shared => self.around.catalogues.get(&self.place, &question),
                Knowledge::Own => None,
            };
            match shared {
                Some(fact) => drop(facts.insert(question, fact)),
                None => drop(missing.insert(question)),
            }
        }
        if missing.is_empty() {
            return Ok(facts);
        }
        self.dial().await?;
        let generation = self.around.catalogues.generation(&self.place);
        let rows = self.look_up(&missing).await?;
        for (question, fact) in catalogue::read(&rows, &missing, &self.target.search_path) {
            // What a transaction sees, others may not see.
            if self.block == Block::Idle && fact.is_shared(&question) {
                let catalogues = &self.around.catalogues;
                catalogues.put(&self.place, question.clone(), fact.clone(), generation);
            }
            facts.insert(question, fact);
        }
        Ok(facts)
    }

    /// The rows of the look-up. Outside a transaction the path is restored by the end of its own; inside one it is put back.
    async fn look_up(&mut self, questions: &BTreeSet<Question>) -> Result<Vec<OwnRow>, Stop> {
        let text = catalogue::look_up(questions, &self.target.search_path);
        self.known_posture().await?;
        let rows = self.own(&[catalogue::qualified_names_only(), text]).await?;
        if self.block != Block::Idle {
            let path = upstream::search_path(&self.target.search_path).replace('\'', "''");
            let back = format!("SELECT pg_catalog.set_config('search_path', '{path}', true)");
            self.own(&[back]).await?;
        }
        Ok(rows)
    }

    /// An operation that may have changed the catalogue went to the target.
    pub(super) fn catalogue_touched(&mut self) {
        self.knowledge = Knowledge::Own;
        self.settle_knowledge();
    }

    /// Forgets what a transaction may have changed; once that is over, its session shares what the others know again.
    pub(super) fn settle_knowledge(&mut self) {
        if self.knowledge == Knowledge::Own {
            self.around.catalogues.forget(&self.place);
            if self.block == Block::Idle {
                self.knowledge = Knowledge::Shared;
            }
        }
    }

    /// Runs statements of the gateway's own where the transaction stands.
    pub(super) async fn own(&mut self, statements: &[String]) -> Result<Vec<OwnRow>, Stop> {
        let standing = if self.block == Block::Idle { Standing::Alone } else { Standing::Within };
        let upstream = self.upstream()?;
        let asked = upstream.own(statements, standing).await;
        self.hand_over_asides()?;
        match asked {
            Ok(rows) => Ok(rows),
            Err(OwnError::Frame(error)) => Err(super::End::TargetLost(error).into()),
            Err(OwnError::Refused { code, status }) => {
                tracing::warn!(%code, "the target refused a statement of the gateway's own");
                self.rolled_back(status);
                Err(Stop::Refuse((&Refusal::TargetUnavailable).into()))
            }
        }
    }
}

fn too_many(understood: &mut Understood) {
    let note = "it names too many relations to look them up";
    understood.demand(Action::PostgresOpaque, note);
}
