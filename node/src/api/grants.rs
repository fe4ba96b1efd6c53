//! Grants: listing, showing, revoking. They are made by decisions (`holds`).
//!
//! Whoever may decide about what a grant covers may see it and revoke it, and so may an administrator.

use super::{
    Api,
    caller::{Access, Caller},
    convert,
    failure::{Answer, Failure},
    input::{Asked, Nothing, cursor, page_size},
    reading,
};
use axum::{
    Json,
    extract::{Path, State},
};
use countersign_api::{
    grant::{Grant, GrantQuery},
    page::Page,
    problem::{Problem, ProblemKind},
};
use countersign_core::{grant::GrantState, id::GrantId};
use countersign_raft_store::{
    command::{Revocable, Revoke},
    records::GrantRecord,
};

/// Lists the grants that the caller may see, newest first.
#[utoipa::path(get, path = "/v1/grants", tag = "grants", params(GrantQuery), responses((status = 200, body = Page<Grant>), (status = "default", body = Problem)))]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked { query, min }: Asked<GrantQuery>,
) -> Answer<Json<Page<Grant>>> {
    let limit = page_size(query.limit)?;
    let before = cursor(query.cursor.as_deref())?;
    let any = match query.state.as_deref() {
        None | Some("in-force") => false,
        Some("any") => true,
        Some(_) => {
            return Err(Failure::new(ProblemKind::BadRequest, "`state` is `in-force` or `any`"));
        }
    };
    let page = reading::linear(api.node()?, min.get(), move |view| {
        let now = view.log_time()?;
        let wanted = |record: &GrantRecord| {
            let in_force =
                record.grant.state == GrantState::InForce && now < record.grant.expires_at;
            (any || in_force) && caller.may_see(&record.grant.terms)
        };
        let found = view.grants(wanted, before, limit)?;
        let items = found.grants.iter().map(|record| convert::grant(record, now)).collect();
        Ok(Page { items, next: found.next.map(|number| number.to_string()) })
    });
    Ok(Json(page.await?))
}

/// Shows a grant.
#[utoipa::path(get, path = "/v1/grants/{id}", tag = "grants", params(("id" = String, Path)), responses((status = 200, body = Grant), (status = "default", body = Problem)))]
pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
    Asked { query: Nothing {}, min }: Asked<Nothing>,
) -> Answer<Json<Grant>> {
    let grant = grant_id(&id)?;
    let found = reading::linear(api.node()?, min.get(), move |view| {
        let record = view.grant(grant)?.filter(|record| caller.may_see(&record.grant.terms));
        let record = record.ok_or_else(|| Failure::not_found("grant", &id))?;
        Ok(convert::grant(&record, view.log_time()?))
    });
    Ok(Json(found.await?))
}

/// Revokes a grant: from its place in the log on it covers nothing.
#[utoipa::path(delete, path = "/v1/grants/{id}", tag = "grants", params(("id" = String, Path)), responses((status = 200, body = Grant), (status = "default", body = Problem)))]
pub(crate) async fn revoke(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
) -> Answer<Json<Grant>> {
    let grant = grant_id(&id)?;
    let node = api.node()?;
    let (who, named) = (caller.clone(), id.clone());
    reading::linear(node, None, move |view| {
        let record = view.grant(grant)?.ok_or_else(|| Failure::not_found("grant", &named))?;
        if who.has(Access::Admin) || who.may_decide(&record.grant.terms) {
            Ok(())
        } else if who.may_see(&record.grant.terms) {
            Err(Failure::new(
                ProblemKind::NotInGroup,
                "you are in none of the groups that decide about what this grant covers",
            ))
        } else {
            Err(Failure::not_found("grant", &named))
        }
    })
    .await?;
    let reason = "revoked by whoever may decide about it".to_owned();
    let command = Revoke { what: Revocable::Grant(grant), reason, author: caller.author() };
    reading::committed(node.store.revoke(command)).await?;
    reading::now(node, move |view| {
        let record = view.grant(grant)?.ok_or_else(|| Failure::not_found("grant", &id))?;
        Ok(Json(convert::grant(&record, view.log_time()?)))
    })
    .await
}

fn grant_id(text: &str) -> Answer<GrantId> {
    text.parse().map_err(|_| Failure::not_found("grant", text))
}
