//! Resources: reading them, and changing them under optimistic concurrency. A secret in them is a reference, so what is
//! shown is what was applied.

use super::{
    Api,
    apply::{InForce, Plan, in_force, plan},
    caller::Caller,
    convert,
    failure::{Answer, Failure},
    holds::check_comment,
    input::{Asked, Body, MinIndex, Nothing, cursor, page_size},
    keyed::{self, Keyed},
    reading,
};
use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};
use countersign_api::{
    page::{Page, Paging},
    problem::{Problem, ProblemKind},
    resource::{
        ApplyAnswer, ApplyRequest, Kind, PutRequest, Resource, ResourceDocument, ResourceReference,
    },
};
use countersign_raft_store::command::ApplyResources;

/// A resource with its revision as `ETag`.
type Tagged = ([(HeaderName, HeaderValue); 1], Json<Resource>);

/// Lists the resources of all kinds.
#[utoipa::path(get, path = "/v1/resources", tag = "resources", params(Paging), responses((status = 200, body = Page<Resource>), (status = "default", body = Problem)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Asked { query: paging, min }: Asked<Paging>,
) -> Answer<Json<Page<Resource>>> {
    page(&api, None, paging, min).await
}

/// Lists the resources of a kind.
#[utoipa::path(get, path = "/v1/resources/{kind}", tag = "resources", params(("kind" = String, Path), Paging), responses((status = 200, body = Page<Resource>), (status = "default", body = Problem)))]
pub(crate) async fn list_kind(
    State(api): State<Api>,
    Path(kind): Path<String>,
    Asked { query: paging, min }: Asked<Paging>,
) -> Answer<Json<Page<Resource>>> {
    page(&api, Some(kind_of(&kind)?), paging, min).await
}

/// The resources are few (they are read whole to be judged by), so a page is cut from all of them.
async fn page(
    api: &Api,
    kind: Option<Kind>,
    paging: Paging,
    min: MinIndex,
) -> Answer<Json<Page<Resource>>> {
    let limit = page_size(paging.limit)?;
    let skip = cursor(paging.cursor.as_deref())?.unwrap_or(0);
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let found = reading::linear(api.node()?, min.get(), in_force).await?;
    let mut wanted = found
        .values()
        .filter(|record| kind.is_none_or(|kind| convert::kind(record.kind) == kind))
        .skip(skip);
    let items = wanted.by_ref().take(limit).map(convert::resource).collect::<Answer<Vec<_>>>()?;
    let next = wanted.next().map(|_| skip.saturating_add(limit).to_string());
    Ok(Json(Page { items, next }))
}

/// Shows a resource.
#[utoipa::path(get, path = "/v1/resources/{kind}/{name}", tag = "resources", params(("kind" = String, Path), ("name" = String, Path)), responses((status = 200, body = Resource, headers(("ETag" = String))), (status = "default", body = Problem)))]
pub(crate) async fn show(
    State(api): State<Api>,
    Path((kind, name)): Path<(String, String)>,
    Asked { query: Nothing {}, min }: Asked<Nothing>,
) -> Answer<Tagged> {
    let kind = kind_of(&kind)?;
    let found = reading::linear(api.node()?, min.get(), move |view| {
        let record = view.resource(convert::resource_kind(kind), &name)?;
        convert::resource(&record.ok_or_else(|| Failure::not_found(kind.name(), &name))?)
    });
    Ok(tagged(found.await?))
}

/// Creates or changes a resource.
#[utoipa::path(put, path = "/v1/resources/{kind}/{name}", tag = "resources", params(("kind" = String, Path), ("name" = String, Path), ("if-match" = Option<String>, Header), ("if-none-match" = Option<String>, Header)), request_body = PutRequest, responses((status = 200, body = Resource, headers(("ETag" = String))), (status = "default", body = Problem)))]
pub(crate) async fn replace(
    State(api): State<Api>,
    Path((kind, name)): Path<(String, String)>,
    headers: HeaderMap,
    caller: Caller,
    Body(request): Body<PutRequest>,
) -> Answer<Tagged> {
    let kind = kind_of(&kind)?;
    let document = ResourceDocument {
        kind: kind.name().to_owned(),
        name: name.clone(),
        spec: request.spec,
        revision: expected(&headers)?,
    };
    let request = ApplyRequest { documents: vec![document], ..ApplyRequest::default() };
    run(&api, request, &caller, &headers).await?;
    let found = reading::now(api.node()?, move |view| {
        let record = view.resource(convert::resource_kind(kind), &name)?;
        convert::resource(&record.ok_or_else(|| Failure::not_found(kind.name(), &name))?)
    });
    Ok(tagged(found.await?))
}

