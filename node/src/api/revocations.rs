//! Revoking identities, sessions and credentials. Once the answer is out, the entry is in the log: every node that applies it is bound
//! by it, and one that cannot hear of it stops admitting within one lease.

use super::{
    Api,
    caller::Caller,
    failure::{Answer, Failure},
    input::Body,
    reading,
};
use axum::{Json, extract::State};
use countersign_api::{
    problem::{Problem, ProblemKind},
    revocation::{Revocation, RevocationRequest},
};
use countersign_core::agent::Identity;
use countersign_raft_store::command::{Revocable, Revoke};

/// How long a node may go on after the last word of a quorum, in milliseconds (the serving lease).
const LEASE_MS: u64 = 5000;

/// Revokes an identity, a session or a credential.
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
    };
    let command =
        Revoke { what, reason: "revoked by an administrator".to_owned(), author: caller.author() };
    let revoked = reading::committed(node.store.revoke(command)).await?;
    let at = reading::now(node, |view| Ok(view.log_time()?)).await?;
    Ok(Json(Revocation { index: revoked.index.0, at: at.into(), everywhere_after_ms: LEASE_MS }))
}
