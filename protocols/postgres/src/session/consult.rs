//! Asks the target's catalogue what a text can mean. What several sessions may believe is kept for all; what one
//! transaction has changed is not. How it is asked is in [`super::ask`].

use super::{Session, Stop};
use crate::{
    catalogue::{self, Answers, Fact, Question},
    classify::Classified,
    state::Block,
    target::PostgresTarget,
    understood::Understood,
    upstream::OwnRow,
    weigh::{Definition, Origin, weigh, weigh_view},
};
use countersign_core::operation::Action;
use std::{collections::BTreeSet, sync::Arc};

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

/// Whether the session may have made relations that no other sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Temporary {
    None,
    Perhaps,
}

/// Where the answers about a text came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AnswersAre {
    /// All from what the sessions of the target know together.
    Shared,
    /// Some from the target, for this text alone as far as anybody knows.
    Fresh,
}

/// Whom the catalogue is asked through.
pub(crate) trait Asks {
    /// Why it could not be asked.
    type Stop;

    /// The answers to some questions.
    fn facts(
        &mut self,
        questions: BTreeSet<Question>,
    ) -> impl Future<Output = Result<Vec<(Question, Fact)>, Self::Stop>> + Send;

    /// What the definition of a view means.
    fn read(
        &mut self,
        body: &str,
    ) -> impl Future<Output = Result<Arc<Classified>, Self::Stop>> + Send;
}

/// Asks the target's catalogue what a text reaches beyond what it shows, and adds that.
pub(crate) async fn consult<A: Asks + Send>(
    asks: &mut A,
    target: &PostgresTarget,
    classified: &Classified,
    understood: &mut Understood,
) -> Result<(), A::Stop> {
    let mut questions = catalogue::questions(classified);
    questions.extend(understood.given.iter().copied().map(Question::Type));
    let mut seen = questions.len();
    if seen > MAX_QUESTIONS {
        too_many(understood);
        return Ok(());
    }
    let mut open: Vec<(Definition, usize)> = Vec::new();
    for (question, fact) in asks.facts(questions).await? {
        let view = weigh(understood, target, Origin::Text, &question, fact);
        open.extend(view.map(|view| (view, 1)));
    }
    let mut known = BTreeSet::new();
    while let Some((view, depth)) = open.pop() {
        let inside = asks.read(&view.body).await?;
        weigh_view(understood, target, &view, &inside);
        let raised = catalogue::questions_inside(&inside);
        let new: BTreeSet<Question> = raised.difference(&known).cloned().collect();
        seen += new.len();
        if seen > MAX_QUESTIONS || depth > MAX_VIEW_DEPTH {
            too_many(understood);
            return Ok(());
        }
        known.extend(new.iter().cloned());
        for (question, fact) in asks.facts(new).await? {
            let origin = Origin::ViewOf(&view.schema);
            let next = weigh(understood, target, origin, &question, fact);
            open.extend(next.map(|next| (next, depth + 1)));
        }
    }
    Ok(())
}

impl Asks for Session {
    type Stop = Stop;

    async fn read(&mut self, body: &str) -> Result<Arc<Classified>, Stop> {
        Ok(self.around.reader.classify(body, &self.opened.agent().identity).await?)
    }

    async fn facts(
        &mut self,
        questions: BTreeSet<Question>,
    ) -> Result<Vec<(Question, Fact)>, Stop> {
        let mut facts = Vec::new();
        let mut missing = BTreeSet::new();
        for question in questions {
            let shared = match self.knowledge {
                Knowledge::Shared => self.around.catalogues.get(&self.place, &question),
                Knowledge::Own => None,
            };
            match shared {
                Some(fact) => facts.push((question, fact)),
                None => drop(missing.insert(question)),
            }
        }
        if missing.is_empty() {
            return Ok(facts);
        }
        self.answers_are = AnswersAre::Fresh;
        self.dial().await?;
        let generation = self.around.catalogues.generation(&self.place);
        let text = catalogue::look_up(&missing, &self.target.search_path);
        let (within, for_all) = match self.block {
            Block::Idle => (None, Some(self.ask(text).await?)),
            Block::Implicit(_) | Block::Explicit | Block::Failed => {
                let asked = self.ask_in_transaction(text).await?;
                (asked.within, asked.elsewhere)
            }
        };
        let within = within.map(|rows| self.answers(&rows, &missing));
        let for_all = for_all.map(|rows| self.answers(&rows, &missing));
        for (question, fact) in for_all.iter().flatten() {
            if fact.is_shared(question) {
                let catalogues = &self.around.catalogues;
                catalogues.put(&self.place, question.clone(), fact.clone(), generation);
            }
        }
        let all: Vec<Answers> = within.into_iter().chain(for_all).collect();
        facts.extend(catalogue::together(&all));
        Ok(facts)
    }
}

impl Session {
    /// Asks the catalogue where the session's transaction stands.
    pub(super) async fn check_catalogue(
        &mut self,
        classified: &Classified,
        understood: &mut Understood,
    ) -> Result<(), Stop> {
        let target = Arc::clone(&self.target);
        self.answers_are = AnswersAre::Shared;
        consult(self, &target, classified, understood).await
    }

    fn answers(&self, rows: &[OwnRow], questions: &BTreeSet<Question>) -> Answers {
        catalogue::read(rows, questions, &self.target.search_path)
    }

    /// An operation that may have changed the catalogue went to the target.
    pub(super) fn catalogue_touched(&mut self) {
        self.knowledge = Knowledge::Own;
        self.temporary = Temporary::Perhaps;
        self.settle_knowledge();
    }

    /// Forgets what a transaction may have changed; once that is over, its session shares what the others know again.
    pub(super) fn settle_knowledge(&mut self) {
        if self.block == Block::Idle {
            self.scout = None;
        }
        if self.knowledge == Knowledge::Own {
            self.around.catalogues.forget(&self.place);
            if self.block == Block::Idle {
                self.knowledge = Knowledge::Shared;
            }
        }
    }
}

fn too_many(understood: &mut Understood) {
    let note = "it names too many relations to look them up";
    understood.demand(Action::PostgresOpaque, note);
}
