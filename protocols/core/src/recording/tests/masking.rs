//! What of an entry may be kept (invariant `no_unmasked_byte`).

#![expect(clippy::disallowed_methods, reason = "a test has no gate")]

use super::{super::*, MAX_PIECE, OPERATION, content};
use crate::{
    agent::{Agent, Identity, Workload},
    id::{Revision, SessionId},
    log_time::LogTime,
    mask::{Detector, MaskKey, MaskKind, MaskPlan, MaskRule, MaskRules, MaskTargets},
    secret::Secret,
    session::{Opening, Session},
    target::{Protocol, Target, TargetName},
};
use std::collections::BTreeSet;

const ADDRESS: &str = "ada@example.com";

fn plan() -> MaskPlan {
    plan_for(BTreeSet::new())
}

fn plan_for(groups: BTreeSet<String>) -> MaskPlan {
    let rule = MaskRule {
        json_paths: Vec::new(),
        name: "contacts".to_owned(),
        targets: MaskTargets::All,
        columns: Vec::new(),
        detectors: BTreeSet::from([Detector::Email]),
        patterns: Vec::new(),
        kind: MaskKind::Redact,
        unless_groups: BTreeSet::from(["dba".to_owned()]),
    };
    let key = MaskKey::new(Secret::new("a key for tests of masks"));
    let rules = MaskRules::compile(&key, Revision(1), vec![rule]).unwrap();
    let identity = Identity { issuer: "https://i".to_owned(), subject: "ci".to_owned() };
    let agent = Agent {
        identity,
        name: "ci".to_owned(),
        owner: None,
        groups,
        workload: Workload::default(),
        expires_at: LogTime(u64::MAX),
    };
    let target = Target {
        name: TargetName::parse("orders").unwrap(),
        revision: Revision(1),
        protocol: Protocol::Postgres,
    };
    rules.plan(&Session::opened(Opening {
        id: SessionId::from_bytes([1; 16]),
        agent,
        target,
        role: "app".to_owned(),
        opened_at: LogTime(1),
    }))
}

#[test]
fn what_a_detector_finds_is_in_no_text_of_any_entry() {
    let text = || format!("mail {ADDRESS} now");
    let operation = OPERATION;
    for entry in [
        Entry::Asked { operation, summary: text(), text: text() },
        Entry::Bound { number: 1, value: text() },
        Entry::Refused { operation, why: text() },
        Entry::Said { speaker: Speaker::Error, text: text() },
        Entry::Row { values: text() },
        Entry::More { text: text() },
        Entry::Closed { reason: text() },
    ] {
        let masked = entry.masked(&plan()).unwrap().into_inner();
        let content = content(vec![masked]);
        let written = String::from_utf8_lossy(&content).into_owned();
        assert!(!written.contains(ADDRESS), "{written}");
        assert!(written.contains("mail "), "{written}");
    }
}

#[test]
fn a_value_that_lies_across_two_pieces_of_a_long_text_is_masked() {
    let mut text = "x ".repeat(MAX_PIECE / 2);
    text.truncate(MAX_PIECE - 4);
    text.push_str(ADDRESS);
    text.push_str(&" y".repeat(MAX_PIECE));
    let asked = Entry::Asked { operation: OPERATION, summary: String::new(), text };
    let content = content(vec![asked.masked(&plan()).unwrap().into_inner()]);
    let joined = entry::joined(entry::read(&content).unwrap());
    let Entry::Asked { text, .. } = &joined[0].entry else { panic!("{joined:?}") };
    assert!(!text.contains("ada@") && !text.contains("example.com"));
}

#[test]
fn an_agent_that_is_spared_is_recorded_like_any_other() {
    let entry = Entry::Bound { number: 1, value: format!("mail {ADDRESS} now") };
    let spared = plan_for(BTreeSet::from(["dba".to_owned()]));
    assert!(spared.covers_nothing());
    let kept = entry.masked(&spared).unwrap().into_inner();
    assert!(!format!("{kept:?}").contains(ADDRESS), "{kept:?}");
}
