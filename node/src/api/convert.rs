//! From what the replicated state holds to what the API shows. Nothing is left out silently: text that is not UTF-8 is
//! shown with its exact bytes beside it.

mod evidence;
mod grant;

pub(crate) use grant::grant;

use super::failure::Answer;
use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_api::{
    agent::{Agent, Reviewer},
    credential::{IssuedCredential, IssuedState},
    hold::{self, Hold, HoldState},
    resource::{Kind, Resource},
    session::Session,
    visible::visible_lines,
};
use countersign_core::{
    agent::Workload,
    hold::{
        Choice, Decision, Hold as CoreHold, HoldState as State, ReasonRule, RejectionRule,
        Requirement, missing,
    },
    id::{GrantId, NodeId},
    key_words::key_words,
    log_time::LogTime,
    operation::Parameter,
    policy::place,
};
use countersign_raft_store::{
    handle::{ReadError, StateView},
    records::{
        Author, CredentialRecord, CredentialState, HeldOperation, HoldPhase, HoldRecord,
        ResourceKind, ResourceRecord, SessionRecord, SessionState, action_names,
    },
};
use std::collections::BTreeSet;

/// How much of a hold's operation is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it, for whoever decides.
    Whole,
    /// Its beginning, for lists and events.
    Excerpt,
}

/// Bytes of a text in an excerpt.
const EXCERPT_TEXT: usize = 4 * 1024;
/// Bound values in an excerpt, and bytes of each.
const EXCERPT_VALUES: usize = 16;
const EXCERPT_VALUE: usize = 256;
/// Earlier holds of the same fingerprint that are shown.
const MOST_PREVIOUS: usize = 10;
/// Resources, and facts of the context, in an excerpt.
const EXCERPT_ITEMS: usize = 32;

/// A hold with its operation, as `view` shows it.
pub(crate) fn hold(
    view: &StateView,
    record: &HoldRecord,
    extent: Extent,
) -> Result<Hold, ReadError> {
    let held = view.held_operation(record.hold.id)?;
    let found = view.evidence(record.hold.id)?;
    let session = view.session(record.session)?;
    let node = record
        .attached
        .first()
        .map(|attached| attached.node)
        .or(session.map(|session| session.node));
    let hold = shown(record, held.as_ref(), node.unwrap_or_default(), extent);
    let made = view.grant(GrantId::from_bytes(*record.hold.id.as_bytes()))?;
    let previous = match extent {
        Extent::Whole => view.previous_holds(record, MOST_PREVIOUS)?,
        Extent::Excerpt => Vec::new(),
    };
    Ok(Hold {
        previous: previous.iter().map(before).collect(),
        evidence: found.map(|found| evidence::shown(&found, record, extent)),
        grant: made.map(|made| made.grant.id.to_string()),
        ..hold
    })
}

fn shown(record: &HoldRecord, held: Option<&HeldOperation>, node: NodeId, extent: Extent) -> Hold {
    let kept = &record.hold;
    let decisions = kept.state.decisions();
    let (state_reason, consumed_by) = match &kept.state {
        State::Invalidated { reason, .. } => (Some(reason.clone()), None),
        State::Consumed { operation, .. } => (None, Some(operation.to_string())),
        State::Pending { .. }
        | State::Approved { .. }
        | State::Rejected { .. }
        | State::Withdrawn { .. }
        | State::Expired { .. } => (None, None),
    };
    Hold {
        id: kept.id.to_string(),
        state: state(HoldPhase::of(&kept.state)),
        state_reason,
        created_at: record.hold.opened_at.into(),
        expires_at: kept.expires_at.into(),
        agent: agent(&record.agent),
        session_id: record.session.to_string(),
        target: kept.target.to_string(),
        protocol: record.protocol.name().to_owned(),
        operation: match extent {
            Extent::Whole => operation(record, held),
            Extent::Excerpt => excerpt(operation(record, held)),
        },
        fingerprint: kept.fingerprint.to_string(),
        key: key_words(&kept.fingerprint),
        policy_revision: kept.revision.0,
        rules: kept.terms.rules.clone(),
        reviewers: reviewers(kept),
        reason_required: kept.terms.reason == ReasonRule::Required,
        grantable_seconds: held
            .and_then(|held| held.shape.as_ref())
            .and(kept.terms.grantable_ms)
            .map(|most_ms| most_ms / 1000),
        grant: None,
        decisions: decisions.iter().map(decision).collect(),
        previous: Vec::new(),
        evidence: None,
        waiting: !record.attached.is_empty(),
        node: node.0,
        consumed_by,
    }
}

