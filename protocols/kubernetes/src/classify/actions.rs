//! From a request as the server maps it to the actions of policies.
//!
//! A sub-resource is an action of its own wherever it does something of its own. `status` and `scale` of an object are read
//! like the object; everything else that is read through a sub-resource is not. What is written to where the API keeps who
//! may do what, or what it trusts, asks for `privilege` beside the verb.

use super::{Method, Object, RequestInfo, Subject, Verb};
use countersign_core::operation::{Action, Demand, Effect, Resource};
use std::collections::BTreeSet;

/// Groups whose objects say who may do what, or whom the API server trusts: roles, admission, extensions, certificates.
const TRUSTED_GROUPS: &[&str] = &[
    "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "apiextensions.k8s.io",
    "certificates.k8s.io",
];

/// What the server can be asked about itself that its clients cannot do without.
const DISCOVERY: &[&str] = &["/", "/api", "/apis", "/version", "/openapi"];

/// Everything that a request asks for.
pub(super) fn demands(method: Method, info: &RequestInfo) -> BTreeSet<Demand> {
    let demand = |action, resource: &Resource| Demand { action, resource: resource.clone() };
    match &info.subject {
        Subject::Url(path) => {
            let resource = Resource::Url { path: path.clone() };
            BTreeSet::from([demand(of_url(method, path), &resource)])
        }
        Subject::Object(object) => {
            let action = of_object(method, info.verb, object);
            let resource = named(object);
            let mut demands = BTreeSet::from([demand(action, &resource)]);
            if TRUSTED_GROUPS.contains(&object.group.as_str()) && !leaves_nothing(action) {
                demands.insert(demand(Action::KubernetesPrivilege, &resource));
            }
            demands
        }
    }
}

/// What asks for something that is not understood, of what a request is about.
pub(super) fn opaque(info: &RequestInfo) -> Demand {
    let resource = match &info.subject {
        Subject::Url(path) => Resource::Url { path: path.clone() },
        Subject::Object(object) => named(object),
    };
    Demand { action: Action::KubernetesOpaque, resource }
}

/// Whether what comes behind the sub-resource and in the query is for somebody else than the server itself.
pub(super) fn passes_on(demands: &BTreeSet<Demand>) -> bool {
    let foreign = [Action::KubernetesProxy, Action::KubernetesOpaque];
    demands.iter().any(|demand| foreign.contains(&demand.action))
}

/// Whether whatever the body holds changes nothing: the server reads a question about its asker out of it, answers, and keeps
/// nothing. kubectl asks them in protobuf.
pub(super) fn only_ask(demands: &BTreeSet<Demand>) -> bool {
    demands.iter().all(|demand| demand.action == Action::KubernetesReview)
}

/// Whether they can leave anything behind.
pub(super) fn effect(demands: &BTreeSet<Demand>) -> Effect {
    if demands.iter().all(|demand| leaves_nothing(demand.action)) {
        Effect::Passing
    } else {
        Effect::Lasting
    }
}

/// Whether an action only has something told.
fn leaves_nothing(action: Action) -> bool {
    [
        Action::KubernetesDiscover,
        Action::KubernetesUrl,
        Action::KubernetesReview,
        Action::KubernetesGet,
        Action::KubernetesList,
        Action::KubernetesWatch,
        Action::KubernetesLog,
    ]
    .contains(&action)
}

/// One line for people.
pub(super) fn summary(info: &RequestInfo) -> String {
    let verb = info.verb.name();
    match &info.subject {
        Subject::Url(path) => format!("{verb} {path}"),
        Subject::Object(Object { group, version: _, namespace, resource, name, subresource }) => {
            let dot = if group.is_empty() { "" } else { "." };
            let below = |part: &str| match part {
                "" => String::new(),
                part => format!("/{part}"),
            };
            let place = match namespace.as_str() {
                "" => String::new(),
                namespace => format!(" in {namespace}"),
            };
            format!("{verb} {resource}{dot}{group}{}{}{place}", below(name), below(subresource))
        }
    }
}

