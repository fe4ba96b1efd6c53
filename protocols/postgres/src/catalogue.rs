//! What the target's catalogue must say before a text that looks like a plain read counts as one: whether a relation is a
//! table, a view (and what it does) or foreign; whether a user function or operator stands where a built-in one is meant;
//! whether `a.b` is a column or calls `b(a)`. Answers are kept for a short while, for all sessions of a target.
//!
//! It judges nothing: what it finds becomes a demand. The read-only fence stands behind it.

mod question;

pub(crate) use question::{Fact, Question, RelationKind, look_up, questions, read};

use quick_cache::sync::Cache;
use std::time::Duration;
use tokio::time::Instant;

/// How long an answer is believed.
const TTL: Duration = Duration::from_secs(30);
/// Answers that are kept, at most.
const MAX_FACTS: usize = 20_000;

/// Whose catalogue was asked: two roles see the same catalogue, two revisions of a target may not be one server.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Place {
    pub(crate) target: String,
    pub(crate) revision: u64,
    pub(crate) database: String,
}

/// The answers that are kept, and what targets said about themselves.
#[derive(Debug)]
pub(crate) struct Catalogues {
    facts: Cache<(Place, Question), (Instant, Fact)>,
    versions: Cache<Place, String>,
}

impl Catalogues {
    pub(crate) fn new() -> Self {
        Self { facts: Cache::new(MAX_FACTS), versions: Cache::new(MAX_FACTS) }
    }

    /// What is known, if it is fresh.
    pub(crate) fn get(&self, place: &Place, question: &Question) -> Option<Fact> {
        let (at, fact) = self.facts.get(&(place.clone(), question.clone()))?;
        (at.elapsed() < TTL).then_some(fact)
    }

    pub(crate) fn put(&self, place: &Place, question: Question, fact: Fact) {
        self.facts.insert((place.clone(), question), (Instant::now(), fact));
    }

    /// The `server_version` that the target last reported.
    pub(crate) fn version(&self, place: &Place) -> Option<String> {
        self.versions.get(place)
    }

    pub(crate) fn set_version(&self, place: &Place, version: &str) {
        self.versions.insert(place.clone(), version.to_owned());
    }
}
