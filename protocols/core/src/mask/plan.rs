//! The rules of a revision, and the plan that they come to for one session.
//!
//! Where several rules cover the same thing the strictest wins: `null`, then `redact`, `hash`, `fake`, `partial`; of two
//! partial ones only what both keep is kept. Findings that overlap are one finding, under the strictest of their rules.

use super::{
    ColumnMask, ColumnName, Detector, MaskError, MaskKey, MaskKind, MaskPlace, MaskRule,
    MaskRuleProblem, Masked,
    detector::{Census, OfDigits},
    document::Path,
    key::RuleKey,
};
use crate::{id::Revision, session::Session};
use regex::Regex;
use std::{collections::BTreeSet, ops::Range, sync::Arc};

/// The most findings of one pattern that are told apart in one text. A pattern that finds more than that is taken to have
/// found the rest of the text: its searches stay linear, and nothing is left uncovered.
const MAX_FOUND: usize = 1000;

/// The mask rules in force at one policy revision.
#[derive(Debug, Clone)]
pub struct MaskRules {
    revision: Revision,
    rules: Vec<Arc<Compiled>>,
}

/// A rule ready for use.
#[derive(Debug)]
struct Compiled {
    rule: MaskRule,
    patterns: Vec<Regex>,
    key: RuleKey,
}

impl MaskRules {
    /// No rules.
    pub const fn none(revision: Revision) -> Self {
        Self { revision, rules: Vec::new() }
    }

    /// Compiles the rules of `revision`. Only the gate may call this (see `clippy.toml`).
    pub fn compile(
        key: &MaskKey,
        revision: Revision,
        mut rules: Vec<MaskRule>,
    ) -> Result<Self, Vec<MaskRuleProblem>> {
        rules.sort_by(|one, other| one.name.cmp(&other.name));
        let mut compiled = Vec::with_capacity(rules.len());
        let mut problems = Vec::new();
        for rule in rules {
            let key = key.of_rule(&rule.name).map_err(|error| MaskRuleProblem {
                rule: rule.name.clone(),
                pointer: String::new(),
                message: error.to_string(),
            });
            match (rule.compile(), key) {
                (Ok(patterns), Ok(key)) => {
                    compiled.push(Arc::new(Compiled { rule, patterns, key }));
                }
                (patterns, key) => {
                    problems.extend(patterns.err().into_iter().flatten());
                    problems.extend(key.err());
                }
            }
        }
        if problems.is_empty() { Ok(Self { revision, rules: compiled }) } else { Err(problems) }
    }

    /// The revision that they are of.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What they come to for a session.
    pub fn plan(&self, session: &Session) -> MaskPlan {
        let groups = &session.agent().groups;
        let concerns =
            |compiled: &&Arc<Compiled>| compiled.rule.targets.contains(&session.target().name);
        let all: Vec<_> = self.rules.iter().filter(concerns).cloned().collect();
        let spares = |compiled: &&Arc<Compiled>| compiled.rule.unless_groups.is_disjoint(groups);
        let rules: Vec<_> = all.iter().filter(spares).cloned().collect();
        let unspared = (rules.len() < all.len()).then(|| self.plan_of(all, None));
        self.plan_of(rules, unspared)
    }

    fn plan_of(&self, rules: Vec<Arc<Compiled>>, unspared: Option<MaskPlan>) -> MaskPlan {
        let detectors = Detector::ALL
            .iter()
            .filter_map(|detector| {
                let of = |compiled: &Compiled| compiled.rule.detectors.contains(detector);
                Some((*detector, strictest(&rules, of)?))
            })
            .collect();
        MaskPlan(Arc::new(Plan { revision: self.revision, rules, detectors, unspared }))
    }
}

/// Which of a plan's rules, and what it demands together with the others that cover the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ruling {
    /// The rule's place in the plan. It is the one that is counted, and whose key is used.
    pub(super) rule: usize,
    pub(super) kind: MaskKind,
}

impl Ruling {
    pub(super) fn and(self, other: Self) -> Self {
        let kind = self.kind.and(other.kind);
        let rule = if other.kind.outranks(self.kind) { other.rule } else { self.rule };
        Self { rule, kind }
    }
}

/// The strictest of the rules that cover something, which `covers` says.
fn strictest(rules: &[Arc<Compiled>], covers: impl Fn(&Compiled) -> bool) -> Option<Ruling> {
    rules
        .iter()
        .enumerate()
        .filter(|(_, compiled)| covers(compiled))
        .map(|(rule, compiled)| Ruling { rule, kind: compiled.rule.kind })
        .reduce(Ruling::and)
}