/// Deletes a resource.
#[utoipa::path(delete, path = "/v1/resources/{kind}/{name}", tag = "resources", params(("kind" = String, Path), ("name" = String, Path), ("if-match" = Option<String>, Header)), responses((status = 204), (status = "default", body = Problem)))]
pub(crate) async fn remove(
    State(api): State<Api>,
    Path((kind, name)): Path<(String, String)>,
    headers: HeaderMap,
    caller: Caller,
) -> Answer<StatusCode> {
    let kind = kind_of(&kind)?.name().to_owned();
    let reference = ResourceReference { kind, name, revision: expected(&headers)? };
    let request = ApplyRequest { delete: vec![reference], ..ApplyRequest::default() };
    run(&api, request, &caller, &headers).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Applies documents: all of them, or none.
#[utoipa::path(post, path = "/v1/apply", tag = "resources", params(("idempotency-key" = Option<String>, Header)), request_body = ApplyRequest, responses((status = 200, body = ApplyAnswer), (status = "default", body = Problem)))]
pub(crate) async fn apply(
    State(api): State<Api>,
    headers: HeaderMap,
    caller: Caller,
    Body(request): Body<ApplyRequest>,
) -> Answer<Json<ApplyAnswer>> {
    Ok(Json(run(&api, request, &caller, &headers).await?))
}

/// Plans a request on the resources in force and commits it, unless there is nothing to do or only a dry run was asked. A
/// request that was committed under its key before is answered as it was then.
async fn run(
    api: &Api,
    request: ApplyRequest,
    caller: &Caller,
    headers: &HeaderMap,
) -> Answer<ApplyAnswer> {
    check_comment(&request.comment)?;
    let node = api.node()?;
    let (dry_run, comment) = (request.dry_run, request.comment.clone());
    let keyed = Keyed::of(headers, caller, &request)?;
    if let Some(before) = keyed.before(node).await? {
        return Ok(before);
    }
    // Compiling the policies takes a while: where blocking is allowed.
    let Plan { changes, results, warnings } = reading::linear(node, None, move |view| {
        let resources: InForce = in_force(view)?;
        plan(&request, &resources)
    })
    .await?;
    let answer = ApplyAnswer { dry_run, revision: None, results, warnings };
    if dry_run || changes.is_empty() {
        return Ok(answer);
    }
    let command = ApplyResources {
        id: keyed.id,
        content: keyed.content,
        answer: keyed::kept(&answer)?,
        changes,
        author: caller.author(),
        comment,
    };
    let committed = reading::committed(node.store.apply_resources(command)).await?;
    Ok(ApplyAnswer { revision: Some(committed.value.0), ..answer })
}

/// The revision that the caller expects (RFC 9110, section 13.1); 0 when the resource must not exist.
fn expected(headers: &HeaderMap) -> Answer<Option<u64>> {
    let wrong = || {
        Failure::new(
            ProblemKind::BadRequest,
            "`If-Match` is the one `ETag` of the resource, such as \"17\"",
        )
    };
    if let Some(value) = headers.get(header::IF_NONE_MATCH) {
        return if value == "*" {
            Ok(Some(0))
        } else {
            Err(Failure::new(ProblemKind::BadRequest, "`If-None-Match` is `*` here"))
        };
    }
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().map_err(|_| wrong())?.trim();
    let digits =
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or_else(wrong)?;
    digits.parse().map(Some).map_err(|_| wrong())
}

fn tagged(resource: Resource) -> Tagged {
    let tag = HeaderValue::from_str(&format!("\"{}\"", resource.revision));
    ([(header::ETAG, tag.unwrap_or(HeaderValue::from_static("\"0\"")))], Json(resource))
}

fn kind_of(text: &str) -> Answer<Kind> {
    text.parse().map_err(|error: countersign_api::resource::KindError| {
        Failure::new(ProblemKind::NotFound, error.to_string())
    })
}
