//! Asks the target's catalogue which relations a text reads in the end, where columns are masked: the answer says which
//! columns of the rows are covered. It is asked in front of every execution, in the transaction that is open; a statement
//! that was prepared or described long ago is judged by what is there now.

use super::{
    Session, Stop,
    consult::Knowledge,
    meaning::Meaning,
    operate::{Form, Stood},
};
use crate::{
    catalogue::{self, Known, Reach, Rows},
    classify::Name,
    error::{Complaint, SqlState},
    mask::{self, MayCopy, Named, SetBy},
    state::Block,
    target::RecordedRows,
    understood::{Copy, Understood},
    upstream::OwnRow,
};
use countersign_core::{mask::MaskPlan, refusal::Refusal};
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

/// Rounds in which the views of one round name relations that the next is about.
const MAX_ROUNDS: usize = 8;

impl Session {
    /// What an operation was judged by may be long ago once it is approved: views and functions may be others by now. The
    /// catalogue is asked anew, past what is remembered. Where the operation asks for something else than it was approved
    /// for, it does not run; where its values come from elsewhere, its answer is masked by that.
    pub(super) async fn look_again(
        &mut self,
        meaning: &Arc<Meaning>,
        form: &Form,
        stood: Stood,
    ) -> Result<Arc<Meaning>, Stop> {
        match stood {
            Stood::Never => Ok(Arc::clone(meaning)),
            // In a box: few sessions ever need the room.
            Stood::WhileHeld => Box::pin(self.found_anew(meaning, form)).await,
        }
    }

    async fn found_anew(
        &mut self,
        meaning: &Arc<Meaning>,
        form: &Form,
    ) -> Result<Arc<Meaning>, Stop> {
        self.around.catalogues.forget(&self.place);
        let classified = Arc::clone(&meaning.understood.classified);
        let mut now = Understood::of(&classified, &self.target);
        if let Some(statement) = form.statement() {
            now = now.typed(&statement.type_oids);
        }
        now.summary.clone_from(&meaning.understood.summary);
        self.check_catalogue(&classified, &mut now).await?;
        self.check_used(&mut now).await?;
        if !matches!(form, Form::Prepare { .. }) {
            self.check_reach(&mut now).await?;
        }
        let now = self.meaning(now, form);
        if (&meaning.demands, &meaning.columns) != (&now.demands, &now.columns) {
            return Err(Stop::Refuse(changed_while_held()));
        }
        Ok(Arc::new(now))
    }

    /// Finds out what the relations of a text are, if any rule covers columns, and refuses a COPY of covered ones.
    pub(super) async fn check_reach(&mut self, understood: &mut Understood) -> Result<(), Stop> {
        let plan = self.followed_plan();
        if !plan.covers_columns() {
            return Ok(());
        }
        let used = understood.used.values().filter_map(Named::statement);
        let statements = understood.classified.statements.iter().chain(used);
        let names: BTreeSet<Name> =
            statements.flat_map(|statement| statement.tables.iter().cloned()).collect();
        if !names.is_empty() {
            understood.known = self.known(names, plan.tables()).await?;
        }
        for named in understood.used.values() {
            // A cursor shows what its relations were when it was declared.
            if *named.known != Known::default() {
                understood.known = Arc::new(understood.known.and(&named.known));
            }
        }
        if understood.copy == Copy::Out {
            let plan = self.around.gate.masks(&self.opened);
            let subject = understood.subject();
            for statement in &subject.classified.statements {
                if statement.moves_rows_out()
                    && mask::may_copy(&plan, &subject, Some(statement)) == MayCopy::No
                {
                    return Err(Stop::Refuse(masked_copy()));
                }
            }
        }
        Ok(())
    }

    /// Finds out what FETCH and EXECUTE mean, if any rule covers columns. What they mean is followed only where it runs nothing
    /// that its own text does not show, and only up to the first statement behind which the names can stand for others.
    pub(super) async fn check_used(&mut self, understood: &mut Understood) -> Result<(), Stop> {
        if !self.followed_plan().covers_columns() {
            return Ok(());
        }
        let classified = Arc::clone(&understood.classified);
        for (n, statement) in classified.statements.iter().enumerate() {
            if let Some(named) = self.masker.meant(&statement.handle).cloned() {
                let mut meant = Understood::of(&named.classified, &self.target);
                Box::pin(self.check_catalogue(&named.classified, &mut meant)).await?;
                if meant.subject().leaves == SetBy::Known {
                    understood.used.insert(n, named);
                    continue;
                }
            }
            if !understood.keeps_names(statement) {
                break;
            }
        }
        Ok(())
    }