/// What is found in a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Finding {
    pub(super) place: Range<usize>,
    pub(super) ruling: Ruling,
}

/// What is masked in the answers of one session, at one revision. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MaskPlan(Arc<Plan>);

#[derive(Debug)]
struct Plan {
    revision: Revision,
    /// The rules that concern the session, by name.
    rules: Vec<Arc<Compiled>>,
    /// The detectors that any of them names.
    detectors: Vec<(Detector, Ruling)>,
    /// The plan with the rules that spare the agent's groups, if there are any.
    unspared: Option<MaskPlan>,
}

impl MaskPlan {
    /// The policy revision that it is of.
    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    /// What counts for the session's recording: the rules that spare its agent too. Who looks at it later is somebody else.
    pub fn of_recording(&self) -> &Self {
        self.0.unspared.as_ref().unwrap_or(self)
    }

    /// Whether some rule spares the session's agent.
    pub fn spares(&self) -> bool {
        self.0.unspared.is_some()
    }

    /// Whether no rule concerns the session: its answers pass as they are.
    pub fn covers_nothing(&self) -> bool {
        self.0.rules.is_empty()
    }

    /// Whether texts are searched, wherever they come from.
    pub fn detects(&self) -> bool {
        !self.0.detectors.is_empty() || self.0.rules.iter().any(|rule| !rule.patterns.is_empty())
    }

    /// Whether any rule names this detector.
    pub fn finds(&self, detector: Detector) -> bool {
        self.0.detectors.iter().any(|(named, _)| *named == detector)
    }

    /// Whether any rule covers the values of `column`, whatever they are.
    pub fn covers(&self, column: &ColumnName) -> bool {
        self.ruling(column).is_some()
    }

    /// Whether any rule covers columns. Otherwise it does not matter which columns values come from.
    pub fn covers_columns(&self) -> bool {
        self.0.rules.iter().any(|compiled| compiled.rule.covers_columns())
    }

    /// The names of relations that rules name, in lower case. Of a relation of any other name only the schema, and the names
    /// of its columns, matter.
    pub fn tables(&self) -> BTreeSet<String> {
        self.0.rules.iter().flat_map(|compiled| compiled.rule.tables()).collect()
    }

    /// The mask of values that are a column's own.
    pub fn column(&self, column: &ColumnName) -> ColumnMask {
        ColumnMask::new(self.clone(), self.ruling(column), MaskPlace::Column(column.clone()))
    }