fn before(record: &HoldRecord) -> hold::PreviousHold {
    let kept = &record.hold;
    hold::PreviousHold {
        id: kept.id.to_string(),
        state: state(HoldPhase::of(&kept.state)),
        created_at: kept.opened_at.into(),
        policy_revision: kept.revision.0,
        decisions: kept.state.decisions().iter().map(decision).collect(),
    }
}

/// The state of a phase, as the API names it.
pub(crate) const fn state(phase: HoldPhase) -> HoldState {
    match phase {
        HoldPhase::Pending => HoldState::Pending,
        HoldPhase::Approved => HoldState::Approved,
        HoldPhase::Consumed => HoldState::Consumed,
        HoldPhase::Rejected => HoldState::Rejected,
        HoldPhase::Withdrawn => HoldState::Withdrawn,
        HoldPhase::Expired => HoldState::Expired,
        HoldPhase::Invalidated => HoldState::Invalidated,
    }
}

/// The phase of a state of the API.
pub(crate) const fn phase(state: HoldState) -> HoldPhase {
    match state {
        HoldState::Pending => HoldPhase::Pending,
        HoldState::Approved => HoldPhase::Approved,
        HoldState::Consumed => HoldPhase::Consumed,
        HoldState::Rejected => HoldPhase::Rejected,
        HoldState::Withdrawn => HoldPhase::Withdrawn,
        HoldState::Expired => HoldPhase::Expired,
        HoldState::Invalidated => HoldPhase::Invalidated,
    }
}

fn reviewers(kept: &CoreHold) -> hold::Reviewers {
    let (terms, decisions) = (&kept.terms, kept.state.decisions());
    hold::Reviewers {
        groups: terms.groups().into_iter().map(str::to_owned).collect(),
        quorum: terms.fewest(),
        missing: missing(terms, kept.opened_at, decisions),
        requirements: terms.requirements.iter().map(|needed| requirement(needed, kept)).collect(),
        rejection: match terms.rejection {
            RejectionRule::Ends => hold::Rejection::Ends,
            RejectionRule::Noted => hold::Rejection::Noted,
        },
        break_glass: terms.break_glass.clone(),
    }
}

fn requirement(needed: &Requirement, kept: &CoreHold) -> hold::Requirement {
    let counts =
        |made: &&Decision| made.choice == Choice::Approve && needed.asks(made, kept.opened_at);
    let approvals = kept.state.decisions().iter().filter(counts).count();
    hold::Requirement {
        reviewers: needed.reviewers.to_string(),
        quorum: needed.quorum,
        approvals: u32::try_from(approvals).unwrap_or(u32::MAX),
        escalation: needed.escalation.as_ref().map(|other| hold::Escalation {
            group: other.group.clone(),
            at: kept.opened_at.after_ms(other.after_ms).into(),
        }),
    }
}

fn decision(made: &Decision) -> hold::Decision {
    hold::Decision {
        reviewer: Reviewer {
            issuer: made.reviewer.identity.issuer.clone(),
            subject: made.reviewer.identity.subject.clone(),
            name: made.reviewer.name.clone(),
        },
        decision: match made.choice {
            Choice::Approve => hold::Choice::Approve,
            Choice::Reject => hold::Choice::Reject,
            Choice::BreakGlass => hold::Choice::BreakGlass,
        },
        for_seconds: made.grant_ms / 1000,
        comment: made.comment.clone(),
        at: made.at.into(),
        node: made.node.0,
    }
}

fn operation(record: &HoldRecord, held: Option<&HeldOperation>) -> hold::Operation {
    let Some(held) = held else {
        // The operation of a hold that was settled long ago has left the state; the audit keeps it.
        let event = record.number;
        return hold::Operation {
            id: record.operation.to_string(),
            text: String::new(),
            text_base64: None,
            excerpt: false,
            text_length: 0,
            not_kept: Some(format!("the text is no longer kept; see audit event {event}")),
            text_visible: None,
            parameters: Vec::new(),
            parameter_count: 0,
            summary: record.summary.clone(),
            shape: None,
            actions: Vec::new(),
            resources: Vec::new(),
            context: std::collections::BTreeMap::new(),
        };
    };
    let text = String::from_utf8_lossy(&held.text).into_owned();
    let exact = std::str::from_utf8(&held.text).is_ok();
    let shown = visible_lines(&text).collect::<Vec<_>>().join("\n");
    let text_visible = (shown != text).then_some(shown);
    let resources: BTreeSet<String> =
        held.demands.iter().map(|demand| place(&record.hold.target, &demand.resource)).collect();
    let settings =
        held.settings.iter().map(|(name, value)| (format!("setting.{name}"), value.clone()));
    hold::Operation {
        id: record.operation.to_string(),
        text,
        text_base64: (!exact).then(|| STANDARD.encode(&held.text)),
        excerpt: false,
        text_length: held.text.len() as u64,
        not_kept: None,
        text_visible,
        parameters: held.parameters.iter().map(parameter).collect(),
        parameter_count: held.parameters.len() as u64,
        summary: held.summary.clone(),
        shape: held.shape.clone(),
        actions: action_names(&held.demands),
        resources: resources.into_iter().collect(),
        context: together(held.context.iter().cloned().chain(settings)),
    }
}

