//! Asks the target's catalogue what a text can mean. What several sessions may believe is kept for all; what one
//! transaction has changed is not.
//!
//! A block may be one that goes on seeing the catalogue as it was at its first query, while the server reads every text by
//! what the catalogue is now; and asking in it would be that first query. So a block that has changed nothing is not asked
//! in: the answers come over another connection. One that has is asked in, because what it has not committed counts, and
//! where it sees the past the other connection is asked as well.

use super::{Session, Stop};
use crate::{
    catalogue::{self, Answers, Fact, Question},
    classify::Classified,
    state::Block,
    target::PostgresTarget,
    understood::Understood,
    upstream::{self, OwnError, OwnRow, Standing},
    weigh::{Definition, Origin, weigh, weigh_view},
};
use countersign_core::{operation::Action, refusal::Refusal};
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
    let questions = catalogue::questions(classified);
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
        let (seen, for_all) = match self.block {
            Block::Idle => {
                let rows = self.look_up(&missing).await?;
                (Vec::new(), Some(self.answers(&rows, &missing)))
            }
            Block::Implicit(_) | Block::Explicit | Block::Failed => {
                self.look_up_in_transaction(&missing).await?
            }
        };
        for (question, fact) in for_all.iter().flatten() {
            if fact.is_shared(question) {
                let catalogues = &self.around.catalogues;
                catalogues.put(&self.place, question.clone(), fact.clone(), generation);
            }
        }
        let all: Vec<Answers> = seen.into_iter().chain(for_all).collect();
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

    /// What the session's own transaction sees, where that can be another thing than what everybody sees; and that.
    async fn look_up_in_transaction(
        &mut self,
        questions: &BTreeSet<Question>,
    ) -> Result<(Vec<Answers>, Option<Answers>), Stop> {
        let in_block = self.block == Block::Explicit;
        let own = self.knowledge == Knowledge::Own || self.temporary == Temporary::Perhaps;
        let rows = if own || !in_block { Some(self.look_up(questions).await?) } else { None };
        let seen = rows.iter().map(|rows| self.answers(rows, questions)).collect();
        if in_block && rows.as_deref().is_none_or(catalogue::is_of_the_past) {
            let text = catalogue::look_up(questions, &self.target.search_path);
            let rows = self.ask_elsewhere(text).await?;
            return Ok((seen, Some(self.answers(&rows, questions))));
        }
        Ok((seen, None))
    }

    /// The rows of the look-up. Outside a transaction the path is restored by the end of its own; inside one it is put back.
    async fn look_up(&mut self, questions: &BTreeSet<Question>) -> Result<Vec<OwnRow>, Stop> {
        self.ask(catalogue::look_up(questions, &self.target.search_path)).await
    }

    /// The rows of a statement that asks the catalogue.
    pub(super) async fn ask(&mut self, text: String) -> Result<Vec<OwnRow>, Stop> {
        self.known_posture().await?;
        let path = upstream::search_path(&self.target.search_path);
        match self.block {
            Block::Explicit => {
                let rows = self.own(&[catalogue::qualified_names_in_block(), text]).await?;
                self.own(&[format!("SET LOCAL search_path TO {path}")]).await?;
                Ok(rows)
            }
            Block::Implicit(_) | Block::Failed => {
                let rows = self.own(&[catalogue::qualified_names_only(), text]).await?;
                let path = path.replace('\'', "''");
                let back = format!("SELECT pg_catalog.set_config('search_path', '{path}', true)");
                self.own(&[back]).await?;
                Ok(rows)
            }
            Block::Idle => self.own(&[catalogue::qualified_names_only(), text]).await,
        }
    }

    /// The same over another connection, which is kept until the block ends.
    pub(super) async fn ask_elsewhere(&mut self, text: String) -> Result<Vec<OwnRow>, Stop> {
        let mut scout = match self.scout.take() {
            Some(scout) => scout,
            None => Box::new(self.dialled().await?),
        };
        let asked = [catalogue::qualified_names_only(), text];
        match scout.own(&asked, Standing::Alone).await {
            Ok(rows) => {
                self.scout = Some(scout);
                Ok(rows)
            }
            Err(error) => {
                tracing::warn!(%error, "the catalogue could not be asked over another connection");
                Err(Stop::Refuse((&Refusal::TargetUnavailable).into()))
            }
        }
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
