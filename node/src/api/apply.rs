//! What applying documents would do: pure, on the resources in force. Everything that is wrong is found before anything is
//! proposed, and told at once; the log then takes all of it or nothing.

use super::{
    convert,
    failure::{Answer, Failure},
};
use countersign_api::agent::Role;
use countersign_api::{
    problem::{ProblemItem, ProblemKind},
    resource::{
        Applied, ApplyRequest, ApplyResult, Document, IdentityProviderSpec, Kind, MaskRuleSpec,
        OidcProvider, ResourceDocument, Spec, TokenUse, changes,
    },
};
use countersign_core::{
    id::Revision,
    policy::{Policies, PolicyDocument},
};
use countersign_raft_store::{
    command::{Expected, ResourceBody, ResourceChange},
    handle::StateView,
    records::{ResourceKind, ResourceRecord},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The most documents of one request.
const MAX_DOCUMENTS: usize = 500;

/// The resources in force, by kind and name.
pub(crate) type InForce = BTreeMap<(Kind, String), ResourceRecord>;

/// What would be done.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) changes: Vec<ResourceChange>,
    pub(crate) results: Vec<ApplyResult>,
    pub(crate) warnings: Vec<String>,
}

/// Reads the resources in force.
pub(crate) fn in_force(view: &StateView) -> Answer<InForce> {
    let mut found = InForce::new();
    for kind in ResourceKind::ALL {
        for record in view.resources(*kind)? {
            found.insert((convert::kind(*kind), record.name.clone()), record);
        }
    }
    Ok(found)
}

/// Plans a request.
pub(crate) fn plan(request: &ApplyRequest, in_force: &InForce) -> Answer<Plan> {
    if request.documents.len() + request.delete.len() > MAX_DOCUMENTS {
        return Err(Failure::new(
            ProblemKind::Invalid,
            format!("a request has at most {MAX_DOCUMENTS} documents"),
        ));
    }
    let mut building = Building {
        plan: Plan::empty(),
        faults: Vec::new(),
        after: bodies(in_force)?,
        named: BTreeSet::new(),
    };
    for document in &request.documents {
        building.put(document, in_force)?;
    }
    for reference in &request.delete {
        match reference.kind.parse::<Kind>() {
            Ok(kind) => {
                building.delete((kind, reference.name.clone()), reference.revision, in_force)?;
            }
            Err(error) => {
                building.fault(&reference.kind, &reference.name, "/kind", error.to_string());
            }
        }
    }
    if request.prune {
        let kept = building.named.clone();
        for key in in_force.keys().filter(|key| !kept.contains(*key)) {
            building.delete(key.clone(), None, in_force)?;
        }
    }
    let lockout = if request.allow_lockout || !has_admin(in_force)? {
        Lockout::Allowed
    } else {
        Lockout::Refused
    };
    building.finish(lockout)
}

/// Whether a request may leave nobody who can change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lockout {
    /// There is nobody to lock out yet, or it is what the caller says.
    Allowed,
    /// There are administrators, and there must be some afterwards.
    Refused,
}

fn has_admin(in_force: &InForce) -> Answer<bool> {
    let set = typed(&bodies(in_force)?)?;
    Ok(set.iter().any(|document| is_admin_binding(&document.spec)))
}

fn is_admin_binding(spec: &Spec) -> bool {
    match spec {
        Spec::Binding(binding) => binding.role == Role::Admin,
        Spec::IdentityProvider(_) | Spec::Target(_) | Spec::Policy(_) | Spec::MaskRule(_) => false,
    }
}

fn locked_out() -> Failure {
    Failure::new(
        ProblemKind::Lockout,
        "no Binding would give anyone the role admin any more, so nobody could change anything",
    )
    .hint("nothing was changed; keep a Binding with the role admin, or say `allow_lockout` (`--allow-lockout`)")
}

fn bodies(in_force: &InForce) -> Answer<BTreeMap<(Kind, String), Value>> {
    in_force.iter().map(|(key, record)| Ok((key.clone(), convert::body(record)?))).collect()
}

impl Plan {
    const fn empty() -> Self {
        Self { changes: Vec::new(), results: Vec::new(), warnings: Vec::new() }
    }
}

/// A plan in the making.
struct Building {
    plan: Plan,
    faults: Vec<ProblemItem>,
    /// The bodies as they would be.
    after: BTreeMap<(Kind, String), Value>,
    /// What the request names.
    named: BTreeSet<(Kind, String)>,
}

