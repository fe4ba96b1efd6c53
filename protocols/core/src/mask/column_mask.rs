//! The mask of one column of one answer: applied to its values, it counts what it has masked.

use super::{
    MaskError, MaskKind, MaskPlace, MaskPlan, MaskTally,
    disguise::{REDACTED, disguise},
    document::{self, Path},
    key::Purpose,
    plan::{Finding, Ruling},
};

/// What is shown for a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shown<'a> {
    /// The value: nothing covers it.
    Same(&'a str),
    /// Something else.
    Changed(String),
    /// No value.
    Null,
}

/// The mask of one column of one answer, or of the texts of one session.
#[derive(Debug)]
pub struct ColumnMask {
    plan: MaskPlan,
    place: MaskPlace,
    cover: Cover,
    /// What is covered in the documents of the column.
    paths: Vec<Path>,
    /// Values masked, by the rule's place in the plan.
    counts: Vec<u64>,
}

/// What of a value is covered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cover {
    /// Nothing, whatever it is.
    Nothing,
    /// What is found in it.
    Findings,
    /// All of it.
    Whole(Ruling),
    /// All of it, more strictly where something is found in it.
    WholeOrStricter(Ruling),
}

impl ColumnMask {
    pub(super) fn new(plan: MaskPlan, whole: Option<Ruling>, place: MaskPlace) -> Self {
        let cover = match whole {
            Some(ruling) if plan.finds_stricter(ruling.kind) => Cover::WholeOrStricter(ruling),
            Some(ruling) => Cover::Whole(ruling),
            None if plan.detects() => Cover::Findings,
            None => Cover::Nothing,
        };
        let counts = vec![0; plan.rule_count()];
        Self { plan, place, cover, paths: Vec::new(), counts }
    }

    pub(super) fn of_document(plan: MaskPlan, paths: Vec<Path>, place: MaskPlace) -> Self {
        Self { paths, ..Self::new(plan, None, place) }
    }

    /// Whether every value passes as it is.
    pub fn is_clear(&self) -> bool {
        self.cover == Cover::Nothing && self.paths.is_empty()
    }

    /// What becomes of every value, whatever it is; none where only what is found in it is covered.
    pub fn whole(&self) -> Option<MaskKind> {
        match self.cover {
            Cover::Whole(ruling) | Cover::WholeOrStricter(ruling) => Some(ruling.kind),
            Cover::Nothing | Cover::Findings => None,
        }
    }

    /// What is to be shown for a value that is a JSON document and not covered whole; `None` for the value itself.
    pub fn mask_document(&mut self, text: &str) -> Result<Option<String>, MaskError> {
        document::Walk::new(self, text).masked()
    }

    /// What is to be shown, in JSON, for a document that is covered whole; `None` for no value.
    pub fn mask_whole_document(&mut self, text: &str) -> Result<Option<String>, MaskError> {
        match self.cover {
            Cover::Whole(ruling) | Cover::WholeOrStricter(ruling) => {
                document::covered(self, text.trim_matches([' ', '\t', '\n', '\r']), ruling)
            }
            Cover::Nothing | Cover::Findings => Err(MaskError::Covered),
        }
    }

    pub(super) fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Whether detectors look at what no path covers.
    pub(super) fn searches(&self) -> bool {
        self.cover != Cover::Nothing
    }

    /// What is to be shown for a part of a document that is covered; `None` for no value. What detectors find in it under a
    /// stricter kind counts for all of it.
    pub(super) fn mask_part(
        &mut self,
        part: &str,
        ruling: Ruling,
    ) -> Result<Option<String>, MaskError> {
        let found =
            if self.plan.finds_stricter(ruling.kind) { self.plan.find(part) } else { Vec::new() };
        let ruling = found.into_iter().map(|finding| finding.ruling).fold(ruling, Ruling::and);
        self.count_for(ruling);
        disguise(ruling.kind, self.plan.key(ruling.rule)?, part)
    }

