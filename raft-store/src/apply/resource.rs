//! Changes of resources, all or none. What was judged under a policy, or in a session of a target, that has changed is
//! judged again (invariant `revision_in_force`). Whether a body makes sense is checked by the node before it proposes.

mod change;

use super::{
    chain::{self, Facts},
    credential, grant, hold, request, revocation, session,
    step::{Done, Step, Stop, short, within},
};
use crate::{
    command::{ApplyResources, Expected, ResourceBody, ResourceChange},
    effect::Effect,
    key_space::{self, Single},
    limits::{Limit, MAX_CHANGES, MAX_COMMENT, MAX_RESOURCE_BODY},
    records::{AppliedRequest, RequestRecord, ResourceKind, ResourceRecord},
    reply::{Answer, StateRefusal},
};
use countersign_core::{id::Revision, record::EventKind, target::TargetName};
use std::collections::BTreeSet;

pub(super) fn apply(step: &mut Step<'_>, command: ApplyResources) -> Done {
    match request::known(step, command.id)? {
        None => {}
        Some(RequestRecord::Applied(known)) if known.content == command.content => {
            return Ok(Answer::Applied(known.revision));
        }
        Some(
            RequestRecord::Applied(_)
            | RequestRecord::AccessRefused
            | RequestRecord::Cancelled
            | RequestRecord::ClosedUnopened
            | RequestRecord::Administered
            | RequestRecord::Checkpointed
            | RequestRecord::SignedIn,
        ) => return Err(StateRefusal::IdUsed.into()),
    }
    within(command.comment.len(), MAX_COMMENT, Limit::Comment)?;
    within(command.answer.len(), MAX_RESOURCE_BODY, Limit::ResourceBody)?;
    short([command.author.name.as_str()])?;
    within(command.changes.len(), MAX_CHANGES, Limit::Changes)?;
    let mut known = Vec::with_capacity(command.changes.len());
    let mut seen = BTreeSet::new();
    for change in &command.changes {
        if !seen.insert((change.kind, change.name.as_str())) {
            return Err(StateRefusal::BadName { name: change.name.clone() }.into());
        }
        known.push(expected(step, change)?);
    }
    let last = Revision(step.number(Single::LastRevision)?);
    let revision = Revision(step.index.0.max(last.0 + 1));
    let mut touched = BTreeSet::new();
    for (change, before) in command.changes.iter().zip(known) {
        if is_new(change, before.as_ref()) {
            put(step, &command, change, before, revision)?;
            touched.insert((change.kind, change.name.clone()));
        }
    }
    let revision = if touched.is_empty() { last } else { revision };
    if !touched.is_empty() {
        take_effect(step, revision, &touched)?;
    }
    let applied = AppliedRequest { revision, content: command.content, answer: command.answer };
    request::remember(step, command.id, RequestRecord::Applied(Box::new(applied)))?;
    Ok(Answer::Applied(revision))
}

/// The resource before a change, if it is what the change expects.
fn expected(step: &Step<'_>, change: &ResourceChange) -> Result<Option<ResourceRecord>, Stop> {
    if TargetName::parse(&change.name).is_err() {
        return Err(StateRefusal::BadName { name: change.name.chars().take(80).collect() }.into());
    }
    if let ResourceBody::Put(body) = &change.to {
        within(body.len(), MAX_RESOURCE_BODY, Limit::ResourceBody)?;
    }
    let before: Option<ResourceRecord> =
        step.get(&key_space::resource(change.kind, &change.name))?;
    let found = before.as_ref().map(|resource| resource.revision);
    let fits = match change.expected {
        Expected::Anything => true,
        Expected::Absent => found.is_none(),
        Expected::At(revision) => found == Some(revision),
    };
    if fits {
        return Ok(before);
    }
    let (kind, name) = (change.kind, change.name.clone());
    Err(StateRefusal::Conflict { kind, name, found }.into())
}