impl Building {
    fn fault(&mut self, kind: &str, name: &str, pointer: &str, message: String) {
        let document: String = format!("{kind}/{name}").chars().take(160).collect();
        self.faults.push(ProblemItem {
            document: Some(document),
            pointer: Some(pointer.to_owned()),
            message,
            ..ProblemItem::default()
        });
    }

    fn put(&mut self, document: &ResourceDocument, in_force: &InForce) -> Answer<()> {
        let label: String =
            format!("{}/{}", document.kind, document.name).chars().take(160).collect();
        let typed = match Document::read(document) {
            Ok(typed) => typed,
            Err(found) => {
                self.faults.extend(found.into_iter().map(|fault| fault.item(&label)));
                return Ok(());
            }
        };
        let key = (typed.kind(), typed.name);
        if !self.named.insert(key.clone()) {
            self.fault(&document.kind, &document.name, "", "the request names it twice".to_owned());
            return Ok(());
        }
        let before = self.after.get(&key).cloned();
        let expected = expected(document.revision, in_force.get(&key), &key)?;
        let action = match &before {
            None => Applied::Created,
            Some(before) if *before == document.spec => Applied::Unchanged,
            Some(_) => Applied::Changed,
        };
        if action != Applied::Unchanged {
            self.plan.changes.push(ResourceChange {
                kind: convert::resource_kind(key.0),
                name: key.1.clone(),
                expected,
                to: ResourceBody::Put(document.spec.to_string()),
            });
        }
        self.plan.results.push(result(&key, action, before, Some(document.spec.clone())));
        self.after.insert(key, document.spec.clone());
        Ok(())
    }

    fn delete(
        &mut self,
        key: (Kind, String),
        revision: Option<u64>,
        in_force: &InForce,
    ) -> Answer<()> {
        if !self.named.insert(key.clone()) {
            self.fault(key.0.name(), &key.1, "", "the request names it twice".to_owned());
            return Ok(());
        }
        let Some(before) = self.after.remove(&key) else {
            return Err(Failure::not_found(key.0.name(), &key.1));
        };
        self.plan.changes.push(ResourceChange {
            kind: convert::resource_kind(key.0),
            name: key.1.clone(),
            expected: expected(revision, in_force.get(&key), &key)?,
            to: ResourceBody::Delete,
        });
        self.plan.results.push(result(&key, Applied::Deleted, Some(before), None));
        Ok(())
    }

    fn finish(mut self, lockout: Lockout) -> Answer<Plan> {
        if !self.faults.is_empty() {
            return Err(invalid(ProblemKind::Invalid, self.faults));
        }
        self.check_references(lockout)?;
        let documents: Vec<PolicyDocument> = self
            .after
            .iter()
            .filter(|((kind, _), _)| *kind == Kind::Policy)
            .map(|((_, name), body)| PolicyDocument { name: name.clone(), text: cedar(body) })
            .collect();
        if let Err(problems) = Policies::compile(&documents) {
            let items = problems.into_iter().map(ProblemItem::from).collect();
            return Err(invalid(ProblemKind::InvalidPolicy, items));
        }
        Ok(self.plan)
    }

    /// What holds only between documents.
    fn check_references(&mut self, lockout: Lockout) -> Answer<()> {
        let set = typed(&self.after)?;
        let mut audiences: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut admins = 0;
        for Document { name, spec } in &set {
            match spec {
                Spec::Binding(binding) => {
                    if !serves_reviewers(&set, &binding.provider) {
                        let message = format!(
                            "there is no IdentityProvider `{}` for reviewers",
                            binding.provider
                        );
                        self.fault("Binding", name, "/spec/provider", message);
                    }
                    admins += usize::from(binding.role == Role::Admin);
                }
                Spec::IdentityProvider(IdentityProviderSpec::Oidc(provider)) => {
                    if provider.groups.is_none() && is_one_of_several(&set, provider) {
                        let message = "several issuers have this use: list the `groups` that each of them may put somebody into";
                        self.fault(
                            "IdentityProvider",
                            name,
                            "/spec/oidc/groups",
                            message.to_owned(),
                        );
                    }
                    for audience in &provider.audiences {
                        let pair = (provider.issuer.clone(), audience.clone());
                        // A token that two providers would accept could be read in two ways.
                        if let Some(other) = audiences.insert(pair, name.clone()) {
                            let message = format!(
                                "issuer and audience `{audience}` are those of `{other}` too"
                            );
                            self.fault("IdentityProvider", name, "/spec/oidc/audiences", message);
                        }
                    }
                }
                Spec::MaskRule(rule) => self.warn_of_unknown_targets(&set, name, rule),
                Spec::Target(_) | Spec::Policy(_) => {}
            }
        }
        if !self.faults.is_empty() {
            return Err(invalid(ProblemKind::Invalid, std::mem::take(&mut self.faults)));
        }
        if admins == 0 && lockout == Lockout::Refused {
            return Err(locked_out());
        }
        if admins == 0 {
            let warning = "no Binding gives anyone the role admin: when the bootstrap token expires, nobody can change anything";
            self.plan.warnings.push(warning.to_owned());
        }
        Ok(())
    }
}

