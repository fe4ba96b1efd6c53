//! The audit chain: searching it, and its head.

use super::{
    Api,
    failure::{Answer, Failure},
    input::{Asked, MinIndex, cursor, page_size},
    reading,
};
use axum::{Json, extract::State};
use countersign_api::{
    audit::{AuditEvent, AuditHead, AuditQuery},
    page::Page,
    problem::{Problem, ProblemKind},
};
use countersign_core::record::{self, EventKind};
use countersign_raft_store::handle::{AuditFilter, StateView};

/// How many reads of the chain a searched page may take; a page may be short, its cursor goes on.
const MAX_READS: usize = 50;

/// Searches the audit events, oldest first.
#[utoipa::path(get, path = "/v1/audit/events", tag = "audit", params(AuditQuery), responses((status = 200, body = Page<AuditEvent>), (status = "default", body = Problem)))]
pub(crate) async fn events(
    State(api): State<Api>,
    Asked(query): Asked<AuditQuery>,
    Asked(min): Asked<MinIndex>,
) -> Answer<Json<Page<AuditEvent>>> {
    let limit = page_size(query.limit)?;
    let mut filter = filter(&query)?;
    let agent = query.agent;
    let page = reading::linear(api.node()?, min.get(), move |view| {
        let mut items = Vec::new();
        for _ in 0..MAX_READS {
            let found = view.audit_events(&filter, limit - items.len())?;
            let wanted = found.events.iter().filter(|event| of_agent(event, agent.as_deref()));
            items.extend(wanted.map(AuditEvent::from));
            match found.next {
                None => return Ok(Page { items, next: None }),
                Some(next) => filter.after = next,
            }
            if items.len() >= limit {
                break;
            }
        }
        Ok(Page { items, next: Some(filter.after.to_string()) })
    })
    .await?;
    Ok(Json(page))
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
    let after = cursor(query.cursor.as_deref())?.or(query.after).unwrap_or(0);
    Ok(AuditFilter {
        after,
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

/// The head of the audit chain.
#[utoipa::path(get, path = "/v1/audit/head", tag = "audit", responses((status = 200, body = AuditHead), (status = "default", body = Problem)))]
pub(crate) async fn head(State(api): State<Api>, Asked(min): Asked<MinIndex>) -> Answer<Json<AuditHead>> {
    let node = api.node()?;
    let (id, store) = (node.id, node.store.clone());
    let head = reading::linear(node, min.get(), move |view| head_of(view, id.0, store.status().applied.0));
    Ok(Json(head.await?))
}

fn head_of(view: &StateView, node: u64, applied: u64) -> Answer<AuditHead> {
    let head = view.chain_head()?;
    let cluster_id = view.cluster()?.map(|cluster| hex::encode(cluster.id)).unwrap_or_default();
    // The view may be a little older than the status: the index of the last event is what it certainly has.
    let last = view.audit_event(head.sequence)?.map_or(applied, |event| event.index.0);
    Ok(AuditHead {
        sequence: head.sequence,
        hash: head.hash.to_string(),
        index: last,
        at: view.log_time()?.into(),
        cluster_id,
        node,
    })
}
