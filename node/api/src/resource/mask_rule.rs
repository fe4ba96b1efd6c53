//! `MaskRule`: what of a target's answers agents do not see. What the rule means is core's; here is how it is written.

use super::Invalid;
use countersign_core::{
    mask::{
        ColumnPattern, ColumnPatternError, CustomPattern, Detector, DetectorError, JsonColumn,
        JsonPathError, MaskKind, MaskRule, MaskTargets,
    },
    target::TargetName,
};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// All targets, also those that are defined later.
const ALL_TARGETS: &str = "*";
/// All detectors but those that must be named.
const DEFAULT_DETECTORS: &str = "default";
/// The most targets, and the most groups, of one rule.
const MAX_NAMES: usize = 500;
/// The longest name of a pattern or a group, in bytes.
const MAX_NAME: usize = 256;

/// The body of a `MaskRule`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaskRuleSpec {
    /// The targets whose answers it covers, by name; `*` for all, also those that are defined later.
    pub targets: Vec<String>,
    /// Columns whose values it covers whole: `schema.table.column`, each part a name, a "quoted name" or `*`. Names that are
    /// not quoted match whatever their case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Places in JSON documents (columns of the types `json` and `jsonb`), covered with all that is below them. A column of
    /// another type is covered whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json_paths: Vec<MaskJsonPath>,
    /// What it finds in texts, whichever column they are of. `default` stands for all detectors but `uuid`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detectors: Vec<String>,
    /// The same, by patterns of your own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<MaskPattern>,
    /// What becomes of what it covers.
    #[serde(deserialize_with = "null_is_a_kind")]
    pub mask: Mask,
    /// Agents of these groups see clear values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless_groups: Vec<String>,
}

/// A place in the JSON documents of columns.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaskJsonPath {
    /// The columns, as in `columns`.
    pub column: String,
    /// The place in each value, in the part of JSONPath (RFC 9535) that looks at no values: `$` and steps of `.name`,
    /// `['name']`, `[0]`, `[*]`, `.*` and `..name`. Names count exactly as they are written.
    pub path: String,
}

/// A pattern that finds something in texts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaskPattern {
    /// What it finds, for people.
    pub name: String,
    /// A regular expression. It is searched for in linear time; there are no look-arounds and no back-references.
    pub regex: String,
}

/// What becomes of a covered value. From the strictest to the least strict: `null`, `redact`, `hash`, `fake`, `partial`.
/// Where several rules cover a value, the strictest wins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mask {
    /// A fixed text.
    Redact,
    /// A keyed digest: equal values of one rule look alike, and nothing else is to be seen.
    Hash,
    /// Other digits for digits and other letters for letters, the same ones for equal values of one rule.
    Fake,
    /// No value.
    Null,
    /// The first and last characters stay.
    Partial(PartialMask),
}

/// What stays of a value. One that is not at least twice as long as what would stay is hidden whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartialMask {
    /// Characters kept at the beginning.
    #[serde(default)]
    pub first: u8,
    /// Characters kept at the end.
    #[serde(default)]
    pub last: u8,
}

/// Who writes `mask: null` in YAML means the kind of that name.
fn null_is_a_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mask, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(Mask::Null))
}

impl MaskRuleSpec {
    pub(super) fn check(&self, found: &mut Vec<Invalid>) {
        if let Err(wrong) = self.rule("") {
            found.extend(wrong);
        }
    }

    /// The rule, as core knows it, under its resource's name.
    pub fn rule(&self, name: &str) -> Result<MaskRule, Vec<Invalid>> {
        let mut found = Vec::new();
        let rule = MaskRule {
            name: name.to_owned(),
            targets: self.read_targets(&mut found),
            columns: self.read_columns(&mut found),
            json_paths: self.read_json_paths(&mut found),
            detectors: self.read_detectors(&mut found),
            patterns: self.read_patterns(&mut found),
            kind: self.mask.kind(),
            unless_groups: self.read_groups(&mut found),
        };
        if self.mask == Mask::Partial(PartialMask { first: 0, last: 0 }) {
            let message =
                "say how many characters stay, `first` or `last`; to hide all of them use `redact`";
            found.push(Invalid::at("/mask/partial", message));
        }
        // What could not be read is told already; a rule without it would be another one.
        if found.is_empty()
            && let Err(problems) = rule.compile()
        {
            found.extend(problems.into_iter().map(|p| Invalid::at(p.pointer, p.message)));
        }
        if found.is_empty() { Ok(rule) } else { Err(found) }
    }

