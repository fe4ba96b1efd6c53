//! Holds: listing, showing, deciding. Every decision repeats the fingerprint that the reviewer saw.

use super::{
    Api,
    caller::{Caller, Who},
    convert::{self, Extent},
    failure::{Answer, Failure},
    input::{Asked, Body, Nothing, cursor, page_size},
    reading,
};
use crate::metrics::counters;
use axum::{
    Json,
    extract::{Path, State},
};
use countersign_api::{
    agent,
    hold::{Choice, DecisionRequest, Hold, HoldQuery, HoldState, MAX_COMMENT, WithdrawRequest},
    page::Page,
    problem::{Problem, ProblemKind},
};
use countersign_core::{
    fingerprint::Fingerprint,
    hold as core_hold,
    id::{HoldId, LogIndex},
    reviewer::Reviewer,
};
use countersign_raft_store::{
    command::{Decide, WithdrawHold, Withdrawer},
    handle::{HoldFilter, HoldsIn, StateView},
    records::{HoldPhase, HoldRecord},
};

/// How many rows a list looks through for one page, and how many bytes it reads; a page may be short, its cursor goes on.
const MAX_SCANNED: usize = 10_000;
const MAX_READ: u64 = 32 * 1024 * 1024;
/// How many holds are read between two looks at those limits.
const HOLDS_A_READ: usize = 50;

/// Whom the node takes the caller for.
#[utoipa::path(get, path = "/v1/whoami", tag = "identity", responses((status = 200, body = agent::Caller), (status = "default", body = Problem)))]
pub(crate) async fn whoami(
    State(api): State<Api>,
    caller: Caller,
    Asked { query: Nothing {}, min }: Asked<Nothing>,
) -> Answer<Json<agent::Caller>> {
    reading::reached(api.node()?, min.get()).await?;
    let (reviewer, groups) = match &caller.who {
        Who::Bootstrap => (None, std::collections::BTreeSet::new()),
        Who::Reviewer { reviewer, .. } => {
            let shown = agent::Reviewer {
                issuer: reviewer.identity.issuer.clone(),
                subject: reviewer.identity.subject.clone(),
                name: reviewer.name.clone(),
            };
            (Some(shown), reviewer.groups.clone())
        }
    };
    Ok(Json(agent::Caller { reviewer, groups, roles: caller.roles }))
}

/// Lists the holds that the caller may see, newest first, each with an excerpt of its operation.
#[utoipa::path(get, path = "/v1/holds", tag = "holds", params(HoldQuery), responses((status = 200, body = Page<Hold>), (status = "default", body = Problem)))]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked { query, min }: Asked<HoldQuery>,
) -> Answer<Json<Page<Hold>>> {
    let limit = page_size(query.limit)?;
    let before = cursor(query.cursor.as_deref())?;
    let read = move |view: &StateView| page(view, &caller, &query, (before, limit));
    Ok(Json(reading::linear(api.node()?, min.get(), read).await?))
}

/// The newest holds, as one view of the state has them.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) pending: Page<Hold>,
    /// In whatever state.
    pub(crate) recent: Page<Hold>,
}

/// What the page begins with: so many of each at the most.
pub(crate) async fn inbox(api: &Api, caller: &Caller, limit: usize) -> Answer<Inbox> {
    let caller = caller.clone();
    let read = move |view: &StateView| {
        let any = HoldQuery::default();
        let pending = HoldQuery { state: Some(HoldState::Pending), ..HoldQuery::default() };
        Ok(Inbox {
            pending: page(view, &caller, &pending, (None, limit))?,
            recent: page(view, &caller, &any, (None, limit))?,
        })
    };
    reading::linear(api.node()?, None, read).await
}