fn named(object: &Object) -> Resource {
    let Object { group, version, namespace, resource, name, subresource } = object.clone();
    Resource::ApiObject { namespace, group, version, resource, name, subresource }
}

fn of_url(method: Method, path: &str) -> Action {
    let below = |known: &&str| {
        path.strip_prefix(*known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if !method.is_safe() {
        Action::KubernetesOpaque
    } else if path == "/" || DISCOVERY.iter().any(below) {
        Action::KubernetesDiscover
    } else {
        Action::KubernetesUrl
    }
}

fn of_object(method: Method, verb: Verb, object: &Object) -> Action {
    let kind = (object.group.as_str(), object.resource.as_str());
    match object.subresource.as_str() {
        "" => of_whole(verb, kind),
        // Nothing of the server's own is watched below an object.
        _ if verb == Verb::Watch => Action::KubernetesOpaque,
        subresource => of_subresource(method, kind, subresource),
    }
}

fn of_whole(verb: Verb, kind: (&str, &str)) -> Action {
    match (verb, kind) {
        (
            Verb::Create,
            ("authorization.k8s.io", "selfsubjectaccessreviews" | "selfsubjectrulesreviews")
            | ("authentication.k8s.io", "selfsubjectreviews"),
        ) => Action::KubernetesReview,
        (Verb::Create | Verb::Update | Verb::Patch, ("coordination.k8s.io", "leases")) => {
            Action::KubernetesLease
        }
        (Verb::Create, ("", "bindings")) => Action::KubernetesBinding,
        (Verb::Get, _) => Action::KubernetesGet,
        (Verb::List, _) => Action::KubernetesList,
        (Verb::Watch, _) => Action::KubernetesWatch,
        (Verb::Create, _) => Action::KubernetesCreate,
        (Verb::Update, _) => Action::KubernetesUpdate,
        (Verb::Patch, _) => Action::KubernetesPatch,
        (Verb::Delete, _) => Action::KubernetesDelete,
        (Verb::DeleteCollection, _) => Action::KubernetesDeleteCollection,
        (Verb::Plain(_), _) => Action::KubernetesOpaque,
    }
}

/// What a sub-resource is asked for. Each has the methods that the server gives it; any other is not understood.
fn of_subresource(method: Method, kind: (&str, &str), subresource: &str) -> Action {
    let reads = method.is_safe();
    let writes = matches!(method, Method::Put | Method::Patch);
    let creates = method == Method::Post;
    match (kind, subresource) {
        // Streams, and requests to others: no method makes less of them.
        (("", "pods"), "exec") => Action::KubernetesExec,
        (("", "pods"), "attach") => Action::KubernetesAttach,
        (("", "pods"), "portforward") => Action::KubernetesPortForward,
        (("", "pods" | "services" | "nodes"), "proxy") => Action::KubernetesProxy,
        (("", "pods"), "log") if reads => Action::KubernetesLog,
        (("", "pods"), "ephemeralcontainers") if writes => Action::KubernetesEphemeralContainers,
        (("", "pods"), "resize") if writes => Action::KubernetesResize,
        (("", "pods"), "eviction") if creates => Action::KubernetesEviction,
        (("", "pods"), "binding") if creates => Action::KubernetesBinding,
        (("", "serviceaccounts"), "token") if creates => Action::KubernetesToken,
        (("", "namespaces"), "finalize") if method == Method::Put => Action::KubernetesFinalize,
        (("certificates.k8s.io", "certificatesigningrequests"), "approval") => match method {
            Method::Get | Method::Head => Action::KubernetesGet,
            Method::Put => Action::KubernetesUpdate,
            Method::Patch => Action::KubernetesPatch,
            Method::Post | Method::Delete => Action::KubernetesOpaque,
        },
        (_, "scale") if writes => Action::KubernetesScale,
        (_, "status") if writes => Action::KubernetesStatus,
        (_, "status" | "scale") | (("", "pods"), "ephemeralcontainers" | "resize") if reads => {
            Action::KubernetesGet
        }
        _ => Action::KubernetesOpaque,
    }
}
