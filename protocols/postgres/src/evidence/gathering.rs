//! The task that gathers evidence: bounded in time, bounded in number, given up when nobody waits for it any more.

use super::{Inquiry, Subject, ask, transaction};
use crate::session::TextReader;
use countersign_core::evidence::{Evidence, Locks, OpenTransaction, Plan};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

/// From the hold to the end of the gathering, the waiting for a place included.
const DEADLINE: Duration = Duration::from_secs(5);
/// Connections of one node that gather evidence at a time.
const MAX_ASKING: usize = 8;

/// The places of those that ask. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct AskingPlaces(Arc<Semaphore>);

impl Default for AskingPlaces {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_ASKING)))
    }
}

/// Evidence of one hold. Dropped, it is not gathered any further.
#[derive(Debug)]
pub(crate) enum Gathering {
    Underway(AbortOnDropHandle<Evidence>),
    /// It was handed over, or is not wanted.
    Over,
}

impl Gathering {
    /// Begins.
    pub(crate) fn begin(inquiry: Arc<Inquiry>, reader: TextReader, places: AskingPlaces) -> Self {
        let gathered = async move { gather(&inquiry, &reader, &places).await };
        Self::Underway(AbortOnDropHandle::new(tokio::spawn(gathered)))
    }

    /// What was found out, once; after that it waits for ever. Safe to drop and call again.
    pub(crate) async fn evidence(&mut self) -> Evidence {
        loop {
            let gathered = match self {
                Self::Underway(task) => task.await,
                Self::Over => std::future::pending().await,
            };
            *self = Self::Over;
            // A task that panicked has found out nothing.
            if let Ok(evidence) = gathered {
                return evidence;
            }
        }
    }
}

async fn gather(
    inquiry: &Inquiry,
    reader: &TextReader,
    AskingPlaces(places): &AskingPlaces,
) -> Evidence {
    let deadline = Instant::now() + DEADLINE;
    let mut evidence = nothing_yet(inquiry);
    if matches!(inquiry.subject, Subject::Nothing(_)) && inquiry.transaction.is_none() {
        return evidence;
    }
    let asked = timeout_at(deadline, async {
        // The places are never closed.
        let _place = places.acquire().await;
        ask::ask(inquiry, reader, &mut evidence).await
    });
    if let Ok(Err(unanswered)) = asked.await {
        let error = &unanswered as &dyn std::error::Error;
        tracing::debug!(target.name = %inquiry.target.name, error, "evidence could not be gathered");
        unanswered.note(&mut evidence);
    }
    evidence
}

/// What is said where nothing more is found out in time.
fn nothing_yet(inquiry: &Inquiry) -> Evidence {
    let late = "the target did not answer in time".to_owned();
    Evidence {
        plan: Plan::Absent(match inquiry.subject {
            Subject::Statement(_) => late.clone(),
            Subject::Nothing(reason) => reason.to_owned(),
        }),
        estimates: None,
        transaction: inquiry.transaction.map(|open| OpenTransaction {
            age_ms: transaction::age_ms(open),
            locks: Locks::Unknown(late),
        }),
    }
}