fn page(
    view: &StateView,
    caller: &Caller,
    query: &HoldQuery,
    (mut before, limit): (Option<u64>, usize),
) -> Answer<Page<Hold>> {
    let within = query.state.map_or(HoldsIn::Any, |state| HoldsIn::Phase(convert::phase(state)));
    let (mut items, mut scanned, mut bytes) = (Vec::new(), 0, 0);
    loop {
        let rows = HOLDS_A_READ.min(limit - items.len());
        let found = view.holds(HoldFilter { within, before }, rows)?;
        scanned += found.holds.len().max(1);
        for record in &found.holds {
            if wanted(query, record) && caller.may_see(&record.hold.terms) {
                let hold = convert::hold(view, record, Extent::Excerpt)?;
                bytes += hold.operation.text_length;
                items.push(hold);
            }
        }
        before = found.next;
        let enough = items.len() >= limit || scanned >= MAX_SCANNED || bytes >= MAX_READ;
        if before.is_none() || enough {
            return Ok(Page { items, next: before.map(|number| number.to_string()) });
        }
    }
}

fn wanted(query: &HoldQuery, record: &HoldRecord) -> bool {
    let agent = &record.agent;
    let made =
        |wanted| record.hold.state.decisions().iter().any(|made| made.choice == choice(wanted));
    query.decision.is_none_or(made)
        && query.target.as_ref().is_none_or(|target| record.hold.target.as_str() == target)
        && query.agent.as_ref().is_none_or(|name| {
            agent.name == *name
                || agent.identity.subject == *name
                || agent.identity.to_string() == *name
        })
}

/// Shows a hold, whole.
#[utoipa::path(get, path = "/v1/holds/{id}", tag = "holds", params(("id" = String, Path)), responses((status = 200, body = Hold), (status = "default", body = Problem)))]
pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
    Asked { query: Nothing {}, min }: Asked<Nothing>,
) -> Answer<Json<Hold>> {
    Ok(Json(found(&api, &caller, &id, min.get()).await?))
}

/// The same for the page.
pub(crate) async fn one(api: &Api, caller: &Caller, id: &str) -> Answer<Hold> {
    found(api, caller, id, None).await
}

async fn found(api: &Api, caller: &Caller, id: &str, min: Option<LogIndex>) -> Answer<Hold> {
    let hold = hold_id(id)?;
    let (caller, id) = (caller.clone(), id.to_owned());
    let found = reading::linear(api.node()?, min, move |view| {
        let record = view.hold(hold)?.ok_or_else(|| Failure::not_found("hold", &id))?;
        if !caller.may_see(&record.hold.terms) {
            return Err(Failure::new(
                ProblemKind::NotInGroup,
                "you are in none of the groups that decide about this hold, and have no role",
            )
            .hint("an administrator gives roles to groups with a Binding"));
        }
        Ok(convert::hold(view, &record, Extent::Whole)?)
    });
    found.await
}

/// Approves or rejects a hold, or lets its operation through alone.
#[utoipa::path(post, path = "/v1/holds/{id}/decision", tag = "holds", params(("id" = String, Path)), request_body = DecisionRequest, responses((status = 200, body = Hold), (status = "default", body = Problem)))]
pub(crate) async fn decide(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
    Body(request): Body<DecisionRequest>,
) -> Answer<Json<Hold>> {
    Ok(Json(decided(&api, &caller, &id, request).await?))
}

/// The same for the page.
pub(crate) async fn decided(
    api: &Api,
    caller: &Caller,
    id: &str,
    request: DecisionRequest,
) -> Answer<Hold> {
    let hold = hold_id(id)?;
    let (seen, grant_ms) = (seen(&request)?, grant_ms(&request)?);
    check_comment(&request.comment)?;
    let reviewer = caller.reviewer()?;
    let node = api.node()?;
    // The state decides; but a node that may not act takes no decision either.
    let _leased = node.gate.may_act().map_err(|_| Failure::no_quorum())?;
    let choice = choice(request.decision);
    let command = Decide {
        hold,
        reviewer: reviewer.clone(),
        choice,
        grant_ms,
        comment: request.comment,
        seen,
        node: node.id,
    };
    let decided = reading::committed(node.store.decide(command)).await;
    counters::decided(choice.name(), &decided);
    let decided = decided?;
    was_decided(&decided.value, reviewer, choice)?;
    shown(api, decided.value).await
}

