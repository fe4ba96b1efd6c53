//! Judging without a session: test cases, explanations, and recorded operations under other policies. It decides nothing and
//! changes nothing, and by the same evaluation as the gate.

use super::{
    Api,
    failure::{Answer, Failure},
    input::Body,
    policy::{check_extent, documents},
    reading,
};
use axum::{Json, extract::State};
use countersign_api::{
    policy::{
        CaseResult, ExplainRequest, Explanation, PolicyTest, PolicyTestRequest, PolicyText,
        RecordedVerdict, SimulateRequest, Simulating, Simulation, explained, run,
    },
    problem::{Problem, ProblemItem, ProblemKind},
    resource::PolicySpec,
};
use countersign_core::{
    log_time::LogTime,
    policy::{Matter, Policies, recorded},
    record::AuditEvent,
};
use countersign_raft_store::handle::{AuditFilter, StateView};

/// Events that one page of a simulation looks at.
const PAGE_EVENTS: usize = 20_000;
/// The name of the policy that cases stand beside which stand beside none.
const NO_POLICY: &str = "-";

/// Runs the test cases of the policies in force, or of others.
#[utoipa::path(post, path = "/v1/policy/test", tag = "policy", request_body = PolicyTestRequest, responses((status = 200, body = PolicyTest), (status = "default", body = Problem)))]
pub(crate) async fn test(
    State(api): State<Api>,
    Body(request): Body<PolicyTestRequest>,
) -> Answer<Json<PolicyTest>> {
    let PolicyTestRequest { policies, cases } = request;
    if let Some(policies) = &policies {
        check_extent(policies)?;
    }
    let tested = reading::search(api.node()?, None, move |view| {
        let texts = match policies {
            Some(texts) => texts,
            None => in_force(view)?,
        };
        let policies = compiled(&texts)?;
        let beside = |text: &PolicyText| -> Vec<CaseResult> {
            text.tests.iter().map(|case| run(&policies, &text.name, case)).collect()
        };
        let of_policies = texts.iter().flat_map(beside);
        let others = cases.iter().map(|case| run(&policies, NO_POLICY, case));
        let cases: Vec<CaseResult> = of_policies.chain(others).collect();
        Ok(PolicyTest { ok: cases.iter().all(|case| case.passed), cases })
    });
    Ok(Json(tested.await?))
}

/// Explains what policies say of a recorded operation, or of one that nobody has asked for.
#[utoipa::path(post, path = "/v1/policy/explain", tag = "policy", request_body = ExplainRequest, responses((status = 200, body = Explanation), (status = "default", body = Problem)))]
pub(crate) async fn explain(
    State(api): State<Api>,
    Body(request): Body<ExplainRequest>,
) -> Answer<Json<Explanation>> {
    if let Some(policies) = &request.policies {
        check_extent(policies)?;
    }
    let answer = reading::search(api.node()?, None, move |view| {
        let (matter, recorded) = asked_about(view, &request)?;
        let (texts, policy_revision) = match request.policies {
            Some(texts) => (texts, None),
            None => (in_force(view)?, Some(view.policy_revision()?.0)),
        };
        let explanation = explained(&compiled(&texts)?, &matter);
        Ok(Explanation { policy_revision, recorded, ..explanation })
    });
    Ok(Json(answer.await?))
}

/// Judges a page of recorded operations under other policies.
#[utoipa::path(post, path = "/v1/policy/simulate", tag = "policy", request_body = SimulateRequest, responses((status = 200, body = Simulation), (status = "default", body = Problem)))]
pub(crate) async fn simulate(
    State(api): State<Api>,
    Body(request): Body<SimulateRequest>,
) -> Answer<Json<Simulation>> {
    check_extent(&request.policies)?;
    let page = reading::search(api.node()?, None, move |view| simulated(view, request));
    Ok(Json(page.await?))
}

fn simulated(view: &StateView, request: SimulateRequest) -> Answer<Simulation> {
    let mut texts = if request.prune { Vec::new() } else { in_force(view)? };
    texts.retain(|text| request.policies.iter().all(|new| new.name != text.name));
    texts.extend(request.policies);
    let policies = compiled(&texts)?;
    let head = view.chain_head()?.sequence;
    let last = request.until.map_or(head, |until| until.min(head));
    let first_after = match request.after {
        Some(after) => after,
        None => before(view, request.since.map(LogTime::from), last)?,
    };
    let (mut found, mut looked_at) = (Simulating::default(), 0);
    let mut filter =
        AuditFilter { after: first_after, until: Some(last), ..AuditFilter::default() };
    let next = loop {
        let page = view.audit_events(&filter, usize::MAX)?;
        looked_at += page.events.len();
        for event in &page.events {
            found.take(&policies, event);
        }
        match page.next {
            None => break None,
            Some(next) if looked_at >= PAGE_EVENTS => break Some(next),
            Some(next) => filter.after = next,
        }
    };
    Ok(Simulation { last, first_after, next, ..found.finish() })
}