    fn read_targets(&self, found: &mut Vec<Invalid>) -> MaskTargets {
        at_most("/targets", self.targets.len(), found);
        let mut names = BTreeSet::new();
        let mut all = false;
        for (place, target) in self.targets.iter().enumerate() {
            if target == ALL_TARGETS {
                all = true;
                continue;
            }
            match TargetName::parse(target) {
                Ok(name) => drop(names.insert(name)),
                Err(error) => {
                    found.push(Invalid::at(format!("/targets/{place}"), error.to_string()));
                }
            }
        }
        if all && self.targets.len() > 1 {
            let message = "`*` stands for all targets: name it alone, or name single ones";
            found.push(Invalid::at("/targets", message));
        }
        if all { MaskTargets::All } else { MaskTargets::Named(names) }
    }

    fn read_columns(&self, found: &mut Vec<Invalid>) -> Vec<ColumnPattern> {
        let mut columns = Vec::new();
        for (place, column) in self.columns.iter().enumerate() {
            match column.parse() {
                Ok(pattern) => columns.push(pattern),
                Err(error) => {
                    let error: ColumnPatternError = error;
                    found.push(Invalid::at(format!("/columns/{place}"), error.to_string()));
                }
            }
        }
        columns
    }

    fn read_json_paths(&self, found: &mut Vec<Invalid>) -> Vec<JsonColumn> {
        let mut json_paths = Vec::new();
        for (place, MaskJsonPath { column, path }) in self.json_paths.iter().enumerate() {
            let column = column.parse().map_err(|error: ColumnPatternError| {
                Invalid::at(format!("/json_paths/{place}/column"), error.to_string())
            });
            let path = path.parse().map_err(|error: JsonPathError| {
                Invalid::at(format!("/json_paths/{place}/path"), error.to_string())
            });
            match (column, path) {
                (Ok(column), Ok(path)) => json_paths.push(JsonColumn { column, path }),
                (column, path) => found.extend(column.err().into_iter().chain(path.err())),
            }
        }
        json_paths
    }

    fn read_detectors(&self, found: &mut Vec<Invalid>) -> BTreeSet<Detector> {
        let mut detectors = BTreeSet::new();
        for (place, name) in self.detectors.iter().enumerate() {
            if name == DEFAULT_DETECTORS {
                detectors.extend(Detector::by_default());
                continue;
            }
            match name.parse() {
                Ok(detector) => drop(detectors.insert(detector)),
                Err(error) => {
                    let error: DetectorError = error;
                    let message = format!("{error}; `{DEFAULT_DETECTORS}` means all but uuid");
                    found.push(Invalid::at(format!("/detectors/{place}"), message));
                }
            }
        }
        detectors
    }

    fn read_patterns(&self, found: &mut Vec<Invalid>) -> Vec<CustomPattern> {
        let mut patterns = Vec::new();
        for (place, MaskPattern { name, regex }) in self.patterns.iter().enumerate() {
            check_text(&format!("/patterns/{place}/name"), name, found);
            patterns.push(CustomPattern { name: name.clone(), regex: regex.clone() });
        }
        patterns
    }

    fn read_groups(&self, found: &mut Vec<Invalid>) -> BTreeSet<String> {
        at_most("/unless_groups", self.unless_groups.len(), found);
        for (place, group) in self.unless_groups.iter().enumerate() {
            check_text(&format!("/unless_groups/{place}"), group, found);
        }
        self.unless_groups.iter().cloned().collect()
    }
}

fn at_most(at: &str, count: usize, found: &mut Vec<Invalid>) {
    if count > MAX_NAMES {
        found.push(Invalid::at(at, format!("name at most {MAX_NAMES}")));
    }
}

fn check_text(at: &str, text: &str, found: &mut Vec<Invalid>) {
    if text.trim().is_empty() {
        found.push(Invalid::at(at, "a name is not empty"));
    } else if text.len() > MAX_NAME {
        found.push(Invalid::at(at, format!("a name has at most {MAX_NAME} bytes")));
    }
}

impl Mask {
    const fn kind(self) -> MaskKind {
        match self {
            Self::Redact => MaskKind::Redact,
            Self::Hash => MaskKind::Hash,
            Self::Fake => MaskKind::Fake,
            Self::Null => MaskKind::Null,
            Self::Partial(PartialMask { first, last }) => MaskKind::Partial { first, last },
        }
    }
}
