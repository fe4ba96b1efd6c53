//! The conversation with the target over the connection that evidence is gathered by: first the transaction's locks, then,
//! where nothing of a user's can run, the plan.

use super::{Inquiry, Statement, Subject, plan, transaction};
use crate::{
    catalogue::{self, Fact, Question},
    classify::Classified,
    frame,
    session::{Asks, TextReader, consult},
    understood::{Parsing, Understood},
    upstream::{self, DialError, Login, OwnError, Standing, Upstream},
};
use countersign_core::{
    evidence::{Evidence, Locks, Plan},
    operation::Action,
    refusal::Refusal,
};
use std::{collections::BTreeSet, sync::Arc};

/// How the connection calls itself at the target.
const APPLICATION: &str = "countersign evidence";
/// What the target is held to, whatever its role's settings say. Planning a statement takes milliseconds; a lock that is
/// not there at once is one that somebody holds.
const LIMITS: &[(&str, &str)] = &[
    ("statement_timeout", "2000"),
    ("lock_timeout", "500"),
    ("idle_in_transaction_session_timeout", "5000"),
];

/// Why the target said nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the target could not be reached")]
    Dial(#[from] DialError),
    #[error("the target refused")]
    Own(#[from] OwnError),
    #[error("the definition of a view could not be read")]
    Reader(#[from] Refusal),
}

impl Unanswered {
    /// For people: what is not known yet stays unknown for this reason.
    pub(super) fn note(&self, evidence: &mut Evidence) {
        let reason = match self {
            Self::Dial(_) => "the target could not be reached".to_owned(),
            Self::Own(error) => refused(error),
            Self::Reader(_) => "the definition of a view could not be read in time".to_owned(),
        };
        if let Plan::Absent(_) = evidence.plan {
            evidence.plan = Plan::Absent(reason.clone());
        }
        if let Some(transaction) = &mut evidence.transaction
            && let Locks::Unknown(_) = transaction.locks
        {
            transaction.locks = Locks::Unknown(reason);
        }
    }
}

/// What the target's refusal means to people; its words may hold values.
fn refused(error: &OwnError) -> String {
    match error {
        OwnError::Refused { code, .. } => match code.as_str() {
            "55P03" => "a lock that planning needs is held".to_owned(),
            "57014" => "planning took too long".to_owned(),
            code => format!("the target refused to plan it ({code})"),
        },
        OwnError::Frame(_) => "the target's answer could not be read".to_owned(),
    }
}

/// Asks what there is to ask. What was found out before something failed stays found out.
pub(super) async fn ask(
    inquiry: &Inquiry,
    reader: &TextReader,
    evidence: &mut Evidence,
) -> Result<(), Unanswered> {
    let limits = LIMITS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings: Vec<_> = inquiry.settings.iter().cloned().chain(limits).collect();
    let login = Login {
        role: &inquiry.role,
        database: &inquiry.database,
        application_name: APPLICATION,
        settings: &settings,
    };
    let mut upstream = upstream::dial(&inquiry.target, &login).await?;
    for preference in &inquiry.preferences {
        match upstream.own(std::slice::from_ref(preference), Standing::Alone).await {
            // Refused here, it was refused to the agent as well: nothing was set.
            Ok(_) | Err(OwnError::Refused { .. }) => {}
            Err(error @ OwnError::Frame(_)) => return Err(error.into()),
        }
    }
    if let Some(open) = inquiry.transaction {
        evidence.transaction = Some(transaction::look_at(&mut upstream, open).await?);
    }
    if let Subject::Statement(statement) = &inquiry.subject {
        let mut asker = Asker { upstream: &mut upstream, reader, inquiry };
        let in_the_way = foreign_code(&mut asker, statement).await?;
        if let Some(reason) = in_the_way {
            evidence.plan = Plan::Absent(reason);
        } else {
            let Statement { text, type_oids, parameters, .. } = statement.as_ref();
            let rows = upstream.explain(text, type_oids, parameters).await?;
            (evidence.plan, evidence.estimates) = plan::read(&rows);
        }
    }
    // Best effort: a connection that is dropped is noticed too.
    upstream.writer.queue(&frame::empty(b'X'));
    drop(upstream.writer.flush().await);
    Ok(())
}

/// Why planning could run code of somebody's, if it could: by what this connection sees, which is what planning sees.
async fn foreign_code(
    asker: &mut Asker<'_>,
    statement: &Statement,
) -> Result<Option<String>, Unanswered> {
    let target = &asker.inquiry.target;
    let classified = &statement.classified;
    let mut understood = Understood::of(classified, target).typed(&statement.type_oids);
    consult(asker, target, classified, &mut understood).await?;
    if let Some(reason) = runs_code(&understood) {
        return Ok(Some(reason.to_owned()));
    }
    let attached = catalogue::attached(classified, &target.search_path);
    let own = [catalogue::qualified_names_only(), attached];
    let found = asker.upstream.own(&own, Standing::Alone).await?;
    let reason = "what belongs to its relations uses code that somebody made";
    Ok((!found.is_empty()).then(|| reason.to_owned()))
}

/// Why planning what is understood could run code of somebody's.
pub(crate) fn runs_code(understood: &Understood) -> Option<&'static str> {
    let harmless = |action| {
        matches!(action, Action::PostgresRead | Action::PostgresWrite | Action::PostgresLock)
    };
    if !understood.asked.demands().iter().all(|demand| harmless(demand.action)) {
        return Some("planning it could run code that is not PostgreSQL's own");
    }
    match understood.parsing {
        Parsing::Quiet => None,
        Parsing::RunsCode => Some("reading its literals could run code that somebody made"),
    }
}

/// Asks the catalogue over the connection that evidence is gathered by. It believes nothing that others were told.
struct Asker<'a> {
    upstream: &'a mut Upstream,
    reader: &'a TextReader,
    inquiry: &'a Inquiry,
}

impl Asks for Asker<'_> {
    type Stop = Unanswered;

    async fn facts(
        &mut self,
        questions: BTreeSet<Question>,
    ) -> Result<Vec<(Question, Fact)>, Unanswered> {
        if questions.is_empty() {
            return Ok(Vec::new());
        }
        let search_path = &self.inquiry.target.search_path;
        let text = catalogue::look_up(&questions, search_path);
        let own = [catalogue::qualified_names_only(), text];
        let rows = self.upstream.own(&own, Standing::Alone).await?;
        Ok(catalogue::read(&rows, &questions, search_path).into_iter().collect())
    }

    async fn read(&mut self, body: &str) -> Result<Arc<Classified>, Unanswered> {
        Ok(self.reader.classify(body, &self.inquiry.agent).await?)
    }
}
