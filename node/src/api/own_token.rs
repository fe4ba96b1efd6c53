//! Bearers that are no person's token: the init token of a node, join tokens, and agents' tokens. Each is checked before
//! anything else of the request is read, by what this node knows itself: a stranger costs neither memory nor a quorum.

use super::{
    Api,
    caller::{Peer, bearer, no_token, slowly, unidentified},
    failure::{Answer, Failure},
    reading,
    refusals::Refused,
};
use crate::{
    app::Node,
    cluster::{JoinTokenText, NotTaken},
    identify::{Automation, IdentifyError},
};
use axum::{extract::FromRequestParts, http::request::Parts};
use countersign_api::problem::ProblemKind;
use countersign_core::secret::Secret;
use std::{net::SocketAddr, time::Duration};
use tokio::time::sleep;

/// The largest body of a request that brings such a token: a certificate signing request and some addresses.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// How far this node may be behind the one that made a join token before it takes the token for none.
const BEHIND: Duration = Duration::from_millis(500);

/// The init token of this node.
#[derive(Debug)]
pub(crate) struct InitToken(pub(crate) Secret);

impl FromRequestParts<Api> for InitToken {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Answer<Self> {
        let token = bearer(&parts.headers)?;
        match api.app.bootstrap.check(&token) {
            Ok(()) => Ok(Self(token)),
            Err(why) => {
                let failure = not_taken(why);
                if why == NotTaken::WrongToken {
                    api.refused(refused(parts, "the init token is wrong"));
                }
                Err(failure)
            }
        }
    }
}

/// Why an order to make a cluster is not taken.
pub(crate) fn not_taken(why: NotTaken) -> Failure {
    match why {
        NotTaken::NotWaiting => Failure::new(
            ProblemKind::AlreadyInitialised,
            "this node belongs to a cluster already, or joins one",
        )
        .hint("where the answer of an earlier `init` was lost, the bootstrap token is in the file `bootstrap-token` of the data directory, for an hour"),
        NotTaken::WrongToken => Failure::new(
            ProblemKind::NotIdentified,
            "the token is not the one in the node's data directory",
        )
        .hint("read the file `init-token` there"),
        NotTaken::Failed => Failure::new(ProblemKind::Conflict, "the cluster could not be made")
            .hint("the node's log says why"),
    }
}

/// An agent's token that was accepted.
#[derive(Debug)]
pub(crate) struct AgentToken {
    pub(crate) automation: Automation,
    pub(crate) source: SocketAddr,
}

impl FromRequestParts<Api> for AgentToken {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Answer<Self> {
        let token = bearer(&parts.headers)?;
        let what = format!("{} {}", parts.method, parts.uri.path());
        Self::of(api, &token, (parts.extensions.get::<Peer>().copied(), &what)).await
    }
}

impl AgentToken {
    /// Checks an agent's token that came from there for this.
    pub(super) async fn of(
        api: &Api,
        token: &Secret,
        (peer, what): (Option<Peer>, &str),
    ) -> Answer<Self> {
        let node = api.node()?;
        let Some(Peer(source)) = peer else { return Err(no_token()) };
        let automation = match node.identify.agent(token, source.ip()).await {
            Ok(automation) => automation,
            Err(error) => {
                if let IdentifyError::NotAccepted(why) = &error {
                    let (what, reason) = (what.to_owned(), why.to_string());
                    api.record(Refused { who: None, peer, what, reason });
                }
                return Err(unidentified(error)
                    .hint("this route takes the token of an agent, and of nobody else"));
            }
        };
        slowly(api, &automation.agent.identity)?;
        Ok(Self { automation, source })
    }
}

/// A join token that this node knows. Whether it still lets a node in is decided in the log.
#[derive(Debug)]
pub(crate) struct KnownJoinToken(pub(crate) JoinTokenText);

impl FromRequestParts<Api> for KnownJoinToken {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Answer<Self> {
        let bearer = bearer(&parts.headers)?;
        let node = api.node()?;
        let token = bearer.expose_text().and_then(|text| text.parse::<JoinTokenText>().ok());
        let Some(token) = token else {
            api.refused(refused(parts, "the bearer is no join token"));
            return Err(Failure::new(ProblemKind::NotIdentified, "the bearer is no join token"));
        };
        if is_known(node, &token).await? {
            return Ok(Self(token));
        }
        sleep(BEHIND).await;
        if is_known(node, &token).await? {
            return Ok(Self(token));
        }
        // A node without a quorum may be far behind: it cannot say that there is no such token.
        if !node.store.has_lease() {
            return Err(Failure::no_quorum());
        }
        api.refused(refused(parts, "the join token is unknown"));
        Err(Failure::new(ProblemKind::NotIdentified, "the join token is unknown, or has expired")
            .hint("make a new one with `countersignctl cluster token create`"))
    }
}

async fn is_known(node: &Node, token: &JoinTokenText) -> Answer<bool> {
    let sha256 = token.sha256();
    reading::now(node, move |view| Ok(view.join_token(&sha256)?.is_some())).await
}

fn refused(parts: &Parts, reason: &str) -> Refused {
    Refused {
        who: None,
        peer: parts.extensions.get::<Peer>().copied(),
        what: format!("{} {}", parts.method, parts.uri.path()),
        reason: reason.to_owned(),
    }
}
