//! Who calls, and what the caller may do. Agents' tokens make nobody a caller: providers for agents and for reviewers are
//! kept apart where tokens are checked. What an agent's token is good for here is `credentials`, and nothing else.

use super::{
    Api,
    failure::{Answer, Failure, not_initialised},
    reading,
    refusals::Refused,
};
use crate::{app::Node, cluster::BOOTSTRAP_PREFIX, identify::IdentifyError, page};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, Method, Uri, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use countersign_api::{agent::Role, problem::ProblemKind, resource::BindingSpec};
use countersign_core::{
    agent::Identity, hold::HoldTerms, log_time::LogTime, reviewer::Reviewer, secret::Secret,
};
use countersign_raft_store::{
    handle::StateView,
    records::{Author, ResourceKind, ResourceRecord},
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

/// The longest bearer token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    Open,
    /// The handler checks a token of its own kind (init, join).
    OwnToken,
    /// An agent; the handler checks its token.
    Agent,
    /// An agent; the handler checks the token in the body.
    TokenInBody,
    /// An identified reviewer as this node knows, whether or not there is a quorum: for looking at the cluster only.
    Looking,
    /// An identified reviewer, or the bootstrap administrator.
    Identified,
    /// The same with a browser: who is signed in at the page. What fails is answered by a page.
    Page,
    /// Nothing, of a person with a browser. What fails is answered by a page.
    Browser,
    /// Reviewer, auditor or admin.
    Audit,
    /// Auditor or admin.
    Resources,
    /// Admin.
    Admin,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// An identified caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) who: Who,
    pub(crate) roles: BTreeSet<Role>,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever made the cluster, until there are administrators.
    Bootstrap,
    /// A human.
    Reviewer {
        /// The name of the provider.
        provider: String,
        /// Who.
        reviewer: Box<Reviewer>,
        /// When the token ends.
        expires_at: LogTime,
    },
}

impl Caller {
    /// The caller as the author of an administrative act.
    pub(crate) fn author(&self) -> Author {
        match &self.who {
            Who::Bootstrap => Author {
                identity: Identity {
                    issuer: "countersign".to_owned(),
                    subject: "bootstrap".to_owned(),
                },
                name: "bootstrap token".to_owned(),
            },
            Who::Reviewer { reviewer, .. } => {
                Author { identity: reviewer.identity.clone(), name: reviewer.name.clone() }
            }
        }
    }

    /// The caller as a reviewer. Whoever made the cluster is nobody in particular, and cannot decide.
    pub(crate) fn reviewer(&self) -> Answer<&Reviewer> {
        match &self.who {
            Who::Reviewer { reviewer, .. } => Ok(reviewer),
            Who::Bootstrap => Err(Failure::new(
                ProblemKind::Forbidden,
                "the bootstrap token names no human, and only humans decide",
            )
            .hint("sign in as a reviewer")),
        }
    }

    /// Whether the caller may see holds with these terms, and with them what agents say: with any role, or as one of those
    /// who may decide. Being identified is not enough.
    pub(crate) fn may_see(&self, terms: &HoldTerms) -> bool {
        !self.roles.is_empty() || self.may_decide(terms)
    }

    /// Whether the caller is in one of the groups that these terms name.
    pub(crate) fn may_decide(&self, terms: &HoldTerms) -> bool {
        match &self.who {
            Who::Bootstrap => false,
            Who::Reviewer { reviewer, .. } => {
                terms.groups().into_iter().any(|group| reviewer.groups.contains(group))
            }
        }
    }

