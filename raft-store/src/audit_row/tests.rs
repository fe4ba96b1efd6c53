//! A run says of each of its events what the event by itself would say, and is refused where it points nowhere.

use super::*;
use countersign_core::record::ChainWalk;

fn text(value: &str) -> RunValue {
    RunValue::Own(value.to_owned())
}

/// A template with these names, fixed and open.
fn template(fixed: &[&str], open: &[&str]) -> RunTemplate {
    let pair = |name: &&str| ((*name).to_owned(), format!("fixed {name}"));
    RunTemplate {
        kind: EventKind::Intent,
        fixed: fixed.iter().map(pair).collect(),
        open: open.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn run(templates: Vec<RunTemplate>) -> (EventRun, ChainHead) {
    let head = ChainHead { sequence: 6, hash: ChainHash([9; 32]) };
    let run = EventRun::behind(head, LogTime(5), LogIndex(4));
    (EventRun { templates, texts: vec!["shared".to_owned()], ..run }, head)
}

#[test]
fn the_events_of_a_run_are_a_chain_and_have_their_facts_in_order_whatever_the_names() {
    let names = [
        (&["b", "d"][..], &["a", "c", "e"][..]),
        (&["a", "e"], &["b", "c", "d"]),
        (&[], &["a", "b", "c"]),
        (&["x", "y", "z"], &["a", "b", "c"]),
        (&["a", "b"], &["x", "y", "z"]),
    ];
    let templates = names.iter().map(|(fixed, open)| template(fixed, open)).collect();
    let (mut run, begin) = run(templates);
    let mut head = begin;
    for template in 0..5 {
        let values = vec![text("one"), RunValue::Shared(0), text("")];
        head = run.push(head, RunEvent { template, values }).unwrap();
    }
    let mut walk = ChainWalk::from(begin);
    let events = AuditRow::Run(Box::new(run)).events().unwrap();
    for (event, (fixed, open)) in events.iter().zip(names) {
        walk.step(event).unwrap();
        assert_eq!(event.fields.len(), fixed.len() + open.len());
        assert_eq!(event.fields[open[0]], "one");
        assert_eq!(event.fields[open[1]], "shared");
        for name in fixed {
            assert_eq!(event.fields[*name], format!("fixed {name}"));
        }
    }
    assert_eq!(walk.finish(head), Ok(head), "the run was hashed as what it says");
}

#[test]
fn a_run_that_points_nowhere_is_refused() {
    let cases = [
        RunEvent { template: 1, values: vec![text("a")] },
        RunEvent { template: 0, values: vec![] },
        RunEvent { template: 0, values: vec![text("a"), text("b")] },
        RunEvent { template: 0, values: vec![RunValue::Shared(1)] },
    ];
    for event in cases {
        let (mut run, head) = run(vec![template(&["b"], &["a"])]);
        assert_eq!(run.push(head, event.clone()), Err(Torn));
        run.events.push(event);
        assert_eq!(AuditRow::Run(Box::new(run)).events(), Err(Torn));
    }
}