/// What is said under one name more than once, such as notes, is shown together: none takes another's place.
fn together(
    pairs: impl Iterator<Item = (String, String)>,
) -> std::collections::BTreeMap<String, String> {
    let mut all = std::collections::BTreeMap::<String, String>::new();
    for (name, value) in pairs {
        let said = all.entry(name).or_default();
        if !said.is_empty() {
            said.push_str("; ");
        }
        said.push_str(&value);
    }
    all
}

/// The beginning of an operation. What fits is shown whole, and said to be.
fn excerpt(whole: hold::Operation) -> hold::Operation {
    let fits = whole.text.len() <= EXCERPT_TEXT
        && whole.text_base64.is_none()
        && whole.parameters.len() <= EXCERPT_VALUES
        && whole.parameters.iter().all(|value| shown_length(value) <= EXCERPT_VALUE)
        && whole.resources.len() <= EXCERPT_ITEMS
        && whole.context.len() <= EXCERPT_ITEMS
        && whole.context.values().all(|value| value.len() <= EXCERPT_VALUE);
    if fits {
        return whole;
    }
    let value = |value: hold::Parameter| hold::Parameter {
        shown: value.shown.map(|text| beginning(text, EXCERPT_VALUE)),
        base64: None,
        ..value
    };
    let fact = |(name, text): (String, String)| (name, beginning(text, EXCERPT_VALUE));
    hold::Operation {
        text: beginning(whole.text, EXCERPT_TEXT),
        text_base64: None,
        text_visible: whole.text_visible.map(|text| beginning(text, EXCERPT_TEXT)),
        excerpt: true,
        parameters: whole.parameters.into_iter().take(EXCERPT_VALUES).map(value).collect(),
        resources: whole.resources.into_iter().take(EXCERPT_ITEMS).collect(),
        context: whole.context.into_iter().take(EXCERPT_ITEMS).map(fact).collect(),
        ..whole
    }
}

fn shown_length(value: &hold::Parameter) -> usize {
    value.shown.as_ref().map_or(0, String::len)
}

