//! The transaction that a held operation waits in, as the target sees it from beside: its age, and the locks that it keeps
//! from others. Where the target does not show it, this node's own account of its age stands.

use super::Open;
use crate::upstream::{OwnError, OwnRow, Standing, Upstream};
use countersign_core::evidence::{Locks, MAX_LINE, MAX_LISTED, OpenTransaction};
use tokio::time::Instant;

/// Locks that are looked at, at most.
const MAX_SEEN: usize = 5_000;

/// How long it is open, as far as this node knows.
pub(super) fn age_ms(open: Open) -> u64 {
    let age = Instant::now().duration_since(open.since);
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}

/// Asks the target.
pub(super) async fn look_at(
    upstream: &mut Upstream,
    open: Open,
) -> Result<OpenTransaction, OwnError> {
    let rows = upstream.own(&[look(open.process)], Standing::Alone).await?;
    Ok(read(&rows).unwrap_or_else(|| OpenTransaction {
        age_ms: age_ms(open),
        locks: Locks::Unknown("the target does not show the session's transaction".to_owned()),
    }))
}

/// One row with the age, then one a lock on what somebody made, or on the database as a whole. Every name is qualified,
/// operators too, so that nothing a user defined takes part in it.
fn look(process: u32) -> String {
    format!(
        "SELECT 'age'::pg_catalog.text, \
           (EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.xact_start) \
             OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8::pg_catalog.text \
         FROM pg_catalog.pg_stat_activity a \
         WHERE a.pid OPERATOR(pg_catalog.=) {process} AND a.xact_start IS NOT NULL \
         UNION ALL (SELECT 'lock'::pg_catalog.text, pg_catalog.concat(l.mode, ' on ', \
             CASE WHEN c.relname IS NULL THEN l.locktype ELSE pg_catalog.concat(n.nspname, '.', c.relname) END) \
           FROM pg_catalog.pg_locks l \
           LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace) \
             ON c.oid OPERATOR(pg_catalog.=) l.relation \
           WHERE l.pid OPERATOR(pg_catalog.=) {process} AND l.granted \
             AND l.locktype OPERATOR(pg_catalog.<>) ALL (ARRAY['virtualxid', 'transactionid']::pg_catalog.text[]) \
             AND (l.relation IS NULL OR l.relation OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid) \
           ORDER BY 2 LIMIT {MAX_SEEN})"
    )
}

fn read(rows: &[OwnRow]) -> Option<OpenTransaction> {
    let text = |row: &OwnRow, place: usize| row.get(place).cloned().flatten().unwrap_or_default();
    let age = rows.iter().find(|row| text(row, 0) == "age")?;
    let age_ms = text(age, 1).parse::<i64>().ok()?.max(0).unsigned_abs();
    let mut lines: Vec<String> =
        rows.iter().filter(|row| text(row, 0) == "lock").map(|row| text(row, 1)).collect();
    lines.sort();
    let left_out = lines.len().saturating_sub(MAX_LISTED) as u64;
    lines.truncate(MAX_LISTED);
    for line in &mut lines {
        line.truncate(line.floor_char_boundary(MAX_LINE));
    }
    Some(OpenTransaction { age_ms, locks: Locks::Known { lines, left_out } })
}