    /// The rules for whose sake values are followed to their columns: where rows are recorded, those that spare the agent too.
    pub(super) fn followed_plan(&self) -> MaskPlan {
        let plan = self.around.gate.masks(&self.opened);
        match self.target.record_rows {
            RecordedRows::None => plan,
            RecordedRows::Masked => plan.of_recording().clone(),
        }
    }

    async fn known(
        &mut self,
        names: BTreeSet<Name>,
        tables: BTreeSet<String>,
    ) -> Result<Arc<Known>, Stop> {
        if self.knowledge == Knowledge::Shared
            && let Some(known) = self.around.catalogues.reach(&self.place, &names)
            && known.tells_of(&tables)
        {
            return Ok(known);
        }
        self.dial().await?;
        let generation = self.around.catalogues.generation(&self.place);
        let known = Arc::new(self.followed(&names, tables).await?);
        // What a transaction sees, others may not see.
        if self.block == Block::Idle && known.is_shared(&names) {
            let catalogues = &self.around.catalogues;
            catalogues.put_reach(&self.place, names, Arc::clone(&known), generation);
        }
        Ok(known)
    }

    /// The relations, with what the views among them are defined as. PostgreSQL notes no dependence on its own catalogue: what
    /// a view reads of that, its definition says.
    async fn followed(
        &mut self,
        names: &BTreeSet<Name>,
        tables: BTreeSet<String>,
    ) -> Result<Known, Stop> {
        let reach = self.reach(names, &tables).await?;
        let mut known = Known { reach, definitions: BTreeMap::new(), tables: None };
        let mut asked = BTreeSet::new();
        for _ in 0..MAX_ROUNDS {
            for (oid, relation) in &known.reach.relations {
                if let (Rows::Query(text), Entry::Vacant(place)) =
                    (&relation.rows, known.definitions.entry(*oid))
                {
                    let agent = &self.opened.agent().identity;
                    place.insert(self.around.reader.classify(text, agent).await?);
                }
            }
            let missing: BTreeSet<Name> = known.missing().difference(&asked).cloned().collect();
            if missing.is_empty() {
                break;
            }
            known.reach = known.reach.and(self.reach(&missing, &tables).await?);
            asked.extend(missing);
        }
        known.tables = Some(tables);
        Ok(known)
    }

    /// A block can go on seeing the catalogue of its first query, while the server reads texts by the present one: that is
    /// asked for over another connection. What the block itself has changed is only seen in it.
    async fn reach(
        &mut self,
        names: &BTreeSet<Name>,
        tables: &BTreeSet<String>,
    ) -> Result<Reach, Stop> {
        let text = catalogue::reach(names, &self.target.search_path, tables);
        if self.block == Block::Idle {
            return read(&self.ask(text).await?);
        }
        let asked = self.ask_in_transaction(text).await?;
        let seen = asked.elsewhere.iter().chain(&asked.within).map(|rows| read(rows));
        seen.reduce(|one, other| Ok(one?.and(other?))).unwrap_or_else(|| Ok(Reach::default()))
    }
}

fn read(rows: &[OwnRow]) -> Result<Reach, Stop> {
    catalogue::read_reach(rows).ok_or_else(|| {
        tracing::warn!("an answer of the target's catalogue is not what was asked for");
        Stop::Refuse((&Refusal::TargetUnavailable).into())
    })
}

fn changed_while_held() -> Complaint {
    let complaint = "what the statement reaches has changed since it was judged";
    Complaint::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, complaint)
        .detail("It was not executed; its approval is used up.")
        .hint("Send it again: it is judged by what it reaches now.")
}

fn masked_copy() -> Complaint {
    let complaint = "COPY of columns that are masked is not supported by the gateway";
    Complaint::new(SqlState::INSUFFICIENT_PRIVILEGE, complaint)
        .hint("Name the columns that are not masked, or use SELECT, whose rows are masked.")
}
