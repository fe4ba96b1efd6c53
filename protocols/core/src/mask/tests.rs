//! Masking: what detectors find, what kinds leave to be seen, which rule wins, what is counted.

#![expect(clippy::disallowed_methods, reason = "a test has no gate")]

mod applying;
mod deciding;
mod detecting;
mod documents;
mod properties;

use super::*;
use crate::{
    agent::{Agent, Identity, Workload},
    id::{Revision, SessionId},
    log_time::LogTime,
    secret::Secret,
    session::{Opening, Session},
    target::{Protocol, Target, TargetName},
};
use std::collections::BTreeSet;

fn key() -> MaskKey {
    MaskKey::new(Secret::new([7; 32]))
}

fn session(target: &str, groups: &[&str]) -> Session {
    Session::opened(Opening {
        id: SessionId::from_bytes([1; 16]),
        agent: Agent {
            identity: Identity { issuer: "https://issuer".to_owned(), subject: "bot".to_owned() },
            name: "bot".to_owned(),
            owner: None,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            workload: Workload::default(),
            expires_at: LogTime(1_000),
        },
        target: Target {
            name: TargetName::parse(target).unwrap(),
            revision: Revision(2),
            protocol: Protocol::Postgres,
        },
        role: "app".to_owned(),
        opened_at: LogTime(1),
    })
}

/// A rule for all targets that covers nothing yet.
fn rule(name: &str, kind: MaskKind) -> MaskRule {
    MaskRule {
        name: name.to_owned(),
        targets: MaskTargets::All,
        columns: Vec::new(),
        json_paths: Vec::new(),
        detectors: BTreeSet::new(),
        patterns: Vec::new(),
        kind,
        unless_groups: BTreeSet::new(),
    }
}

impl MaskRule {
    fn columns(mut self, patterns: &[&str]) -> Self {
        self.columns = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        self
    }

    fn detectors(mut self, detectors: &[Detector]) -> Self {
        self.detectors = detectors.iter().copied().collect();
        self
    }

    fn pattern(mut self, regex: &str) -> Self {
        self.patterns.push(CustomPattern { name: "own".to_owned(), regex: regex.to_owned() });
        self
    }
}

fn rules(rules: &[MaskRule]) -> MaskRules {
    MaskRules::compile(&key(), Revision(7), rules.to_vec()).unwrap()
}

fn plan(all: &[MaskRule]) -> MaskPlan {
    rules(all).plan(&session("orders", &["ci"]))
}

fn column(text: &str) -> ColumnName {
    let [schema, table, column] = text.split('.').collect::<Vec<_>>()[..] else { panic!("{text}") };
    ColumnName::new(schema, table, column)
}

/// What is shown for `value`; `None` is no value.
fn shown(mask: &mut ColumnMask, value: &str) -> Option<String> {
    match mask.mask(value).unwrap() {
        Shown::Same(same) => Some(same.to_owned()),
        Shown::Changed(changed) => Some(changed),
        Shown::Null => None,
    }
}

/// What a kind makes of a whole value.
fn whole(kind: MaskKind, value: &str) -> Option<String> {
    let plan = plan(&[rule("r", kind).columns(&["s.t.c"])]);
    shown(&mut plan.column(&column("s.t.c")), value)
}