    /// The mask of values that are the own ones of a column with several names (of a partition and of its parent, of a view
    /// and of what it shows): the rules for all of them count. The audit hears of the first name.
    pub fn columns<'a>(&self, names: impl IntoIterator<Item = &'a ColumnName>) -> ColumnMask {
        let mut names = names.into_iter().peekable();
        let place = match names.peek() {
            Some(first) => MaskPlace::Column((*first).clone()),
            None => return self.anything(MaskPlace::Message),
        };
        let ruling = names.filter_map(|name| self.ruling(name)).reduce(Ruling::and);
        ColumnMask::new(self.clone(), ruling, place)
    }

    /// The same for columns whose values are JSON documents: where rules cover only parts of them, those are masked in them.
    pub fn documents<'a>(
        &self,
        names: impl IntoIterator<Item = &'a ColumnName> + Clone,
    ) -> ColumnMask {
        let whole = |name: &ColumnName| self.0.rules.iter().any(|one| one.rule.names(name));
        let Some(first) = names.clone().into_iter().next() else {
            return self.anything(MaskPlace::Message);
        };
        if names.clone().into_iter().any(whole) {
            return self.columns(names);
        }
        let rules = || self.0.rules.iter().enumerate();
        let of = |name: &'a ColumnName| {
            rules().flat_map(move |(rule, compiled)| {
                let ruling = Ruling { rule, kind: compiled.rule.kind };
                compiled.rule.paths_in(name).map(move |path| Path { path: path.clone(), ruling })
            })
        };
        let paths = names.into_iter().flat_map(of).collect();
        ColumnMask::of_document(self.clone(), paths, MaskPlace::Column(first.clone()))
    }

    /// The mask of values that are computed from `columns`, or from parts of them.
    pub fn computed<'a>(
        &self,
        columns: impl IntoIterator<Item = &'a ColumnName>,
        place: MaskPlace,
    ) -> ColumnMask {
        let ruling = columns
            .into_iter()
            .filter_map(|column| self.ruling(column))
            .reduce(Ruling::and)
            .map(|Ruling { rule, kind }| Ruling { rule, kind: kind.of_computed() });
        ColumnMask::new(self.clone(), ruling, place)
    }

    /// The mask of values that may be computed from any column, because nobody can say from which: as if from all that a
    /// rule covers, and not to be told apart.
    pub fn anything(&self, place: MaskPlace) -> ColumnMask {
        let ruling = strictest(&self.0.rules, |compiled| compiled.rule.covers_columns())
            .map(|Ruling { rule, kind }| Ruling { rule, kind: kind.and(MaskKind::Redact) });
        ColumnMask::new(self.clone(), ruling, place)
    }

    /// The mask of values that come from no covered column, and of what the target says in words.
    pub fn text(&self, place: MaskPlace) -> ColumnMask {
        ColumnMask::new(self.clone(), None, place)
    }

    /// Lets pass what the target said, as it is, because nothing is covered.
    pub fn pass<T>(&self, value: T) -> Result<Masked<T>, MaskError> {
        if self.covers_nothing() { Ok(Masked(value)) } else { Err(MaskError::Covered) }
    }

    /// A message of the target's that an adapter's masker has put through this plan, value by value. Only the masker may
    /// call this (see `clippy.toml`).
    pub fn vouch<T>(&self, value: T) -> Masked<T> {
        Masked(value)
    }

    /// A message the gateway itself says: it holds nothing of the target's.
    pub fn own_words<T>(value: T) -> Masked<T> {
        Masked(value)
    }

    /// What is demanded of a column as a whole, with what is demanded of parts of its values.
    fn ruling(&self, column: &ColumnName) -> Option<Ruling> {
        strictest(&self.0.rules, |compiled| {
            compiled.rule.names(column) || compiled.rule.paths_in(column).next().is_some()
        })
    }

    pub(super) fn rule_count(&self) -> usize {
        self.0.rules.len()
    }

    pub(super) fn rule_names(&self) -> impl Iterator<Item = &str> {
        self.0.rules.iter().map(|compiled| compiled.rule.name.as_str())
    }

    pub(super) fn key(&self, rule: usize) -> Result<&RuleKey, MaskError> {
        self.0.rules.get(rule).map(|compiled| &compiled.key).ok_or(MaskError::Key)
    }

    /// Whether anything that is found could be under a stricter kind than `kind`.
    pub(super) fn finds_stricter(&self, kind: MaskKind) -> bool {
        let detects =
            |rule: &Compiled| !rule.rule.detectors.is_empty() || !rule.patterns.is_empty();
        self.0.rules.iter().any(|rule| detects(rule) && rule.rule.kind.and(kind) != kind)
    }

    /// What is found in `text`, in order and apart from each other.
    pub(super) fn find(&self, text: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        let census = Census::of(text);
        let mut of_digits = OfDigits::default();
        for (detector, ruling) in &self.0.detectors {
            if detector.is_possible(&census) && !of_digits.takes(*detector, *ruling) {
                detector.find(text, &mut |place| {
                    findings.push(Finding { place, ruling: *ruling });
                });
            }
        }
        of_digits.find(text, &mut |place, ruling| findings.push(Finding { place, ruling }));
        for (rule, compiled) in self.0.rules.iter().enumerate() {
            let ruling = Ruling { rule, kind: compiled.rule.kind };
            for pattern in &compiled.patterns {
                search(pattern, text, |place| findings.push(Finding { place, ruling }));
            }
        }
        merged(findings)
    }
}

fn search(pattern: &Regex, text: &str, mut found: impl FnMut(Range<usize>)) {
    for (count, one) in pattern.find_iter(text).enumerate() {
        if count == MAX_FOUND {
            found(one.start()..text.len());
            return;
        }
        found(one.range());
    }
}

/// Findings that overlap become one.
fn merged(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| (finding.place.start, finding.place.end));
    let mut apart: Vec<Finding> = Vec::with_capacity(findings.len());
    for next in findings {
        match apart.last_mut() {
            Some(last) if next.place.start < last.place.end => {
                last.place.end = last.place.end.max(next.place.end);
                last.ruling = last.ruling.and(next.ruling);
            }
            Some(_) | None => apart.push(next),
        }
    }
    apart
}
