//! The audit chain: searching it. What is signed about it is in `signed`.

pub(crate) mod signed;

use super::{
    Api,
    failure::{Answer, Failure},
    input::{Asked, cursor, page_size},
    reading,
};
use axum::{Json, extract::State};
use countersign_api::{
    audit::{
        AuditEvent, AuditQuery, Order,
        query::{self, Search},
    },
    page::Page,
    problem::{Problem, ProblemKind},
};
use countersign_core::record;
use countersign_raft_store::handle::{AuditFilter, StateView};

/// How many reads of the chain a searched page may take, and about how many bytes it may have; a page may be short, its
/// cursor goes on.
const MAX_READS: usize = 500;
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Events that one read looks at when the chain is searched from its end.
const WINDOW: u64 = 100;

/// Searches the audit events, oldest first unless the newest are asked for.
#[utoipa::path(get, path = "/v1/audit/events", tag = "audit", params(AuditQuery), responses((status = 200, body = Page<AuditEvent>), (status = "default", body = Problem)))]
pub(crate) async fn events(
    State(api): State<Api>,
    Asked { query, min }: Asked<AuditQuery>,
) -> Answer<Json<Page<AuditEvent>>> {
    let limit = page_size(query.limit)?;
    let from = cursor(query.cursor.as_deref())?;
    let (wanted, filter) = wanted(&query)?;
    let order = query.order.unwrap_or_default();
    let page = reading::search(api.node()?, min.get(), move |view| match order {
        Order::Asc => {
            let after = from.unwrap_or(filter.after);
            forwards(view, AuditFilter { after, ..filter }, &wanted, limit)
        }
        Order::Desc => {
            let end = view.chain_head()?.sequence;
            let last = from.map_or(end, |before| before.saturating_sub(1).min(end));
            backwards(view, &filter, &wanted, (last, limit))
        }
    })
    .await?;
    Ok(Json(page))
}

/// A page of what follows `filter.after`; its cursor is the last event that was looked at.
fn forwards(
    view: &StateView,
    mut filter: AuditFilter,
    wanted: &Search,
    limit: usize,
) -> Answer<Page<AuditEvent>> {
    let (mut items, mut bytes) = (Vec::new(), 0);
    for _ in 0..MAX_READS {
        let found = view.audit_events(&filter, limit - items.len())?;
        for event in found.events.iter().filter(|event| wanted.takes(event)) {
            bytes += length(event);
            items.push(AuditEvent::from(event));
        }
        match found.next {
            None => return Ok(Page { items, next: None }),
            Some(next) => filter.after = next,
        }
        if items.len() >= limit || bytes >= MAX_BYTES {
            break;
        }
    }
    Ok(Page { items, next: Some(filter.after.to_string()) })
}

/// A page of what comes before, from event `last` back to the one after `filter.after`; its cursor is the last event that
/// was looked at.
fn backwards(
    view: &StateView,
    filter: &AuditFilter,
    wanted: &Search,
    (last, limit): (u64, usize),
) -> Answer<Page<AuditEvent>> {
    let (mut items, mut bytes): (Vec<AuditEvent>, _) = (Vec::new(), 0);
    let mut last = last;
    for _ in 0..MAX_READS {
        if last <= filter.after {
            return Ok(Page { items, next: None });
        }
        let after = last.saturating_sub(WINDOW).max(filter.after);
        for event in window(view, AuditFilter { after, until: Some(last), ..filter.clone() })? {
            if items.len() >= limit || bytes >= MAX_BYTES {
                let before = items.last().map_or(last + 1, |event| event.sequence);
                return Ok(Page { items, next: Some(before.to_string()) });
            }
            if wanted.takes(&event) {
                bytes += length(&event);
                items.push(AuditEvent::from(&event));
            }
        }
        // Log time never runs back: what comes before is older still.
        let oldest = view.audit_event(after + 1)?;
        if filter.from_time.is_some_and(|from| oldest.is_some_and(|event| event.at < from)) {
            return Ok(Page { items, next: None });
        }
        last = after;
    }
    Ok(Page { items, next: Some((last + 1).to_string()) })
}

/// About how many bytes an event has.
fn length(event: &record::AuditEvent) -> usize {
    event.fields.values().map(String::len).sum()
}

/// All events of a window that fit, newest first.
fn window(view: &StateView, mut filter: AuditFilter) -> Answer<Vec<record::AuditEvent>> {
    let mut events = Vec::new();
    loop {
        let found = view.audit_events(&filter, usize::MAX)?;
        events.extend(found.events);
        match found.next {
            Some(next) if next > filter.after => filter.after = next,
            Some(_) | None => break,
        }
    }
    events.reverse();
    Ok(events)
}

/// What is searched for, by the parameters and by the search in one line, and where the chain is looked at for it.
fn wanted(query: &AuditQuery) -> Answer<(Search, AuditFilter)> {
    let mut words: Vec<String> = query.q.iter().cloned().collect();
    let named = [
        ("agent:", &query.agent),
        ("target:", &query.target),
        ("verdict:", &query.verdict),
        ("kind:", &query.kind),
        ("", &query.text),
    ];
    for (name, value) in named.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        words.push(format!("{name}{}", query::quoted(value)));
    }
    let wanted = Search::parse(&words.join(" "))
        .map_err(|error| Failure::new(ProblemKind::BadRequest, error.to_string()))?;
    let filter = AuditFilter {
        after: query.after.unwrap_or(0),
        until: None,
        from_time: query.since.max(wanted.since).map(Into::into),
        to_time: [query.until, wanted.until].into_iter().flatten().min().map(Into::into),
        kind: None,
        fields: Vec::new(),
        text: None,
    };
    Ok((wanted, filter))
}