    pub(crate) fn has(&self, access: Access) -> bool {
        let one_of = |roles: &[Role]| roles.iter().any(|role| self.roles.contains(role));
        match access {
            Access::Open
            | Access::OwnToken
            | Access::Agent
            | Access::TokenInBody
            | Access::Looking
            | Access::Identified
            | Access::Page
            | Access::Browser => true,
            Access::Audit => one_of(&[Role::Reviewer, Role::Auditor, Role::Admin]),
            Access::Resources => one_of(&[Role::Auditor, Role::Admin]),
            Access::Admin => one_of(&[Role::Admin]),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        // The guard of the route has put it there; a route without a guard has no caller.
        parts.extensions.get::<Self>().cloned().ok_or_else(no_token)
    }
}

/// Stands before every route: nothing behind it runs for a caller who lacks what the route asks for.
pub(crate) async fn guard(
    State((api, access)): State<(Api, Access)>,
    request: Request,
    next: Next,
) -> Response {
    match access {
        Access::Open | Access::OwnToken | Access::Agent | Access::TokenInBody => {
            return next.run(request).await;
        }
        Access::Browser => {
            let asked = (request.method().clone(), request.uri().clone());
            return for_people(next.run(request).await, asked);
        }
        Access::Page => {
            let asked = (request.method().clone(), request.uri().clone());
            return for_people(identify_and_run((api, access), request, next).await, asked);
        }
        Access::Looking
        | Access::Identified
        | Access::Audit
        | Access::Resources
        | Access::Admin => {}
    }
    identify_and_run((api, access), request, next).await
}

/// A failure as a page instead of a problem document.
fn for_people(response: Response, (method, uri): (Method, Uri)) -> Response {
    match response.extensions().get::<Failure>() {
        Some(failure) => page::rendered(failure, &method, &uri),
        None => response,
    }
}

async fn identify_and_run(
    (api, access): (Api, Access),
    mut request: Request,
    next: Next,
) -> Response {
    let asked = Asked {
        peer: request.extensions().get::<Peer>().copied(),
        what: format!("{} {}", request.method(), request.uri().path()),
        access,
    };
    let token = match token(&api, access, request.method(), request.headers()) {
        Ok(token) => token,
        Err(failure) => return failure.into_response(),
    };
    let caller = match identified(&api, token, &asked).await {
        Ok(caller) => caller,
        Err(failure) => return failure.into_response(),
    };
    if !caller.has(access) {
        let who = Some(caller.author().identity);
        api.refused(asked.refused(who, "the role is missing".to_owned()));
        return forbidden(access).into_response();
    }
    if let Err(failure) = changes(&api, &caller, &request) {
        return failure.into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// What holds for requests that change something: each takes its turn, and none has a query.
fn changes(api: &Api, caller: &Caller, request: &Request) -> Answer<()> {
    if request.method() == Method::GET {
        return Ok(());
    }
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Err(Failure::new(
            ProblemKind::BadRequest,
            "a request that changes something has no query",
        ));
    }
    slowly(api, &caller.author().identity)
}

/// Takes a turn of this identity's.
pub(super) fn slowly(api: &Api, who: &Identity) -> Answer<()> {
    api.pace.take(who).map_err(|_soon| {
        Failure::new(ProblemKind::TooManyRequests, "you change too much at a time")
            .hint("try again in a moment")
    })
}

/// What is asked of the guard.
struct Asked {
    peer: Option<Peer>,
    /// Method and path.
    what: String,
    access: Access,
}

impl Asked {
    fn refused(&self, who: Option<Identity>, reason: String) -> Refused {
        Refused { who, peer: self.peer, what: self.what.clone(), reason }
    }
}

pub(super) fn forbidden(access: Access) -> Failure {
    let needed = match access {
        Access::Open
        | Access::OwnToken
        | Access::Agent
        | Access::TokenInBody
        | Access::Looking
        | Access::Identified
        | Access::Page
        | Access::Browser => "an identity",
        Access::Audit => "the role reviewer, auditor or admin",
        Access::Resources => "the role auditor or admin",
        Access::Admin => "the role admin",
    };
    Failure::new(
        ProblemKind::Forbidden,
        format!("this needs {needed}, which none of your groups has"),
    )
    .hint("an administrator gives roles to groups with a Binding")
}

/// The bearer token of a request (RFC 6750, section 2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Answer<Secret> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(no_token()) };
    let text = value.to_str().map_err(|_| no_token())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(no_token)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > MAX_TOKEN {
        return Err(no_token());
    }
    Ok(Secret::new(token))
}

pub(super) fn no_token() -> Failure {
    Failure::new(ProblemKind::NotIdentified, "the request has no bearer token that can be read")
        .hint("sign in with `countersignctl login`, or send `Authorization: Bearer TOKEN`")
}

fn not_accepted() -> Failure {
    Failure::new(
        ProblemKind::NotIdentified,
        "the token is not accepted: it has expired, is not for this service, or was issued by nobody who is trusted here",
    )
    .hint("sign in anew with `countersignctl login`; agents' tokens are not accepted by the API")
}

/// The token of a request: what its header says or, for looking at something, what a browser was given by the page. A cookie
/// changes nothing but through the page's own forms, which are confirmed.
fn token(api: &Api, access: Access, method: &Method, headers: &HeaderMap) -> Answer<Secret> {
    let kept = || api.app.node().and_then(|node| page::token(node, headers)).ok_or_else(no_token);
    match access {
        Access::Page => kept(),
        Access::Open
        | Access::Browser
        | Access::OwnToken
        | Access::Agent
        | Access::TokenInBody
        | Access::Looking
        | Access::Identified
        | Access::Audit
        | Access::Resources
        | Access::Admin => {
            let looks = *method == Method::GET && !headers.contains_key(header::AUTHORIZATION);
            if looks { kept() } else { bearer(headers) }
        }
    }
}

async fn identified(api: &Api, token: Secret, asked: &Asked) -> Answer<Caller> {
    let node = Arc::clone(api.app.node().ok_or_else(not_initialised)?);
    let Some(Peer(source)) = asked.peer else { return Err(no_token()) };
    if token.expose().starts_with(BOOTSTRAP_PREFIX.as_bytes()) {
        return bootstrap(api, &node, &token, asked).await;
    }
    let person = match node.identify.person(&token, source.ip()).await {
        Ok(person) => person,
        Err(error) => {
            // Logged and counted there; over the limit it is another error, and leaves no trace here either.
            if let IdentifyError::NotAccepted(why) = &error {
                api.record(asked.refused(None, why.to_string()));
            }
            return Err(unidentified(error));
        }
    };
    let who = Who::Reviewer {
        provider: person.provider,
        reviewer: Box::new(person.reviewer),
        expires_at: person.expires_at,
    };
    let caller = known(&node, asked.access, move |view| {
        let roles = roles(view, &who)?;
        Ok(Caller { who: who.clone(), roles })
    });
    let caller = caller.await?;
    api.signed_in(&caller, &token, source);
    Ok(caller)
}

/// What is known of the caller: what a quorum confirms. Only for looking at the cluster, when there is no quorum to ask,
/// what this node has applied must do: nothing is decided on it, and whoever looks learns why nothing can be.
async fn known<T: Send + 'static>(
    node: &Node,
    access: Access,
    read: impl Fn(&StateView) -> Answer<T> + Send + Clone + 'static,
) -> Answer<T> {
    match access {
        Access::Looking if !node.store.has_lease() => reading::now(node, read).await,
        Access::Open
        | Access::OwnToken
        | Access::Agent
        | Access::TokenInBody
        | Access::Looking
        | Access::Identified
        | Access::Page
        | Access::Browser
        | Access::Audit
        | Access::Resources
        | Access::Admin => reading::linear(node, None, read).await,
    }
}

