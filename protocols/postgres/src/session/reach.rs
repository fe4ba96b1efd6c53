//! Asks the target's catalogue which relations a text reads in the end, where columns are masked: the answer says which
//! columns of the rows are covered. It is asked in front of every execution, in the transaction that is open; a statement
//! that was prepared or described long ago is judged by what is there now.

use super::{Session, Stop, consult::Knowledge};
use crate::{
    catalogue::{self, Known, Reach, Rows},
    classify::Name,
    error::{Complaint, SqlState},
    mask::{self, MayCopy},
    state::Block,
    understood::{Copy, Understood},
    upstream::OwnRow,
};
use countersign_core::refusal::Refusal;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

impl Session {
    /// Finds out what the relations of a text are, if any rule covers columns, and refuses a COPY of covered ones.
    pub(super) async fn check_reach(&mut self, understood: &mut Understood) -> Result<(), Stop> {
        let plan = self.around.gate.masks(&self.opened);
        if !plan.covers_columns() {
            return Ok(());
        }
        let statements = &understood.classified.statements;
        let names: BTreeSet<Name> =
            statements.iter().flat_map(|statement| statement.tables.iter().cloned()).collect();
        if !names.is_empty() {
            understood.known = self.known(names).await?;
        }
        if understood.copy == Copy::Out {
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

    async fn known(&mut self, names: BTreeSet<Name>) -> Result<Arc<Known>, Stop> {
        if self.knowledge == Knowledge::Shared
            && let Some(known) = self.around.catalogues.reach(&self.place, &names)
        {
            return Ok(known);
        }
        self.dial().await?;
        let generation = self.around.catalogues.generation(&self.place);
        let reach = self.reach(&names).await?;
        let mut definitions = BTreeMap::new();
        for (oid, relation) in &reach.relations {
            if let Rows::Query(text) = &relation.rows {
                let agent = &self.opened.agent().identity;
                definitions.insert(*oid, self.around.reader.classify(text, agent).await?);
            }
        }
        let known = Arc::new(Known { reach, definitions });
        // What a transaction sees, others may not see.
        if self.block == Block::Idle && known.is_shared(&names) {
            let catalogues = &self.around.catalogues;
            catalogues.put_reach(&self.place, names, Arc::clone(&known), generation);
        }
        Ok(known)
    }

    async fn reach(&mut self, names: &BTreeSet<Name>) -> Result<Reach, Stop> {
        let text = catalogue::reach(names, &self.target.search_path);
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

fn masked_copy() -> Complaint {
    let complaint = "COPY of columns that are masked is not supported by the gateway";
    Complaint::new(SqlState::INSUFFICIENT_PRIVILEGE, complaint)
        .hint("Name the columns that are not masked, or use SELECT, whose rows are masked.")
}
