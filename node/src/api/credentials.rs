//! Credentials for agents. It is the one thing that the API does for an agent's token: the token goes in, a certificate for
//! the agent's own key comes out, and the audit has it before the certificate exists.

use super::{
    Api,
    failure::{Answer, Failure, not_initialised},
    input::Body,
    own_token::AgentToken,
    reading,
};
use crate::credential::{Bearer, CredentialAuthority};
use axum::{Json, extract::State};
use countersign_api::{
    credential::{Credential, CredentialRequest},
    problem::{Problem, ProblemKind},
};
use countersign_core::id::CredentialId;
use countersign_raft_store::command::IssueCredential;

/// Issues a client certificate for PostgreSQL, in exchange for an agent's token.
#[utoipa::path(post, path = "/v1/credentials/postgres", tag = "credentials", request_body = CredentialRequest, responses((status = 200, body = Credential), (status = "default", body = Problem)))]
pub(crate) async fn postgres(
    State(api): State<Api>,
    AgentToken { automation, source }: AgentToken,
    Body(request): Body<CredentialRequest>,
) -> Answer<Json<Credential>> {
    let node = api.node()?;
    let bearer = Bearer::of(&request.csr).map_err(|_| {
        Failure::new(
            ProblemKind::Invalid,
            "`csr` is no signing request that its own key has signed",
        )
        .hint("`openssl req -new -key KEY -subj /CN=agent` makes one")
    })?;
    let id = CredentialId::from_bytes(rand::random());
    let name = automation.agent.name.clone();
    let command = IssueCredential {
        id,
        agent: automation.agent,
        provider: automation.provider,
        key_sha256: bearer.key_sha256(),
        source,
        node: node.id,
    };
    let life = reading::committed(node.store.issue_credential(command)).await?.value;
    let cluster = reading::now(node, |view| view.cluster()?.ok_or_else(not_initialised)).await?;
    let certificate = CredentialAuthority::of(&cluster, &node.cluster_key)
        .sign(&bearer, (id, &name), life)
        .map_err(|error| Failure::internal("a credential could not be signed", &error))?;
    let expires_at = life.expires_at.into();
    Ok(Json(Credential { id: id.to_string(), certificate, expires_at }))
}