/// A hold whose time ran out at the decision's place in the log takes no decision.
fn was_decided(record: &HoldRecord, reviewer: &Reviewer, choice: core_hold::Choice) -> Answer<()> {
    let mut made = record.hold.state.decisions().iter();
    if made.any(|made| made.reviewer.identity == reviewer.identity && made.choice == choice) {
        return Ok(());
    }
    Err(Failure::settled(record.hold.state.name()))
}

fn seen(request: &DecisionRequest) -> Answer<Fingerprint> {
    let required = |detail: &str| {
        Failure::new(ProblemKind::FingerprintRequired, detail)
            .hint("send the `fingerprint` of the hold that the reviewer was shown")
    };
    let text = request
        .fingerprint
        .as_deref()
        .ok_or_else(|| required("the decision has no `fingerprint`"))?;
    text.parse().map_err(|_| required("`fingerprint` is not 64 hexadecimal digits"))
}

/// For how long it is approved. Whether policy lets it is decided in the log.
fn grant_ms(request: &DecisionRequest) -> Answer<u64> {
    let invalid = |detail: &str| Failure::new(ProblemKind::Invalid, detail);
    match (request.for_seconds, request.decision) {
        (0, _) => Ok(0),
        (_, Choice::Reject) => Err(invalid("a rejection is for no time: `for_seconds` is 0")),
        (_, Choice::BreakGlass) => {
            Err(invalid("who breaks the glass lets this through once: `for_seconds` is 0"))
        }
        (seconds, Choice::Approve) => {
            seconds.checked_mul(1000).ok_or_else(|| invalid("`for_seconds` is too large"))
        }
    }
}

const fn choice(choice: Choice) -> core_hold::Choice {
    match choice {
        Choice::Approve => core_hold::Choice::Approve,
        Choice::Reject => core_hold::Choice::Reject,
        Choice::BreakGlass => core_hold::Choice::BreakGlass,
    }
}

/// Takes a hold back, on behalf of its agent.
#[utoipa::path(post, path = "/v1/holds/{id}/withdraw", tag = "holds", params(("id" = String, Path)), request_body = WithdrawRequest, responses((status = 200, body = Hold), (status = "default", body = Problem)))]
pub(crate) async fn withdraw(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
    Body(request): Body<WithdrawRequest>,
) -> Answer<Json<Hold>> {
    let hold = hold_id(&id)?;
    check_comment(&request.comment)?;
    let node = api.node()?;
    let _leased = node.gate.may_act().map_err(|_| Failure::no_quorum())?;
    let command =
        WithdrawHold { hold, by: Withdrawer::Author(caller.author()), comment: request.comment };
    let withdrawn = reading::committed(node.store.withdraw_hold(command)).await?;
    // A repetition finds it withdrawn and is told so; a hold that expired at this very place is not withdrawn.
    if HoldPhase::of(&withdrawn.value.hold.state) != HoldPhase::Withdrawn {
        return Err(Failure::settled(withdrawn.value.hold.state.name()));
    }
    Ok(Json(shown(&api, withdrawn.value).await?))
}

async fn shown(api: &Api, record: Box<HoldRecord>) -> Answer<Hold> {
    reading::now(api.node()?, move |view| Ok(convert::hold(view, &record, Extent::Whole)?)).await
}

pub(crate) fn check_comment(comment: &str) -> Answer<()> {
    if comment.len() > MAX_COMMENT {
        return Err(Failure::new(
            ProblemKind::Invalid,
            format!("a comment has at most {MAX_COMMENT} bytes"),
        ));
    }
    Ok(())
}

fn hold_id(text: &str) -> Answer<HoldId> {
    text.parse().map_err(|_| Failure::not_found("hold", text))
}