/// At most so many bytes, in whole characters.
fn beginning(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

fn parameter(parameter: &Parameter) -> hold::Parameter {
    hold::Parameter {
        shown: parameter.value.as_ref().map(|_| parameter.shown.clone()),
        base64: parameter.value.as_ref().map(|value| STANDARD.encode(value)),
        format: parameter.format,
        type_oid: parameter.type_oid,
    }
}

/// A credential, and whether it counts by what is in force; `now` in the time that credentials are looked at by.
pub(crate) fn credential(
    view: &StateView,
    record: &CredentialRecord,
    now: LogTime,
) -> Result<IssuedCredential, ReadError> {
    let voucher = &record.voucher;
    let provider = view.resource(ResourceKind::IdentityProvider, &voucher.provider)?;
    let vouches = provider.is_some_and(|provider| provider.revision == voucher.revision);
    Ok(IssuedCredential {
        id: record.id.to_string(),
        form: record.form.name().to_owned(),
        target: record.audience.target().map(ToString::to_string),
        agent: agent(&record.agent),
        provider: voucher.provider.clone(),
        state: match record.state {
            CredentialState::Revoked => IssuedState::Revoked,
            CredentialState::Valid if view.is_revoked(&record.agent.identity)? => {
                IssuedState::Revoked
            }
            CredentialState::Valid if record.agent.expires_at <= now => IssuedState::Expired,
            CredentialState::Valid if vouches => IssuedState::Valid,
            CredentialState::Valid => IssuedState::Void,
        },
        issued_at: record.issued_at.into(),
        expires_at: record.agent.expires_at.into(),
    })
}

fn agent(agent: &countersign_core::agent::Agent) -> Agent {
    let Workload { repository, branch, job } = &agent.workload;
    let (repository, branch, job) = (repository.clone(), branch.clone(), job.clone());
    let said = agent.workload != Workload::default();
    Agent {
        workload: said.then_some(countersign_api::agent::Workload { repository, branch, job }),
        issuer: agent.identity.issuer.clone(),
        subject: agent.identity.subject.clone(),
        name: agent.name.clone(),
        owner: agent.owner.clone(),
        groups: agent.groups.clone(),
    }
}

/// A session.
pub(crate) fn session(record: &SessionRecord) -> Session {
    let (closed_at, close_reason) = match &record.state {
        SessionState::Open => (None, None),
        SessionState::Closed { at, reason } => (Some((*at).into()), Some(reason.clone())),
    };
    Session {
        id: record.id.to_string(),
        agent: agent(&record.agent),
        target: record.target.to_string(),
        target_revision: record.target_revision.0,
        protocol: record.protocol.name().to_owned(),
        role: record.role.clone(),
        source: record.source.to_string(),
        client: record.client.clone(),
        node: record.node.0,
        opened_at: record.opened_at.into(),
        open: closed_at.is_none(),
        closed_at,
        close_reason,
        recording: None,
    }
}

/// A resource.
pub(crate) fn resource(record: &ResourceRecord) -> Answer<Resource> {
    Ok(Resource {
        kind: kind(record.kind),
        name: record.name.clone(),
        spec: body(record)?,
        revision: record.revision.0,
        updated_at: record.at.into(),
        author: author(&record.author),
    })
}

/// The body of a resource.
pub(crate) fn body(record: &ResourceRecord) -> Answer<serde_json::Value> {
    serde_json::from_str(&record.body).map_err(|error| {
        super::failure::Failure::internal("a resource in force cannot be read", &error)
    })
}

fn author(author: &Author) -> String {
    format!("{} ({})", author.name, author.identity)
}

/// The kind of a record, as the API names it.
pub(crate) const fn kind(kind: ResourceKind) -> Kind {
    match kind {
        ResourceKind::Target => Kind::Target,
        ResourceKind::IdentityProvider => Kind::IdentityProvider,
        ResourceKind::Binding => Kind::Binding,
        ResourceKind::Policy => Kind::Policy,
        ResourceKind::MaskRule => Kind::MaskRule,
    }
}

/// The kind of the API, as the state names it.
pub(crate) const fn resource_kind(kind: Kind) -> ResourceKind {
    match kind {
        Kind::Target => ResourceKind::Target,
        Kind::IdentityProvider => ResourceKind::IdentityProvider,
        Kind::Binding => ResourceKind::Binding,
        Kind::Policy => ResourceKind::Policy,
        Kind::MaskRule => ResourceKind::MaskRule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn operation(text: &str, values: usize) -> hold::Operation {
        let value = hold::Parameter {
            shown: Some("ü".repeat(200)),
            base64: Some("w7w=".to_owned()),
            format: 0,
            type_oid: 25,
        };
        hold::Operation {
            id: "op_1".to_owned(),
            text: text.to_owned(),
            text_base64: None,
            excerpt: false,
            text_length: text.len() as u64,
            parameters: vec![value; values],
            parameter_count: values as u64,
            summary: "INSERT".to_owned(),
            shape: None,
            actions: vec!["postgres:write".to_owned()],
            resources: Vec::new(),
            context: BTreeMap::new(),
            not_kept: None,
            text_visible: None,
        }
    }

    #[test]
    fn what_fits_into_an_excerpt_is_whole() {
        assert_eq!(excerpt(operation("SELECT 1", 0)), operation("SELECT 1", 0));
    }

    #[test]
    fn an_excerpt_says_that_it_is_one_and_how_much_there_is() {
        let text = "ü".repeat(EXCERPT_TEXT);
        let found = excerpt(operation(&text, 100));
        assert!(found.excerpt);
        assert_eq!(found.text, "ü".repeat(EXCERPT_TEXT / 2));
        assert_eq!(found.text_length, text.len() as u64);
        assert_eq!((found.parameters.len(), found.parameter_count), (EXCERPT_VALUES, 100));
        let value = &found.parameters[0];
        assert_eq!((shown_length(value), &value.base64), (EXCERPT_VALUE, &None));
        assert!(excerpt(operation("INSERT", 1)).excerpt, "a value is cut off");
    }
}
