//! The audit chain: searching it, in the state and, where its events have left that, in the archive (`archived`). What is
//! signed about it is in `signed`.

pub(super) mod archived;
pub(crate) mod signed;

use super::{
    Api,
    failure::{Answer, Failure},
    input::{Asked, cursor, page_size},
    reading,
};
use crate::archive::Found;
use archived::Wanted;
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
use countersign_raft_store::{
    handle::{AuditFilter, StateView},
    records::ArchiveFile,
};

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
    let (search, mut filter) = wanted(&query)?;
    let order = query.order.unwrap_or_default();
    if let (Order::Asc, Some(after)) = (order, from) {
        filter.after = after;
    }
    let (node, wanted) = (api.node()?, Wanted { filter, search, limit });
    let looked = reading::search(node, min.get(), move |view| {
        let Wanted { filter, search, limit } = &wanted;
        let looked = match order {
            Order::Asc => forwards(view, filter.clone(), search, *limit)?,
            Order::Desc => {
                let end = view.chain_head()?.sequence;
                let last = from.map_or(end, |before| before.saturating_sub(1).min(end));
                backwards(view, filter, search, (last, *limit))?
            }
        };
        Ok((looked, wanted))
    });
    let page = match looked.await? {
        (Looked::Page(page), _) => page,
        (Looked::Behind(file), wanted) => wanted.forwards(&archived::trail(node, &file).await?),
        (Looked::Before(file, last), wanted) => {
            wanted.backwards(&archived::trail(node, &file).await?, (last, &file))
        }
    };
    Ok(Json(page))
}

/// A page of the state's, or where it is to be looked for.
enum Looked {
    Page(Page<AuditEvent>),
    /// Forwards in this file.
    Behind(ArchiveFile),
    /// Backwards in this file, from this event.
    Before(ArchiveFile, u64),
}

/// The file that a search forwards has to look at first; none where it begins in the state, which it is moved to where the
/// archive has nothing of its time.
fn file_behind(view: &StateView, filter: &mut AuditFilter) -> Answer<Option<ArchiveFile>> {
    let Found::Archived(file) = Found::event(view, filter.after.saturating_add(1))? else {
        return Ok(None);
    };
    let Some(from) = filter.from_time.filter(|from| file.to < *from) else {
        return Ok(Some(file));
    };
    if let Found::Archived(later) = Found::time(view, from)? {
        return Ok(Some(later));
    }
    let here = view.first_event()?.map_or(0, |first| first.saturating_sub(1));
    filter.after = filter.after.max(here);
    Ok(None)
}

/// A page of what follows `filter.after`; its cursor is the last event that was looked at.
fn forwards(
    view: &StateView,
    mut filter: AuditFilter,
    wanted: &Search,
    limit: usize,
) -> Answer<Looked> {
    if let Some(file) = file_behind(view, &mut filter)? {
        return Ok(Looked::Behind(file));
    }
    let (mut items, mut bytes) = (Vec::new(), 0);
    for _ in 0..MAX_READS {
        let found = view.audit_events(&filter, limit - items.len())?;
        for event in found.events.iter().filter(|event| wanted.takes(event)) {
            bytes += length(event);
            items.push(AuditEvent::from(event));
        }
        match found.next {
            None => return Ok(Looked::Page(Page { items, next: None })),
            Some(next) => filter.after = next,
        }
        if items.len() >= limit || bytes >= MAX_BYTES {
            break;
        }
    }
    Ok(Looked::Page(Page { items, next: Some(filter.after.to_string()) }))
}

/// A page of what comes before, from event `last` back to the one after `filter.after`; its cursor is the last event that
/// was looked at.
fn backwards(
    view: &StateView,
    filter: &AuditFilter,
    wanted: &Search,
    (last, limit): (u64, usize),
) -> Answer<Looked> {
    let page = |items, next: Option<u64>| {
        Ok(Looked::Page(Page { items, next: next.map(|next| next.to_string()) }))
    };
    let (mut items, mut bytes): (Vec<AuditEvent>, _) = (Vec::new(), 0);
    let (mut last, first) = (last, view.first_event()?.unwrap_or(1));
    for _ in 0..MAX_READS {
        if last <= filter.after {
            return page(items, None);
        }
        if last < first {
            return match Found::event(view, last)? {
                Found::Archived(file) if items.is_empty() => Ok(Looked::Before(file, last)),
                Found::Archived(_) | Found::Here => page(items, Some(last + 1)),
            };
        }
        let after = last.saturating_sub(WINDOW).max(filter.after).max(first - 1);
        for event in window(view, AuditFilter { after, until: Some(last), ..filter.clone() })? {
            if items.len() >= limit || bytes >= MAX_BYTES {
                let before = items.last().map_or(last + 1, |event| event.sequence);
                return page(items, Some(before));
            }
            if wanted.takes(&event) {
                bytes += length(&event);
                items.push(AuditEvent::from(&event));
            }
        }
        // Log time never runs back: what comes before is older still.
        let oldest = view.audit_event(after + 1)?;
        if filter.from_time.is_some_and(|from| oldest.is_some_and(|event| event.at < from)) {
            return page(items, None);
        }
        last = after;
    }
    page(items, Some(last + 1))
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
