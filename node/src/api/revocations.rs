//! Revoking identities, sessions, credentials and identity providers. Once the answer is out it holds on every node: each has
//! applied the entry, or is one that could not hear of it and has had no lease since.

use super::{
    Api,
    caller::Caller,
    failure::{Answer, Failure},
    input::Body,
    reading,
};
use crate::{app::Node, cluster::MemberStatus};
use axum::{Json, extract::State};
use countersign_api::{
    problem::{Problem, ProblemKind},
    resource::IdentityProviderSpec,
    revocation::{Revocation, RevocationRequest},
};
use countersign_core::{
    agent::Identity,
    id::{LogIndex, NodeId},
};
use countersign_raft_store::{
    command::{Revocable, Revoke},
    records::{ResourceKind, Voucher},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

/// How long a node may go on after the last word of a quorum (the serving lease).
const LEASE: Duration = Duration::from_secs(5);
/// How often it is looked whether all have applied it. They are heard of once a second.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Revokes an identity, a session, a credential or an identity provider, and answers when that holds on every node.
#[utoipa::path(post, path = "/v1/revocations", tag = "revocations", request_body = RevocationRequest, responses((status = 200, body = Revocation), (status = "default", body = Problem)))]
pub(crate) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Body(request): Body<RevocationRequest>,
) -> Answer<Json<Revocation>> {
    let node = api.node()?;
    let what = match request {
        RevocationRequest::Identity { issuer, subject } => {
            if issuer.is_empty() || subject.is_empty() {
                return Err(Failure::new(
                    ProblemKind::Invalid,
                    "an identity has an issuer and a subject",
                ));
            }
            Revocable::Identity(Identity { issuer, subject })
        }
        RevocationRequest::Session { id } => {
            Revocable::Session(id.parse().map_err(|_| Failure::not_found("session", &id))?)
        }
        RevocationRequest::Credential { id } => {
            Revocable::Credential(id.parse().map_err(|_| Failure::not_found("credential", &id))?)
        }
        RevocationRequest::Provider { name } => provider(node, &caller, name).await?,
    };
    let command =
        Revoke { what, reason: "revoked by an administrator".to_owned(), author: caller.author() };
    let index = reading::committed(node.store.revoke(command)).await?.index;
    let committed = Instant::now();
    let mut lapsed = late(node, index);
    // Whoever has a lease later than this has asked for it after the commit, and has applied the entry.
    while !lapsed.is_empty() && committed.elapsed() < LEASE {
        sleep(LOOK_EVERY).await;
        lapsed = late(node, index);
    }
    let took = committed.elapsed().as_millis();
    let at = reading::now(node, |view| Ok(view.log_time()?)).await?;
    Ok(Json(Revocation {
        index: index.0,
        at: at.into(),
        everywhere_after_ms: u64::try_from(took).unwrap_or(u64::MAX),
        lapsed: lapsed.into_iter().map(|node| node.0).collect(),
    }))
}

/// The nodes that are not known to have applied the entry.
fn late(node: &Node, index: LogIndex) -> Vec<NodeId> {
    behind(&node.membership.members(), index)
}

fn behind(members: &BTreeMap<NodeId, MemberStatus>, index: LogIndex) -> Vec<NodeId> {
    let late = |member: &MemberStatus| member.applied.is_none_or(|applied| applied < index);
    members.iter().filter(|(_, member)| late(member)).map(|(id, _)| *id).collect()
}

/// A provider as it is defined, with its issuer.
async fn provider(node: &Node, caller: &Caller, name: String) -> Answer<Revocable> {
    let wanted = name.clone();
    let found = reading::linear(node, None, move |view| {
        Ok(view.resource(ResourceKind::IdentityProvider, &wanted)?)
    });
    let found = found.await?.ok_or_else(|| Failure::not_found("identity provider", &name))?;
    let spec: IdentityProviderSpec = serde_json::from_str(&found.body).map_err(|error| {
        Failure::internal("an identity provider in force cannot be read", &error)
    })?;
    let IdentityProviderSpec::Oidc(oidc) = spec;
    if caller.author().identity.issuer == oidc.issuer {
        return Err(Failure::new(
            ProblemKind::Conflict,
            "this provider is your own: nobody could undo it",
        )
        .hint("ask an administrator whom another provider vouches for, or revoke identities"));
    }
    let provider = Voucher { provider: name, revision: found.revision };
    Ok(Revocable::Provider { provider, issuer: oidc.issuer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_has_not_said_that_it_has_applied_it_is_behind() {
        let member = |applied: Option<u64>| MemberStatus {
            address: String::new(),
            voter: true,
            matching: Some(LogIndex(9)),
            applied: applied.map(LogIndex),
            silent_for: None,
        };
        let members = [(1, Some(9)), (2, Some(8)), (3, None), (4, Some(10))];
        let members = members.map(|(id, applied)| (NodeId(id), member(applied)));
        assert_eq!(behind(&BTreeMap::from(members), LogIndex(9)), [NodeId(2), NodeId(3)]);
    }
}
