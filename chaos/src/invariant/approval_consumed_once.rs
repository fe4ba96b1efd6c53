//! `approval_consumed_once`: no hold admitted two operations, and no row stands in the target's table more often than
//! operations were admitted for it. (An agent that lost an answer and asks again gets a new hold: if reviewers approve that
//! one too, the row rightly stands twice.)

use super::{field, of_kind};
use crate::history::History;
use std::collections::BTreeMap;

pub(super) fn check(history: &History) -> Vec<String> {
    let trail = history.trail();
    let doubled = history.rows.iter().filter_map(|row| {
        let admitted =
            of_kind(trail, "intent").filter(|event| field(event, "operation.text").contains(&row.mark)).count();
        (usize::try_from(row.times).unwrap_or(usize::MAX) > admitted).then(|| {
            format!("row '{}' stands {} times in the target's table, {admitted} operations were admitted", row.mark, row.times)
        })
    });
    let mut consumers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for intent in of_kind(trail, "intent") {
        let hold = field(intent, "hold.id");
        if !hold.is_empty() {
            consumers.entry(hold).or_default().push(field(intent, "operation.id"));
        }
    }
    let shared = consumers.into_iter().filter(|(_, operations)| operations.len() > 1).map(
        |(hold, operations)| {
            format!("hold {hold} admitted {} operations: {operations:?}", operations.len())
        },
    );
    doubled.chain(shared).collect()
}
