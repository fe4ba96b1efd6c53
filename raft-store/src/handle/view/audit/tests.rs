//! Pages of events are the same however the events lie in rows.

use super::*;
use crate::audit_row::{EventRun, RunEvent, RunTemplate};
use countersign_core::{
    id::LogIndex,
    record::{ChainHash, ChainHead},
};
use std::collections::BTreeMap;

/// Rows of so many events each.
fn rows(lengths: &[u64]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let (mut view, mut head) = (BTreeMap::new(), ChainHead::default());
    for length in lengths {
        let first = head.sequence + 1;
        let mut run = EventRun::behind(head, LogTime(1), LogIndex(1));
        run.templates.push(RunTemplate { kind: EventKind::Intent, fixed: vec![], open: vec![] });
        for _ in 0..*length {
            head = run.push(head, RunEvent { template: 0, values: vec![] }).unwrap();
        }
        let row = if *length == 1 {
            AuditRow::One(Box::new(AuditEvent {
                sequence: first,
                at: LogTime(1),
                index: LogIndex(1),
                kind: EventKind::Intent,
                fields: BTreeMap::new(),
                previous: ChainHash([0; 32]),
            }))
        } else {
            AuditRow::Run(Box::new(run))
        };
        view.insert(key_space::audit(first), row.encode().unwrap());
    }
    view
}

fn sequences(page: &AuditPage) -> Vec<u64> {
    page.events.iter().map(|event| event.sequence).collect()
}

#[test]
fn every_event_is_found_by_itself_and_on_one_page() {
    let lengths = [1, 3, 1, 1, 250, 1, 2];
    let (view, all) = (rows(&lengths), lengths.iter().sum::<u64>());
    for sequence in 1..=all {
        assert_eq!(event(&view, sequence).unwrap().unwrap().sequence, sequence);
    }
    assert!(event(&view, 0).unwrap().is_none() && event(&view, all + 1).unwrap().is_none());
    assert!(event(&view, u64::MAX).unwrap().is_none());
    for limit in [1, 7, usize::MAX] {
        let (mut seen, mut filter) = (Vec::new(), AuditFilter::default());
        loop {
            let page = page(&view, &filter, limit).unwrap();
            assert!(page.events.len() <= limit.min(MAX_EVENTS_A_READ));
            seen.extend(sequences(&page));
            let Some(next) = page.next else { break };
            assert!(next > filter.after);
            filter.after = next;
        }
        assert_eq!(seen, (1..=all).collect::<Vec<_>>(), "{limit}");
    }
}

#[test]
fn a_page_begins_behind_its_cursor_and_ends_where_it_is_told_to() {
    let view = rows(&[2, 5, 1]);
    for (after, until, expect) in
        [(3, Some(6), 4..7), (0, Some(1), 1..2), (7, None, 8..9), (8, None, 9..9)]
    {
        let filter = AuditFilter { after, until, ..AuditFilter::default() };
        let found = page(&view, &filter, usize::MAX).unwrap();
        assert_eq!((sequences(&found), found.next), (expect.collect(), None), "{after}");
    }
}