/// Applying what is there already changes nothing, and voids no hold.
fn is_new(change: &ResourceChange, before: Option<&ResourceRecord>) -> bool {
    match &change.to {
        ResourceBody::Put(body) => before.is_none_or(|before| before.body != *body),
        ResourceBody::Delete => before.is_some(),
    }
}

fn put(
    step: &mut Step<'_>,
    command: &ApplyResources,
    change: &ResourceChange,
    before: Option<ResourceRecord>,
    revision: Revision,
) -> Result<(), Stop> {
    let place = key_space::resource(change.kind, &change.name);
    let after = match &change.to {
        ResourceBody::Put(body) => {
            let record = ResourceRecord {
                kind: change.kind,
                name: change.name.clone(),
                body: body.clone(),
                revision,
                author: command.author.clone(),
                at: step.now,
            };
            step.put(place, &record)?;
            if change.kind == ResourceKind::IdentityProvider {
                revocation::provider_defined(step, &change.name)?;
            }
            body.as_str()
        }
        ResourceBody::Delete => {
            step.delete(place);
            ""
        }
    };
    let was = before.as_ref().map_or("", |before| before.body.as_str());
    let facts = Facts::default()
        .with("resource.kind", change.kind)
        .with("resource.name", &change.name)
        .maybe("revision.before", before.as_ref().map(|before| before.revision))
        .with("revision.after", revision)
        .with("diff", change::diff(was, after))
        .maybe("body.before_sha256", before.as_ref().map(|_| change::digest(was)))
        .maybe("body.after_sha256", (!after.is_empty()).then(|| change::digest(after)))
        .with("comment", &command.comment)
        .author(&command.author);
    chain::append(step, EventKind::ResourceChanged, facts)?;
    Ok(())
}

/// Makes the change count: the policy revision moves, holds judged under the old one are void, sessions of changed targets
/// end, and those of credentials that changed providers have vouched for.
fn take_effect(
    step: &mut Step<'_>,
    revision: Revision,
    touched: &BTreeSet<(ResourceKind, String)>,
) -> Result<(), Stop> {
    step.put_number(key_space::single(Single::LastRevision), revision.0);
    let judging = touched.iter().any(|(kind, _)| judges(*kind));
    if judging {
        step.put_number(key_space::single(Single::PolicyRevision), revision.0);
    }
    let is_target =
        |name: &TargetName| touched.contains(&(ResourceKind::Target, name.as_str().to_owned()));
    if touched.iter().any(|(kind, _)| *kind == ResourceKind::Target) {
        for session in session::all_open(step)? {
            if is_target(&session.target) {
                session::expel(step, session, "the target has changed", Facts::default())?;
            }
        }
    }
    if touched.iter().any(|(kind, _)| *kind == ResourceKind::IdentityProvider) {
        let is_one =
            |name: &str| touched.contains(&(ResourceKind::IdentityProvider, name.to_owned()));
        for session in session::all_open(step)? {
            if credential::is_of(step, &session, is_one)? {
                let reason = "its identity provider has changed";
                session::expel(step, session, reason, Facts::default())?;
            }
        }
    }
    for record in hold::all_open(step)? {
        if is_target(&record.hold.target) {
            hold::invalidate(step, record, "the target has changed")?;
        } else if judging {
            hold::invalidate(step, record, "the policy has changed")?;
        }
    }
    grant::invalidate(step, "the target has changed", |record| is_target(&record.grant.target))?;
    if judging {
        grant::invalidate(step, "the policy has changed", |_all| true)?;
    }
    let kinds = touched.iter().map(|(kind, _)| *kind).collect();
    step.effect(Effect::ResourcesChanged { revision, kinds });
    Ok(())
}

/// Whether verdicts, or what is masked in answers, depend on this kind whatever the target.
const fn judges(kind: ResourceKind) -> bool {
    match kind {
        ResourceKind::Policy
        | ResourceKind::Binding
        | ResourceKind::IdentityProvider
        | ResourceKind::MaskRule => true,
        ResourceKind::Target => false,
    }
}