impl Building {
    /// A rule may be there before its target, which must not be without it for a moment; one that is misspelt masks nothing.
    fn warn_of_unknown_targets(&mut self, set: &[Document], name: &str, rule: &MaskRuleSpec) {
        let is_defined = |target: &str| {
            set.iter().any(|other| other.name == target && other.kind() == Kind::Target)
        };
        let unknown = rule.targets.iter().filter(|target| *target != "*" && !is_defined(target));
        for target in unknown {
            let warning = format!(
                "MaskRule {name} names the target `{target}`, which is not defined: it masks nothing there yet"
            );
            self.plan.warnings.push(warning);
        }
    }
}

fn serves_reviewers(set: &[Document], provider: &str) -> bool {
    set.iter().any(|document| match &document.spec {
        Spec::IdentityProvider(IdentityProviderSpec::Oidc(oidc)) => {
            document.name == provider && oidc.token_use == TokenUse::Reviewers
        }
        Spec::Binding(_) | Spec::Target(_) | Spec::Policy(_) | Spec::MaskRule(_) => false,
    })
}

/// Whether tokens of another issuer have the same use.
fn is_one_of_several(set: &[Document], provider: &OidcProvider) -> bool {
    set.iter().any(|document| match &document.spec {
        Spec::IdentityProvider(IdentityProviderSpec::Oidc(other)) => {
            other.token_use == provider.token_use && other.issuer != provider.issuer
        }
        Spec::Binding(_) | Spec::Target(_) | Spec::Policy(_) | Spec::MaskRule(_) => false,
    })
}

fn typed(after: &BTreeMap<(Kind, String), Value>) -> Answer<Vec<Document>> {
    after
        .iter()
        .map(|((kind, name), body)| {
            Document::typed(*kind, name, body).map_err(|found| {
                let label = format!("{kind}/{name}");
                let items = found.into_iter().map(|fault| fault.item(&label)).collect();
                invalid(ProblemKind::Invalid, items)
            })
        })
        .collect()
}

fn cedar(body: &Value) -> String {
    body.get("cedar").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn invalid(kind: ProblemKind, items: Vec<ProblemItem>) -> Failure {
    let first = items.first().map(|item| {
        let place = item.document.clone().unwrap_or_default();
        let line = item
            .line
            .map(|line| format!(":{line}:{}", item.column.unwrap_or(1)))
            .unwrap_or_default();
        let pointer = item.pointer.clone().filter(|_| line.is_empty()).unwrap_or_default();
        format!("{place}{line}{pointer}: {}", item.message)
    });
    let more = match items.len() {
        0 | 1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    Failure::new(kind, format!("{}{more}", first.unwrap_or_default()))
        .hint("nothing was changed; correct it and apply again")
        .errors(items)
}

/// What a change expects. Where the caller says nothing, it expects what the plan was made on.
fn expected(
    said: Option<u64>,
    found: Option<&ResourceRecord>,
    key: &(Kind, String),
) -> Answer<Expected> {
    let now = found.map_or(0, |record| record.revision.0);
    if let Some(said) = said.filter(|said| *said != now) {
        let detail = format!("{} {} is expected at revision {said} and is at {now}", key.0, key.1);
        return Err(Failure::new(ProblemKind::RevisionConflict, detail)
            .hint("read it again, carry your change over, and apply with the new revision"));
    }
    Ok(if now == 0 { Expected::Absent } else { Expected::At(Revision(now)) })
}

fn result(
    key: &(Kind, String),
    action: Applied,
    before: Option<Value>,
    after: Option<Value>,
) -> ApplyResult {
    let changes = changes(before.as_ref(), after.as_ref());
    ApplyResult { kind: key.0, name: key.1.clone(), action, before, after, changes }
}