pub(crate) fn unidentified(error: IdentifyError) -> Failure {
    match error {
        IdentifyError::NotAccepted(_) => not_accepted(),
        IdentifyError::TooMany => Failure::new(
            ProblemKind::TooManyRequests,
            "too many refused tokens came from this address",
        )
        .hint("wait a minute"),
        IdentifyError::Unavailable { provider, .. } => Failure::new(
            ProblemKind::ProviderUnavailable,
            format!("the keys of the identity provider `{provider}` cannot be had at the moment"),
        ),
    }
}

/// What the state says that somebody may do, at this moment: nobody who was revoked has any role, or is anybody.
pub(super) fn roles(view: &StateView, who: &Who) -> Answer<BTreeSet<Role>> {
    let Who::Reviewer { provider, reviewer, .. } = who else {
        return Ok(BTreeSet::from([Role::Admin]));
    };
    if view.is_revoked(&reviewer.identity)? {
        return Err(Failure::new(ProblemKind::NotIdentified, "this identity was revoked"));
    }
    let mut found = BTreeSet::new();
    for binding in bindings(view)? {
        if binding.provider == *provider && reviewer.groups.contains(&binding.group) {
            found.insert(binding.role);
        }
    }
    Ok(found)
}

/// The same for a request that goes on for a while: what let it begin may be over.
pub(super) fn roles_by_now(view: &StateView, who: &Who, now: LogTime) -> Answer<BTreeSet<Role>> {
    match who {
        Who::Bootstrap => bootstrap_counts(view, now).and_then(|()| roles(view, who)),
        Who::Reviewer { expires_at, .. } if now < *expires_at => roles(view, who),
        Who::Reviewer { .. } => {
            Err(Failure::new(ProblemKind::NotIdentified, "the token has expired"))
        }
    }
}

fn bindings(view: &StateView) -> Answer<Vec<BindingSpec>> {
    let read = |record: &ResourceRecord| {
        serde_json::from_str(&record.body)
            .map_err(|error| Failure::internal("a Binding in force cannot be read", &error))
    };
    view.resources(ResourceKind::Binding)?.iter().map(read).collect()
}

async fn bootstrap(api: &Api, node: &Node, token: &Secret, asked: &Asked) -> Answer<Caller> {
    let hash: [u8; 32] = Sha256::digest(token.expose()).into();
    // A cheap look first: a guess costs no quorum.
    if !reading::now(node, move |view| is_bootstrap(view, &hash)).await? {
        api.refused(asked.refused(None, "the bootstrap token is wrong".to_owned()));
        return Err(not_accepted());
    }
    let now = LogTime(api.app.clock.now_ms());
    known(node, asked.access, move |view| {
        bootstrap_counts(view, now)?;
        Ok(Caller { who: Who::Bootstrap, roles: BTreeSet::from([Role::Admin]) })
    })
    .await
}

fn is_bootstrap(view: &StateView, hash: &[u8; 32]) -> Answer<bool> {
    let cluster = view.cluster()?.ok_or_else(not_initialised)?;
    let same =
        aws_lc_rs::constant_time::verify_slices_are_equal(hash, &cluster.bootstrap_token_sha256);
    Ok(same.is_ok())
}

/// Whether the bootstrap token still counts: until its time is over, and until a Binding makes people administrators. Log
/// time stands still on an idle cluster, so the clock of this node counts too, whichever is later.
fn bootstrap_counts(view: &StateView, now: LogTime) -> Answer<()> {
    let cluster = view.cluster()?.ok_or_else(not_initialised)?;
    let over = |why: &str| Failure::new(ProblemKind::NotIdentified, why.to_owned());
    if view.log_time()?.max(now) >= cluster.bootstrap_expires_at {
        return Err(over("the bootstrap token has expired")
            .hint("sign in as an administrator; without one, initialise a new cluster"));
    }
    if bindings(view)?.iter().any(|binding| binding.role == Role::Admin) {
        return Err(over("the bootstrap token has ended: there are administrators now")
            .hint("sign in as one of them with `countersignctl login`"));
    }
    Ok(())
}
