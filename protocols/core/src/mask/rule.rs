//! A mask rule as an administrator declares it, and what makes one unusable.

use super::{ColumnName, ColumnPattern, Detector, JsonPath, MaskKind};
use crate::target::TargetName;
use regex::{Regex, RegexBuilder};
use std::collections::BTreeSet;

/// The most column patterns of a rule.
pub const MAX_COLUMNS: usize = 500;
/// The most JSON paths of a rule.
pub const MAX_JSON_PATHS: usize = 100;
/// The most patterns of a rule's own.
pub const MAX_PATTERNS: usize = 16;
/// The longest pattern, in bytes.
pub const MAX_PATTERN: usize = 1024;
/// The most characters that `partial` keeps, at each end.
pub const MAX_KEPT: u8 = 16;
/// What one compiled pattern may take, in bytes.
const MAX_COMPILED: usize = 512 * 1024;
/// What one pattern may keep for its searches, in bytes, on each thread.
const MAX_SEARCH_CACHE: usize = 256 * 1024;

/// What is masked, where, for whom, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MaskRule {
    /// Its name. It goes into the keys of `hash` and `fake`: renamed, it makes other values.
    pub name: String,
    /// The targets whose answers it covers.
    pub targets: MaskTargets,
    /// Columns whose values it covers whole.
    pub columns: Vec<ColumnPattern>,
    /// Places in the JSON documents of columns, which it covers with all that is below them.
    pub json_paths: Vec<JsonColumn>,
    /// What it finds in texts, whichever column they are of.
    pub detectors: BTreeSet<Detector>,
    /// The same, by patterns of the administrator's own.
    pub patterns: Vec<CustomPattern>,
    /// What becomes of what it covers.
    pub kind: MaskKind,
    /// Agents of these groups see clear values.
    pub unless_groups: BTreeSet<String>,
}

/// The targets of a rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MaskTargets {
    /// All, also those that are defined later.
    All,
    /// These.
    Named(BTreeSet<TargetName>),
}

/// A place in the documents of columns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JsonColumn {
    /// The columns.
    pub column: ColumnPattern,
    /// The place in each of their values.
    pub path: JsonPath,
}

/// A pattern that finds something in texts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CustomPattern {
    /// What it finds, for people.
    pub name: String,
    /// A regular expression in the syntax of the crate `regex`, which searches in linear time.
    pub regex: String,
}

/// What is wrong with a rule, and where in it (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}{pointer}: {message}")]
pub struct MaskRuleProblem {
    /// The rule's name.
    pub rule: String,
    /// The place in the rule.
    pub pointer: String,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl MaskTargets {
    /// Whether `target` is one of them.
    pub(super) fn contains(&self, target: &TargetName) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(target),
        }
    }
}

impl CustomPattern {
    fn compile(&self) -> Result<Regex, String> {
        if self.regex.len() > MAX_PATTERN {
            return Err(format!("a pattern has at most {MAX_PATTERN} bytes"));
        }
        let compiled = RegexBuilder::new(&self.regex)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_SEARCH_CACHE)
            .build()
            .map_err(|error| {
                if matches!(error, regex::Error::CompiledTooBig(_)) {
                    return "the pattern is too large when it is compiled: repeat less in it"
                        .to_owned();
                }
                // The last line of a syntax error says what it is; the ones before draw it.
                let shown = error.to_string();
                let last = shown.lines().last().unwrap_or_default();
                format!("no regular expression: {}", last.trim_start_matches("error: "))
            })?;
        if compiled.is_match("") {
            return Err("the pattern matches the empty text, so it would find everything and nothing: require at least one character".to_owned());
        }
        Ok(compiled)
    }
}

impl MaskRule {
    /// Whether it covers columns, or parts of their values.
    pub(super) fn covers_columns(&self) -> bool {
        !self.columns.is_empty() || !self.json_paths.is_empty()
    }

    /// The names of relations that it names, in lower case.
    pub(super) fn tables(&self) -> impl Iterator<Item = String> {
        let patterns = self.json_paths.iter().map(|one| &one.column).chain(&self.columns);
        patterns.filter_map(ColumnPattern::table)
    }

    /// Whether it covers a column as a whole.
    pub(super) fn names(&self, column: &ColumnName) -> bool {
        self.columns.iter().any(|pattern| pattern.names(column))
    }

    /// What it covers in the documents of a column.
    pub(super) fn paths_in<'a>(
        &'a self,
        column: &'a ColumnName,
    ) -> impl Iterator<Item = &'a JsonPath> {
        let paths = self.json_paths.iter().filter(move |one| one.column.names(column));
        paths.map(|one| &one.path)
    }

    /// The rule's patterns, compiled, if the rule can be used. All that is wrong is told at once.
    pub fn compile(&self) -> Result<Vec<Regex>, Vec<MaskRuleProblem>> {
        let mut problems = Vec::new();
        let mut problem = |pointer: &str, message: String| {
            let (rule, pointer) = (self.name.clone(), pointer.to_owned());
            problems.push(MaskRuleProblem { rule, pointer, message });
        };
        if !self.covers_columns() && self.detectors.is_empty() && self.patterns.is_empty() {
            let message =
                "the rule covers nothing: name columns, JSON paths, detectors or patterns";
            problem("", message.to_owned());
        }
        if matches!(&self.targets, MaskTargets::Named(names) if names.is_empty()) {
            problem("/targets", "name at least one target, or `*` for all".to_owned());
        }
        if self.columns.len() > MAX_COLUMNS {
            problem("/columns", format!("a rule has at most {MAX_COLUMNS} columns"));
        }
        if self.json_paths.len() > MAX_JSON_PATHS {
            problem("/json_paths", format!("a rule has at most {MAX_JSON_PATHS} JSON paths"));
        }
        if self.patterns.len() > MAX_PATTERNS {
            problem("/patterns", format!("a rule has at most {MAX_PATTERNS} patterns"));
        }
        if let MaskKind::Partial { first, last } = self.kind
            && (first > MAX_KEPT || last > MAX_KEPT)
        {
            problem("/mask/partial", format!("at most {MAX_KEPT} characters are kept at each end"));
        }
        let mut compiled = Vec::new();
        for (place, pattern) in self.patterns.iter().take(MAX_PATTERNS).enumerate() {
            match pattern.compile() {
                Ok(regex) => compiled.push(regex),
                Err(message) => problem(&format!("/patterns/{place}/regex"), message),
            }
        }
        if problems.is_empty() { Ok(compiled) } else { Err(problems) }
    }
}
