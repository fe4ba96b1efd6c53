//! What a statement means, found once and kept for a moment: agents execute the same prepared statement, or the same text
//! with another key, again and again. What is kept is worth no more than what it was made of: it is given up with the
//! catalogue's answers that it rests on, and where rules cover columns, which are looked at for every execution.
//!
//! It asks and judges nothing itself.

use super::{
    Session,
    consult::{AnswersAre, Knowledge},
    operate::Form,
};
use crate::{catalogue::Generation, classify::Classified, understood::Understood};
use countersign_core::operation::{Demand, NamedColumn};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long a meaning is kept: by so much later does a session hear of what was changed past this node, at most.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// Meanings that a session keeps, at most.
const MOST: usize = 16;

/// What a text means where it is executed, with what an operation of it shares with every other.
#[derive(Debug)]
pub(super) struct Meaning {
    pub(super) understood: Understood,
    pub(super) demands: Arc<BTreeSet<Demand>>,
    pub(super) columns: Arc<BTreeSet<NamedColumn>>,
    pub(super) context: Arc<[(String, String)]>,
    pub(super) summary: Arc<str>,
    pub(super) shape: Option<Arc<str>>,
}

/// The meanings that a session keeps.
#[derive(Debug, Default)]
pub(super) struct Meanings {
    kept: Vec<Kept>,
    next: usize,
}

#[derive(Debug)]
struct Kept {
    classified: Arc<Classified>,
    type_oids: Vec<u32>,
    protocol: &'static str,
    generation: Generation,
    at: Instant,
    meaning: Arc<Meaning>,
}

impl Meanings {
    fn get(
        &self,
        classified: &Arc<Classified>,
        form: &Form,
        generation: Generation,
    ) -> Option<Arc<Meaning>> {
        let kept = self.kept.iter().find(|kept| kept.is_of(classified, form))?;
        let valid = kept.generation == generation && kept.at.elapsed() < KEPT_FOR;
        valid.then(|| Arc::clone(&kept.meaning))
    }

    fn put(&mut self, kept: Kept) {
        if self.kept.len() < MOST {
            self.kept.push(kept);
        } else if let Some(place) = self.kept.get_mut(self.next) {
            *place = kept;
            self.next = (self.next + 1) % MOST;
        }
    }
}

impl Kept {
    /// Whether it is what this text means, put like this.
    fn is_of(&self, classified: &Arc<Classified>, form: &Form) -> bool {
        Arc::ptr_eq(&self.classified, classified)
            && self.protocol == form.protocol()
            && self.type_oids == form.type_oids()
    }
}

/// From when, and from which catalogue, a meaning is.
#[derive(Clone, Copy, Debug)]
pub(super) struct AsOf {
    generation: Generation,
    at: Instant,
}

impl Session {
    /// What a text was found to mean a moment ago, if that is all there is to it.
    pub(super) fn kept_meaning(
        &self,
        classified: &Arc<Classified>,
        form: &Form,
    ) -> Option<Arc<Meaning>> {
        if !self.keeps_meanings() {
            return None;
        }
        self.meanings.get(classified, form, self.around.catalogues.generation(&self.place))
    }

    /// In front of what a meaning is made of.
    pub(super) fn as_of(&self) -> AsOf {
        AsOf { generation: self.around.catalogues.generation(&self.place), at: Instant::now() }
    }

    /// Keeps what was found, unless it may be another thing to the next one who asks: where the target had to be asked, or
    /// where nothing of it is executed.
    pub(super) fn keep_meaning(&mut self, form: &Form, (as_of, meaning): (AsOf, &Arc<Meaning>)) {
        let classified = &meaning.understood.classified;
        let shared = self.answers_are == AnswersAre::Shared && self.keeps_meanings();
        if !shared || matches!(form, Form::Prepare { .. }) {
            return;
        }
        let AsOf { generation, at } = as_of;
        let kept = Kept {
            classified: Arc::clone(classified),
            type_oids: form.type_oids().to_vec(),
            protocol: form.protocol(),
            generation,
            at,
            meaning: Arc::clone(meaning),
        };
        self.meanings.kept.retain(|old| !old.is_of(classified, form));
        self.meanings.put(kept);
    }

    fn keeps_meanings(&self) -> bool {
        self.knowledge == Knowledge::Shared && !self.followed_plan().covers_columns()
    }
}
