//! What the target's catalogue must say before a text that looks like a plain read counts as one: whether a relation is a
//! table, a view (and what it does) or foreign; whether a user function or operator stands where a built-in one is meant;
//! whether `a.b` is a column or calls `b(a)`; whether values of a type bring code. Answers are kept for a short while, for
//! all sessions of a target, until something that may have changed them goes through this node.
//!
//! It judges nothing: what it finds becomes a demand. The read-only fence stands behind it.

mod answer;
mod attached;
mod look_up;
mod question;
mod reach;
mod sets;

pub(crate) use answer::{Answers, Fact, Guard, Relation, RelationKind, Sets, read, together};
pub(crate) use attached::attached;
pub(crate) use look_up::{look_up, qualified_names_only};
pub(crate) use question::{Question, questions, questions_inside};
pub(crate) use reach::{Attribute, Kin, Known, Reach, Reached, Rows, Rules, reach, read_reach};

use crate::classify::Name;
use quick_cache::sync::Cache;
use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// How long an answer is believed.
const TTL: Duration = Duration::from_secs(30);
/// Answers that are kept, at most.
const MAX_FACTS: usize = 20_000;
/// Sets of names whose reach is kept, at most.
const MAX_REACHES: usize = 2_000;

/// Whose catalogue was asked: two roles see the same catalogue, two revisions of a target may not be one server.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Place {
    pub(crate) target: String,
    pub(crate) revision: u64,
    pub(crate) database: String,
}

/// From one change of a catalogue to the next, as far as this node knows of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Generation(u64);

/// The answers that are kept, and what targets said about themselves.
#[derive(Debug)]
pub(crate) struct Catalogues {
    facts: Cache<(Place, Question), Kept<Fact>>,
    reaches: Cache<(Place, BTreeSet<Name>), Kept<Arc<Known>>>,
    /// A place that is missing here gets a number that none ever had.
    generations: Cache<Place, Generation>,
    next: AtomicU64,
    versions: Cache<Place, String>,
}

#[derive(Clone, Debug)]
struct Kept<T> {
    at: Instant,
    generation: Generation,
    fact: T,
}

impl Catalogues {
    pub(crate) fn new() -> Self {
        Self {
            facts: Cache::new(MAX_FACTS),
            reaches: Cache::new(MAX_REACHES),
            generations: Cache::new(MAX_FACTS),
            next: AtomicU64::new(0),
            versions: Cache::new(MAX_FACTS),
        }
    }

    /// The generation of a place, to be asked for before its catalogue is.
    pub(crate) fn generation(&self, place: &Place) -> Generation {
        let fresh = || Ok::<_, Infallible>(self.fresh());
        self.generations.get_or_insert_with(place, fresh).unwrap_or_else(|never| match never {})
    }

    /// What is known, if it is fresh.
    pub(crate) fn get(&self, place: &Place, question: &Question) -> Option<Fact> {
        let kept = self.facts.get(&(place.clone(), question.clone()))?;
        self.if_valid(place, kept)
    }

    fn if_valid<T>(&self, place: &Place, kept: Kept<T>) -> Option<T> {
        let valid = kept.at.elapsed() < TTL && kept.generation == self.generation(place);
        valid.then_some(kept.fact)
    }

    /// What names are known to reach, if that is fresh.
    pub(crate) fn reach(&self, place: &Place, names: &BTreeSet<Name>) -> Option<Arc<Known>> {
        let kept = self.reaches.get(&(place.clone(), names.clone()))?;
        self.if_valid(place, kept)
    }

    /// Keeps what names reach, as it was found in a generation.
    pub(crate) fn put_reach(
        &self,
        place: &Place,
        names: BTreeSet<Name>,
        known: Arc<Known>,
        generation: Generation,
    ) {
        let kept = Kept { at: Instant::now(), generation, fact: known };
        self.reaches.insert((place.clone(), names), kept);
    }

    /// Keeps an answer that was had in a generation.
    pub(crate) fn put(
        &self,
        place: &Place,
        question: Question,
        fact: Fact,
        generation: Generation,
    ) {
        let kept = Kept { at: Instant::now(), generation, fact };
        self.facts.insert((place.clone(), question), kept);
    }

    /// Something that may have changed the catalogue went to the target.
    pub(crate) fn forget(&self, place: &Place) {
        self.generations.insert(place.clone(), self.fresh());
    }

    fn fresh(&self) -> Generation {
        Generation(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The `server_version` that the target last reported.
    pub(crate) fn version(&self, place: &Place) -> Option<String> {
        self.versions.get(place)
    }

    pub(crate) fn set_version(&self, place: &Place, version: &str) {
        self.versions.insert(place.clone(), version.to_owned());
    }
}

#[cfg(test)]
mod tests;
