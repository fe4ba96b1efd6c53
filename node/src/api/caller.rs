//! Who calls, and what the caller may do. Agents' tokens are never accepted here: providers for agents and for reviewers
//! are kept apart where tokens are checked.

use super::{
    Api,
    failure::{Answer, Failure, not_initialised},
    reading,
};
use crate::{app::Node, cluster::BOOTSTRAP_PREFIX, identify::IdentifyError};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use countersign_api::{agent::Role, problem::ProblemKind, resource::BindingSpec};
use countersign_core::{agent::Identity, log_time::LogTime, reviewer::Reviewer, secret::Secret};
use countersign_raft_store::{
    command::AccessRefused,
    handle::StateView,
    records::{Author, RequestId, ResourceKind},
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
    /// An identified reviewer, or the bootstrap administrator.
    Identified,
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
                identity: Identity { issuer: "countersign".to_owned(), subject: "bootstrap".to_owned() },
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

    fn has(&self, access: Access) -> bool {
        let one_of = |roles: &[Role]| roles.iter().any(|role| self.roles.contains(role));
        match access {
            Access::Open | Access::OwnToken | Access::Identified => true,
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
    mut request: Request,
    next: Next,
) -> Response {
    match access {
        Access::Open | Access::OwnToken => return next.run(request).await,
        Access::Identified | Access::Audit | Access::Resources | Access::Admin => {}
    }
    let peer = request.extensions().get::<Peer>().copied();
    let caller = match identified(&api, request.headers(), peer).await {
        Ok(caller) => caller,
        Err(failure) => return failure.into_response(),
    };
    if !caller.has(access) {
        let what = format!("{} {}", request.method(), request.uri().path());
        api.refused(&caller, peer, what);
        return forbidden(access).into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn forbidden(access: Access) -> Failure {
    let needed = match access {
        Access::Open | Access::OwnToken | Access::Identified => "an identity",
        Access::Audit => "the role reviewer, auditor or admin",
        Access::Resources => "the role auditor or admin",
        Access::Admin => "the role admin",
    };
    Failure::new(ProblemKind::Forbidden, format!("this needs {needed}, which none of your groups has"))
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

fn no_token() -> Failure {
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

async fn identified(api: &Api, headers: &HeaderMap, peer: Option<Peer>) -> Answer<Caller> {
    let token = bearer(headers)?;
    let node = Arc::clone(api.app.node().ok_or_else(not_initialised)?);
    if token.expose().starts_with(BOOTSTRAP_PREFIX.as_bytes()) {
        return bootstrap(&node, &token).await;
    }
    let Some(Peer(source)) = peer else { return Err(no_token()) };
    let person = node.identify.person(&token, source.ip()).await.map_err(unidentified)?;
    let identity = person.reviewer.identity.clone();
    let (provider, groups) = (person.provider.clone(), person.reviewer.groups.clone());
    let roles = reading::linear(&node, None, move |view| {
        if view.revocation(&identity)?.is_some() {
            return Err(Failure::new(ProblemKind::NotIdentified, "this identity was revoked"));
        }
        roles(view, &provider, &groups)
    })
    .await?;
    let who = Who::Reviewer {
        provider: person.provider,
        reviewer: Box::new(person.reviewer),
        expires_at: person.expires_at,
    };
    Ok(Caller { who, roles })
}

fn unidentified(error: IdentifyError) -> Failure {
    match error {
        IdentifyError::NotAccepted(_) => not_accepted(),
        IdentifyError::TooMany => {
            Failure::new(ProblemKind::TooManyRequests, "too many refused tokens came from this address")
                .hint("wait a minute")
        }
        IdentifyError::Unavailable { provider, .. } => Failure::new(
            ProblemKind::ProviderUnavailable,
            format!("the keys of the identity provider `{provider}` cannot be had at the moment"),
        ),
    }
}

/// The roles that Bindings give to the groups of a provider.
fn roles(view: &StateView, provider: &str, groups: &BTreeSet<String>) -> Answer<BTreeSet<Role>> {
    let mut found = BTreeSet::new();
    for resource in view.resources(ResourceKind::Binding)? {
        let binding: BindingSpec = serde_json::from_str(&resource.body)
            .map_err(|error| Failure::internal("a Binding in force cannot be read", &error))?;
        if binding.provider == provider && groups.contains(&binding.group) {
            found.insert(binding.role);
        }
    }
    Ok(found)
}

async fn bootstrap(node: &Node, token: &Secret) -> Answer<Caller> {
    let hash: [u8; 32] = Sha256::digest(token.expose()).into();
    reading::linear(node, None, move |view| {
        let cluster = view.cluster()?.ok_or_else(not_initialised)?;
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(&hash, &cluster.bootstrap_token_sha256);
        if same.is_err() || view.log_time()? >= cluster.bootstrap_expires_at {
            return Err(not_accepted());
        }
        Ok(Caller { who: Who::Bootstrap, roles: BTreeSet::from([Role::Admin]) })
    })
    .await
}

impl Api {
    /// Records that an identified caller was refused, as far as there is room: a caller who hammers must not fill the log.
    fn refused(&self, caller: &Caller, peer: Option<Peer>, what: String) {
        let Some(node) = self.app.node().cloned() else { return };
        let Ok(slot) = Arc::clone(&self.refusals).try_acquire_owned() else { return };
        let command = AccessRefused {
            id: RequestId(rand::random()),
            node: node.id,
            source: peer.map_or_else(String::new, |Peer(address)| address.to_string()),
            who: Some(caller.author().identity),
            what: what.chars().take(200).collect(),
            reason: "the role is missing".to_owned(),
        };
        tokio::spawn(async move {
            if let Err(error) = node.store.access_refused(command).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a refused access could not be recorded");
            }
            drop(slot);
        });
    }
}