/// The event behind which all are from `since` on. Log time never runs back; what has left the state is older than what has not.
fn before(view: &StateView, since: Option<LogTime>, last: u64) -> Answer<u64> {
    let Some(since) = since else { return Ok(0) };
    let (mut older, mut end) = (0, last);
    while older < end {
        let middle = older + (end - older).div_ceil(2);
        match view.audit_event(middle)? {
            Some(event) if event.at >= since => end = middle - 1,
            Some(_) | None => older = middle,
        }
    }
    Ok(older)
}

/// The policies in force, with their test cases.
fn in_force(view: &StateView) -> Answer<Vec<PolicyText>> {
    let (_revision, records) = view.policies()?;
    let read = |record: countersign_raft_store::records::ResourceRecord| {
        let spec: PolicySpec = serde_json::from_str(&record.body)
            .map_err(|error| Failure::internal("a policy in force cannot be read", &error))?;
        Ok(PolicyText { name: record.name, cedar: spec.cedar, tests: spec.tests })
    };
    records.into_iter().map(read).collect()
}

fn compiled(texts: &[PolicyText]) -> Answer<Policies> {
    Policies::compile(&documents(texts)).map_err(|problems| {
        let items: Vec<_> = problems.into_iter().map(ProblemItem::from).collect();
        let first = items.first().map(|item| item.message.clone()).unwrap_or_default();
        Failure::new(ProblemKind::InvalidPolicy, format!("the policies do not compile: {first}"))
            .errors(items)
    })
}

/// What an explanation is about, and what was decided about it when it was recorded.
fn asked_about(
    view: &StateView,
    request: &ExplainRequest,
) -> Answer<(Matter, Option<RecordedVerdict>)> {
    let ExplainRequest { event, operation, hold, given, policies: _ } = request;
    let sequence = match (event, operation, hold, given) {
        (None, None, None, Some(given)) => {
            let matter = given
                .matter()
                .map_err(|error| Failure::new(ProblemKind::Invalid, error.to_string()))?;
            return Ok((matter, None));
        }
        (Some(event), None, None, None) => *event,
        (None, Some(id), None, None) => {
            let unknown = || Failure::not_found("operation", id);
            let parsed = id.parse().map_err(|_| unknown())?;
            let record = view.operation(parsed)?.ok_or_else(unknown)?;
            match record.hold {
                Some(hold) => view.hold(hold)?.ok_or_else(unknown)?.number,
                None => record.sequence,
            }
        }
        (None, None, Some(id), None) => {
            let unknown = || Failure::not_found("hold", id);
            let parsed = id.parse().map_err(|_| unknown())?;
            view.hold(parsed)?.ok_or_else(unknown)?.number
        }
        _several => {
            let detail = "say exactly one of `event`, `operation`, `hold` and `given`";
            return Err(Failure::new(ProblemKind::Invalid, detail));
        }
    };
    let found = view
        .audit_event(sequence)?
        .ok_or_else(|| Failure::not_found("audit event", &sequence.to_string()))?;
    of_event(&found)
}

fn of_event(event: &AuditEvent) -> Answer<(Matter, Option<RecordedVerdict>)> {
    let Some(decided) = recorded::decided(event) else {
        let detail =
            format!("audit event {} is not one in which an operation was judged", event.sequence);
        return Err(Failure::new(ProblemKind::Invalid, detail));
    };
    let matter = recorded::matter(event).map_err(|error| {
        Failure::new(ProblemKind::Invalid, format!("audit event {}: {error}", event.sequence))
            .hint("what an operation asked for is not recorded where it is too long")
    })?;
    let fact = |name: &str| event.fields.get(name).cloned().unwrap_or_default();
    let recorded = RecordedVerdict {
        event: event.sequence,
        verdict: decided.into(),
        rules: fact("policy.rules"),
        policy_revision: fact("policy.revision"),
    };
    Ok((matter, Some(recorded)))
}
