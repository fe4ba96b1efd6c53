//! Judging without a session: test cases, explanations, and recorded operations under other policies, wherever the chain has
//! them. It decides nothing and changes nothing, and by the same evaluation as the gate.

use super::{
    Api,
    audit::{archived::trail, signed::first_at},
    failure::{Answer, Failure},
    input::Body,
    policy::{check_extent, documents},
    reading,
};
use crate::archive::{Found, Trail};
use axum::{Json, extract::State};
use countersign_api::{
    policy::{
        ExplainRequest, Explanation, PolicyTest, PolicyTestRequest, PolicyText, RecordedVerdict,
        SimulateRequest, Simulating, Simulation, TooMuchWork, explained, run,
    },
    problem::{Problem, ProblemItem, ProblemKind},
    resource::PolicySpec,
};
use countersign_core::{
    permit::Approval,
    policy::{MAX_WORK, Matter, Policies, PolicyDocument, recorded},
    record::AuditEvent,
};
use countersign_raft_store::{
    handle::{AuditFilter, StateView},
    records::ArchiveFile,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Events that one page of a simulation looks at in the state; of the archive, a page is a file.
const PAGE_EVENTS: usize = 20_000;
/// Work of the judgements of one request, as judging counts it: one or two seconds.
const MOST_WORK: u64 = 20 * MAX_WORK;
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
        let others = cases.iter().map(|case| (NO_POLICY, case));
        let cases = texts.iter().flat_map(PolicyText::cases).chain(others);
        run(&policies, cases, MOST_WORK).map_err(|TooMuchWork| {
            Failure::new(
                ProblemKind::Invalid,
                "running these cases takes more work than is done for one request",
            )
            .hint("`countersignctl policy test FILE…` runs them without a node")
        })
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
    let node = api.node()?;
    let (about, request) =
        reading::search(node, None, move |view| Ok((About::of(view, &request)?, request))).await?;
    let (matter, recorded) = match about {
        About::Given(matter) => (*matter, None),
        About::Here(event) => of_event(&event)?,
        About::Archived(sequence, file) => {
            let trail = trail(node, &file).await?;
            let event = trail.events().find(|event| event.sequence == sequence);
            of_event(event.ok_or_else(|| no_event(sequence))?)?
        }
    };
    let answer = reading::search(node, None, move |view| {
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
    let node = api.node()?;
    let first_after = match (request.after, request.since) {
        (Some(after), _) => after,
        (None, Some(since)) => first_at(node, since.into()).await?.saturating_sub(1),
        (None, None) => 0,
    };
    let kept = Arc::clone(&api.last_compiled);
    let until = request.until;
    let looked = reading::search(node, None, move |view| {
        let texts = simulated_by(view, request)?;
        simulated(view, (kept.of(&texts)?, first_after), until)
    });
    let page = match looked.await? {
        Looked::Page(page) => page,
        Looked::Behind { file, span, policies } => {
            let trail = trail(node, &file).await?;
            reading::heavy(move || Ok(in_file(&trail, &file, (&policies, span)))).await?
        }
    };
    Ok(Json(page))
}

/// Which events are judged: those behind `after`, up to `last`.
#[derive(Clone, Copy)]
struct Judged {
    after: u64,
    last: u64,
}

/// A page of the state's, or the file of the archive in which it begins.
enum Looked {
    Page(Simulation),
    Behind { file: ArchiveFile, span: Judged, policies: Arc<Policies> },
}

/// The policies that were simulated last, with what they were compiled from: the pages of a simulation have the same, and
/// what was found for one page is known to the next.
#[derive(Debug, Default)]
pub(crate) struct LastCompiled(Mutex<Option<Compiled>>);

type Compiled = (Vec<PolicyDocument>, Arc<Policies>);

impl LastCompiled {
    fn of(&self, texts: &[PolicyText]) -> Answer<Arc<Policies>> {
        let wanted = documents(texts);
        if let Some((known, policies)) = &*self.lock()
            && *known == wanted
        {
            return Ok(Arc::clone(policies));
        }
        let policies = Arc::new(compiled(texts)?);
        *self.lock() = Some((wanted, Arc::clone(&policies)));
        Ok(policies)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Compiled>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The policies of a simulation: those in force, unless they are gone, and the new ones in the places of their names.
fn simulated_by(view: &StateView, request: SimulateRequest) -> Answer<Vec<PolicyText>> {
    let SimulateRequest { policies: new, prune, .. } = request;
    let mut texts = if prune { Vec::new() } else { in_force(view)? };
    texts.retain(|text| new.iter().all(|new| new.name != text.name));
    texts.extend(new);
    Ok(texts)
}

fn simulated(
    view: &StateView,
    (policies, first_after): (Arc<Policies>, u64),
    until: Option<u64>,
) -> Answer<Looked> {
    let head = view.chain_head()?.sequence;
    let last = until.map_or(head, |until| until.min(head));
    let span = Judged { after: first_after.min(last), last };
    if span.after < last
        && let Found::Archived(file) = Found::event(view, span.after + 1)?
    {
        return Ok(Looked::Behind { file, span, policies });
    }
    in_state(view, &policies, span).map(Looked::Page)
}

fn in_state(view: &StateView, policies: &Policies, span: Judged) -> Answer<Simulation> {
    let Judged { after, last } = span;
    let (mut found, mut looked_at) = (Simulating::default(), 0);
    let mut filter = AuditFilter { after, until: Some(last), ..AuditFilter::default() };
    let next = 'pages: loop {
        let page = view.audit_events(&filter, usize::MAX)?;
        // What has left the state meanwhile is looked for in the archive by the next page.
        if page.events.first().is_some_and(|first| first.sequence != filter.after + 1) {
            break Some(filter.after);
        }
        looked_at += page.events.len();
        for event in &page.events {
            found.take(policies, event);
            if found.work() >= MOST_WORK {
                break 'pages Some(event.sequence);
            }
        }
        match page.next {
            None => break None,
            Some(next) if looked_at >= PAGE_EVENTS => break Some(next),
            Some(next) => filter.after = next,
        }
    };
    Ok(Simulation { last, first_after: after, next, ..found.finish() })
}

fn in_file(trail: &Trail, file: &ArchiveFile, (policies, span): (&Policies, Judged)) -> Simulation {
    let Judged { after, last } = span;
    let mut found = Simulating::default();
    let mut next = (file.last.sequence < last).then_some(file.last.sequence);
    for event in trail.events().filter(|event| (after + 1..=last).contains(&event.sequence)) {
        found.take(policies, event);
        if found.work() >= MOST_WORK {
            next = Some(event.sequence);
            break;
        }
    }
    Simulation { last, first_after: after, next, ..found.finish() }
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

/// What an explanation is about.
enum About {
    /// What nobody has asked for.
    Given(Box<Matter>),
    /// An event.
    Here(Box<AuditEvent>),
    /// An event that has left the state, and the file that has it.
    Archived(u64, ArchiveFile),
}

impl About {
    fn of(view: &StateView, request: &ExplainRequest) -> Answer<Self> {
        if let ExplainRequest {
            event: None, operation: None, hold: None, given: Some(given), ..
        } = request
        {
            let matter = given.matter();
            let matter =
                matter.map_err(|error| Failure::new(ProblemKind::Invalid, error.to_string()))?;
            return Ok(Self::Given(Box::new(matter)));
        }
        let sequence = recorded_at(view, request)?;
        if let Some(event) = view.audit_event(sequence)? {
            return Ok(Self::Here(Box::new(event)));
        }
        match Found::event(view, sequence)? {
            Found::Archived(file) => Ok(Self::Archived(sequence, file)),
            Found::Here => Err(no_event(sequence)),
        }
    }
}

fn no_event(sequence: u64) -> Failure {
    Failure::not_found("audit event", &sequence.to_string())
}

/// The event in which what is asked about was judged.
fn recorded_at(view: &StateView, request: &ExplainRequest) -> Answer<u64> {
    let ExplainRequest { event, operation, hold, given, policies: _ } = request;
    match (event, operation, hold, given) {
        (Some(event), None, None, None) => Ok(*event),
        (None, Some(id), None, None) => {
            let unknown = || Failure::not_found("operation", id);
            let parsed = id.parse().map_err(|_| unknown())?;
            let record = view.operation(parsed)?.ok_or_else(unknown)?;
            match record.approval.and_then(Approval::hold) {
                Some(hold) => Ok(view.hold(hold)?.ok_or_else(unknown)?.number),
                None => Ok(record.sequence),
            }
        }
        (None, None, Some(id), None) => {
            let unknown = || Failure::not_found("hold", id);
            let parsed = id.parse().map_err(|_| unknown())?;
            Ok(view.hold(parsed)?.ok_or_else(unknown)?.number)
        }
        _several => {
            let detail = "say exactly one of `event`, `operation`, `hold` and `given`";
            Err(Failure::new(ProblemKind::Invalid, detail))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_a_simulation_are_judged_by_policies_that_are_compiled_once() {
        let text = |cedar: &str| {
            vec![PolicyText { name: "a".to_owned(), cedar: cedar.to_owned(), tests: Vec::new() }]
        };
        let last = LastCompiled::default();
        let one = last.of(&text("permit(principal, action, resource);")).unwrap();
        let again = last.of(&text("permit(principal, action, resource);")).unwrap();
        assert!(Arc::ptr_eq(&one, &again));
        let other = last.of(&text("forbid(principal, action, resource);")).unwrap();
        assert!(!Arc::ptr_eq(&one, &other));
        last.of(&text("permit(")).unwrap_err();
    }
}