    /// What is to be shown for a value, in its text form. A finding under `null` makes the whole value none.
    pub fn mask<'a>(&mut self, value: &'a str) -> Result<Shown<'a>, MaskError> {
        match self.cover {
            Cover::Nothing => Ok(Shown::Same(value)),
            Cover::Findings => self.mask_findings(value, NullIs::NoValue),
            Cover::Whole(ruling) => self.mask_whole(value, ruling),
            Cover::WholeOrStricter(ruling) => {
                let found = self.plan.find(value).into_iter().map(|finding| finding.ruling);
                self.mask_whole(value, found.fold(ruling, Ruling::and))
            }
        }
    }

    /// The same for a text that holds more than a value (a row of a COPY): a finding that would make it none is redacted.
    pub fn mask_within<'a>(&mut self, text: &'a str) -> Result<Shown<'a>, MaskError> {
        match self.cover {
            Cover::Findings => self.mask_findings(text, NullIs::Redacted),
            Cover::Nothing | Cover::Whole(_) | Cover::WholeOrStricter(_) => self.mask(text),
        }
    }

    /// The same for a text that must stay one (an error, a notice): what would be no value is redacted.
    pub fn mask_text(&mut self, text: &str) -> Result<String, MaskError> {
        Ok(match self.mask_within(text)? {
            Shown::Same(same) => same.to_owned(),
            Shown::Changed(changed) => changed,
            Shown::Null => REDACTED.to_owned(),
        })
    }

    fn mask_whole<'a>(&mut self, value: &str, ruling: Ruling) -> Result<Shown<'a>, MaskError> {
        self.count_for(ruling);
        let shown = disguise(ruling.kind, self.plan.key(ruling.rule)?, value)?;
        Ok(shown.map_or(Shown::Null, Shown::Changed))
    }

    fn mask_findings<'a>(&mut self, value: &'a str, null: NullIs) -> Result<Shown<'a>, MaskError> {
        let findings = self.plan.find(value);
        if findings.is_empty() {
            return Ok(Shown::Same(value));
        }
        let mut shown = String::with_capacity(value.len());
        let mut from = 0;
        for Finding { place, ruling } in findings {
            self.count_for(ruling);
            let before = value.get(from..place.start).ok_or(MaskError::Unreadable)?;
            let found = value.get(place.clone()).ok_or(MaskError::Unreadable)?;
            shown.push_str(before);
            match (ruling.kind, null) {
                (MaskKind::Null, NullIs::NoValue) => return Ok(Shown::Null),
                (MaskKind::Null, NullIs::Redacted) | (MaskKind::Redact, _) => {
                    shown.push_str(REDACTED);
                }
                (MaskKind::Hash | MaskKind::Fake | MaskKind::Partial { .. }, _) => {
                    let other = disguise(ruling.kind, self.plan.key(ruling.rule)?, found)?;
                    shown.push_str(other.as_deref().unwrap_or(REDACTED));
                }
            }
            from = place.end;
        }
        shown.push_str(value.get(from..).ok_or(MaskError::Unreadable)?);
        Ok(Shown::Changed(shown))
    }

    fn count_for(&mut self, ruling: Ruling) {
        if let Some(count) = self.counts.get_mut(ruling.rule) {
            *count = count.saturating_add(1);
        }
    }

    /// A keyed digest of a value that is covered whole by `hash` or `fake`, for an adapter that makes a value of its type
    /// from it.
    pub fn digest(&self, value: &[u8]) -> Result<[u8; 32], MaskError> {
        match self.cover {
            Cover::Whole(ruling) | Cover::WholeOrStricter(ruling) => match ruling.kind {
                MaskKind::Hash | MaskKind::Fake => {
                    Ok(self.plan.key(ruling.rule)?.digest(Purpose::Hash, value))
                }
                // Nothing of these may tell two values apart.
                MaskKind::Partial { .. } | MaskKind::Redact | MaskKind::Null => Err(MaskError::Key),
            },
            Cover::Nothing | Cover::Findings => Err(MaskError::Key),
        }
    }

    /// Counts a value that is covered whole and that the adapter has masked itself.
    pub fn count(&mut self) {
        match self.cover {
            Cover::Whole(ruling) | Cover::WholeOrStricter(ruling) => self.count_for(ruling),
            Cover::Nothing | Cover::Findings => {}
        }
    }

    /// Hands over what was counted since the last time.
    pub fn add_to(&mut self, tally: &mut MaskTally) {
        let place = self.place.to_string();
        for (rule, count) in self.plan.rule_names().zip(&mut self.counts) {
            tally.add(rule, &place, std::mem::take(count));
        }
    }
}

/// What becomes of a finding under the kind `null`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NullIs {
    /// The value it is in is none.
    NoValue,
    /// It is redacted.
    Redacted,
}
