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
    audit::{AuditEvent, AuditQuery, Order},
    page::Page,
    problem::{Problem, ProblemKind},
};
use countersign_core::record::{self, EventKind};
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
    let filter = filter(&query)?;
    let (agent, order) = (query.agent, query.order.unwrap_or_default());
    let page = reading::search(api.node()?, min.get(), move |view| {
        let agent = agent.as_deref();
        match order {
            Order::Asc => {
                let after = from.unwrap_or(filter.after);
                forwards(view, AuditFilter { after, ..filter }, agent, limit)
            }
            Order::Desc => {
                let end = view.chain_head()?.sequence;
                let last = from.map_or(end, |before| before.saturating_sub(1).min(end));
                backwards(view, &filter, agent, (last, limit))
            }
        }
    })
    .await?;
    Ok(Json(page))
}

/// A page of what follows `filter.after`; its cursor is the last event that was looked at.
fn forwards(
    view: &StateView,
    mut filter: AuditFilter,
    agent: Option<&str>,
    limit: usize,
) -> Answer<Page<AuditEvent>> {
    let (mut items, mut bytes) = (Vec::new(), 0);
    for _ in 0..MAX_READS {
        let found = view.audit_events(&filter, limit - items.len())?;
        for event in found.events.iter().filter(|event| of_agent(event, agent)) {
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
    agent: Option<&str>,
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
            if of_agent(&event, agent) {
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

fn filter(query: &AuditQuery) -> Answer<AuditFilter> {
    let bad = |detail: &str| Failure::new(ProblemKind::BadRequest, detail);
    let kind = query
        .kind
        .as_deref()
        .map(|name| EventKind::named(name).ok_or_else(|| bad("`kind` is not a kind of event")))
        .transpose()?;
    let mut fields = Vec::new();
    if let Some(target) = &query.target {
        fields.push(("target.name".to_owned(), target.clone()));
    }
    if let Some(verdict) = &query.verdict {
        if !matches!(verdict.as_str(), "allow" | "hold" | "deny") {
            return Err(bad("`verdict` is allow, hold or deny"));
        }
        fields.push(("verdict".to_owned(), verdict.clone()));
    }
    Ok(AuditFilter {
        after: query.after.unwrap_or(0),
        until: None,
        from_time: query.since.map(Into::into),
        to_time: query.until.map(Into::into),
        kind,
        fields,
        text: query.text.clone(),
    })
}

fn of_agent(event: &record::AuditEvent, agent: Option<&str>) -> bool {
    let Some(agent) = agent else { return true };
    let field = |name: &str| event.fields.get(name).map(String::as_str);
    let whole = || Some(format!("{}#{}", field("agent.issuer")?, field("agent.subject")?));
    field("agent.name") == Some(agent)
        || field("agent.subject") == Some(agent)
        || whole().as_deref() == Some(agent)
}
